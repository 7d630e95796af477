"""The export: an id of ours, asked for until the backend has it, then looked at until it is done.

Asking twice under one id is harmless: "duplicate" means that it is there. A failed render gets one new id.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec

from core.errors import Code, Permanent
from core.model import transitions
from core.model.job import Job, Render, Stage
from worker.backend import drafts
from worker.backend.faults import PASSING, BackendFault, Fault
from worker.backend.responses import RenderStatus
from worker.jobs.execution import JobExecution, StepResult
from worker.jobs.orphan_renders import UNDER_WAY, leave, taken_back
from worker.jobs.steps.confirm import claim_link

#: a failed or forgotten render is begun again once
_ATTEMPTS = 2
#: however late it is, a render is looked at so often before it counts as stuck
_LEAST_LOOKS = 3
#: how long a cancelled job waits for the answer to a render that it has just asked for
_ANSWER_S = 5.0


async def render(work: JobExecution) -> StepResult:
    """Take the export one step further."""
    if work.job.render is None:
        return StepResult(transitions.rendering(work.job, render=_new(work, attempt=1)))
    if not work.job.render.asked:
        return await _ask(work, work.job.render)
    return await _look(work, work.job.render)


def _new(work: JobExecution, *, attempt: int) -> Render:
    name = work.job.id.removeprefix("job_")
    render_id = f"render_{name}_{work.session.generation}_{attempt}"
    return Render(id=render_id, attempt=attempt, started_at_ms=work.now_ms)


async def _ask(work: JobExecution, wanted: Render) -> StepResult:
    caller, session_id = await work.caller(), work.backend_session()
    draft = (await work.kit.backend.state(caller, session_id)).draft
    if draft is None or not drafts.exportable(draft):
        raise Permanent(Code.NOTHING_TO_EXPORT)
    await work.kit.leases.assure(work.lease)
    try:
        await _to_its_end(
            work.kit.backend.render(
                caller, render_id=wanted.id, session_id=session_id, draft=draft, output=output_of(work.job)
            )
        )
    except BackendFault as fault:
        if fault.fault is not Fault.RENDER_DUPLICATE:
            raise
    if work.job.token_id:
        await work.kit.tokens.note_export(work.job.token_id, allowed=True)
    claim_url = await claim_link(work)
    session = msgspec.structs.replace(work.session, claim_url=claim_url)
    job = transitions.claim_link_found(work.job, claim_url=claim_url)
    asked = msgspec.structs.replace(wanted, asked=True, started_at_ms=work.now_ms)
    return StepResult(transitions.polled(job, render=asked), session, park_s=work.kit.settings.render_poll_s)


async def _to_its_end(call: Coroutine[Any, Any, None]) -> None:
    """Make a call that a cancel does not cut off: only what the backend has begun can be taken back."""
    asked = asyncio.ensure_future(call)
    try:
        await asyncio.shield(asked)
    except asyncio.CancelledError:
        await asyncio.wait({asked}, timeout=_ANSWER_S)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        raise


def output_of(job: Job) -> dict[str, str]:
    """Write the output as the render call takes it."""
    ask = job.output_ask
    return {"format": ask.format, "quality": ask.quality, "resolution": ask.resolution}


async def _look(work: JobExecution, wanted: Render) -> StepResult:
    try:
        status = await work.kit.backend.render_status(await work.caller(), wanted.id)
    except BackendFault as fault:
        if fault.fault is not Fault.RENDER_UNKNOWN:
            raise
        return _again(work, wanted)
    if status.status == "completed":
        ready = msgspec.structs.replace(wanted, url=status.url, duration_s=status.duration_s, percent=100)
        return StepResult(transitions.moved(transitions.polled(work.job, render=ready), Stage.STORING))
    if status.status == "failed":
        return _again(work, wanted)
    return await _later(work, wanted, status)


def _again(work: JobExecution, wanted: Render) -> StepResult:
    if wanted.attempt >= _ATTEMPTS:
        raise Permanent(Code.RENDER_FAILED)
    return StepResult(transitions.rendering(work.job, render=_new(work, attempt=wanted.attempt + 1)))


async def _later(work: JobExecution, wanted: Render, status: RenderStatus) -> StepResult:
    settings = work.kit.settings
    polls, patience_ms = wanted.polls + 1, settings.render_polls * settings.render_poll_s * 1000
    # by the clock, since looks come late while workers die; and not by it alone, since nobody may have looked
    if work.now_ms - wanted.started_at_ms >= patience_ms and polls >= min(_LEAST_LOOKS, settings.render_polls):
        raise Permanent(Code.RENDER_TIMEOUT)
    looked = msgspec.structs.replace(wanted, polls=polls, percent=status.progress or wanted.percent)
    return StepResult(transitions.polled(work.job, render=looked), park_s=settings.render_poll_s)


async def abandon(work: JobExecution) -> RenderStatus | None:
    """Take a render back that nobody will fetch; where it cannot be taken back any more, say how it stands.

    One that goes on is followed after the job's end. Raises BackendFault where the backend does not say now. None also
    for a render that this token cannot reach.
    """
    wanted = work.job.render
    if wanted is None or wanted.url:
        return None
    try:
        status = await taken_back(work.kit.backend, await work.caller(), wanted.id)
    except BackendFault as fault:
        if fault.fault in PASSING:
            raise
        return None
    if status and status.status in UNDER_WAY:
        await leave(work)
    return status
