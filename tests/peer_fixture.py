"""A peer that answers requests with the bytes of a test, and remembers what it was sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager


class Peer:
    """Answers; `answer` may be changed in between. `but`: other answers, by how their addresses begin."""

    def __init__(self, answer: bytes, *, holds: bool) -> None:
        self.answer = answer
        self.but: Mapping[str, bytes] = {}
        self.holds = holds
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        #: set once it was sent a request
        self.asked = asyncio.Event()
        self.connections = 0
        self.url = ""
        self.over = asyncio.Event()
        self.closes = False
        self.tasks: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.append(asyncio.current_task())
        try:
            while True:
                await self._one(reader, writer)
                if self.holds:
                    await self.over.wait()
                if self.closes or b"Content-Length" not in self.answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((head[0], headers, body))
        self.asked.set()
        path = head[0].split()[1]
        writer.write(next((answer for start, answer in self.but.items() if path.startswith(start)), self.answer))
        await writer.drain()


@asynccontextmanager
async def peer(answer: bytes, *, holds: bool = False) -> AsyncIterator[Peer]:
    made = Peer(answer, holds=holds)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        made.over.set()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*filter(None, made.tasks))


def answered(body: object, status: str = "200 OK", *headers: str) -> bytes:
    data = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + data


def page(status: str, body: bytes = b"<html>Sorry</html>", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", "Content-Type: text/html", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body
