"""Recovers after a drop or a crash by reading instead of sending again: the message may have been worked on, so only the state can say.

After a drop the first read waits; what later reads amount to says `worker.jobs.edit_outcome`.
"""

from core.errors import Code, Permanent
from core.metrics import RECOVERIES
from core.model import transitions
from worker.backend import drafts
from worker.jobs.edit_outcome import EditOutcome, first_read_in_s, outcome_after_read, required_intent
from worker.jobs.execution import JobExecution
from worker.jobs.settlement import take_credit_reading
from worker.jobs.step_result import StepResult
from worker.jobs.steps.finish_edit import finish_edit, finish_without_edit


async def recover(execution: JobExecution) -> StepResult:
    """Look once at what the message did."""
    job, settings, now_ms = execution.job, execution.context.settings, execution.now_ms
    _, recovery = required_intent(job)
    if (early_s := first_read_in_s(recovery, settings, now_ms)) > 0:
        return StepResult(transitions.still_unconfirmed(job, seen=None, counts=False), park_s=early_s)
    reading = await take_credit_reading(execution)
    state = await execution.context.backend.read_state(await execution.credentials(), execution.backend_session())
    seen = drafts.fingerprint(state.draft)
    match outcome_after_read(job, reading, seen=seen, settings=settings, now_ms=execution.now_ms):
        case EditOutcome.CONFIRMED:
            RECOVERIES.labels("confirmed").inc()
            return await finish_edit(execution, job, state, reading)
        case EditOutcome.NOTHING_DONE:
            return await finish_without_edit(execution, job, reading)
        case EditOutcome.UNCONFIRMED:
            RECOVERIES.labels("unconfirmed").inc()
            raise Permanent(Code.EDIT_UNCONFIRMED)
    return _read_again(execution, seen)


def _read_again(execution: JobExecution, seen: str) -> StepResult:
    """A changed draft is looked at again soon; an unchanged one later, unless the backend has said that it is done."""
    job, settings = execution.job, execution.context.settings
    sent, recovery = required_intent(job)
    if seen != sent.before:
        return StepResult(transitions.still_unconfirmed(job, seen=seen), park_s=settings.settle_s)
    pause_s = settings.settle_s if recovery.spoke else settings.recover_every_s
    return StepResult(transitions.still_unconfirmed(job, seen=None), park_s=pause_s)
