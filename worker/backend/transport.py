"""HTTP transport to the backend: connections, limits, and every failure as a `BackendFault`; not what a call means.

Called by `client` alone. A message's connection is never one that was used before (`connections`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import unquote, urljoin, urlsplit

import httpx
import msgspec

from core.clock import stopwatch_s
from core.http.user_agent import user_agent
from core.http.whole_file import may_be_whole
from core.media.sniff import format_of_content
from core.security.redacted_repr import redacted_repr
from worker.backend.breaker import BackendBreaker
from worker.backend.connections import BackendConnections
from worker.backend.events import as_stream
from worker.backend.faults import BackendFault, Fault, fault_of
from worker.backend.http11 import Outgoing, Timeouts
from worker.backend.responses import NothingTold, UnreadableAnswer, link_to_film, open_envelope
from worker.backend.surprises import Surprise
from worker.causes import is_tls_failure
from worker.connections.idle import origin_of

_LARGEST_ANSWER_BYTES = 32 * 1024 * 1024
#: calls that may lead on to another address
_FILE_CALLS = ("output", "download")
#: calls that do something anew each time; a render has an id of ours, and a session that nobody uses is none
_ASKED_ONCE = ("anonymous_token", "upload", "message")
#: a film's kind is known by as many
_TELLING_BYTES = 4096
#: what may stand before the first word of an answer
_BLANKS = b" \t\r\n\xef\xbb\xbf"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout)
_MALFORMED = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeEncodeError)

T = TypeVar("T")

#: `plain`: connections are kept. `stream`: a new connection each. `bare`: the request's target is a URL of any host.
Connections: TypeAlias = Literal["plain", "stream", "bare"]


class CallMetrics(Protocol):
    """Where calls are counted."""

    def request(self, call: str, code: str, seconds: float) -> None:
        """Count one call; `code` is a business code, an HTTP status, or a fault's name where no answer came."""

    def stream_event(self, kind: str) -> None:
        """Count one event of a message stream."""

    def surprise(self, call: str, kind: str) -> None:
        """Count one answer of a shape that the contract does not know."""

    def tls_failure(self) -> None:
        """Count one connection that failed at its TLS handshake."""


@redacted_repr("call")
class BackendRequest(msgspec.Struct, frozen=True):
    """One request. `read_timeout_s`: the longest silence, where the usual one is not right."""

    call: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes | AsyncIterator[bytes] | None = None
    read_timeout_s: float | None = None
    #: whose job makes the call; empty where it is nobody's
    job_id: str = ""


class Redirected(Exception):  # noqa: N818 - says what happened
    """The file is elsewhere: at `url`, of whatever host. That is an answer, of HTTP's `status`.

    `by_http`: everybody is led there, not only who reads JSON.
    """

    def __init__(self, url: str, status: int, *, by_http: bool = True) -> None:
        self.url = url
        self.status = status
        self.by_http = by_http
        super().__init__("redirected")


