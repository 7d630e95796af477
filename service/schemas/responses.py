"""Response schemas: what callers read besides the job itself (`core.model.job_view`). Shapes only."""

from typing import Literal

import msgspec

from core.events.delivery import DeliveryState
from core.events.event import EventType, JobEventType
from core.model.job import Status
from core.model.job_view import EstimateView, JobView
from core.model.plan import Output, Plan
from core.model.view import Timestamp, View
from service.problems import ProblemDocument


# Comments that begin with "#:" are shown to callers.
class PageView(View, kw_only=True):
    """A page of a list. Follow `next_cursor` while `has_more` is true: a page may have few rows, or none, before that."""

    #: Hand it over as `after` to go on; null where nothing follows. It stays good while new things arrive.
    next_cursor: str | None
    #: Whether more may follow. The end of a list is told by this alone, never by a short page.
    has_more: bool


class JobPage(PageView, kw_only=True):
    """A page of jobs, newest first."""

    #: The jobs.
    data: list[JobView]


class Validated(View, kw_only=True):
    """How a prompt was read, and what a submit would do with it."""

    #: Always true: what a submit would refuse is refused here with the same problem.
    valid: bool
    #: What goes to the backend, and what follows.
    plan: Plan
    #: What would be delivered, all fields settled.
    output: Output
    #: What would do better, in sentences. Nothing of it is an error.
    hints: tuple[str, ...]
    #: What it would probably cost and take. A submit is told the same, as far as nothing else ends in between.
    estimate: EstimateView


class UploadView(View, kw_only=True):
    """A file that is kept for your jobs."""

    #: What a job's `media[].upload_id` names.
    id: str
    #: The name that came with it, without folders.
    filename: str
    #: What its bytes say that it is, one of the 13 formats.
    format: str
    #: Its size in bytes. All uploads together count against the tenant's limit.
    size_bytes: int
    #: How long it is, in seconds, as its header says: estimates go by it. Null where it does not say, and of what has no
    #: length, as pictures.
    duration_s: float | None = None
    #: When it came.
    created_at: Timestamp
    #: When it is deleted: 24 hours after its last use. A job that names it later is refused.
    expires_at: Timestamp


class UploadPage(PageView, kw_only=True):
    """A page of uploads, newest first."""

    #: The files that are there now.
    data: list[UploadView]


class PresignedUpload(View, kw_only=True):
    """Where to PUT a file, straight to storage; then `complete` it."""

    #: The upload's id. It can be used when it is completed.
    id: str
    #: The name that was given.
    filename: str
    #: How to send the file to `url`.
    method: Literal["PUT"] = "PUT"
    #: Where to send it: a signed URL of the storage. Send no API key there.
    url: str
    #: POST here when it has been sent. A file that is never completed is deleted.
    complete: str
    #: Until when `url` works: an hour.
    expires_at: Timestamp


class SessionView(View, kw_only=True):
    """A session: a timeline that several jobs refine one after another."""

    #: What a job's `session_id` names.
    id: str
    #: The skill of its jobs, where they name none.
    profile: str
    #: The language of its jobs, where they name none; null: detected from each prompt.
    language: str | None
    #: Names of the files that its jobs have brought.
    media: tuple[str, ...]
    #: How many edits were made in it.
    edits: int
    #: Whether the backend forgot it, and its timeline with it. Then its jobs end as `session_lost`: make a new one.
    lost: bool
    #: Its jobs that have not ended, the running one included.
    jobs_waiting: int
    #: The job whose turn it is; null: none.
    running_job_id: str | None
    #: The timeline in one line; null: nothing was edited yet.
    timeline: str | None
    #: Where a person takes it over in the backend's editor; null where there is none.
    claim_url: str | None
    #: When it was made.
    created_at: Timestamp


class SessionPage(PageView, kw_only=True):
    """A page of sessions, newest first."""

    #: The sessions that were made by hand and are open; those that jobs make for themselves are not listed.
    data: list[SessionView]


class CreditsView(View, kw_only=True):
    """Credits over the tokens that this tenant uses; null where they were never read."""

    #: What new jobs can spend.
    available: int | None
    #: Held back by the backend for messages that are being worked on: charged at their end, or given back.
    frozen: int | None
    #: Both together.
    total: int | None
    #: When the oldest part of it was read. Older than some seconds: no worker answered in time, or the tokens are so many
    #: that a call reads only some of them anew.
    as_of: Timestamp | None


