"""Tasks that run beside everything else for as long as a process does."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Holds them, so that they are neither collected nor left running."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, *tasks: Coroutine[Any, Any, None]) -> None:
        """Run these from now on."""
        self._tasks += [asyncio.create_task(task) for task in tasks]

    async def stop(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
