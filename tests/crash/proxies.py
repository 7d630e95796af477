"""Stands between a worker and what it talks to, recognizes what goes by, and lets its guard stop the worker there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from tests.crash.requests import Request
from tests.crash.traps import Side


class Reader(Protocol):
    """Recognizes requests in a connection's bytes."""

    def feed(self, data: bytes) -> Iterator[Request]: ...


class Guard(Protocol):
    """Is asked about each request that goes by."""

    def meets(self, names: Sequence[str]) -> Side | None:
        """Say where the worker is to be stopped about this request, if at all."""

    async def stop(self) -> None:
        """Stop the worker. Returns when it may go on; raises ConnectionError when it is dead."""


@asynccontextmanager
async def running_proxy(port: int, make_reader: Callable[[], Reader], guard: Guard) -> AsyncIterator[int]:
    """Listen on a port of its own, which it yields, and pass on to `port`."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        connections.add(task)
        with suppress(ConnectionError, asyncio.CancelledError):
            await _Connection(make_reader(), guard).carry(reader, writer, port)
        connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the loop's next turn


class _Connection:
    """One connection through the proxy."""

    def __init__(self, requests: Reader, guard: Guard) -> None:
        self._requests = requests
        self._guard = guard
        #: how many pieces of the answer still pass before the worker is stopped; None: all of them
        self._pieces: int | None = None

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        """Carry bytes both ways until either side closes or breaks."""
        async with _closing(writer):
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
            async with _closing(to_server):
                await _first_of(self._asked(reader, to_server), self._answered(from_server, writer))

    async def _asked(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            for request in self._requests.feed(data):
                side = self._guard.meets(request.names) if request.names else None
                if side == "before":
                    await self._guard.stop()
                elif side is not None:
                    self._pieces = 0 if side == "after" else 1
                to_server.write(request.raw)
                await to_server.drain()

    async def _answered(self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await from_server.read(1 << 16):
            if self._pieces == 0:
                await self._guard.stop()
            self._pieces = self._pieces - 1 if self._pieces else None
            writer.write(data)
            await writer.drain()


async def _first_of(*ways: Coroutine[None, None, None]) -> None:
    """Run all until one ends, however it does."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close it when the block ends, as soon as it has sent what it holds; at once where that is cut short."""
    try:
        yield
    finally:
        writer.close()
        try:
            with suppress(ConnectionError):
                await writer.wait_closed()
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
