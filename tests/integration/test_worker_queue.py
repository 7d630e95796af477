"""A worker and what the queue hands it: as it stops, and when it comes late for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.model.job import Webhook
from core.store.redis.client import STORE_DOWN
from core.store.redis.keys import key
from core.store.redis.queue_entries import RUN_DELIVERY, RUN_JOB
from tests.integration.test_store_queue import house, submit
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S, until
from tests.worker_fixture import context_over
from worker.main import _make_queue, _stop

__all__ = ["core"]


@asynccontextmanager
async def no_answers(core: Core) -> AsyncIterator[None]:
    """Have Redis keep every write waiting."""
    await core.redis.client_pause(int(PATIENCE_S * 1000), all=False)
    try:
        yield
    finally:
        await core.redis.client_unpause()


async def test_what_a_worker_is_handed_as_it_stops_is_there_for_others_at_once(redis_url: str, tmp_path: Path) -> None:
    async with house(redis_url) as core, context_over(core, tmp_path) as context:
        [job] = await submit(core, 1)
        queue = _make_queue(context, core.redis)

        async def asks() -> bool:
            return queue._taking_up.locked()

        async with no_answers(core):
            running = asyncio.create_task(queue.async_run())
            await until(asks, within_s=PATIENCE_S)
            stopping = asyncio.create_task(_stop(context, queue, running))
            for _ in range(10):
                await asyncio.sleep(0)
        await stopping
        due_ms = await core.redis.zscore(key("arq_queue"), job.id)
        assert due_ms < 0, "before all that has slept"
        assert not await core.redis.exists(key("arq_in_progress", job.id))


@pytest.mark.parametrize("refusing", ["min-replicas-to-write", "maxmemory"])
async def test_a_full_worker_notices_that_no_lease_can_be_renewed_though_redis_answers(
    redis_url: str, tmp_path: Path, refusing: str
) -> None:
    """Or it would take what the others hold, whose leases are over by then, before they have renewed them."""
    async with house(redis_url) as core, context_over(core, tmp_path) as context:
        queue = _make_queue(context, core.redis)
        queue.job_counter = queue.max_jobs
        answered_s = queue._answered_s = queue.loop.time()
        await core.redis.config_set(refusing, 1)
        try:
            assert await core.redis.ping()
            with pytest.raises(STORE_DOWN):
                await queue._poll_iteration()
        finally:
            await core.redis.config_set(refusing, 0)
        assert queue._answered_s == answered_s, "by which it tells for how long the others may have had no heartbeat"


async def test_an_id_that_is_none_ends_no_worker_and_keeps_no_other_from_its_turn(
    redis_url: str, tmp_path: Path
) -> None:
    async with house(redis_url) as core, context_over(core, tmp_path) as context:
        await core.redis.set(b"arq:job:\xff", b"somebody's")
        await core.redis.zadd(key("arq_queue"), {b"\xff": 1})
        [job] = await submit(core, 1)
        queue = _make_queue(context, core.redis)
        running = asyncio.create_task(queue.async_run())

        async def is_claimed() -> bool:
            return bool(await core.redis.zscore(key("leases"), job.id)) or (await core.read(job)).version > job.version

        await until(is_claimed, within_s=PATIENCE_S)
        assert not running.done()
        await _stop(context, queue, running)


async def test_a_worker_that_was_frozen_wakes_nothing_that_it_was_handed_and_that_sleeps_again(
    core: Core, tmp_path: Path
) -> None:
    """Another has had it meanwhile: no render is looked at, and no callback tried, before its time."""
    await core.slots(10)
    job = await core.submit(webhook=Webhook(url="http://127.0.0.1:9/", events=("job.queued",)))
    claim = await core.begin(job)
    [(callback, _)] = await core.deliveries.of_job(job.id)
    until_ms = core.clock.now_ms() + 30_000
    await core.write(claim, claim.job, park_until_ms=until_ms)
    await core.deliveries.record(callback, owner=None, wake_ms=until_ms)
    async with context_over(core, tmp_path) as context:
        queue = _make_queue(context, core.redis)
        for kind, item_id in ((RUN_JOB, job.id), (RUN_DELIVERY, callback.id)):
            before = await core.everything()
            await queue._runs[kind](item_id)
            assert await core.everything() == before
