"""Looks at all jobs again and again, and measures the longest time in which none of them moved though some had not ended."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from sandbox.chaos.caller import Caller
from sandbox.chaos.counting import ENDS

LOOK_EVERY_S = 0.5


class Watch:
    """What the last look showed, and the longest standstill so far, in seconds."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.longest_standstill_s = 0.0
        self._moved_at_s: float | None = None

    def look(self, jobs: Collection[dict[str, Any]], *, now_s: float) -> None:
        """Take in what the API lists now."""
        seen = {job["id"]: job for job in jobs}
        moved = {key: job["version"] for key, job in seen.items()} != {
            k: job["version"] for k, job in self.jobs.items()
        }
        if self._moved_at_s is not None and self.unended:
            self.longest_standstill_s = max(self.longest_standstill_s, now_s - self._moved_at_s)
        if moved or not self.unended:
            self._moved_at_s = now_s
        self.jobs = seen

    @property
    def unended(self) -> int:
        return sum(1 for job in self.jobs.values() if job["status"] not in ENDS)

    async def until(self, over: Callable[[], bool], caller: Caller) -> None:
        """Look on until `over` says so."""
        while not over():
            self.look(await caller.jobs(), now_s=asyncio.get_running_loop().time())
            await asyncio.sleep(LOOK_EVERY_S)
