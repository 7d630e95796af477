"""Time without waiting for a processor: what a stopwatch shows, less the time that the processes were ready to run and
others had the machine.

The kernel counts that for each thread; it is noted every few milliseconds, so that it can be told for any span afterwards. The
plain time stands beside it in the table.

Where several processes waited between two notes, it is for who measures to say what of that is taken off. What goes through
one after the other, while all others have nothing to do, waits for each in turn: their sum (`sum`). Where all are busy all the
time they wait at once, and of that the one thing that is measured has waited for one alone: the longest (`max`); the sum
would soon be more than the whole span.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from time import perf_counter

from tests.bench.machine import waited_s

_EVERY_S = 0.01

#: what is taken off, of the waits of each between two notes
TakenOff = Callable[[Sequence[float]], float]


class Waits:
    """What some processes have waited for a processor, over time (`perf_counter`)."""

    def __init__(self, pids: Sequence[int], taken_off: TakenOff) -> None:
        self._pids = pids
        self._taken_off = taken_off
        self._latest_s: list[float] = []
        self._at_s: list[float] = []
        #: taken off up to then
        self._waited_s: list[float] = []

    def note(self) -> None:
        """Note how it is now."""
        self.note_as(perf_counter(), [waited_s(pid) for pid in self._pids])

    def note_as(self, at_s: float, each_waited_s: list[float]) -> None:
        waits_s = [now_s - before_s for before_s, now_s in zip(self._latest_s, each_waited_s, strict=False)]
        so_far_s = self._waited_s[-1] if self._waited_s else 0.0
        self._at_s.append(at_s)
        self._waited_s.append(so_far_s + (self._taken_off(waits_s) if waits_s else 0.0))
        self._latest_s = each_waited_s

    def own_s(self, began_s: float, ended_s: float) -> float:
        """Give a span's length without the waits in it; never less than nothing."""
        return max(0.0, ended_s - began_s - (self._until(ended_s) - self._until(began_s)))

    def _until(self, at_s: float) -> float:
        """Tell what had been waited by then, in a straight line between two notes."""
        after = bisect_left(self._at_s, at_s)
        if after == 0:
            return self._waited_s[0]
        if after == len(self._at_s):
            return self._waited_s[-1]
        (t0, t1), (w0, w1) = self._at_s[after - 1 : after + 1], self._waited_s[after - 1 : after + 1]
        return w0 + (w1 - w0) * (at_s - t0) / (t1 - t0)

    async def _go_on(self) -> None:
        while True:
            with suppress(FileNotFoundError):  # one of them is being replaced
                self.note()
            await asyncio.sleep(_EVERY_S)


@asynccontextmanager
async def watched(pids: Sequence[int], taken_off: TakenOff) -> AsyncIterator[Waits]:
    """Note the waits of these processes as long as the block lasts."""
    waits = Waits(pids, taken_off)
    waits.note()
    noting = asyncio.create_task(waits._go_on())
    try:
        yield waits
    finally:
        noting.cancel()
