"""Harness of a measurement: the gateway's real processes over a real Redis, with the bench's own backend.

Each measurement has a harness of its own, with the settings that it needs, and leaves nothing running.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import httpx

from sandbox.world.child_process import Child
from sandbox.world.folders import Folders, make_folders
from sandbox.world.identity import Identity
from sandbox.world.processes import worker_part
from sandbox.world.settings import callers_environment
from sandbox.world.world import World, WorldSpec, open_world
from tests.bench.load import request_bytes, send_all
from tests.bench.stub import PLAIN, Stub, new_trace, serve, traceparent

#: no limit but the machine's, no wait but the backend's, which is none
SETTINGS = {
    "REELGATE_SUBMITS_PER_MINUTE": "100000000",
    "REELGATE_TENANT_QUEUED_JOBS": "100000000",
    "REELGATE_QUEUE_LIMIT": "100000000",
    "REELGATE_TENANT_RUNNING_JOBS": "100000",
    "REELGATE_RENDER_POLL_S": "0.01",
    "REELGATE_SETTLE_S": "0.01",
    "REELGATE_LOG_LEVEL": "WARNING",
    "NEMO_TOKEN": "nmv_usr_bench",
}
JOB = {
    "prompt": "cut the pauses, add background music, and export in 1080p",
    "profile": "ai-video-pro-online",
    "media": [{"url": "https://example.com/clip.mp4"}],
    "metadata": {"order": "7"},
}


class WholeJob(NamedTuple):
    """One job that went all the way, and when, by `perf_counter`: POST, the first call of the backend, the callback."""

    job_id: str
    began_s: float
    first_call_s: float
    ended_s: float


@dataclass
class Harness:
    """A running gateway and the backend that it drives."""

    world: World
    stub: Stub
    http: httpx.AsyncClient
    #: jobs that had called back when `post_jobs` began
    ended_before: int = 0

    @property
    def jobs_url(self) -> str:
        return f"{self.world.apis[0].address}/v1/jobs"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.world.api_key}"}

    @property
    def worker(self) -> Child:
        return self.world.workers[0]

    @property
    def pids(self) -> list[int]:
        """All through whose hands a job goes: API, Redis, workers, and this process, which is the backend."""
        redis = [self.world.redis] if self.world.redis else []
        return [*(child.pid for child in [*self.world.apis, *redis, *self.world.workers]), os.getpid()]

    def requests(self, traces: Iterable[str], **fields: Any) -> Iterator[bytes]:
        """Write the submits of many jobs, for the load generator."""
        body = json.dumps({**JOB, "webhook": {"url": f"{self.stub.url}/hook"}, **fields}).encode()
        for trace in traces:
            yield request_bytes(self.jobs_url, body, {**self.headers, "traceparent": traceparent(trace)})

    async def another_worker(self) -> Child:
        """Start one more worker; it stops with the harness."""
        number = len(self.world.workers) + 1
        port = self.world.identity.port_of(f"worker-{number}")
        child = worker_part(number, port, self.world.folders, self.world.environment)
        self.world.workers.append(child)
        await child.start()
        return child

    async def submit(self, trace: str, **fields: Any) -> tuple[str, float]:
        """Post one job; gives its id and when the call began."""
        body = json.dumps({**JOB, "webhook": {"url": f"{self.stub.url}/hook"}, **fields})
        headers = {"traceparent": traceparent(trace), "Content-Type": "application/json"}
        began_s = perf_counter()
        answer = await self.http.post("/v1/jobs", content=body, headers=headers)
        answer.raise_for_status()
        return str(answer.json()["id"]), began_s

    async def whole_job(self, *, within_s: float = 30.0) -> WholeJob:
        """Take one job from POST to its callback."""
        trace = new_trace(PLAIN)
        job_id, began_s = await self.submit(trace)
        if not await self.stub.until(lambda: job_id in self.stub.called_back_s, within_s=within_s):
            raise TimeoutError(f"{job_id} has not ended; the backend was asked for {self.stub.calls[trace]}")
        return WholeJob(job_id, began_s, self.stub.first_s[trace], self.stub.called_back_s[job_id])

    async def run_jobs(self, number: int, *, connections: int = 8, within_s: float = 120.0) -> None:
        """Post so many jobs as fast as they are taken, and wait until the last has called back."""
        await self.post_jobs(number, connections=connections)
        await self.ended_jobs(number, within_s=within_s)

    async def post_jobs(self, number: int, *, connections: int = 8) -> None:
        self.ended_before = len(self.stub.called_back_s)
        traces = (new_trace(PLAIN) for _ in range(number))
        load = await send_all(self.jobs_url, self.requests(traces), connections=connections)
        if set(load.statuses) != {202}:
            raise RuntimeError(f"the gateway answered {dict(load.statuses)}")

    async def ended_jobs(self, number: int, *, within_s: float = 120.0) -> None:
        """Wait until as many have called back since `post_jobs` began."""
        wanted, called_back = self.ended_before + number, self.stub.called_back_s
        if not await self.stub.until(lambda: len(called_back) >= wanted, within_s=within_s):
            raise TimeoutError(f"{wanted - len(called_back)} of {number} jobs did not end")


@asynccontextmanager
async def running_harness(
    name: str, *, workers: int = 1, redis_url: str | None = None, **settings: str
) -> AsyncIterator[Harness]:
    """Start a gateway. `settings` are environment variables."""
    stub = Stub()
    server, beat = await serve(stub)
    caller = {**callers_environment(), **SETTINGS, **settings}
    spec = WorldSpec(apis=1, workers=workers, backend=stub.url, redis_url=redis_url)
    try:
        async with open_world(spec, folders=_folders(name), caller=caller, identity=Identity()) as world:
            address, key = world.apis[0].address, world.api_key
            auth = {"Authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(base_url=address, headers=auth, trust_env=False, timeout=60) as http:
                yield Harness(world, stub, http)
    finally:
        server.close()
        beat.cancel()
        with suppress(asyncio.CancelledError):
            await beat


def _folders(name: str) -> Folders:
    return make_folders(f"bench{name}")
