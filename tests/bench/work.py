"""What jobs cost a worker by processor time: a whole one, beside a bare httpx script that makes the same calls, and one
more look at a render, which costs Redis something too.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import NamedTuple

import redis.asyncio

from tests.bench.fill_redis import store_rendering
from tests.bench.goals import Goal, Part, Row
from tests.bench.harness import Harness, running_harness
from tests.bench.machine import cpu_s
from tests.bench.redis_meter import connected, redis_cpu_ms
from tests.bench.stub import HOLD_RENDER, new_trace

#: worker and script in turn, so that both meet the same machine
ROUNDS = 3
JOBS = 100
RENDERS = 400
LOOKS_EVERY_S = 1
LOOKS_FOR_S = 8.0

WHOLE_JOB = Goal("worker, a whole job, processor time", 12, " ms")
TIMES_SCRIPT = Goal("worker, a whole job, times a bare httpx script with the same calls", 1, "x")
ONE_LOOK = Goal("worker, one look at a render, processor time", 0.5, " ms")

BESIDE = "Processor time of one whole job [ms]"


async def measure() -> list[Row]:
    """Run whole jobs, then look at renders."""
    async with running_harness("work") as harness:
        job_ms, script_ms = await _whole_job_ms(harness)
    look = await one_look()
    return [
        WHOLE_JOB.row(job_ms),
        TIMES_SCRIPT.row(job_ms / script_ms),
        Row("Reelgate's worker", job_ms, " ms", beside=BESIDE),
        Row("a bare httpx script", script_ms, " ms", beside=BESIDE),
        ONE_LOOK.row(look.worker_ms),
        Row("Redis, one look at a render, processor time", look.redis_ms, " ms"),
    ]


async def _whole_job_ms(harness: Harness) -> tuple[float, float]:
    """Give the processor time of a job, the worker's and the script's."""
    tape = await _taped(harness)
    worker_s = script_s = 0.0
    for _ in range(ROUNDS):
        before_s = cpu_s(harness.worker.pid)
        await harness.run_jobs(JOBS)
        worker_s += cpu_s(harness.worker.pid) - before_s
        script_s += await _script_s(tape)
    return 1000 * worker_s / (ROUNDS * JOBS), 1000 * script_s / (ROUNDS * JOBS)


async def _taped(harness: Harness) -> Path:
    """Write down what one job asks of the backend and of its receiver, for the script to ask the same."""
    for _ in range(3):
        await harness.whole_job()
    harness.stub.tape = []
    await harness.whole_job()
    calls, harness.stub.tape = harness.stub.tape, None
    path = harness.world.folders.world / "tape.json"
    tape = {"url": harness.stub.url, "calls": [call._asdict() for call in calls]}
    path.write_text(json.dumps(tape))
    return path


async def _script_s(tape: Path) -> float:
    """Run the script, and read from its output how much processor time its jobs took."""
    command = [sys.executable, "-m", "tests.bench.peers.bare_httpx", str(tape), str(JOBS)]
    script = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        printed, _ = await script.communicate()
    finally:
        if script.returncode is None:
            script.kill()
    if script.returncode:
        raise RuntimeError(f"the bare script ended with {script.returncode}")
    return float(printed)


class Look(NamedTuple):
    """Processor time, of one look at a render or of all so far: the worker's and Redis's."""

    worker_ms: float
    redis_ms: float


async def one_look() -> Look:
    """Measure one look at a render, by many that render for ever."""
    settings = {"REELGATE_RENDER_POLL_S": str(LOOKS_EVERY_S), "REELGATE_RENDER_POLLS": "10000"}
    async with (
        running_harness("looks", workers=0, **settings) as harness,
        connected(harness.world.redis_url) as client,
    ):
        await store_rendering(harness, [new_trace(HOLD_RENDER) for _ in range(RENDERS)], over_s=LOOKS_EVERY_S)
        await harness.another_worker()
        if not await harness.stub.until(lambda: harness.stub.looks > 2 * RENDERS, within_s=60):
            raise TimeoutError("the renders were not looked at")
        looks, before = harness.stub.looks, await _used(harness, client)
        await asyncio.sleep(LOOKS_FOR_S)
        looks, after = harness.stub.looks - looks, await _used(harness, client)
        return Look((after.worker_ms - before.worker_ms) / looks, (after.redis_ms - before.redis_ms) / looks)


async def _used(harness: Harness, client: "redis.asyncio.Redis") -> Look:
    return Look(1000 * cpu_s(harness.worker.pid), await redis_cpu_ms(client))


PART = Part("work", (WHOLE_JOB, TIMES_SCRIPT, ONE_LOOK), measure)
