"""The same ten thousand jobs, and twice as much to do as a worker can: renders are looked at so often that the looks alone
would take two cores. How soon is a new job picked up then?

What a look costs is measured first, in the same run, so that twice is twice on any machine.
"""

import asyncio

from tests.bench.concurrency import RENDERS, STREAMS, open_streams, probe
from tests.bench.fill_redis import store_rendering
from tests.bench.goals import Goal, Part, Row
from tests.bench.harness import running_harness
from tests.bench.load import percentile
from tests.bench.machine import cpu_s
from tests.bench.stub import HOLD_RENDER, new_trace
from tests.bench.work import look_ms

#: cores that the looks would take
DEMAND = 2.0
#: the streams are open by then, and the renders begin to wake
QUIET_S = 45.0
#: how long the overload lasts before it is probed
LASTS_S = 10.0

NEW_JOB_P99 = Goal("the same at twice what it can do, pick-up of a new job: p99", 1000, " ms")


async def measure() -> list[Row]:
    """Open the streams while the renders sleep, let these wake, and probe."""
    poll_s = RENDERS * await look_ms() / 1000 / DEMAND
    settings = {
        "REELGATE_WORKER_JOBS": "15000",
        "REELGATE_RENDER_POLL_S": f"{poll_s:.2f}",
        "REELGATE_RENDER_POLLS": "10000",
    }
    async with running_harness("overload", workers=0, **settings) as harness:
        renders = [new_trace(HOLD_RENDER) for _ in range(RENDERS)]
        await store_rendering(harness, renders, over_s=poll_s, first_in_s=QUIET_S)
        await harness.another_worker()
        await open_streams(harness, STREAMS)
        await harness.stub.until(lambda: harness.stub.looks > RENDERS / 2, within_s=QUIET_S + 30)
        looks, used_s = harness.stub.looks, cpu_s(harness.worker.pid)
        await asyncio.sleep(LASTS_S)
        looks, used_s = harness.stub.looks - looks, cpu_s(harness.worker.pid) - used_s
        own_ms, clock_ms = await probe(harness)
        return [
            NEW_JOB_P99.row(percentile(own_ms, 99)),
            Row("by the clock: p99", percentile(clock_ms, 99), " ms"),
            Row("looks wanted", RENDERS / poll_s, "/s"),
            Row("looks had", looks / LASTS_S, "/s"),
            Row("the worker's share of a core", 100 * used_s / LASTS_S, " %"),
            Row("open streams", len(harness.stub.streams)),
        ]


PART = Part("overload", (NEW_JOB_P99,), measure)
