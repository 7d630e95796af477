"""What a worker with nothing to do asks of Redis, and of its core."""

import asyncio
from time import perf_counter
from typing import NamedTuple

import redis.asyncio

from tests.bench.goals import Goal, Part, Row
from tests.bench.harness import running_harness
from tests.bench.machine import cpu_s
from tests.bench.redis_meter import connected

#: what a start brings with it is over by then
SETTLE_S = 6.0
WORKER_S = 20.0
ALONE_S = 8.0

COMMANDS = Goal("idle worker, commands of Redis, those inside operations included", 30, "/s")
CORE = Goal("idle worker, share of a core", 0.5, " %")


class _Asked(NamedTuple):
    commands_per_s: float
    operations_per_s: float
    core_percent: float


async def measure() -> list[Row]:
    """Look at an idle gateway with a worker and without; the difference is the worker's."""
    async with running_harness("idle") as harness, connected(harness.world.redis_url) as client:
        await asyncio.sleep(SETTLE_S)
        with_worker = await _asked(client, harness.worker.pid, WORKER_S)
        await harness.worker.stop()
        alone = await _asked(client, harness.world.apis[0].pid, ALONE_S)
    return [
        COMMANDS.row(with_worker.commands_per_s - alone.commands_per_s),
        Row("operations (FCALL) among these", with_worker.operations_per_s - alone.operations_per_s, "/s"),
        CORE.row(with_worker.core_percent),
        Row("an idle API process, commands of Redis", alone.commands_per_s, "/s"),
        Row("an idle API process, share of a core", alone.core_percent, " %"),
    ]


async def _asked(client: "redis.asyncio.Redis", pid: int, for_s: float) -> _Asked:
    before, used_s, began_s = await _calls(client), cpu_s(pid), perf_counter()
    await asyncio.sleep(for_s)
    seconds, used_s = perf_counter() - began_s, cpu_s(pid) - used_s
    commands, operations = (now - then for now, then in zip(await _calls(client), before, strict=True))
    return _Asked(commands / seconds, operations / seconds, 100 * used_s / seconds)


async def _calls(client: "redis.asyncio.Redis") -> tuple[int, int]:
    """Read how many commands Redis has run, those inside operations included, and how many operations."""
    operations = (await client.info("commandstats")).get("cmdstat_fcall", {}).get("calls", 0)
    return int((await client.info("stats"))["total_commands_processed"]), int(operations)


PART = Part("idle", (COMMANDS, CORE), measure)
