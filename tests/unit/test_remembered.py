"""A value that a process remembers: one read answers all who ask at once, and a failure is told to each of them."""

import asyncio

from redis.exceptions import ConnectionError as RedisConnectionError

from core.clock import HandClock
from core.store.redis.remembered import Remembered


class Source:
    """What is read, slowly, and how often."""

    def __init__(self) -> None:
        self.reads = 0
        self.away = False

    async def read(self) -> int:
        self.reads += 1
        await asyncio.sleep(0)
        if self.away:
            raise RedisConnectionError
        return self.reads


async def test_a_hundred_who_ask_at_once_are_answered_by_one_read() -> None:
    source, clock = Source(), HandClock()
    value = Remembered(source.read, 0, clock, fresh_ms=1000)
    assert await asyncio.gather(*(value.now() for _ in range(100))) == [1] * 100
    clock.turn(by_s=2)
    assert await asyncio.gather(*(value.now() for _ in range(100))) == [2] * 100
    await value.stop()


async def test_all_hear_that_redis_is_away_and_the_next_one_asks_again() -> None:
    source = Source()
    value, source.away = Remembered(source.read, 0, HandClock(), fresh_ms=1000), True
    found = await asyncio.gather(*(value.now() for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [RedisConnectionError] * 3
    source.away = False
    assert await value.now() == 2
    await value.stop()


async def test_one_who_gives_up_cuts_nobody_elses_read_off() -> None:
    value = Remembered(Source().read, 0, HandClock(), fresh_ms=1000)
    hasty, patient = asyncio.create_task(value.now()), asyncio.create_task(value.now())
    await asyncio.sleep(0)
    hasty.cancel()
    assert await patient == 1
