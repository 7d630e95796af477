"""Downloads a media URL ourselves, for when the backend cannot: redirects by hand, a size cap, a name for the file.

The upload step calls it with the guarded client of `worker.outbound.client`, so each hop is judged like a first request.
What goes wrong becomes `Permanent` with a code that the caller of the job can read; the URL is never part of it.
This module must not know where the bytes go.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urljoin

import httpx
import msgspec

from core.clock import stopwatch_s
from core.errors import Code, Permanent
from core.http.whole_file import may_be_whole
from core.media.file_names import first_name, name_of_disposition, name_of_url
from core.metrics import TLS_FAILURES
from core.security.redacted_repr import redacted_repr
from worker.causes import is_tls_failure
from worker.outbound.client import ForbiddenTarget, OutboundClient
from worker.outbound.loop_lag import LagWatch

MAX_REDIRECTS = 5
_AS_IT_IS = {"accept-encoding": "identity"}
#: what packs a file (RFC 9110, 8.4.1, and IANA's list)
_CODINGS = frozenset(
    {"gzip", "x-gzip", "compress", "x-compress", "deflate", "br", "zstd", "dcb", "dcz", "exi", "pack200-gzip"}
)
#: a server that answers so, or with any 5xx, says nothing of the file
_AWAY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
#: What a small file may come wrapped in; a large one in as much as itself.
_FRAMING_BYTES = 64_000
#: A length with more digits is none.
_MOST_DIGITS = 18
#: A server that sends nothing for this long has stopped.
IDLE = httpx.Timeout(30.0, connect=10.0)


class FetchLimits(NamedTuple):
    """How long a server may let us wait; our own time with the bytes, and our lateness, are not counted."""

    #: all redirects and the head of the answer
    open_s: float = 60.0
    #: the whole body
    body_s: float = 900.0
    #: past the first seconds the average may not be slower
    first_s: float = 20.0
    slowest_bytes_per_s: int = 16_000

    def allowed_s(self, seen_bytes: int) -> float:
        """How long we may have waited in all, once so many bytes of the body came."""
        return min(self.body_s, self.first_s + seen_bytes / self.slowest_bytes_per_s)


LIMITS = FetchLimits()
#: of a film, which may be large, and whose job says how long it may take
FILM_LIMITS = FetchLimits(body_s=math.inf)


class MediaAway(Permanent):
    """The server has not refused the file, and may well give it later: it is broken, busy, too slow, or was not reached."""

    def __init__(self, detail: str) -> None:
        super().__init__(Code.MEDIA_UNREACHABLE, detail)


@redacted_repr("content_type", "size_bytes")
class Fetched(msgspec.Struct, frozen=True):
    """An open download. `size_bytes` is what the server announced, None if it did not; `chunks` can be read once."""

    filename: str
    content_type: str | None
    size_bytes: int | None
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def fetch_media(
    client: OutboundClient, url: str, *, max_bytes: int, tenant: str | None = None, limits: FetchLimits = LIMITS
) -> AsyncGenerator[Fetched, None]:
    """Open a download of `max_bytes` at most, once the tenant that named the URL has a place for it.

    `tenant` None: the backend named it, as a film's, which waits for nobody's media. Raises Permanent(media_unreachable or
    media_too_large). Caps are held while `chunks` are read, whatever was announced.
    """
    async with nullcontext() if tenant is None else client.media_places.hold(tenant):
        with _told_as_permanent():
            async with asyncio.timeout(limits.open_s):
                response = await _follow(client, url, most_bytes=2 * max_bytes + _FRAMING_BYTES)
        try:
            yield _open_download(response, url, max_bytes, limits)
        finally:
            await response.aclose()


async def _follow(client: OutboundClient, url: str, *, most_bytes: int) -> httpx.Response:
    """Go where redirects lead; the client judges each hop as it judged the first."""
    for _ in range(MAX_REDIRECTS + 1):
        request = client.build_request(
            "GET", url, headers=_AS_IT_IS, timeout=IDLE, extensions={"most_bytes": most_bytes}
        )
        response = await client.send(request, stream=True)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        url = urljoin(str(response.url), response.headers["location"])
    raise Permanent(Code.MEDIA_UNREACHABLE, "The media URL redirects too often.")


def _open_download(response: httpx.Response, asked_url: str, max_bytes: int, limits: FetchLimits) -> Fetched:
    if not may_be_whole(response.status_code, response.headers):
        raise _not_given(response.status_code)
    if _is_packed(response.headers.get("content-encoding", "")):
        raise Permanent(Code.MEDIA_UNREACHABLE, "The media server sends the file compressed, which was not asked for.")
    size_bytes = _announced_size_bytes(response)
    if size_bytes is not None and size_bytes > max_bytes:
        raise _too_large(max_bytes)
    return Fetched(
        filename=filename_of(response.headers.get("content-disposition", ""), asked_url, str(response.url)),
        content_type=response.headers.get("content-type"),
        size_bytes=size_bytes,
        chunks=_capped(response, max_bytes, limits),
    )


def _is_packed(codings: str) -> bool:
    """Tell a coding from what storages say of a file as it is: ``aws-chunked``, ``utf-8``, ``none``."""
    return any(coding.strip().lower() in _CODINGS for coding in codings.split(","))


def _not_given(status: int) -> Permanent:
    words = f"The media server answered {status}."
    is_away = status in _AWAY or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return MediaAway(words) if is_away else Permanent(Code.MEDIA_UNREACHABLE, words)


def filename_of(disposition: str, *urls: str) -> str:
    """Name a download: as the server says, else by the first URL whose path ends in a name with an extension."""
    return first_name(name_of_disposition(disposition), *map(name_of_url, urls))


async def _capped(response: httpx.Response, max_bytes: int, limits: FetchLimits) -> AsyncIterator[bytes]:
    seen_bytes, waited_s, pieces = 0, 0.0, response.aiter_raw()
    with _told_as_permanent():
        while True:
            began_s = stopwatch_s()
            with LagWatch() as lag:
                async with asyncio.timeout(limits.allowed_s(seen_bytes) - waited_s):
                    piece = await anext(pieces, None)
            waited_s += stopwatch_s() - began_s - lag.late_s
            if piece is None:
                return
            seen_bytes += len(piece)
            if seen_bytes > max_bytes:
                raise _too_large(max_bytes)
            yield piece


@contextmanager
def _told_as_permanent() -> Iterator[None]:
    """Turn transport faults into words; causes are dropped, since some of them spell out the URL."""
    try:
        yield
    except ForbiddenTarget as forbidden:
        raise Permanent(Code.MEDIA_UNREACHABLE, f"The media URL may not be fetched. {forbidden}") from None
    except (TimeoutError, httpx.TimeoutException):
        raise MediaAway("The media server took too long.") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as broken:  # a header may hold what a library fails at
        if is_tls_failure(broken):
            TLS_FAILURES.labels("media").inc()
        words = "The media server could not be reached, or broke off."
        is_away = isinstance(broken, httpx.TransportError)
        raise (MediaAway(words) if is_away else Permanent(Code.MEDIA_UNREACHABLE, words)) from None


def _announced_size_bytes(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _too_large(max_bytes: int) -> Permanent:
    return Permanent(Code.MEDIA_TOO_LARGE, f"A file may have {max_bytes:,} bytes at most.")
