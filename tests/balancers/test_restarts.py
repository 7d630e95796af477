"""Two APIs behind a real balancer, restarted in turn under load: no call fails, and no event stream loses its place."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from core.model import transitions
from core.model.job import Job
from sandbox.world.ports import free_port
from service.context import ApiContext, open_context
from tests.api_fixture import settings_for
from tests.balancers.apis import ApiProcess, running_apis
from tests.balancers.balancers import HAPROXY, NGINX, Kind, configuration, running_balancer
from tests.balancers.callers import ASK, Reader, Record, call_on, upload_slowly
from tests.job_ends import OWNER, running, told
from tests.until import PATIENCE_S, until

pytestmark = pytest.mark.timeout(4 * PATIENCE_S)

CALLERS = 6
READERS = 4
#: so many that each API has some: of six, the other one has had all
UPLOADS = 16
ROUNDS = 2


@dataclass
class Harness:
    """Two APIs, a balancer before them, and what is behind them."""

    apis: tuple[ApiProcess, ...]
    url: str
    key: str
    context: ApiContext

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=PATIENCE_S)


@asynccontextmanager
async def running_harness(kind: Kind, redis_url: str, folder: Path, *, delay_s: float) -> AsyncIterator[Harness]:
    ports, port = (free_port(), free_port()), free_port()
    context = open_context(settings_for(redis_url, folder / "storage"))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(context.store.close)
        apis = await stack.enter_async_context(
            running_apis(redis_url, folder / "storage", ports, REELGATE_DRAIN_DELAY_S=str(delay_s))
        )
        text = configuration(kind, port=port, apis=ports, folder=folder)
        url = await stack.enter_async_context(running_balancer(kind, text, port=port, folder=folder))
        issued = await context.api_keys.create("acme")
        harness = Harness(apis, url, issued.secret, context)
        await until(lambda: _answers(harness), within_s=PATIENCE_S)
        yield harness


async def _answers(harness: Harness) -> bool:
    async with harness.client() as http:
        return (await http.get("/livez")).status_code == 200


async def _restart(api: ApiProcess, record: Record, harness: Harness) -> None:
    """Restart one API while uploads are half-way, which end when nobody is listened to any more."""
    go_on, half_way = asyncio.Event(), asyncio.Semaphore(0)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for _ in range(UPLOADS):
            http = await stack.enter_async_context(harness.client())
            group.create_task(upload_slowly(record, http, go_on, half_way.release))
        for _ in range(UPLOADS):
            await half_way.acquire()
        api.tell_to_end()
        await api.becomes(0)
        assert api.runs, "it waits for the uploads"
        go_on.set()
        assert await api.ended() == 0
    await api.start()
    await api.becomes(200)


async def _progress(harness: Harness, job_id: str, record: Record) -> int:
    """Number a job's progress until it is over, then end it well; give the last number."""
    now = await running(harness.context, job_id)
    number = 0
    async with harness.client() as http:
        while not record.over.is_set():
            number += 1
            new = transitions.progress_noted(now, str(number))
            now = await _commit(harness.context, now, new)
            await record.call(http, 200, "GET", f"/v1/jobs/{job_id}")
    await _commit(harness.context, now, transitions.succeeded(now, now_ms=harness.context.clock.now_ms()))
    return number


async def _commit(context: ApiContext, old: Job, new: Job) -> Job:
    return await context.jobs.commit(old, new, owner=OWNER, event=await told(context, old, new))


@pytest.mark.parametrize(("kind", "delay_s"), [(HAPROXY, 5), (NGINX, 1.5)], ids=["haproxy", "nginx"])
async def test_two_apis_are_restarted_in_turn_under_load_and_nobody_notices(
    redis_url: str, tmp_path: Path, kind: Kind, delay_s: float
) -> None:
    async with running_harness(kind, redis_url, tmp_path, delay_s=delay_s) as harness, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(harness.client()) for _ in range(CALLERS + READERS)]
        job_id = (await clients[0].post("/v1/jobs", json=ASK)).json()["id"]
        record = Record()
        readers = [Reader(record, http, job_id) for http in clients[CALLERS:]]
        async with asyncio.TaskGroup() as group:
            following = [group.create_task(reader.follow()) for reader in readers]
            await asyncio.gather(*(reader.listens.wait() for reader in readers))
            progress = group.create_task(_progress(harness, job_id, record))
            calling = [group.create_task(call_on(record, http)) for http in clients[:CALLERS]]
            for _ in range(ROUNDS):
                for api in harness.apis:
                    await _restart(api, record, harness)
            record.over.set()
            last = await progress
            await asyncio.gather(*following)
        assert record.failures == []
        assert sum(reader.began for reader in readers) > len(readers), "some were sent off"
        for reader in readers:
            assert reader.snapshots == 1
            assert reader.numbers == list(range(reader.numbers[0], last + 1))
        accepted = {job_id for task in calling for job_id in task.result()}
        assert len(accepted) > 100
        for each in accepted:
            assert await harness.context.jobs.load(each)


async def _taken_for_down(folder: Path) -> bool:
    """Whether HAProxy has said of both APIs that they are down."""
    log = (folder / "haproxy.log").read_text()
    return all(f"Server apis/api-{number} is DOWN" in log for number in (1, 2))


async def test_apis_that_are_only_slow_are_no_503_although_their_checks_time_out(
    redis_url: str, tmp_path: Path
) -> None:
    """Both are frozen, as on a host that is short of time: calls wait, none is refused, each is made once."""
    async with running_harness(HAPROXY, redis_url, tmp_path, delay_s=0) as harness, harness.client() as http:
        for api in harness.apis:
            api.tell_to_end(signal.SIGSTOP)
        try:
            await until(lambda: _taken_for_down(tmp_path), within_s=PATIENCE_S)
            record = Record()
            calls = [asyncio.create_task(record.call(http, 202, "POST", "/v1/jobs", json=ASK)) for _ in range(4)]
            calls += [asyncio.create_task(record.call(http, 200, "GET", "/v1/jobs")) for _ in range(4)]
            # answered by the balancer itself, which has had the calls by then
            assert (await http.get("/metrics")).status_code == 404
        finally:
            for api in harness.apis:
                api.tell_to_end(signal.SIGCONT)
        await asyncio.gather(*calls)
        assert record.failures == []
        assert len((await http.get("/v1/jobs")).json()["data"]) == 4
