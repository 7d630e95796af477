"""Recovers after a drop or a crash by reading instead of sending again: the message may have been worked on, so only the state can say.

After a drop the first read waits; what later reads amount to says `worker.jobs.edit_outcome`.
"""

import msgspec

from core.errors import Code, Permanent
from core.metrics import RECOVERIES
from core.model import transitions
from core.model.job import Job
from worker.backend import drafts
from worker.jobs.credit_reading import is_restless
from worker.jobs.edit_outcome import (
    EditOutcome,
    first_read_in_s,
    next_read_in_s,
    outcome_after_read,
    required_intent,
    unconfirmed_words,
)
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult
from worker.jobs.steps.finish_edit import finish_edit, finish_unseen, finish_without_edit
from worker.jobs.steps.read_state import StateReading, look


async def recover(execution: JobExecution) -> StepResult:
    """Look once at what the message did."""
    job, settings, now_ms = execution.job, execution.context.settings, execution.now_ms
    _, recovery = required_intent(job)
    if (early_s := first_read_in_s(recovery, settings, now_ms)) > 0:
        return StepResult(transitions.still_unconfirmed(job, seen=None, counts=False), park_s=early_s)
    seen = await look(execution, closely=True)
    job = _with_restlessness(job, seen)
    now_ms = execution.now_ms
    match outcome_after_read(
        job, seen.reading, seen=seen.seen, settings=settings, now_ms=now_ms, elsewhere=seen.elsewhere
    ):
        case EditOutcome.CONFIRMED:
            RECOVERIES.labels("confirmed").inc()
            return await finish_edit(execution, job, seen.state, seen.reading)
        case EditOutcome.UNSEEN if _only_talked(job, seen):
            return await finish_without_edit(execution, job, seen.reading)
        case EditOutcome.UNSEEN:
            RECOVERIES.labels("unseen").inc()
            return await finish_unseen(execution, job, seen.state, seen.reading)
        case EditOutcome.NOTHING_DONE:
            return await finish_without_edit(execution, job, seen.reading)
        case EditOutcome.UNCONFIRMED:
            RECOVERIES.labels("unconfirmed").inc()
            raise Permanent(Code.EDIT_UNCONFIRMED, unconfirmed_words(job))
    return _read_again(execution, job, seen)


def _only_talked(job: Job, seen: StateReading) -> bool:
    """Whether a message that was paid for has left nothing to export: no tool gave anything, and the timeline is empty."""
    _, recovery = required_intent(job)
    return job.plan.action == "export" and not recovery.tools_ran and not drafts.exportable(seen.state.draft)


def _with_restlessness(job: Job, seen: StateReading) -> Job:
    """Remember that somebody else's credits come and go."""
    _, recovery = required_intent(job)
    restless = recovery.restless or is_restless(recovery.frozen, seen.reading)
    return msgspec.structs.replace(job, recovery=msgspec.structs.replace(recovery, restless=restless))


def _read_again(execution: JobExecution, job: Job, seen: StateReading) -> StepResult:
    pause_s = next_read_in_s(job, execution.context.settings, execution.now_ms, changed=seen.changed)
    frozen = seen.reading.frozen
    again = transitions.still_unconfirmed(job, seen=seen.seen if seen.changed else None, frozen=frozen)
    return StepResult(again, park_s=pause_s)
