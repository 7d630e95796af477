"""What a job costs Redis when few jobs are stored, and when a hundred thousand are."""

import asyncio

import redis.asyncio

from tests.bench.fill_redis import store_ended
from tests.bench.harness import Harness, running_harness
from tests.bench.load import send_all
from tests.bench.stub import PLAIN, new_trace
from tests.bench.table import Row, at_most

FEW, MANY = 100, 100_000
#: on a slow machine fewer are stored
FILL_S = 60.0
JOBS = 300
#: flat means that it is no more than so many times as much
FLAT = 1.2


async def measure() -> list[Row]:
    """Measure at both sizes, on one Redis, with a worker that is away while it is filled."""
    async with running_harness("growth") as harness, redis.asyncio.from_url(harness.world.redis_url) as client:
        await harness.worker.stop()
        await store_ended(harness, FEW, within_s=FILL_S)
        few = await _cost_us(harness, client)
        await harness.worker.stop()
        stored = FEW + JOBS + await store_ended(harness, MANY - FEW - JOBS, within_s=FILL_S)
        many = await _cost_us(harness, client)
    return [
        at_most(f"Redis time of a submit, {stored:,} stored jobs against {FEW}", FLAT, many[0] / few[0], "x"),
        at_most("  of a whole job", FLAT, many[1] / few[1], "x"),
        Row("  submit and whole job, few stored", "", f"{few[0]:.0f} and {few[1]:.0f} µs"),
        Row("  submit and whole job, many stored", "", f"{many[0]:.0f} and {many[1]:.0f} µs"),
    ]


async def _cost_us(harness: Harness, client: "redis.asyncio.Redis") -> tuple[float, float]:
    """Submit jobs while no worker is there, then let one run them; gives the scripts' time for each of both."""
    await _settled(client)
    ended = len(harness.stub.called_back_s)
    began_us = await _script_us(client)
    await send_all(harness.jobs_url, harness.requests(new_trace(PLAIN) for _ in range(JOBS)), connections=8)
    submitted_us = await _script_us(client)
    await harness.worker.start()
    if not await harness.stub.until(lambda: len(harness.stub.called_back_s) >= ended + JOBS, within_s=60):
        raise TimeoutError("the jobs did not end")
    return (submitted_us - began_us) / JOBS, (await _script_us(client) - began_us) / JOBS


async def _settled(client: "redis.asyncio.Redis") -> None:
    """Wait until Redis has rewritten its log after the filling, which takes a processor for itself."""
    while (await client.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110 - Redis tells nobody
        await asyncio.sleep(0.2)


async def _script_us(client: "redis.asyncio.Redis") -> float:
    stats = await client.info("commandstats")
    return float(stats.get("cmdstat_fcall", {}).get("usec", 0))
