"""The job record and every way it may change: one verb function per event, pure, so that no step can forget its facts.

The record is the truth; the queue is a doorbell. `core/store/` writes records, `worker/` and `service/` call the verbs
below. Times are milliseconds since the epoch. Nothing here knows Redis, HTTP or arq.
"""

from enum import StrEnum
from typing import Any

import msgspec

from core.discreet import discreet
from core.errors import MEANINGS, Code, WaitReason
from core.prompt import Output, Plan


class Status(StrEnum):
    """What a caller reads in ``status``. Each says who moves it on, and what happens if the process dies in it."""

    #: accepted and kept; the admission script moves it on when its turn, its tenant's cap and its session allow
    QUEUED = "queued"
    #: a worker holds its lease; if that worker dies, the lease runs out and another goes on at the same stage
    RUNNING = "running"
    #: its caller wants it stopped; the worker closes the stream, cancels the render and ends it
    CANCELING = "canceling"
    #: ended well; never changes
    SUCCEEDED = "succeeded"
    #: ended badly, `error` says why; never changes
    FAILED = "failed"
    #: ended because its caller asked; never changes
    CANCELED = "canceled"
    #: never started within start_timeout_s; never changes
    EXPIRED = "expired"


ENDS = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED})

TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {
        (Status.QUEUED, Status.RUNNING),
        (Status.QUEUED, Status.CANCELED),
        (Status.QUEUED, Status.EXPIRED),
        (Status.RUNNING, Status.CANCELING),
        (Status.RUNNING, Status.SUCCEEDED),
        (Status.RUNNING, Status.FAILED),
        (Status.CANCELING, Status.SUCCEEDED),
        (Status.CANCELING, Status.FAILED),
        (Status.CANCELING, Status.CANCELED),
    }
)


class Stage(StrEnum):
    """The step that a running job is in. It names the function in `worker/steps/` that goes on from here."""

    PREPARING = "preparing"
    UPLOADING = "uploading"
    EDITING = "editing"
    RECOVERING = "recovering"
    RENDERING = "rendering"
    STORING = "storing"


#: how far a job is when it enters a stage, in percent
PERCENT: dict[Stage, int] = {
    Stage.PREPARING: 2,
    Stage.UPLOADING: 10,
    Stage.EDITING: 25,
    Stage.RECOVERING: 40,
    Stage.RENDERING: 60,
    Stage.STORING: 92,
}

#: what a caller hears when a job enters a stage
WORDS: dict[Stage, str] = {
    Stage.PREPARING: "Connecting...",
    Stage.UPLOADING: "Uploading",
    Stage.EDITING: "Editing",
    Stage.RECOVERING: "Checking what the edit did",
    Stage.RENDERING: "Rendering",
    Stage.STORING: "Saving the video",
}


class InvalidTransition(Exception):  # noqa: N818 - it names a programming error
    """A job was asked to go where no job may go."""


@discreet("id", "version", "status", "stage", "state", "type", "code", "reason")
class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How every record here is written: defaults are left out, which halves its size in Redis."""


class MediaRef(Record, frozen=True, kw_only=True):
    """One file of a job: a public URL, or an upload of ours. `size_bytes` is known for uploads only."""

    url: str | None = None
    upload_id: str | None = None
    name: str
    size_bytes: int | None = None


class Sent(Record, frozen=True, kw_only=True):
    """Written before a message's bytes go out: a job found with it is never sent again."""

    at_ms: int
    #: content fingerprint of the draft before the message
    before: str
    #: available + frozen before the message; None where the balance could not be read
    credits_total: int | None = None
    #: how often the token had been taken by then, where this job alone held it: then the cost can be told exactly
    alone_at: int | None = None


class Recovery(Record, frozen=True, kw_only=True):
    """How far the reading-instead-of-sending-again has come."""

    since_ms: int
    #: the stream closed by itself, with words; then two unchanged reads say that nothing was edited
    spoke: bool = False
    reads: int = 0
    #: fingerprint of the last changed draft; an edit counts when two reads agree
    seen: str | None = None


