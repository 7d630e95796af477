"""Events: what is told when a job changes, and to whom. Pure.

An event's body is written once, in the commit that made it true. Each callback attempt sends that body with a fresh
``output.url``, under the event's id; `core.events.truncate` says what a long one leaves out.
"""

from typing import Literal, cast, get_args

import msgspec
from uuid_utils import uuid4

from core.clock import rfc3339
from core.events.delivery import Delivery
from core.events.truncate import fitted
from core.ids import cell_of, new_id
from core.model.job import Job, Status
from core.model.job_view import JobView, view
from core.model.webhook import TenantWebhook
from core.security.redacted_repr import redacted_repr

#: what a job's webhook may ask for
JobEventType = Literal[
    "job.queued",
    "job.started",
    "job.progress",
    "job.succeeded",
    "job.failed",
    "job.canceled",
    "job.expired",
]
#: what a tenant's default webhook may ask for
TenantEventType = Literal[JobEventType, "batch.completed"]
EventType = Literal[TenantEventType, "webhook.test"]
#: what a webhook without `events` hears of
END_EVENTS: tuple[EventType, ...] = ("job.succeeded", "job.failed", "job.canceled", "job.expired")
JOB_EVENTS: tuple[EventType, ...] = get_args(JobEventType)
TENANT_EVENTS: tuple[EventType, ...] = get_args(TenantEventType)

#: a callback has less than 20 kB; this leaves room for the envelope and the fresh link
JOB_LIMIT_BYTES = 18_500

_END_EVENTS: dict[Status, EventType] = {
    Status.SUCCEEDED: "job.succeeded",
    Status.FAILED: "job.failed",
    Status.CANCELED: "job.canceled",
    Status.EXPIRED: "job.expired",
}


@redacted_repr("type")
class Event(msgspec.Struct, frozen=True):
    """Something that became true of a job, to be written in the commit that makes it true."""

    type: EventType
    body: bytes
    deliveries: tuple[Delivery, ...] = ()


def random_tail() -> str:
    """Make the random end of an event's id, ``8xxx-xxxxxxxxxxxx``; the operation that commits it makes the rest."""
    return str(uuid4())[-17:]


def event_type(old: Job | None, new: Job) -> EventType:
    """Name what happened between two records of a job."""
    if old is None:
        return "job.queued"
    if new.status in _END_EVENTS:
        return _END_EVENTS[new.status]
    if old.started_at_ms is None and new.started_at_ms is not None:
        return "job.started"
    return "job.progress"


class JobData(msgspec.Struct, omit_defaults=True):
    """What a callback is about. `truncated` names the fields that were cut, where any were."""

    job: JobView
    truncated: tuple[str, ...] = ()


class Envelope(msgspec.Struct):
    """The body of an event and of a callback."""

    type: str
    timestamp: str
    data: JobData


def _body(kind: EventType, job: Job, view_json: bytes | None, public_url: str, now_ms: int) -> bytes:
    truncated: tuple[str, ...] = ()
    shown = view_json or msgspec.json.encode(view(job, public_url=public_url))
    if len(shown) > JOB_LIMIT_BYTES:
        shorter, truncated = fitted(view(job, public_url=public_url), most_bytes=JOB_LIMIT_BYTES)
        shown = msgspec.json.encode(shorter)
    data = JobData(cast("JobView", msgspec.Raw(shown)), truncated)  # JSON already, which goes in as it is
    return msgspec.json.encode(Envelope(kind, rfc3339(now_ms), data))


def event(
    old: Job | None,
    new: Job,
    *,
    webhook: TenantWebhook | None,
    public_url: str,
    now_ms: int,
    view_json: bytes | None = None,
) -> Event:
    """Make the event of a commit, with a delivery where somebody asked for it.

    `view_json`: the new job's view (`core.model.job_view.view`) as JSON, from a caller that has written it already.
    """
    kind = event_type(old, new)
    body = _body(kind, new, view_json, public_url, now_ms)
    # progress is called back by `progress_event`, not at every checkpoint
    return Event(kind, body, () if kind == "job.progress" else _deliveries(kind, new, webhook, now_ms))


def progress_event(job: Job, *, webhook: TenantWebhook | None, public_url: str, now_ms: int) -> Event:
    """Make the progress event that is also called back: the caller hears that a long edit still works."""
    kind: EventType = "job.progress"
    body = _body(kind, job, None, public_url, now_ms)
    return Event(kind, body, _deliveries(kind, job, webhook, now_ms))


def _deliveries(kind: EventType, job: Job, webhook: TenantWebhook | None, now_ms: int) -> tuple[Delivery, ...]:
    """Make the delivery for who asked for this event: a job's own webhook replaces the tenant's default."""
    if job.webhook:
        return (_delivery(kind, job, job.webhook.url, now_ms),) if kind in (job.webhook.events or END_EVENTS) else ()
    if webhook and webhook.state == "active" and kind in (webhook.events or END_EVENTS):
        return (_delivery(kind, job, None, now_ms),)
    return ()


def _delivery(kind: EventType, job: Job, url: str | None, now_ms: int) -> Delivery:
    return Delivery(
        id=new_id("dlv", cell_of(job.id)),
        tenant=job.tenant,
        job_id=job.id,
        type=kind,
        url=url,
        created_at_ms=now_ms,
        traceparent=job.traceparent,
        request_id=job.request_id,
    )
