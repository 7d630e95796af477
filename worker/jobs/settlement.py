"""Settles what a job's message has cost: reads the credits, frees what was reserved, lets the session wait if it must."""

import asyncio
from typing import Any, NamedTuple

import msgspec

from core.model.job import Job, Sent
from core.model.message_cost import message_kind
from core.model.session import Session
from core.model.token import SentMessage
from core.store.redis.client import STORE_DOWN
from core.store.token_work import NO_WORK, ReadBalance, Settling, TokenWork
from worker.backend.faults import BackendFault
from worker.backend.responses import Credits
from worker.jobs.credit_reading import (
    NO_READING,
    NOTHING_SPENT,
    CreditReading,
    Others,
    Work,
    as_if_alone,
    cost_of,
    others_of,
    took_credits,
    work_on,
)
from worker.jobs.edit_outcome import longest_patience_s
from worker.jobs.execution import JobExecution

#: an end waits so long for a balance that would say what it has cost
_ANSWER_S = 5.0


async def take_credit_reading(execution: JobExecution, *, closely: bool = False) -> CreditReading:
    """Read the balance of the job's token, and who else uses it. Raises BackendFault(TOKEN_REFUSED).

    `closely`: look at who had sent both before and after the balance is read, so that what they explain of it is known
    and not only bounded.
    """
    balances, token_id = execution.context.balances, _token_of(execution.job)
    before = await balances.sent_on(token_id) if closely else None
    return await _with_use(execution, await balances.ask(await execution.credentials()), before)


async def take_reading_to_send(execution: JobExecution, *, closely: bool = False) -> CreditReading:
    """Read the balance right before the message. Raises as above.

    Whether the token is used alone is known before that: a message that is settled between the balance and a later look
    would be part of this one's cost. Who sends one after it makes the cost uncertain, and never wrong. Where nothing is
    frozen there is no more to ask: the intent's commit writes the balance (`work_of`).
    """
    alone_at = await _sends_if_alone(execution)
    if closely or alone_at is None:
        return (await take_credit_reading(execution, closely=closely))._replace(sends=alone_at)
    reading = CreditReading(await execution.context.balances.ask(await execution.credentials()), unwritten=True)
    if reading.frozen != 0:
        reading = await _with_use(execution, reading.balance)
    return reading._replace(sends=alone_at)


async def _sends_if_alone(execution: JobExecution) -> int | None:
    """Say how many messages were ever sent on the job's token, as this run's last commit was told, or else is told now.

    None: another job's is being worked on, or the token was removed.
    """
    job, balances = execution.job, execution.context.balances
    use = execution.handover.use or await balances.note(_token_of(job), None, job_id=job.id)
    return use.sends if use and not use.others_at_work else None


def work_of(job: Job, reading: CreditReading) -> TokenWork:
    """Say what a commit has yet to write of a reading."""
    if not reading.unwritten or reading.balance is None:
        return NO_WORK
    return TokenWork(balance=_as_read(_token_of(job), reading.balance))


def _as_read(token_id: str, balance: Credits) -> ReadBalance:
    return ReadBalance(token_id, balance.available, balance.frozen)


async def take_reading_to_settle(execution: JobExecution) -> CreditReading:
    """Read the balance where it is likely to be the last reading before the cost is settled. Raises as above.

    Where nothing is frozen, `settle_cost` asks who else uses the token, in its own call: all that is judged until then
    depends on the balance alone.
    """
    balance = await execution.context.balances.ask(await execution.credentials())
    reading = CreditReading(balance, asked_on_settling=True)
    return reading if reading.frozen == 0 else await _with_use(execution, balance)


async def _with_use(
    execution: JobExecution, balance: Credits | None, before: dict[str, SentMessage] | None = None
) -> CreditReading:
    """Say who else uses the token of a balance that was just read, and write that down. `before`: who had sent before it."""
    job, balances, token_id = execution.job, execution.context.balances, _token_of(execution.job)
    use = await balances.note(token_id, balance, job_id=job.id)
    if use is None or not use.others_at_work:
        return CreditReading(balance, sends=use.sends if use else None)
    after = await balances.sent_on(token_id)
    if before is None:
        return CreditReading(balance, _at_most(after, job.id))
    return CreditReading(balance, others_of(before, after, job_id=job.id, now_ms=await balances.now_ms()))


def _token_of(job: Job) -> str:
    assert job.token_id is not None
    return job.token_id


def _at_most(sent: dict[str, SentMessage], job_id: str) -> Others:
    return Others(most=sum(message.cost for name, message in sent.items() if name != job_id))


class SettledCost(NamedTuple):
    """What the message has cost, and what the commit of the record that says so has yet to do for that to be true."""

    facts: dict[str, Any]
    work: TokenWork = NO_WORK


async def settle_cost(execution: JobExecution, job: Job, reading: CreditReading) -> SettledCost:
    """Release the job's reservation, and say what the message has cost.

    Where the token was used alone, as far as this run's last commit knew, the next commit does so, if that is still so.
    """
    if reading.asked_on_settling and job.sent:
        return _settling_by_commit(execution, job, job.sent, reading) or SettledCost(
            await _settle_and_ask(execution, job, job.sent, reading)
        )
    facts = cost_of(job, reading)
    await _release(execution, job, reading, facts)
    return SettledCost(facts)


