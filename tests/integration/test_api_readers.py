"""Readers of events in great numbers: two thousand on one process share one subscription, and slow ones cost nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.model import transitions
from core.model.job import Job
from core.store.redis.keys import EVENTS_CHANNEL
from service.jobs.event_stream import EventReader
from tests.api_fixture import ASK, Api, running_api
from tests.job_ends import OWNER, running, told
from tests.until import PATIENCE_S, until

MANY = 2000
#: opened at the same time
AT_ONCE = 100
#: of 16 kB each: more than the system takes on the way to somebody who does not read
EVENTS = 450


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running_one:
        yield running_one


class Line(asyncio.Protocol):
    """One reader: a bare connection that keeps the names of what it hears, so that thousands fit into a test."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._rest = b""
        self.heard: list[bytes] = []
        self.began = asyncio.Event()
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport
        self.transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.heard += [line[7:] for line in lines if line.startswith(b"event: ")]
        if self.heard:
            self.began.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


async def opened(api: Api, job_id: str, *, line: socket.socket | None = None) -> Line:
    address = ("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    fields = f"Host: x\r\nAuthorization: Bearer {api.key}\r\nConnection: close\r\n\r\n"
    head = f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\n{fields}".encode()
    where = {"sock": line} if line else dict(zip(("host", "port"), address, strict=True))
    _, reader = await asyncio.get_running_loop().create_connection(lambda: Line(head), **where)
    return reader


@asynccontextmanager
async def all_closed(readers: list[Line]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for reader in readers:
            reader.transport.abort()


async def test_two_thousand_readers_share_one_subscription_and_all_hear_the_end(redis_url: str, tmp_path: Path) -> None:
    readers: list[Line] = []
    async with (
        running_api(redis_url, tmp_path, tenant_streams=MANY) as api,
        all_closed(readers),
        asyncio.timeout(PATIENCE_S),
    ):
        job = await api.submit()
        for _ in range(0, MANY, AT_ONCE):
            more = await asyncio.gather(*(opened(api, job["id"]) for _ in range(AT_ONCE)))
            readers += more
            await asyncio.gather(*(reader.began.wait() for reader in more))
        assert api.context.subscriptions.readers == MANY
        redis = api.context.store.redis
        assert await redis.pubsub_numsub(EVENTS_CHANNEL) == [(EVENTS_CHANNEL.encode(), 1)]
        assert len([c for c in await redis.client_list() if c["sub"] != "0"]) == 1
        await api.http.post(f"/v1/jobs/{job['id']}/cancel")
        await asyncio.gather(*(reader.over.wait() for reader in readers))
        assert {tuple(reader.heard) for reader in readers} == {(b"snapshot", b"job.canceled")}
    assert api.context.subscriptions.readers == 0


async def test_a_tenant_that_has_many_streams_open_leaves_connections_to_others(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, tenant_streams=2) as api, await api.caller("other") as other:
        job, others = await api.submit(), await other.post("/v1/jobs", json=ASK)
        events = f"/v1/jobs/{job['id']}/events"
        readers = [await opened(api, job["id"]) for _ in range(2)]
        async with all_closed(readers), asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(reader.began.wait() for reader in readers))
            refused = await api.http.get(events)
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert refused.headers["retry-after"] == "5"
            assert "2 event streams" in refused.json()["detail"]
            assert (await api.http.get(events, headers={"Accept": "application/json"})).status_code == 200
            at_once = await api.http.post("/v1/jobs", json=ASK, headers={"Prefer": "wait=60"})
            assert at_once.status_code == 202
            assert "preference-applied" not in at_once.headers, "it did not wait"
            async with other.stream("GET", f"/v1/jobs/{others.json()['id']}/events") as stream:
                assert stream.status_code == 200
            readers[0].transport.abort()

            async def is_taken() -> bool:
                async with api.http.stream("GET", events) as stream:
                    return stream.status_code == 200

            await until(is_taken, within_s=PATIENCE_S)


def deaf(api: Api) -> socket.socket:
    """Connect with as little room for unread bytes as there can be."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    line.connect(("127.0.0.1", int(api.url.rsplit(":", 1)[1])))
    line.setblocking(False)
    return line


async def test_who_never_reads_holds_up_nobody_and_is_forgotten_when_gone(api: Api) -> None:
    job_id = (await api.submit(metadata={"words": "x" * 3500}))["id"]
    now = await running(api.context, job_id)
    now = await _spoken(api, now, transitions.edited(now, changes=("x" * 12_000,), timeline="Timeline"))
    slow = [await opened(api, job_id, line=deaf(api)) for _ in range(20)]
    async with all_closed(slow), asyncio.timeout(PATIENCE_S):
        for reader in slow:
            await reader.began.wait()
            reader.transport.pause_reading()
        quick = await opened(api, job_id)
        await quick.began.wait()
        for n in range(EVENTS):
            now = await _spoken(api, now, transitions.progress_noted(now, str(n)))
        await _spoken(api, now, transitions.succeeded(now, now_ms=api.context.clock.now_ms()))
        await quick.over.wait()
        assert quick.heard == [b"snapshot", *[b"job.progress"] * EVENTS, b"job.succeeded"]
        assert api.context.subscriptions.readers == len(slow), (
            "they have not heard it yet, and nothing has waited for them"
        )
    async with asyncio.timeout(PATIENCE_S):
        while api.context.subscriptions.readers:
            await api.http.get("/livez")


async def test_of_much_that_is_new_a_reader_has_little_in_memory_at_once(api: Api) -> None:
    job_id = (await api.submit(metadata={"words": "x" * 3500}))["id"]
    now = await running(api.context, job_id)
    first_id = await api.context.events.last_id(job_id)
    now = await _spoken(api, now, transitions.edited(now, changes=("x" * 12_000,), timeline="Timeline"))
    for n in range(50):
        now = await _spoken(api, now, transitions.progress_noted(now, str(n)))
    caller = await api.context.api_keys.find_caller(api.key)
    assert caller is not None
    reader = EventReader(api.context, now, first_id, key_id=caller.key_id)
    heard = []
    while frames := await reader.read():
        assert sum(map(len, frames)) < 250_000
        heard += frames
    assert len(heard) == 51


async def _spoken(api: Api, old: Job, new: Job) -> Job:
    return await api.context.jobs.commit(old, new, owner=OWNER, event=await told(api.context, old, new))
