"""arq under our lease: what survives when Redis goes, a worker freezes, or arq's own idea of an end comes late."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count

import pytest

from core.clock import Clock
from core.model import transitions
from core.model.job import Job, Status
from core.queue import LeasedWorker, make_worker
from core.store.jobs.records import Claim
from core.store.leases import LeaseLost
from core.store.redis.client import STORE_DOWN, connect
from core.store.redis.keys import key
from tests.redis_fixture import running_redis
from tests.store_fixture import Core, settings_for
from tests.until import PATIENCE_S, until

LEASE_S = 1.0
Run = Callable[[Core, str], Awaitable[None]]


@asynccontextmanager
async def house(url: str, *, lease_s: float = LEASE_S) -> AsyncIterator[Core]:
    """The store with the real clock, since arq has no other."""
    client = connect(url, answer_s=PATIENCE_S)
    core = Core(client, settings_for(url, lease_s=lease_s), Clock())
    await core.turns.admit(worker="w", slots=100, alive_s=600)
    try:
        yield core
    finally:
        await core.store.close()


@asynccontextmanager
async def working(
    core: Core, run: Run, *, places: int = 4, answer_s: float = PATIENCE_S, poll_s: float = 0.01
) -> AsyncIterator[LeasedWorker]:
    """A worker that runs jobs until the block ends."""
    url = core.settings.redis_url.get_secret_value()
    client = connect(url, answer_s=answer_s)

    async def run_job(job_id: str) -> None:
        with suppress(*STORE_DOWN, LeaseLost):
            await run(core, job_id)

    async def run_delivery(delivery_id: str) -> None:
        raise AssertionError(f"there is no delivery {delivery_id}")

    worker = make_worker(
        client,
        run_job=run_job,
        run_delivery=run_delivery,
        places=places,
        poll_s=poll_s,
        lease_s=core.settings.lease_s,
    )
    task = asyncio.create_task(worker.async_run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, *worker.tasks.values(), return_exceptions=True)
        await client.aclose()


async def submit(core: Core, number: int) -> list[Job]:
    jobs = [core.new_job() for _ in range(number)]
    await core.offer(*jobs)
    return jobs


async def take(core: Core, job_id: str) -> Claim | None:
    return await core.jobs.claim(job_id, owner=f"w:{next(core._owners)}")


async def to_its_end(core: Core, job_id: str) -> None:
    if claim := await take(core, job_id):
        if claim.job.started_at_ms is None:
            claim = await core.write(claim, transitions.started(claim.job, now_ms=core.clock.now_ms()))
        await core.finish(claim)


async def all_ended(core: Core, jobs: list[Job]) -> list[Job]:
    """Wait until all have ended; the sweeper's repair runs meanwhile, as in a real worker."""

    async def look() -> list[Job]:
        with suppress(*STORE_DOWN):
            found = await core.jobs.load_many([job.id for job in jobs])
            if all(job.ended for job in found):
                return found
            await core.turns.repair(0)
        return []

    return await until(look, within_s=PATIENCE_S)


async def notices(caplog: pytest.LogCaptureFixture, *, behind: int | None = None) -> None:
    """Wait until the worker has found out that Redis is away; it says so behind so many messages, or from now on."""
    before = len(caplog.messages) if behind is None else behind

    async def look() -> bool:
        return any("Redis is away" in message for message in caplog.messages[before:])

    await until(look, within_s=PATIENCE_S)


async def idle(worker: LeasedWorker) -> None:
    """Wait until nothing that the worker has picked up is running any more."""

    async def look() -> bool:
        return worker.job_counter == 0

    await until(look, within_s=PATIENCE_S)


async def test_jobs_run_to_their_end_and_arq_keeps_nothing(redis_url: str) -> None:
    async with house(redis_url) as core, working(core, to_its_end) as worker:
        jobs = await submit(core, 30)
        assert {j.status for j in await all_ended(core, jobs)} == {Status.SUCCEEDED}
        await idle(worker)
        left = [name for name in await core.everything() if name.startswith("arq:") and "health" not in name]
        assert left == []


async def test_a_sleeping_job_is_woken_when_its_time_has_come(redis_url: str) -> None:
    runs = []

    async def sleep_once(core: Core, job_id: str) -> None:
        claim = await take(core, job_id)
        assert claim is not None
        now_ms = core.clock.now_ms()
        runs.append(now_ms)
        if len(runs) == 2:
            await core.finish(claim)
            return
        await core.write(claim, transitions.started(claim.job, now_ms=now_ms), park_until_ms=now_ms + 300)

    async with house(redis_url) as core, working(core, sleep_once):
        await all_ended(core, await submit(core, 1))
    assert runs[1] - runs[0] >= 300


async def test_what_its_function_left_undone_is_run_again(redis_url: str) -> None:
    tries: list[str] = []

    async def leave_once(core: Core, job_id: str) -> None:
        claim = await take(core, job_id)
        if claim is None:  # it came by its name and by the queue, in one moment
            return
        tries.append(job_id)
        if len(tries) > 1:
            await core.finish(await core.write(claim, transitions.started(claim.job, now_ms=core.clock.now_ms())))

    async with house(redis_url) as core, working(core, leave_once):
        jobs = await submit(core, 1)
        await all_ended(core, jobs)
    assert len(tries) == 2


