"""What the API answers, typed. The OpenAPI document explains each field; here stand names and types alone.

Fields that are not known yet are ignored, fields that an older API lacks have a default, and what is one of a set is a
`str`, since sets grow. A repr shows ids and states: never a prompt, a link or a secret.
"""

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

Row = TypeVar("Row")

ENDS = frozenset({"succeeded", "failed", "canceled", "expired"})
_SHOWN = (
    *("id", "type", "status", "stage", "version", "code", "format", "count", "percent"),
    *("available", "frozen", "total", "month", "credits", "p50_s", "p90_s"),
)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Whatever the API answers."""

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({facts})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, value) for name in _SHOWN if (value := getattr(self, name, None)) is not None]


class FieldProblem(Result, frozen=True, kw_only=True):
    """One wrong value of a request."""

    pointer: str = ""
    code: str = ""
    detail: str = ""


class Problem(Result, frozen=True, kw_only=True):
    """Why a call was refused, or a job failed (RFC 9457)."""

    code: str = ""
    title: str = ""
    detail: str = ""
    retryable: bool = False
    status: int | None = None
    type: str = ""
    instance: str = ""
    request_id: str = ""
    errors: tuple[FieldProblem, ...] = ()
    #: of a failed job alone
    hint: str = ""


class Progress(Result, frozen=True, kw_only=True):
    """How far a job has come."""

    percent: int = 0
    message: str = ""


class Wait(Result, frozen=True, kw_only=True):
    """Why a job waits."""

    reason: str = ""
    behind: str | None = None
    position: int | None = None
    eta_p50_s: float | None = None
    eta_p90_s: float | None = None


class Plan(Result, frozen=True, kw_only=True):
    """How a prompt was read."""

    message: str | None = None
    action: str = "none"


class Output(Result, frozen=True, kw_only=True):
    """A finished film."""

    url: str | None = None
    format: str = "mp4"
    duration_s: float | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    expires_at: datetime | None = None


class InputMedia(Result, frozen=True, kw_only=True):
    """A file that a job was given."""

    url: str | None = None
    upload_id: str | None = None
    name: str = ""
    size_bytes: int | None = None


class Deliverable(Result, frozen=True, kw_only=True):
    """What a job shall deliver."""

    export: bool = True
    format: str = "mp4"
    quality: str = "high"
    resolution: str = ""
    aspect_ratio: str | None = None
    resolution_asked: bool = False


class InputWebhook(Result, frozen=True, kw_only=True):
    """Where a job's callbacks go; the URL is without its query."""

    url: str = ""
    events: tuple[str, ...] = ()


class Input(Result, frozen=True, kw_only=True):
    """What a job was asked for."""

    prompt: str = ""
    media: tuple[InputMedia, ...] = ()
    output: Deliverable = Deliverable()
    webhook: InputWebhook | None = None
    language: str | None = None
    max_credits: int | None = None
    start_timeout_s: int | None = None
    timeout_s: int | None = None
    retention_s: int | None = None


class Links(Result, frozen=True, kw_only=True):
    """Where to go on from a job."""

    self: str = ""
    cancel: str = ""
    events: str = ""
    output: str = ""
    deliveries: str = ""


class Estimate(Result, frozen=True, kw_only=True):
    """What a job was expected to cost and take before it began."""

    credits: tuple[int, ...] = (0, 0)
    credits_typical: int = 0
    credits_basis: str = "contract"
    credits_jobs: int = 0
    p50_s: float | None = None
    p90_s: float | None = None
    time_basis: str = "contract"
    time_jobs: int = 0


class Job(Result, frozen=True, kw_only=True):
    """A job."""

    id: str
    status: str
    stage: str | None = None
    version: int = 0
    profile: str = ""
    session_id: str | None = None
    language: str | None = None
    progress: Progress = Progress()
    wait: Wait | None = None
    plan: Plan = Plan()
    hints: tuple[str, ...] = ()
    reply: str | None = None
    reply_truncated: bool = False
    changes: tuple[str, ...] = ()
    timeline: str | None = None
    result: dict[str, Any] | None = None
    output: Output | None = None
    credits_used: int | None = None
    credits_exact: bool = True
    claim_url: str | None = None
    error: Problem | None = None
    attempts: int = 0
    parent_id: str | None = None
    batch_id: str | None = None
    priority: int = 0
    metadata: dict[str, str] = {}
    data_removed: bool = False
    input: Input | None = None
    estimate: Estimate | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    links: Links = Links()

    @property
    def ended(self) -> bool:
        """Whether its status is an end, which never changes."""
        return self.status in ENDS


class Validated(Result, frozen=True, kw_only=True):
    """How a prompt is read, and what would be delivered."""

    valid: bool = True
    plan: Plan = Plan()
    output: Deliverable = Deliverable()
    hints: tuple[str, ...] = ()
    estimate: Estimate | None = None


