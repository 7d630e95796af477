"""A worker and what the queue hands it: as it stops, and when it comes late for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from core.model.job import Webhook
from core.store.redis.client import STORE_DOWN
from core.store.redis.keys import key
from core.store.redis.queue_entries import RUN_DELIVERY, RUN_JOB
from tests.integration.test_store_queue import house, submit
from tests.redis_fixture import running_redis
from tests.scripted_backend import said, scripted_backend
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S, until
from tests.worker_fixture import context_over
from worker.main import _make_queue, _stop

__all__ = ["core"]

ANONYMOUS = "/api/auth/anonymous-token"


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


async def test_what_a_worker_holds_that_stops_while_redis_is_away_is_there_for_others_once_it_answers(
    tmp_path: Path,
) -> None:
    """A node that is drained may have both. Nobody waits for the end of a lease, or takes the worker for one that died of it."""
    with running_redis() as server:
        async with house(server.url, lease_s=300) as core, context_over(core, tmp_path) as context:
            [job] = await submit(core, 1)
            claim, queue = await core.begin(job), _make_queue(context, core.redis)

            async def hold() -> None:
                async with context.leases.hold(job.id, claim.owner):
                    await asyncio.Event().wait()

            async def stops() -> bool:
                return context.leases.stopping

            holding, running = asyncio.create_task(hold()), asyncio.create_task(queue.async_run())
            server.kill()
            stopping = asyncio.create_task(_stop(context, queue, running))
            await until(stops, within_s=PATIENCE_S)
            server.restart()
            await asyncio.gather(stopping, holding)
            assert await core.redis.zscore(key("arq_queue"), job.id) < 0
            assert (await core.jobs.holder(job.id)).owner == ""


async def test_a_worker_that_stops_keeps_the_anonymous_token_that_it_has_asked_for(core: Core, tmp_path: Path) -> None:
    """The backend gives one in a week, and would refuse the next worker until then."""
    issued = {"token": "nmv_usr_new", "user_id": "anon_1", "expires_at": "2999-01-01T00:00:00Z", "credits": 100}
    async with scripted_backend() as backend, context_over(core, tmp_path, backend=backend.url) as context:
        with redis.Redis.from_url(core.settings.redis_url.get_secret_value()) as aside:
            backend.says(ANONYMOUS, said({"code": 0, "data": issued}))
            backend.meanwhile[ANONYMOUS] = lambda: aside.client_pause(int(PATIENCE_S * 1000), all=False)

            async def is_asked() -> bool:
                return bool(backend.calls(ANONYMOUS))

            job = core.new_job()
            asking = asyncio.create_task(context.token_pool.reservations.reserve(job, core.submission(job).session))
            await until(is_asked, within_s=PATIENCE_S)
            asking.cancel()
            running = asyncio.create_task(asyncio.Event().wait())
            stopping = asyncio.create_task(_stop(context, _make_queue(context, core.redis), running))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not running.done()
            aside.client_unpause()
            await stopping
        assert [token.user_id for token in await core.tokens.all()] == ["anon_1"]


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
