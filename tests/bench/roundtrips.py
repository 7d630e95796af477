"""What a whole job costs Redis: round trips, and commands inside scripts, besides what an idle gateway asks anyway."""

import asyncio
from collections import Counter
from time import perf_counter

import click
import redis.asyncio

from sandbox.world.child_process import stop_all
from sandbox.world.embedded_redis import embedded_redis
from sandbox.world.folders import make_folders
from sandbox.world.settings import callers_environment
from tests.bench.goals import Goal, Part, Row
from tests.bench.harness import Harness, running_harness
from tests.bench.redis_meter import Meter, connected, redis_work

JOBS = 30
IDLE_S = 5.0

ROUND_TRIPS = Goal("Redis, a whole job, round trips", 14)

#: an idle worker looks for work, says that it lives, and sweeps; no job asks for these
_IDLE = (
    "FCALL note_process",
    "FCALL read_gauges",
    "FCALL old_anonymous",
    "FCALL revoked_to_ask_for",
    *(f"ZRANGEBYSCORE rg:{name}" for name in ("retire", "renders", "queued", "uploads", "idle-sessions")),
    "GET rg:cell",
    "HMGET rg:format",
    "LINDEX rg:seals",
    # an API reads every few seconds how long jobs take, as long as somebody submits
    "LRANGE rg:samples",
    "SMEMBERS rg:outcomes",
    "HGETALL rg:outcomes",
    "FCALL poll_queue",
    "BLPOP",
    "FCALL admit_jobs",
    "FCALL renew_leases",
    "FCALL repair_queue",
    "PSETEX arq:queue",
    "PING",
)


async def measure() -> list[Row]:
    """Run jobs through a proxy that counts."""
    folders = make_folders("benchredis")
    child = embedded_redis(data_folder=folders.redis, log_path=folders.log("redis"), env=callers_environment())
    await child.start()
    meter = Meter(child.address)
    try:
        url = await meter.start()
        async with (
            running_harness("roundtrips", redis_url=url) as harness,
            connected(child.address) as client,
        ):
            return await _counted(harness, meter, client)
    finally:
        await meter.stop()
        await stop_all([child])


async def _counted(harness: Harness, meter: Meter, client: "redis.asyncio.Redis") -> list[Row]:
    for _ in range(3):
        await harness.whole_job()
    idle = await _idle_rates(meter)
    meter.turns.clear()
    commands, _ = await redis_work(client)
    began_s = perf_counter()
    for _ in range(JOBS):
        await harness.whole_job()
    seconds = perf_counter() - began_s
    commands = (await redis_work(client))[0] - commands
    turns = {name: (count - idle[name] * seconds) / JOBS for name, count in meter.turns.items() if not is_idle(name)}
    _tell(turns)
    return [
        ROUND_TRIPS.row(sum(turns.values())),
        Row("commands, those inside operations and an idle worker's included", commands / JOBS),
    ]


def is_idle(name: str) -> bool:
    return name.startswith(_IDLE)


async def _idle_rates(meter: Meter) -> Counter[str]:
    meter.turns.clear()
    await asyncio.sleep(IDLE_S)
    return Counter({name: count / IDLE_S for name, count in meter.turns.items()})


def _tell(turns: dict[str, float]) -> None:
    for name, count in sorted(turns.items(), key=lambda item: -item[1]):
        if count > 0.05:
            click.echo(f"  {count:5.1f}  {name}", err=True)


PART = Part("roundtrips", (ROUND_TRIPS,), measure)
