"""The delivery record: one callback to one URL, its attempts, and what an attempt says about the URL. Pure.

`core.events.event` makes deliveries for who asked for an event, `worker/callbacks/` attempts them.
"""

from enum import StrEnum
from typing import NamedTuple

from core.model.job import Record
from core.security.redacted_repr import redacted_repr


class DeliveryState(StrEnum):
    """What became of a delivery. `pending` moves on by itself; the others are ends that a redelivery leaves again."""

    #: Its attempts go on by their schedule.
    PENDING = "pending"
    #: The receiver answered 2xx.
    DELIVERED = "delivered"
    #: Given up, by its schedule's end or by the receiver's wish; `why` tells. It can be sent again for 14 days.
    DEAD = "dead"


class Attempt(Record, frozen=True, kw_only=True):
    """One try at a receiver: what it answered, how fast, and the start of what it said."""

    at_ms: int
    status: int | None = None
    latency_ms: int = 0
    error: str | None = None
    excerpt: str = ""


class Delivery(Record, frozen=True, kw_only=True):
    """One callback to one URL. `url` None: the tenant's default, as it is at each attempt."""

    id: str
    tenant: str
    job_id: str
    type: str
    url: str | None = None
    created_at_ms: int
    #: W3C trace context of the job, which goes on to the receiver
    traceparent: str | None = None
    #: X-Request-Id of the call that submitted the job, for the logs
    request_id: str | None = None
    state: DeliveryState = DeliveryState.PENDING
    attempts: tuple[Attempt, ...] = ()
    #: attempts since it was last asked for, by the schedule or by a caller
    round: int = 0
    #: attempts in a row that we spoilt ourselves, and that do not count
    spoilt: int = 0
    next_at_ms: int | None = None
    #: when it was last asked for again, after an end or before its next attempt
    again_at_ms: int | None = None
    why: str | None = None


@redacted_repr("failed", "disabled_why")
class EndpointOutcome(NamedTuple):
    """What an attempt says about the tenant's default URL: it took something, failed, or is to be switched off."""

    url: str
    failed: bool
    disabled_why: str | None = None
    #: switch it off only if it has failed since then
    worn_since_ms: int | None = None
    #: when the URL was set that the attempt went to, 0 where nobody knows: it says nothing about a later one
    set_at_ms: int = 0
