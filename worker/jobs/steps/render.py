"""Exports: a render under an id of ours, asked for until the backend has it, then looked at until it is done.

Asking twice under one id is harmless: "duplicate" means that it is there. A failed render gets one new id, and so does
one whose resolution is refused, or breaks the backend; it is asked for again without.
"""

import asyncio
import math
from collections.abc import Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec

from core.errors import Code, Permanent
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Render, Stage
from core.model.render_looks import SPREAD, spread_s
from core.model.session import claim_url_at
from core.settings import Settings
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import pack_json
from worker.backend import drafts
from worker.backend.faults import BackendFault, Fault
from worker.backend.responses import RenderStatus
from worker.jobs.claim_link import with_claim_link
from worker.jobs.edit_outcome import patience_s
from worker.jobs.execution import JobExecution
from worker.jobs.orphan_renders import leave_render
from worker.jobs.retry_policy import TRIES, tries_of
from worker.jobs.step_result import StepResult
from worker.jobs.steps.new_render import is_last_attempt, name_render, render_anew

#: however late it is, a render is seen under way so often, as a share of all looks that it may have, before it counts as stuck
_LEAST_LOOKS = 1 / 2
#: a finished render is looked at so often until its link comes, so many seconds apart; then the film is downloaded without
_LINK_LOOKS = 5
_LINK_PAUSE_S = 5.0
#: a status that says so often in a row that something is broken, in an answer that came through, is a failed render; and
#: one that is unknown so often is lost: a new one may not be known everywhere yet
_BROKEN_LOOKS, _UNKNOWN_LOOKS = 3, 2
#: what is said of a render that is another token's
_NO_LOOK = (Fault.SCOPE_MISSING, Fault.REFUSED, Fault.TOKEN_REFUSED)
#: the last render is looked for so often, since nothing else is left to be tried
_LAST_UNKNOWN_LOOKS = 6
#: how long a cancelled job waits for the answer to a render that it has just asked for
_ANSWER_S = 5.0


async def render(execution: JobExecution) -> StepResult:
    """Take the export one step further."""
    wanted = execution.job.render
    if wanted is None:
        return name_render(execution, attempt=1)
    return await _poll(execution, wanted) if wanted.asked else await _ask(execution, wanted)


async def _ask(execution: JobExecution, wanted: Render) -> StepResult:
    """Have the backend render the draft as it is now; one that is still empty after an edit may come late."""
    draft, output = (await execution.read_state()).draft, _output_of(execution.job, wanted)
    if draft is None or not drafts.exportable(draft):
        return _wait_for_draft(execution)
    seen = drafts.timeline(draft)
    told = await _told_anew(execution, draft, seen)
    try:
        backend_id = await _start_render(execution, wanted.id, draft, output)
    except BackendFault as fault:
        if "resolution" not in output or not _is_about_output(fault, execution.job):
            raise
        if fault.maybe_done:
            await leave_render(execution)
        return name_render(execution, attempt=wanted.attempt, any_resolution=True)
    known = msgspec.structs.replace(
        wanted, backend_id=backend_id, timeline_s=drafts.length_s(seen), sound_only=drafts.sound_only(seen)
    )
    return await _note_asked(execution, known, told)


def _is_about_output(fault: BackendFault, job: Job) -> bool:
    """Whether a fault may be about the output: it is refused, or breaks the backend's own code each time, for half a minute.

    A page, a 403 that names no scope or a 503 says nothing of it.
    """
    if fault.fault is Fault.REFUSED:
        return fault.status != HTTPStatus.FORBIDDEN
    return fault.is_own_error and tries_of(fault, job) >= TRIES


def _wait_for_draft(execution: JobExecution) -> StepResult:
    """Look again, after growing pauses, for as long as an edit may show late. Raises Permanent after that.

    One of which no change could be seen has been waited for as long before.
    """
    job, settings = execution.job, execution.context.settings
    is_unseen = job.edited and not job.changes
    waited_s = (execution.now_ms - job.stage_since_ms) / 1000 if job.sent and job.stage_since_ms else math.inf
    if is_unseen or waited_s > patience_s(job, settings):
        raise Permanent(Code.NOTHING_TO_EXPORT)
    pause_s = min(max(settings.settle_s, waited_s / 2), settings.recover_every_s)
    return StepResult(transitions.moved(job, Stage.RENDERING), park_s=pause_s)