async def test_a_worker_outlives_redis_and_loses_neither_jobs_nor_places(caplog: pytest.LogCaptureFixture) -> None:
    with running_redis() as server:
        async with house(server.url) as core, working(core, to_its_end, places=2) as worker:
            await all_ended(core, await submit(core, 4))
            for _ in range(2):
                server.kill()
                await notices(caplog)
                server.restart()
                await all_ended(core, await submit_when_back(core, 6))
            await idle(worker)
            assert worker.sem._value == 3  # arq has one more than places


async def test_an_outage_is_told_once_at_its_begin_and_once_at_its_end_however_long_it_lasts(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.queue._AWAY_S", 0.001)
    caplog.set_level("INFO")
    with running_redis() as server:
        async with house(server.url) as core, working(core, to_its_end) as worker:
            turns = counted(worker, monkeypatch)
            for _ in range(2):
                caplog.clear()
                server.kill()
                await turns(20)
                server.restart()
                await all_ended(core, await submit_when_back(core, 1))
                await turns(2)  # the job was begun in the middle of one
                assert sum("Redis is away, waiting" in message for message in caplog.messages) == 1
                assert sum("Redis answers again" in message for message in caplog.messages) == 1


def counted(worker: LeasedWorker, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Awaitable[bool]]:
    """Count how often the worker looks for work; the result waits for so many more looks."""
    looks, look = count(), worker._poll_iteration
    seen = 0

    async def counting() -> None:
        nonlocal seen
        seen = next(looks)
        await look()

    async def more(number: int) -> bool:
        enough = seen + number

        async def came() -> bool:
            return seen >= enough

        return await until(came, within_s=PATIENCE_S)

    monkeypatch.setattr(worker, "_poll_iteration", counting)
    return more


async def submit_when_back(core: Core, number: int) -> list[Job]:
    async def look() -> list[Job]:
        with suppress(*STORE_DOWN):
            return await submit(core, number)
        return []

    return await until(look, within_s=PATIENCE_S)


async def test_a_redis_that_freezes_costs_neither_places_nor_connections(caplog: pytest.LogCaptureFixture) -> None:
    with running_redis() as server:
        async with house(server.url) as core, working(core, to_its_end, places=2, answer_s=1) as worker:
            for _ in range(3):
                jobs = await submit(core, 4)
                os.kill(server.process.pid, signal.SIGSTOP)
                await notices(caplog)
                os.kill(server.process.pid, signal.SIGCONT)
                await all_ended(core, jobs)
            await idle(worker)
            assert worker.sem._value == 3  # arq has one more than places
            # one for what is asked, one that waits for work
            assert len(worker.pool.connection_pool._in_use_connections) <= 2


async def test_a_full_redis_does_not_end_the_worker(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    full = asyncio.Event()

    async def once_full(core: Core, job_id: str) -> None:
        await full.wait()
        await to_its_end(core, job_id)

    async with house(redis_url) as core, working(core, once_full, places=2) as worker:
        jobs = await submit(core, 4)
        told = len(caplog.messages)  # the worker may find out before we are told that it is full
        await core.redis.config_set("maxmemory", 1)
        full.set()
        try:
            await notices(caplog, behind=told)
        finally:
            await core.redis.config_set("maxmemory", 0)
        await all_ended(core, jobs)
        await all_ended(core, await submit(core, 4))
        assert worker.sem._value <= 3


async def test_the_end_of_a_worker_that_was_frozen_does_not_disturb_the_new_holder(redis_url: str) -> None:
    thawed, first, refused = asyncio.Event(), asyncio.Future[Claim](), asyncio.Future[bool]()

    async def freeze(core: Core, job_id: str) -> None:
        """Hold a job without a heartbeat until the test says so, then write, and end as arq would."""
        claim = await take(core, job_id)
        if claim is None or first.done():
            return
        first.set_result(claim)
        await thawed.wait()
        try:
            await core.write(claim, transitions.started(claim.job, now_ms=core.clock.now_ms()))
        except LeaseLost:
            refused.set_result(True)

    async with house(redis_url) as core, working(core, freeze, places=1) as worker:
        [job] = await submit(core, 1)
        await first
        second = await taken_over(core, job)
        thawed.set()
        assert await refused
        await idle(worker)
        assert await core.redis.zscore(key("arq_queue"), job.id) is not None
        assert await core.redis.exists(key("arq_job", job.id)) == 1
        assert await core.jobs.renew({job.id: second.owner}) == ([], [])
        await core.finish(second)
        assert (await core.read(job)).status is Status.SUCCEEDED


async def taken_over(core: Core, job: Job) -> Claim:
    """Claim a job as soon as its lease has run out, and start it."""
    claim = await until(partial(take, core, job.id), within_s=PATIENCE_S)
    assert claim is not None
    return await core.write(claim, transitions.started(claim.job, now_ms=core.clock.now_ms()))
