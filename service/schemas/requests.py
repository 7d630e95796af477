"""Request schemas: the bodies and queries that callers send. Shapes only, no rules between fields.

Bodies refuse unknown fields; `service/http/body.py` decodes them and says what is wrong. Patterns end with ``\\Z``: Python's ``$``
lets a line break follow.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.events.delivery import DeliveryState
from core.events.event import JobEventType, TenantEventType
from core.model.job import Status
from core.security.redacted_repr import redacted_repr

#: a batch holds so many jobs at most, a job so many files
BATCH_JOBS = 100
JOB_MEDIA = 50

Url = Annotated[
    str,
    Meta(min_length=1, max_length=4096, examples=["https://example.com/clip.mp4"], extra_json_schema={"format": "uri"}),
]
Prompt = Annotated[
    str,
    Meta(min_length=1, max_length=10_000, examples=["cut the pauses, add background music, and export in 1080p"]),
]
Language = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z", examples=["en", "zh-CN"])]
ProfileName = Annotated[str, Meta(max_length=64, examples=["ai-video-pro-online"])]
JobId = Annotated[str, Meta(max_length=64, examples=["job_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"])]
SessionId = Annotated[str, Meta(max_length=64, examples=["ses_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"])]
UploadId = Annotated[str, Meta(max_length=64, examples=["upl_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"])]
BatchId = Annotated[str, Meta(max_length=64, examples=["bat_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"])]
DeliveryId = Annotated[str, Meta(max_length=64, examples=["dlv_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"])]
EventId = Annotated[str, Meta(max_length=64, examples=["evt_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"])]


# Comments that begin with "#:" are shown to callers: they say what a field is for, and what it costs to get it wrong.
@redacted_repr()
class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends."""


class MediaSource(Body, kw_only=True):
    """One file: either a public URL, or an upload of yours. Both, or neither, is a 422."""

    #: A public https URL of the file. It must answer without cookies or headers until the job has begun, else the job
    #: ends as `media_unreachable`. It is not fetched before.
    url: Url | None = None
    #: A file of yours that `POST /v1/uploads` has taken. Using it keeps it for another day.
    upload_id: UploadId | None = None


