"""Leases: a worker holds a job or a delivery for a while, and whatever it writes is refused once another one does."""

from typing import Any, Literal, NamedTuple

from core.clock import Clock
from core.metrics import LEASES_TAKEN_OVER
from core.security.redacted_repr import redacted_repr
from core.store.redis.client import Store
from core.store.redis.codec import unreadable
from core.store.redis.lists import UNREADABLE_REST_MS
from core.store.redis.results import Nothing

#: whoever holds something renews it each time that so much of its lease has passed
HEARTBEAT_SHARE = 1 / 3

LeaseKind = Literal["job", "delivery"]


class LeaseLost(Exception):  # noqa: N818 - it says what happened
    """Another worker holds this job now; whoever gets this must stop, without a further effect."""


@redacted_repr("claimed", "crashes", "taken_over", "unreadable_fmt")
class ClaimedJob(NamedTuple):
    """What the operation `claim_job` tells of a job that was claimed."""

    claimed: bool = False
    record: bytes = b""
    session_record: bytes | None = None
    #: the tenant's default webhook
    webhook: bytes | None = None
    crashes: int = 0
    #: how long ago the last process was lost that counts as a crash; None where none counts
    suspected_since_ms: int | None = None
    #: the holder before stopped in mid-step
    taken_over: bool = False
    #: it had let its lease run out, where it did not hand it back
    left_behind: bool = False
    #: a newer release wrote it, so it was left to that one
    unreadable_fmt: int | None = None


@redacted_repr("claimed", "event_id", "event_type", "unreadable_fmt")
class ClaimedDelivery(NamedTuple):
    """What the operation `claim_delivery` tells of a delivery that was claimed."""

    claimed: bool = False
    record: bytes = b""
    #: the tenant's default webhook
    webhook: bytes | None = None
    #: the tenant's signing secrets, encrypted
    secrets: bytes | None = None
    event_id: str = ""
    #: None where nobody keeps the event any more
    event_type: str | None = None
    event_body: bytes | None = None
    #: why the URL that its job named gets nothing more of this job
    unwanted: str | None = None
    #: the holder before had let its lease run out
    left_behind: bool = False
    #: a newer release wrote it, so it was left to that one
    unreadable_fmt: int | None = None


async def claim_job(
    store: Store, clock: Clock, job_id: str, *, owner: str, lease_ms: int, only_if_due: bool = False
) -> ClaimedJob | None:
    """Take a job for the length of a lease. None: it has ended, another holds it, or is to have it.

    `only_if_due`: nor, where it sleeps. Who was handed it by the queue, and comes late, may find it asleep again.

    What only a newer release can read is left to that one, before any lease is taken.
    """
    arguments = _arguments(clock, job_id, owner, lease_ms) | {"only_if_due": only_if_due}
    found = await store.run("claim_job", arguments, ClaimedJob)
    return found if _has_claimed("job", job_id, found) else None


async def claim_delivery(
    store: Store,
    clock: Clock,
    delivery_id: str,
    *,
    owner: str,
    lease_ms: int,
    only_if_due: bool = False,
    asleep_until_ms: int | None = None,
) -> ClaimedDelivery | None:
    """Take a delivery as `claim_job` takes a job, with all that an attempt needs.

    `asleep_until_ms`: before its time, and only if it still sleeps until then.
    """
    when = {"only_if_due": only_if_due, "asleep_until_ms": asleep_until_ms}
    arguments = _arguments(clock, delivery_id, owner, lease_ms) | when
    found = await store.run("claim_delivery", arguments, ClaimedDelivery)
    return found if _has_claimed("delivery", delivery_id, found) else None


def _arguments(clock: Clock, item_id: str, owner: str, lease_ms: int) -> dict[str, Any]:
    return clock.for_operations() | {"id": item_id, "owner": owner, "lease_ms": lease_ms}


def _has_claimed(kind: LeaseKind, item_id: str, found: ClaimedJob | ClaimedDelivery) -> bool:
    """Tell whether a claim has it now, and count what it came upon."""
    if found.left_behind:
        LEASES_TAKEN_OVER.labels(kind).inc()
    if found.unreadable_fmt is not None:
        unreadable(kind, item_id, f"its format is {found.unreadable_fmt}")
    return found.claimed


def kind_of(item_id: str) -> LeaseKind:
    """Say what an id names that can be leased."""
    return "delivery" if item_id.startswith("dlv_") else "job"


async def set_aside(store: Store, clock: Clock, item_id: str, *, owner: str) -> None:
    """Let go of what was claimed and cannot be read: no crash is counted, and it stands in nobody's way."""
    arguments: dict[str, Any] = {"id": item_id, "owner": owner, "rest_ms": UNREADABLE_REST_MS}
    await store.run("set_aside", arguments | clock.for_operations(), Nothing)
