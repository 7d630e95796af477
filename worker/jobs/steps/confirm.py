"""Confirms an edit right after its stream has closed by itself: the first look at what the message did."""

from core.model import transitions
from worker.jobs.edit_outcome import EditOutcome, outcome_after_stream, required_intent
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult
from worker.jobs.steps.finish_edit import finish_edit, finish_without_edit
from worker.jobs.steps.read_state import StateReading, look


async def confirm(execution: JobExecution) -> StepResult:
    """Say what changed, or go on reading where that is not certain yet."""
    seen, job = await look(execution), execution.job
    _, recovery = required_intent(job)
    match outcome_after_stream(
        job,
        seen.reading,
        changed=seen.changed,
        spoke=job.reply is not None,
        tools_ran=recovery.tools_ran,
        elsewhere=seen.elsewhere,
    ):
        case EditOutcome.CONFIRMED:
            return await finish_edit(execution, job, seen.state, seen.reading)
        case EditOutcome.NOTHING_DONE:
            return await finish_without_edit(execution, job, seen.reading)
    return _read_again(execution, seen)


def _read_again(execution: JobExecution, seen: StateReading) -> StepResult:
    job, settings = execution.job, execution.context.settings
    _, recovery = required_intent(job)
    known = seen.seen if seen.changed else None
    unsure = transitions.confirmation_needed(job, now_ms=execution.now_ms, seen=known, frozen=seen.reading.frozen)
    return StepResult(unsure, park_s=settings.settle_s if seen.changed or recovery.spoke else settings.recover_first_s)