async def _note_asked(execution: JobExecution, wanted: Render, told: StepResult) -> StepResult:
    try:
        session = await with_claim_link(execution, told.session or execution.session)
    except asyncio.CancelledError:
        await _leave_by_name(execution, wanted.backend_id)
        raise
    job = transitions.claim_link_found(told.job, claim_url=claim_url_at(session, now_ms=execution.now_ms))
    asked = msgspec.structs.replace(wanted, asked=True, started_at_ms=execution.now_ms)
    pause_s = _until_look_s(execution, _first_look_s(execution))
    return StepResult(transitions.polled(job, render=asked), session, park_s=pause_s, fields=told.fields)


async def _told_anew(execution: JobExecution, draft: drafts.Draft, seen: drafts.Timeline) -> StepResult:
    """Tell of what is rendered, where more than that was seen when the edit was judged: callers read it beside the film."""
    job, session, timeline = execution.job, execution.session, drafts.summary(seen)
    if job.sent is None or not job.edited or timeline == job.timeline:
        return StepResult(job)
    changes = tuple(drafts.changes(await execution.draft_before(), draft)) or job.changes
    session = sessions.timeline_retold(session, job_id=job.id, timeline=timeline)
    told = transitions.timeline_seen(job, timeline=timeline, changes=changes)
    return StepResult(told, session, fields={"tracks": pack_json(drafts.tracks(seen))})


def _first_look_s(execution: JobExecution) -> float:
    """Say when renders of this profile are usually first looked at; sooner where the job's time is over soon after.

    An interval is left for a second look or the film, as it was before the usual time was known.
    """
    job, interval_s = execution.job, execution.context.settings.render_poll_s
    usual_s = execution.context.first_looks.lately().get(job.profile, interval_s)
    left_s = (job.deadline_ms - execution.now_ms) / 1000
    return usual_s if usual_s + interval_s <= left_s else interval_s


def _until_look_s(execution: JobExecution, least_s: float | None = None) -> float:
    """Let a render alone for so long, or for the documents' interval, and not in step with other jobs'."""
    job, interval_s = execution.job, execution.context.settings.render_poll_s
    return spread_s(least_s or interval_s, interval_s, job_id=job.id, nth=job.version)


async def _start_render(
    execution: JobExecution, render_id: str, draft: drafts.Draft, output: dict[str, str]
) -> str | None:
    """Ask for the render, and return its own id at the backend, where the answer names one that is not ours."""
    credentials, session_id = await execution.credentials(), execution.backend_session()
    await execution.context.leases.ensure_held(execution.lease)
    call = execution.context.backend.start_render(
        credentials, render_id=render_id, session_id=session_id, draft=draft, output=output
    )
    try:
        return await _finish_despite_cancel(execution, call)
    except BackendFault as fault:
        if fault.fault is not Fault.RENDER_DUPLICATE and not await _is_in_its_own_way(execution, render_id, fault):
            raise
    return None


async def _is_in_its_own_way(execution: JobExecution, render_id: str, fault: BackendFault) -> bool:
    """Whether it is this very render that keeps the session busy: one that was asked for before, and no answer came.

    A 409 that says no more may be about the id, or about the session's one export.
    """
    if fault.fault is not Fault.BUSY and fault.status != HTTPStatus.CONFLICT:
        return False
    with suppress(BackendFault):
        await execution.context.backend.read_render_status(await execution.credentials(), render_id)
        return True
    return False


async def _finish_despite_cancel(execution: JobExecution, call: Coroutine[Any, Any, str | None]) -> str | None:
    """Make a call that a cancel does not cut off: only what the backend has begun can be taken back, by its name there."""
    asked = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(asked)
    except asyncio.CancelledError:
        await asyncio.wait({asked}, timeout=_ANSWER_S)
        asked.cancel()
        [named] = await asyncio.gather(asked, return_exceptions=True)
        await _leave_by_name(execution, named if isinstance(named, str) else None)
        raise


async def _leave_by_name(execution: JobExecution, backend_id: str | None) -> None:
    """Put a render on the list of orphans whose name at the backend no record will hold. None: it goes by ours."""
    if backend_id:
        with suppress(*STORE_DOWN):
            await leave_render(execution, backend_id=backend_id)


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
        return await _judge_error(execution, wanted, fault)
    match status.status:
        case "completed":
            return _take_link(execution, wanted, status)
        case "failed":
            return _fail(execution, wanted, status.error)
    return _poll_later(execution, wanted, status)


