"""Runs one coroutine until it ends, or until Ctrl-C, a SIGTERM or a closed terminal cancels it."""

import asyncio
import signal
from collections.abc import Coroutine

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130


async def run_until_signal(work: Coroutine[None, None, int], *, when_told: int = INTERRUPTED) -> int:
    """Give the exit status of `work`, or `when_told` if it was told to end. A second Ctrl-C changes nothing."""
    task = asyncio.ensure_future(work)
    told = False

    def tell() -> None:
        nonlocal told
        if not told:
            told = True
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in ENDS:
        loop.add_signal_handler(number, tell)
    try:
        return await task
    except asyncio.CancelledError:
        return when_told
