"""Prompts that ask for credits, for the state of the timeline or for an upload: answered without a stream."""

from collections.abc import Awaitable, Callable
from typing import Any

from core.model import transitions
from core.model.job import Job
from worker.backend import drafts
from worker.jobs.execution import JobExecution, StepResult

Answer = Callable[[JobExecution], Awaitable[StepResult]]


def answer_of(job: Job) -> Answer | None:
    """Name what answers a prompt that is no edit and no export."""
    if job.plan.message is not None:
        return None
    answers: dict[str, Answer] = {"credits": _credits, "state": _state, "upload": _uploaded}
    return answers.get(job.plan.action)


async def _credits(work: JobExecution) -> StepResult:
    balance = await work.kit.backend.credits(await work.caller())
    result = {"available": balance.available, "frozen": balance.frozen, "total": balance.total}
    words = f"{balance.available} credits available, {balance.frozen} in use."
    return _ended(work, {"credits": result}, reply=words)


async def _state(work: JobExecution) -> StepResult:
    draft: dict[str, Any] | None = None
    if work.session.backend_id:
        draft = (await work.kit.backend.state(await work.caller(), work.session.backend_id)).draft
    summary = drafts.summary(draft)
    return _ended(work, {"timeline": summary, "tracks": drafts.tracks(draft)}, reply=summary, timeline=summary)


async def _uploaded(work: JobExecution) -> StepResult:
    names = [media.name for media in work.session.media[: work.session.uploaded]]
    words = f"Uploaded: {', '.join(names)}." if names else "There was no file to upload."
    return _ended(work, {"uploaded": names}, reply=words)


def _ended(work: JobExecution, result: dict[str, Any], *, reply: str, timeline: str | None = None) -> StepResult:
    text, truncated = transitions.shortened(reply)
    facts = {"reply": text, "reply_truncated": truncated, "timeline": timeline, "credits_used": 0}
    return StepResult(transitions.succeeded(work.job, now_ms=work.now_ms, result=result, credits_exact=True, **facts))
