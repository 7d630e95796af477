"""Room in this process's memory for bodies under way: uploads, of which parts are held until the storage has them, and JSON.

A process that takes more than it has memory for is killed, and each upload and call of all tenants with it. So who comes
when there is no room is refused before the body is read; and nobody takes more than is left for all others.

An upload that comes slowly has its room for hours, and some dozen of them all that there is. They may, until somebody is
refused for it: then the slowest one is given up.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from core.media.formats import HEAD_BYTES
from core.storage import most_held_bytes
from service.problems import ApiError

_RETRY_AFTER = {"Retry-After": "5"}
#: an upload may fall so far behind its pace, which no pause alone gives away: a byte now and then keeps it open for years
LEISURE_S = 60.0
#: the pace that is worth its room also where others are refused for it
_WORTH_ROOM_BYTES_PER_S = 50_000


def upload_room_bytes(announced_bytes: int | None) -> int:
    """Say how many bytes an upload may hold: what the storage waits for, and with it the head by which its format is told.

    Of a large one the head is let go of before the first part is full.
    """
    head_bytes = HEAD_BYTES if announced_bytes is None else min(announced_bytes, HEAD_BYTES)
    return min(most_held_bytes(announced_bytes) + head_bytes, most_held_bytes(None))


def fall_behind_s(behind_s: float, came_bytes: int, *, waited_s: float, pace_bytes_per_s: int) -> float:
    """Say how far an upload is behind a pace. What came earlier buys no time: it would be open for days for that.

    Only waits for its sender count, not those for the storage.
    """
    return max(0.0, behind_s + waited_s - came_bytes / pace_bytes_per_s)


class HeldRoom:
    """The room of one body on its way. An upload notes here how it comes."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.is_given_up = False
        self._behind_s = 0.0

    @property
    def slowness_s(self) -> float:
        """How far it is behind the pace that is worth its room; 0 where that is no more than anybody's."""
        return self._behind_s if self._behind_s > LEISURE_S else 0.0

    def note(self, came_bytes: int, *, waited_s: float) -> None:
        """Count what came. Raises ApiError (408) where others want its room more."""
        pace_bytes_per_s = _WORTH_ROOM_BYTES_PER_S
        self._behind_s = fall_behind_s(self._behind_s, came_bytes, waited_s=waited_s, pace_bytes_per_s=pace_bytes_per_s)
        if self.is_given_up:
            words = f"While others wait for its room an upload must bring {pace_bytes_per_s} bytes a second."
            raise ApiError(408, "request_timeout", words)


class BodyRoom:
    """So many bytes that bodies may hold at once, and how many each tenant's do."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = self._free_bytes = size_bytes
        self._held_bytes: Counter[str] = Counter()
        self._on_their_way: set[HeldRoom] = set()

    @contextmanager
    def hold(self, tenant: str, asked_bytes: int) -> Iterator[HeldRoom]:
        """Hold room for a body while it comes. Raises ApiError (429, 503) where there is none."""
        self._require(tenant, asked_bytes)
        self._on_their_way.add(held := HeldRoom(tenant))
        try:
            with self.keep(tenant, asked_bytes):
                yield held
        finally:
            self._on_their_way.remove(held)

    @contextmanager
    def keep(self, tenant: str, size_bytes: int) -> Iterator[None]:
        """Keep the room of what is here already."""
        self._take(tenant, size_bytes)
        try:
            yield
        finally:
            self._take(tenant, -size_bytes)

    def _require(self, tenant: str, asked_bytes: int) -> None:
        held_bytes, left_bytes = self._held_bytes[tenant], self._free_bytes - asked_bytes
        if held_bytes and held_bytes + asked_bytes > left_bytes:
            is_own_fault = 2 * (held_bytes + asked_bytes) > self._size_bytes
            self._give_up_slowest(tenant if is_own_fault else None)
            words = "So much of yours is on its way here that this would leave too little room for others."
            raise ApiError(429, "rate_limited", words, headers=_RETRY_AFTER)
        if left_bytes < 0:
            self._give_up_slowest(None)
            raise ApiError(503, "overloaded", "Too much is on its way here already.", headers=_RETRY_AFTER)

    def _give_up_slowest(self, tenant: str | None) -> None:
        """End the slowest upload, of all or of a tenant, unless one is ending: who was refused has its room at the next try."""
        slow = [held for held in self._on_their_way if held.slowness_s and tenant in (None, held.tenant)]
        if slow and not any(held.is_given_up for held in slow):
            max(slow, key=lambda held: held.slowness_s).is_given_up = True

    def _take(self, tenant: str, more_bytes: int) -> None:
        self._free_bytes -= more_bytes
        self._held_bytes[tenant] += more_bytes
        if not self._held_bytes[tenant]:
            del self._held_bytes[tenant]
