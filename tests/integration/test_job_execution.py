"""One job in a worker's hands: what its commits allow, and what they hand over to the next step."""

from collections.abc import AsyncIterator

import pytest

from core.model import transitions
from core.model.job import Job, Sent, Stage
from core.store.leases import LeaseLost
from tests.store_fixture import Core, core
from tests.worker_fixture import context_over, in_hand
from worker.context import WorkerContext
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import Handover, StepResult

__all__ = ["core"]


@pytest.fixture
async def context(core: Core, tmp_path) -> AsyncIterator[WorkerContext]:
    async with context_over(core, tmp_path) as context:
        yield context


def intent_of(job: Job) -> StepResult:
    return StepResult(transitions.sending(job, sent=Sent(at_ms=1, before="d0")))


async def started(execution: JobExecution) -> JobExecution:
    await execution.commit(StepResult(transitions.started(execution.job, now_ms=execution.now_ms)))
    return execution


async def test_only_the_commit_of_an_intent_allows_to_send_and_only_until_the_next(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        assert not execution.handover.may_send
        await execution.commit(intent_of(execution.job))
        assert execution.handover.may_send
        await execution.commit(StepResult(transitions.confirmation_needed(execution.job, now_ms=1)))
        assert not execution.handover.may_send


async def test_no_step_can_allow_itself_to_send(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        uploading = transitions.moved(execution.job, Stage.UPLOADING)
        await execution.commit(StepResult(uploading, handover=Handover(may_send=True)))
        assert not execution.handover.may_send


async def test_what_was_given_up_for_sending_stays_so(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        await execution.commit(intent_of(execution.job))
        execution.give_up_permission()
        assert not execution.handover.may_send


async def test_a_run_that_finds_an_intent_may_not_send(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        await execution.commit(intent_of(execution.job))
    core.clock.turn(by_s=core.settings.lease_s + 1)
    async with in_hand(core, context, await core.read(job)) as another:
        assert another.job.stage is Stage.EDITING
        assert (another.handover.may_send, another.handover.interrupted) == (False, True)


async def test_a_commit_that_was_refused_allows_nothing(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        core.clock.turn(by_s=core.settings.lease_s + 1)
        await core.claim(job)
        with pytest.raises(LeaseLost):
            await execution.commit(intent_of(execution.job))
        assert not execution.handover.may_send
