"""Finds a token, and a session at the backend in the caller's language. Both can be found again, so a crash here costs nothing."""

from http import HTTPStatus

import msgspec

from core.errors import Code, Permanent
from core.logs import get_logger
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Stage
from core.model.message_cost import cost_to_reserve, exceeds_limit
from worker.backend.faults import BackendFault, Fault
from worker.backend.responses import OpenedSession
from worker.jobs.deadline import require_time_to_edit
from worker.jobs.execution import JobExecution
from worker.jobs.language import detect_language
from worker.jobs.step_result import Handover, StepResult
from worker.jobs.steps.answer import answer_of
from worker.offer import has_room

log = get_logger(__name__)

#: how long a job sleeps on for which its worker has no place: others may have, or this one by then
_NO_ROOM_S = 15.0


async def prepare(execution: JobExecution) -> StepResult:
    """Find what the job runs on. Ends it where it would cost too much, or its edit come too late."""
    job, session = execution.job, execution.session
    _require_budget(job)
    require_time_to_edit(job, now_ms=execution.now_ms)
    if job.token_id is None or execution.handover.reserved_token_id != job.token_id:
        if not has_room(execution.context.leases.count("job"), places=execution.context.settings.worker_jobs):
            now_ms = execution.now_ms
            sleeps_on = transitions.room_awaited(job, now_ms=now_ms, until_ms=now_ms + int(_NO_ROOM_S * 1000))
            return StepResult(sleeps_on, park_s=_NO_ROOM_S)
        await execution.context.leases.ensure_held(execution.lease)
        token_id = await execution.context.token_pool.reservations.reserve(job, session)
        if reserved := _switch_token(execution, token_id):
            return reserved
    if (answer := answer_of(job)) and not job.media:
        return await answer(execution)
    if session.backend_id is None:
        return await _open_session(execution)
    return StepResult(transitions.moved(job, Stage.UPLOADING), handover=_uninterrupted(execution))


def _switch_token(execution: JobExecution, token_id: str) -> StepResult | None:
    """Write down which token the job runs on from here, and leave a session that another one opened. None: no change."""
    job, session = execution.job, execution.session
    handover = msgspec.structs.replace(execution.handover, reserved_token_id=token_id)
    if session.backend_id and session.token_id != token_id:
        return StepResult(
            transitions.token_taken(job, token_id=token_id), sessions.forgotten(session), handover=handover
        )
    if job.token_id != token_id:
        return StepResult(transitions.token_taken(job, token_id=token_id), handover=handover)
    return None


async def _open_session(execution: JobExecution) -> StepResult:
    """Open a session at the backend; one that nobody comes to know of costs nothing there."""
    job, session = execution.job, execution.session
    language = job.language or session.language or detect_language(job.prompt)
    opened = await _open_in(language, execution)
    assert job.token_id is not None
    following = sessions.opened(
        session,
        backend_id=opened.session_id,
        task_id=opened.task_id,
        user_id=opened.user_id,
        token_id=job.token_id,
    )
    moved = transitions.moved(job, Stage.UPLOADING, language=language)
    return StepResult(moved, following, handover=_uninterrupted(execution))


async def _open_in(language: str, execution: JobExecution) -> OpenedSession:
    """Open a session in a language; without one where that is refused, since no page lists all that are known."""
    backend, credentials = execution.context.backend, await execution.credentials()
    try:
        return await backend.open_session(credentials, language=language)
    except BackendFault as fault:
        if fault.fault is not Fault.REFUSED or fault.status == HTTPStatus.FORBIDDEN:
            raise
        log.info("a session was refused, perhaps for its language", language=language, fault=str(fault))
    return await backend.open_session(credentials, language=None)


def _uninterrupted(execution: JobExecution) -> Handover:
    """Whoever stopped at this step had not begun to upload."""
    return msgspec.structs.replace(execution.handover, interrupted=False)


def _require_budget(job: Job) -> None:
    """Raise Permanent where the job would cost more than its caller allows."""
    if exceeds_limit(job):
        words = f"The edit costs about {cost_to_reserve(job)} credits, and max_credits is {job.max_credits}."
        raise Permanent(Code.BUDGET_EXCEEDED, words)
