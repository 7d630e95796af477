"""What a worker says: how many jobs it offers to hold, which goes by how late its event loop is, and how old things are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from core.clock import Clock
from core.metrics import CALLBACKS_OLDEST_SECONDS, QUEUE_OLDEST_SECONDS, WORKER_SLOTS
from core.model.job import Webhook
from core.store.jobs.admission import Admission
from core.store.workers import LivingWorker, Workers
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S, until
from tests.worker_fixture import context_over
from worker.context import WorkerContext
from worker.listing import stay_listed
from worker.maintenance.gauges import update_gauges
from worker.offer import TOO_LATE_S

__all__ = ["core"]

PLACES = 100


@asynccontextmanager
async def listed(core: Core, folder: Path) -> AsyncIterator[tuple[WorkerContext, list[int]]]:
    """A worker that stays listed until the block ends; what it has been told to hold."""
    told: list[int] = []
    core.with_settings(lease_s=0.3, worker_jobs=PLACES)
    async with context_over(core, folder) as context:
        listing = asyncio.create_task(stay_listed(context, told.append))
        try:
            yield context, told
        finally:
            listing.cancel()
            await asyncio.gather(listing, return_exceptions=True)


class Ahead(Clock):
    """The clock of a host that is an hour ahead of Redis's."""

    def now_ms(self) -> int:
        return super().now_ms() + 3_600_000


async def living(core: Core) -> list[LivingWorker]:
    return await Workers(core.store, core.clock).living()


async def slots_come_to(core: Core, *, more_than: int = 0, less_than: int = PLACES + 1) -> int:
    async def look() -> int:
        [slots] = [worker.slots for worker in await living(core)] or [0]
        return slots if more_than < slots < less_than else 0

    return await until(look, within_s=PATIENCE_S)


async def keep_late(for_s: float = 1.2 * TOO_LATE_S) -> None:
    """Hold the event loop again and again, as too much work does."""
    while True:
        until_s = perf_counter() + for_s
        while perf_counter() < until_s:
            pass
        await asyncio.sleep(0)


async def test_a_worker_that_is_late_offers_fewer_places_and_all_again_once_it_is_on_time(
    core: Core, tmp_path: Path
) -> None:
    async with listed(core, tmp_path) as (_, told):
        await slots_come_to(core, more_than=PLACES - 1)
        busy = asyncio.create_task(keep_late())
        fewer = await slots_come_to(core, less_than=PLACES)
        assert fewer in told
        assert WORKER_SLOTS.collect()[0].samples[0].value == told[-1]
        busy.cancel()
        assert await slots_come_to(core, more_than=PLACES - 1) == PLACES


async def test_a_worker_that_stops_lives_for_its_streams_and_lets_in_nothing_more(core: Core, tmp_path: Path) -> None:
    async def offers_nothing() -> bool:
        return [worker.slots for worker in await living(core)] == [0]

    async with listed(core, tmp_path) as (context, _):
        await slots_come_to(core)
        await context.leases.hand_back_all(streams_too=False, patience_s=PATIENCE_S)
        await until(offers_nothing, within_s=PATIENCE_S)
        await core.submit()
        assert await core.admitted() == []
        found = await core.gauges()
        assert (found.slots, found.workers) == (0, 0)


async def test_how_old_things_are_is_told_by_the_clock_of_redis(core: Core, tmp_path: Path) -> None:
    core.clock = Ahead()
    core.with_settings()
    await core.offer(core.new_job(webhook=Webhook(url="https://a.example", events=("job.queued",))))
    async with context_over(core, tmp_path) as context:
        await update_gauges(context, mend=False)
    for gauge in (QUEUE_OLDEST_SECONDS, CALLBACKS_OLDEST_SECONDS):
        assert gauge.collect()[0].samples[0].value < 3600


async def test_who_lives_is_told_by_the_clock_of_redis_and_not_by_the_one_of_whoever_asks(core: Core) -> None:
    await Admission(core.store, core.settings, Clock()).admit(worker="a:1:x", slots=5, alive_s=600)
    assert [worker.id for worker in await Workers(core.store, Ahead()).living()] == ["a:1:x"]


async def test_a_worker_that_goes_is_listed_no_longer(core: Core, tmp_path: Path) -> None:
    async with listed(core, tmp_path):
        await slots_come_to(core)
    assert await living(core) == []
