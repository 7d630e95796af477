"""Leases: a worker holds a job or a delivery for a while, and whatever it writes is refused once another one does."""

from typing import Any, Literal, NamedTuple

from core.clock import Clock
from core.metrics import LEASES_TAKEN_OVER
from core.store.redis.client import Store
from core.store.redis.codec import unreadable
from core.store.redis.lists import UNREADABLE_REST_MS
from core.store.redis.results import Nothing

LeaseKind = Literal["job", "delivery"]


class LeaseLost(Exception):  # noqa: N818 - it says what happened
    """Another worker holds this job now; whoever gets this must stop, without a further effect."""


class Claimed(NamedTuple):
    """What the operation `claim` tells of a job or a delivery that was claimed."""

    claimed: bool = False
    record: bytes = b""
    #: the tenant's default webhook
    webhook: bytes | None = None
    crashes: int = 0
    #: how long ago the last process was lost that counts as a crash; None where none counts
    suspected_since_ms: int | None = None
    #: the holder before stopped in mid-step
    taken_over: bool = False
    #: it had let its lease run out, where it did not hand it back
    left_behind: bool = False
    session_record: bytes | None = None
    event_id: str = ""
    #: a newer release wrote it, so it was left to that one
    unreadable_fmt: int | None = None


async def claim(store: Store, clock: Clock, item_id: str, *, owner: str, lease_ms: int) -> Claimed | None:
    """Take a job or a delivery for the length of a lease. None: it has ended, another holds it, or is to have it.

    What only a newer release can read is left to that one, before any lease is taken.
    """
    arguments: dict[str, Any] = {"id": item_id, "owner": owner, "lease_ms": lease_ms}
    found = await store.run("claim", arguments | clock.for_operations(), Claimed)
    if found.left_behind:
        LEASES_TAKEN_OVER.labels(kind_of(item_id)).inc()
    if found.unreadable_fmt is not None:
        unreadable(kind_of(item_id), item_id, f"its format is {found.unreadable_fmt}")
    return found if found.claimed else None


def kind_of(item_id: str) -> LeaseKind:
    """Say what an id names that can be leased."""
    return "delivery" if item_id.startswith("dlv_") else "job"


async def set_aside(store: Store, clock: Clock, item_id: str, *, owner: str) -> None:
    """Let go of what was claimed and cannot be read: no crash is counted, and it stands in nobody's way."""
    arguments: dict[str, Any] = {"id": item_id, "owner": owner, "rest_ms": UNREADABLE_REST_MS}
    await store.run("set_aside", arguments | clock.for_operations(), Nothing)
