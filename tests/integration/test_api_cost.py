"""What a call costs whatever the machine: threads, round trips, commands in Redis."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.store.redis.keys import key
from tests.api_fixture import Api, running_api


class CountingThreads(ThreadPoolExecutor):
    """The loop's threads, which count what they are given."""

    calls = 0

    def submit(self, *args: Any, **named: Any) -> Future[Any]:
        self.calls += 1
        return super().submit(*args, **named)


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


async def test_no_call_waits_for_a_thread_but_one_with_a_long_prompt(api: Api) -> None:
    threads = CountingThreads()
    asyncio.get_running_loop().set_default_executor(threads)
    job = await api.submit()
    await api.http.get(f"/v1/jobs/{job['id']}")
    await api.http.get("/v1/jobs?limit=5")
    assert threads.calls == 0
    await api.submit(prompt="trim the first 2 seconds " + "and keep the music " * 50)
    assert threads.calls == 1


@pytest.mark.parametrize(("slots", "most"), [(0, 28), (9, 41)], ids=["it waits", "it may begin at once"])
async def test_a_submit_is_one_round_trip_and_some_commands_inside(api: Api, slots: int, most: int) -> None:
    await api.context.store.redis.hset(key("workers"), "w", f"{2**52}:{slots}")
    for _ in range(3):  # the caches are warm, and the tenant's window has begun
        await api.submit()
    before = await _commands(api)
    await api.submit()
    done = await _commands(api) - before
    assert done.pop("fcall") == 1
    assert done.total() <= most, done


async def _commands(api: Api) -> Counter[str]:
    """Count the commands so far, those inside operations included."""
    stats: dict[str, dict[str, int]] = await api.context.store.redis.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items() if "info" not in name})
