"""How a worker hears of work: woken by a token, and asking next to nothing while there is none."""

import asyncio
from collections import Counter
from functools import partial

from core.store.redis.functions import IDLE_POLL_MS
from core.store.redis.keys import key
from tests.integration.test_store_queue import all_ended, house, submit, to_its_end, working
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


async def test_an_idle_worker_asks_a_few_times_in_a_look(redis_url: str) -> None:
    async with house(redis_url) as core, working(core, to_its_end):
        await all_ended(core, await submit(core, 1))
        before = await commands(core)

        async def two_looks_later() -> Counter[str]:
            since = await commands(core) - before
            return since if since["fcall"] >= 2 else Counter()

        since = await until(two_looks_later, within_s=PATIENCE_S)
        assert since.total() <= 2 * 6, since


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
