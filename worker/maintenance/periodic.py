"""Periodic tasks: what a worker does again and again beside its jobs, and what one failure must not end."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from core.logs import get_logger
from core.store.redis.client import STORE_DOWN

log = get_logger(__name__)


async def run_periodically(name: str, task: Callable[[], Awaitable[None]], *, every_s: float) -> None:
    """Run a task for ever, each worker at its own moments. That Redis is away is told once, until it has answered."""
    told = False
    while True:
        await asyncio.sleep(every_s * random.uniform(0.5, 1.0))
        try:
            await run_unless_it_breaks(name, task)
            told = False
        except STORE_DOWN as away:
            if not told:
                log.warning("Redis is away", task=name, error=type(away).__name__)
            told = True


async def run_unless_it_breaks(name: str, task: Callable[[], Awaitable[object]]) -> None:
    """Run a task; its errors go to the log and to nobody else. Raises STORE_DOWN."""
    try:
        await task()
    except STORE_DOWN:
        raise
    except Exception:
        log.exception("a periodic task broke", task=name)
