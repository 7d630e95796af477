"""The first step: a job leaves the queue, with its token where one is at hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.model.job import Job, Stage, Status
from core.store.redis.keys import key
from tests.store_fixture import Core, core
from tests.worker_fixture import context_over, in_hand
from worker.context import WorkerContext
from worker.jobs.steps import step_of
from worker.jobs.steps.start import start

__all__ = ["core"]

COST = 50


@pytest.fixture
async def context(core: Core, tmp_path: Path) -> AsyncIterator[WorkerContext]:
    async with context_over(core, tmp_path) as context:
        yield context


async def begun(core: Core, context: WorkerContext, job: Job) -> Job:
    """Take the first step and commit it."""
    async with in_hand(core, context, job) as execution:
        result = await start(execution)
        await execution.commit(result)
        return execution.job


async def reserved(core: Core, token_id: str) -> dict[bytes, bytes]:
    return await core.redis.hgetall(key("token_reservations", token_id))


async def test_a_job_begins_with_a_token_that_is_known_to_fit(core: Core, context: WorkerContext) -> None:
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await begun(core, context, await core.submit())
    assert (job.status, job.stage, job.token_id) == (Status.RUNNING, Stage.PREPARING, token_id)
    assert await core.read(job) == job
    assert list(await reserved(core, token_id)) == [job.id.encode()]


async def test_a_job_for_which_no_token_is_at_hand_begins_all_the_same(core: Core, context: WorkerContext) -> None:
    await core.tokens.add("nmv_usr_poor", kind="operator", available=COST - 1)
    job = await begun(core, context, await core.submit())
    assert (job.status, job.stage, job.token_id) == (Status.RUNNING, Stage.PREPARING, None)


async def test_a_job_that_would_cost_too_much_reserves_nothing(core: Core, context: WorkerContext) -> None:
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await begun(core, context, await core.submit(max_credits=COST - 1))
    assert (job.stage, job.token_id) == (Stage.PREPARING, None)
    assert await reserved(core, token_id) == {}


async def test_who_died_with_a_token_reserved_and_nothing_written_reserves_it_once(
    core: Core, context: WorkerContext
) -> None:
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await start(execution)  # and no commit
    core.clock.turn(by_s=3600)
    again = await begun(core, context, job)
    assert again.token_id == token_id
    assert (await core.tokens.get(token_id)).reserved == COST
    assert step_of(again).__name__ == "prepare"


async def test_a_token_reserved_by_who_died_is_freed_when_the_job_never_starts(
    core: Core, context: WorkerContext
) -> None:
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await start(execution)
    await core.cancel(job)
    assert await reserved(core, token_id) == {}
