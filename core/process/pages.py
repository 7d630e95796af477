"""Pages for operators at a port of their own: a worker's `/livez`, `/readyz` and `/metrics`, an API's `/metrics`.

They are answered by the event loop that does the work: a thread would answer for a loop that is stuck. Nobody else calls
here, so this reads a request line and no more.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from core.http.reason_phrase import reason_phrase
from core.metrics import exposition
from core.process.listener import take_port
from core.security.redacted_repr import redacted_repr

#: a request's head is no larger than this, and an exchange takes no longer
_HEAD_LIMIT_BYTES = 16_384
_EXCHANGE_S = 10.0
_JSON = "application/json"


@redacted_repr("status", "media_type")
class Page(NamedTuple):
    """What is answered."""

    status: int
    body: bytes
    media_type: str = _JSON


Pages = Mapping[str, Callable[[], Awaitable[Page]]]


async def metrics_page() -> Page:
    """Show this process's metrics."""
    return Page(200, *exposition())


@asynccontextmanager
async def serve_pages(pages: Pages, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve them until the block ends, and give the address. Port 0 picks a free one. Raises CannotListen."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_EXCHANGE_S):
                    await _exchange(pages, reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(answer, sock=take_port(host, port), limit=_HEAD_LIMIT_BYTES)
    try:
        where = f"[{host}]" if ":" in host else host
        yield f"http://{where}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _exchange(pages: Pages, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read one request and answer it."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    page = await _page_for(pages, method, rest.partition(" ")[0].partition("?")[0])
    fields = [
        f"HTTP/1.1 {page.status} {reason_phrase(page.status)}",
        f"Content-Type: {page.media_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    writer.write("\r\n".join([*fields, "", ""]).encode() + (b"" if method == "HEAD" else page.body))
    await writer.drain()


async def _page_for(pages: Pages, method: str, path: str) -> Page:
    if path not in pages:
        return Page(404, b'{"status":"not found"}')
    if method not in {"GET", "HEAD"}:
        return Page(405, b'{"status":"method not allowed"}')
    return await pages[path]()
