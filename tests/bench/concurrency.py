"""Many jobs in one worker's hands: eight thousand that sleep between two looks at their render, two thousand with an
open stream, and how soon a new one is picked up meanwhile.
"""

import asyncio

from tests.bench.fill_redis import store_rendering
from tests.bench.harness import Harness, running_harness
from tests.bench.load import percentile, send_all
from tests.bench.machine import rss_mib
from tests.bench.stub import HOLD_RENDER, HOLD_STREAM, PLAIN, new_trace
from tests.bench.table import Row, at_least, at_most

STREAMS = 2_000
RENDERS = 8_000
#: what has not got so far by then is not counted
RAMP_S = 170.0
#: between two looks at a render, as the backend's contract has it
POLL_S = 30
PROBES = 60
BETWEEN_PROBES_S = 0.1


async def measure() -> list[Row]:
    """Fill one worker, then probe it."""
    settings = {"REELGATE_WORKER_JOBS": "15000", "REELGATE_RENDER_POLL_S": str(POLL_S)}
    async with running_harness("concurrency", workers=0, **settings) as harness:
        renders = [new_trace(HOLD_RENDER) for _ in range(RENDERS)]
        await store_rendering(harness, renders, over_s=POLL_S)
        await harness.another_worker()
        idle_mib = rss_mib(harness.worker.pid)
        await _fill(harness)
        streams, looked_at = len(harness.stub.streams), sum(trace in harness.stub.first_s for trace in renders)
        pick_ups_ms = await _probe(harness)
        return [
            at_least("jobs in flight on one worker", STREAMS + RENDERS, streams + looked_at),
            at_least("  of them open streams", STREAMS, streams),
            at_most("  its memory", 600, rss_mib(harness.worker.pid), " MiB"),
            Row("  its memory before", "", f"{idle_mib:.0f} MiB"),
            at_most("  pick-up of a new job meanwhile: p99", 250, percentile(pick_ups_ms, 99), " ms"),
            Row("  p50", "", f"{percentile(pick_ups_ms, 50):.1f} ms"),
        ]


async def _fill(harness: Harness) -> None:
    await send_all(harness.jobs_url, harness.requests(new_trace(HOLD_STREAM) for _ in range(STREAMS)), connections=16)
    full = lambda: len(harness.stub.streams) >= STREAMS and len(harness.stub.first_s) >= STREAMS + RENDERS  # noqa: E731
    await harness.stub.until(full, within_s=RAMP_S)


async def _probe(harness: Harness) -> list[float]:
    """Post jobs one by one, each on its own, and see when the backend hears of them."""
    began_s: dict[str, float] = {}
    for _ in range(PROBES):
        trace = new_trace(PLAIN)
        _, began_s[trace] = await harness.submit(trace)
        await asyncio.sleep(BETWEEN_PROBES_S)
    await harness.stub.until(lambda: all(trace in harness.stub.first_s for trace in began_s), within_s=20)
    late_s = 20.0
    return [(harness.stub.first_s.get(trace, began + late_s) - began) * 1000 for trace, began in began_s.items()]
