"""Periodic tasks: what is told of a Redis that is away while they run."""

import asyncio
from contextlib import suppress

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from worker.maintenance.periodic import run_periodically

AWAY, THERE = True, False


async def test_an_outage_of_redis_is_told_once_however_many_rounds_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    rounds = iter([AWAY] * 9 + [THERE] + [AWAY] * 9)
    over = asyncio.Event()

    async def sweep() -> None:
        away = next(rounds, None)
        if away is None:
            over.set()
        if away:
            raise RedisConnectionError

    sweeping = asyncio.create_task(run_periodically("sweep", sweep, every_s=0.001))
    await over.wait()
    sweeping.cancel()
    with suppress(asyncio.CancelledError):
        await sweeping
    told = [record.msg for record in caplog.records if "Redis is away" in str(record.msg)]
    assert len(told) == 2, "two outages"
