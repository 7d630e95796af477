"""One HTTP/1.1 connection to a host that callers named: h11 parses, and whatever is sent costs no more than it may.

An answer's head has 64 kB and 16 interim answers; its whole has what the request's extension ``most_bytes`` says. A
read or a protocol event counts as much as `UNIT_BYTES`, and bytes pay for them: who sends crumbs (one-byte chunks, one
byte a packet) is listened to in bunches with pauses between, so that it costs the loop next to nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus

import h11
import httpx

from core.clock import stopwatch_s
from worker.connections.idle import OwnedBody
from worker.connections.wire import Wire

MOST_HEAD_BYTES = 65_536
MOST_INTERIM_ANSWERS = 16
#: what a read or an event costs, in bytes that would have been as much work
UNIT_BYTES = 512
#: so far an answer may live on credit, then each pause pays for so much
_CREDIT_BYTES, _PAUSE_PAYS_BYTES, _PAUSE_S = 32_768, 16_384, 0.25

#: answers without a body, whose announcing one makes the bytes after them doubtful (RFC 9112, 6.3)
_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class AnswerTooLarge(httpx.RemoteProtocolError):
    """More came than an answer may have."""


class KeptConnectionDied(httpx.ReadError):
    """A connection that had served before ended without a byte of this answer: it was closed while it was idle."""


class Http11Connection:
    """Serves one request at a time. Whoever got an answer reads its body to the end, or closes it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.opened_s = stopwatch_s()
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD_BYTES)
        self._answers = 0
        self._doubtful = False

    @property
    def is_reusable(self) -> bool:
        """It has served, nothing is under way, and not a byte is left over."""
        both_idle = self._parser.our_state is h11.IDLE and self._parser.their_state is h11.IDLE
        return both_idle and not self._doubtful and not self._parser.trailing_data[0] and self._wire.is_quiet

    async def exchange(self, request: httpx.Request, on_end: Callable[[], None]) -> httpx.Response:
        """Send a request and wait for the head of its answer; `on_end` is called once its body is over or closed.

        Raises KeptConnectionDied, AnswerTooLarge, httpx.TransportError.
        """
        answer = _Answer(request)
        await self._send(request, answer.timeouts.get("write"))
        head = await self._head(answer)
        answer.is_head = False
        self._doubtful = head.status_code in _BODILESS and _announces_body(head)
        return httpx.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            stream=OwnedBody(self._body(answer), on_end),
            extensions={"http_version": b"HTTP/" + head.http_version, "reason_phrase": bytes(head.reason)},
        )

    async def _send(self, request: httpx.Request, write_s: float | None) -> None:
        target, method = request.url.raw_path, request.method.encode("ascii")
        try:
            sent = self._parser.send(h11.Request(method=method, target=target, headers=request.headers.raw)) or b""
            assert isinstance(request.stream, httpx.AsyncByteStream)
            async for chunk in request.stream:
                sent += self._parser.send(h11.Data(data=chunk)) or b""
            sent += self._parser.send(h11.EndOfMessage()) or b""
            self._wire.write(sent)
            await self._wire.taken(within_s=write_s)
        except h11.LocalProtocolError as unfit:
            raise httpx.LocalProtocolError(str(unfit)) from unfit
        except TimeoutError as late:
            raise httpx.WriteTimeout("the request was not taken in time") from late

    async def _head(self, answer: "_Answer") -> h11.Response:
        for _ in range(MOST_INTERIM_ANSWERS + 1):
            event = await self._event(answer)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise httpx.RemoteProtocolError("the answer has no head")
        raise AnswerTooLarge("one interim answer after another came")

    async def _body(self, answer: "_Answer") -> AsyncGenerator[bytes, None]:
        while True:
            event = await self._event(answer)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                break
        self._answers += 1
        if self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()

    async def _event(self, answer: "_Answer") -> h11.Event | type[h11.PAUSED] | type[h11.NEED_DATA]:
        """Wait for the next event, which is never NEED_DATA."""
        try:
            while (event := self._parser.next_event()) is h11.NEED_DATA:
                self._parser.receive_data(await self._read(answer))
        except h11.RemoteProtocolError as broken:
            raise httpx.RemoteProtocolError(str(broken)) from broken
        await self._charge(answer, 0)
        return event

    async def _read(self, answer: "_Answer") -> bytes:
        try:
            data = await self._wire.read(within_s=answer.timeouts.get("read"))
        except TimeoutError as late:
            raise httpx.ReadTimeout("nothing came in time") from late
        except OSError as broken:
            raise self._ended(answer) from broken
        if not data and answer.is_head:
            raise self._ended(answer)
        await self._charge(answer, len(data))
        return data

    async def _charge(self, answer: "_Answer", brought_bytes: int) -> None:
        """Count one read or event, and leave the connection alone for a while where it cost too much."""
        if pause_s := answer.charge(brought_bytes):
            with self._wire.unheard():
                await asyncio.sleep(pause_s)

    def _ended(self, answer: "_Answer") -> httpx.ReadError:
        if self._answers and not answer.read_bytes:
            return KeptConnectionDied("the connection was closed while it was idle")
        return httpx.ReadError("the connection ended before the answer did")

    def close(self) -> None:
        """Let go of it."""
        self._wire.close()

    def give_up(self) -> None:
        """Let go of it, and of what was not taken of its request."""
        self._wire.give_up()


class _Answer:
    """What one answer may cost, and has cost so far."""

    def __init__(self, request: httpx.Request) -> None:
        self.read_bytes = 0
        self._most_bytes: int | None = request.extensions.get("most_bytes")
        self._debt_bytes = 0
        self.timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        self.is_head = True

    def charge(self, brought_bytes: int) -> float:
        """Count one read or event; returns the pause in seconds that it makes necessary. Raises AnswerTooLarge."""
        self.read_bytes += brought_bytes
        most_bytes = MOST_HEAD_BYTES if self.is_head else self._most_bytes
        if most_bytes is not None and self.read_bytes > most_bytes:
            raise AnswerTooLarge("more came than an answer may have")
        self._debt_bytes = max(0, self._debt_bytes + UNIT_BYTES - brought_bytes)
        if self._debt_bytes <= _CREDIT_BYTES:
            return 0.0
        self._debt_bytes -= _PAUSE_PAYS_BYTES
        return _PAUSE_S


def _announces_body(head: h11.Response) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in head.headers
    )
