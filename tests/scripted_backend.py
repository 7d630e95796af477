"""A backend that answers each call with what a test says, in its order, the last answer ever again.

For what neither sandbox nor dialects play. It serves two addresses of this machine; a test names answers by call.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OTHER_HOST = "127.0.0.2"
_CALLS = (
    ("claim", "POST", re.compile(r"/api/auth/claim-token")),
    ("session", "POST", re.compile(r"/api/tasks/me/with-session/nemo_agent")),
    ("upload", "POST", re.compile(r"/api/upload-video/nemo_agent/me/[^/]+")),
    ("credits", "GET", re.compile(r"/api/credits/balance/simple")),
    ("state", "GET", re.compile(r"/api/state/nemo_agent/me/[^/]+/latest")),
    ("render", "POST", re.compile(r"/api/render/proxy/lambda")),
    ("cancel", "POST", re.compile(r"/api/render/proxy/lambda/[^/]+/cancel")),
    ("status", "GET", re.compile(r"/api/render/proxy/lambda/[^/]+")),
    ("download", "GET", re.compile(r"/api/render/proxy/[^/]+/download")),
)


@dataclass(frozen=True)
class Asked:
    """One request, by the name of its call, or by its path where it is none of the backend's."""

    call: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def token(self) -> str | None:
        return self.headers.get("authorization")


@dataclass(frozen=True)
class Answer:
    """`length`: what is announced, where that is not the truth."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None

    def written(self) -> bytes:
        length = len(self.body) if self.length is None else self.length
        fields = {"Content-Type": self.content_type, "Content-Length": str(length), "Connection": "close"}
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in (fields | self.headers).items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def said(body: object, status: int = 200) -> Answer:
    return Answer(json.dumps(body).encode(), status)


def page(status: int = 200) -> Answer:
    return Answer(b"<!doctype html><title>no</title><p>cloudfront", status, "text/html")


def moved(url: str) -> Answer:
    return Answer(status=302, headers={"Location": url})


def film(content: bytes, content_type: str = "video/mp4", *, length: int | None = None) -> Answer:
    return Answer(content, content_type=content_type, length=length)


class ScriptedBackend:
    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self._scripts: dict[str, Iterator[Answer]] = {}
        #: what happens when a call's head has come, and its body has not
        self.meanwhile: dict[str, Callable[[], object]] = {}

    @property
    def other_url(self) -> str:
        return self.url.replace("127.0.0.1", OTHER_HOST)

    def says(self, call: str, *answers: Answer) -> None:
        """Answer a call so, or a path that is no call."""
        self._scripts[call] = _for_ever(answers)

    def calls(self, call: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.call == call]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _read(reader, self.meanwhile)
            self.asked.append(asked)
            script = self._scripts.get(asked.call)
            writer.write((next(script) if script else said({"code": 404, "message": "not found"}, 404)).written())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _for_ever(answers: tuple[Answer, ...]) -> Iterator[Answer]:
    yield from answers
    while True:
        yield answers[-1]


async def _read(reader: asyncio.StreamReader, meanwhile: dict[str, Callable[[], object]]) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    method, path, _ = first.split(" ")
    call = next((name for name, by, known in _CALLS if by == method and known.fullmatch(path)), path.partition("?")[0])
    meanwhile.get(call, dict)()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(call, path, headers, body)


@asynccontextmanager
async def scripted_backend() -> AsyncIterator[ScriptedBackend]:
    """Serve until the end of the block."""
    made = ScriptedBackend()
    first = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(made.serve, OTHER_HOST, port)
    made.url = f"http://127.0.0.1:{port}"
    try:
        yield made
    finally:
        for server in (first, second):
            server.close()
            await server.wait_closed()
