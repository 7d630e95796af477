"""Callers who go on while APIs are restarted, and write down every call that did not end as it should."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import uuid4

import httpx

from tests.repeating import is_redis_slow

ASK = {"prompt": "trim the first 2 seconds", "media": [{"url": "https://media.example.com/clip.mp4"}]}
MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 20_000


@dataclass
class Record:
    """What was called, and what went wrong. `over`: nobody begins anything any more."""

    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, http: httpx.AsyncClient, want: int, method: str, path: str, **said: object) -> httpx.Response:
        """Make one call and note what came of it; it is made again only where the API says that Redis is slow.

        A Redis that a busy machine gives no time has nothing to do with who is restarted. `content` may be what makes it.
        """
        name = f"{method} {path.partition('?')[0].partition('/job_')[0]}"
        sent = {field: value() if callable(value) else value for field, value in said.items()}
        try:
            answer = await http.request(method, path, **sent)  # type: ignore[arg-type]
        except httpx.TransportError as broken:
            self.failures.append(f"{name}: {broken!r}")
            raise
        if is_redis_slow(answer):
            await asyncio.sleep(int(answer.headers["retry-after"]))
            return await self.call(http, want, method, path, **said)
        if answer.status_code != want:
            self.failures.append(f"{name}: {answer.status_code} {answer.text[:100]}")
        self.done[name] += 1
        return answer


async def call_on(record: Record, http: httpx.AsyncClient) -> list[str]:
    """Submit, read and upload, again and again until it is over; give the ids of the jobs that were accepted."""
    ids = []
    while not record.over.is_set():
        headers = {"Idempotency-Key": uuid4().hex}
        answer = await record.call(http, 202, "POST", "/v1/jobs", json=ASK, headers=headers)
        assert answer.status_code == HTTPStatus.ACCEPTED, f"{answer.status_code} {answer.text}"
        job = answer.json()
        ids.append(job["id"])
        await record.call(http, 200, "GET", f"/v1/jobs/{job['id']}")
        await record.call(http, 201, "POST", "/v1/uploads?filename=a.mp4", content=MP4)
    return ids


async def upload_slowly(
    record: Record, http: httpx.AsyncClient, go_on: asyncio.Event, begun: Callable[[], None]
) -> None:
    """Send half of a file, and the other half once `go_on` is set."""

    async def halves() -> AsyncIterator[bytes]:
        yield MP4[:10_000]
        begun()
        await go_on.wait()
        yield MP4[10_000:]

    answer = await record.call(http, 201, "POST", "/v1/uploads?filename=slow.mp4", content=halves)
    assert answer.json()["size_bytes"] == len(MP4)


class Reader:
    """Follows one job as an EventSource does: whenever the stream ends it comes back with the last id that it has."""

    def __init__(self, record: Record, http: httpx.AsyncClient, job_id: str) -> None:
        self._record = record
        self._http = http
        self._path = f"/v1/jobs/{job_id}/events"
        #: the numbers that the events of progress told, and how often it began
        self.numbers: list[int] = []
        self.began = 0
        self.snapshots = 0
        self._last_id: str | None = None
        self.listens = asyncio.Event()

    async def follow(self) -> None:
        """Read until the job's end."""
        while not await self._read_once():
            pass

    async def _read_once(self) -> bool:
        """Read one stream to its end; whether the job's end was in it."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self._last_id} if self._last_id else {})
        self.began += 1
        try:
            async with self._http.stream("GET", self._path, headers=headers) as answer:
                if answer.status_code != HTTPStatus.OK:
                    await answer.aread()
                    if is_redis_slow(answer):
                        await asyncio.sleep(int(answer.headers["retry-after"]))
                        return False
                    self._record.failures.append(f"events: {answer.status_code}")
                return await self._read(answer)
        except httpx.TransportError as broken:
            self._record.failures.append(f"events: {broken!r}")
            return False

    async def _read(self, answer: httpx.Response) -> bool:
        kind, event_id, data = "", None, ""
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "id":
                event_id = value
            elif name == "data":
                data = value
            elif not line and kind:
                self._hear(kind, event_id, data)
                if kind == "job.succeeded":
                    return True
                kind, event_id = "", None
        return False

    def _hear(self, kind: str, event_id: str | None, data: str) -> None:
        self._last_id = event_id or self._last_id
        self.listens.set()
        self.snapshots += kind == "snapshot"
        if kind == "job.progress":
            self.numbers.append(int(json.loads(data)["data"]["job"]["progress"]["message"]))
