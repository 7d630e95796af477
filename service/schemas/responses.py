"""Response schemas: what callers read besides the job itself (`core.model.job_view`). Shapes only."""

from typing import Literal

import msgspec

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
