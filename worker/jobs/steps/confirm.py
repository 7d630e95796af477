"""The first look at what a message did, right after its stream has closed by itself."""

from core.model import transitions
from core.model.job import Job
from worker.backend import drafts, gui_talk
from worker.jobs.edit_outcome import EditOutcome, outcome_after_stream
from worker.jobs.execution import JobExecution
from worker.jobs.settlement import take_credit_reading
from worker.jobs.step_result import StepResult
from worker.jobs.steps.finish_edit import finish_edit, finish_without_edit


async def confirm(execution: JobExecution, text: str) -> StepResult:
    """Say what changed, or go on reading where that is not certain yet. `text`: all that the backend said."""
    # credits first: where they say that nothing can come any more, the draft read after them is the last one
    reading = await take_credit_reading(execution)
    state = await execution.context.backend.read_state(await execution.credentials(), execution.backend_session())
    job, said = with_reply(execution.job, text), gui_talk.translate(text)
    assert job.sent is not None
    seen = drafts.fingerprint(state.draft)
    changed, spoke = seen != job.sent.before, bool(said.text)
    match outcome_after_stream(job, reading, changed=changed, spoke=spoke):
        case EditOutcome.CONFIRMED:
            return await finish_edit(execution, job, state, reading, asked_for_credits="credits" in said.actions)
        case EditOutcome.NOTHING_DONE:
            return await finish_without_edit(execution, job, reading)
    return _read_again(execution, job, seen=seen if changed else None, spoke=spoke)


def _read_again(execution: JobExecution, job: Job, *, seen: str | None, spoke: bool) -> StepResult:
    settings = execution.context.settings
    unconfirmed = transitions.confirmation_needed(job, now_ms=execution.now_ms, seen=seen, spoke=spoke and seen is None)
    return StepResult(unconfirmed, park_s=settings.settle_s if seen or spoke else settings.recover_first_s)


def with_reply(job: Job, text: str) -> Job:
    """Keep what the backend said, without its GUI talk."""
    words = gui_talk.translate(text).text
    return transitions.answered(job, reply=words) if words else job