async def _judge_error(execution: JobExecution, wanted: Render, fault: BackendFault) -> StepResult:
    """Take what came instead of a status: the render is unknown, or an answer of the backend's says that it failed.

    What may pass, such as ``{"code": 500}``, must be said several times in a row. What is no answer is raised.
    """
    is_answer = fault.status in range(200, 300) and fault.by_backend
    is_unknown = fault.fault is Fault.RENDER_UNKNOWN
    if (is_answer and fault.fault is Fault.REFUSED) or _may_not_look(fault, execution.job, wanted):
        return await _give_up(execution, wanted, fault.detail)
    if not is_unknown and not (is_answer and fault.fault is Fault.BROKEN):
        raise fault
    if wanted.errors + 1 >= (_unknown_looks(wanted) if is_unknown else _BROKEN_LOOKS):
        return await _give_up(execution, wanted, fault.detail)
    seen = msgspec.structs.replace(wanted, errors=wanted.errors + 1)
    return StepResult(transitions.polled(execution.job, render=seen), park_s=_until_look_s(execution))


def _may_not_look(fault: BackendFault, job: Job, wanted: Render) -> bool:
    """Whether looks have been refused for half a minute: another token of the account may have begun the render, or a firewall
    stands before it. Where they are refused at the next one too, the job ends with what was refused.
    """
    is_refused = fault.call == "render_status" and fault.fault in _NO_LOOK
    return is_refused and not is_last_attempt(wanted) and tries_of(fault, job) >= TRIES


def _unknown_looks(wanted: Render) -> int:
    return _LAST_UNKNOWN_LOOKS if is_last_attempt(wanted) else _UNKNOWN_LOOKS


async def _give_up(execution: JobExecution, lost: Render, reason: str | None) -> StepResult:
    """Wait no longer for a render that was not said to have an end: it may go on, so it is followed."""
    await leave_render(execution)
    return _fail(execution, lost, reason)


def _take_link(execution: JobExecution, wanted: Render, status: RenderStatus) -> StepResult:
    """Go on to the film, once its link has come, or has not come for a while."""
    if status.url is None and wanted.linkless < _LINK_LOOKS:
        waits = msgspec.structs.replace(wanted, linkless=wanted.linkless + 1, percent=100)
        pause_s = min(_LINK_PAUSE_S, execution.context.settings.render_poll_s)
        return StepResult(transitions.polled(execution.job, render=waits), park_s=pause_s)
    done = transitions.rendered(
        execution.job,
        url=status.url,
        duration_s=status.duration_s,
        size_bytes=status.size_bytes,
        took_s=_took_s(execution, wanted, status),
    )
    return StepResult(done)


def _took_s(execution: JobExecution, wanted: Render, status: RenderStatus) -> float | None:
    """Take the backend's word for how long a render took, unless it is about what has passed since it was asked for, or more.

    One that finds out that a render is done when it is asked would say when we looked: the first look, by which the next
    ones are timed, would come later and later.
    """
    passed_s = (execution.now_ms - wanted.started_at_ms) / 1000
    at_most_s = passed_s - SPREAD * execution.context.settings.render_poll_s
    return status.took_s if status.took_s is not None and status.took_s <= at_most_s else None


def _fail(execution: JobExecution, failed: Render, reason: str | None) -> StepResult:
    words = f"The backend could not render the timeline: {reason.rstrip('.')}." if reason else None
    return render_anew(execution, failed, words)


def _poll_later(execution: JobExecution, wanted: Render, status: RenderStatus) -> StepResult:
    settings = execution.context.settings
    polled = msgspec.structs.replace(
        wanted, polls=wanted.polls + 1, errors=0, percent=status.progress or wanted.percent
    )
    if _is_stuck(polled, settings, execution.now_ms):
        raise Permanent(Code.RENDER_TIMEOUT)
    return StepResult(transitions.polled(execution.job, render=polled), park_s=_until_look_s(execution))


def _is_stuck(render: Render, settings: Settings, now_ms: int) -> bool:
    """By the clock, since looks come late while workers die; and not by it alone, since for long nobody may have looked."""
    patience_ms = settings.render_polls * settings.render_poll_s * 1000
    late = now_ms - render.started_at_ms >= patience_ms
    return late and render.polls >= _LEAST_LOOKS * settings.render_polls
