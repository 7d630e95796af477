"""The second witness: credits. What is frozen shows that work goes on; what is gone shows what it has cost."""

from typing import Any, NamedTuple

import msgspec

from core.model.job import Job
from core.model.session import Session
from core.store.redis.client import STORE_DOWN
from worker.backend.faults import BackendFault
from worker.backend.responses import Credits
from worker.jobs.execution import JobExecution
from worker.tokens.estimate import estimate, usual_cost


class CreditReading(NamedTuple):
    """A balance as just read (None where the backend does not say), and who else uses the token meanwhile."""

    balance: Credits | None
    #: credits that other jobs have reserved on the token: what is frozen beyond them is frozen for this job
    others_reserved: int
    #: how often the token had been taken when only this job held it, else None
    alone_at: int | None

    @property
    def total(self) -> int | None:
        """Available and frozen together."""
        return self.balance.available + self.balance.frozen if self.balance else None

    @property
    def still_works(self) -> bool:
        """Credits are frozen that can only be this job's: the backend has not finished."""
        return self.balance is not None and self.balance.frozen > self.others_reserved

    @property
    def at_rest(self) -> bool:
        """Nothing is frozen, so nothing can still come."""
        return self.balance is not None and self.balance.frozen == 0


async def witness(work: JobExecution) -> CreditReading:
    """Read the balance of the job's token."""
    assert work.job.token_id is not None
    balance, use = await work.kit.pool.balance_and_use(await work.caller(), work.job.token_id)
    if use is None:
        return CreditReading(balance, 0, None)
    own = estimate(work.job)
    return CreditReading(balance, max(0, use.reserved - own), use.taken if use.in_flight == 1 else None)


async def settled(work: JobExecution, job: Job, now: CreditReading, *, confirmed: bool) -> dict[str, Any]:
    """Release the job's reservation, and say what the message has cost; `confirmed`: it was worked on for certain."""
    assert job.token_id is not None
    await work.kit.tokens.settle(
        job.token_id,
        job_id=job.id,
        available=now.balance.available if now.balance else None,
        frozen=now.balance.frozen if now.balance else None,
    )
    return cost(job, now, confirmed=confirmed)


async def last_account(work: JobExecution) -> tuple[dict[str, Any], Session | None]:
    """The same for a job that ends badly, with its session as it must wait for what may still come.

    Nothing is said of the cost where the backend does not answer now.
    """
    job = work.job
    if job.sent is None or job.edited or job.token_id is None:
        return ({"credits_used": 0, "credits_exact": True} if job.sent is None else {}), None
    try:
        now = await witness(work)
        return await settled(work, job, now, confirmed=False), settling(work, now)
    except (BackendFault, *STORE_DOWN):
        return {}, settling(work, None)


def settling(work: JobExecution, now: CreditReading | None) -> Session | None:
    """Let the session's next job wait for late effects of this one's message, unless a balance says that none can come."""
    if work.job.sent is None or work.job.edited or (now and now.at_rest):
        return None
    until_ms = work.job.sent.at_ms + int(work.kit.settings.stream_limit_s * 1000)
    return msgspec.structs.replace(work.session, settling_until_ms=until_ms)


def cost_unasked(job: Job) -> dict[str, Any]:
    """What can be said of a job's cost without asking the backend: nothing was spent where nothing was sent."""
    return cost(job, CreditReading(None, 0, None), confirmed=False)


def cost(job: Job, now: CreditReading, *, confirmed: bool) -> dict[str, Any]:
    """Compare two balances, where no other job ran on the token in between; else a confirmed edit costs the usual."""
    before = job.sent
    if before is None:
        return {"credits_used": 0, "credits_exact": True}
    alone = before.alone_at is not None and before.alone_at == now.alone_at
    if alone and before.credits_total is not None and now.total is not None:
        return {"credits_used": max(0, before.credits_total - now.total), "credits_exact": now.at_rest}
    return {"credits_used": usual_cost(job), "credits_exact": False} if confirmed else {}
