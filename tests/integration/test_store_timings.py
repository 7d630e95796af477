"""Timing statistics read what is a time, and nothing else."""

import pytest

from core.store.jobs.timings import FirstLooks, Timings
from core.store.redis.keys import key
from tests.store_fixture import Core, core

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
