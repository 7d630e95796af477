"""Orphan renders: those that nobody waits for any more are taken back, or looked at until they end.

A render that completes and that nobody ever reads is an orphan at the backend, and keeps its session's one export busy.
A job that ends leaves its render on a list; `follow_orphan_renders` goes over that list in a task of its own, since a
backend that hangs must not hold up the sweep.
"""

from collections.abc import Sequence
from enum import Enum, auto

from core.logs import get_logger
from core.model.job import Job, Status
from core.store.jobs.orphan_renders import OrphanRender
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import Unreadable
from worker.backend.client import Backend, Credentials
from worker.backend.faults import PASSING, BackendFault, Fault
from worker.backend.responses import RenderStatus
from worker.context import WorkerContext
from worker.jobs.execution import JobExecution

log = get_logger(__name__)


class CancelOutcome(Enum):
    """What became of a render that was to be taken back."""

    OVER = auto()
    #: or nobody can say now
    GOES_ON = auto()


#: the next look at one comes after so large a part of the time for which it has been followed, and within an hour
_PART_OF_AGE, _LONGEST_PAUSE_S = 0.25, 3600.0
#: a render that is unknown may have been asked for just before, and begin so much later: an answer takes a minute at most
_BEGINS_WITHIN_S = 120.0
#: what is said of one that has not begun, or of all to a token that may begin none
_NOT_THERE = (Fault.RENDER_UNKNOWN, Fault.EXPORT_BLOCKED, Fault.SCOPE_MISSING)
#: what a page says where there is no call by which a render is taken back
_NO_SUCH_CALL = (404, 405, 410, 501)
#: words of a render that the backend still works on
_UNDER_WAY = ("pending", "processing")


async def abandon_render(execution: JobExecution) -> RenderStatus | None:
    """Take a job's render back that nobody will fetch; where it can't be taken back any more, say how it stands.

    One that goes on is followed after the job's end, and so is one that is refused or unknown now: a call that was cut off
    may yet arrive, and one refusal says nothing for good. Raises BackendFault where the backend does not say now.
    """
    wanted = execution.job.render
    if wanted is None or wanted.url:
        return None
    try:
        status = await _cancel_or_look(execution.context.backend, await execution.credentials(), wanted.ids)
    except BackendFault as fault:
        if fault.fault in PASSING:
            raise
        await leave_render(execution)
        return None
    if status and status.status in _UNDER_WAY:
        await leave_render(execution)
    return status


async def leave_render(execution: JobExecution, *, backend_id: str | None = None) -> None:
    """Have a job's render followed after the job's end. `backend_id`: its name at the backend, where no record holds it."""
    job = execution.job
    if job.render and not job.render.url and job.token_id:
        orphan = OrphanRender(
            id=job.render.id,
            job_id=job.id,
            token_id=job.token_id,
            profile=job.profile,
            left_at_ms=execution.now_ms,
            backend_id=backend_id or job.render.backend_id,
        )
        await execution.context.orphan_renders.leave(orphan)


async def follow_orphan_renders(context: WorkerContext) -> None:
    """Look once at each that is due. One at which something breaks is looked at again later, and keeps no other from its turn."""
    for orphan in await context.orphan_renders.due():
        await context.orphan_renders.look_again(orphan, in_s=_pause_s(context, orphan))
        try:
            await _follow(context, orphan)
        except STORE_DOWN:
            raise
        except Exception:
            log.exception("an orphan render cannot be followed", render_id=orphan.id, job_id=orphan.job_id)


async def _follow(context: WorkerContext, orphan: OrphanRender) -> None:
    """Take a render back, and forget it once it is over. One whose film its job has is: whoever went on with the job waited for it.

    A job that has not ended minds its render by itself, and leaves it anew. One that it has begun another for is taken back
    meanwhile: it keeps the session's one export busy.
    """
    try:
        job = await context.jobs.load(orphan.job_id)
    except Unreadable:
        return
    if job and not job.ended and not _has_begun_another(job, orphan):
        return
    if (job and _has_film_of(job, orphan)) or await _take_back(context, orphan) is CancelOutcome.OVER:
        await context.orphan_renders.forget(orphan)


def _has_begun_another(job: Job, orphan: OrphanRender) -> bool:
    return job.render is not None and not set(job.render.ids) & set(orphan.ids)


def _has_film_of(job: Job, orphan: OrphanRender) -> bool:
    return job.status is Status.SUCCEEDED and job.render is not None and job.render.id == orphan.id


def _pause_s(context: WorkerContext, orphan: OrphanRender) -> float:
    """Grow with the time for which it has been followed, so that one which never ends is asked after some thirty times."""
    return min(max(context.settings.render_poll_s, _followed_s(context, orphan) * _PART_OF_AGE), _LONGEST_PAUSE_S)


def _followed_s(context: WorkerContext, orphan: OrphanRender) -> float:
    return (context.clock.now_ms() - orphan.left_at_ms) / 1000


async def _take_back(context: WorkerContext, orphan: OrphanRender) -> CancelOutcome:
    """Cancel a render that nobody waits for, and say what became of it; without its token nobody can say any more."""
    try:
        credentials = await context.token_pool.credentials(
            orphan.token_id, profile=orphan.profile, job_id=orphan.job_id
        )
        if credentials is None:
            return CancelOutcome.OVER
        status = await _cancel_or_look(context.backend, credentials, orphan.ids)
    except BackendFault as fault:
        # one refusal says nothing for good; of a render that should be there by now it does
        is_nowhere = fault.fault in _NOT_THERE and _followed_s(context, orphan) >= _BEGINS_WITHIN_S
        return CancelOutcome.OVER if is_nowhere else CancelOutcome.GOES_ON
    return CancelOutcome.GOES_ON if status and status.status in _UNDER_WAY else CancelOutcome.OVER


async def _cancel_or_look(backend: Backend, credentials: Credentials, ids: Sequence[str]) -> RenderStatus | None:
    """Cancel a render; where that is refused, say how it stands. Raises BackendFault where nobody can say."""
    try:
        await backend.cancel_render(credentials, *ids)
    except BackendFault as fault:
        if fault.fault in PASSING and fault.fault is not Fault.BUSY and fault.status not in _NO_SUCH_CALL:
            raise
        return await backend.read_render_status(credentials, *ids)
    return None
