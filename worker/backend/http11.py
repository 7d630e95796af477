"""One HTTP/1.1 connection to the backend: httptools parses, `worker.connections.wire` carries. It knows no calls.

Nothing is ever sent twice here. A head has 64 kB, and an answer 16 interim ones before it; a body ends by its length, its
chunks or, where it has neither, with the connection. What the backend's address answers is trusted to be no attack, so no
price is put on crumbs, unlike in `worker.outbound.http11`.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

import httptools
import httpx

from core.clock import stopwatch_s
from core.security.redacted_repr import redacted_repr
from worker.connections.idle import OwnedBody
from worker.connections.wire import Wire

_MOST_HEAD_BYTES = 65_536
_MOST_INTERIM_ANSWERS = 16
#: a body that comes in chunks goes out in bunches of more than this
_BUNCH_BYTES = 65_536

#: what a request may be made of: no value can end its line, or begin another field (RFC 9110, 5.5)
_TARGET = re.compile(rb"[!-~]+")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t -~]*")
_LENGTHS = (b"content-length", b"transfer-encoding")


class Timeouts(NamedTuple):
    """How long may pass until a connection is there, until a piece is taken, and until the next piece comes."""

    connect_s: float
    write_s: float
    read_s: float


@redacted_repr("method", "times")
class Outgoing(NamedTuple):
    """A request as it goes out. `target`: path and query, escaped. `headers`: Host and Content-Length among them."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | AsyncIterator[bytes]
    times: Timeouts
    #: which call it is, where to ask it twice does no harm
    repeatable_call: str | None = None


class NothingCame(httpx.ReadError):
    """The connection ended without a byte of the answer, as one does that was closed while it was idle."""


class BackendConnection:
    """Serves one request at a time. Whoever got an answer reads its body to the end, or closes it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.opened_s = stopwatch_s()
        self._is_reusable = False

    @property
    def is_reusable(self) -> bool:
        """It has served, nothing is under way, and not a byte is left over."""
        return self._is_reusable and self._wire.is_quiet

    async def exchange(self, request: Outgoing, on_end: Callable[[], None]) -> httpx.Response:
        """Send a request and wait for the head of its answer; `on_end` is called once its body is over or closed.

        Raises httpx.LocalProtocolError before a byte is sent, NothingCame; else what the request's body raises, httpx.TransportError.
        """
        self._is_reusable = False
        answer, read_s = _Answer(), request.times.read_s
        try:
            sent_whole = await self._send(request, answer)
            await self._head(answer, read_s)
        except (httpx.ReadError, httpx.RemoteProtocolError) as broken:
            if answer.has_begun:
                raise
            raise NothingCame("the connection ended without an answer") from broken
        body = self._body(answer, read_s, sent_whole=sent_whole)
        return httpx.Response(answer.status, headers=answer.headers, stream=OwnedBody(body, on_end))

    def close(self) -> None:
        """Let go of it."""
        self._wire.close()

    def give_up(self) -> None:
        """Let go of it, and of what was not taken of its request."""
        self._wire.give_up()

    async def _send(self, request: Outgoing, answer: "_Answer") -> bool:
        """Send it all, and say so; not the rest of a body that the backend has answered already, or hung up at."""
        waiting, write_s = _head_bytes(request), request.times.write_s
        if isinstance(request.body, bytes):
            return await self._write(waiting + request.body, answer, write_s)
        async for chunk in request.body:
            if len(waiting) > _BUNCH_BYTES:
                if not await self._write(waiting, answer, write_s):
                    return False
                waiting = b""
            waiting += chunk
        return await self._write(waiting, answer, write_s)

    async def _write(self, data: bytes, answer: "_Answer", write_s: float) -> bool:
        """Send a piece and wait until it is taken; False where an answer came first. Interim ones are read meanwhile."""
        self._wire.write(data)
        try:
            while not await self._wire.taken(within_s=write_s):
                answer.feed(await self._read(write_s))
                if answer.has_head:
                    return False
        except TimeoutError as late:
            raise httpx.WriteTimeout("the request was not taken in time") from late
        return True

    async def _head(self, answer: "_Answer", read_s: float) -> None:
        """Read the answer's head, which has as long in all as one silence may be."""
        until_s = stopwatch_s() + read_s
        while not answer.has_head:
            answer.feed(await self._read(until_s - stopwatch_s()))

    async def _body(self, answer: "_Answer", read_s: float, *, sent_whole: bool) -> AsyncGenerator[bytes, None]:
        while True:
            if piece := answer.take():
                yield piece
            if answer.is_over:
                break
            answer.feed(await self._read(read_s))
        self._is_reusable = sent_whole and answer.may_keep

    async def _read(self, read_s: float) -> bytes:
        try:
            return await self._wire.read(within_s=read_s)
        except TimeoutError as late:
            raise httpx.ReadTimeout("nothing came in time") from late
        except OSError as broken:
            raise httpx.ReadError("the connection broke") from broken


class _Answer:
    """What has come of an answer so far; httptools calls the methods that begin with ``on_``."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.status = 0
        self.has_begun = self.has_head = False
        self.is_over = False
        self.may_keep = False
        self._parser: Any = httptools.HttpResponseParser(self)
        # what other servers than the backend's own have been seen to write, and no parser can misread here
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
            lenient_chunked_length=True,  # chunks count, and not the length beside them (RFC 9112, 6.3)
        )
        self._body = bytearray()
        self._head_bytes = 0
        self._interim = 0
        self._surplus = False

    def feed(self, data: bytes) -> None:
        """Read on; b"" is the end. Raises httpx.RemoteProtocolError where that can't be right."""
        if not data:
            self._end()
            return
        self.has_begun = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as broken:
            if not self.is_over:
                raise httpx.RemoteProtocolError("the answer is not HTTP") from broken
            self.may_keep = False
        self._count_head(len(data))

    def take(self) -> bytes:
        """Take what has come of the body since."""
        piece = bytes(self._body)
        self._body.clear()
        return piece

    def _end(self) -> None:
        if not self.has_head or any(name.lower() in _LENGTHS for name, _ in self.headers):
            raise httpx.RemoteProtocolError("the connection ended before the answer did")
        self.is_over = True

    def _count_head(self, more_bytes: int) -> None:
        self._head_bytes += more_bytes
        if not self.has_head and (self._head_bytes > _MOST_HEAD_BYTES or self._interim > _MOST_INTERIM_ANSWERS):
            raise httpx.RemoteProtocolError("the answer's head is too large")

    def on_message_begin(self) -> None:
        self._surplus = self.is_over
        if not self.is_over:
            self.headers = []
        self.may_keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._surplus:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if not self._surplus:
            self.status = self._parser.get_status_code()
            self.has_head = self.status >= httpx.codes.OK
            self._interim += not self.has_head

    def on_body(self, data: bytes) -> None:
        if not self._surplus:
            self._body += data

    def on_message_complete(self) -> None:
        if self.has_head and not self._surplus:
            self.is_over = True
            self.may_keep = self._parser.should_keep_alive()


def _head_bytes(request: Outgoing) -> bytes:
    """Write the head. Raises httpx.LocalProtocolError, UnicodeEncodeError."""
    target = request.target.encode("ascii")
    fields = [(name.encode("ascii"), value.encode("ascii")) for name, value in request.headers.items()]
    if not _TARGET.fullmatch(target) or not all(_NAME.fullmatch(n) and _VALUE.fullmatch(v) for n, v in fields):
        raise httpx.LocalProtocolError("a header cannot be sent")
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), target)]
    lines += (b"%s: %s" % field for field in fields)
    return b"\r\n".join((*lines, b"", b""))
