"""An API that is told to end: it says so, goes on for a while, and then lets everybody go in order."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.world.ports import free_port
from tests.api_fixture import ASK, Api, running_api
from tests.balancers.apis import ApiProcess, running_apis
from tests.until import PATIENCE_S

MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 20_000
LONG = {"REELGATE_DRAIN_DELAY_S": "600", "REELGATE_REQUEST_GRACE_S": "600"}
NO_DELAY = {"REELGATE_DRAIN_DELAY_S": "0", "REELGATE_REQUEST_GRACE_S": "600"}


@pytest.fixture
async def beside(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """Another API on the same Redis, which stays."""
    async with running_api(redis_url, tmp_path) as api:
        yield api


@asynccontextmanager
async def one_api(beside: Api, folder: Path, **settings: str) -> AsyncIterator[ApiProcess]:
    url = beside.context.settings.redis_url.get_secret_value()
    async with running_apis(url, folder, (free_port(),), **settings) as (api,):
        yield api


def client_of(api: ApiProcess, beside: Api) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {beside.key}"}
    return httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False, timeout=PATIENCE_S)


class Line:
    """A bare connection, on which a request can be sent in parts."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        self._reader, self._writer, self._key = reader, writer, key

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def begin(self, call: str, *fields: str) -> None:
        await self.say(
            "\r\n".join([f"{call} HTTP/1.1", "Host: x", f"Authorization: Bearer {self._key}", *fields, "", ""]).encode()
        )

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer: its status, its fields and its body."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = await self._reader.readexactly(int(fields.get("content-length", "0")))
        return int(head[0].split()[1]), fields, body

    async def until(self, mark: bytes) -> bytes:
        return await self._reader.readuntil(mark)

    async def rest(self) -> bytes:
        """Read until the other side closes."""
        return await self._reader.read()

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def dialled(api: ApiProcess, beside: Api) -> AsyncIterator[Line]:
    line = Line(*await asyncio.open_connection("127.0.0.1", api.port), beside.key)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield line
    finally:
        line.close()


async def test_while_it_drains_readyz_says_so_and_all_else_goes_on(beside: Api, tmp_path: Path) -> None:
    async with one_api(beside, tmp_path, **LONG) as api, dialled(api, beside) as kept, client_of(api, beside) as http:
        await kept.begin("GET /v1/jobs")
        assert (await kept.hear())[0] == 200
        api.tell_to_end()
        await api.becomes(503)
        answer = await http.get("/readyz")
        assert (answer.json()["status"], answer.headers["retry-after"]) == ("draining", "1")
        assert [(await http.get(path)).status_code for path in ("/livez", "/startupz")] == [200, 200]
        assert (await http.post("/v1/jobs", json=ASK)).status_code == 202
        await kept.begin("GET /v1/jobs")
        status, fields, _ = await kept.hear()
        assert (status, "connection" in fields) == (200, False), "keeping on goes on too"


async def test_after_the_delay_an_upload_in_progress_ends_and_is_its_connections_last(
    beside: Api, tmp_path: Path
) -> None:
    async with one_api(beside, tmp_path, **NO_DELAY) as api, dialled(api, beside) as held:
        await held.begin("POST /v1/uploads?filename=a.mp4", f"Content-Length: {len(MP4)}")
        await held.say(MP4[:10_000])
        api.tell_to_end()
        await api.becomes(0)
        await held.say(MP4[10_000:])
        status, fields, _ = await held.hear()
        assert (status, fields["connection"]) == (201, "close")
        assert await held.rest() == b""
        assert await api.ended() == 0


async def test_an_idle_connection_serves_what_comes_on_it_until_it_is_closed(beside: Api, tmp_path: Path) -> None:
    async with one_api(beside, tmp_path, **NO_DELAY) as api, dialled(api, beside) as used, dialled(api, beside) as idle:
        for line in (used, idle):
            await line.begin("GET /v1/jobs")
            await line.hear()
        api.tell_to_end()
        await api.becomes(0)
        await used.begin("GET /readyz")
        status, fields, _ = await used.hear()
        assert (status, fields["connection"]) == (503, "close")
        assert (await used.rest(), await idle.rest()) == (b"", b"")
        assert await api.ended() == 0


