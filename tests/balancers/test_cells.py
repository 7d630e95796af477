"""Two cells behind one HAProxy, each a whole installation: one is killed, and the other's tenants notice nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.world.ports import free_port
from tests.balancers.balancers import HAPROXY, cells_configuration, running_balancer
from tests.balancers.callers import Record
from tests.flows.test_world_up import descendants
from tests.gateway_fixture import Gateway, running_gateway
from tests.until import PATIENCE_S, until

pytestmark = pytest.mark.timeout(4 * PATIENCE_S)

CALLERS = 3
#: jobs of the cell that stays, before and after the other one is killed
JOBS = 8
ASK: dict[str, Any] = {
    "profile": "free-video-generation-automatic",
    "prompt": "generate a 10-second promotional video from my text: Fresh bread, every morning",
    "output": {"export": False},
}
FILM = ASK | {"output": {"export": True}}


@dataclass
class Cell:
    """A cell as its tenant has it: through the balancer alone. `gateway`: what only the test may look at."""

    gateway: Gateway
    http: httpx.AsyncClient

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        return asked | {"webhook": {"url": f"{self.gateway.world['receiver']}/hook"}}

    async def whole_job(self, record: Record, asked: dict[str, Any] = ASK) -> dict[str, Any]:
        """Submit a job, follow it to its end and wait for its callback."""
        job_id = (await record.call(self.http, 202, "POST", "/v1/jobs", json=self.ask(asked))).json()["id"]
        stream = {"Accept": "text/event-stream"}
        events = await record.call(self.http, 200, "GET", f"/v1/jobs/{job_id}/events", headers=stream)
        assert "event: job.succeeded" in events.text
        waited = {"job_id": job_id, "at_least": 1, "wait_s": PATIENCE_S}
        async with httpx.AsyncClient(trust_env=False, timeout=2 * PATIENCE_S) as http:
            received = (await http.get(f"{self.gateway.world['receiver']}/_received", params=waited)).json()
        assert [(row["type"], row["verified"]) for row in received] == [("job.succeeded", True)]
        return dict((await record.call(self.http, 200, "GET", f"/v1/jobs/{job_id}")).json())

    async def kill(self, name: str) -> None:
        """End all its processes at once, its Redis among them, without a word."""
        mine = [pid for pid in descendants(os.getpid()) if f"REELGATE_CELL={name}".encode() in _environment(pid)]
        for pid in mine:
            os.kill(pid, signal.SIGKILL)
        await until(self._refuses, within_s=PATIENCE_S)

    async def _refuses(self) -> bool:
        return (await self.http.get("/v1/jobs")).status_code == 503


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def link_of(job: dict[str, Any]) -> str:
    """Take a signed link's path and query: the sandbox's worlds have addresses of their own in front."""
    return httpx.URL(job["output"]["url"]).raw_path.decode()


@dataclass
class Harness:
    """Two cells, and whoever comes to their balancer without a key."""

    one: Cell
    two: Cell
    anyone: httpx.AsyncClient


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with AsyncExitStack() as stack:
        gateways = {}
        for name in ("eu1", "eu2"):
            folder = tmp_path / name
            folder.mkdir()
            world = running_gateway(folder, REELGATE_CELL=name, REELGATE_TENANT_RUNNING_JOBS="1000")
            gateways[name] = stack.enter_context(world)
        port = free_port()
        ports = {name: httpx.URL(gateway.world["api"]).port or 0 for name, gateway in gateways.items()}
        text = cells_configuration(port=port, cells=ports, folder=tmp_path)
        url = await stack.enter_async_context(running_balancer(HAPROXY, text, port=port, folder=tmp_path))

        async def client(headers: dict[str, str]) -> httpx.AsyncClient:
            made = httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=PATIENCE_S)
            return await stack.enter_async_context(made)

        one, two = [
            Cell(gateway, await client({"Authorization": f"Bearer {gateway.world['api_key']}"}))
            for gateway in gateways.values()
        ]
        yield Harness(one, two, await client({}))


async def test_one_cell_is_killed_and_the_others_tenants_notice_nothing(harness: Harness) -> None:
    one, two, record, lost = harness.one, harness.two, Record(), Record()
    films = await asyncio.gather(*(cell.whole_job(record, FILM) for cell in (one, two)))
    links = [link_of(film) for film in films]
    for link in links:
        await record.call(harness.anyone, 200, "GET", link)
    ended: list[str] = []

    async def call_on() -> None:
        while not record.over.is_set():
            ended.append((await two.whole_job(record))["status"])
            await record.call(harness.anyone, 200, "GET", links[1])

    async def many(number: int) -> None:
        await until(lambda: _reached(ended, number), within_s=PATIENCE_S)

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(call_on())
        await many(JOBS)
        await one.kill("eu1")
        await many(len(ended) + JOBS)
        await lost.call(one.http, 503, "POST", "/v1/jobs", json=one.ask(ASK))
        await lost.call(harness.anyone, 503, "GET", links[0])
        record.over.set()

    assert record.failures == lost.failures == []
    assert set(ended) == {"succeeded"}
    assert len(two.gateway.ledger()["messages"]) == len(ended) + 1, "each was sent once"


async def _reached(ended: list[str], number: int) -> bool:
    return len(ended) >= number


async def test_a_foreign_key_or_link_that_comes_to_a_cell_directly_is_told_whose_it_is(harness: Harness) -> None:
    record = Record()
    film = await harness.one.whole_job(record, FILM)
    headers = {"Authorization": f"Bearer {harness.one.gateway.world['api_key']}"}
    async with httpx.AsyncClient(base_url=harness.two.gateway.world["api"], trust_env=False) as direct:
        answers = [
            await record.call(direct, 421, "POST", "/v1/jobs", json=ASK, headers=headers),
            await record.call(direct, 421, "GET", link_of(film)),
            await record.call(harness.two.http, 421, "GET", f"/v1/jobs/{film['id']}"),
        ]
    assert record.failures == []
    for answer in answers:
        assert answer.json()["code"] == "misdirected"
        assert "cell 'eu1'" in answer.json()["detail"]
    # what names no cell that there is comes to the first one, which says so
    stranger = {"Authorization": "Bearer rg_eu9.c2VjcmV0"}
    assert "cell 'eu9'" in (await harness.anyone.get("/v1/jobs", headers=stranger)).json()["detail"]
    assert (await harness.anyone.get("/v1/jobs")).status_code == 401
