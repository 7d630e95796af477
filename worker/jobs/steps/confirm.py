"""The first look at what a message did, right after its stream has closed by itself."""

from typing import NamedTuple

from core.model import transitions
from core.model.job import Job
from core.redacted_repr import redacted_repr
from worker.backend import gui_talk
from worker.jobs.edit_outcome import EditOutcome, outcome_after_stream
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult
from worker.jobs.steps.finish_edit import finish_edit, finish_without_edit
from worker.jobs.steps.look import Look, look


@redacted_repr("tools_ran", "closed")
class Heard(NamedTuple):
    """What a message's stream has shown. `text`: all that the backend said."""

    text: str
    #: a tool gave a result that is no error
    tools_ran: bool
    #: the stream closed by itself, and told of no fault
    closed: bool

    @property
    def spoke(self) -> bool:
        """It closed by itself with words, or with what tools gave."""
        return self.closed and (bool(gui_talk.translate(self.text).text) or self.tools_ran)


async def confirm(execution: JobExecution, heard: Heard) -> StepResult:
    """Say what changed, or go on reading where that is not certain yet."""
    seen = await look(execution)
    job, said = with_reply(execution.job, heard.text), gui_talk.translate(heard.text)
    match outcome_after_stream(
        job, seen.reading, changed=seen.changed, spoke=bool(said.text), tools_ran=heard.tools_ran
    ):
        case EditOutcome.CONFIRMED:
            asked_for_credits = "credits" in said.actions
            return await finish_edit(execution, job, seen.state, seen.reading, asked_for_credits=asked_for_credits)
        case EditOutcome.NOTHING_DONE:
            return await finish_without_edit(execution, job, seen.reading)
    return _read_again(execution, job, heard, seen)


def _read_again(execution: JobExecution, job: Job, heard: Heard, seen: Look) -> StepResult:
    settings = execution.context.settings
    unsure = transitions.confirmation_needed(
        job,
        now_ms=execution.now_ms,
        seen=seen.seen if seen.changed else None,
        spoke=heard.spoke,
        tools_ran=heard.tools_ran,
        frozen=seen.reading.frozen,
    )
    return StepResult(unsure, park_s=settings.settle_s if seen.changed or heard.spoke else settings.recover_first_s)


def with_reply(job: Job, text: str) -> Job:
    """Keep what the backend said, without its GUI talk."""
    words = gui_talk.translate(text).text
    return transitions.answered(job, reply=words) if words else job