async def test_a_refused_upload_is_answered_although_its_body_still_comes(beside: Api, tmp_path: Path) -> None:
    async with one_api(beside, tmp_path, **NO_DELAY) as api, dialled(api, beside) as held, dialled(api, beside) as line:
        await held.begin("POST /v1/uploads?filename=a.mp4", f"Content-Length: {len(MP4)}")
        await line.say(b"POST /v1/uploads?filename=a.pdf HTTP/1.1\r\n")
        api.tell_to_end()
        await api.becomes(0)
        await line.say(b"Host: x\r\nAuthorization: Bearer rg_wrong\r\nContent-Length: 5000000\r\n\r\n")
        for _ in range(50):
            await line.say(b"x" * 100_000)
        status, fields, _ = await line.hear()
        assert (status, fields["connection"]) == (401, "close")
        assert await line.rest() == b""
        await held.say(MP4)
        assert (await held.hear())[0] == 201


async def test_readers_of_events_are_sent_off_with_their_place(beside: Api, tmp_path: Path) -> None:
    job = await beside.submit()
    async with one_api(beside, tmp_path, **NO_DELAY) as api, dialled(api, beside) as reader:
        await reader.begin(f"GET /v1/jobs/{job['id']}/events", "Accept: text/event-stream")
        heard = await reader.until(b"event: snapshot\n")
        [last_id] = [line[4:].decode() for line in heard.splitlines() if line.startswith(b"id: ")]
        api.tell_to_end()
        heard = await reader.until(b"0\r\n\r\n")
        [comes_back_ms] = [int(line[7:]) for line in heard.splitlines() if line.startswith(b"retry: ")]
        assert 0 < comes_back_ms <= 3000
        assert await api.ended() == 0
    await beside.http.post(f"/v1/jobs/{job['id']}/cancel")
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last_id}
    text = (await beside.http.get(f"/v1/jobs/{job['id']}/events", headers=headers)).text
    assert [line for line in text.splitlines() if line.startswith("event: ")] == ["event: job.canceled"]


async def test_who_waits_for_a_jobs_end_gets_its_202(beside: Api, tmp_path: Path) -> None:
    async with one_api(beside, tmp_path, **NO_DELAY) as api, client_of(api, beside) as http:
        asked = asyncio.create_task(http.post("/v1/jobs", json=ASK, headers={"Prefer": "wait=60"}))
        while not (await beside.http.get("/v1/jobs")).json()["data"]:
            pass
        api.tell_to_end()
        assert (await asked).status_code == 202
        assert await api.ended() == 0


async def test_what_outlasts_the_grace_is_cut_off_with_a_problem_document(beside: Api, tmp_path: Path) -> None:
    brief = NO_DELAY | {"REELGATE_REQUEST_GRACE_S": "0.5"}
    async with one_api(beside, tmp_path / "storage", **brief) as api, dialled(api, beside) as line:
        await line.begin("POST /v1/uploads?filename=a.mp4", f"Content-Length: {len(MP4)}", "Expect: 100-continue")
        await line.until(b"100 Continue\r\n\r\n")
        await line.say(MP4[:100])
        api.tell_to_end()
        status, fields, body = await line.hear()
        assert (status, fields["content-type"], fields["connection"]) == (503, "application/problem+json", "close")
        assert (b'"retryable":true' in body, fields["retry-after"]) == (True, "1")
        assert b"is not known" in body
        assert b"Idempotency-Key" in body
        assert await api.ended() == 0
    assert not [path for path in (tmp_path / "storage").rglob("*") if path.is_file()], "nothing of it is left"


async def test_ctrl_c_waits_for_requests_and_for_no_balancer_and_a_second_one_for_nobody(
    beside: Api, tmp_path: Path
) -> None:
    async with one_api(beside, tmp_path, **LONG) as api, dialled(api, beside) as held:
        await held.begin("POST /v1/uploads?filename=a.mp4", f"Content-Length: {len(MP4)}", "Expect: 100-continue")
        await held.until(b"100 Continue\r\n\r\n")
        api.tell_to_end(signal.SIGINT)
        await api.becomes(0)
        assert api.runs
        api.tell_to_end(signal.SIGINT)
        assert await api.ended() == 0
