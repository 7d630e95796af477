"""A backend and a receiver of the bench's own, in its own process: they answer at once and note when each call came.

What a job's message and render do is chosen by its trace id, which the gateway hands on to the backend: so nothing has
to be read from prompts, and each call is known by its job. Sessions carry the trace id as their name.
"""

import asyncio
import json
import struct
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle
from time import perf_counter, time
from typing import Any, NamedTuple, cast
from uuid import uuid4

#: what the trace ids begin with, by what shall happen
PLAIN, HOLD_STREAM, HOLD_RENDER = "01", "02", "03"

_HEARTBEAT_S = 5.0
#: streams keep times of their own: in one moment one of so many says something
_PHASES = 50


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _film() -> bytes:
    """Write the boxes of a film of four seconds, without its pictures."""
    header = _box(b"mvhd", bytes(12), struct.pack(">II", 1000, 4000), bytes(80))
    size = _box(b"tkhd", bytes(76), struct.pack(">II", 640 << 16, 360 << 16))
    samples = _box(b"stbl", _box(b"stsz", struct.pack(">III", 0, 0, 100)))
    media = _box(b"mdia", _box(b"hdlr", bytes(8), b"vide", bytes(13)), _box(b"minf", samples))
    return (
        _box(b"ftyp", b"isom", bytes(4)) + _box(b"moov", header, _box(b"trak", size, media)) + _box(b"mdat", bytes(500))
    )


_FILE = _film()
#: credits that the account began with, and that an edit takes
_BALANCE, _EDIT_COSTS = 10**9, 50
_VIDEO = {"id": "v1", "tt": 0, "sg": [{"id": "s1", "st": 0, "d": 4000, "src": "cdn://clip", "m": {"name": "clip"}}]}
_TITLE = {"id": "t1", "tt": 7, "sg": [{"id": "s2", "st": 0, "d": 3000, "m": {"text": "Bench"}}]}


def new_trace(kind: str) -> str:
    """Make the trace id of a job that shall behave so."""
    return kind + uuid4().hex[2:]


def traceparent(trace: str) -> str:
    return f"00-{trace}-{trace[:16]}-01"