class OutputSettings(Body, kw_only=True):
    """What the job shall deliver. What is absent is read from the prompt; what is here wins over the prompt."""

    #: Whether to render a film. False leaves the edit in the session, for a next job there; absent: true, unless the
    #: prompt says that it wants none. Rendering takes time and no credits.
    export: Annotated[bool, Meta(examples=[True])] | None = None
    #: The film's container; absent: what the prompt says, else `mp4`, which plays everywhere.
    format: Annotated[Literal["mp4", "mov", "webm"], Meta(examples=["mp4"])] | None = None
    #: Larger files look better; absent: what the prompt says, else `high`.
    quality: Annotated[Literal["low", "medium", "high"], Meta(examples=["high"])] | None = None
    #: The shorter side of the picture; absent: what the prompt says, else `1080p`.
    resolution: Annotated[Literal["360p", "480p", "540p", "720p", "1080p"], Meta(examples=["1080p"])] | None = None
    #: The picture's shape; absent: what the prompt says, else as the media have it. It is part of the edit, so asking
    #: for another one later takes another (charged) job.
    aspect_ratio: (
        Annotated[Literal["16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "21:9"], Meta(examples=["9:16"])] | None
    ) = None


class JobWebhook(Body, kw_only=True):
    """Where this job's callbacks go, instead of the tenant's default."""

    #: A public https URL that answers 2xx within 15 s. Calls are signed (Standard Webhooks), and tried again for three
    #: days; a URL that is not public is refused here.
    url: Url
    #: What to be told of; empty: the four ends. `job.progress` comes every 2 minutes at most and is not tried again.
    events: Annotated[list[JobEventType], Meta(max_length=7, examples=[["job.succeeded", "job.failed"]])] = []


class JobRequest(Body, kw_only=True):
    """A job as it is submitted. Only `prompt` is always needed; unknown fields are refused."""

    #: What to do, in English or Chinese, as to a person: `cut the pauses, add background music, and export in 1080p`.
    #: Vague words cost the same as clear ones and end as `nothing_changed` or `needs_input`.
    prompt: Prompt
    #: The skill to use, see `GET /v1/profiles`; absent: the session's, else the installation's default. It decides which
    #: files are taken and what a prompt is good for.
    profile: ProfileName | None = None
    #: The files to work on, in this order. Most skills need at least one, unless the session has some already.
    media: Annotated[
        list[MediaSource], Meta(max_length=JOB_MEDIA, examples=[[{"url": "https://example.com/clip.mp4"}]])
    ] = []
    #: Go on in this session, from the timeline that its last job left; absent: a session of its own. Jobs of one session
    #: run one at a time, in order.
    session_id: SessionId | None = None
    #: The language for the backend's answers (BCP 47); absent: detected from the prompt.
    language: Language | None = None
    #: What to deliver.
    output: OutputSettings | None = None
    #: Where its callbacks go; absent: to the tenant's default. It replaces the default, it does not add to it.
    webhook: JobWebhook | None = None
    #: Your own strings, which come back as sent in answers, events and callbacks; 4,096 bytes as JSON. Lists can be
    #: filtered by them. Put ids here and nothing secret.
    metadata: Annotated[dict[str, str], Meta(examples=[{"order": "7"}])] = {}
    #: Its rank among your own waiting jobs: higher goes first. It takes nothing from other tenants.
    priority: Annotated[int, Meta(ge=-100, le=100, examples=[10])] = 0
    #: The most credits that its message may cost. A job that would cost more ends as `budget_exceeded` before anything is
    #: charged; absent: no limit of its own. An edit typically costs 50 to 100.
    max_credits: Annotated[int, Meta(ge=0, le=1_000_000_000, examples=[200])] | None = None
    #: Seconds that it may wait for its start; then it ends as `expired`, uncharged, or where it waits for credits by then as
    #: `credits_exhausted`. Short ones suit people who wait.
    start_timeout_s: Annotated[int, Meta(ge=1, le=604_800, examples=[600])] = 3600
    #: Seconds that it may take from its start, those apart in which it waits for credits; then it ends as
    #: `deadline_exceeded`, and what was charged stays charged. Too short a time pays for films that you never get. What is
    #: not at the backend when the last seconds begin is not sent any more, and not charged.
    timeout_s: Annotated[int, Meta(ge=1, le=86_400, examples=[1800])] = 1800
    #: Seconds for which the job, its film and its texts are kept after its end: by default 30 days. Then all of it is a
    #: 404, and nobody can bring it back; a callback that your receiver has not taken by then is not sent any more.
    retention_s: Annotated[int, Meta(ge=60, le=31_536_000, examples=[604_800])] = 2_592_000


class SessionRequest(Body, kw_only=True):
    """A session to refine in; its jobs take its profile and language where they name none."""

    #: The skill of its jobs, see `GET /v1/profiles`; absent: the installation's default.
    profile: ProfileName | None = None
    #: The language for the backend's answers (BCP 47); absent: detected from each prompt.
    language: Language | None = None


class ReplayRequest(Body, kw_only=True):
    """From where to play a job again."""

    #: `start`: the whole job, whose message is charged anew. `render`: only the session's timeline is rendered again, which
    #: costs no credits; right after `render_failed` and `render_timeout`.
    start: Annotated[Literal["start", "render"], Meta(examples=["render"])] = msgspec.field(
        name="from", default="start"
    )


class BatchWebhook(Body, kw_only=True):
    """Where a batch's one callback goes. What its jobs' callbacks are, and where they go, each job says by itself."""

    #: A public https URL that answers 2xx within 15 s, as a job's.
    url: Url
    #: `batch.completed`, or nothing: it comes in any case, and no other event does.
    events: Annotated[list[TenantEventType], Meta(max_length=8, examples=[["batch.completed"]])] = []


class BatchRequest(Body, kw_only=True):
    """Many jobs at once. They count as so many submits, and those that are well are accepted in one step."""

    #: The jobs. In separate sessions a wrong one is refused alone, in its item of the answer; in a shared session one
    #: wrong job refuses all.
    jobs: Annotated[list[JobRequest], Meta(min_length=1, max_length=BATCH_JOBS)]
    #: `separate`: each has a session of its own, and they run side by side. `shared`: one session for all, where each goes
    #: on from the timeline of the one before.
    session: Annotated[Literal["separate", "shared"], Meta(examples=["separate"])] = "separate"
    #: Where the one `batch.completed` goes; absent: to the tenant's default.
    webhook: BatchWebhook | None = None


class RawBatchRequest(Body, kw_only=True):
    """A batch whose jobs are read one by one, so that each gets its own answer. Otherwise as `BatchRequest`."""

    jobs: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=BATCH_JOBS)]
    session: Literal["separate", "shared"] = "separate"
    webhook: BatchWebhook | None = None


class WebhookSettings(Body, kw_only=True):
    """The tenant's default callback target."""

    #: A public https URL that answers 2xx within 15 s. It hears of all jobs that name no webhook of their own; after five
    #: days of failure alone it is disabled.
    url: Url
    #: What to be told of; empty: the four ends of jobs, and `batch.completed`.
    events: Annotated[list[TenantEventType], Meta(max_length=8, examples=[["job.succeeded", "job.failed"]])] = []


Time = Annotated[str, Meta(max_length=40, examples=["2026-11-20T00:00:00Z"], extra_json_schema={"format": "date-time"})]


