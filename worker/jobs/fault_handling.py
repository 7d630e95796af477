"""Carries out what `worker.jobs.fault_reactions` says of a backend's refusal: tells the pool, and makes the next record."""

from core.errors import Code, Permanent, Temporary, WaitReason
from core.logs import get_logger
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Stage
from core.model.message_cost import cost_to_reserve
from core.model.session import Session
from worker.backend.faults import BackendFault, Fault
from worker.jobs.execution import JobExecution
from worker.jobs.fault_reactions import (
    Reaction,
    end_after,
    may_begin_again,
    may_leave_session,
    may_take_another_token,
    message_was_refused,
    raised_estimate,
    reaction_to,
)
from worker.jobs.retry_policy import LONGEST_PAUSE_S, TRIES, name_of, next_try, tries_of
from worker.jobs.step_result import Handover, StepResult
from worker.jobs.wait_or_fail import fail, wait
from worker.tokens.rest import token_rest_s

log = get_logger(__name__)

#: who was refused by one token after the other for want of credits looks again so soon
_NO_CREDITS_S = 5.0


async def handle_error(execution: JobExecution, error: Permanent | Temporary | BackendFault) -> StepResult:
    """Turn what a step raised into the next record."""
    match error:
        case Permanent():
            return await fail(execution, error, execution.job_without_unsent)
        case Temporary():
            return await wait(execution, error, execution.job)
    return await handle_fault(execution, error)


async def handle_fault(execution: JobExecution, fault: BackendFault) -> StepResult:
    """Say how the job goes on, or ends. Finding out what a fault means may itself be refused, or have to wait.

    Nothing is handed over: whatever was refused, the next step begins from the record alone.
    """
    job = _without_refused_message(execution, fault)
    if fault.call == "upload" and fault.maybe_done:
        job = transitions.upload_interrupted(job)
    try:
        result = await _react(execution, job, fault)
    except BackendFault as another:
        log.info("a call failed after a failed one", stage=str(job.stage), fault=str(another))
        result = await _go_on_after(execution, job, another)
    except Temporary as later:
        result = await wait(execution, later, job)
    return result._replace(handover=Handover())


async def _go_on_after(execution: JobExecution, job: Job, fault: BackendFault) -> StepResult:
    try:
        return _try_again(execution, job, fault)
    except Permanent as end:
        return await fail(execution, end, job)


async def _react(execution: JobExecution, job: Job, fault: BackendFault) -> StepResult:
    """Carry the reaction out on `job`, which is the record without a message that was refused. Raises BackendFault."""
    try:
        match reaction_to(fault):
            case Reaction.READ_INSTEAD_OF_SENDING:
                return StepResult(transitions.confirmation_needed(job, now_ms=execution.now_ms))
            case Reaction.INVALIDATE_TOKEN:
                return await _invalidate_token(execution, job, fault)
            case Reaction.LEAVE_SESSION:
                return await _leave_session(execution, job, fault)
            case Reaction.EXHAUST_TOKEN:
                return await _exhaust_token(execution, job, fault)
            case Reaction.BLOCK_EXPORT:
                return await _block_export(execution, job, fault)
            case Reaction.DENY_SCOPE:
                return await _deny_scope(execution, job, fault)
            case Reaction.TRY_AGAIN:
                return await _try_later(execution, job, fault)
    except Permanent as end:
        return await fail(execution, end, job)


def _without_refused_message(execution: JobExecution, fault: BackendFault) -> Job:
    """Void the intent of a message that the backend refused before any work; other jobs stay where they are."""
    job = execution.job
    refused = message_was_refused(fault, job, may_send=execution.handover.may_send)
    return transitions.message_refused(job) if refused else job


def _try_again(
    execution: JobExecution,
    following: Job,
    fault: BackendFault,
    session: Session | None = None,
    *,
    elsewhere: bool = False,
) -> StepResult:
    """Go on with `following` after the pause that the rules give. Raises Permanent where they give none.

    `elsewhere`: with another token, or in a new session.
    """
    now_ms = execution.now_ms
    again = next_try(fault, following, execution.context.settings, now_ms=now_ms, elsewhere=elsewhere)
    if again is None:
        raise end_after(fault, following)
    if again.counts:
        following = transitions.trying_again(following, after=name_of(fault))
    if not again.delay_s and elsewhere:
        return StepResult(following, session)
    until_ms = now_ms + int(again.delay_s * 1000)
    for_all = fault.fault is Fault.RATE_LIMITED and not fault.by_backend
    waiting = transitions.waiting(following, reason=again.reason, until_ms=until_ms, for_all=for_all)
    return StepResult(waiting, session, park_s=again.delay_s)


async def _try_later(execution: JobExecution, job: Job, fault: BackendFault) -> StepResult:
    """Sleep. A token that the backend itself told to rest is left to those who hold it, or for long to nobody."""
    token_id = execution.job.token_id
    if fault.fault is Fault.RATE_LIMITED and fault.by_backend and token_id:
        rest_s = token_rest_s(tries_of(fault, job), fault.retry_after_s, execution.context.settings)
        await execution.context.token_pool.rest(token_id, rest_s=rest_s)
        if rest_s > LONGEST_PAUSE_S and may_take_another_token(job, execution.session):
            await execution.context.balances.release(execution.job, token_id)
            return _try_again(execution, transitions.restarted(job), fault, elsewhere=True)
    return _try_again(execution, job, fault)


