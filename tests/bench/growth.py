"""What a job costs Redis when few jobs are stored, and when a hundred thousand are; and while it rewrites its log.

It is Redis's own processor time, all its threads, by its `INFO cpu`. Redis rewrites its log by a child process whenever that
has grown enough, which takes a processor for a while; so it is kept from it, and then made to do it once, by itself.
"""

import asyncio
from typing import Any, NamedTuple

import redis.asyncio

from tests.bench.fill_redis import store_ended
from tests.bench.goals import Goal, Part, Row
from tests.bench.harness import Harness, running_harness
from tests.bench.redis_meter import connected, redis_cpu_ms, redis_memory_bytes

FEW, MANY = 100, 100_000
#: on a slow machine fewer are stored
FILL_S = 75.0
JOBS = 1000

SUBMIT_MS = Goal("Redis, a submit, processor time", 0.12, " ms")
JOB_MS = Goal("Redis, a whole job, processor time", 1.5, " ms")
SUBMIT_GROWTH = Goal("Redis, a submit, 100,000 stored jobs against 100", 1.2, "x")
JOB_GROWTH = Goal("Redis, a whole job, 100,000 stored jobs against 100", 1.2, "x")


class Cost(NamedTuple):
    """What one job takes of Redis: milliseconds of its processor time, and room."""

    submit_ms: float
    job_ms: float
    #: of its memory, once the job has ended
    kept_bytes: float


async def measure() -> list[Row]:
    """Measure at both sizes, on one Redis, with a worker that is away while it is filled."""
    async with running_harness("growth") as harness, connected(harness.world.redis_url) as client:
        await client.config_set("auto-aof-rewrite-percentage", 0)
        await harness.run_jobs(20)
        await harness.worker.stop()
        await store_ended(harness, FEW, within_s=FILL_S)
        few = await _cost(harness, client)
        await harness.worker.stop()
        stored = FEW + JOBS + await store_ended(harness, MANY - FEW - JOBS, within_s=FILL_S)
        many = await _cost(harness, client)
        await harness.worker.stop()
        rewriting = await _submits_in_rewrite(harness, client)
    return [*_rows(few, many, stored), *rewriting]


def _rows(few: Cost, many: Cost, stored: int) -> list[Row]:
    enough = stored >= 0.99 * MANY
    words = "" if enough else f"only {stored:,} in {FILL_S:.0f} s"
    grown = [(SUBMIT_GROWTH, many.submit_ms / few.submit_ms), (JOB_GROWTH, many.job_ms / few.job_ms)]
    return [
        SUBMIT_MS.row(few.submit_ms),
        JOB_MS.row(few.job_ms),
        *(goal.row(ratio) if enough else goal.not_measured(words) for goal, ratio in grown),
        Row(f"a submit with {stored:,} stored jobs", many.submit_ms, " ms"),
        Row(f"a whole job with {stored:,} stored jobs", many.job_ms, " ms"),
        Row("Redis's memory for a job that has ended", many.kept_bytes / 1000, " kB"),
    ]


async def _cost(harness: Harness, client: "redis.asyncio.Redis") -> Cost:
    """Submit jobs while no worker is there, then let one run them."""
    await _settled(client)
    before_ms, before_bytes = await redis_cpu_ms(client), await redis_memory_bytes(client)
    await harness.post_jobs(JOBS)
    submitted_ms = await redis_cpu_ms(client)
    await harness.worker.start()
    await harness.ended_jobs(JOBS)
    ended_ms, kept_bytes = await redis_cpu_ms(client), await redis_memory_bytes(client) - before_bytes
    return Cost((submitted_ms - before_ms) / JOBS, (ended_ms - before_ms) / JOBS, kept_bytes / JOBS)


async def _submits_in_rewrite(harness: Harness, client: "redis.asyncio.Redis") -> list[Row]:
    """Submit while the log is being rewritten: what the parent pays for its child, which is not in the other rows."""
    await client.execute_command("BGREWRITEAOF")  # type: ignore[no-untyped-call]
    before_ms = await redis_cpu_ms(client)
    await harness.post_jobs(JOBS)
    used_ms = await redis_cpu_ms(client) - before_ms
    still = bool((await _persistence(client))["aof_rewrite_in_progress"])
    note = "" if still else "it was over before the submits were"
    await _settled(client)
    took_s = (await _persistence(client))["aof_last_rewrite_time_sec"]
    return [
        Row("a submit while the AOF is rewritten", used_ms / JOBS, " ms", note=note),
        Row("that rewrite, by the clock", took_s, " s"),
    ]


async def _settled(client: "redis.asyncio.Redis") -> None:
    """Wait until no child of Redis is at work."""
    while (await _persistence(client))["aof_rewrite_in_progress"]:  # noqa: ASYNC110 - Redis tells nobody
        await asyncio.sleep(0.2)


async def _persistence(client: "redis.asyncio.Redis") -> dict[str, Any]:
    return dict(await client.info("persistence"))


PART = Part("growth", (SUBMIT_MS, JOB_MS, SUBMIT_GROWTH, JOB_GROWTH), measure)
