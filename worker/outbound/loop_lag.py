"""Event-loop lag during a wait for somebody else: whether a time-out is this process's own fault."""

import asyncio
from typing import Self

from core.clock import stopwatch_s

_TICK_S = 0.25
#: lateness of more than this part of the time makes a time-out ours
_OUR_PART = 0.25


class LagWatch:
    """Measures the event loop's lateness during a block, by a timer that should be called every `_TICK_S`."""

    def __init__(self) -> None:
        #: seconds of lateness so far
        self.late_s = 0.0
        self._began_s = self._due_s = stopwatch_s()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._begin_tick()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._note_lateness()

    @property
    def was_late(self) -> bool:
        """So much of the time went by without the loop that nobody else can be blamed for slowness. Ask after the end."""
        return self.late_s > _OUR_PART * (stopwatch_s() - self._began_s)

    def _begin_tick(self) -> None:
        self._due_s = stopwatch_s() + _TICK_S
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        self._note_lateness()
        self._begin_tick()

    def _note_lateness(self) -> None:
        self.late_s += max(0.0, stopwatch_s() - self._due_s)
