"""What a worker's sweep costs Redis: little where nothing is to do, nothing for each token, and nothing for each tenant."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.clock import month_of
from core.ids import new_id
from core.model.formats import Mark
from core.model.session import Session
from core.model.upload import Upload
from core.store.jobs.submissions import Accepted
from core.store.redis.keys import key
from tests.integration.test_store_gauges import commands
from tests.store_fixture import Core, core
from tests.worker_fixture import context_over
from worker.context import WorkerContext
from worker.maintenance.sweeper import remove_old, sweep

__all__ = ["core"]


async def add_tokens(core: Core, number: int) -> None:
    for start in range(0, number, 100):
        some = (core.tokens.add(f"{number} {n}", kind="operator", available=9) for n in range(start, start + 100))
        await asyncio.gather(*some)


async def add_uploads(core: Core, number: int) -> None:
    facts: dict[str, Any] = {
        "tenant": "acme",
        "filename": "f",
        "format": "",
        "size_bytes": 1,
        "path": "uploads/f",
        "created_at_ms": 1,
    }
    await asyncio.gather(*(core.uploads.keep(Upload(id=new_id("upl"), **facts)) for _ in range(number)))


async def add_sessions(core: Core, number: int) -> None:
    facts: dict[str, Any] = {"tenant": "acme", "profile": "free-video-fast", "created_at_ms": 1}
    some = (Session(id=new_id("ses"), **facts) for _ in range(number))
    await asyncio.gather(*(core.sessions.create(session, most=number, idle_s=60) for session in some))


async def add_tenants(core: Core, number: int) -> None:
    await core.redis.sadd(key("tenants"), *(new_id("key") for _ in range(number)))  # type: ignore[misc]


@pytest.mark.parametrize("add", [add_tokens, add_tenants])
async def test_a_sweep_costs_the_same_however_many_there_are(core: Core, tmp_path: Path, add) -> None:
    core.store.mark = Mark(core.store.release.format)  # what is done once, for older releases, is done
    async with context_over(core, tmp_path) as context:
        await add(core, 100)
        await sweep(context, 0)
        few = await commands(core, lambda: sweep(context, 0))
        await add(core, 4900)
        await sweep(context, 0)
        many = await commands(core, lambda: sweep(context, 0))
    assert few["cmdstat_fcall"] == many["cmdstat_fcall"]
    assert sum(many.values()) <= 1.05 * sum(few.values())


async def test_where_nothing_is_to_do_most_sweeps_ask_redis_next_to_nothing(core: Core, tmp_path: Path) -> None:
    core.store.mark = Mark(core.store.release.format)
    async with context_over(core, tmp_path) as context:
        await add_tokens(core, 100)
        await add_tenants(core, 100)
        await sweep(context, 0)
        await remove_old(context)
        asked = [sum((await commands(core, partial(round_of, context, nth))).values()) for nth in range(11)]
    plain, with_gauges, whole = asked[1], asked[2], asked[10]
    assert asked[1:10] == [plain, *[with_gauges, plain] * 4]
    assert plain <= 6
    assert with_gauges <= plain + 16
    assert whole > with_gauges


async def round_of(context: WorkerContext, nth: int) -> None:
    await sweep(context, 0, nth=nth)
    await remove_old(context, nth=nth)


@pytest.mark.parametrize(("add", "waiting"), [(add_uploads, "uploads"), (add_sessions, "idle_sessions")])
async def test_sweeps_that_look_seldom_for_what_is_unused_remove_as_much_as_if_each_did(
    core: Core, tmp_path: Path, add, waiting
) -> None:
    async with context_over(core, tmp_path) as context:
        await add(core, 250)
        core.clock.turn(by_s=25 * 3600)
        for nth in range(10):
            await sweep(context, 0, nth=nth)
            await remove_old(context, nth=nth)
    assert await core.redis.zcard(key(waiting)) == 0


async def test_jobs_that_were_accepted_at_once_and_never_began_are_ended_by_one_sweep(
    core: Core, tmp_path: Path
) -> None:
    """A tenant may have ten thousand: a hundred a sweep told the last of them minutes later. Two workers end none twice."""
    for _ in range(3):
        assert isinstance(await core.offer(*(core.new_job(start_timeout_s=60) for _ in range(100))), Accepted)
    core.clock.turn(by_s=61)
    async with context_over(core, tmp_path) as context:
        await asyncio.gather(sweep(context, 0, nth=1), sweep(context, 0, nth=1))
    assert await core.redis.zcard(key("jobs_status", "acme", "expired")) == 300
    assert (await core.usage.of_month("acme", month_of(core.clock.now_ms())))["jobs_expired"] == 300
