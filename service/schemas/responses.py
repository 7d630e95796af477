"""Response schemas: what callers read besides the job itself (`core.model.job_view`). Shapes only."""

from typing import Any, Literal

from core.events.delivery import DeliveryState
from core.events.event import EventType, JobEventType
from core.model.job import Status
from core.model.job_view import JobView, View
from core.model.plan import Output, Plan
from service.problems import ProblemDocument


class JobPage(View, kw_only=True):
    data: list[JobView]
    next_cursor: str | None
    has_more: bool


class Validated(View, kw_only=True):
    """How the prompt was read."""

    valid: bool
    plan: Plan
    output: Output
    hints: tuple[str, ...]


class EventView(View, kw_only=True):
    """One event; `id` is the ``webhook-id`` of its callbacks."""

    id: str
    type: EventType
    timestamp: str
    data: dict[str, Any]


class EventPage(View, kw_only=True):
    data: list[EventView]
    next_cursor: str | None
    has_more: bool


class UploadView(View, kw_only=True):
    id: str
    filename: str
    format: str
    size_bytes: int
    created_at: str
    expires_at: str


class PresignedUpload(View, kw_only=True):
    """Where to PUT a file, straight to storage; then `complete` it."""

    id: str
    filename: str
    method: Literal["PUT"] = "PUT"
    url: str
    complete: str
    expires_at: str


class SessionView(View, kw_only=True):
    """`jobs_waiting`: its jobs that have not ended; `running_job_id`: the one whose turn it is."""

    id: str
    profile: str
    language: str | None
    media: tuple[str, ...]
    edits: int
    lost: bool
    jobs_waiting: int
    running_job_id: str | None
    timeline: str | None
    claim_url: str | None
    created_at: str


class SessionPage(View, kw_only=True):
    data: list[SessionView]
    next_cursor: str | None
    has_more: bool


class CreditsView(View, kw_only=True):
    """Over the tokens that this tenant uses; null where they were never read."""

    available: int | None
    frozen: int | None
    total: int | None
    as_of: str | None


class UsageView(View, kw_only=True):
    month: str
    jobs: dict[str, int]
    credits: float
    credits_estimated: float
    minutes: float


class Probe(View, kw_only=True):
    status: Literal["ok", "degraded", "starting", "draining"]
    warnings: tuple[str, ...] = ()


class JobEventData(View, kw_only=True):
    """`truncated`: the fields that were cut to keep a long body short, where any were; the job itself has them whole."""

    job: JobView
    truncated: tuple[str, ...] = ()


class JobEventBody(View, kw_only=True):
    """The body of a callback about a job, and of an event: under 20 kB."""

    type: JobEventType
    timestamp: str
    data: JobEventData


class BatchItem(View, kw_only=True):
    """The answer to one job of a batch: it, or why it was not accepted."""

    index: int
    status: int
    job: JobView | None
    problem: ProblemDocument | None


class BatchView(View, kw_only=True):
    """`jobs`: those that were accepted, and how they stand; `session_id`: the one that they share."""

    id: str
    status: Literal["running", "completed"]
    session_id: str | None
    jobs: tuple["BatchJob", ...]
    counts: dict[str, int]
    created_at: str
    finished_at: str | None


class BatchJob(View, kw_only=True):
    id: str
    status: Status


class BatchAccepted(BatchView, kw_only=True):
    items: tuple[BatchItem, ...]


class BatchEnds(View, kw_only=True):
    """A batch when its last job has ended."""

    id: str
    status: Literal["completed"]
    jobs: tuple[BatchJob, ...]
    counts: dict[str, int]
    created_at: str
    finished_at: str


class BatchData(View, kw_only=True):
    batch: BatchEnds


class BatchEventBody(View, kw_only=True):
    """The body of the one callback of a batch."""

    type: Literal["batch.completed"]
    timestamp: str
    data: BatchData


class AttemptView(View, kw_only=True):
    at: str
    status: int | None
    latency_ms: int
    error: str | None
    answer: str


class DeliveryView(View, kw_only=True):
    """What was sent where. `url` null: the tenant's default, as it is at each attempt."""

    id: str
    event_id: str
    type: str
    job_id: str | None
    batch_id: str | None
    url: str | None
    status: DeliveryState
    why: str | None
    attempts: tuple[AttemptView, ...]
    next_attempt_at: str | None
    created_at: str


class DeliveryPage(View, kw_only=True):
    data: list[DeliveryView]
    next_cursor: str | None
    has_more: bool


class Redelivered(View, kw_only=True):
    """How many are sent again; `has_more`: ask again for the rest of the range."""

    count: int
    has_more: bool


class WebhookView(View, kw_only=True):
    """`disabled_at` and `disabled_why`: since when and why nothing is sent.

    `failing_since`: the first of the failures since it last took something; five days of them disable it.
    """

    url: str | None
    events: tuple[str, ...]
    status: Literal["active", "disabled", "unset"]
    failing_since: str | None
    disabled_at: str | None
    disabled_why: str | None


class NewSecret(View, kw_only=True):
    """Shown this once; the one before it goes on until then."""

    secret: str
    previous_valid_until: str


class TestedWebhook(View, kw_only=True):
    """What the receiver answered to a signed ``webhook.test``."""

    delivered: bool
    status: int | None
    error: str | None
    answer: str
    latency_ms: int
