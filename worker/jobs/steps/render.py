"""Exports: a render under an id of ours, asked for until the backend has it, then looked at until it is done.

Asking twice under one id is harmless: "duplicate" means that it is there. A failed render gets one new id.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec

from core.errors import Code, Permanent
from core.model import transitions
from core.model.job import Job, Render, Stage
from core.settings import Settings
from worker.backend import drafts
from worker.backend.faults import BackendFault, Fault
from worker.backend.responses import RenderStatus
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult
from worker.jobs.steps.claim_link import make_claim_link

#: a failed or forgotten render is begun again once
_ATTEMPTS = 2
#: however late it is, a render is looked at so often before it counts as stuck
_LEAST_LOOKS = 3
#: how long a cancelled job waits for the answer to a render that it has just asked for
_ANSWER_S = 5.0


async def render(execution: JobExecution) -> StepResult:
    """Take the export one step further."""
    wanted = execution.job.render
    if wanted is None:
        return _name_render(execution, attempt=1)
    return await _poll(execution, wanted) if wanted.asked else await _ask(execution, wanted)


def _name_render(execution: JobExecution, *, attempt: int) -> StepResult:
    """Write down the id before the render is asked for, so that no crash loses one."""
    name = execution.job.id.removeprefix("job_")
    render_id = f"render_{name}_{execution.session.generation}_{attempt}"
    wanted = Render(id=render_id, attempt=attempt, started_at_ms=execution.now_ms)
    return StepResult(transitions.rendering(execution.job, render=wanted))


async def _ask(execution: JobExecution, wanted: Render) -> StepResult:
    await _start_render(execution, wanted.id)
    if execution.job.token_id:
        await execution.context.token_pool.note_export(execution.job.token_id, allowed=True)
    claim_url = await make_claim_link(execution)
    session = msgspec.structs.replace(execution.session, claim_url=claim_url)
    job = transitions.claim_link_found(execution.job, claim_url=claim_url)
    asked = msgspec.structs.replace(wanted, asked=True, started_at_ms=execution.now_ms)
    return StepResult(transitions.polled(job, render=asked), session, park_s=execution.context.settings.render_poll_s)


async def _start_render(execution: JobExecution, render_id: str) -> None:
    """Have the backend render the draft as it is now, under this id; where it was begun before, nothing is to be done."""
    credentials, session_id = await execution.credentials(), execution.backend_session()
    draft = (await execution.read_state()).draft
    if draft is None or not drafts.exportable(draft):
        raise Permanent(Code.NOTHING_TO_EXPORT)
    await execution.context.leases.ensure_held(execution.lease)
    call = execution.context.backend.start_render(
        credentials, render_id=render_id, session_id=session_id, draft=draft, output=_output_of(execution.job)
    )
    try:
        await _finish_despite_cancel(call)
    except BackendFault as fault:
        if fault.fault is not Fault.RENDER_DUPLICATE:
            raise


async def _finish_despite_cancel(call: Coroutine[Any, Any, None]) -> None:
    """Make a call that a cancel does not cut off: only what the backend has begun can be taken back."""
    asked = asyncio.ensure_future(call)
    try:
        await asyncio.shield(asked)
    except asyncio.CancelledError:
        await asyncio.wait({asked}, timeout=_ANSWER_S)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        raise


def _output_of(job: Job) -> dict[str, str]:
    """Write the output as the render call takes it."""
    ask = job.output_ask
    return {"format": ask.format, "quality": ask.quality, "resolution": ask.resolution}


async def _poll(execution: JobExecution, wanted: Render) -> StepResult:
    """Look once at how far the render is."""
    try:
        status = await execution.context.backend.read_render_status(await execution.credentials(), wanted.id)
    except BackendFault as fault:
        if fault.fault is not Fault.RENDER_UNKNOWN:
            raise
        return _render_anew(execution, wanted)
    match status.status:
        case "completed":
            ready = msgspec.structs.replace(wanted, url=status.url, duration_s=status.duration_s, percent=100)
            return StepResult(transitions.moved(transitions.polled(execution.job, render=ready), Stage.STORING))
        case "failed":
            return _render_anew(execution, wanted)
    return _poll_later(execution, wanted, status)


def _render_anew(execution: JobExecution, wanted: Render) -> StepResult:
    if wanted.attempt >= _ATTEMPTS:
        raise Permanent(Code.RENDER_FAILED)
    return _name_render(execution, attempt=wanted.attempt + 1)


def _poll_later(execution: JobExecution, wanted: Render, status: RenderStatus) -> StepResult:
    settings = execution.context.settings
    polled = msgspec.structs.replace(wanted, polls=wanted.polls + 1, percent=status.progress or wanted.percent)
    if _is_stuck(polled, settings, execution.now_ms):
        raise Permanent(Code.RENDER_TIMEOUT)
    return StepResult(transitions.polled(execution.job, render=polled), park_s=settings.render_poll_s)


def _is_stuck(render: Render, settings: Settings, now_ms: int) -> bool:
    """By the clock, since looks come late while workers die; and not by it alone, since nobody may have looked."""
    patience_ms = settings.render_polls * settings.render_poll_s * 1000
    late = now_ms - render.started_at_ms >= patience_ms
    return late and render.polls >= min(_LEAST_LOOKS, settings.render_polls)
