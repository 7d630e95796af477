"""Takes back renders that nobody waits for any more. One that can't be taken back is looked at until it ends, since a
render that completes and that nobody ever reads is an orphan at the backend.

A job that ends leaves its render here. Its rounds are not the sweep's: a backend that hangs must not hold that up.
"""

from core.store.jobs.orphan_renders import OrphanRender
from worker.backend.client import Backend, Credentials
from worker.backend.faults import PASSING, BackendFault, Fault
from worker.backend.responses import RenderStatus
from worker.context import WorkerContext
from worker.jobs.execution import JobExecution

#: words of a render that the backend still works on
UNDER_WAY = ("pending", "processing")


async def taken_back(backend: Backend, caller: Credentials, render_id: str) -> RenderStatus | None:
    """Cancel a render; where that is refused, say how it stands. Raises BackendFault where nobody can say."""
    try:
        await backend.cancel_render(caller, render_id)
    except BackendFault as fault:
        if fault.fault in PASSING and fault.fault is not Fault.BUSY:
            raise
        return await backend.render_status(caller, render_id)
    return None


async def leave(work: JobExecution) -> None:
    """Have a job's render followed after its end."""
    job = work.job
    if job.render and not job.render.url and job.token_id:
        left = OrphanRender(
            id=job.render.id, job_id=job.id, token_id=job.token_id, profile=job.profile, left_at_ms=work.now_ms
        )
        await work.kit.left_renders.leave(left)


async def follow_left_renders(kit: WorkerContext) -> None:
    """Look once at each that is due."""
    for left in await kit.left_renders.due():
        if await _is_under_way(kit, left):
            await kit.left_renders.look_again(left, in_s=kit.settings.render_poll_s)
        else:
            await kit.left_renders.forget(left)


async def _is_under_way(kit: WorkerContext, left: OrphanRender) -> bool:
    """Tell whether to look again. A job that has not ended after all minds its render by itself, and leaves it anew."""
    job = await kit.jobs.load(left.job_id)
    if job and not job.ended:
        return True
    secret = await kit.tokens.secret_of(left.token_id)
    if secret is None:
        return False
    try:
        status = await taken_back(kit.backend, Credentials(token=secret, profile=left.profile), left.id)
    except BackendFault as fault:
        return fault.fault in PASSING
    return status is not None and status.status in UNDER_WAY
