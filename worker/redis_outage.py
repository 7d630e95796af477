"""What a worker does while Redis is away: it waits a little, and tries again, for as long as that takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.store.redis.client import STORE_DOWN

#: the pause between two tries
_PAUSE_S = 0.3

T = TypeVar("T")


async def pause() -> None:
    """Wait before the next try."""
    await asyncio.sleep(_PAUSE_S)


async def until_redis_answers(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call of Redis that may be made twice, again and again until it is answered."""
    while True:
        try:
            return await call()
        except STORE_DOWN:
            await pause()
