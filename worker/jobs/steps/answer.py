"""Answers prompts that ask for credits, for the state of the timeline, for an upload or for no film, without a message."""

from collections.abc import Awaitable, Callable
from typing import Any

from core.model import transitions
from core.model.job import Job
from core.model.reply import shortened_reply
from core.store.redis.codec import pack_json
from worker.backend import drafts
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult

_AnswerStep = Callable[[JobExecution], Awaitable[StepResult]]


def answer_of(job: Job) -> _AnswerStep | None:
    """Name what answers a prompt that is no edit and no export."""
    if job.plan.message is not None:
        return None
    answers: dict[str, _AnswerStep] = {
        "credits": _answer_credits,
        "state": _answer_state,
        "upload": _answer_upload,
        "none": _answer_nothing,
    }
    return answers.get(job.plan.action)


async def _answer_credits(execution: JobExecution) -> StepResult:
    """Tell what all tokens have that serve the tenant, as `GET /v1/credits` does; the job's own must say what it has."""
    job = execution.job
    own = await execution.context.backend.read_credits(await execution.credentials())
    sums = None if own.unlimited else await execution.context.token_pool.credits_of(job.tenant, profile=job.profile)
    balance = sums or own
    left = "No limit of credits" if balance.unlimited else f"{balance.available} credits available"
    words = f"{left}, {balance.frozen} in use."
    return _end_with(execution, {"credits": balance.as_told()}, reply=words)


async def _answer_state(execution: JobExecution) -> StepResult:
    draft: drafts.Draft | None = None
    if execution.session.backend_id:
        draft = (await execution.read_state()).draft
    seen = drafts.timeline(draft)
    summary, tracks = drafts.summary(seen), drafts.tracks(seen)
    told = _end_with(execution, {"timeline": summary, "tracks": tracks}, reply=summary, timeline=summary)
    return told._replace(fields={"tracks": pack_json(tracks)})


async def _answer_upload(execution: JobExecution) -> StepResult:
    session = execution.session
    names = [media.name for media in session.media[: session.uploaded] if not media.removed]
    words = f"Uploaded: {', '.join(names)}." if names else "There was no file to upload."
    return _end_with(execution, {"uploaded": names}, reply=words)


async def _answer_nothing(execution: JobExecution) -> StepResult:
    """End a job that holds no edit and wants no film; its files are in the session by now."""
    return _end_with(execution, None, reply="Nothing was to be edited, and no film was wanted.")


def _end_with(
    execution: JobExecution, result: dict[str, Any] | None, *, reply: str, timeline: str | None = None
) -> StepResult:
    text, truncated = shortened_reply(reply)
    facts = {"reply": text, "reply_truncated": truncated, "timeline": timeline}
    ended = transitions.succeeded(execution.job, now_ms=execution.now_ms, result=result, **facts)
    return StepResult(ended)
