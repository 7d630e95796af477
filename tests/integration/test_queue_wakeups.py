"""How a worker hears of work: woken by a token, and asking next to nothing while there is none."""

import asyncio
from collections import Counter
from functools import partial

from core.looks import LEAST
from core.model import transitions
from core.model.job import Job
from core.store.redis.functions import IDLE_POLL_MS
from core.store.redis.keys import key
from tests.integration.test_store_queue import all_ended, house, submit, take, to_its_end, working
from tests.store_fixture import Core
from tests.until import PATIENCE_S, until

JOBS = 20


async def run_one_after_another(core: Core) -> float:
    """Run jobs, each submitted when the one before it has ended; gives the looks that a sleeping worker would have had."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for _ in range(JOBS):
        await all_ended(core, await submit(core, 1))
    return (loop.time() - began_s) * 1000 / IDLE_POLL_MS


async def commands(core: Core) -> Counter[str]:
    stats: dict[str, dict[str, int]] = await core.redis.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items() if "info" not in name})


async def held(core: Core, _: str, *, until_set: asyncio.Event) -> None:
    await until_set.wait()


async def test_a_worker_that_waits_is_woken_by_what_is_accepted(redis_url: str) -> None:
    async with house(redis_url) as core, working(core, to_its_end):
        assert await run_one_after_another(core) < JOBS / 2


async def test_the_job_that_a_token_names_is_begun_before_it_is_asked_what_is_due(redis_url: str) -> None:
    """A worker that has looked once, and does so again in an hour."""
    async with house(redis_url) as core, working(core, to_its_end, poll_s=3600):
        await until(partial(has_looked, core), within_s=PATIENCE_S)
        await all_ended(core, await submit(core, 1))


async def has_looked(core: Core) -> bool:
    """Right after its first look a worker writes down that it is healthy."""
    return (await commands(core))["psetex"] > 0


async def test_an_idle_worker_asks_a_few_times_in_a_look(redis_url: str) -> None:
    async with house(redis_url) as core, working(core, to_its_end):
        await all_ended(core, await submit(core, 1))
        before = await commands(core)

        async def two_looks_later() -> Counter[str]:
            since = await commands(core) - before
            return since if since["fcall"] >= 2 else Counter()

        since = await until(two_looks_later, within_s=PATIENCE_S)
        assert since.total() <= 2 * 6, since


async def test_a_worker_hears_tokens_again_after_one_that_nobody_of_ours_has_pushed(redis_url: str) -> None:
    async with house(redis_url) as core, working(core, to_its_end):
        await core.redis.rpush(key("wakeup"), b"\xff")
        await until(partial(has_no_token, core), within_s=PATIENCE_S)
        assert await run_one_after_another(core) < JOBS / 2


async def has_no_token(core: Core) -> bool:
    return not await has_token(core)


async def test_a_full_worker_keeps_no_token_from_one_that_has_room(redis_url: str) -> None:
    let_go = asyncio.Event()
    async with (
        house(redis_url) as core,
        working(core, partial(held, until_set=let_go), places=1) as full,
    ):
        await submit(core, 1)
        await until_full(full)
        async with working(core, to_its_end):
            assert await run_one_after_another(core) < JOBS / 2
        let_go.set()


async def test_a_worker_that_a_token_has_filled_wakes_another_one_for_what_came_with_it(redis_url: str) -> None:
    let_go = asyncio.Event()
    async with house(redis_url) as core, working(core, partial(held, until_set=let_go), places=1) as full:
        await submit(core, 3)
        await until_full(full)
        try:
            await until(partial(has_token, core), within_s=PATIENCE_S)
        finally:
            let_go.set()


async def has_token(core: Core) -> bool:
    return await core.redis.llen(key("wakeup")) > 0


async def until_full(worker: object) -> None:
    async def look() -> bool:
        return worker.job_counter == worker.max_jobs  # type: ignore[attr-defined]

    await until(look, within_s=PATIENCE_S)


async def test_a_worker_that_stops_gives_a_token_back_once(redis_url: str) -> None:
    async with house(redis_url) as core, working(core, to_its_end) as stopping:
        await all_ended(core, await submit(core, 1))
        stopping.allow_pick_jobs = False
        before = await commands(core)
        [job] = await submit(core, 1)

        async def given_back() -> bool:
            since = await commands(core) - before
            return since["rpush"] >= 3  # the session's queue, the token, and the token again

        await until(given_back, within_s=PATIENCE_S)
        for _ in range(50):
            await core.redis.ping()
        assert (await commands(core) - before)["rpush"] == 3
        assert await core.redis.llen(key("wakeup")) == 1
        async with working(core, to_its_end):
            await all_ended(core, [job])


async def test_a_worker_that_offers_fewer_places_takes_up_no_more_until_it_offers_them_again(redis_url: str) -> None:
    let_go, begun = asyncio.Event(), set[str]()

    async def run(core: Core, job_id: str) -> None:
        if await take(core, job_id):
            begun.add(job_id)
            await let_go.wait()

    async def as_many(number: int) -> bool:
        return len(begun) == number

    async with house(redis_url) as core, working(core, run) as worker:
        worker.left_ms = 3_600_000
        worker.offer(1)
        await submit(core, 3)
        await until(partial(as_many, 1), within_s=PATIENCE_S)
        async with working(core, to_its_end):
            await all_ended(core, await submit(core, 1))
        assert len(begun) == 1
        worker.offer(4)
        await submit(core, 2)
        await until(partial(as_many, 3), within_s=PATIENCE_S)
        let_go.set()


async def test_a_worker_that_offers_fewer_places_takes_up_what_nobody_else_does(redis_url: str) -> None:
    """It may be the only one, and late for as long as what it holds goes on."""
    let_go, holds = asyncio.Event(), set[str]()

    async def run(core: Core, job_id: str) -> None:
        if holds:
            await to_its_end(core, job_id)
        elif await take(core, job_id):
            holds.add(job_id)
            await let_go.wait()

    async with house(redis_url) as core, working(core, run) as worker:
        worker.offer(1)
        jobs = await submit(core, 3)
        await until(partial(has_begun, holds), within_s=PATIENCE_S)
        await all_ended(core, [job for job in jobs if job.id not in holds])
        let_go.set()


async def has_begun(begun: set[str]) -> bool:
    return bool(begun)


async def sleepers(core: Core, number: int) -> list[Job]:
    """Jobs that have slept, and are due now."""
    jobs = await submit(core, number)
    for job in jobs:
        claim = await core.claim(job)
        begun = transitions.started(claim.job, now_ms=core.clock.now_ms())
        await core.write(claim, begun, park_until_ms=core.clock.now_ms() + 20)
    return jobs


async def test_looks_that_wait_for_somebody_else_leave_others_their_turn_while_the_loop_is_on_time(
    redis_url: str,
) -> None:
    """A slow backend: none of them ends, and still all are begun."""
    let_go, begun = asyncio.Event(), set[str]()

    async def run(core: Core, job_id: str) -> None:
        begun.add(job_id)
        await held(core, job_id, until_set=let_go)

    async def all_begun() -> bool:
        return begun == {job.id for job in jobs}

    async with house(redis_url) as core:
        jobs = await sleepers(core, 3 * LEAST)
        async with working(core, run, places=1000):
            await until(all_begun, within_s=PATIENCE_S)
            let_go.set()


async def test_a_worker_without_room_for_new_work_goes_on_with_looks(redis_url: str) -> None:
    async with house(redis_url) as core:
        jobs = await sleepers(core, 2 * LEAST)
        async with working(core, to_its_end) as worker:
            worker.offer(0)
            await all_ended(core, jobs)


async def test_a_worker_full_of_new_work_keeps_a_place_in_four_for_looks(redis_url: str) -> None:
    """Each job of the crowd brings the next one: there is new work at any time."""
    async with house(redis_url) as core:
        jobs = await sleepers(core, LEAST)

        async def run(core: Core, job_id: str) -> None:
            await to_its_end(core, job_id)
            if job_id not in looks:
                await submit(core, 1)

        looks = {job.id for job in jobs}
        await submit(core, 8)
        async with working(core, run, places=2):
            await all_ended(core, jobs)
