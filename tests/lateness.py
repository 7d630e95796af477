"""How late this machine is: who must say something of time takes that off what was measured.

On a machine with other things to do each step waits for its turn, a process more or less as long as the others.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.clock import stopwatch_s

_TICK_S = 0.02


class Lateness:
    """What a stopwatch shows of a block, and how much of it this process waited for its turn."""

    def __init__(self) -> None:
        self._began_s = stopwatch_s()
        self._late_s = 0.0

    @property
    def own_s(self) -> float:
        """Seconds so far without those by which timers came too late."""
        return stopwatch_s() - self._began_s - self._late_s

    async def watch(self) -> None:
        """Note for ever by how much a short timer comes too late."""
        while True:
            due_s = stopwatch_s() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self._late_s += max(0.0, stopwatch_s() - due_s)


@asynccontextmanager
async def timed() -> AsyncIterator[Lateness]:
    """Time a block without this machine's lateness."""
    lateness = Lateness()
    watching = asyncio.create_task(lateness.watch())
    try:
        yield lateness
    finally:
        watching.cancel()