def _settling_by_commit(execution: JobExecution, job: Job, sent: Sent, reading: CreditReading) -> SettledCost | None:
    alone, use = as_if_alone(sent, reading), execution.handover.use
    if use is None or use.others_at_work or use.sends != alone.sends or reading.balance is None:
        return None
    facts = cost_of(job, alone)
    balance = _as_read(_token_of(job), reading.balance)
    settling = Settling(balance, kind=message_kind(job), learned=_certain_cost(facts), at_sends=use.sends)
    return SettledCost(facts, TokenWork(settling=settling))


def _certain_cost(facts: dict[str, Any]) -> int | None:
    return facts["credits_used"] if facts["credits_exact"] and facts["credits_used"] else None


async def _settle_and_ask(execution: JobExecution, job: Job, sent: Sent, reading: CreditReading) -> dict[str, Any]:
    """Let go of the token and hear in the same call whether it was used alone, from which what it has cost follows.

    Who sends a message after the balance was read, and before this, makes the cost uncertain, and never wrong.
    """
    alone = as_if_alone(sent, reading)
    sends = await _release(execution, job, reading, cost_of(job, alone), at_sends=alone.sends)
    return cost_of(job, reading._replace(sends=sends))


async def _release(
    execution: JobExecution, job: Job, reading: CreditReading, facts: dict[str, Any], *, at_sends: int | None = None
) -> int | None:
    """Let go of the token, unless the job is another's by now: its message would be nobody's to those who send beside it."""
    await execution.context.leases.ensure_held(execution.lease)
    return await execution.context.balances.release(
        job, _token_of(job), balance=reading.balance, cost=_certain_cost(facts), cost_at_sends=at_sends
    )


async def settle_failed_job(execution: JobExecution) -> tuple[dict[str, Any], Session | None]:
    """Say what a job that ends badly has cost, and how its session must wait for what may still come.

    Where the backend does not answer soon the message counts as what such a one costs. One that was only announced has cost
    nothing.
    """
    job = execution.job
    if job.edited:
        return {}, None
    if execution.handover.may_send:
        return NOTHING_SPENT, None
    if job.sent is None or job.token_id is None:
        return cost_of(job, NO_READING), settling_session(execution, NO_READING)
    try:
        async with asyncio.timeout(_ANSWER_S):
            reading = await _take_last_reading(execution, job.sent)
        settled = await settle_cost(execution, job, reading)
        return settled.facts, settling_session(execution, reading)
    except (BackendFault, TimeoutError, *STORE_DOWN):
        return cost_of(job, NO_READING), settling_session(execution, NO_READING)


async def _take_last_reading(execution: JobExecution, sent: Sent) -> CreditReading:
    """Read the balance, once more where it says nothing yet of a message that was cut off just now. Raises as above."""
    reading = await take_credit_reading(execution, closely=True)
    early_s = arrives_in_s(execution, sent)
    if early_s <= 0 or work_on(sent, reading) is not Work.OVER or took_credits(sent, reading):
        return reading
    await asyncio.sleep(early_s)
    return await take_credit_reading(execution, closely=True)


def arrives_in_s(execution: JobExecution, sent: Sent) -> float:
    """Say how long a message that was cut off just now may yet take to reach the backend; 0 or less: it has, or will not."""
    return execution.context.settings.settle_s - (execution.now_ms - sent.at_ms) / 1000


def settling_session(execution: JobExecution, reading: CreditReading) -> Session | None:
    """Let the session's next job wait for late effects of a job that ends, unless the balance says that none can come."""
    job = execution.job
    if job.sent is None or job.edited or work_on(job.sent, reading) is Work.OVER:
        return None
    return _settling(execution, job.sent)


def session_after_edit(execution: JobExecution, reading: CreditReading) -> Session:
    """Let the session's next job wait where an edit was seen, and what is frozen does not say that it was all."""
    sent = execution.job.sent
    if sent is None or work_on(sent, reading) in (Work.OVER, Work.UNTOLD):
        return execution.session
    return _settling(execution, sent)


def _settling(execution: JobExecution, sent: Sent) -> Session:
    until_ms = sent.at_ms + int(execution.context.settings.stream_limit_s * 1000)
    return msgspec.structs.replace(execution.session, settling_until_ms=until_ms, settling=sent)


def is_settling(execution: JobExecution, reading: CreditReading) -> bool:
    """Whether late effects of an earlier message may still come into the session.

    That is for the whole time that a message may take where credits are frozen for it, or nobody says so. What may as
    well be frozen for somebody else is waited for as long as a change may show late.
    """
    session, settings, now_ms = execution.session, execution.context.settings, execution.now_ms
    if session.settling_until_ms <= now_ms:
        return False
    work = _work_on_earlier(session.settling, reading)
    if work is Work.UNCLEAR and session.settling:
        return now_ms <= session.settling.at_ms + longest_patience_s(settings) * 1000
    return work is not Work.OVER


def _work_on_earlier(sent: Sent | None, reading: CreditReading) -> Work:
    if sent is not None:
        return work_on(sent, reading)
    return Work.OVER if reading.frozen == 0 else Work.UNCLEAR
