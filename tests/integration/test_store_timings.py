"""Timing statistics read what is a time, and nothing else."""

import pytest

from core.clock import Clock
from core.errors import Code, WaitReason
from core.model import transitions
from core.store.jobs.timings import FirstLooks, Timings
from core.store.redis.client import connect
from core.store.redis.keys import key
from tests.integration.test_store_leases import Wrong
from tests.store_fixture import Core, core, settings_for
from tests.until import PATIENCE_S

__all__ = ["core"]

INTERVAL_S = 30.0
TIMES = [70_000 + n for n in range(30)]


@pytest.mark.parametrize("foreign", ["", "-900000", "nan", "inf", "1e300", "9" * 300, "seventy"])
async def test_what_is_no_time_changes_no_estimate_and_no_first_look(core: Core, foreign: str) -> None:
    async def measured() -> tuple[object, object]:
        looks = FirstLooks(core.store, core.clock, interval_s=INTERVAL_S)
        return await Timings(core.store, core.clock).now(), await looks.now()

    lists = [key("run_samples"), key("render_samples", "free-video-fast")]
    for name in lists:
        await core.redis.rpush(name, *TIMES)
    before = await measured()
    for name in lists:
        await core.redis.rpush(name, *[foreign] * 10)
    assert await measured() == before


@pytest.mark.parametrize("by_s", [-3600, 3600])
async def test_an_api_whose_clock_is_wrong_counts_the_places_of_those_workers_that_live(
    redis_url: str, by_s: float
) -> None:
    """Estimates go by them: with none a tenant's jobs would be told that they run one after the other."""
    core = Core(connect(redis_url, answer_s=PATIENCE_S), settings_for(redis_url), Wrong(by_s))
    await core.redis.hset(key("workers"), "died", f"{Clock().now_ms() - 1}:5")
    await core.turns.admit(worker="lives", slots=7, alive_s=600)
    assert (await Timings(core.store, core.clock).now()).places == 7
    await core.store.close()


async def test_jobs_that_have_waited_for_credits_make_nobody_s_estimate_longer(core: Core) -> None:
    for code in (None, Code.CREDITS_EXHAUSTED, None, None):
        claim = await core.begin(await core.submit())
        now_ms, until_ms = core.clock.now_ms(), core.clock.now_ms() + 600_000
        poor = transitions.credits_awaited(claim.job, from_ms=now_ms, until_ms=until_ms)
        asleep = transitions.waiting(poor, reason=WaitReason.NO_CREDITS, until_ms=until_ms)
        await core.write(claim, asleep, park_until_ms=until_ms)
        core.clock.turn(by_s=607)
        await core.finish(await core.claim(asleep), code)
    assert (await Timings(core.store, core.clock).now()).p50_s == 7
    assert await core.redis.llen(key("run_samples")) == 3
