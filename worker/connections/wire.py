"""One TCP or TLS connection below the HTTP parser, which holds no more of what comes in than two pieces.

`dial` opens it, a `http11` reads and writes it. It knows no HTTP and no time limits.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

#: what is taken from the system at a time; whoever sends more waits until it was read
PIECE_BYTES = 16_384


class Wire(asyncio.BufferedProtocol):
    """Reads and writes bytes. While nobody reads, it still hears that the other side hung up or goes on talking."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._space = bytearray(PIECE_BYTES)
        self._unread = bytearray()
        self._paused = False
        self._ended = False
        self._fault: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    @property
    def is_quiet(self) -> bool:
        """Both sides are there, and nothing came that nobody has read."""
        return not (self._ended or self._unread or self.transport.is_closing())

    @property
    def transport(self) -> asyncio.Transport:
        """What is below; TLS puts another one in its place."""
        assert self._transport is not None, "the connection is not made yet"
        return self._transport

    def go_on_over(self, transport: asyncio.Transport) -> None:
        """Read and write over another transport from now on: the handshake is done."""
        self._transport = transport

    async def read(self) -> bytes:
        """Wait for the next piece, b"" at the end. Raises OSError."""
        if not self._unread and not self._ended:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if not self._unread and self._fault:
            raise self._fault
        piece = bytes(self._unread)
        self._unread.clear()
        self._resume()
        return piece

    async def write(self, data: bytes, *, within_s: float | None) -> None:
        """Send, and wait while the other side takes nothing. That it is gone is for `read` to say. Raises TimeoutError."""
        self.transport.write(data)
        if self._writable and not self._ended:
            async with asyncio.timeout(within_s):
                await self._writable

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Take nothing from the system for a while, so that what is sent in crumbs comes in one piece afterwards."""
        self._pause()
        try:
            yield
        finally:
            if len(self._unread) < PIECE_BYTES:
                self._resume()

    def close(self) -> None:
        """Let go of it: politely where nothing is under way."""
        if self.is_quiet:
            self.transport.close()
        else:
            self.transport.abort()

    def abort(self) -> None:
        """Let go of it at once."""
        self.transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def get_buffer(self, _sizehint: int) -> bytearray:
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        self._unread += self._space[:nbytes]
        if len(self._unread) >= PIECE_BYTES:
            self._pause()
        _wake(self._reader)

    def eof_received(self) -> None:
        self._ended = True
        _wake(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._fault = True, exc
        _wake(self._reader)
        _wake(self._writable)

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        _wake(self._writable)
        self._writable = None

    def _pause(self) -> None:
        if not self._paused and not self._ended:
            self._paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._ended:
            self._paused = False
            self.transport.resume_reading()


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting and not waiting.done():
        waiting.set_result(None)
