"""Accepting jobs, by processor time, beside what others would build: FastAPI with Celery, SAQ or arq, and bare Litestar."""

import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from sandbox.world.child_process import Child, start_all, stop_all
from sandbox.world.folders import Folders
from sandbox.world.ports import free_port
from tests.bench.goals import Direction, Goal, Part, Row
from tests.bench.harness import JOB, Harness, running_harness
from tests.bench.load import Load, request_bytes, same_requests, send_for
from tests.bench.machine import cpu_s

CONNECTIONS = 32
#: each is pressed in turn, so often and so long, so that all meet the same machine
ROUNDS = 3
ROUND_S = 2.0

_BODY = json.dumps(JOB).encode()

TIMES_XADD = Goal("a submit's processor time, times that of Litestar + one XADD", 3, "x")
TIMES_CELERY = Goal("submits, times as fast as FastAPI + Celery's async route", 4, "x", Direction.AT_LEAST)

#: the bars of a picture
BESIDE = "Processor time of one submit, API process [ms]"


class Peer(NamedTuple):
    """One that the gateway stands beside: its path, the module that serves it, and what people call it."""

    path: str
    module: str
    words: str


PEERS = (
    Peer("async", "fastapi_celery", "FastAPI + Celery, async route"),
    Peer("async-thread", "fastapi_celery", "FastAPI + Celery, async route that calls it in a thread"),
    Peer("sync", "fastapi_celery", "FastAPI + Celery, sync route"),
    Peer("saq", "fastapi_saq", "FastAPI + SAQ"),
    Peer("arq", "fastapi_arq", "FastAPI + arq"),
    Peer("xadd", "litestar_xadd", "Litestar + one XADD"),
    Peer("bare", "bare", "Litestar, a bare 202 route"),
)


class Contender:
    """One that accepts: where, what it is sent, and what came of its rounds."""

    def __init__(self, url: str, requests: Iterator[bytes], process: Child) -> None:
        self.url = url
        self.requests = requests
        self.process = process
        self.loads: list[Load] = []
        self.cpu_s = 0.0

    async def round(self) -> None:
        """Press it once."""
        before_s = cpu_s(self.process.pid)
        load = await send_for(ROUND_S, self.url, self.requests, connections=CONNECTIONS)
        self.cpu_s += cpu_s(self.process.pid) - before_s
        if set(load.statuses) != {202}:
            raise RuntimeError(f"{self.process.name} answered {dict(load.statuses)}")
        self.loads.append(load)

    @property
    def best(self) -> Load:
        """The best round by the clock, since what others do on the machine only ever slows it."""
        return max(self.loads, key=lambda load: load.per_second(202))

    @property
    def cpu_ms(self) -> float:
        """The processor time of one submit, over all rounds."""
        return 1000 * self.cpu_s / sum(load.statuses[202] for load in self.loads)


async def measure() -> list[Row]:
    """Press each in turn, round after round."""
    async with running_harness("submit", workers=0) as harness, _peers(harness) as peers:
        contenders = {"gateway": _gateway(harness, same_requests), "new": _gateway(harness, _new_prompts)} | peers
        for _ in range(ROUNDS):
            for contender in contenders.values():
                await contender.round()
    return _rows(contenders)


def _gateway(harness: Harness, requests: Callable[[str, bytes, dict[str, str]], Iterator[bytes]]) -> Contender:
    url = harness.jobs_url
    return Contender(url, requests(url, _BODY, harness.headers), harness.world.apis[0])


def _new_prompts(url: str, body: bytes, headers: dict[str, str]) -> Iterator[bytes]:
    """Write requests whose prompts the process has not read before; each begins like the one of the others."""
    job = json.loads(body)
    for number in itertools.count():
        prompt = f"{job['prompt']}, call it film {number}"
        yield request_bytes(url, json.dumps(job | {"prompt": prompt}).encode(), headers)


@asynccontextmanager
async def _peers(harness: Harness) -> AsyncIterator[dict[str, Contender]]:
    """Run the peers beside the gateway's Redis, in a database of their own."""
    env = {**harness.world.environment, "REDIS_URL": harness.world.redis_url.removesuffix("/0") + "/1"}
    modules = sorted({peer.module for peer in PEERS})
    children = {module: _uvicorn(module, harness.world.folders, env) for module in modules}
    try:
        await start_all(list(children.values()))
        where = {peer.path: children[peer.module] for peer in PEERS}
        urls = {path: f"{child.address}/{path}" for path, child in where.items()}
        yield {path: Contender(url, same_requests(url, _BODY, {}), where[path]) for path, url in urls.items()}
    finally:
        await stop_all(list(children.values()))


def _uvicorn(module: str, folders: Folders, env: dict[str, str]) -> Child:
    port = str(free_port())
    command = [sys.executable, "-m", "uvicorn", f"tests.bench.peers.{module}:app", "--port", port, "--no-access-log"]
    return Child(module, command, env=env, ready=r"running on (http://\S+)", address="", log_path=folders.log(module))


def _rows(found: dict[str, Contender]) -> list[Row]:
    ours = found["gateway"]
    return [
        TIMES_XADD.row(ours.cpu_ms / found["xadd"].cpu_ms),
        TIMES_CELERY.row(found["async"].cpu_ms / ours.cpu_ms),
        _bar("Reelgate", ours),
        _bar("Reelgate, each prompt new to the process", found["new"]),
        *(_bar(peer.words, found[peer.path]) for peer in PEERS),
        Row(f"accepted by the clock, {CONNECTIONS} connections", ours.best.per_second(202), "/s"),
        Row("p50 of these by the clock", ours.best.percentile_ms(50), " ms"),
        Row("p99 of these by the clock", ours.best.percentile_ms(99), " ms"),
    ]


def _bar(words: str, contender: Contender) -> Row:
    return Row(words, contender.cpu_ms, " ms", note=f"{contender.best.per_second(202):,.0f}/s", beside=BESIDE)


PART = Part("submit", (TIMES_XADD, TIMES_CELERY), measure)
