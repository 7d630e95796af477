"""The public view of a job: the one representation that answers, events and callbacks share.

Pure. `output.url` and the position in the queue are put in on the way out, since both are true only for a moment, and so
is what it was asked for (`input_view`), since it is as long as a prompt.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from core.clock import rfc3339
from core.errors import MEANINGS, Code, WaitReason
from core.model.input_view import InputView
from core.model.job import Estimate, EstimateBasis, Job, Problem, Stage, Status
from core.model.plan import Plan
from core.model.view import Timestamp, View

#: what a worker answers to a prompt that is no edit: one of these, by what it asked for
_RESULT_SCHEMA = {
    "properties": {
        "credits": {
            "type": "object",
            "description": "For a prompt that asked for credits: as `GET /v1/credits` gives them.",
            "properties": {
                "available": {"type": "integer", "description": "What new jobs can spend; -1: there is no limit."},
                "frozen": {"type": "integer", "description": "Held back for messages that are being worked on."},
                "total": {"type": "integer", "description": "Both together; -1: there is no limit."},
            },
            "required": ["available", "frozen", "total"],
        },
        "timeline": {"type": "string", "description": "For one that asked for the state: the timeline in one line."},
        "tracks": {
            "type": "array",
            "items": {"type": "object"},
            "description": "For one that asked for the state: its tracks, as `GET /v1/jobs/{job_id}/timeline` gives them.",
        },
        "uploaded": {
            "type": "array",
            "items": {"type": "string"},
            "description": "For one that asked for an upload: the names of the session's files.",
        },
    }
}


# Comments that begin with "#:" are shown to callers.
class Progress(View, kw_only=True):
    """How far a job has come."""

    #: 0 to 100, and never back. 100 alone says that it has succeeded.
    percent: int
    #: One line for a person to look at. Its words may change, so decide by `status` and `stage`.
    message: str


class WaitView(View, kw_only=True):
    """Why a job waits; the position and the estimates are null where they are not known."""

    #: Why, and so what would help.
    reason: WaitReason
    #: The job of the same session that runs before it.
    behind: str | None = None
    #: Its place among your tenant's waiting jobs, from 1.
    position: int | None = None
    #: Seconds until it will probably have ended: one of two such jobs is faster.
    eta_p50_s: float | None = None
    #: The same with a margin: nine of ten such jobs are faster. Show this one to people who wait.
    eta_p90_s: float | None = None


#: why a job waits, as it is written before its position is known: the operation that accepts it writes over these bytes
UNPLACED = msgspec.json.encode(WaitView(reason=WaitReason.QUEUED_BEHIND))


class EstimateView(View, kw_only=True):
    """What a job will probably cost and take, as it was expected before it began. No promise, and no limit."""

    #: The fewest and the most credits that it will probably cost. Measured: one of ten such jobs cost less, and one of ten
    #: more. To set a limit of your own use `max_credits`.
    credits: Annotated[tuple[int, ...], Meta(min_length=2, max_length=2)]
    #: The credits that it will most likely cost: one of two such jobs costs no more.
    credits_typical: int
    #: Where the credits come from: `measured` from jobs like it that ended in this installation, or `contract`: the
    #: backend's published prices, which are about right.
    credits_basis: EstimateBasis
    #: How many ended jobs these credits are measured by; 0 for `contract`.
    credits_jobs: int
    #: Seconds from its start to its end: one of two such jobs is faster. The time before its start is in `wait`. Null:
    #: nothing is known of such jobs yet.
    p50_s: float | None
    #: The same with a margin: nine of ten such jobs are faster.
    p90_s: float | None
    #: Where the times come from: `measured` from jobs like it that ended well in this installation, or `contract`: what the
    #: skill's publisher calls typical.
    time_basis: EstimateBasis
    #: How many ended jobs these times are measured by; 0 for `contract`.
    time_jobs: int


class OutputView(View, kw_only=True):
    """The finished film."""

    #: Where to download it: a signed link that needs no key, and expires. Do not store it, since each reading of the job
    #: gives a fresh one; whoever has it can fetch the film. Null in stored events before they are shown.
    url: str | None
    #: The film's container: `mp4`, `mov` or `webm`.
    format: str
    #: Its length in seconds; null where it could not be told.
    duration_s: float | None
    #: Its size in bytes.
    size_bytes: int | None
    #: The picture's width in pixels; null for sound alone.
    width: int | None
    #: The picture's height in pixels; null for sound alone.
    height: int | None
    #: Until when `url` works: a day, and no longer than the file is kept (`retention_s` after the job's end). Download
    #: what you want to keep.
    expires_at: Timestamp


class ProblemView(View, kw_only=True):
    """A problem object as in RFC 9457, inside a job."""

    #: `urn:reelgate:problem:` and the code. It names the kind of problem, and leads nowhere.
    type: str
    #: The kind of problem in one sentence, the same for each code.
    title: str
    #: What went wrong with this very job, for people.
    detail: str
    #: Why the job failed, for programs: decide by it. New codes may be added, so have a branch for those you do not know.
    code: Code
    #: Whether a replay may succeed. A replay from the start is charged anew; one `from` render is not.
    retryable: bool
    #: What to do next, for people.
    hint: str


class Links(View, kw_only=True):
    """Where to go on from here. They need your key, and do not expire."""

    #: `GET`: this job.
    self: str
    #: `POST`: cancel it.
    cancel: str
    #: `GET`: follow its events as they come.
    events: str
    #: `GET`: the film, with your key; 404 until it is there.
    output: str
    #: `GET`: the callbacks that were sent for it.
    deliveries: str


class JobView(View, kw_only=True):
    """A job as callers read it: the same in answers, events and callbacks, but for `input`."""

    #: Names the job in every other call. Store it with your order before you do anything else.
    id: str
    #: Where it stands. `succeeded`, `failed`, `canceled` and `expired` are ends, and never change.
    status: Status
    #: What a running job is at; null before it starts and after it has ended.
    stage: Stage | None
    #: Counts its changes. Of two copies, as when callbacks overtake each other, the higher one is newer.
    version: int
    #: The skill that it uses, see `GET /v1/profiles`.
    profile: str
    #: Its session. Submit another job with it to go on from this job's timeline.
    session_id: str
    #: The language in which the backend answers, as asked for or detected; null: not known yet.
    language: str | None
    #: How far it has come, for people who watch.
    progress: Progress
    #: Why it waits; null while it does not.
    wait: WaitView | None
    #: What it was asked for. Null in the answer to its submit, in events and in callbacks, which stay small, and once its
    #: data is removed: read the job. Events of an older release do not have it.
    input: InputView | None = None
    #: What it was expected to cost and take when it was accepted; it stays what it was. Null for jobs of an older release,
    #: and events of one do not have it.
    estimate: EstimateView | None = None
    #: How its prompt was read.
    plan: Plan
    #: What would do better next time, or what is doubtful about the result, in sentences for people.
    hints: tuple[str, ...]
    #: What the backend said, up to 4 kB; for `needs_input` it is the question. Null: nothing yet.
    reply: str | None
    #: Whether the reply was longer and is cut.
    reply_truncated: bool
    #: What the edit did, a sentence for each change. Empty where none was made or seen.
    changes: tuple[str, ...]
    #: The timeline after it in one line; `GET /v1/jobs/{job_id}/timeline` has the tracks. Null until an edit was made.
    timeline: str | None
    #: The answer to a prompt that asked for credits, the state or an upload; null for edits.
    result: Annotated[dict[str, Any], Meta(extra_json_schema=_RESULT_SCHEMA)] | None
    #: The film; null until it is there, and where none was asked for.
    output: OutputView | None
    #: Credits of the backend that it has cost; null while it is not known.
    credits_used: int | None
    #: Whether that number was read from the balance (true), or is an estimate since others used the token as well.
    credits_exact: bool
    #: Where a person takes over the session in the backend's editor; null where there is none.
    claim_url: str | None
    #: Why it failed; null unless `status` is `failed`. The call that reads a failed job is still HTTP 200.
    error: ProblemView | None
    #: How often a worker has begun it. More than 1: one was lost in the middle and another went on, which cost nothing.
    attempts: int
    #: The job that it replays; null: none.
    parent_id: str | None
    #: The batch that it came in; null: none.
    batch_id: str | None
    #: Its rank among your own waiting jobs, -100 to 100: higher goes first.
    priority: int
    #: What you gave it, as sent. Put your own ids here.
    metadata: dict[str, str]
    #: Whether its prompt, media, output and reply are deleted, by `DELETE`. After `retention_s` there is no such job: 404.
    data_removed: bool
    #: When it was accepted.
    created_at: Timestamp
    #: When a worker first began it; null: not yet.
    started_at: Timestamp | None
    #: When it ended; null: not yet.
    finished_at: Timestamp | None
    #: Where to go on from here.
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
        estimate=estimate_view(job.estimate) if job.estimate else None,
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


def estimate_view(estimate: Estimate) -> EstimateView:
    """Show an estimate: all of it but what a newer release has written, by the same names."""
    return msgspec.convert(estimate, EstimateView, from_attributes=True)


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
