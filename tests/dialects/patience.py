"""Waits for what runs in other threads as long as something goes on there, however slow the machine is."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from core.clock import stopwatch_s

#: the longest pause of a gateway in these tests is far shorter: whoever asks for nothing so long will ask for nothing more
STALLED_S = 120.0

T = TypeVar("T")


def awaited(future: Future[T], progress: Callable[[], int], *, stalled_s: float = STALLED_S) -> T:
    """Wait for a result until `progress`, which counts what was done so far, stands still. Raises AssertionError then."""
    known, since_s = progress(), stopwatch_s()
    while not wait([future], timeout=1).done:
        if (now := progress()) != known:
            known, since_s = now, stopwatch_s()
        assert stopwatch_s() - since_s < stalled_s, f"nothing was asked for {stalled_s:.0f} s"
    return future.result()
