"""Tasks that run beside everything else, for as long as a process does or until they are through."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Holds them, so that they are neither collected nor left running."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, *tasks: Coroutine[Any, Any, None]) -> None:
        """Run these from now on."""
        for task in map(asyncio.create_task, tasks):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End all of them."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