class Page(Result, Generic[Row], frozen=True, kw_only=True):
    """A page of a list; go on with `next_cursor` while `has_more`."""

    data: tuple[Row, ...] = ()
    next_cursor: str | None = None
    has_more: bool = False
    #: of events: some that would stand before these may be gone
    trimmed: bool = False


class Upload(Result, frozen=True, kw_only=True):
    """A file that is kept for jobs."""

    id: str
    filename: str = ""
    format: str = ""
    size_bytes: int = 0
    duration_s: float | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None


class Session(Result, frozen=True, kw_only=True):
    """A session to refine in."""

    id: str
    profile: str = ""
    language: str | None = None
    media: tuple[str, ...] = ()
    edits: int = 0
    lost: bool = False
    jobs_waiting: int = 0
    running_job_id: str | None = None
    timeline: str | None = None
    claim_url: str | None = None
    created_at: datetime | None = None


class BatchJob(Result, frozen=True, kw_only=True):
    """One job of a batch, in short; `output` is where its film is, with the key."""

    id: str
    status: str
    output: str | None = None


class BatchItem(Result, frozen=True, kw_only=True):
    """The answer to one job of a batch: it, or why it was refused."""

    index: int
    status: int
    job: Job | None = None
    problem: Problem | None = None


class Batch(Result, frozen=True, kw_only=True):
    """A batch; `items` come with the answer that accepted it."""

    id: str
    status: str
    session_id: str | None = None
    jobs: tuple[BatchJob, ...] = ()
    counts: dict[str, int] = {}
    items: tuple[BatchItem, ...] = ()
    created_at: datetime | None = None
    finished_at: datetime | None = None


class EventData(Result, frozen=True, kw_only=True):
    """What an event is about: a job or a batch, as it was then."""

    job: Job | None = None
    batch: Batch | None = None
    truncated: tuple[str, ...] = ()


class Event(Result, frozen=True, kw_only=True):
    """An event, from a stream, the feed or a callback; `id` is the callback's `webhook-id` too."""

    id: str = ""
    type: str
    timestamp: datetime | None = None
    data: EventData = EventData()

    @property
    def job(self) -> Job | None:
        return self.data.job


class Attempt(Result, frozen=True, kw_only=True):
    """One try to deliver a callback."""

    at: datetime | None = None
    status: int | None = None
    latency_ms: int = 0
    error: str | None = None
    answer: str = ""


class Delivery(Result, frozen=True, kw_only=True):
    """A callback, and what became of it."""

    id: str
    event_id: str = ""
    type: str = ""
    job_id: str | None = None
    batch_id: str | None = None
    url: str | None = None
    status: str = ""
    why: str | None = None
    attempts: tuple[Attempt, ...] = ()
    next_attempt_at: datetime | None = None
    created_at: datetime | None = None


class Redelivered(Result, frozen=True, kw_only=True):
    """What was sent again."""

    count: int = 0
    has_more: bool = False
    #: hand it over as `after` for the rest
    next_cursor: str | None = None


class Credits(Result, frozen=True, kw_only=True):
    """Credits over the backend tokens that this tenant uses."""

    available: int | None = None
    frozen: int | None = None
    total: int | None = None
    as_of: datetime | None = None


class Usage(Result, frozen=True, kw_only=True):
    """What a month came to."""

    month: str = ""
    jobs: dict[str, int] = {}
    credits: float = 0
    credits_estimated: float = 0
    minutes: float = 0


class Profile(Result, frozen=True, kw_only=True):
    """A skill that jobs can name."""

    name: str
    version: str = ""
    title: str = ""
    made_for: str = ""
    max_bytes: int | None = None
    formats: tuple[str, ...] = ()
    best_formats: tuple[str, ...] = ()
    typical_ask: str = ""
    typical_time: str = ""
    typical_time_s: tuple[int, ...] = ()
    advice: tuple[str, ...] = ()
    needs_media: bool = True
    short_clip_s: int | None = None


class Profiles(Result, frozen=True, kw_only=True):
    """All skills."""

    data: tuple[Profile, ...] = ()


class Webhook(Result, frozen=True, kw_only=True):
    """The tenant's default callback target."""

    url: str | None = None
    events: tuple[str, ...] = ()
    status: str = ""
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_why: str | None = None


class NewSecret(Result, frozen=True, kw_only=True):
    """A new signing secret, shown this once."""

    secret: str
    previous_valid_until: datetime | None = None


class TestedWebhook(Result, frozen=True, kw_only=True):
    """What the receiver answered to a test."""

    delivered: bool = False
    status: int | None = None
    error: str | None = None
    answer: str = ""
    latency_ms: int = 0
