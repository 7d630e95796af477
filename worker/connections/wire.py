"""One TCP or TLS connection below the HTTP parser, which holds no more of what comes in than two pieces, over TLS than what the
loop's own layer for that takes from the system at a time (256 KiB), twice.

`dial` opens it, a `http11` reads and writes it. It knows no HTTP and no time limits.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

#: what is taken from the system at a time; whoever sends more waits until it was read
PIECE_BYTES = 16_384
#: a socket that is closed like this drops what it has not sent (socket(7), SO_LINGER)
_DROP_UNSENT = struct.pack("ii", 1, 0)
#: Who is silent is asked so often, in seconds, whether he is there, and so many times (tcp(7)): a stream or an upload may be
#: silent for minutes, what stands between forgets it after four (Azure) or six (AWS), and a machine without power says no goodbye.
#: TCP_KEEPALIVE is what macOS calls TCP_KEEPIDLE.
_ASKED_AFTER = {"TCP_KEEPIDLE": 45, "TCP_KEEPALIVE": 45, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class Wire(asyncio.BufferedProtocol):
    """Reads and writes bytes. While nobody reads, it still hears that the other side hung up or goes on talking."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        #: what is below TLS, too
        self._lowest: asyncio.Transport | None = None
        self._over_tls = False
        self._space = memoryview(bytearray(PIECE_BYTES))
        #: where the next piece is put, which is there unless more is waiting
        self._room = self._space
        self._unread = bytearray()
        self._paused = False
        self._ended = False
        self._fault: Exception | None = None
        self._is_full = False
        self._is_lost = False
        #: whoever waits for something to come, or to be taken
        self._waiting: asyncio.Future[None] | None = None

    @property
    def is_quiet(self) -> bool:
        """Both sides are there, nothing came that nobody has read, and nothing is left to be sent."""
        return not (self._has_news() or self.transport.is_closing() or self._unsent_bytes())

    @property
    def has_spoken(self) -> bool:
        """Something came that nobody has read."""
        return bool(self._unread)

    @property
    def has_ended(self) -> bool:
        """The other side hung up, or is lost, of which the loop may be about to tell."""
        return self._ended or self.transport.is_closing()

    @property
    def transport(self) -> asyncio.Transport:
        """What is below; TLS puts another one in its place."""
        assert self._transport is not None, "the connection is not made yet"
        return self._transport

    def go_on_over(self, transport: asyncio.Transport) -> None:
        """Read and write over another transport, TLS's, from now on: the handshake is done.

        While nobody reads, it takes nothing from the system beyond what it has: uvloop's drops that at the other side's end.
        """
        self._transport, self._over_tls = transport, True
        cast("Any", transport).set_read_buffer_limits(high=1, low=0)  # no protocol of asyncio's types has it

    async def read(self, *, within_s: float | None) -> bytes:
        """Wait for the next piece, of PIECE_BYTES at most, b"" at the end. Raises OSError, TimeoutError."""
        await self._until(self._has_news, within_s)
        if not self._unread and self._fault:
            raise self._fault
        piece = bytes(self._unread[:PIECE_BYTES])
        del self._unread[:PIECE_BYTES]
        if len(self._unread) < PIECE_BYTES:
            self._resume()
        return piece

    def write(self, data: bytes) -> None:
        """Send. That the other side is gone is for `read` to say."""
        if not self.transport.is_closing():  # uvloop's raises there
            self.transport.write(data)

    async def taken(self, *, within_s: float | None) -> bool:
        """Wait while the other side takes too little of what is sent; False where it says something first, or is gone.

        Raises TimeoutError.
        """
        await self._until(lambda: self._has_news() or not self._is_full, within_s)
        return not self._has_news()

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

    def give_up(self) -> None:
        """Let go of it at once: what the other side has not taken yet, it never gets, not from the system either.

        TLS's transport has no socket any more a turn of the loop before it says that the connection is lost.
        """
        below = None if self._is_lost else self.transport.get_extra_info("socket")
        if below:
            below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP_UNSENT)
        self.transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._lowest = cast("asyncio.Transport", transport)  # uvloop's is none by name
        _ask_when_silent(transport.get_extra_info("socket"))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give room for a piece, and over TLS for all that is waiting there, which `sizehint` tells of, with a record half read.

        Where the other side hangs up without TLS's goodbye, that is read once more, and what finds no room is dropped. A view,
        since asyncio writes behind the first record into a slice (cpython 156275).
        """
        waits = self._over_tls and sizehint > 0  # uvloop's hint below TLS is no such number
        self._room = memoryview(bytearray(sizehint + PIECE_BYTES)) if waits else self._space
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self._unread += self._room[:nbytes]
        self._room = self._space
        if len(self._unread) >= PIECE_BYTES:
            self._pause()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._is_lost, self._fault = True, True, exc
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    def _has_news(self) -> bool:
        return self.has_spoken or self._ended

    def _unsent_bytes(self) -> int:
        assert self._lowest is not None
        return self.transport.get_write_buffer_size() + self._lowest.get_write_buffer_size()

    async def _until(self, happened: Callable[[], bool], within_s: float | None) -> None:
        """Wait for one of the loop's calls to bring something about. Raises TimeoutError."""
        try:
            async with asyncio.timeout(within_s):
                while not happened():
                    self._waiting = asyncio.get_running_loop().create_future()
                    await self._waiting
        except TimeoutError:
            # after a standstill of this process, timers run before what has come meanwhile is seen
            await asyncio.sleep(0)
            if not happened():
                raise
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    def _pause(self) -> None:
        if not self._paused and not self._ended:
            self._paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._ended:
            self._paused = False
            self.transport.resume_reading()


def _ask_when_silent(below: socket.socket) -> None:
    with suppress(OSError):  # where it is lost already
        below.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _ASKED_AFTER.items():
            if option := getattr(socket, name, None):  # not every system has each
                below.setsockopt(socket.IPPROTO_TCP, option, value)
