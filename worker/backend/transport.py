"""HTTP transport to the backend: connections, limits, and every failure as a `BackendFault`; not what a call means.

Called by `client` alone, and the only module here that knows httpx. Redirects are not followed and the environment's
proxies are not used. A message's connection is never one that was used before: on a fresh one "could not connect" is
certain to mean that nothing was sent.
"""

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import urljoin

import httpx
import msgspec

from core.clock import stopwatch_s
from core.http.user_agent import user_agent
from core.redacted_repr import redacted_repr
from worker.backend.breaker import BackendBreaker
from worker.backend.faults import BackendFault, Fault, fault_of
from worker.backend.responses import Unreadable, open_envelope
from worker.backend.surprises import Surprise

_LARGEST_ANSWER_BYTES = 32 * 1024 * 1024
#: for each request httpcore looks at every connection of its pool: many small pools cost less than one large one
_PLAIN_CLIENTS = 32
_KEPT_EACH = 2
#: a kept connection comes round again within this at three calls a second, and need not be made anew
_KEPT_S = 15.0
#: calls that may lead on to another address
_FILE_CALLS = ("output", "download")
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
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
    """The file is elsewhere: at `url`, of whatever host."""

    def __init__(self, url: str) -> None:
        self.url = url
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
        stream_clients: int,
        first_pause_s: float,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._metrics = metrics
        self._breaker = BackendBreaker(first_pause_s=first_pause_s)
        self._connect_timeout_s = connect_timeout_s
        self._answer_timeout_s = answer_timeout_s
        trust = httpx.create_ssl_context(trust_env=False)
        self._clients = [
            httpx.AsyncClient(
                headers={"User-Agent": user_agent()},
                verify=trust,
                trust_env=False,
                follow_redirects=False,
                limits=_limits(keep=keep),
            )
            for keep in (*[_KEPT_EACH] * _PLAIN_CLIENTS, *[0] * stream_clients)
        ]
        self._plain = itertools.cycle(self._clients[:_PLAIN_CLIENTS])
        self._streams = itertools.cycle(self._clients[_PLAIN_CLIENTS:])

    async def aclose(self) -> None:
        """End all connections."""
        for client in self._clients:
            await client.aclose()

    def record_answers(self, note: Callable[[RecordedAnswer], None]) -> None:
        """Hand each answer to `note`, read to its end, before anybody else reads it. For diagnosis: streams stand still."""

        async def record(response: httpx.Response) -> None:
            request, body = response.request, await response.aread()
            headers = {name.lower(): value for name, value in response.headers.items()}
            note(RecordedAnswer(request.method, request.url.path, response.status_code, headers, body))

        for client in self._clients:
            client.event_hooks = {"response": [record]}

    async def answer(self, request: BackendRequest, read: Callable[[dict[str, Any]], T]) -> T:
        """Send, and `read` the answer out of its envelope. Raises BackendFault."""
        with self._counted(request):
            response = await self._send(request, "plain")
            async with aclosing(response):
                body = await _whole_body(request.call, response)
            _raise_for_refusal(request.call, response, body)
            try:
                return read(open_envelope(body))
            except Unreadable as error:
                kind = error.kind if body else Surprise.EMPTY
                raise _unreadable(request.call, response, str(error), kind) from None

    @asynccontextmanager
    async def stream(
        self, request: BackendRequest, connections: Connections
    ) -> AsyncIterator[tuple[int | None, AsyncIterator[bytes]]]:
        """Send, and hand out the answer's bytes as they come, with their number where it is known.

        Raises BackendFault, also while the bytes are read, and Redirected for a file. JSON is a refusal: a stream or a
        file was asked for.
        """
        async with AsyncExitStack() as held:
            with self._counted(request):
                response = await self._send(request, connections)
                held.push_async_callback(response.aclose)
                await _require_bytes(request.call, response)
            yield _size_bytes(response), await held.enter_async_context(aclosing(_chunks(request.call, response)))

    async def _send(self, request: BackendRequest, connections: Connections) -> httpx.Response:
        client = next(self._plain if connections == "plain" else self._streams)
        url = request.target if connections == "bare" else self._base_url + request.target
        silence_s = request.read_timeout_s or self._answer_timeout_s
        timeout = httpx.Timeout(self._answer_timeout_s, connect=self._connect_timeout_s, read=silence_s)
        with network_faults(request.call):
            built = client.build_request(
                request.method, url, headers=request.headers, content=request.body, timeout=timeout
            )
            return await client.send(built, stream=True)

    @contextmanager
    def _counted(self, request: BackendRequest) -> Iterator[None]:
        call, started_s = request.call, stopwatch_s()
        self._breaker.enter(call, now_s=started_s)
        try:
            yield
        except BackendFault as fault:
            told = None if _is_about_file(fault) else fault.fault
            self._breaker.leave(call, told, job_id=request.job_id, now_s=stopwatch_s())
            self._count(call, str(fault.code or fault.status or fault.fault), started_s)
            if fault.surprise:
                self._metrics.surprise(call, fault.surprise)
            raise
        except BaseException:
            self._breaker.withdraw(call)
            self._count(call, "cut", started_s)
            raise
        self._breaker.leave(call, None, job_id=request.job_id, now_s=stopwatch_s())
        self._count(call, "200", started_s)

    def _count(self, call: str, code: str, started_s: float) -> None:
        self._metrics.request(call, code, stopwatch_s() - started_s)


