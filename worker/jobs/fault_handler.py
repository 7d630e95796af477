"""Carries out what `worker.jobs.fault_policy` says of a backend's refusal: tells the pool, and makes the next record."""

from core.errors import Code, Permanent, Temporary, WaitReason
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job
from core.model.session import Session
from worker.backend.faults import BackendFault
from worker.jobs.execution import JobExecution
from worker.jobs.fault_policy import (
    Change,
    EndJob,
    RetryLater,
    may_begin_again,
    may_leave_session,
    may_take_another_token,
    message_was_refused,
    raised_estimate,
    reaction_to,
)
from worker.jobs.step_result import Handover, StepResult
from worker.tokens.estimate import estimate


async def handle_fault(execution: JobExecution, fault: BackendFault) -> StepResult:
    """Say how the job goes on. Raises Permanent or Temporary where it ends or waits as it is, and BackendFault.

    Nothing is handed over: whatever was refused, the next step begins from the record alone.
    """
    match reaction_to(fault, execution.job, execution.context.settings):
        case RetryLater() as retry:
            result = await _retry_later(execution, retry)
        case EndJob() as end:
            raise end.as_error()
        case change:
            result = await _change(execution, change, fault)
    return result._replace(handover=Handover())


async def _change(execution: JobExecution, change: Change, fault: BackendFault) -> StepResult:
    match change:
        case Change.READ_INSTEAD_OF_SENDING:
            return StepResult(transitions.confirmation_needed(execution.job, now_ms=execution.now_ms))
        case Change.INVALIDATE_TOKEN:
            return await _invalidate_token(execution)
        case Change.LEAVE_SESSION:
            return _leave_session(execution.job, execution.session)
        case Change.EXHAUST_TOKEN:
            return await _exhaust_token(execution)
        case Change.BLOCK_EXPORT:
            return await _block_export(execution)
        case Change.DENY_SCOPE:
            return await _deny_scope(execution, fault)


async def _retry_later(execution: JobExecution, retry: RetryLater) -> StepResult:
    """Sleep; a message that was refused is not on its way any more. A token that rests is left to those who hold it."""
    if retry.token_rests and execution.job.token_id:
        await execution.context.token_pool.rest(execution.job.token_id, rest_s=retry.delay_s)
    faults = execution.job.faults + 1
    job = take_back_refused(execution.job)
    if retry.upload_doubt:
        job = transitions.upload_interrupted(job)
    until_ms = execution.now_ms + int(retry.delay_s * 1000)
    waiting = transitions.waiting(job, reason=retry.reason, until_ms=until_ms, faults=faults)
    return StepResult(waiting, park_s=retry.delay_s)


async def _invalidate_token(execution: JobExecution) -> StepResult:
    """Hand the very token back. Its successor is tried on the same session; without one the session's token is gone."""
    job, session, pool = execution.job, execution.session, execution.context.token_pool
    token_id = job.token_id or session.token_id
    if token_id is None:
        raise Temporary(WaitReason.NO_CREDITS, delay_s=1.0)
    successor = await pool.invalidate(job, token_id)
    if successor == token_id:
        return StepResult(take_back_refused(job), park_s=execution.context.settings.backoff_s)
    await pool.release(job, token_id)
    if successor and session.backend_id:
        return StepResult(_go_on_with(job, successor), sessions.moved_to(session, successor))
    return _leave_session(job, session)


async def _exhaust_token(execution: JobExecution) -> StepResult:
    """Begin again: another token of the operator's may have credits; a session with an edit must wait for its own."""
    job, cost_at_least = execution.job, execution.job.cost_at_least
    if job.token_id:
        balance = await execution.context.token_pool.exhaust(job, job.token_id)
        available = balance.available if balance else None
        cost_at_least = raised_estimate(job, available=available, estimate=estimate(job))
    return StepResult(transitions.restarted(job, cost_at_least=cost_at_least))


async def _block_export(execution: JobExecution) -> StepResult:
    if execution.job.token_id:
        await execution.context.token_pool.note_export(execution.job.token_id, allowed=False)
    raise Permanent(Code.EXPORT_BLOCKED)


async def _deny_scope(execution: JobExecution, fault: BackendFault) -> StepResult:
    """Remember what the token may not do, and take another one as long as one can."""
    job, session = execution.job, execution.session
    if job.token_id:
        await execution.context.token_pool.deny(job, job.token_id, call=fault.call)
    if not may_take_another_token(job, session):
        raise Permanent(Code.SCOPE_MISSING, fault.detail or None)
    return StepResult(transitions.restarted(job), sessions.forgotten(session))


def take_back_refused(job: Job) -> Job:
    """Void the intent of a message that the backend refused before any work; other jobs stay where they are."""
    return transitions.restarted(job) if message_was_refused(job) else job


def _go_on_with(job: Job, token_id: str) -> Job:
    """A job that has yet to pay begins by reserving its credits; one that has paid goes on where it is."""
    return transitions.restarted(job) if may_begin_again(job) else transitions.token_changed(job, token_id=token_id)


def _leave_session(job: Job, session: Session) -> StepResult:
    """Begin again in a new session, or say that the session is lost, and with it an edit."""
    if may_leave_session(job, session):
        return StepResult(transitions.restarted(job), sessions.forgotten(session))
    return StepResult(transitions.session_lost(job), sessions.given_up(session))