#: a time in a query, where a value that is empty is as good as none: so its format is told by a pattern
QueryTime = Annotated[
    str,
    Meta(max_length=40, pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].+)?\Z", examples=["2026-11-20T00:00:00Z"]),
]


class RedeliveryRange(Body, kw_only=True):
    """Send deliveries of a time range again."""

    #: From when on, by the time at which the delivery was made, inclusive: RFC 3339 with an offset.
    since: Time
    #: Until when, inclusive; absent: now.
    until: Time | None = None
    #: Which: those that were given up, or those that arrived. Sending arrived ones again doubles them, under the same
    #: `webhook-id`.
    status: Annotated[Literal["dead", "delivered"], Meta(examples=["dead"])] = "dead"
    #: Go on behind this one: the `next_cursor` of the call before. Absent: from the newest on.
    after: DeliveryId | None = None


Limit = Annotated[int, Meta(ge=1, le=100, examples=[50])]


class PageQuery(msgspec.Struct, kw_only=True):
    """How much of a list."""

    #: Rows on the page, at most.
    limit: Limit = 20


class SessionsQuery(PageQuery, kw_only=True):
    """Which page of the sessions."""

    #: Go on after this one: the `next_cursor` of the page before. Absent: from the beginning.
    after: SessionId | None = None


class UploadsQuery(PageQuery, kw_only=True):
    """Which page of the uploads."""

    #: Go on after this one: the `next_cursor` of the page before. Absent: from the beginning.
    after: UploadId | None = None


class BatchesQuery(PageQuery, kw_only=True):
    """Which page of the batches."""

    #: Go on after this one: the `next_cursor` of the page before. Absent: from the beginning.
    after: BatchId | None = None


class FeedQuery(PageQuery, kw_only=True):
    """Which page of the feed."""

    #: Go on after this event: the `next_cursor` of the page before, or the last `webhook-id` you have. Absent: from the beginning.
    after: EventId | None = None


@redacted_repr("limit", "after", "status", "session_id", "profile", "batch_id", "created_after", "created_before")
class JobsQuery(PageQuery, kw_only=True):
    """Which jobs to list. What is absent filters nothing; several filters must all match."""

    #: Go on after this one: the `next_cursor` of the page before. Absent: from the beginning.
    after: JobId | None = None
    #: Those that stand there.
    status: Annotated[Status, Meta(examples=["failed"])] | None = None
    #: Those of this session.
    session_id: SessionId | None = None
    #: Those that use this skill.
    profile: ProfileName | None = None
    #: Those of this batch.
    batch_id: BatchId | None = None
    #: Those accepted from this time on, inclusive: RFC 3339 with an offset (write its `+` as `%2B`).
    created_after: QueryTime | None = None
    #: Those accepted before this time, exclusive: the next window begins where this one ends, and none is counted twice.
    created_before: QueryTime | None = None
    #: Those whose `metadata` has these very values: `metadata[order]=7`, up to ten of them. Jobs are looked through for
    #: them, so name a time as well where you can.
    metadata: Annotated[dict[str, str], Meta(max_length=10, examples=[{"order": "7"}])] = {}


class EventsQuery(msgspec.Struct, kw_only=True):
    """Where to go on in a job's events."""

    #: Go on after this event, as `Last-Event-ID` does, which wins. Absent: from a snapshot on.
    after: EventId | None = None


class DeliveriesQuery(PageQuery, kw_only=True):
    """Which deliveries to list."""

    #: Go on after this one: the `next_cursor` of the page before. Absent: from the beginning.
    after: DeliveryId | None = None
    #: Those that stand there; by default those that were given up, which you may want to send again.
    status: Annotated[DeliveryState, Meta(examples=["dead"])] = DeliveryState.DEAD


class UploadQuery(msgspec.Struct, kw_only=True):
    """What the file is called."""

    #: The file's name with its ending, needed for a raw body; in a form it wins over the part's own name. A name of a
    #: format that is not taken refuses the file before its bytes are read.
    filename: Annotated[str, Meta(max_length=255, examples=["clip.mp4"])] | None = None


class LinkQuery(msgspec.Struct, kw_only=True):
    """The signed part of ``output.url``. Take both from there, as they are."""

    #: When the link ends, in Unix seconds.
    expires: Annotated[int, Meta(ge=0, le=10**12, examples=[1795303784])] | None = None
    #: The link's signature, in the place of a key.
    signature: Annotated[str, Meta(max_length=128, examples=["3q2-7w"])] | None = None


class UsageQuery(msgspec.Struct, kw_only=True):
    """Which month."""

    #: The month in UTC; absent: the present one. Months are kept for 25 months.
    month: Annotated[str, Meta(pattern=r"^([0-9]{4}-(0[1-9]|1[0-2]))?\Z", examples=["2026-11"])] | None = None