@redacted_repr("method", "status")
class RecordedAnswer(msgspec.Struct, frozen=True):
    """An answer as it came, for whoever wants to see its shape. `headers` are named in lower case."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes


class Transport:
    """Sends requests. Close it with `aclose`."""

    def __init__(
        self,
        base_url: str,
        *,
        metrics: CallMetrics,
        connect_timeout_s: float,
        answer_timeout_s: float,
        first_pause_s: float,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._base = httpx.URL(self._base_url)
        self._metrics = metrics
        self._breaker = BackendBreaker(first_pause_s=first_pause_s)
        self._connect_timeout_s = connect_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._connections = BackendConnections()
        self._headers = {"Accept": "*/*", "User-Agent": user_agent()}
        self._note: Callable[[RecordedAnswer], None] | None = None

    def leaves_alone(self, call: str) -> bool:
        """Whether calls of a kind, or those of all kinds (``connections``), are held back now."""
        return self._breaker.is_open(call)

    def close(self) -> None:
        """End all connections that nobody uses."""
        self._connections.close()

    def record_answers(self, note: Callable[[RecordedAnswer], None]) -> None:
        """Hand each answer to `note`, read to its end, before anybody else reads it. For diagnosis: streams stand still."""
        self._note = note

    async def answer(self, request: BackendRequest, read: Callable[[dict[str, Any]], T]) -> T:
        """Send, and `read` the answer out of its envelope. Raises BackendFault."""
        with self._counted(request):
            response = await self._send(request, "plain")
            async with aclosing(response), aclosing(_chunks(request.call, response)) as chunks:
                body = await _whole_body(request.call, response, chunks, within_s=self._silence_s(request))
            _raise_for_refusal(request.call, response, body)
            try:
                return read(open_envelope(body))
            except UnreadableAnswer as error:
                kind = error.kind if body else Surprise.EMPTY
                told = isinstance(error, NothingTold) and (body or response.status_code == httpx.codes.NO_CONTENT)
                fault = Fault.NOTHING_TOLD if told else Fault.BROKEN
                raise _unreadable(request.call, response, str(error), kind, fault=fault) from None

    @asynccontextmanager
    async def stream(
        self, request: BackendRequest, connections: Connections
    ) -> AsyncIterator[tuple[int | None, AsyncIterator[bytes]]]:
        """Send, and hand out the answer's bytes as they come, with their number where it is known.

        Raises BackendFault, also while the bytes are read, and Redirected for a file. JSON is a refusal: a stream or a
        file was asked for. A file that is only called JSON, or a part where it is the whole, is a file.
        """
        async with AsyncExitStack() as held:
            with self._counted(request):
                response = await self._send(request, connections)
                held.push_async_callback(response.aclose)
                _raise_for_redirect(request.call, response, at=self._url(request, connections))
                chunks = await held.enter_async_context(aclosing(_chunks(request.call, response)))
                head = await _require_bytes(
                    request.call,
                    response,
                    chunks,
                    within_s=self._silence_s(request),
                    at=self._url(request, connections),
                )
                if request.call not in _FILE_CALLS:
                    stream = _unless_json(request.call, response, chunks, within_s=self._silence_s(request))
                    chunks = await held.enter_async_context(aclosing(stream))
                    # a refusal that comes as JSON is this call's end
                    head = await anext(chunks, b"") if _is_json(response) else b""
            yield _size_bytes(response), await held.enter_async_context(aclosing(_behind(head, chunks)))

    async def _send(self, request: BackendRequest, connections: Connections) -> httpx.Response:
        with network_faults(request.call):
            url, target = self._place(request, connections)
            outgoing = self._outgoing(request, url.netloc.decode("ascii"), target)
            response = await self._connections.send(outgoing, origin_of(url), fresh=connections != "plain")
            if self._note:
                self._note(await _recorded(request.method, target, response))
            return response

    def _place(self, request: BackendRequest, connections: Connections) -> tuple[httpx.URL, str]:
        """Find whom to ask, and for what: a parsed URL costs as much as the rest of a request, so that is parsed once."""
        if connections == "bare":
            url = httpx.URL(request.target)
            return url, url.raw_path.decode("ascii")
        return self._base, self._base.raw_path.decode("ascii").rstrip("/") + request.target

    def _url(self, request: BackendRequest, connections: Connections) -> str:
        return request.target if connections == "bare" else self._base_url + request.target

    def _outgoing(self, request: BackendRequest, host: str, target: str) -> Outgoing:
        body = b"" if request.body is None else request.body
        length = {"Content-Length": str(len(body))} if isinstance(body, bytes) and request.method != "GET" else {}
        times = Timeouts(self._connect_timeout_s, self._answer_timeout_s, self._silence_s(request))
        headers = {"Host": host} | self._headers | request.headers | length
        may_repeat = isinstance(body, bytes) and request.call not in _ASKED_ONCE
        return Outgoing(request.method, target, headers, body, times, request.call if may_repeat else None)

    def _silence_s(self, request: BackendRequest) -> float:
        return request.read_timeout_s or self._answer_timeout_s

    @contextmanager
    def _counted(self, request: BackendRequest) -> Iterator[None]:
        call, started_s = request.call, stopwatch_s()
        self._breaker.enter(call, now_s=started_s)
        try:
            yield
        except BackendFault as fault:
            told = None if _is_about_file(fault) else fault.fault
            self._breaker.leave(call, told, job_id=request.job_id, now_s=stopwatch_s())
            self._count(call, fault.label, started_s)
            if fault.surprise:
                self._metrics.surprise(call, fault.surprise)
            if fault.tls:
                self._metrics.tls_failure()
            raise
        except Redirected as elsewhere:
            self._note_answer(request, elsewhere.status, started_s)
            raise
        except BaseException:
            self._breaker.withdraw(call)
            self._count(call, "cut", started_s)
            raise
        self._note_answer(request, httpx.codes.OK, started_s)

    def _note_answer(self, request: BackendRequest, status: int, started_s: float) -> None:
        self._breaker.leave(request.call, None, job_id=request.job_id, now_s=stopwatch_s())
        self._count(request.call, str(int(status)), started_s)

    def _count(self, call: str, code: str, started_s: float) -> None:
        self._metrics.request(call, code, stopwatch_s() - started_s)


@contextmanager
def network_faults(call: str) -> Iterator[None]:
    """Turn a failing connection into a fault; its words and its URL are left out."""
    try:
        yield
    except _NEVER_SENT as error:
        tls = is_tls_failure(error)
        raise BackendFault(Fault.UNREACHABLE, call=call, detail=type(error).__name__, tls=tls) from None
    except _MALFORMED as error:
        raise BackendFault(Fault.REFUSED, call=call, detail=type(error).__name__) from None
    except httpx.HTTPError as error:
        raise BackendFault(Fault.BROKEN, call=call, detail=type(error).__name__) from None


async def _recorded(method: str, target: str, response: httpx.Response) -> RecordedAnswer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    path = unquote(urlsplit(target).path)
    return RecordedAnswer(method, path, response.status_code, headers, await response.aread())


async def _chunks(call: str, response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes())) as chunks:
        while True:
            with network_faults(call):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk


async def _behind(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Give bytes that were read already, and then those that follow."""
    if head:
        yield head
    async for chunk in chunks:
        yield chunk


