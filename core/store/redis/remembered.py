"""A value of Redis that a process remembers for a while: whoever must not wait gets the last one, and has it read anew."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from core.clock import Clock
from core.store.redis.client import STORE_DOWN

T = TypeVar("T")


class Remembered(Generic[T]):
    """What `read` gives, read anew when somebody asks and it is older than `fresh_ms`; `at_first` until it was read."""

    def __init__(self, read: Callable[[], Awaitable[T]], at_first: T, clock: Clock, *, fresh_ms: int) -> None:
        self._read = read
        self._last = at_first
        self._clock = clock
        self._fresh_ms = fresh_ms
        self._read_at_ms = 0
        self._reading: asyncio.Task[None] | None = None
        self._awaited: asyncio.Task[None] | None = None

    async def now(self) -> T:
        """Give the present value. Whoever asks meanwhile, for a page of jobs, say, is answered by the same read."""
        if self._is_old():
            if self._awaited is None or self._awaited.done():
                self._awaited = asyncio.create_task(self._renew(), name="remembered")
                self._awaited.add_done_callback(_take_note)
            await asyncio.shield(self._awaited)
        return self._last

    def lately(self) -> T:
        """Give the last value, for who must not wait; an old one is read anew meanwhile."""
        if self._is_old() and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._renew_if_possible(), name="remembered")
        return self._last

    async def stop(self) -> None:
        """End what still reads."""
        for reading in filter(None, (self._reading, self._awaited)):
            reading.cancel()
            with suppress(asyncio.CancelledError, *STORE_DOWN):
                await reading

    def _is_old(self) -> bool:
        return abs(self._clock.now_ms() - self._read_at_ms) > self._fresh_ms

    async def _renew_if_possible(self) -> None:
        with suppress(*STORE_DOWN):
            await self._renew()

    async def _renew(self) -> None:
        now_ms = self._clock.now_ms()
        self._last, self._read_at_ms = await self._read(), now_ms


def _take_note(ended: asyncio.Task[None]) -> None:
    """Look at what a read raised, also where nobody waits for it any more."""
    if not ended.cancelled():
        ended.exception()
