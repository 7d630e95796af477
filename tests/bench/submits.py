"""Accepting jobs, beside FastAPI + Celery at its two ways, and beside a route that does nothing."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.world.child_process import Child
from sandbox.world.folders import Folders
from sandbox.world.ports import free_port
from tests.bench.harness import JOB, Harness, running_harness
from tests.bench.load import Load, press
from tests.bench.machine import cpu_s
from tests.bench.table import Row, at_least, at_most

CONNECTIONS = 32
#: each is pressed in turn, so often and so long, so that all meet the same machine
ROUNDS = 3
ROUND_S = 3.0

PEERS = ("sync", "async", "bare")


class Contender:
    """One that accepts: where, with which headers, and what came of its rounds."""

    def __init__(self, url: str, headers: dict[str, str], process: Child) -> None:
        self.url = url
        self.headers = headers
        self.process = process
        self.loads: list[Load] = []
        self.cpu_s = 0.0

    async def round(self, body: bytes) -> None:
        """Press it once. The best round counts, since what others do on the machine only ever slows it."""
        before_s = cpu_s(self.process.pid)
        load = await press(self.url, body, self.headers, connections=CONNECTIONS, seconds=ROUND_S)
        self.cpu_s += cpu_s(self.process.pid) - before_s
        if set(load.statuses) != {202}:
            raise RuntimeError(f"{self.process.name} answered {dict(load.statuses)}")
        self.loads.append(load)

    @property
    def best(self) -> Load:
        return max(self.loads, key=lambda load: load.per_second(202))

    @property
    def per_cpu_second(self) -> float:
        """What it accepts in one second of its own processor time: what it reaches on a core of its own."""
        return sum(load.statuses[202] for load in self.loads) / self.cpu_s


async def measure() -> list[Row]:
    """Press each in turn, round after round."""
    body = json.dumps(JOB).encode()
    async with running_harness("submit", workers=0) as harness, _peers(harness) as peers:
        contenders = {"gateway": Contender(harness.jobs_url, harness.headers, harness.world.apis[0])} | peers
        for _ in range(ROUNDS):
            for contender in contenders.values():
                await contender.round(body)
    return _rows(contenders)


@asynccontextmanager
async def _peers(harness: Harness) -> AsyncIterator[dict[str, Contender]]:
    env = {**harness.world.environment, "REDIS_URL": harness.world.redis_url.removesuffix("/0") + "/1"}
    folders = harness.world.folders
    celery, bare = _uvicorn("fastapi_celery", folders, env), _uvicorn("bare", folders, env)
    try:
        for child in (celery, bare):
            await child.start()
        where = {"sync": celery, "async": celery, "bare": bare}
        yield {name: Contender(f"{where[name].address}/{name}", {}, where[name]) for name in PEERS}
    finally:
        await celery.stop()
        await bare.stop()


def _uvicorn(module: str, folders: Folders, env: dict[str, str]) -> Child:
    port = str(free_port())
    command = [sys.executable, "-m", "uvicorn", f"tests.bench.peers.{module}:app", "--port", port, "--no-access-log"]
    return Child(module, command, env=env, ready=r"running on (http://\S+)", address="", log_path=folders.log(module))


def _rows(found: dict[str, Contender]) -> list[Row]:
    rate = {name: contender.best.per_second(202) for name, contender in found.items()}
    core = {name: contender.per_cpu_second for name, contender in found.items()}
    ours = found["gateway"].best
    words = {
        "sync": "FastAPI + Celery, sync route",
        "async": "FastAPI + Celery, async route",
        "bare": "a bare 202 route",
    }
    beside = [
        Row(f"  beside: {words[n]}", "", f"{rate[n]:,.0f}/s  p99 {found[n].best.percentile_ms(99):.1f} ms")
        for n in PEERS
    ]
    return [
        at_least("submit, 32 connections, one API process", 6000, rate["gateway"], "/s"),
        at_least("  by its processor time, on a core of its own", 6000, core["gateway"], "/s"),
        at_most("  p99", 20, ours.percentile_ms(99), " ms"),
        Row("  p50", "", f"{ours.percentile_ms(50):.1f} ms"),
        *beside,
        at_least("  times FastAPI + Celery at its best", 3, rate["gateway"] / max(rate["sync"], rate["async"]), "x"),
        at_least("  times FastAPI + Celery, sync route", 6, rate["gateway"] / rate["sync"], "x"),
        Row("  share of a bare 202 route", "", f"{rate['gateway'] / rate['bare']:.0%}"),
    ]
