"""Exports: a render under an id of ours, asked for until the backend has it, then looked at until it is done.

Asking twice under one id is harmless: "duplicate" means that it is there. A failed render gets one new id, and so does
one whose resolution is refused; it is asked for again without.
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
from worker.backend.requests import new_render_id
from worker.backend.responses import RenderStatus
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult
from worker.jobs.steps.claim_link import make_claim_link

#: a failed or forgotten render is begun again once
_ATTEMPTS = 2
#: however late it is, a render is looked at so often before it counts as stuck
_LEAST_LOOKS = 3
#: a finished render is looked at so often until its link comes, so many seconds apart; then the film is downloaded without
_LINK_LOOKS = 5
_LINK_PAUSE_S = 5.0
#: a status that says so often in a row that something is broken, in an answer that came through, is a failed render
_BROKEN_LOOKS = 3
#: how long a cancelled job waits for the answer to a render that it has just asked for
_ANSWER_S = 5.0


async def render(execution: JobExecution) -> StepResult:
    """Take the export one step further."""
    wanted = execution.job.render
    if wanted is None:
        return _name_render(execution, attempt=1)
    return await _poll(execution, wanted) if wanted.asked else await _ask(execution, wanted)


def _name_render(execution: JobExecution, *, attempt: int, any_resolution: bool = False) -> StepResult:
    """Write down the id before the render is asked for, so that no crash loses one."""
    now_ms = execution.now_ms
    wanted = Render(id=new_render_id(now_ms), attempt=attempt, started_at_ms=now_ms, any_resolution=any_resolution)
    return StepResult(transitions.rendering(execution.job, render=wanted))


async def _ask(execution: JobExecution, wanted: Render) -> StepResult:
    output = _output_of(execution.job, wanted)
    try:
        named = await _start_render(execution, wanted.id, output)
    except BackendFault as fault:
        if fault.fault is not Fault.REFUSED or "resolution" not in output:
            raise
        return _name_render(execution, attempt=wanted.attempt, any_resolution=True)
    return await _note_asked(execution, wanted, backend_id=None if named == wanted.id else named)


async def _note_asked(execution: JobExecution, wanted: Render, *, backend_id: str | None) -> StepResult:
    if execution.job.token_id:
        await execution.context.token_pool.note_export(execution.job.token_id, allowed=True)
    claim_url = await make_claim_link(execution)
    session = msgspec.structs.replace(execution.session, claim_url=claim_url)
    job = transitions.linked(execution.job, claim_url=claim_url)
    asked = msgspec.structs.replace(wanted, asked=True, backend_id=backend_id, started_at_ms=execution.now_ms)
    return StepResult(transitions.polled(job, render=asked), session, park_s=execution.context.settings.render_poll_s)


async def _start_render(execution: JobExecution, render_id: str, output: dict[str, str]) -> str | None:
    """Have the backend render the draft as it is now, and return the render's id there, where the answer names one.

    Where it was begun before, nothing is to be done.
    """
    credentials, session_id = await execution.credentials(), execution.backend_session()
    draft = (await execution.context.backend.read_state(credentials, session_id)).draft
    if draft is None or not drafts.exportable(draft):
        raise Permanent(Code.NOTHING_TO_EXPORT)
    await execution.context.leases.ensure_held(execution.lease)
    call = execution.context.backend.start_render(
        credentials, render_id=render_id, session_id=session_id, draft=draft, output=output
    )
    try:
        return await _finish_despite_cancel(call)
    except BackendFault as fault:
        if fault.fault is not Fault.RENDER_DUPLICATE:
            raise
    return None


async def _finish_despite_cancel(call: Coroutine[Any, Any, str | None]) -> str | None:
    """Make a call that a cancel does not cut off: only what the backend has begun can be taken back."""
    asked = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(asked)
    except asyncio.CancelledError:
        await asyncio.wait({asked}, timeout=_ANSWER_S)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        raise


def _output_of(job: Job, wanted: Render) -> dict[str, str]:
    """Write the output as the documents show it; a resolution only where one was asked for, and not refused."""
    ask = job.output_ask
    output = {"format": ask.format, "quality": ask.quality}
    resolution = None if wanted.any_resolution else ask.wanted_resolution
    return output | ({"resolution": resolution} if resolution else {})


async def _poll(execution: JobExecution, wanted: Render) -> StepResult:
    """Look once at how far the render is."""
    try:
        status = await execution.context.backend.read_render_status(await execution.credentials(), *wanted.ids)
    except BackendFault as fault:
        if not _tells_of_failure(fault, execution.job):
            raise
        return _render_anew(execution, wanted, fault.detail)
    match status.status:
        case "completed":
            return _take_link(execution, wanted, status)
        case "failed":
            return _render_anew(execution, wanted, status.error)
    return _poll_later(execution, wanted, status)


def _tells_of_failure(fault: BackendFault, job: Job) -> bool:
    """Whether what came instead of a status says that the render is no more: unknown, or an error in an answer of its own.

    An error that may pass, such as ``{"code": 500}``, must be said several times in a row.
    """
    if fault.fault is Fault.RENDER_UNKNOWN:
        return True
    if fault.status not in range(200, 300):
        return False
    may_pass = fault.fault is Fault.BROKEN and fault.code is not None and job.faults + 1 >= _BROKEN_LOOKS
    return fault.fault is Fault.REFUSED or may_pass


def _take_link(execution: JobExecution, wanted: Render, status: RenderStatus) -> StepResult:
    """Go on to the film, once its link has come, or has not come for a while."""
    if status.url is None and wanted.linkless < _LINK_LOOKS:
        waits = msgspec.structs.replace(wanted, linkless=wanted.linkless + 1, percent=100)
        pause_s = min(_LINK_PAUSE_S, execution.context.settings.render_poll_s)
        return StepResult(transitions.polled(execution.job, render=waits), park_s=pause_s)
    ready = msgspec.structs.replace(wanted, url=status.url, duration_s=status.duration_s, percent=100)
    return StepResult(transitions.moved(transitions.polled(execution.job, render=ready), Stage.STORING))


def _render_anew(execution: JobExecution, wanted: Render, reason: str | None) -> StepResult:
    if wanted.attempt >= _ATTEMPTS:
        words = f"The backend could not render the timeline: {reason.rstrip('.')}." if reason else None
        raise Permanent(Code.RENDER_FAILED, words)
    return _name_render(execution, attempt=wanted.attempt + 1, any_resolution=wanted.any_resolution)


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
