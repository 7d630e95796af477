"""The leases that one process holds: it works on each of them once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.clock import stopwatch_s
from core.metrics import LEASES_LOST
from core.model.job import Job
from core.store.leases import LeaseLost
from core.store.redis.keys import key
from tests.integration.test_store_queue import all_ended, house, submit, working
from tests.redis_fixture import running_redis
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S, until
from tests.worker_fixture import context_over
from worker.context import WorkerContext
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


async def test_who_was_frozen_since_its_claim_asks_before_an_effect_whether_it_still_has_the_job(
    core: Core, tmp_path: Path
) -> None:
    """The answer to the claim waits for it meanwhile, and another one may have taken the job over."""
    await core.slots(1)
    job = await core.submit()
    async with context_over(core, tmp_path) as context:
        claim, asked_s = await core.claim(job), stopwatch_s() - core.settings.lease_s
        core.clock.turn(by_s=core.settings.lease_s)
        await core.claim(job)
        async with context.leases.hold(job.id, claim.owner, asked_s=asked_s) as lease:
            with pytest.raises(LeaseLost):
                await context.leases.ensure_held(lease)


async def test_what_was_claimed_right_before_a_worker_stopped_has_the_grace_of_what_it_held(
    core: Core, tmp_path: Path
) -> None:
    """A callback's attempt that is cut off in its middle is made twice."""
    first_ends, second_ends = asyncio.Event(), asyncio.Event()

    async def attempt(context: WorkerContext, delivery_id: str, ends: asyncio.Event) -> None:
        async with context.leases.hold(delivery_id, "this worker:1") as lease:
            lease.streaming = True
            await ends.wait()

    async with context_over(core, tmp_path) as context:
        first = asyncio.create_task(attempt(context, "dlv_1", first_ends))
        await asyncio.sleep(0)
        idle = asyncio.create_task(context.leases.wait_until_idle())
        await asyncio.sleep(0)
        second = asyncio.create_task(attempt(context, "dlv_2", second_ends))
        await asyncio.sleep(0)
        first_ends.set()
        await first
        for _ in range(10):
            await asyncio.sleep(0)
        assert not idle.done()
        second_ends.set()
        await asyncio.wait_for(asyncio.gather(second, idle), PATIENCE_S)


@asynccontextmanager
async def worker_that_holds(core: Core, name: str, taken: list[Lease]) -> AsyncIterator[None]:
    """A living worker that keeps whatever it takes up, but for what has started and slept: that it ends."""
    leases = Leases(core.jobs, core.store, worker_id=name, lease_s=core.settings.lease_s)
    over = asyncio.Event()

    async def hold(core: Core, job_id: str) -> None:
        claim = await core.jobs.claim(job_id, owner=leases.new_owner(), only_if_due=True)
        if claim and claim.job.started_at_ms is not None:
            await core.finish(claim)
        elif claim:
            async with leases.hold(job_id, claim.owner) as lease:
                taken.append(lease)
                await over.wait()

    heartbeat = asyncio.create_task(leases.run_heartbeat())
    async with working(core, hold, places=12):
        try:
            yield
        finally:
            over.set()
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)


async def test_a_worker_that_begins_right_after_an_outage_leaves_what_is_over_to_its_holder(redis_url: str) -> None:
    """It can not know that Redis was away, nor that whoever lets a lease run out lives."""
    taken: list[Lease] = []
    async with house(redis_url, lease_s=6) as core:
        held, sleeper = [await core.begin(job) for job in await submit(core, 2)]
        await core.write(sleeper, sleeper.job, park_until_ms=core.clock.now_ms())
        await core.redis.zadd(key("leases"), {held.job.id: 1})
        await core.redis.zadd(key("arq_queue"), {held.job.id: 1})
        await core.redis.delete(key("arq_in_progress", held.job.id))
        async with worker_that_holds(core, "new", taken):
            await all_ended(core, [sleeper.job])  # it has looked for work
            lost_ids, _ = await core.jobs.renew({held.job.id: held.owner})
        assert not lost_ids


async def test_what_living_workers_hold_is_still_theirs_after_a_redis_that_was_away_for_longer_than_a_lease() -> None:
    """When it is back all leases are over, and each worker would find what it and the other hold among what is due."""
    taken: list[Lease] = []
    with running_redis() as server:
        async with house(server.url, lease_s=3) as core:
            [sleeper] = await submit(core, 1)
            begun = await core.begin(sleeper)
            async with worker_that_holds(core, "one", taken), worker_that_holds(core, "two", taken):
                jobs = await submit(core, 6)

                async def all_are_taken() -> bool:
                    return len(taken) == len(jobs)

                async def all_are_over() -> bool:
                    return all(lease.left_s < 0 for lease in taken)

                await until(all_are_taken, within_s=PATIENCE_S)
                await core.write(begun, begun.job, park_until_ms=core.clock.now_ms() + 3000)
                server.kill()
                await until(all_are_over, within_s=PATIENCE_S)
                server.restart()
                await all_ended(core, [sleeper])  # what is due by its time is looked at again
                assert len(taken) == len(jobs)
                assert not any(lease.lost for lease in taken)
