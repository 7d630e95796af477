"""The job record: everything we know about a job, and what its states and stages mean.

The record is the truth, the queue carries ids. `core.model.transitions` has every way it may change, `core/store/` writes it.
Times are milliseconds since the epoch. Nothing here knows Redis, HTTP or arq.
"""

from enum import StrEnum
from typing import Any, Literal

import msgspec

from core.errors import Code, WaitReason
from core.model.plan import Output, Plan
from core.security.redacted_repr import redacted_repr


# Comments that begin with "#:" are shown to callers.
class Status(StrEnum):
    """Where a job stands. The last four are ends, which never change."""

    #: Accepted and kept. It starts when its turn, its tenant's cap and its session allow; `wait` says why it waits.
    # Admission moves it on.
    QUEUED = "queued"
    #: At work; `stage` says at what. It survives the crash of the process that works on it.
    # A worker holds its lease; if that worker dies, the lease runs out and another goes on at the same stage.
    RUNNING = "running"
    #: Its cancel was asked for and is being carried out; seconds at most.
    # The worker closes the stream, cancels the render and ends it.
    CANCELING = "canceling"
    #: Ended well: read `output`, or `result` for a question.
    SUCCEEDED = "succeeded"
    #: Ended badly: `error` says why, what that cost and whether a replay helps.
    FAILED = "failed"
    #: Ended because its caller asked. What was charged by then stays charged.
    CANCELED = "canceled"
    #: Never started within `start_timeout_s`. Nothing was charged.
    EXPIRED = "expired"


ENDS = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED})


# Each names the step in worker/jobs/steps/ that goes on from here.
class Stage(StrEnum):
    """The step that a running job is in."""

    #: Gets a token and opens or finds the session.
    PREPARING = "preparing"
    #: Brings the media to the backend.
    UPLOADING = "uploading"
    #: The message is at the backend, which edits. From here on credits may be charged.
    EDITING = "editing"
    #: The edit's stream broke or said nothing; the timeline is read until a change shows. Nothing is sent or charged twice.
    RECOVERING = "recovering"
    #: The film is being rendered, which costs no credits.
    RENDERING = "rendering"
    #: The film is fetched, checked and kept.
    STORING = "storing"


#: how the field `Record.beyond` is called while a record is being written; Redis never sees it
BEYOND = "~beyond"


@redacted_repr("id", "version", "status", "stage", "state", "type", "code", "reason")
class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How every record here is written: defaults are left out, which halves its size in Redis.

    What a caller was promised is `promised`: it is written also where it equals today's default.
    """

    #: fields that a newer release wrote into this record and that are unknown here; kept so that no write loses them
    beyond: dict[str, Any] = msgspec.field(default_factory=dict, name=BEYOND)


def promised(value: Any) -> Any:
    """Make a field that is always written. `value` is what a record of format 1 means that does not say, for ever."""
    return msgspec.field(default_factory=lambda: value)


#: what a file of a removed job is called where it is still counted
REMOVED_NAME = "(deleted)"


class MediaRef(Record, frozen=True, kw_only=True):
    """One file of a job: a public URL, or an upload of ours. `size_bytes` and `duration_s` are known for uploads only."""

    url: str | None = None
    upload_id: str | None = None
    name: str
    size_bytes: int | None = None
    #: what its header says, in seconds; None also of what has none
    duration_s: float | None = None
    #: the backend did not fetch the URL: its bytes are brought
    by_bytes: bool = False
    #: in a session's list: the job that brought it; None in records of an older version
    job_id: str | None = None
    #: that job has ended, and no message has used it
    unused: bool = False
    #: the data of that job was deleted, and the file stands at the backend alone
    removed: bool = False


class Sent(Record, frozen=True, kw_only=True):
    """Written before a message's bytes go out: a job that has it never comes to a stage before its message again."""

    at_ms: int
    #: content fingerprint of the draft before the message
    before: str
    #: content fingerprint of the whole state; None in records of an older version, which compared the draft alone
    state: str | None = None
    #: files that had been uploaded by then
    uploads: int = 0
    #: credits that the message will probably cost
    cost: int = 0
    #: available + frozen before the message; None where the balance could not be read
    credits_total: int | None = None
    #: frozen before the message; None where the balance did not tell
    frozen: int | None = None
    #: credits that may have been frozen by then for other jobs of ours, whose messages had really been sent
    others: int = 0
    #: messages ever sent on the token by then, where no other of them was being worked on: then the cost can be told exactly
    sends: int | None = None


class Recovery(Record, frozen=True, kw_only=True):
    """How far the reading-instead-of-sending-again has come."""

    since_ms: int
    #: the stream closed by itself, so that the message has arrived; not known in records of an older version
    closed: bool = False
    #: and with words, or with what tools gave
    spoke: bool = False
    #: what came was an error's words, or ended with an error
    complained: bool = False
    #: a tool gave a result that is no error, so something was probably edited, whether it can be seen or not
    tools_ran: bool = False
    #: its words send to the account's credits
    asked_for_credits: bool = False
    #: looks that showed no change
    reads: int = 0
    #: fingerprint of the last changed state; an edit counts when two reads agree
    seen: str | None = None
    #: credits that were frozen on the token at the last look
    frozen: int | None = None
    #: what is frozen moved between two looks although no other job of ours was at work: somebody else's comes and goes
    restless: bool = False


