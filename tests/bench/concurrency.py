"""Many jobs in one worker's hands: eight thousand that sleep between two looks at their render, two thousand with an
open stream; what that takes of its core, and how soon a new one is picked up meanwhile.
"""

import asyncio
from time import perf_counter

from tests.bench.fill_redis import store_rendering
from tests.bench.goals import Direction, Goal, Part, Row
from tests.bench.harness import Harness, running_harness
from tests.bench.load import percentile, send_all
from tests.bench.machine import cpu_s, rss_mib
from tests.bench.stub import HOLD_RENDER, HOLD_STREAM, PLAIN, new_trace
from tests.bench.waits import watched

STREAMS = 2_000
RENDERS = 8_000
#: what has not got so far by then is not counted
RAMP_S = 120.0
#: between two looks at a render, as the backend's contract has it
POLL_S = 30
PROBES = 60
BETWEEN_PROBES_S = 0.1
#: a new job that nobody took up in this time counts as taken up then
LATEST_S = 20.0

IN_FLIGHT = Goal("jobs in flight on one worker, open streams among them", STREAMS + RENDERS, "", Direction.AT_LEAST)
OPEN_STREAMS = Goal("open streams among them", STREAMS, "", Direction.AT_LEAST)
CORE = Goal("10,000 in flight on one worker, share of a core", 35, " %")
PICK_UP_P99 = Goal("pick-up of a new job meanwhile: p99", 250, " ms")
MEMORY = Goal("memory of that worker", 600, " MiB")


async def measure() -> list[Row]:
    """Fill one worker, look at it for as long as each render is looked at once, then probe it."""
    settings = {"REELGATE_WORKER_JOBS": "15000", "REELGATE_RENDER_POLL_S": str(POLL_S)}
    async with running_harness("concurrency", workers=0, **settings) as harness:
        renders = [new_trace(HOLD_RENDER) for _ in range(RENDERS)]
        await store_rendering(harness, renders, over_s=POLL_S)
        await harness.another_worker()
        idle_mib = rss_mib(harness.worker.pid)
        await open_streams(harness, STREAMS)
        full = lambda: len(harness.stub.streams) >= STREAMS and len(harness.stub.first_s) >= STREAMS + RENDERS  # noqa: E731
        await harness.stub.until(full, within_s=RAMP_S)
        streams, looked_at = len(harness.stub.streams), sum(trace in harness.stub.first_s for trace in renders)
        core = await _core_percent(harness)
        own_ms, clock_ms = await probe(harness)
        return [
            IN_FLIGHT.row(streams + looked_at),
            OPEN_STREAMS.row(streams),
            CORE.row(core),
            PICK_UP_P99.row(percentile(own_ms, 99)),
            Row("pick-up by the clock: p50", percentile(clock_ms, 50), " ms"),
            Row("pick-up by the clock: p99", percentile(clock_ms, 99), " ms"),
            MEMORY.row(rss_mib(harness.worker.pid)),
            Row("its memory before", idle_mib, " MiB"),
        ]


async def open_streams(harness: Harness, number: int) -> None:
    """Post jobs whose streams stay open."""
    await send_all(harness.jobs_url, harness.requests(new_trace(HOLD_STREAM) for _ in range(number)), connections=16)


async def _core_percent(harness: Harness) -> float:
    used_s, began_s = cpu_s(harness.worker.pid), perf_counter()
    await asyncio.sleep(POLL_S)
    return 100 * (cpu_s(harness.worker.pid) - used_s) / (perf_counter() - began_s)


async def probe(harness: Harness) -> tuple[list[float], list[float]]:
    """Post jobs one by one, each on its own, and see when the backend hears of them.

    Gives the milliseconds of each, without the longest of its processes' waits for a processor at any time, and by the clock.
    """
    began_s: dict[str, float] = {}
    async with watched(harness.pids, max) as waits:
        for _ in range(PROBES):
            trace = new_trace(PLAIN)
            _, began_s[trace] = await harness.submit(trace)
            await asyncio.sleep(BETWEEN_PROBES_S)
        await harness.stub.until(lambda: all(trace in harness.stub.first_s for trace in began_s), within_s=LATEST_S)
        waits.note()
    spans = [(began, harness.stub.first_s.get(trace, began + LATEST_S)) for trace, began in began_s.items()]
    own_ms = [1000 * waits.own_s(began, heard) for began, heard in spans]
    return own_ms, [1000 * (heard - began) for began, heard in spans]


PART = Part("concurrency", (IN_FLIGHT, OPEN_STREAMS, CORE, PICK_UP_P99, MEMORY), measure)