class Render(Record, frozen=True, kw_only=True):
    """The render under way. `id` is ours: render_ + job + session generation + attempt."""

    id: str
    attempt: int
    started_at_ms: int
    polls: int = 0
    percent: int = 0
    #: the backend has said that it knows it
    asked: bool = False
    url: str | None = None
    duration_s: float | None = None


class OutputFile(Record, frozen=True, kw_only=True):
    """The finished video. `path` is a key in our storage; None where keeping is off, then `backend_url` leads to it."""

    path: str | None
    backend_url: str | None = None
    format: str
    duration_s: float | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    expires_at_ms: int


class Problem(Record, frozen=True, kw_only=True):
    """Why a job failed, as in `core.errors`."""

    code: Code
    detail: str
    hint: str
    retryable: bool


class Wait(Record, frozen=True, kw_only=True):
    """Why a running job waits, and until when at most."""

    reason: WaitReason
    until_ms: int


class Webhook(Record, frozen=True, kw_only=True):
    """Where a job's callbacks go; `events` empty means the four ends."""

    url: str
    events: tuple[str, ...] = ()


class Job(Record, frozen=True, kw_only=True):
    """Everything we know about one job. Read it with `core.view`, change it with the verbs below."""

    id: str
    tenant: str
    version: int = 1
    status: Status = Status.QUEUED
    stage: Stage | None = None
    #: when it entered that stage
    stage_since_ms: int | None = None

    # what was asked; never changes
    prompt: str
    profile: str
    media: tuple[MediaRef, ...] = ()
    session_id: str
    language: str | None = None
    output_ask: Output
    plan: Plan
    hints: tuple[str, ...] = ()
    webhook: Webhook | None = None
    metadata: dict[str, str] = {}
    priority: int = 0
    max_credits: int | None = None
    start_timeout_s: int = 3600
    timeout_s: int = 1800
    retention_s: int = 2_592_000
    created_at_ms: int
    parent_id: str | None = None
    batch_id: str | None = None
    traceparent: str | None = None

    # how far it has come
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    attempts: int = 0
    percent: int = 0
    message: str = "Queued"
    wait: Wait | None = None
    cancel_requested_at_ms: int | None = None
    token_id: str | None = None
    #: learned from a refusal: the message costs more credits than was thought
    cost_at_least: int = 0
    #: an upload broke off, so it may be there or not
    upload_doubt: bool = False
    #: the stage that is tried again, how often in a row, after passing faults
    faults: int = 0
    sent: Sent | None = None
    recovery: Recovery | None = None
    #: the message's effect was seen, or no message was needed
    edited: bool = False
    render: Render | None = None

    # what came of it
    reply: str | None = None
    reply_truncated: bool = False
    changes: tuple[str, ...] = ()
    timeline: str | None = None
    result: dict[str, Any] | None = None
    output: OutputFile | None = None
    credits_used: int | None = None
    credits_exact: bool = False
    claim_url: str | None = None
    error: Problem | None = None
    data_removed: bool = False

    @property
    def ended(self) -> bool:
        """Whether the job has come to one of its four ends."""
        return self.status in ENDS

    @property
    def deadline_ms(self) -> int:
        """When a started job ends with ``deadline_exceeded``."""
        return (self.started_at_ms or self.created_at_ms) + self.timeout_s * 1000

    @property
    def start_by_ms(self) -> int:
        """When a job that has not started ends as ``expired``."""
        return self.created_at_ms + self.start_timeout_s * 1000


#: a reply is given to callers up to this many bytes of UTF-8
REPLY_LIMIT_BYTES = 4096


def _go(job: Job, status: Status) -> Status:
    if job.status == status and status not in ENDS:
        return status
    if (job.status, status) not in TRANSITIONS:
        raise InvalidTransition(f"{job.id}: {job.status} -> {status}")
    return status


def _next(job: Job, **facts: Any) -> Job:
    if job.ended:
        raise InvalidTransition(f"{job.id}: {job.status} never changes")
    return msgspec.structs.replace(job, version=job.version + 1, **facts)


