"""Whole jobs on an idle gateway, one after the other: how much of their time is the gateway's own.

The bench's backend answers at once, so that all but the waits between two looks at a render (10 ms) is the gateway's own
time; what its processes waited for a processor of this machine is taken off (`waits`). When a job was accepted and when it
was claimed says Redis, in which both happen; it is asked for some jobs of their own, since telling that costs it time. That
is by the clock: of so short a span nobody knows what was waited in it.
"""

import re

from tests.bench.goals import Goal, Part, Row
from tests.bench.harness import Harness, WholeJob, running_harness
from tests.bench.load import percentile
from tests.bench.redis_meter import commands_seen
from tests.bench.waits import Waits, watched

WARM_UP = 10
JOBS = 150
CLAIMED_JOBS = 60

OWN_P50 = Goal("own time of a job, POST to callback: p50", 40, " ms")
OWN_P99 = Goal("own time of a job, POST to callback: p99", 120, " ms")
CLAIMED = Goal("accepted to claimed on an idle gateway: p50", 2, " ms")


async def measure() -> list[Row]:
    """Take jobs from POST to callback, one after the other."""
    async with running_harness("latency") as harness:
        for _ in range(WARM_UP):
            await harness.whole_job()
        async with watched(harness.pids, sum) as waits:
            jobs = [await _noted(harness, waits) for _ in range(JOBS)]
        claimed_ms = await _claimed_ms(harness)
    return [*_rows(jobs, waits), *_claim_rows(claimed_ms)]


async def _noted(harness: Harness, waits: Waits) -> WholeJob:
    waits.note()
    job = await harness.whole_job()
    waits.note()
    return job


async def _claimed_ms(harness: Harness) -> list[float]:
    """Take more jobs, and tell how long after it was accepted each was claimed first."""
    async with commands_seen(harness.world.redis_url, rb'"FCALL" "(accept|claim)_job') as seen:
        for _ in range(CLAIMED_JOBS):
            await harness.whole_job()
    names = "".join("a" if command.what == "accept" else "c" for command in seen)
    return [1000 * (seen[i.end() - 1].at_s - seen[i.start()].at_s) for i in re.finditer("ac", names)]


def _claim_rows(claimed_ms: list[float]) -> list[Row]:
    if not claimed_ms:
        return [CLAIMED.not_measured("Redis told of no claim")]
    return [
        CLAIMED.row(percentile(claimed_ms, 50)),
        Row("accepted to claimed: p99", percentile(claimed_ms, 99), " ms"),
    ]


def _rows(jobs: list[WholeJob], waits: Waits) -> list[Row]:
    own_ms = [1000 * waits.own_s(job.began_s, job.ended_s) for job in jobs]
    clock_ms = [1000 * (job.ended_s - job.began_s) for job in jobs]
    first_ms = [1000 * (job.first_call_s - job.began_s) for job in jobs]
    return [
        OWN_P50.row(percentile(own_ms, 50)),
        OWN_P99.row(percentile(own_ms, 99)),
        Row("p50 by the clock", percentile(clock_ms, 50), " ms"),
        Row("p99 by the clock", percentile(clock_ms, 99), " ms"),
        Row("POST to the first backend call by the clock: p50", percentile(first_ms, 50), " ms"),
        Row("POST to the first backend call by the clock: p99", percentile(first_ms, 99), " ms"),
    ]


PART = Part("latency", (OWN_P50, OWN_P99, CLAIMED), measure)
