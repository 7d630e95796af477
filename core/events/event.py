"""Events and callbacks: what is told when a job changes, to whom, and what a delivery remembers. Pure.

An event's body is written once, in the commit that made it true. Each callback attempt sends that body with a fresh
``output.url``, under the event's id; `core.events.truncate` says what a long one leaves out.
"""

import secrets
from typing import Any, Literal

import msgspec

from core.clock import rfc3339
from core.events.delivery import Delivery
from core.events.truncate import fitted
from core.ids import new_id
from core.model.job import Job, Status
from core.model.job_view import JobView, view
from core.model.webhook import TenantWebhook
from core.redaction import redacted_repr

EventType = Literal[
    "job.queued",
    "job.started",
    "job.progress",
    "job.succeeded",
    "job.failed",
    "job.canceled",
    "job.expired",
    "batch.completed",
    "webhook.test",
]
#: what a webhook without `events` hears of
ENDS: tuple[EventType, ...] = ("job.succeeded", "job.failed", "job.canceled", "job.expired")
#: what a job's webhook may ask for
JOB_EVENTS: tuple[EventType, ...] = ("job.queued", "job.started", "job.progress", *ENDS)
#: what a tenant's default webhook may ask for
TENANT_EVENTS: tuple[EventType, ...] = (*JOB_EVENTS, "batch.completed")

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
    """Something that became true of a job, ready for the script that commits it."""

    type: EventType
    body: bytes
    deliveries: tuple[Delivery, ...] = ()

    def for_script(self, job: Job) -> dict[str, Any]:
        """Write it as the scripts read it; `random` is the tail of its id's UUID."""
        return {
            "type": self.type,
            "tenant": job.tenant,
            "job": job.id,
            "body": self.body,
            "feed": self.type != "job.progress",
            "random": random_tail(),
            "deliveries": [
                {"id": d.id, "rec": msgspec.msgpack.encode(d), "tenant": d.tenant, "job": d.job_id}
                for d in self.deliveries
            ],
        }


def random_tail() -> str:
    """Make the random end of an event's id, ``8xxx-xxxxxxxxxxxx``; the script makes the rest of it."""
    tail = secrets.token_hex(8)
    return f"{'89ab'[int(tail[0], 16) % 4]}{tail[1:4]}-{tail[4:16]}"


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

    job: JobView | msgspec.Raw
    truncated: tuple[str, ...] = ()


class Envelope(msgspec.Struct):
    """The body of an event and of a callback."""

    type: str
    timestamp: str
    data: JobData


def _body(kind: EventType, job: Job, public_url: str, now_ms: int, view_json: bytes | None = None) -> bytes:
    """Write an event's body; a job's view that is written already goes in as it is where it need not be cut."""
    if view_json is not None and len(view_json) <= JOB_LIMIT_BYTES:
        return msgspec.json.encode(Envelope(kind, rfc3339(now_ms), JobData(msgspec.Raw(view_json))))
    shown, truncated = fitted(view(job, public_url=public_url), most_bytes=JOB_LIMIT_BYTES)
    return msgspec.json.encode(Envelope(kind, rfc3339(now_ms), JobData(shown, truncated)))


def event(
    old: Job | None,
    new: Job,
    *,
    webhook: TenantWebhook | None,
    public_url: str,
    now_ms: int,
    view_json: bytes | None = None,
) -> Event:
    """Make the event of a commit, with a delivery for everybody who asked for it.

    `view_json`: the new job's view (`core.model.job_view.view`) as JSON, from a caller that has written it already.
    """
    kind = event_type(old, new)
    body = _body(kind, new, public_url, now_ms, view_json)
    return Event(kind, body, tuple(_deliveries(kind, new, webhook, now_ms)))


def _deliveries(kind: EventType, job: Job, webhook: TenantWebhook | None, now_ms: int) -> list[Delivery]:
    """A job's own webhook replaces the tenant's default. Progress is told by `spoken`, not at every checkpoint."""
    if kind == "job.progress":
        return []
    return [] if (url := _target(kind, job, webhook)) is False else [_delivery(kind, job, url, now_ms)]


def _target(kind: EventType, job: Job, webhook: TenantWebhook | None) -> str | Literal[False] | None:
    if job.webhook:
        return job.webhook.url if kind in (job.webhook.events or ENDS) else False
    if webhook and webhook.state == "active" and kind in (webhook.events or ENDS):
        return None
    return False


def _delivery(kind: EventType, job: Job, url: str | None, now_ms: int) -> Delivery:
    return Delivery(
        id=new_id("dlv"),
        tenant=job.tenant,
        job_id=job.id,
        type=kind,
        url=url,
        created_at_ms=now_ms,
        traceparent=job.traceparent,
    )


def spoken(job: Job, *, webhook: TenantWebhook | None, public_url: str, now_ms: int) -> Event:
    """The progress event that is also called back: the caller hears that a long edit still works."""
    kind: EventType = "job.progress"
    body = _body(kind, job, public_url, now_ms)
    url = _target(kind, job, webhook)
    return Event(kind, body, () if url is False else (_delivery(kind, job, url, now_ms),))
