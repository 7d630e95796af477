"""Cancels a job for its caller: the stream is closed by now; the render is taken back, and late effects waited for.

A finish that the backend reached wins: its video is fetched, and the job succeeds.
"""

import asyncio
from contextlib import suppress

from core.model import transitions
from core.model.job import Sent
from core.model.session import Session
from worker.backend.faults import PASSING, BackendFault
from worker.jobs.credit_reading import NO_READING, NOTHING_SPENT, CreditReading, Work, work_on
from worker.jobs.edit_outcome import patience_s
from worker.jobs.execution import JobExecution
from worker.jobs.orphan_renders import abandon_render
from worker.jobs.settlement import arrives_in_s, settle_cost, settling_session, take_credit_reading
from worker.jobs.step_result import StepResult
from worker.jobs.steps.file_in_doubt import count_file_in_doubt

#: the next look comes after so large a part of the time since the message, and not sooner than this
_PART_OF_TIME, _LOOK_AGAIN_S = 0.25, 5.0
#: who cancels an upload waits so long for the backend to say whether it has the file
_ASK_S = 5.0


async def cancel(execution: JobExecution) -> StepResult:
    """Stop what can be stopped; end the job when nothing of it can come any more."""
    job = execution.job
    status = await abandon_render(execution)
    if status and status.status == "completed" and job.render:
        done = transitions.rendered(job, url=status.url, duration_s=status.duration_s, size_bytes=status.size_bytes)
        return StepResult(done)
    job = execution.job_without_unsent
    if job.sent and not job.edited:
        return await _wait_for_late_effects(execution, job.sent)
    session = await _count_file_in_doubt(execution)
    canceled = transitions.canceled(job, now_ms=execution.now_ms)
    return StepResult(canceled if job.sent else transitions.with_cost(canceled, **NOTHING_SPENT), session)


async def _count_file_in_doubt(execution: JobExecution) -> Session | None:
    """Count a file that came although its upload was cut off, or a replay would bring it once more. None: nobody says that it did.

    Where no edit stands the backend's session is left instead.
    """
    if execution.job.upload_in_doubt and execution.session.edits:
        with suppress(BackendFault, TimeoutError):
            async with asyncio.timeout(_ASK_S):
                return await count_file_in_doubt(execution)
    return None


async def _wait_for_late_effects(execution: JobExecution, sent: Sent) -> StepResult:
    """A message that went out may still be worked on: as long as credits are frozen for it, it is.

    What was cut off just now may not even have reached the backend, so the first look waits.
    """
    job, settings, now_ms = execution.job, execution.context.settings, execution.now_ms
    if (early_s := arrives_in_s(execution, sent)) > 0:
        return StepResult(transitions.still_canceling(job), park_s=early_s)
    reading = await _take_reading_if_any(execution)
    if _may_still_come(execution, sent, reading):
        growing_s = max(_LOOK_AGAIN_S, _PART_OF_TIME * (now_ms - sent.at_ms) / 1000)
        return StepResult(transitions.still_canceling(job), park_s=min(growing_s, settings.recover_every_s))
    cost = await settle_cost(execution, job, reading)
    canceled = transitions.with_cost(transitions.canceled(job, now_ms=execution.now_ms), **cost.facts)
    return StepResult(canceled, settling_session(execution, reading), token_work=cost.work)


def _may_still_come(execution: JobExecution, sent: Sent, reading: CreditReading) -> bool:
    """Whether credits are frozen for the message, or as long as a change may show late, may be."""
    settings, since_ms = execution.context.settings, execution.now_ms - sent.at_ms
    match work_on(sent, reading):
        case Work.GOES_ON:
            return since_ms < settings.stream_limit_s * 1000
        case Work.UNCLEAR:
            return since_ms < patience_s(execution.job, settings) * 1000
    return False


async def _take_reading_if_any(execution: JobExecution) -> CreditReading:
    """Read the balance, or nothing where the token is over: then its sessions are too."""
    try:
        return await take_credit_reading(execution, closely=True)
    except BackendFault as fault:
        if fault.fault in PASSING:
            raise
        return NO_READING