class Render(Record, frozen=True, kw_only=True):
    """The render under way. `id` is ours, e.g. ``render_1795633751024482913``; records of older versions have other forms."""

    id: str
    attempt: int
    started_at_ms: int
    polls: int = 0
    percent: int = 0
    #: the backend has said that it knows it
    asked: bool = False
    #: its name at the backend, where that is not ours
    backend_id: str | None = None
    #: the resolution that was wanted is refused, so none is asked for
    any_resolution: bool = False
    #: looks at it, in a row, that gave an error in the place of a status
    errors: int = 0
    #: looks at it that said completed, and gave no link
    linkless: int = 0
    #: how often its film was fetched in vain
    fetches: int = 0
    #: the token was shown at its link, in vain
    token_tried: bool = False
    #: and a second time
    token_tried_again: bool = False
    url: str | None = None
    #: what the status says of the film
    duration_s: float | None = None
    size_bytes: int | None = None
    #: how long the backend took for it, where it tells
    took_s: float | None = None
    #: the length of what is rendered, where its draft tells
    timeline_s: float | None = None
    #: nothing but sounds is rendered
    sound_only: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        """Names to ask after it by, the one that the backend gave it first."""
        return known_ids(self.id, self.backend_id)


def known_ids(ours: str, backend_id: str | None) -> tuple[str, ...]:
    """List a render's names, the one that the backend gave it first."""
    return (ours,) if backend_id is None else (backend_id, ours)


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


#: Where an estimate comes from: jobs that ended in this installation, or what the backend and its skills publish.
EstimateBasis = Literal["measured", "contract"]


class Wait(Record, frozen=True, kw_only=True):
    """Why a running job waits, and until when at most."""

    reason: WaitReason
    until_ms: int
    #: how often in a row it was waited for this already
    times: int = 0
    #: since when, in a row; 0: nobody wrote it down
    since_ms: int = 0
    #: whoever told it to wait stands before the backend, and tells so everybody, whatever token they show
    for_all: bool = False


class Webhook(Record, frozen=True, kw_only=True):
    """Where a job's callbacks go; `events` empty means the four ends."""

    url: str
    events: tuple[str, ...] = promised(())


class Estimate(Record, frozen=True, kw_only=True):
    """What a job was expected to cost and take when it was accepted, by `core.model.estimate`."""

    #: the least and the most
    credits: tuple[int, int]
    credits_typical: int
    credits_basis: EstimateBasis
    #: jobs that have ended here by which this is told; 0 where it is what is published
    credits_jobs: int
    #: from start to end; None where nothing is measured and nothing published
    p50_s: float | None
    p90_s: float | None
    time_basis: EstimateBasis
    time_jobs: int


class Job(Record, frozen=True, kw_only=True):
    """Everything we know about one job. Read it with `core.model.job_view`, change it with `core.model.transitions`."""

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
    language: str | None = promised(None)
    output_ask: Output
    plan: Plan
    hints: tuple[str, ...] = ()
    webhook: Webhook | None = promised(None)
    metadata: dict[str, str] = {}
    priority: int = promised(0)
    max_credits: int | None = promised(None)
    start_timeout_s: int = promised(3600)
    timeout_s: int = promised(1800)
    retention_s: int = promised(2_592_000)
    created_at_ms: int
    parent_id: str | None = None
    batch_id: str | None = None
    #: what its caller was told; None in records of older versions
    estimate: Estimate | None = None
    traceparent: str | None = None
    #: X-Request-Id of the call that submitted it, for the logs
    request_id: str | None = None

    # how far it has come
    started_at_ms: int | None = None
    #: for how long since then it has waited for credits, or for a place after that, which is none of its `timeout_s`
    waited_ms: int = 0
    finished_at_ms: int | None = None
    attempts: int = 0
    percent: int = 0
    message: str = "Queued"
    wait: Wait | None = None
    cancel_requested_at_ms: int | None = None
    token_id: str | None = None
    #: learned from a refusal: the message costs more credits than was thought
    cost_at_least: int = 0
    #: an upload broke off, so it may be there or not; every release's records call it `upload_doubt`
    upload_in_doubt: bool = msgspec.field(default=False, name="upload_doubt")
    #: by call and fault (``"upload broken"``): how often the job went on trying after it; emptied by the next progress
    tries: dict[str, int] = {}
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
        """When a started job ends with ``deadline_exceeded``; at the latest, where it has yet to start."""
        since_ms = self.start_by_ms if self.started_at_ms is None else self.started_at_ms
        return since_ms + self.waited_ms + self.timeout_s * 1000

    @property
    def took_ms(self) -> int | None:
        """How long an ended job was at work, without its waits for credits. None: not at all, perhaps for want of these."""
        if self.started_at_ms is None or self.finished_at_ms is None:
            return None
        was_poor = self.waited_ms > 0 or (self.error is not None and self.error.code is Code.CREDITS_EXHAUSTED)
        if was_poor and self.sent is None and self.status is not Status.SUCCEEDED:
            return None
        return max(0, self.finished_at_ms - self.started_at_ms - self.waited_ms)

    @property
    def start_by_ms(self) -> int:
        """When a job that has not started ends as ``expired``."""
        return self.created_at_ms + self.start_timeout_s * 1000
