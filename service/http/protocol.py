"""HTTP protocol of a connection: uvicorn's, with limits of time and size. `service/main.py` serves with it.

Decided here: how long a request's head may take and how large it may be, how long the rest of a body that nobody reads
is awaited, when a connection is idle, how long an answer waits for its reader, and that what is no HTTP is answered with
a problem document too. It knows no route; how long a body may take is for those who read it (`service/http/body.py`,
`service/routes/uploads.py`).
"""

import asyncio
import fcntl
import re
import struct
import sys
import termios
from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from core.http.reason_phrase import reason_phrase
from service.http.body import BODY_IS_HERE, HANG_UP
from service.http.middleware import log_unread
from service.problems import PROBLEM_JSON, ApiError, count_refusal, problem_document

#: the request line and the headers together
HEAD_LIMIT_BYTES = 65_536
#: from a request's first byte, or the opening of its connection, to the end of its headers
HEAD_LIMIT_S = 10.0
#: so long a caller that has its answer may go on sending a body that is thrown away
LINGER_S = 10.0
#: fields that offer another protocol, and the one that names them
_OFFERS = {b"upgrade", b"http2-settings", b"connection"}
#: as uvicorn writes it
_CHUNKED = b"transfer-encoding: chunked\r\n"
_NOT_ASCII = re.compile(rb"[\x80-\xff]")


