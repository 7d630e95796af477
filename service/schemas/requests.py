"""Request schemas: the bodies and queries that callers send. Shapes only, no rules between fields.

Bodies refuse unknown fields; `service/http/body.py` decodes them and says what is wrong.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.events.delivery import DeliveryState
from core.events.event import JobEventType, TenantEventType
from core.model.job import Status
from core.redacted_repr import redacted_repr

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
Language = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", examples=["en", "zh-CN"])]
ProfileName = Annotated[str, Meta(max_length=64, examples=["ai-video-pro-online"])]
Id = Annotated[str, Meta(max_length=64)]


@redacted_repr()
class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends."""


class MediaSource(Body, kw_only=True):
    """One file: either a public URL, or an upload of yours."""

    url: Url | None = None
    upload_id: Annotated[str, Meta(max_length=64, examples=["upl_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"])] | None = None


class OutputSettings(Body, kw_only=True):
    """What the job shall deliver. What is absent is read from the prompt."""

    export: bool | None = None
    format: Literal["mp4", "mov", "webm"] | None = None
    quality: Literal["low", "medium", "high"] | None = None
    resolution: Literal["360p", "480p", "540p", "720p", "1080p"] | None = None
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "21:9"] | None = None


class JobWebhook(Body, kw_only=True):
    """Where this job's callbacks go, instead of the tenant's default. No `events`: the four ends."""

    url: Url
    events: Annotated[list[JobEventType], Meta(max_length=7)] = []


class JobRequest(Body, kw_only=True):
    """A job as it is submitted."""

    prompt: Prompt
    profile: ProfileName | None = None
    media: Annotated[list[MediaSource], Meta(max_length=JOB_MEDIA)] = []
    session_id: Id | None = None
    language: Language | None = None
    output: OutputSettings | None = None
    webhook: JobWebhook | None = None
    metadata: dict[str, str] = {}
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    max_credits: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    start_timeout_s: Annotated[int, Meta(ge=1, le=604_800)] = 3600
    timeout_s: Annotated[int, Meta(ge=1, le=86_400)] = 1800
    retention_s: Annotated[int, Meta(ge=60, le=31_536_000)] = 2_592_000


class SessionRequest(Body, kw_only=True):
    """A session to refine in; its jobs take its profile and language where they name none."""

    profile: ProfileName | None = None
    language: Language | None = None


class ReplayRequest(Body, kw_only=True):
    """`from` render: render the session's timeline again, without a new message."""

    start: Literal["start", "render"] = msgspec.field(name="from", default="start")


class BatchRequest(Body, kw_only=True):
    """Many jobs at once. `session` shared: one session for all, in order."""

    jobs: Annotated[list[JobRequest], Meta(min_length=1, max_length=BATCH_JOBS)]
    session: Literal["separate", "shared"] = "separate"
    webhook: JobWebhook | None = None


class RawBatchRequest(Body, kw_only=True):
    """A batch whose jobs are read one by one, so that each gets its own answer. Otherwise as `BatchRequest`."""

    jobs: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=BATCH_JOBS)]
    session: Literal["separate", "shared"] = "separate"
    webhook: JobWebhook | None = None


class WebhookSettings(Body, kw_only=True):
    """The tenant's default callback target."""

    url: Url
    events: Annotated[list[TenantEventType], Meta(max_length=8)] = []


Time = Annotated[str, Meta(max_length=40, examples=["2026-11-20T00:00:00Z"], extra_json_schema={"format": "date-time"})]


class RedeliverRequest(Body, kw_only=True):
    """Send deliveries of a time range again: those that are dead, or `status`."""

    since: Time
    until: Time | None = None
    status: Literal["dead", "delivered"] = "dead"


Limit = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(max_length=64)]


class JobsQuery(msgspec.Struct, kw_only=True):
    status: Status | None = None
    session_id: Id | None = None
    profile: ProfileName | None = None
    limit: Limit = 20
    after: Cursor | None = None


class PageQuery(msgspec.Struct, kw_only=True):
    limit: Limit = 20
    after: Cursor | None = None


class EventsQuery(msgspec.Struct, kw_only=True):
    after: Cursor | None = None


class DeliveriesQuery(msgspec.Struct, kw_only=True):
    status: DeliveryState = DeliveryState.DEAD
    limit: Limit = 20
    after: Cursor | None = None


class UploadQuery(msgspec.Struct, kw_only=True):
    filename: Annotated[str, Meta(min_length=1, max_length=255, examples=["clip.mp4"])] | None = None


class LinkQuery(msgspec.Struct, kw_only=True):
    """The signed part of ``output.url``."""

    expires: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    signature: Annotated[str, Meta(max_length=128)] | None = None


class UsageQuery(msgspec.Struct, kw_only=True):
    month: Annotated[str, Meta(pattern=r"^([0-9]{4}-(0[1-9]|1[0-2]))?$", examples=["2026-11"])] | None = None
