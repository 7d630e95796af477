"""Whole jobs on an idle gateway: how soon the backend hears of one, and how much of its time is the gateway's own.

The bench's backend answers at once, so that all but the waits between two looks at a render is the gateway's own time.
"""

from tests.bench.harness import running_harness
from tests.bench.load import percentile
from tests.bench.table import Row, at_most

WARM_UP = 10
JOBS = 150


async def measure() -> list[Row]:
    """Take jobs from POST to callback, one after the other."""
    first_s: list[float] = []
    whole_s: list[float] = []
    async with running_harness("latency") as harness:
        for number in range(WARM_UP + JOBS):
            _, first, whole = await harness.whole_job()
            if number >= WARM_UP:
                first_s.append(first)
                whole_s.append(whole)
    first_ms, whole_ms = ([value * 1000 for value in values] for values in (first_s, whole_s))
    return [
        at_most("idle pick-up, POST to the first backend call: p50", 15, percentile(first_ms, 50), " ms"),
        at_most("  p99", 60, percentile(first_ms, 99), " ms"),
        at_most("own time in a whole job, POST to callback: p50", 50, percentile(whole_ms, 50), " ms"),
        at_most("  p99", 250, percentile(whole_ms, 99), " ms"),
    ]