async def _unless_json(
    call: str, response: httpx.Response, chunks: AsyncIterator[bytes], *, within_s: float
) -> AsyncGenerator[bytes, None]:
    """Pass a stream on, also one that came as JSON. Raises what else JSON says: no line of a stream begins with a bracket."""
    first = await _first_words(chunks)
    if not first.lstrip(_BLANKS).startswith((b"{", b"[")) and (first or not _is_json(response)):
        async for chunk in _behind(first, chunks):
            yield chunk
        return
    body = await _whole_body(call, response, chunks, within_s=within_s, head=first)
    _raise_for_refusal(call, response, body)
    events = as_stream(body)
    if not events:
        raise _unreadable(call, response, "the answer is not what was asked for", Surprise.NO_STREAM)
    yield events


async def _first_words(chunks: AsyncIterator[bytes]) -> bytes:
    """Read until more than blank lines or a byte order mark has come."""
    head = b""
    async for chunk in chunks:
        head += chunk
        if head.lstrip(_BLANKS) or len(head) > _TELLING_BYTES:
            break
    return head


async def _whole_body(
    call: str, response: httpx.Response, chunks: AsyncIterator[bytes], *, within_s: float, head: bytes = b""
) -> bytes:
    """Read a body to its end. It has as long in all as one silence may be: who drips keeps nobody for ever."""
    body = bytearray(head)
    async with _ending_in_time(call, response, within_s=within_s):
        async for chunk in chunks:
            body += chunk
            if len(body) > _LARGEST_ANSWER_BYTES:
                raise _unreadable(call, response, "the answer is too large", Surprise.NO_OBJECT)
    return bytes(body)


