"""The one way to wait for what is in another process and of which nobody tells: to look again and again, for so long."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")


async def until(look: Callable[[], Awaitable[Seen]], *, within_s: float, every_s: float = 0.02) -> Seen:
    """Look until what is seen is true, and return it. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not (seen := await look()):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(every_s)
    return seen
