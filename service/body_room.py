"""Room in this process's memory for bodies under way: uploads, of which parts are held until the storage has them, JSON, and films.

A process that takes more than it has memory for is killed, and each upload and call of all tenants with it. So who comes
when there is no room is refused before the body is read; and nobody takes more than is left for all others.

An upload that comes slowly has its room for hours, and some dozen of them all that there is; so have readers of films who stop
reading, as a browser does whose film is paused. They may, until somebody is refused for it: then the slowest are given up.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from core.clock import Clock
from core.media.formats import HEAD_BYTES
from core.storage.parts import most_held_bytes
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
    """The room of one body on its way, and how that comes on."""

    def __init__(self, tenant: str, size_bytes: int, clock: Clock, hang_up: Callable[[], None]) -> None:
        self.tenant = tenant
        self.size_bytes = size_bytes
        self.is_given_up = False
        self._clock = clock
        self._hang_up = hang_up
        self._behind_s = 0.0
        self._waits_since_ms: int | None = None

    @property
    def slowness_s(self) -> float:
        """How far it is behind the pace that is worth its room; 0 where that is no more than anybody may be."""
        behind_s = self._behind_s + self._waited_s()
        return behind_s if behind_s > LEISURE_S else 0.0

    def _waited_s(self) -> float:
        return 0.0 if self._waits_since_ms is None else (self._clock.steady_ms() - self._waits_since_ms) / 1000

    def give_up(self) -> None:
        """End it: an upload with its next bytes, a reader at once."""
        if not self.is_given_up:
            self.is_given_up = True
            self._hang_up()

    def note(self, came_bytes: int, *, waited_s: float) -> None:
        """Count what came of an upload. Raises ApiError (408) where others want its room more."""
        self._count(came_bytes, waited_s)
        if self.is_given_up:
            words = f"While others wait for its room an upload must bring {_WORTH_ROOM_BYTES_PER_S} bytes a second."
            raise ApiError(408, "request_timeout", words)

    def as_read(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Give the chunks of a film as fast as its reader takes them, who may first have to take an answer before it."""
        self._wait()
        return self._taken(chunks)

    async def _taken(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._waits_since_ms = None
        async for chunk in chunks:
            self._wait()
            yield chunk
            self._count(len(chunk), self._waited_s())
            self._waits_since_ms = None
        self._wait()  # the last of it waits in the connection, and the room is free when that is out

    def _wait(self) -> None:
        self._waits_since_ms = self._clock.steady_ms()

    def _count(self, came_bytes: int, waited_s: float) -> None:
        pace_bytes_per_s = _WORTH_ROOM_BYTES_PER_S
        self._behind_s = fall_behind_s(self._behind_s, came_bytes, waited_s=waited_s, pace_bytes_per_s=pace_bytes_per_s)


class BodyRoom:
    """So many bytes that bodies may hold at once, and how many each tenant's do."""

    def __init__(self, size_bytes: int, clock: Clock) -> None:
        self._size_bytes = self._free_bytes = size_bytes
        self._clock = clock
        self._held_bytes: Counter[str] = Counter()
        self._on_their_way: set[HeldRoom] = set()

    @contextmanager
    def hold(self, tenant: str, asked_bytes: int, hang_up: Callable[[], None] = lambda: None) -> Iterator[HeldRoom]:
        """Hold room for a body while it comes or goes. Raises ApiError (429, 503) where there is none.

        `hang_up` ends a body at once that cannot be told that others want its room more.
        """
        self._require(tenant, asked_bytes)
        self._on_their_way.add(held := HeldRoom(tenant, asked_bytes, self._clock, hang_up))
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
        has_bytes, left_bytes = self._held_bytes[tenant] + asked_bytes, self._free_bytes - asked_bytes
        if has_bytes > asked_bytes and has_bytes > left_bytes:
            self._make_room(has_bytes - left_bytes, of=tenant if 2 * has_bytes > self._size_bytes else None)
            words = "So much of yours is on its way here that this would leave too little room for others."
            raise ApiError(429, "rate_limited", words, headers=_RETRY_AFTER)
        if left_bytes < 0:
            self._make_room(-left_bytes, of=None)
            raise ApiError(503, "overloaded", "Too much is on its way here already.", headers=_RETRY_AFTER)

    def _make_room(self, wanted_bytes: int, *, of: str | None) -> None:
        """Give up the slowest, of all or of a tenant, so that who was refused has room at the next try; no more than that takes."""
        slow = [held for held in self._on_their_way if held.slowness_s and of in (None, held.tenant)]
        for held in sorted(slow, key=lambda held: (held.is_given_up, held.slowness_s), reverse=True):
            if wanted_bytes <= 0:
                return
            held.give_up()
            # what a tenant's share grows by is what it has no more, and what others could have
            wanted_bytes -= held.size_bytes if of is None else 2 * held.size_bytes

    def _take(self, tenant: str, more_bytes: int) -> None:
        self._free_bytes -= more_bytes
        self._held_bytes[tenant] += more_bytes
        if not self._held_bytes[tenant]:
            del self._held_bytes[tenant]
