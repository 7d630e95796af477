"""Room in this process's memory for bodies under way: uploads, of which parts are held until the storage has them, and JSON.

A process that takes more than it has memory for is killed, and each upload and call of all tenants with it. So who comes
when there is no room is refused before the body is read; and nobody takes more than is left for all others.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from core.media.formats import HEAD_BYTES
from core.storage import most_held_bytes
from service.problems import ApiError

_RETRY_AFTER = {"Retry-After": "5"}


def upload_room_bytes(announced_bytes: int | None) -> int:
    """Say how many bytes an upload may hold: what the storage waits for, and with it the head by which its format is told.

    Of a large one the head is let go of before the first part is full.
    """
    head_bytes = HEAD_BYTES if announced_bytes is None else min(announced_bytes, HEAD_BYTES)
    return min(most_held_bytes(announced_bytes) + head_bytes, most_held_bytes(None))


class BodyRoom:
    """So many bytes that bodies may hold at once, and how many each tenant's do."""

    def __init__(self, size_bytes: int) -> None:
        self._free_bytes = size_bytes
        self._held_bytes: Counter[str] = Counter()

    @contextmanager
    def hold(self, tenant: str, asked_bytes: int) -> Iterator[None]:
        """Hold room for a body while it comes. Raises ApiError (429, 503) where there is none."""
        self._require(tenant, asked_bytes)
        with self.keep(tenant, asked_bytes):
            yield

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
            words = "So much of yours is on its way here that this would leave too little room for others."
            raise ApiError(429, "rate_limited", words, headers=_RETRY_AFTER)
        if left_bytes < 0:
            raise ApiError(503, "overloaded", "Too much is on its way here already.", headers=_RETRY_AFTER)

    def _take(self, tenant: str, more_bytes: int) -> None:
        self._free_bytes -= more_bytes
        self._held_bytes[tenant] += more_bytes
        if not self._held_bytes[tenant]:
            del self._held_bytes[tenant]
