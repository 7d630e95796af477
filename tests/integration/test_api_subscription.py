"""The one subscription of an API process, over a connection that dies without a word."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service import subscriptions
from service.prompt import read_cached
from tests.api_fixture import ASK, running_api
from tests.until import PATIENCE_S


class Line:
    """Stands before Redis. A connection that has subscribed can be cut off, of which neither side hears."""

    def __init__(self, redis_url: str) -> None:
        self._redis_port = urlsplit(redis_url).port
        self._tasks: set[asyncio.Task[None]] = set()
        self.subscribed: set[asyncio.StreamWriter] = set()
        self._dead: set[asyncio.StreamWriter] = set()

    def cut_subscription_off(self) -> None:
        self._dead |= self.subscribed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_connection("127.0.0.1", self._redis_port)
        ways = ((reader, to_redis), (from_redis, writer))
        self._tasks |= {asyncio.create_task(self._carry(*way, line=writer)) for way in ways}

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, line: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError):
            while piece := await source.read(65_536):
                if b"SUBSCRIBE" in piece:
                    self.subscribed.add(line)
                if line not in self._dead:
                    target.write(piece)
        target.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def line_to(redis_url: str) -> AsyncIterator[tuple[Line, str]]:
    line = Line(redis_url)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield line, redis_url.replace(f":{urlsplit(redis_url).port}", f":{port}")
    finally:
        server.close()
        await line.close()


async def test_who_waits_for_an_end_hears_it_although_the_subscription_has_died_without_a_word(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "_LOOK_S", 0.2)
    async with line_to(redis_url) as (line, url), running_api(url, tmp_path) as api, asyncio.timeout(PATIENCE_S):
        before = await api.submit()
        line.cut_subscription_off()
        waiting = asyncio.create_task(api.http.post("/v1/jobs", json=ASK, headers={"Prefer": "wait=60"}))
        while (job := (await api.http.get("/v1/jobs")).json()["data"][0])["id"] == before["id"]:
            pass
        await api.http.post(f"/v1/jobs/{job['id']}/cancel")
        answer = await waiting
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")


async def test_how_a_prompt_was_read_is_forgotten_although_nobody_heard_that_its_job_was_deleted(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "_LOOK_S", 2.0)  # the job is deleted before anybody notices
    async with line_to(redis_url) as (line, url), running_api(url, tmp_path) as api, asyncio.timeout(PATIENCE_S):
        job = await api.submit()
        await api.http.post(f"/v1/jobs/{job['id']}/cancel")
        while not line.subscribed:
            await api.http.get("/livez")
        line.cut_subscription_off()
        assert read_cached.cache_info().currsize > 0
        assert (await api.http.delete(f"/v1/jobs/{job['id']}")).status_code == 200
        while read_cached.cache_info().currsize:
            await api.http.get("/livez")
