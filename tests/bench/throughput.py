"""One worker and a burst: five hundred jobs that come at once, and a thousand callbacks that wait when it starts.

Rates are those of a worker that has its core for itself: what it waited for a processor of this machine is taken off.
"""

from time import perf_counter

from tests.bench.fill_redis import store_ended
from tests.bench.goals import Direction, Goal, Part, Row
from tests.bench.harness import Harness, running_harness
from tests.bench.load import percentile
from tests.bench.machine import cpu_s
from tests.bench.waits import watched

JOBS = 500
CALLBACKS = 1_000
#: a slow machine is given as long
WITHIN_S = 90.0

JOBS_PER_S = Goal(f"a burst of {JOBS} jobs at once on one worker", 60, "/s", Direction.AT_LEAST)
EVENT_P99 = Goal("event to 2xx in that burst: p99", 2, " s")
CALLBACKS_PER_S = Goal("signed callbacks to one fast receiver, one worker", 200, "/s", Direction.AT_LEAST)


async def measure() -> list[Row]:
    """Bring the burst, then let callbacks wait for a worker."""
    async with running_harness("throughput") as harness:
        await harness.run_jobs(20)
        burst = await _burst(harness)
        return [*burst, *await _callbacks(harness)]


async def _burst(harness: Harness) -> list[Row]:
    harness.stub.callbacks.clear()
    used_s, began_s = cpu_s(harness.worker.pid), perf_counter()
    async with watched([harness.worker.pid], sum) as waits:
        await harness.run_jobs(JOBS, connections=32, within_s=WITHIN_S)
        waits.note()
    ended_s, used_s = perf_counter(), cpu_s(harness.worker.pid) - used_s
    own_s = [waits.own_s(called.happened_s, called.came_s) for called in harness.stub.callbacks]
    clock_s = [called.came_s - called.happened_s for called in harness.stub.callbacks]
    return [
        JOBS_PER_S.row(JOBS / waits.own_s(began_s, ended_s)),
        Row("by the clock", JOBS / (ended_s - began_s), "/s"),
        Row("by its processor time", JOBS / used_s, "/s"),
        EVENT_P99.row(percentile(own_s, 99)),
        Row("event to 2xx by the clock: p99", percentile(clock_s, 99), " s"),
    ]


async def _callbacks(harness: Harness) -> list[Row]:
    await harness.worker.stop()
    await store_ended(harness, CALLBACKS, within_s=WITHIN_S, webhook_url=f"{harness.stub.url}/hook")
    callbacks = harness.stub.callbacks
    callbacks.clear()
    await harness.worker.start()
    async with watched([harness.worker.pid], sum) as waits:
        if not await harness.stub.until(lambda: len(callbacks) >= CALLBACKS, within_s=WITHIN_S):
            raise TimeoutError(f"{len(callbacks)} of {CALLBACKS} callbacks came")
        waits.note()
    first_s, last_s = callbacks[0].came_s, callbacks[-1].came_s
    return [
        CALLBACKS_PER_S.row(CALLBACKS / waits.own_s(first_s, last_s)),
        Row("callbacks by the clock", CALLBACKS / (last_s - first_s), "/s"),
    ]


PART = Part("throughput", (JOBS_PER_S, EVENT_P99, CALLBACKS_PER_S), measure)
