"""The one way to wait for what is in another process and of which nobody tells: to look again and again, for so long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.clock import stopwatch_s

Seen = TypeVar("Seen")

#: How long anything is waited for that comes in a moment on a machine with nothing else to do. It ends what hangs, and
#: judges nothing: on a busy machine a moment is a minute.
PATIENCE_S = 240


async def until(look: Callable[[], Awaitable[Seen]], *, within_s: float, every_s: float = 0.02) -> Seen:
    """Look until what is seen is true, and return it. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not (seen := await look()):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(every_s)
    return seen


def wait_until(
    look: Callable[[], Seen], *, within_s: float, every_s: float = 0.02, told: Callable[[], object] = str
) -> Seen:
    """Do the same where there is no event loop. `told`: what the TimeoutError says of how it stands then."""
    give_up_s = stopwatch_s() + within_s
    while not (seen := look()):
        if stopwatch_s() > give_up_s:
            raise TimeoutError(told())
        time.sleep(every_s)
    return seen
