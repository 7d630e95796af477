"""What a backend's refusal means for a job: the one table from `Fault` to the next record, a wait or an end.

`worker.jobs.runner` asks it when a step raised BackendFault. A message that may have arrived leads to reading, never to
sending again; everything else may be asked again.
"""

from core.errors import Code, Permanent, Temporary, WaitReason
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Stage, Status
from core.model.session import Session
from core.model.token import Scope
from core.profiles import PROFILES
from worker.backend.faults import PASSING, BackendFault, Fault
from worker.jobs.execution import JobExecution, StepResult
from worker.tokens.estimate import estimate
from worker.tokens.scopes import scope_of

_BUSY_S = 3.0
#: the longest growing pause between two tries while the backend fails
_LONGEST_PAUSE_S = 60.0
#: the longest rest after a 429 that does not say how long
_LONGEST_REST_S = 300.0

_ENDS = {
    Fault.UNSUPPORTED: Code.UNSUPPORTED_MEDIA,
    Fault.REFUSED: Code.BACKEND_UNAVAILABLE,
    Fault.RENDER_DUPLICATE: Code.INTERNAL,
    Fault.RENDER_UNKNOWN: Code.RENDER_FAILED,
}


async def after_fault(work: JobExecution, fault: BackendFault) -> StepResult:
    """Say how the job goes on. Raises Permanent or Temporary where it ends or waits as it is."""
    work.token_held = None  # whatever was refused, the next try asks for its reservation again
    if fault.call == "message" and fault.maybe_done:
        return StepResult(transitions.confirmation_needed(work.job, now_ms=work.now_ms))
    match fault.fault:
        case Fault.TOKEN_REFUSED:
            return await _token_refused(work)
        case Fault.SESSION_LOST:
            return _session_lost(work.job, work.session)
        case Fault.NO_CREDITS:
            return await _no_credits(work)
        case Fault.EXPORT_BLOCKED:
            return await _export_blocked(work)
        case Fault.SCOPE_MISSING:
            return await _scope_missing(work, fault)
        case Fault.TOO_LARGE:
            raise Permanent(Code.MEDIA_TOO_LARGE, hint=_size_hint(work.job))
        case Fault.RATE_LIMITED:
            return await _rate_limited(work, fault)
        case passing if passing in PASSING:
            return _later(work, fault)
        case other:
            raise Permanent(_ENDS[other], fault.detail or None)


async def _rate_limited(work: JobExecution, fault: BackendFault) -> StepResult:
    """Wait, and let the token rest meanwhile, so that others who may choose take another one."""
    if work.job.token_id:
        await work.kit.pool.rate_limited(work.job.token_id, rest_s=_rest_s(work, fault))
    return _later(work, fault)


def _later(work: JobExecution, fault: BackendFault) -> StepResult:
    """Wait, with a growing pause; a message that was refused is not on its way any more."""
    reason, delay_s = _pause(work, fault)
    until_ms = work.now_ms + int(delay_s * 1000)
    faults = work.job.faults
    job = taken_back(work.job)
    if fault.call == "upload" and fault.maybe_done:
        job = transitions.upload_interrupted(job)
    waiting = transitions.waiting(job, reason=reason, until_ms=until_ms, faults=faults + 1)
    return StepResult(waiting, park_s=delay_s)


def _pause(work: JobExecution, fault: BackendFault) -> tuple[WaitReason, float]:
    settings = work.kit.settings
    match fault.fault:
        case Fault.RATE_LIMITED:
            return WaitReason.BACKEND_RATE_LIMITED, _rest_s(work, fault)
        case Fault.BUSY:
            return WaitReason.SESSION_BUSY, _BUSY_S
    growing_s = min(_LONGEST_PAUSE_S, settings.backoff_s * 2 ** min(work.job.faults, 10))
    return WaitReason.BACKEND_DOWN, max(growing_s, fault.retry_after_s or 0.0)