class UsageView(View, kw_only=True):
    """What a month came to."""

    #: The month, in UTC.
    month: str
    #: How many jobs ended in it, by their end: `succeeded`, `failed`, `canceled`, `expired`.
    jobs: dict[str, int]
    #: Credits that they cost, estimates included.
    credits: float
    #: Of these, those that nobody knows to have been charged.
    credits_estimated: float
    #: Length of the films that were made, in minutes.
    minutes: float


class Probe(View, kw_only=True):
    """How a process is."""

    #: `ok`; `degraded`: Redis is away, calls are answered with 503; `starting`: Redis was never reached; `draining`: it ends.
    status: Literal["ok", "degraded", "starting", "draining"]
    #: What an operator should mend, in sentences.
    warnings: tuple[str, ...] = ()


class JobEventData(View, kw_only=True, omit_defaults=True):
    """What a job's event is about."""

    #: The job as it was then, with a fresh `output.url`.
    job: JobView
    #: The fields that were cut to keep a long body short, where any were; `GET /v1/jobs/{job_id}` has them whole.
    truncated: tuple[str, ...] = ()


class JobEventBody(View, kw_only=True):
    """The body of a callback about a job, and of an event: under 20 kB."""

    #: What happened.
    type: JobEventType
    #: When it happened, not when it was sent: attempts can be hours apart.
    timestamp: Timestamp
    #: What it is about.
    data: JobEventData


class BatchItem(View, kw_only=True):
    """The answer to one job of a batch: it, or why it was not accepted."""

    #: Its place in the request's `jobs`, from 0.
    index: int
    #: The status that a submit of its own would have got: 202, or a refusal's.
    status: int
    #: The job; null: it was refused.
    job: JobView | None
    #: Why it was refused; null: it was accepted. Only refused ones need to be sent again.
    problem: ProblemDocument | None


class BatchView(View, kw_only=True):
    """A batch, and how its jobs stand."""

    #: Names it in `GET /v1/batches/{batch_id}`, and in the `batch_id` of its jobs.
    id: str
    #: `completed` when all its jobs have ended, however they did.
    status: Literal["running", "completed"]
    #: The session that all its jobs share; null: each has its own.
    session_id: str | None
    #: Those that were accepted, in order.
    jobs: tuple["BatchJob", ...]
    #: How many stand where, by status.
    counts: dict[str, int]
    #: When it was accepted.
    created_at: Timestamp
    #: When its last job ended; null: not yet.
    finished_at: Timestamp | None


class BatchJob(View, kw_only=True):
    """One job of a batch, in short."""

    #: The job's id: `GET /v1/jobs/{job_id}` has all of it.
    id: str
    #: Where it stands.
    status: Status
    #: `GET`: its film, with your key; null until it is there. It does not expire before the film does. Answers that an older
    #: release gave first do not have it.
    output: str | None = None


class BatchPage(PageView, kw_only=True):
    """A page of batches, newest first."""

    #: The batches of the last 40 days.
    data: list[BatchView]


class BatchAccepted(BatchView, kw_only=True):
    """A batch that was accepted, with an answer for each of its jobs."""

    #: An answer per job of the request, in its order. Look at each: some may have been refused.
    items: tuple[BatchItem, ...]


class BatchEnds(View, kw_only=True):
    """A batch when its last job has ended."""

    #: The batch's id.
    id: str
    #: All its jobs have ended, however they did.
    status: Literal["completed"]
    #: Its jobs and their ends, in order.
    jobs: tuple[BatchJob, ...]
    #: How many ended how, by status.
    counts: dict[str, int]
    #: When it was accepted.
    created_at: Timestamp
    #: When its last job ended.
    finished_at: Timestamp


class BatchData(View, kw_only=True, omit_defaults=True):
    """What a batch's callback is about."""

    #: The batch.
    batch: BatchEnds
    #: The fields that were left out to keep a long body short, where any were: `jobs.output`, which
    #: `GET /v1/batches/{batch_id}` has.
    truncated: tuple[str, ...] = ()


class EventData(View, kw_only=True, omit_defaults=True):
    """What an event of the feed is about: a job, or a batch."""

    #: The job as it was then, with a fresh `output.url`; absent: the event is about a batch.
    job: JobView | msgspec.UnsetType = msgspec.UNSET
    #: The batch, of `batch.completed`; absent: the event is about a job.
    batch: BatchEnds | msgspec.UnsetType = msgspec.UNSET
    #: The fields that were cut or left out to keep a long body short, where any were.
    truncated: tuple[str, ...] = ()


