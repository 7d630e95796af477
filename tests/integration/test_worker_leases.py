"""The leases that one process holds: it works on each of them once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.metrics import LEASES_LOST
from core.model.job import Job
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S
from tests.worker_fixture import context_over
from worker.leases import Lease, Leases

__all__ = ["core"]


def lost() -> float:
    samples = (sample for metric in LEASES_LOST.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.labels == {"kind": "job"})


@asynccontextmanager
async def held(core: Core, leases: Leases, job: Job) -> AsyncIterator[Lease]:
    claim = await core.jobs.claim(job.id, owner=leases.new_owner())
    assert claim is not None
    async with leases.hold(job.id, claim.owner) as lease:
        yield lease


async def test_a_process_that_was_frozen_and_takes_its_own_job_over_works_on_it_once(
    core: Core, tmp_path: Path
) -> None:
    """The queue may be asked before any lease is renewed."""
    holds, before = asyncio.Event(), lost()
    await core.slots(1)
    job = await core.submit()
    async with context_over(core, tmp_path) as context:

        async def work_for_ever() -> None:
            async with held(core, context.leases, job):
                holds.set()
                await asyncio.Event().wait()

        frozen = asyncio.create_task(work_for_ever())
        await holds.wait()
        core.clock.turn(by_s=core.settings.lease_s)
        async with held(core, context.leases, job) as lease:
            ended, _ = await asyncio.wait([frozen], timeout=PATIENCE_S)
            assert ended == {frozen}
            assert not lease.lost
            assert len(context.leases) == 1
    assert lost() == before + 1
