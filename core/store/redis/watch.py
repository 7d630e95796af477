"""Watches Redis for the metrics: how long a round trip takes, whether it is away, keeps what it is told, and has room."""

import asyncio
import math

from core.clock import stopwatch_s
from core.metrics import (
    REDIS_AWAY,
    REDIS_DURABLE,
    REDIS_MEMORY_LIMIT_BYTES,
    REDIS_MEMORY_USED_BYTES,
    REDIS_ROUND_TRIP_SECONDS,
)
from core.store.redis.client import STORE_DOWN, STORE_ERROR, Store
from core.store.redis.durability import is_durable

#: between two looks, and looks from one question about durability and room to the next
_EVERY_S = 2.0
_LOOKS = 15


async def watch_redis(store: Store, *, every_s: float = _EVERY_S) -> None:
    """Look for ever. It is a guest on the connection that all calls share, so it waits as long as they do."""
    while True:
        await look_at_durability(store)
        await look_at_memory(store)
        for _ in range(_LOOKS):
            await look_at_round_trip(store)
            await asyncio.sleep(every_s)


async def look_at_round_trip(store: Store) -> None:
    """Measure one round trip; where Redis does not answer, say so."""
    began_s = stopwatch_s()
    try:
        await store.ask("PING")
    except STORE_DOWN:
        REDIS_AWAY.set(1)
    except STORE_ERROR:  # it answers, though not this
        REDIS_AWAY.set(0)
    else:
        REDIS_AWAY.set(0)
        REDIS_ROUND_TRIP_SECONDS.observe(stopwatch_s() - began_s)


async def look_at_durability(store: Store) -> None:
    """Ask whether Redis keeps what it is told. While it is away it stays said what was true before."""
    try:
        durable = await is_durable(store)
    except STORE_ERROR:
        return
    REDIS_DURABLE.set(math.nan if durable is None else durable)


async def look_at_memory(store: Store) -> None:
    """Ask how much of its room Redis has used. While it is away it stays said what was true before."""
    try:
        told = await store.redis.info("memory")
    except STORE_ERROR:
        return
    used, not_counted = _number(told.get("used_memory")), _number(told.get("mem_not_counted_for_evict", 0))
    REDIS_MEMORY_USED_BYTES.set(used - not_counted)
    REDIS_MEMORY_LIMIT_BYTES.set(_number(told.get("maxmemory")) or math.nan)


def _number(told: object) -> float:
    """Read a number; what a hosted one says in the place of one is none."""
    return told if isinstance(told, int | float) else math.nan
