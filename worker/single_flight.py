"""Single flight: of many callers who ask for the same thing at once, one call goes out, and all get its answer.

A call is a task of its own: whoever asked may be cancelled without cutting it off.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Calls under way in this process, by what they are about."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[T]] = {}

    async def run(self, key: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Join the call about `key` that is under way, or begin one. Raises what the call raises, to all who wait."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(call())
            task.add_done_callback(lambda ended: self._end(key, ended))
        return await asyncio.shield(task)

    async def wait_until_over(self) -> None:
        """Wait for the calls that are under way, though nobody else may any more."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    def _end(self, key: str, task: asyncio.Task[T]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # taken note of, also where nobody waits any more
