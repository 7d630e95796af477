"""Many jobs in one worker's hands: ten thousand that wait for their render, two thousand of them with an open stream
instead, and how soon a new one is picked up meanwhile.
"""

import asyncio

from tests.bench.ground import Ground, ground
from tests.bench.load import percentile, send_all
from tests.bench.machine import rss_mib
from tests.bench.stub import HOLD_RENDER, HOLD_STREAM, PLAIN, new_trace
from tests.bench.table import Row, at_least, at_most

STREAMS = 2_000
RENDERS = 8_000
#: what has not got so far by then is not counted
RAMP_S = 150.0
PROBES = 60
BETWEEN_PROBES_S = 0.1
#: a job that needs no message: on its way to the render it makes the fewest calls
EXPORT = {"prompt": "export in 1080p", "profile": "free-video-generation-automatic", "media": []}


async def measure() -> list[Row]:
    """Fill one worker, then probe it."""
    async with ground("flight", REELGATE_WORKER_JOBS="15000", REELGATE_RENDER_POLL_S="30") as at:
        idle_mib = rss_mib(at.worker.pid)
        await _fill(at)
        streams, renders = len(at.stub.streams), len(at.stub.rendering)
        pick_ups_ms = await _probe(at)
        return [
            at_least("jobs in flight on one worker", STREAMS + RENDERS, streams + renders),
            at_least("  of them open streams", STREAMS, streams),
            at_most("  its memory", 600, rss_mib(at.worker.pid), " MiB"),
            Row("  its memory before", "", f"{idle_mib:.0f} MiB"),
            at_most("  pick-up of a new job meanwhile: p99", 250, percentile(pick_ups_ms, 99), " ms"),
            Row("  p50", "", f"{percentile(pick_ups_ms, 50):.1f} ms"),
        ]


async def _fill(at: Ground) -> None:
    await send_all(at.jobs_url, at.requests(new_trace(HOLD_STREAM) for _ in range(STREAMS)), connections=16)
    await send_all(at.jobs_url, at.requests((new_trace(HOLD_RENDER) for _ in range(RENDERS)), **EXPORT), connections=16)
    full = lambda: len(at.stub.streams) >= STREAMS and len(at.stub.rendering) >= RENDERS  # noqa: E731
    await at.stub.until(full, within_s=RAMP_S)


async def _probe(at: Ground) -> list[float]:
    """Post jobs one by one, each on its own, and see when the backend hears of them."""
    began_s: dict[str, float] = {}
    for _ in range(PROBES):
        trace = new_trace(PLAIN)
        _, began_s[trace] = await at.submit(trace)
        await asyncio.sleep(BETWEEN_PROBES_S)
    await at.stub.until(lambda: all(trace in at.stub.first_s for trace in began_s), within_s=20)
    late_s = 20.0
    return [(at.stub.first_s.get(trace, began + late_s) - began) * 1000 for trace, began in began_s.items()]
