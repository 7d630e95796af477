"""The public view of a job: the one representation that answers, events and callbacks share.

Pure. `output.url` and the position in the queue are put in on the way out, since both are true only for a moment.
"""

from typing import Any

import msgspec

from core.clock import rfc3339
from core.errors import MEANINGS, WaitReason
from core.model.job import Job, Problem, Stage, Status
from core.model.plan import Plan
from core.redacted_repr import redacted_repr


@redacted_repr("id", "version", "status", "stage", "type", "code", "reason")
class View(msgspec.Struct, kw_only=True):
    """Every struct that callers read: all fields are always there."""


class Progress(View, kw_only=True):
    percent: int
    message: str


class WaitView(View, kw_only=True):
    """Why a job waits; the position and the estimates are null where they are not known."""

    reason: WaitReason
    behind: str | None = None
    position: int | None = None
    eta_p50_s: float | None = None
    eta_p90_s: float | None = None


#: why a job waits, as it is written before its position is known: the operation that accepts it writes over these bytes
UNPLACED = msgspec.json.encode(WaitView(reason=WaitReason.QUEUED_BEHIND))


class OutputView(View, kw_only=True):
    url: str | None
    format: str
    duration_s: float | None
    size_bytes: int | None
    width: int | None
    height: int | None
    expires_at: str


class ProblemView(View, kw_only=True):
    """A problem object as in RFC 9457, inside a job."""

    type: str
    title: str
    detail: str
    code: str
    retryable: bool
    hint: str


class Links(View, kw_only=True):
    self: str
    cancel: str
    events: str
    output: str
    deliveries: str


class JobView(View, kw_only=True):
    """A job as callers read it."""

    id: str
    status: Status
    stage: Stage | None
    version: int
    profile: str
    session_id: str
    language: str | None
    progress: Progress
    wait: WaitView | None
    plan: Plan
    hints: tuple[str, ...]
    reply: str | None
    reply_truncated: bool
    changes: tuple[str, ...]
    timeline: str | None
    result: dict[str, Any] | None
    output: OutputView | None
    credits_used: int | None
    credits_exact: bool
    claim_url: str | None
    error: ProblemView | None
    attempts: int
    parent_id: str | None
    batch_id: str | None
    priority: int
    metadata: dict[str, str]
    data_removed: bool
    created_at: str
    started_at: str | None
    finished_at: str | None
    links: Links


def view(job: Job, *, public_url: str) -> JobView:
    """Show a job. `output.url` is null here: `core.security.signed_links.with_link` puts a fresh one in."""
    return JobView(
        id=job.id,
        status=job.status,
        stage=job.stage,
        version=job.version,
        profile=job.profile,
        session_id=job.session_id,
        language=job.language,
        progress=Progress(percent=job.percent, message=job.message),
        wait=_wait(job),
        plan=job.plan,
        hints=job.hints,
        reply=job.reply,
        reply_truncated=job.reply_truncated,
        changes=job.changes,
        timeline=job.timeline,
        result=job.result,
        output=_output(job),
        credits_used=job.credits_used,
        credits_exact=job.credits_exact,
        claim_url=job.claim_url,
        error=_problem(job.error) if job.error else None,
        attempts=job.attempts,
        parent_id=job.parent_id,
        batch_id=job.batch_id,
        priority=job.priority,
        metadata=job.metadata,
        data_removed=job.data_removed,
        created_at=rfc3339(job.created_at_ms),
        started_at=_time(job.started_at_ms),
        finished_at=_time(job.finished_at_ms),
        links=_links(f"{public_url}/v1/jobs/{job.id}"),
    )


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)


def _wait(job: Job) -> WaitView | None:
    if job.wait:
        return WaitView(reason=job.wait.reason)
    return WaitView(reason=WaitReason.QUEUED_BEHIND) if job.status is Status.QUEUED else None


def _output(job: Job) -> OutputView | None:
    file = job.output
    if file is None:
        return None
    return OutputView(
        url=file.backend_url,
        format=file.format,
        duration_s=file.duration_s,
        size_bytes=file.size_bytes,
        width=file.width,
        height=file.height,
        expires_at=rfc3339(file.expires_at_ms),
    )


def _problem(error: Problem) -> ProblemView:
    return ProblemView(
        type=f"urn:reelgate:problem:{error.code}",
        title=MEANINGS[error.code].title,
        detail=error.detail,
        code=error.code,
        retryable=error.retryable,
        hint=error.hint,
    )


def _links(base: str) -> Links:
    return Links(
        self=base,
        cancel=f"{base}/cancel",
        events=f"{base}/events",
        output=f"{base}/output",
        deliveries=f"{base}/deliveries",
    )
