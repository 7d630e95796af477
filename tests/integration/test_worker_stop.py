"""A worker that is told to stop: what it holds, and what it is just being handed, goes on elsewhere at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.store.redis.keys import key
from tests.integration.test_store_queue import house, submit
from tests.store_fixture import Core
from tests.until import PATIENCE_S, until
from tests.worker_fixture import context_over
from worker.main import _make_queue, _stop


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
