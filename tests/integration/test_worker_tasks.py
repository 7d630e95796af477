"""What a worker does beside its jobs, again and again: one time that breaks is not the last."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from core.store.redis.keys import key
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S, until
from tests.worker_fixture import context_over
from worker.context import WorkerContext
from worker.listing import stay_listed
from worker.rpc import run_rpc_server

__all__ = ["core"]


@pytest.fixture
async def context(core: Core, tmp_path) -> AsyncIterator[WorkerContext]:
    core.with_settings(lease_s=0.6)
    async with context_over(core, tmp_path) as context:
        yield context


@asynccontextmanager
async def running(task: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    under_way = asyncio.create_task(task)
    try:
        yield
    finally:
        under_way.cancel()
        await asyncio.gather(under_way, return_exceptions=True)


@asynccontextmanager
async def broken(core: Core, name: str, caplog: pytest.LogCaptureFixture, words: str) -> AsyncIterator[None]:
    """Have a key hold what it never holds until somebody has complained of it, and then nothing."""

    async def complained() -> bool:
        return any(words in message for message in caplog.messages)

    await core.redis.set(name, "what it never holds")
    yield
    await until(complained, within_s=PATIENCE_S)
    await core.redis.delete(name)


async def test_a_worker_says_that_it_lives_again(core, context, caplog):
    async with running(stay_listed(context, [].append)):
        async with broken(core, key("workers"), caplog, "admission"):
            pass
        await until(partial(core.redis.hexists, key("workers"), "this worker"), within_s=PATIENCE_S)


async def test_leases_are_renewed_again(core, context, caplog):
    claim = await core.claim(await core.submit())
    async with context.leases.hold(claim.job.id, claim.owner), running(context.leases.run_heartbeat()):
        async with broken(core, key("leases"), caplog, "no lease could be renewed"):
            pass
        await until(partial(core.redis.zscore, key("leases"), claim.job.id), within_s=PATIENCE_S)


async def test_what_the_api_asks_for_is_heard_again(core, context, caplog):
    async with running(run_rpc_server(context, asyncio.Event())):
        async with broken(core, key("rpc_requests"), caplog, "could not be read"):
            pass
        assert await core.rpc.ask("credits", "acme", b"", wait_s=PATIENCE_S) == b"read"