class _AnswerTransport:
    """What one answer is written to: the connection's transport, but for how it begins and what happens at its end.

    uvicorn writes the head by itself, and each write is a call of the system: the head goes out with the body that comes
    right after it, or alone when the loop turns. `head_alone`: no body comes, so it goes out at once. `knows_chunks`: HTTP/1.0
    has none (RFC 9112, 6.1), and a body of unknown length ends with its connection.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        head_alone: bool,
        knows_chunks: bool,
        close: Callable[[], None],
    ) -> None:
        self.is_closing = transport.is_closing
        self._transport = transport
        self._loop = loop
        self._close = close
        self._head = b""
        self._has_begun = head_alone
        self._knows_chunks = knows_chunks

    def write(self, data: bytes) -> None:
        data = data if self._knows_chunks else self._unchunked(data)
        if self._has_begun:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._has_begun, self._head = True, data
            self._loop.call_soon(self._write_head)

    def _unchunked(self, data: bytes) -> bytes:
        """Take a head's, or one piece's, chunks away, as uvicorn makes them; all is as it was from a head without them on."""
        if not self._has_begun:
            self._knows_chunks = _CHUNKED not in data
            return data.replace(_CHUNKED, b"")
        size, _, rest = data.partition(b"\r\n")
        return rest[: int(size or b"0", 16)]

    def _write_head(self) -> None:
        if self._head and not self.is_closing():
            self.write(b"")

    def close(self) -> None:
        self._write_head()
        self._close()


class LimitedProtocol(HttpToolsProtocol):
    """A connection that is closed when its caller drips, or goes on for ever."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        #: the next byte is the first of a request
        self._between = True
        #: what came of a head since its first piece, or of what stands behind a body's last piece
        self._head_bytes = 0
        #: whose answer is awaited; those that came behind it are in `pipeline`, the last of them is `cycle`
        self._running: RequestResponseCycle | None = None
        #: what is being parsed, what is to be parsed after it, and whether its head is to be parsed once more
        self._piece: bytes | memoryview = b""
        self._unread: bytes | memoryview = b""
        self._is_offer = False
        self._error: ApiError | None = None
        #: the last answer is out, and the rest of its request is awaited
        self._lingering = False
        self._quiet_since_s = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_deadline(within_s=HEAD_LIMIT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        self._unset_keepalive_if_required()  # uvicorn forgets it where its caller has reset it, and would keep all of it for so long
        super().connection_lost(exc)
        if self._running and not self._running.response_complete:  # uvicorn tells the last one alone
            self._running.disconnected = True
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._error is not None:
            return
        self._head_bytes += len(data)
        self._unread = _with_ascii_target(data) if self._between else data
        while self._unread and self._error is None:
            self._piece, self._unread = self._unread, b""
            super().data_received(self._piece)  # the parser takes any buffer
        self._piece = b""  # a connection that idles holds on to nothing
        if self._head_bytes > HEAD_LIMIT_BYTES and self._error is None and not self._is_idle:
            self._refuse(_too_large(url_bytes=len(self.url)))  # the parser keeps what it has not read to the end
        elif self._in_head and self._error is None:
            self._wait_for_rest_of_head()
        elif self._deadline is None and self._is_idle:  # an empty line, after which uvicorn waits for ever
            self._start_deadline(within_s=self.timeout_keep_alive)

    def _wait_for_rest_of_head(self) -> None:
        if self._deadline is None:
            self._start_deadline(within_s=HEAD_LIMIT_S)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes, self._between = True, 0, False
        self._stop_deadline()  # `data_received` starts that of a head that has not come whole

    def on_headers_complete(self) -> None:
        if self._lingering:
            raise ValueError("the last answer is out")  # whatever comes after it is not ours to do any more
        self._in_head = False
        self._stop_deadline()
        self._is_offer = self.parser.should_upgrade()
        if self._is_offer and self.parser.get_method() == b"CONNECT":
            self._error = ApiError(400, "malformed_request", "CONNECT is for a proxy, and this is none.")
            raise ValueError("no proxy")
        if self._is_offer:
            return
        fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) + fields > HEAD_LIMIT_BYTES:
            self._error = _too_large(url_bytes=len(self.url))
            raise ValueError("the head is too large")  # the parser's way out; answered by send_400_response
        self.scope[HANG_UP] = self.transport.abort  # type: ignore[literal-required]
        super().on_headers_complete()
        self._head_bytes = 0
        self.headers = []  # what comes behind the body is no header (RFC 9110, 6.5.1), and nobody reads it
        is_old = self.scope["http_version"] == "1.0"
        if is_old:
            self.cycle.waiting_for_100_continue = False  # it may not be told so (RFC 9110, 10.1.1)
        head_alone = self.scope["method"] == "HEAD"
        answer = _AnswerTransport(
            self.transport,
            self.loop,
            head_alone=head_alone,
            knows_chunks=head_alone or not is_old,
            close=self._close_after_answer,
        )
        self.cycle.transport = answer  # type: ignore[assignment]  # it has what an answer needs

    def _unsupported_upgrade_warning(self) -> None:
        """Read a request that offers another protocol (Java's client does, and curl --http2) as if it offered none.

        uvicorn calls this where the parser stops after such a head; it would take the body for the next request.
        """
        at = cast("Any", sys.exception()).args[0]
        self._unread = memoryview(self._piece)[at:]
        head = self._head_without_offer()
        self.parser = type(self.parser)(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn makes it
        super().data_received(head)

    def _head_without_offer(self) -> bytes:
        """Write a request's head anew without the fields that offer another protocol (RFC 9110, 7.8)."""
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [(name, value) for name, value in self.headers if name not in _OFFERS]
        if not self.parser.should_keep_alive():
            kept.append((b"connection", b"close"))
        return b"\r\n".join([line, *(b"%s: %s" % field for field in kept), b"", b""])

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        if self._lingering:
            self._close()
        elif self.cycle.response_complete:
            self._quiet_since_s = self.loop.time()
            self._start_deadline(within_s=self.timeout_keep_alive)
        self._between = True
        self.scope[BODY_IS_HERE] = True  # type: ignore[literal-required]
        super().on_message_complete()
        self.cycle.more_body = False  # also where its answer was complete before

    def on_response_complete(self) -> None:
        self._quiet_since_s = self.loop.time()
        if self._lingering:
            return self.flow.resume_reading()
        super().on_response_complete()
        if self._in_head:
            self._unset_keepalive_if_required()
        elif self.cycle.response_complete and self.cycle.more_body:
            self._start_deadline(within_s=LINGER_S)
        return None

    def close_if_idle(self, *, for_s: float) -> None:
        """Close it if no request is under way on it, nor on its way here, and none has been for so long.

        What is on the way and not here yet nobody can see: the longer it was quiet, the less there is.
        """
        if self._is_idle and self.loop.time() - self._quiet_since_s >= for_s and not self._has_unread():
            self._close()

    @property
    def _is_idle(self) -> bool:
        answered = self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)
        return answered and not self._in_head and not self.transport.is_closing()

    def _has_unread(self) -> bool:
        """Whether the system holds bytes that we have not been given yet."""
        return bool(self._held_bytes(termios.FIONREAD))

    def _held_bytes(self, which: int) -> int:
        """Ask the system how much it holds for this connection, one way or the other."""
        answer = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), which, bytes(4))
        (held_bytes,) = struct.unpack("i", answer)
        return int(held_bytes)

    def _close_after_answer(self) -> None:
        """Close once the rest of the request is in: a close with bytes unread resets it, and may cost the answer."""
        if self.cycle.more_body and not self.transport.is_closing():
            self._lingering = True
            self.transport.write_eof()
            self._start_deadline(within_s=LINGER_S)
        else:
            self._close()

    def timeout_keep_alive_handler(self) -> None:
        if not self.transport.is_closing():
            self._close()

    def _close(self) -> None:
        """Close it once all is out, for which its caller has time as long as something of it is taken."""
        self.transport.close()
        self._stop_deadline()
        self._wait_for_reader(self._unsent_bytes())

    def _unsent_bytes(self) -> int:
        """What is not out; of the last that is not here any more nobody asks.

        The system asks for more once a third of what it holds is taken, which is of a megabyte, and a slow reader's minute.
        """
        here_bytes = self.transport.get_write_buffer_size()
        return here_bytes and here_bytes + self._held_bytes(termios.TIOCOUTQ)

    def _wait_for_reader(self, unsent_bytes: int) -> None:
        """Look again later whether less is left: an answer that nobody reads is of megabytes, and would be kept for ever."""
        if unsent_bytes:
            self._deadline = self.loop.call_later(self.timeout_keep_alive, self._hang_up_if_stuck, unsent_bytes)

    def _hang_up_if_stuck(self, unsent_before_bytes: int) -> None:
        unsent_bytes = self._unsent_bytes()
        if unsent_bytes < unsent_before_bytes:
            self._wait_for_reader(unsent_bytes)
        else:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser gave up at, in its words; `msg` is uvicorn's and says nothing more."""
        words = f"This is no HTTP request: {sys.exception()}."
        self._refuse(self._error or ApiError(400, "malformed_request", words))
        del msg

    def _refuse(self, error: ApiError) -> None:
        self._error = error
        self._stop_deadline()
        if self.transport.is_closing():
            return
        self._drop_broken()
        if self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # the requests before are well, and get their answers first
            return
        if not self._lingering and not self._has_answered():
            request_id = str(uuid4())
            self.transport.write(raw_response(error, request_id))
            log_unread(error.status, request_id=request_id)
            count_refusal(error)
        self._close()

    def _drop_broken(self) -> None:
        """Forget the last request where its body broke before its turn came: it is the one that gets no answer."""
        if self.pipeline and self.cycle.more_body:
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else cast("RequestResponseCycle", self._running)

    def _has_answered(self) -> bool:
        """Whether the answer has begun before its request's end: nothing may get into its middle, or behind it."""
        return self.cycle is not None and self.cycle.response_started and self.cycle.more_body

    def _start_deadline(self, *, within_s: float) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(within_s, self._time_out)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _time_out(self) -> None:
        """End a connection that took too long; who had begun a request is told why."""
        if self._in_head:
            words = f"The headers must come within {HEAD_LIMIT_S:.0f} s."
            self._refuse(ApiError(408, "request_timeout", words))
        elif not self.transport.is_closing():
            self._close()


def _with_ascii_target(data: bytes) -> bytes:
    """Escape what is not ASCII in a request's first line: curl and others send a URL as it was typed."""
    line, end, rest = data.partition(b"\n")
    if line.isascii():
        return data
    return _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], line) + end + rest


def _too_large(*, url_bytes: int) -> ApiError:
    words = f"The request line and the headers may have {HEAD_LIMIT_BYTES} bytes together."
    if url_bytes > HEAD_LIMIT_BYTES // 2:
        return ApiError(414, "uri_too_long", words)
    return ApiError(431, "headers_too_large", words)


def raw_response(error: ApiError, request_id: str) -> bytes:
    """Write a refusal as the bytes of an answer, for a request that never reached the app."""
    body = msgspec.json.encode(problem_document(error, "", request_id=request_id))
    head = [
        f"HTTP/1.1 {error.status} {reason_phrase(error.status)}",
        f"content-type: {PROBLEM_JSON}",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