def _rest_s(work: JobExecution, fault: BackendFault) -> float:
    """The backend's own word, or else one try after 30 s, and from then on ever longer rests."""
    if fault.retry_after_s:
        return fault.retry_after_s
    return min(_LONGEST_REST_S, work.kit.settings.rate_limited_s * (1 << min(work.job.faults, 10)))


def taken_back(job: Job) -> Job:
    """Void the intent of a message that the backend refused before any work; other stages stay where they are.

    A job that is being cancelled has closed its stream, so nobody knows whether its message was refused.
    """
    return transitions.restarted(job) if job.stage is Stage.EDITING and job.status is Status.RUNNING else job


async def _token_refused(work: JobExecution) -> StepResult:
    """Hand the very token back. Its successor is tried on the same session; without one the session's token is gone."""
    job, session = work.job, work.session
    token_id = job.token_id or session.token_id
    if token_id is None:
        raise Temporary(WaitReason.NO_CREDITS, delay_s=1.0)
    successor = await work.kit.pool.refused(job, token_id)
    if successor == token_id:
        return StepResult(taken_back(job), park_s=work.kit.settings.backoff_s)
    await work.kit.tokens.settle(token_id, job_id=job.id, available=None, frozen=None)
    if successor and session.backend_id:
        return StepResult(_on_successor(job, successor), sessions.moved_to(session, successor))
    return _session_lost(job, session)


def _on_successor(job: Job, token_id: str) -> Job:
    """A job that has yet to pay begins by reserving its credits; one that has paid goes on where it is."""
    return transitions.restarted(job) if _unpaid(job) else transitions.token_changed(job, token_id=token_id)


def _unpaid(job: Job) -> bool:
    """Whether a job may begin again: its message was refused, or was never sent."""
    return job.stage in (Stage.PREPARING, Stage.UPLOADING, Stage.EDITING) and job.status is Status.RUNNING


def _session_lost(job: Job, session: Session) -> StepResult:
    """Begin again in a new session, unless an edit stands in the lost one, or may stand there."""
    if session.edits or job.stage is Stage.RECOVERING:
        return StepResult(transitions.session_lost(job), sessions.given_up(session))
    return StepResult(transitions.restarted(job), sessions.forgotten(session))


async def _no_credits(work: JobExecution) -> StepResult:
    """Begin again: another token of the operator's may have some; a session with an edit must wait for its own.

    A token with credits enough for the estimate was refused: the message costs more than was thought. The next one
    must have twice as much, so that this ends.
    """
    job = work.job
    cost_at_least = job.cost_at_least
    if job.token_id:
        balance = await work.kit.pool.exhausted(job, job.token_id)
        await work.kit.tokens.settle(job.token_id, job_id=job.id, available=None, frozen=None)
        if balance and balance.available >= estimate(job):
            cost_at_least = 2 * estimate(job)
    return StepResult(transitions.restarted(job, cost_at_least=cost_at_least))


async def _export_blocked(work: JobExecution) -> StepResult:
    if work.job.token_id:
        await work.kit.tokens.note_export(work.job.token_id, allowed=False)
    raise Permanent(Code.EXPORT_BLOCKED)


async def _scope_missing(work: JobExecution, fault: BackendFault) -> StepResult:
    """Remember what the token may not do, which shows only by its refusals, and take another one as long as one can."""
    job, session, scope = work.job, work.session, scope_of(fault.call)
    if job.token_id and scope is Scope.RENDER:
        await work.kit.tokens.note_export(job.token_id, allowed=False)
    elif job.token_id:
        await work.kit.tokens.note_denied(job.token_id, scope)
        await work.kit.tokens.settle(job.token_id, job_id=job.id, available=None, frozen=None)
    if not _unpaid(job) or sessions.is_bound(session):
        raise Permanent(Code.SCOPE_MISSING, fault.detail or None)
    return StepResult(transitions.restarted(job), sessions.forgotten(session))


def _size_hint(job: Job) -> str:
    limit = PROFILES[job.profile].max_bytes // 1_000_000
    return f"Compress or trim the file to at most {limit} MB and submit again."