async def _invalidate_token(execution: JobExecution, job: Job, fault: BackendFault) -> StepResult:
    """Hand the very token back. Its successor is tried on the same session; without one the session's token is gone.

    A session with an edit is gone on with by another token of its account. Where it has none, it waits some time for a
    revoked one, which may be good after all.
    """
    session, pool = execution.session, execution.context.token_pool
    token_id = execution.job.token_id or session.token_id
    if token_id is None:
        return _try_again(execution, job, fault)
    successor = await pool.invalidate(execution.job, token_id, call=fault.call)
    if successor is None and not may_leave_session(job, session):
        successor = await pool.find_other_of_account(job, session)
    if successor == token_id or (successor is None and await _may_wait_for(execution, job, fault, token_id)):
        return _try_again(execution, job, fault)
    await execution.context.balances.release(execution.job, token_id)
    if successor and session.backend_id:
        return _move_session(execution, job, fault, successor)
    return _abandon_session(job, session)


async def _may_wait_for(execution: JobExecution, job: Job, fault: BackendFault, token_id: str) -> bool:
    if may_leave_session(job, execution.session) or tries_of(fault, job) >= TRIES:
        return False
    return await execution.context.token_pool.revoked.may_come_back(token_id)


def _move_session(execution: JobExecution, job: Job, fault: BackendFault, token_id: str) -> StepResult:
    following, session = _go_on_with(job, token_id), sessions.moved_to(execution.session, token_id)
    return _try_again(execution, following, fault, session, elsewhere=True)


async def _leave_session(execution: JobExecution, job: Job, fault: BackendFault) -> StepResult:
    """Begin again in a new session; one with an edit is given up, for all its jobs, only where it is not found for long.

    Its token may be another one of its account than the one that opened it, and that one may be good again: so it is looked
    for by another one the last time.
    """
    session, tries = execution.session, tries_of(fault, job)
    if may_leave_session(job, session):
        following, forgotten = transitions.restarted(job), sessions.forgotten(session)
        return _try_again(execution, following, fault, forgotten, elsewhere=True)
    if session.backend_id is None or tries >= TRIES:
        return _abandon_session(job, session)
    other = await execution.context.token_pool.find_other_of_account(job, session) if tries == TRIES - 1 else None
    if other is None:
        return _try_again(execution, job, fault)
    if token_id := execution.job.token_id:
        await execution.context.balances.release(execution.job, token_id)
    return _move_session(execution, job, fault, other)


def _abandon_session(job: Job, session: Session) -> StepResult:
    """Begin again in a new session, or say that the session is lost, and with it an edit. Tokens that are over end this."""
    if may_leave_session(job, session):
        return StepResult(transitions.restarted(job), sessions.forgotten(session))
    return StepResult(transitions.session_lost(job), sessions.given_up(session))


async def _exhaust_token(execution: JobExecution, job: Job, fault: BackendFault) -> StepResult:
    """Begin again: another token of the operator's may have credits; a session with an edit must wait for its own.

    What comes after the message costs nothing, so a job that has paid asks again.
    """
    if not may_begin_again(job):
        return _try_again(execution, job, fault)
    token_id, estimate = execution.job.token_id, cost_to_reserve(job)
    balance = await execution.context.token_pool.exhaust(execution.job, token_id) if token_id else None
    available = balance.available if balance else None
    cost_at_least = raised_estimate(job, available=available, estimate=estimate)
    following = transitions.restarted(job, cost_at_least=cost_at_least)
    has_too_few = available is not None and available < estimate
    if has_too_few and tries_of(fault, job) >= TRIES and execution.now_ms < job.start_by_ms:
        return await wait(execution, Temporary(WaitReason.NO_CREDITS, delay_s=_NO_CREDITS_S), following)
    return _try_again(execution, following, fault, elsewhere=True)


async def _block_export(execution: JobExecution, job: Job, fault: BackendFault) -> StepResult:
    """End the job, unless its edit is still looked for. Only a refused render says something of the token."""
    if job.stage is Stage.RECOVERING:
        return _try_again(execution, job, fault)
    if execution.job.token_id and fault.call == "render":
        await execution.context.token_pool.note_export_refused(job, execution.job.token_id)
    raise Permanent(Code.EXPORT_BLOCKED)


async def _deny_scope(execution: JobExecution, job: Job, fault: BackendFault) -> StepResult:
    """Remember what the token may not do, and take another one as long as one can.

    Who stays with it goes on holding its credits there, and its message stays one that others know of. What is refused in a
    session with an edit may be refused for the session: one that an expired token opened is perhaps not its successor's.
    """
    session, token_id = execution.session, execution.job.token_id
    if token_id and (fault.call == "render" or not sessions.is_bound(session)):
        await execution.context.token_pool.deny(job, token_id, call=fault.call)
    if may_take_another_token(job, session):
        if token_id:
            await execution.context.balances.release(execution.job, token_id)
        following, forgotten = transitions.restarted(job), sessions.forgotten(session)
        return _try_again(execution, following, fault, forgotten, elsewhere=True)
    return _try_again(execution, job, fault)


def _go_on_with(job: Job, token_id: str) -> Job:
    """A job that has yet to pay begins by reserving its credits; one that has paid goes on where it is."""
    return transitions.restarted(job) if may_begin_again(job) else transitions.token_changed(job, token_id=token_id)
