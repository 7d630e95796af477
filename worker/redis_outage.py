"""What a worker does while Redis is away: it waits a little, and tries again, for as long as that takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.store.redis.client import STORE_DOWN

#: the pause between two tries, and to what it grows where each try asks the backend as well
_PAUSE_S, LONGEST_PAUSE_S = 0.3, 10.0

T = TypeVar("T")


async def pause() -> None:
    """Wait before the next try."""
    await asyncio.sleep(_PAUSE_S)


async def until_redis_answers(call: Callable[[], Awaitable[T]], *, longest_s: float = _PAUSE_S) -> T:
    """Make a call of Redis that may be made twice, again and again until it is answered, up to so many seconds apart."""
    pause_s = _PAUSE_S
    while True:
        try:
            return await call()
        except STORE_DOWN:
            await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, longest_s)
