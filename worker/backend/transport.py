"""HTTP transport to the backend: connections, limits, and every failure as a `BackendFault`; not what a call means.

Called by `client` alone. A message's connection is never one that was used before (`connections`).
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from typing import Any, Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

import httpx
import msgspec

from core.clock import stopwatch_s
from core.http.user_agent import user_agent
from core.security.redacted_repr import redacted_repr
from worker.backend.bodies import (
    FILE_CALLS,
    Redirected,
    behind,
    chunks_of,
    is_json,
    network_faults,
    not_asked_for,
    raise_for_redirect,
    raise_for_refusal,
    read_whole,
    require_bytes,
    size_bytes_of,
    unless_json,
)
from worker.backend.breaker import BackendBreaker
from worker.backend.connections import BackendConnections
from worker.backend.faults import BackendFault, Fault
from worker.backend.http11 import Outgoing, Timeouts
from worker.backend.responses import NothingTold, UnreadableAnswer, open_envelope
from worker.backend.surprises import Surprise
from worker.connections.idle import origin_of

#: calls that do something anew each time; a render has an id of ours, and a session that nobody uses is none
_ASKED_ONCE = ("anonymous_token", "upload", "message")

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
            async with aclosing(response), aclosing(chunks_of(request.call, response)) as chunks:
                body = await read_whole(request.call, response, chunks, within_s=self._silence_s(request))
            raise_for_refusal(request.call, response, body)
            try:
                return read(open_envelope(body))
            except UnreadableAnswer as error:
                kind = error.kind if body else Surprise.EMPTY
                told = isinstance(error, NothingTold) and (body or response.status_code == httpx.codes.NO_CONTENT)
                fault = Fault.NOTHING_TOLD if told else Fault.BROKEN
                raise not_asked_for(request.call, response, str(error), kind, fault=fault) from None

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
                raise_for_redirect(request.call, response, at=self._url(request, connections))
                chunks = await held.enter_async_context(aclosing(chunks_of(request.call, response)))
                head = await require_bytes(
                    request.call,
                    response,
                    chunks,
                    within_s=self._silence_s(request),
                    at=self._url(request, connections),
                )
                if request.call not in FILE_CALLS:
                    stream = unless_json(request.call, response, chunks, within_s=self._silence_s(request))
                    chunks = await held.enter_async_context(aclosing(stream))
                    # a refusal that comes as JSON is this call's end
                    head = await anext(chunks, b"") if is_json(response) else b""
            yield size_bytes_of(response), await held.enter_async_context(aclosing(behind(head, chunks)))

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


async def _recorded(method: str, target: str, response: httpx.Response) -> RecordedAnswer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    path = unquote(urlsplit(target).path)
    return RecordedAnswer(method, path, response.status_code, headers, await response.aread())


def _is_about_file(fault: BackendFault) -> bool:
    """Tell a storage's page that refuses one file from trouble of the backend's: nobody else is held up by it."""
    answered = fault.status is not None and fault.status < httpx.codes.INTERNAL_SERVER_ERROR
    return answered and fault.fault is Fault.BROKEN and fault.call in FILE_CALLS