class EventView(View, kw_only=True):
    """One event."""

    #: The event's id, which is the `webhook-id` of its callbacks too. Remember it to take each event once.
    id: str
    #: What happened.
    type: EventType
    #: When it happened.
    timestamp: Timestamp
    #: What it is about.
    data: EventData


class EventPage(PageView, kw_only=True):
    """A page of events, oldest first."""

    #: The events.
    data: list[EventView]
    #: Whether some that would stand before these may be gone: the feed goes back 14 days, a job's list about 500 events, and
    #: of a deleted job there are none. Then look at the jobs themselves. A page of the feed that has none then has no
    #: `next_cursor` either: begin anew.
    trimmed: bool


class BatchEventBody(View, kw_only=True):
    """The body of the one callback of a batch."""

    #: What happened.
    type: Literal["batch.completed"]
    #: When its last job ended.
    timestamp: Timestamp
    #: What it is about.
    data: BatchData


class AttemptView(View, kw_only=True):
    """One try to deliver a callback."""

    #: When it was made.
    at: Timestamp
    #: The HTTP status that the receiver answered with; null: it gave no answer.
    status: int | None
    #: How long the receiver took, in milliseconds. 15,000 is the end of patience.
    latency_ms: int
    #: Why there was no answer, in a sentence; null: there was one, and `status` says whether it was good.
    error: str | None
    #: The start of what the receiver answered.
    answer: str


class DeliveryView(View, kw_only=True):
    """A callback: what was sent where, and what became of it."""

    #: What `POST /v1/deliveries/{delivery_id}/redeliver` names.
    id: str
    #: The event that it carries: its `webhook-id`, the same at every attempt.
    event_id: str
    #: The event's type.
    type: str
    #: The job that it is about; null: it is about a batch.
    job_id: str | None
    #: The batch that it is about; null: it is about a job.
    batch_id: str | None
    #: Where it goes, without its query, in which tokens often stand; null: to the tenant's default, as that is at each attempt.
    url: str | None
    #: What became of it.
    status: DeliveryState
    #: Why it was given up; null: it was not.
    why: str | None
    #: The attempts so far, oldest first.
    attempts: tuple[AttemptView, ...]
    #: When the next attempt comes; null: at once while it is `pending`, and else none does.
    next_attempt_at: Timestamp | None
    #: When the event happened.
    created_at: Timestamp


class DeliveryPage(PageView, kw_only=True):
    """A page of callbacks."""

    #: The callbacks.
    data: list[DeliveryView]


class Redelivered(View, kw_only=True):
    """What was sent again."""

    #: How many are sent again: 1,000 at most.
    count: int
    #: Whether the range has more than one call sends again: call again for the rest, with `next_cursor`.
    has_more: bool
    #: Hand it over as `after` for the rest, with all else the same; null where there is none. Without it a call begins with the
    #: newest again, and of these it sends anew whatever has arrived, or was given up, by then.
    next_cursor: str | None


class WebhookView(View, kw_only=True):
    """The tenant's default callback target, and how it fares."""

    #: Where callbacks go; null: none is set.
    url: str | None
    #: What it is told of; empty: the four ends of jobs, and `batch.completed`.
    events: tuple[str, ...]
    #: `disabled`: nothing is sent until `POST /v1/webhook:enable`. `unset`: there is none.
    status: Literal["active", "disabled", "unset"]
    #: The first of the failures since it last took something; five days of them disable it. Null: it takes what comes.
    failing_since: Timestamp | None
    #: Since when nothing is sent; null: something is.
    disabled_at: Timestamp | None
    #: Why nothing is sent; null: something is.
    disabled_why: str | None


class NewSecret(View, kw_only=True):
    """A new signing secret, shown this once."""

    #: `whsec_` and base64. Store it where your receiver verifies signatures; nobody can show it again.
    secret: str
    #: Until then calls carry signatures by both secrets, so you have that long to change over.
    previous_valid_until: Timestamp


class TestedWebhook(View, kw_only=True):
    """What the receiver answered to a signed ``webhook.test``."""

    #: Whether it answered 2xx.
    delivered: bool
    #: The HTTP status that it answered with; null: it gave no answer.
    status: int | None
    #: Why there was no answer, in a sentence; null: there was one.
    error: str | None
    #: The start of what it answered.
    answer: str
    #: How long it took, in milliseconds.
    latency_ms: int
