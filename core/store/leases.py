"""Leases: a worker holds a job or a delivery for a while, and whatever it writes is refused once another one does."""

from typing import Any, NamedTuple

from core.clock import Clock
from core.store.redis.client import Store


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
    session_record: bytes | None = None
    event_id: str = ""


async def claim(store: Store, clock: Clock, item_id: str, *, owner: str, lease_ms: int) -> Claimed | None:
    """Take a job or a delivery for the length of a lease. None: it has ended, or another holds it."""
    arguments: dict[str, Any] = {"id": item_id, "owner": owner, "lease_ms": lease_ms}
    found = await store.run("claim", arguments | clock.for_operations(), Claimed)
    return found if found.claimed else None