async def _head(call: str, response: httpx.Response, chunks: AsyncIterator[bytes], *, within_s: float) -> bytes:
    """Read as many bytes as tell what a file is, fewer where it ends before."""
    head = bytearray()
    async with _ending_in_time(call, response, within_s=within_s):
        while len(head) < _TELLING_BYTES and (chunk := await anext(chunks, None)):
            head += chunk
    return bytes(head)


@asynccontextmanager
async def _ending_in_time(call: str, response: httpx.Response, *, within_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError:
        raise BackendFault(
            Fault.BROKEN, call=call, status=response.status_code, detail="it did not end in time"
        ) from None


def _raise_for_redirect(call: str, response: httpx.Response, *, at: str) -> None:
    """Say where a file is that is not at this URL."""
    if call in _FILE_CALLS and response.has_redirect_location:
        raise _led_on(call, response, response.headers["location"], at=at)


def _led_on(call: str, response: httpx.Response, link: str, *, at: str, by_http: bool = True) -> Exception:
    """Make what says that a file is where a link leads: Redirected, or a fault where it leads nowhere."""
    try:
        return Redirected(urljoin(at, link), response.status_code, by_http=by_http)
    except ValueError:
        return _unreadable(call, response, "the answer leads nowhere", Surprise.NO_STREAM)


async def _require_bytes(
    call: str, response: httpx.Response, chunks: AsyncIterator[bytes], *, within_s: float, at: str
) -> bytes:
    """Raise what an answer says that is no stream and no file. Returns what of it had to be read to tell.

    `at`: the address that was asked, from which a link leads on.
    """
    if _may_be_asked_for(call, response):
        return b""
    head = b""
    if call in _FILE_CALLS and may_be_whole(response.status_code, response.headers):
        head = await _head(call, response, chunks, within_s=within_s)
        if format_of_content(head):
            return head
    body = await _whole_body(call, response, chunks, within_s=within_s, head=head)
    _raise_for_refusal(call, response, body)
    if call in _FILE_CALLS and (link := link_to_film(body)):
        raise _led_on(call, response, link, at=at, by_http=False)
    raise _unreadable(call, response, "the answer is not what was asked for", Surprise.NO_STREAM)


def _may_be_asked_for(call: str, response: httpx.Response) -> bool:
    """Whether it is a file as far as its head tells, or may be a stream, of which the first bytes tell."""
    if response.status_code == httpx.codes.OK:
        return call not in _FILE_CALLS or not _is_json(response)
    is_stream = "event-stream" in response.headers.get("content-type", "").lower()
    return call not in _FILE_CALLS and response.is_success and is_stream


def _is_json(response: httpx.Response) -> bool:
    return "json" in response.headers.get("content-type", "").lower()


def _is_about_file(fault: BackendFault) -> bool:
    """Tell a storage's page that refuses one file from trouble of the backend's: nobody else is held up by it."""
    answered = fault.status is not None and fault.status < httpx.codes.INTERNAL_SERVER_ERROR
    return answered and fault.fault is Fault.BROKEN and fault.call in _FILE_CALLS


def _raise_for_refusal(call: str, response: httpx.Response, body: bytes) -> None:
    fault = fault_of(call, response.status_code, body, response.headers)
    if fault:
        raise fault


def _unreadable(
    call: str, response: httpx.Response, detail: str, surprise: Surprise, *, fault: Fault = Fault.BROKEN
) -> BackendFault:
    return BackendFault(fault, call=call, status=response.status_code, detail=detail, surprise=surprise)


def _size_bytes(response: httpx.Response) -> int | None:
    """Read a file's length, unless it is that of other bytes than those that come (RFC 9112, 6.3)."""
    length = response.headers.get("content-length", "")
    of_others = response.headers.keys() & {"content-encoding", "transfer-encoding"}
    return int(length) if length.isdigit() and not of_others else None