class Call(NamedTuple):
    """A request as it came, so that somebody else can make the same."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


class CalledBack(NamedTuple):
    """One callback: when its event happened and when it came, by `perf_counter`."""

    happened_s: float
    came_s: float


@dataclass
class Stub:
    """What came, by trace id and job id. `streams`: those held open now."""

    url: str = ""
    first_s: dict[str, float] = field(default_factory=dict)
    calls: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    #: when the job's latest call came
    latest_s: dict[str, float] = field(default_factory=dict)
    called_back_s: dict[str, float] = field(default_factory=dict)
    callbacks: list[CalledBack] = field(default_factory=list)
    #: looks at a render, of all jobs
    looks: int = 0
    #: every request that comes, in order, as long as there is a list here
    tape: list[Call] | None = None
    edited: set[str] = field(default_factory=set)
    streams: set["_Connection"] = field(default_factory=set)
    #: jobs whose render has begun
    rendering: set[str] = field(default_factory=set)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, what: Any, *, within_s: float) -> bool:
        """Wait until `what()` is true, looking whenever something came. False: it took too long."""
        try:
            async with asyncio.timeout(within_s):
                while not what():
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            return False
        return True

    def note(self, trace: str, call: str) -> None:
        now_s = perf_counter()
        self.first_s.setdefault(trace, now_s)
        self.latest_s[trace] = now_s
        self.calls[trace].append(call)
        self.news.set()

    def answer(self, method: str, path: str, trace: str, body: bytes) -> Any:
        """Give the JSON of a call, or the bytes of a file."""
        call = path.split("/")[2] if path.startswith("/api/") else path
        if path == "/hook":
            return self._called_back(body)
        if path == "/file":
            return _FILE
        self.note(trace, call)
        match path.split("/")[2:]:
            case ["tasks", *_]:
                return {"code": 0, "data": {"task_id": trace, "session_id": trace, "user_id": "u"}}
            case ["auth", "claim-token"]:
                return {"code": 0, "data": {"claim_token": f"clm_{trace}", "expires_in": 604800}}
            case ["upload-video", *_]:
                return {"code": 0, "data": {"files": [{"filename": "clip.mp4", "file_type": "video"}]}}
            case ["credits", *_]:
                left = _BALANCE - _EDIT_COSTS * len(self.edited)
                return {"code": 0, "data": {"available": left, "frozen": 0, "total": left}}
            case ["state", *_]:
                return {"code": 0, "data": {"state": {"draft": self._draft(trace), "video_infos": [{}]}}}
            case ["render", "proxy", "lambda"]:
                self.rendering.add(trace)
                return {"success": True, "data": {"id": "r", "status": "pending", "progress": 5}}
            case ["render", "proxy", "lambda", render_id]:
                return self._render(trace, render_id)
        return {"code": 404}

    def _draft(self, trace: str) -> dict[str, Any]:
        return {"t": [_VIDEO, _TITLE] if trace in self.edited else [_VIDEO]}

    def _render(self, trace: str, render_id: str) -> dict[str, Any]:
        self.looks += 1
        if trace.startswith(HOLD_RENDER):
            return {"taskId": render_id, "status": "processing", "progress": 10}
        output = {"url": f"{self.url}/file", "duration": 4.0, "size": len(_FILE)}
        return {"taskId": render_id, "status": "completed", "progress": 100, "output": output}

    def _called_back(self, body: bytes) -> dict[str, Any]:
        told, came_s = json.loads(body), perf_counter()
        happened_s = came_s - (time() - datetime.fromisoformat(told["timestamp"]).timestamp())
        self.callbacks.append(CalledBack(happened_s, came_s))
        self.called_back_s[told["data"]["job"]["id"]] = came_s
        self.news.set()
        return {}

    def hear(self, connection: "_Connection", trace: str) -> None:
        """Take a message in: the edit is there at once; the stream ends, or is held open."""
        self.note(trace, "message")
        self.edited.add(trace)
        connection.begin_stream()
        connection.say({"type": "text", "content": "I added the title."})
        if trace.startswith(HOLD_STREAM):
            self.streams.add(connection)
        else:
            connection.end_stream()

    async def beat(self) -> None:
        """Keep the held streams alive, for ever."""
        for phase in cycle(range(_PHASES)):
            await asyncio.sleep(_HEARTBEAT_S / _PHASES)
            for connection in list(self.streams)[phase::_PHASES]:
                connection.say({"type": "heartbeat"})


class _Connection(asyncio.Protocol):
    """As much of an HTTP server as the gateway's client needs: whole requests, kept connections, chunked streams."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class

    def connection_lost(self, exc: Exception | None) -> None:
        self._stub.streams.discard(self)
        self._stub.news.set()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, gap, rest = self._got.partition(b"\r\n\r\n")
        if not gap:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) >= length:
            self._got = rest[length:]
            method, path, _ = first.split(" ")
            trace = headers.get("traceparent", "--").split("-")[1]
            if self._stub.tape is not None:
                self._stub.tape.append(Call(method, path, headers, rest[:length].decode()))
            self._serve(method, path, trace, rest[:length])

    def _serve(self, method: str, path: str, trace: str, body: bytes) -> None:
        if path == "/run_sse":
            self._stub.hear(self, trace)
            return
        answer = self._stub.answer(method, path, trace, body)
        kind, raw = (
            ("video/mp4", answer) if isinstance(answer, bytes) else ("application/json", json.dumps(answer).encode())
        )
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n\r\n"
        self._transport.write(head.encode() + raw)

    def begin_stream(self) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

    def say(self, event: dict[str, Any]) -> None:
        frame = f"data: {json.dumps(event)}\n\n".encode()
        self._transport.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")

    def end_stream(self) -> None:
        self._transport.write(b"0\r\n\r\n")


async def serve(stub: Stub) -> tuple[asyncio.Server, asyncio.Task[None]]:
    """Listen on a free port of loopback."""
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(stub), "127.0.0.1", 0, backlog=4096)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    return server, asyncio.create_task(stub.beat())