@contextmanager
def network_faults(call: str) -> Iterator[None]:
    """Turn a failing connection into a fault; its words and its URL are left out."""
    try:
        yield
    except _NEVER_SENT as error:
        raise BackendFault(Fault.UNREACHABLE, call=call, detail=type(error).__name__) from None
    except _MALFORMED as error:
        raise BackendFault(Fault.REFUSED, call=call, detail=type(error).__name__) from None
    except httpx.HTTPError as error:
        raise BackendFault(Fault.BROKEN, call=call, detail=type(error).__name__) from None


def _limits(*, keep: int) -> httpx.Limits:
    return httpx.Limits(max_connections=None, max_keepalive_connections=keep, keepalive_expiry=_KEPT_S)


async def _chunks(call: str, response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes())) as chunks:
        while True:
            with network_faults(call):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk


async def _whole_body(call: str, response: httpx.Response) -> bytes:
    body = bytearray()
    async with aclosing(_chunks(call, response)) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > _LARGEST_ANSWER_BYTES:
                raise _unreadable(call, response, "the answer is too large", Surprise.NO_OBJECT)
    return bytes(body)


async def _require_bytes(call: str, response: httpx.Response) -> None:
    if call in _FILE_CALLS and response.has_redirect_location:
        raise Redirected(_target(call, response))
    if response.status_code == httpx.codes.OK and "json" not in response.headers.get("content-type", ""):
        return
    _raise_for_refusal(call, response, await _whole_body(call, response))
    raise _unreadable(call, response, "the answer is not what was asked for", Surprise.NO_STREAM)


def _is_about_file(fault: BackendFault) -> bool:
    """Tell a storage's page that refuses one file from trouble of the backend's: nobody else is held up by it."""
    answered = fault.status is not None and fault.status < httpx.codes.INTERNAL_SERVER_ERROR
    return answered and fault.fault is Fault.BROKEN and fault.call in _FILE_CALLS


def _target(call: str, response: httpx.Response) -> str:
    try:
        return urljoin(str(response.url), response.headers["location"])
    except ValueError:
        raise _unreadable(call, response, "the answer leads nowhere", Surprise.NO_STREAM) from None


def _raise_for_refusal(call: str, response: httpx.Response, body: bytes) -> None:
    fault = fault_of(call, response.status_code, body, response.headers)
    if fault:
        raise fault


def _unreadable(call: str, response: httpx.Response, detail: str, surprise: Surprise) -> BackendFault:
    return BackendFault(Fault.BROKEN, call=call, status=response.status_code, detail=detail, surprise=surprise)


def _size_bytes(response: httpx.Response) -> int | None:
    length = response.headers.get("content-length", "")
    return int(length) if length.isdigit() and "content-encoding" not in response.headers else None
