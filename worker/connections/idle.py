"""Connections that wait for another request, and the bodies that hold them until they are read. No time limits of requests."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

import httpx

from core.clock import stopwatch_s


class Origin(NamedTuple):
    """Who a connection leads to: ``("https", "hooks.example.com", 443)``."""

    scheme: str
    host: str
    port: int


def origin_of(url: httpx.URL) -> Origin:
    """Name who a URL leads to."""
    return Origin(url.scheme, url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80))


class Connection(Protocol):
    """What is kept here."""

    @property
    def is_reusable(self) -> bool:
        """It has served, nothing is under way, and not a byte is left over."""

    @property
    def opened_s(self) -> float:
        """When it was made, by `stopwatch_s`."""

    def close(self) -> None:
        """Let go of it."""


#: A connection that is always in use would stay where its name led when it was made, though that has moved since: for this long.
LONGEST_LIFE_S = 60.0

C = TypeVar("C", bound=Connection)


class IdleConnections(Generic[C]):
    """Connections that wait for another request to their origin, the latest first. One that is not fit is closed."""

    def __init__(self, *, most: int, longest_s: float) -> None:
        self._most = most
        self._longest_s = longest_s
        #: with the time at which each was put here, oldest first
        self._kept: list[tuple[float, Origin, C]] = []

    def take(self, origin: Origin) -> C | None:
        """Take one out that is fit to serve."""
        self._drop_old()
        for position in range(len(self._kept) - 1, -1, -1):
            if self._kept[position][1] == origin:
                connection = self._kept.pop(position)[2]
                if _is_fit(connection):
                    return connection
                connection.close()
        return None

    def keep(self, origin: Origin, connection: C) -> None:
        """Put one here, or close it where it is not fit, or has lived long enough."""
        if not _is_fit(connection):
            connection.close()
            return
        self._kept.append((stopwatch_s(), origin, connection))
        self._drop_old()

    def close(self) -> None:
        """Close all of them."""
        for _, _, connection in self._kept:
            connection.close()
        self._kept.clear()

    def _drop_old(self) -> None:
        oldest_s = stopwatch_s() - self._longest_s
        while self._kept and (self._kept[0][0] < oldest_s or len(self._kept) > self._most):
            self._kept.pop(0)[2].close()


def _is_fit(connection: Connection) -> bool:
    return connection.is_reusable and connection.opened_s >= stopwatch_s() - LONGEST_LIFE_S


class OwnedBody(httpx.AsyncByteStream):
    """A body that is read once, and then lets go of its connection."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], on_end: Callable[[], None]) -> None:
        self._pieces = pieces
        self._on_end = on_end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        try:
            await self._pieces.aclose()
        finally:
            self._on_end()
