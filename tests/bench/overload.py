"""The same ten thousand jobs, and twice as much to do as a worker can: renders are looked at twice as often as it gets
round to. How soon is a new job picked up then?

What it can do is measured first, in the same run, so that twice is twice on any machine, at any hour.
"""

import asyncio
import re

import httpx

from tests.bench.concurrency import RENDERS, STREAMS, open_streams, probe
from tests.bench.fill_redis import store_rendering
from tests.bench.goals import Goal, Part, Row
from tests.bench.harness import Harness, running_harness
from tests.bench.load import percentile
from tests.bench.machine import cpu_s
from tests.bench.stub import HOLD_RENDER, new_trace

#: how many times what it can do
TIMES = 2.0
#: so many renders, each wanted again so soon, are more than any worker gets round to
MANY, AT_ONCE_S = 2_000, 0.2
FULLY_BUSY_S = 6.0
#: the streams are open by then, and the renders begin to wake
QUIET_S = 45.0
#: how long the overload lasts before it is probed
LASTS_S = 10.0

NEW_JOB_P99 = Goal("the same at twice what it can do, pick-up of a new job: p99", 1000, " ms")


async def measure() -> list[Row]:
    """Open the streams while the renders sleep, let these wake, and probe."""
    can_do = await _looks_per_s()
    poll_s = RENDERS / (TIMES * can_do)
    async with running_harness("overload", workers=0, redis_url=None, **_looking_every(poll_s)) as harness:
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
            Row("looks that one can do, without streams", can_do, "/s"),
            Row("looks wanted", RENDERS / poll_s, "/s"),
            Row("looks had", looks / LASTS_S, "/s"),
            Row("the worker's share of a core", 100 * used_s / LASTS_S, " %"),
            Row("due and not taken up, as whoever scales workers is told", await _told_due(harness)),
            Row("open streams", len(harness.stub.streams)),
        ]


async def _looks_per_s() -> float:
    """Measure how many renders a worker looks at that does nothing else and is never done."""
    async with running_harness("capacity", workers=0, redis_url=None, **_looking_every(AT_ONCE_S)) as harness:
        await store_rendering(harness, [new_trace(HOLD_RENDER) for _ in range(MANY)], over_s=AT_ONCE_S)
        await harness.another_worker()
        if not await harness.stub.until(lambda: harness.stub.looks > 2 * MANY, within_s=60):
            raise TimeoutError("the renders were not looked at")
        looks = harness.stub.looks
        await asyncio.sleep(FULLY_BUSY_S)
        return (harness.stub.looks - looks) / FULLY_BUSY_S


async def _told_due(harness: Harness) -> float:
    """Read how many jobs the worker's metrics say are due: looks that come late are among them."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        told = (await http.get(f"{harness.worker.address}/metrics")).text
    (due,) = re.findall(r"^reelgate_queue_due_jobs (\S+)$", told, re.MULTILINE)
    return float(due)


def _looking_every(seconds: float) -> dict[str, str]:
    return {
        "REELGATE_WORKER_JOBS": "15000",
        "REELGATE_RENDER_POLL_S": f"{seconds:.2f}",
        "REELGATE_RENDER_POLLS": "100000",
    }


PART = Part("overload", (NEW_JOB_P99,), measure)
