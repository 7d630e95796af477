"""Watches the event loop for the metrics: how late it comes to a timer is how long everything else waits too."""

import asyncio

from core.clock import stopwatch_s
from core.metrics import EVENT_LOOP_LAG_SECONDS

_EVERY_S = 0.5


async def watch_loop(*, every_s: float = _EVERY_S) -> None:
    """Look for ever."""
    while True:
        due_s = stopwatch_s() + every_s
        await asyncio.sleep(every_s)
        EVENT_LOOP_LAG_SECONDS.observe(max(0.0, stopwatch_s() - due_s))
