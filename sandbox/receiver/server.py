"""HTTP server of the receiver, written by hand, since some of its answers are ones that no HTTP server would send.

Reads one request per connection, keeps what comes to /hook…, answers it as `behaviours` says, and shows the inbox:

    POST   /hook…          a callback; / is short for /hook
    GET    /_received      the list; ?at_least=N&wait_s=S waits for it; ?id= &type= &job_id= &path= choose
    DELETE /_received      forgets it

Neither is for web pages.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from sandbox.local import is_from_web_page
from sandbox.receiver.behaviours import behave, respond
from sandbox.receiver.inbox import Inbox

MAX_BODY_BYTES = 1_000_000
_CHOICES = ("id", "type", "job_id", "path")


class Request(NamedTuple):
    """A request that was read to its end; header names are lower-case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def receiving(port: int, secrets: Sequence[str]) -> AsyncGenerator[str, None]:
    """Run the receiver on loopback while the block lasts; yields its address, ``http://127.0.0.1:49152``."""
    inbox = Inbox(secrets)
    server = await asyncio.start_server(lambda r, w: _connection(inbox, r, w), "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()  # not waited for: some connections hang on purpose


async def _connection(inbox: Inbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one request. A client that leaves early, or a server that stops, ends it quietly."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        try:
            await _serve(inbox, await _read(reader), writer)
        except (ValueError, asyncio.LimitOverrunError):
            await respond(writer, HTTPStatus.BAD_REQUEST)
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    """Read a request whose body has a Content-Length. Raises ValueError for what is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _version = head[0].split(" ")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= MAX_BODY_BYTES:
        raise ValueError("a body of this size is no callback")
    url = urlsplit(target)
    return Request(method, url.path, dict(parse_qsl(url.query)), headers, await reader.readexactly(length))


async def _serve(inbox: Inbox, request: Request, writer: asyncio.StreamWriter) -> None:
    path = "/hook" if request.path == "/" else request.path
    if path == "/_received":
        await _show(inbox, request, writer)
    elif request.method == "POST" and path.startswith("/hook"):
        received = await inbox.add(path, request.headers, request.body)
        await behave(writer, path, inbox.times_seen(path, received["id"]))
    else:
        await respond(writer, HTTPStatus.NOT_FOUND)


async def _show(inbox: Inbox, request: Request, writer: asyncio.StreamWriter) -> None:
    if is_from_web_page(request.headers):
        return await respond(writer, HTTPStatus.FORBIDDEN)
    if request.method == "DELETE":
        inbox.clear()
        return await respond(writer, HTTPStatus.NO_CONTENT)
    wanted = {field: value for field, value in request.query.items() if field in _CHOICES}
    listed = await inbox.matching(
        wanted, at_least=int(request.query.get("at_least", "0")), wait_s=float(request.query.get("wait_s", "0"))
    )
    return await respond(writer, HTTPStatus.OK, {"content-type": "application/json"}, json.dumps(listed).encode())