def started(job: Job, *, now_ms: int) -> Job:
    """A worker takes the job for the first time, or again after a crash or a wait: attempts counts the first only."""
    if job.started_at_ms is not None:
        return _next(job, wait=None)
    return _next(
        job,
        status=_go(job, Status.RUNNING),
        stage=Stage.PREPARING,
        started_at_ms=now_ms,
        attempts=1,
        percent=PERCENT[Stage.PREPARING],
        message=WORDS[Stage.PREPARING],
    )


def moved(job: Job, stage: Stage, **facts: Any) -> Job:
    """The step before `stage` is done: the next checkpoint. Passing faults are forgotten."""
    if job.ended or job.started_at_ms is None:
        raise InvalidTransition(f"{job.id}: {job.status} has no stage")
    return _next(
        job, stage=stage, percent=max(job.percent, PERCENT[stage]), message=WORDS[stage], wait=None, faults=0, **facts
    )


def token_taken(job: Job, *, token_id: str) -> Job:
    """A token serves this job, with its estimated cost reserved."""
    return _next(job, token_id=token_id, wait=None)


def token_changed(job: Job, *, token_id: str) -> Job:
    """The token's successor serves this job from here on, wherever it stands."""
    return _next(job, token_id=token_id)


def doomed(job: Job) -> Job:
    """The session and its timeline are gone: back to the step that says so."""
    return moved(job, Stage.PREPARING)


def sending(job: Job, *, sent: Sent) -> Job:
    """The intent: the message's bytes may go out right after this is committed, and never again."""
    return moved(job, Stage.EDITING, sent=sent)


def sent_back(job: Job, **facts: Any) -> Job:
    """The backend refused everything so far, so the job starts over: an intent to send is void, and its token free."""
    return moved(job, Stage.PREPARING, sent=None, recovery=None, token_id=None, **facts)


def unsure(job: Job, *, now_ms: int, seen: str | None = None, spoke: bool = False) -> Job:
    """What the message did is not known yet: from now on the state is read and nothing is sent."""
    return moved(job, Stage.RECOVERING, recovery=Recovery(since_ms=now_ms, seen=seen, spoke=spoke))


def still_unsure(job: Job, *, seen: str | None, counts: bool = True) -> Job:
    """One more read of the state, with nothing confirmed yet; `seen` is the fingerprint of a changed draft."""
    recovery = job.recovery
    assert recovery is not None
    reads = recovery.reads + (1 if seen is None and counts else 0)
    return _next(job, recovery=msgspec.structs.replace(recovery, reads=reads, seen=seen), wait=None)


def answered(job: Job, *, reply: str) -> Job:
    """What the backend said, without its GUI talk."""
    text, truncated = shortened(reply)
    return _next(job, reply=text or None, reply_truncated=truncated)


def edited(job: Job, *, changes: tuple[str, ...], timeline: str, **facts: Any) -> Job:
    """The message's effect is confirmed; `facts` are its cost, and what else came of it."""
    return _next(job, edited=True, changes=changes, timeline=timeline, recovery=None, **facts)


def shortened(text: str) -> tuple[str, bool]:
    """Cut a reply to 4 kB of UTF-8 without splitting a character; says whether it was cut."""
    raw = text.encode()
    if len(raw) <= REPLY_LIMIT_BYTES:
        return text, False
    return raw[:REPLY_LIMIT_BYTES].decode(errors="ignore"), True


def rendering(job: Job, *, render: Render) -> Job:
    """A render has this id from now on; asking for it twice is harmless."""
    return moved(job, Stage.RENDERING, render=render)


def polled(job: Job, *, render: Render) -> Job:
    """One more look at the render."""
    span = PERCENT[Stage.STORING] - PERCENT[Stage.RENDERING]
    percent = PERCENT[Stage.RENDERING] + span * min(render.percent, 100) // 100
    return _next(job, render=render, percent=max(job.percent, percent), wait=None, faults=0)


