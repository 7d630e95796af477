"""Reads what a response brings: a whole answer, a stream's first words or a file's head; what was not asked for is a `BackendFault`.

Called by `transport`. It decides what of an answer is read before it is believed, and for how long; what a call means, and
how connections are made, it must not know.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import cast
from urllib.parse import urljoin

import httpx

from core.http.whole_file import may_be_whole
from core.media.sniff import format_of_content
from worker.backend.events import as_stream
from worker.backend.faults import BackendFault, Fault, fault_of
from worker.backend.responses import link_to_film
from worker.backend.surprises import Surprise
from worker.causes import is_tls_failure

_LARGEST_ANSWER_BYTES = 32 * 1024 * 1024
#: calls that may lead on to another address
FILE_CALLS = ("output", "download")
#: a film's kind is known by as many
_TELLING_BYTES = 4096
#: what may stand before the first word of an answer
_BLANKS = b" \t\r\n\xef\xbb\xbf"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout)
_MALFORMED = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeEncodeError)


class Redirected(Exception):  # noqa: N818 - says what happened
    """The file is elsewhere: at `url`, of whatever host. That is an answer, of HTTP's `status`.

    `by_http`: everybody is led there, not only who reads JSON.
    """

    def __init__(self, url: str, status: int, *, by_http: bool = True) -> None:
        self.url = url
        self.status = status
        self.by_http = by_http
        super().__init__("redirected")


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


async def chunks_of(call: str, response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes())) as chunks:
        while True:
            with network_faults(call):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk


async def behind(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Give bytes that were read already, and then those that follow."""
    if head:
        yield head
    async for chunk in chunks:
        yield chunk


async def unless_json(
    call: str, response: httpx.Response, chunks: AsyncIterator[bytes], *, within_s: float
) -> AsyncGenerator[bytes, None]:
    """Pass a stream on, also one that came as JSON. Raises what else JSON says: no line of a stream begins with a bracket."""
    first = await _first_words(chunks)
    if not first.lstrip(_BLANKS).startswith((b"{", b"[")) and (first or not is_json(response)):
        async for chunk in behind(first, chunks):
            yield chunk
        return
    body = await read_whole(call, response, chunks, within_s=within_s, head=first)
    raise_for_refusal(call, response, body)
    events = as_stream(body)
    if not events:
        raise not_asked_for(call, response, "the answer is not what was asked for", Surprise.NO_STREAM)
    yield events


async def _first_words(chunks: AsyncIterator[bytes]) -> bytes:
    """Read until more than blank lines or a byte order mark has come."""
    head = b""
    async for chunk in chunks:
        head += chunk
        if head.lstrip(_BLANKS) or len(head) > _TELLING_BYTES:
            break
    return head


async def read_whole(
    call: str, response: httpx.Response, chunks: AsyncIterator[bytes], *, within_s: float, head: bytes = b""
) -> bytes:
    """Read a body to its end. It has as long in all as one silence may be: who drips keeps nobody for ever."""
    body = bytearray(head)
    async with _ending_in_time(call, response, within_s=within_s):
        async for chunk in chunks:
            body += chunk
            if len(body) > _LARGEST_ANSWER_BYTES:
                raise not_asked_for(call, response, "the answer is too large", Surprise.NO_OBJECT)
    return bytes(body)


async def _read_head(call: str, response: httpx.Response, chunks: AsyncIterator[bytes], *, within_s: float) -> bytes:
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


def raise_for_redirect(call: str, response: httpx.Response, *, at: str) -> None:
    """Say where a file is that is not at this URL."""
    if call in FILE_CALLS and response.has_redirect_location:
        raise _led_on(call, response, response.headers["location"], at=at)


def _led_on(call: str, response: httpx.Response, link: str, *, at: str, by_http: bool = True) -> Exception:
    """Make what says that a file is where a link leads: Redirected, or a fault where it leads nowhere."""
    try:
        return Redirected(urljoin(at, link), response.status_code, by_http=by_http)
    except ValueError:
        return not_asked_for(call, response, "the answer leads nowhere", Surprise.NO_STREAM)


async def require_bytes(
    call: str, response: httpx.Response, chunks: AsyncIterator[bytes], *, within_s: float, at: str
) -> bytes:
    """Raise what an answer says that is no stream and no file. Returns what of it had to be read to tell.

    `at`: the address that was asked, from which a link leads on.
    """
    if _may_be_asked_for(call, response):
        return b""
    head = b""
    if call in FILE_CALLS and may_be_whole(response.status_code, response.headers):
        head = await _read_head(call, response, chunks, within_s=within_s)
        if format_of_content(head):
            return head
    body = await read_whole(call, response, chunks, within_s=within_s, head=head)
    raise_for_refusal(call, response, body)
    if call in FILE_CALLS and (link := link_to_film(body)):
        raise _led_on(call, response, link, at=at, by_http=False)
    raise not_asked_for(call, response, "the answer is not what was asked for", Surprise.NO_STREAM)


def _may_be_asked_for(call: str, response: httpx.Response) -> bool:
    """Whether it is a file as far as its head tells, or may be a stream, of which the first bytes tell."""
    if response.status_code == httpx.codes.OK:
        return call not in FILE_CALLS or not is_json(response)
    is_stream = "event-stream" in response.headers.get("content-type", "").lower()
    return call not in FILE_CALLS and response.is_success and is_stream


def is_json(response: httpx.Response) -> bool:
    return "json" in response.headers.get("content-type", "").lower()


def raise_for_refusal(call: str, response: httpx.Response, body: bytes) -> None:
    fault = fault_of(call, response.status_code, body, response.headers)
    if fault:
        raise fault


def not_asked_for(
    call: str, response: httpx.Response, detail: str, surprise: Surprise, *, fault: Fault = Fault.BROKEN
) -> BackendFault:
    return BackendFault(fault, call=call, status=response.status_code, detail=detail, surprise=surprise)


def size_bytes_of(response: httpx.Response) -> int | None:
    """Read a file's length, unless it is that of other bytes than those that come (RFC 9112, 6.3)."""
    length = response.headers.get("content-length", "")
    of_others = response.headers.keys() & {"content-encoding", "transfer-encoding"}
    return int(length) if length.isdigit() and not of_others else None
