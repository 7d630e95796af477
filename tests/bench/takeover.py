"""Jobs whose worker dies, or is told to end, while their streams are open: how soon another goes on with them."""

import asyncio
import signal
from time import perf_counter

from sandbox.world.child_process import Child
from tests.bench.goals import Goal, Part, Row
from tests.bench.harness import Harness, running_harness
from tests.bench.load import percentile, send_all
from tests.bench.stub import HOLD_STREAM, new_trace

JOBS = 20
SETTINGS: dict[str, str] = {"REELGATE_LEASE_S": "12", "REELGATE_DRAIN_S": "0", "REELGATE_RECOVER_FIRST_S": "0.01"}

KILLED = Goal(f"{JOBS} jobs of a killed worker go on elsewhere: the last", 15, " s")
ENDED = Goal(f"{JOBS} jobs of a worker that was told to end go on elsewhere: the last", 1, " s")


async def measure() -> list[Row]:
    """Kill one worker, then end its successor."""
    async with running_harness("takeover", redis_url=None, workers=1, **SETTINGS) as harness:
        killed_s = await _taken_over(harness, harness.worker, signal.SIGKILL, within_s=40)
        ended_s = await _taken_over(harness, harness.world.workers[-1], signal.SIGTERM, within_s=20)
    return [
        KILLED.row(max(killed_s)),
        ENDED.row(max(ended_s)),
        Row("p50 of the latter", percentile(ended_s, 50) * 1000, " ms"),
    ]


async def _taken_over(harness: Harness, worker: Child, how: signal.Signals, *, within_s: float) -> list[float]:
    """Open streams on a worker, start another, end the first; gives for each job the time until its next call."""
    traces = [new_trace(HOLD_STREAM) for _ in range(JOBS)]
    await send_all(harness.jobs_url, harness.requests(traces), connections=4)
    if not await harness.stub.until(
        lambda: all("message" in harness.stub.calls[trace] for trace in traces), within_s=30
    ):
        raise TimeoutError("the streams did not open")
    await harness.another_worker()
    began_s = perf_counter()
    worker.signal(how)
    went_on = lambda: all(harness.stub.latest_s[trace] > began_s for trace in traces)  # noqa: E731
    await harness.stub.until(went_on, within_s=within_s)
    await asyncio.sleep(0)
    return [_less(harness.stub.latest_s[trace], began_s, within_s) for trace in traces]


def _less(at_s: float, began_s: float, longest_s: float) -> float:
    return at_s - began_s if at_s > began_s else longest_s


PART = Part("takeover", (KILLED, ENDED), measure)