def waiting(job: Job, *, reason: WaitReason, until_ms: int, faults: int | None = None) -> Job:
    """The job goes to sleep and says why; `faults` counts how often in a row the backend failed."""
    wait = Wait(reason=reason, until_ms=until_ms)
    return _next(job, wait=wait, faults=job.faults if faults is None else faults)


def doubted(job: Job) -> Job:
    """An upload broke off: before the next one the backend is asked what it has."""
    return msgspec.structs.replace(job, upload_doubt=True)


def linked(job: Job, *, claim_url: str | None) -> Job:
    """The project can be opened in a browser."""
    return _next(job, claim_url=claim_url)


def still_canceling(job: Job) -> Job:
    """Late effects of a cancelled message may still come."""
    return _next(job)


def spoke(job: Job, message: str) -> Job:
    """Tell the caller something while the stage goes on."""
    return _next(job, message=message)


def cancel_asked(job: Job, *, now_ms: int) -> Job:
    """The caller wants it stopped: a queued job ends at once, a running one when its worker has cleaned up."""
    if job.status is Status.QUEUED:
        return _ended(job, Status.CANCELED, now_ms=now_ms, cancel_requested_at_ms=now_ms, message="Canceled")
    if job.status is Status.CANCELING:
        return job
    return _next(job, status=_go(job, Status.CANCELING), cancel_requested_at_ms=now_ms, message="Canceling")


def rebased(new: Job, stored: Job) -> Job:
    """Carry a caller's cancel, which came between a worker's read and its write, over to what the worker writes.

    A finish that the backend reached wins over the cancel; every other record takes the cancel along.
    """
    if new.ended or stored.status is not Status.CANCELING:
        return msgspec.structs.replace(new, version=stored.version + 1)
    return msgspec.structs.replace(
        new,
        version=stored.version + 1,
        status=Status.CANCELING,
        cancel_requested_at_ms=stored.cancel_requested_at_ms,
        message=stored.message,
    )


def succeeded(job: Job, *, now_ms: int, **facts: Any) -> Job:
    """The job ends well."""
    return _ended(job, Status.SUCCEEDED, now_ms=now_ms, percent=100, message="Done", **facts)


def failed(job: Job, *, now_ms: int, code: Code, detail: str | None = None, hint: str | None = None) -> Job:
    """The job ends badly."""
    meaning = MEANINGS[code]
    problem = Problem(code=code, detail=detail or meaning.title, hint=hint or meaning.hint, retryable=meaning.retryable)
    return _ended(job, Status.FAILED, now_ms=now_ms, error=problem, message="Failed")


def with_cost(job: Job, *, credits_used: int | None = None, credits_exact: bool = False) -> Job:
    """Say what the job has cost, where that is known; part of the change that ends it."""
    if credits_used is None:
        return job
    return msgspec.structs.replace(job, credits_used=credits_used, credits_exact=credits_exact)


def canceled(job: Job, *, now_ms: int) -> Job:
    """A running job has been stopped for its caller."""
    return _ended(job, Status.CANCELED, now_ms=now_ms, message="Canceled")


def expired(job: Job, *, now_ms: int) -> Job:
    """The job was never started in time."""
    return _ended(job, Status.EXPIRED, now_ms=now_ms, message="Expired before it could start")


def _ended(job: Job, status: Status, *, now_ms: int, **facts: Any) -> Job:
    return _next(job, status=_go(job, status), finished_at_ms=now_ms, stage=None, wait=None, **facts)


def removed(job: Job) -> Job:
    """What is left of an ended job when its data is deleted: a tombstone."""
    if not job.ended:
        raise InvalidTransition(f"{job.id}: only an ended job can be deleted")
    return msgspec.structs.replace(
        job,
        version=job.version + 1,
        prompt="",
        media=(),
        reply=None,
        reply_truncated=False,
        changes=(),
        timeline=None,
        result=None,
        output=None,
        claim_url=None,
        metadata={},
        hints=(),
        webhook=None,
        plan=Plan(message=None, action=job.plan.action),
        render=None,
        data_removed=True,
    )
