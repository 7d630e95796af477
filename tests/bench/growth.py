"""What a job costs Redis when few jobs are stored, and when a hundred thousand are."""

import asyncio

import redis.asyncio

from core import verbs
from core.job import Job
from core.store.connection import connect
from tests.bench.ground import Ground, ground
from tests.bench.load import send_all
from tests.bench.stub import PLAIN, new_trace
from tests.bench.table import Row, at_most
from tests.store_fixture import Core, make_job, settings_for

#: the tenant of a ground
TENANT = "demo"
FEW, MANY = 100, 100_000
JOBS = 300
#: jobs accepted by one script call while the store is filled
AT_ONCE = 100
#: flat means that it is no more than so many times as much
FLAT = 1.2


async def measure() -> list[Row]:
    """Measure at both sizes, on one Redis, with a worker that is away while it is filled."""
    async with ground("growth") as at, redis.asyncio.from_url(at.world.redis_url) as client:
        await at.worker.stop()
        await _store(at, FEW)
        few = await _cost_us(at, client)
        await at.worker.stop()
        await _store(at, MANY - FEW - JOBS)
        many = await _cost_us(at, client)
    return [
        at_most(f"Redis time of a submit, {MANY:,} stored jobs against {FEW}", FLAT, many[0] / few[0], "x"),
        at_most("  of a whole job", FLAT, many[1] / few[1], "x"),
        Row("  submit and whole job, few stored", "", f"{few[0]:.0f} and {few[1]:.0f} µs"),
        Row("  submit and whole job, many stored", "", f"{many[0]:.0f} and {many[1]:.0f} µs"),
    ]


async def _cost_us(at: Ground, client: "redis.asyncio.Redis") -> tuple[float, float]:
    """Submit jobs while no worker is there, then let one run them; gives the scripts' time for each of both."""
    await _settled(client)
    ended = len(at.stub.called_back_s)
    began_us = await _script_us(client)
    await send_all(at.jobs_url, at.requests(new_trace(PLAIN) for _ in range(JOBS)), connections=8)
    submitted_us = await _script_us(client)
    await at.worker.start()
    if not await at.stub.until(lambda: len(at.stub.called_back_s) >= ended + JOBS, within_s=60):
        raise TimeoutError("the jobs did not end")
    return (submitted_us - began_us) / JOBS, (await _script_us(client) - began_us) / JOBS


async def _settled(client: "redis.asyncio.Redis") -> None:
    """Wait until Redis has rewritten its log after the filling, which takes a processor for itself."""
    while (await client.info("persistence"))["aof_rewrite_in_progress"]:
        await asyncio.sleep(0.2)


async def _script_us(client: "redis.asyncio.Redis") -> float:
    stats = await client.info("commandstats")
    return float(stats.get("cmdstat_evalsha", {}).get("usec", 0))


async def _store(at: Ground, number: int) -> None:
    """Fill Redis with jobs that have ended, by the gateway's own scripts."""
    client = connect(at.world.redis_url, answer_s=30)
    core = Core(client, settings_for(at.world.redis_url, tenant_queued_jobs=10**9, queue_limit=10**9))
    try:
        for start in range(0, number, AT_ONCE):
            made = [make_job(TENANT, created_at_ms=core.clock.now_ms()) for _ in range(min(AT_ONCE, number - start))]
            await core.offer(*made, key_id=f"key_{start}")
            await asyncio.gather(*(_end(core, job) for job in made))
    finally:
        await core.store.close()


async def _end(core: Core, job: Job) -> None:
    after = verbs.cancel_asked(job, now_ms=core.clock.now_ms())
    await core.jobs.commit(job, after, owner=None, event=core.news(job, after))
