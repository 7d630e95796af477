"""Which token a job gets, over a real store and the backend's look-alike: one anonymous call for all, balances first."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from itertools import cycle

import pytest

from core.errors import Code, Permanent, Temporary, WaitReason
from core.model.job import Job
from core.model.plan import Plan
from core.model.token import Scope, TokenState
from core.store.redis.keys import key
from tests.sandbox_fixture import running_sandbox
from tests.store_fixture import Core, core
from tests.worker_fixture import Calls, context_over
from worker.context import WorkerContext
from worker.jobs.runner import run_job

__all__ = ["core"]


async def taken_by_all(core: Core, contexts: list[WorkerContext], jobs: list) -> list[str]:
    """Let every job ask for a token, and list those that were given."""
    asked = (
        context.token_pool.reserve(job, core.submission(job).session)
        for context, job in zip(cycle(contexts), jobs, strict=False)
    )
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {str, Temporary}
    return [outcome for outcome in outcomes if isinstance(outcome, str)]


async def locked(core: Core, *, is_locked: bool) -> None:
    """Wait until somebody renews the identity, or nobody does any more."""
    async with asyncio.timeout(20):
        while bool(await core.redis.exists(key("anonymous_identity_lock"))) is not is_locked:
            await core.redis.ping()


async def test_many_jobs_in_many_workers_make_one_anonymous_token(core, tmp_path):
    calls, jobs = Calls(), [await core.submit() for _ in range(20)]
    async with running_sandbox() as sandbox, AsyncExitStack() as stack:
        opened = [context_over(core, tmp_path, backend=sandbox.url, calls=calls) for _ in range(3)]
        contexts = [await stack.enter_async_context(context) for context in opened]
        await taken_by_all(core, contexts, jobs)
        again = await taken_by_all(core, contexts, jobs)
    assert calls["anonymous_token"] == 1
    assert (len(again), len(set(again))) == (2, 1), "its 100 credits are two edits"


async def test_the_answer_to_a_renewal_outlives_the_job_that_asked_for_it(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        await sandbox.faults(latency_s=0.3)
        job = await core.submit()
        asking = asyncio.create_task(context.token_pool.reserve(job, core.submission(job).session))
        await locked(core, is_locked=True)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await locked(core, is_locked=False)
        assert await taken_by_all(core, [context], [job])
        issued = [row for row in (await sandbox.ledger())["tokens"] if row["anonymous"]]
    assert len(issued) == 1


async def test_an_identity_that_gets_no_token_rests_and_is_asked_again_after_that(core, tmp_path):
    calls, job = Calls(), await core.submit()
    limited = running_sandbox(SANDBOX_ANONYMOUS_PER_CLIENT=0)
    async with limited as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        for _ in range(3):
            with pytest.raises(Temporary) as waits:
                await context.token_pool.reserve(job, core.submission(job).session)
            assert waits.value.reason is WaitReason.NO_CREDITS
        assert calls["anonymous_token"] == 1
        core.clock.turn(by_s=core.settings.rate_limited_s + 1)
        assert await taken_by_all(core, [context], [job]) == []
    assert calls["anonymous_token"] == 2


async def test_an_operator_s_token_makes_the_anonymous_call_needless(core, tmp_path):
    calls, job = Calls(), await core.submit()
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        token_id = await core.tokens.add(await sandbox.add_token(credits=50), kind="operator")
        assert await taken_by_all(core, [context], [job]) == [token_id]
        assert await taken_by_all(core, [context], [await core.submit()]) == []
    assert calls["anonymous_token"] == 0
    token = await core.tokens.get(token_id)
    assert token is not None
    assert (token.available, token.reserved) == (50, 50), "its balance was read before it was taken"


async def test_a_tenant_s_own_token_is_taken_first_also_before_its_balance_was_ever_read(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        everybodys = await core.tokens.add(await sandbox.add_token(), kind="operator")
        assert await taken_by_all(core, [context], [await core.submit()]) == [everybodys]
        own = await core.tokens.add(await sandbox.add_token(), kind="operator", tenant="acme")
        assert await taken_by_all(core, [context], [await core.submit()]) == [own]
        assert await taken_by_all(core, [context], [await core.submit("other")]) == [everybodys]


async def test_while_one_token_rests_after_a_429_another_is_taken_and_without_one_the_job_says_why(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        tokens = [await core.tokens.add(await sandbox.add_token(), kind="operator") for _ in range(2)]
        [first] = await taken_by_all(core, [context], [await core.submit()])
        await context.token_pool.rest(first, rest_s=30)
        [second] = await taken_by_all(core, [context], [await core.submit()])
        assert {first, second} == set(tokens)
        await context.token_pool.rest(second, rest_s=20)
        job = await core.submit()
        with pytest.raises(Temporary) as waits:
            await context.token_pool.reserve(job, core.submission(job).session)
        assert waits.value.reason is WaitReason.BACKEND_RATE_LIMITED
        assert 19 < waits.value.delay_s <= 20, "the shorter of the two rests"
        assert [token.state for token in await core.tokens.all()] == [TokenState.RATE_LIMITED] * 2
        core.clock.turn(by_s=20)
        assert await taken_by_all(core, [context], [job]) == [second]


async def test_a_token_that_was_refused_a_scope_is_left_to_those_who_can_do_without(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        token_id = await core.tokens.add(await sandbox.add_token(), kind="operator")
        await core.tokens.note_denied(token_id, Scope.RENDER)
        exports, edits = await core.submit(), await core.submit(plan=Plan(message="mute it", action="none"))
        with pytest.raises(Permanent) as ended:
            await context.token_pool.reserve(exports, core.submission(exports).session)
        assert ended.value.code is Code.SCOPE_MISSING
        assert await taken_by_all(core, [context], [edits]) == [token_id]


async def handed_back(core: Core, context: WorkerContext, token_id: str, *, times: int) -> list[str | None]:
    """Let so many jobs be refused the same token at once; the tokens that they go on with come back."""
    jobs = [await core.submit() for _ in range(times)]
    return await asyncio.gather(*(context.token_pool.invalidate(job, token_id) for job in jobs))


async def test_of_fifty_jobs_that_hand_back_one_token_at_once_one_asks_the_backend(core, tmp_path):
    calls = Calls()
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        token_id = await core.tokens.add("nmv_usr_revoked", kind="operator")
        assert await handed_back(core, context, token_id, times=50) == [None] * 50
    assert calls["credits"] == 1
    token = await core.tokens.get(token_id)
    assert token is not None
    assert token.state is TokenState.REVOKED


async def test_fifty_jobs_that_hand_back_the_anonymous_token_at_once_go_on_with_one_new_one(core, tmp_path):
    calls = Calls()
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url, calls=calls) as context:
        old = await core.tokens.add("nmv_usr_old", kind="anonymous", available=100)
        await core.identities.read(fresh_client_id=str(uuid.uuid4()))
        await core.identities.write(token_id=old)
        successors = set(await handed_back(core, context, old, times=50))
    assert len(successors) == 1
    assert successors.isdisjoint({None, old})
    assert (calls["credits"], calls["anonymous_token"]) == (1, 1)


async def test_a_token_that_tells_its_balance_is_good_after_all(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        token_id = await core.tokens.add(await sandbox.add_token(), kind="operator")
        assert await handed_back(core, context, token_id, times=1) == [token_id]
        token = await core.tokens.get(token_id)
        assert token is not None
        assert token.state is TokenState.ACTIVE


async def after_two_runs(core: Core, context: WorkerContext, job: Job) -> Job:
    """Run a job until it sleeps, and once more after a long time."""
    await run_job(context, job.id)
    core.clock.turn(by_s=60)
    await run_job(context, job.id)
    return await core.read(job)


async def test_an_edit_that_costs_less_than_was_thought_is_tried_with_what_is_left(core, tmp_path):
    settings = {"SANDBOX_EDIT_CREDITS": 5, "SANDBOX_GENERATE_CREDITS": 5, "SANDBOX_SILENT_RATE": 0}
    async with running_sandbox(**settings) as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        await core.tokens.add(await sandbox.add_token(credits=40), kind="operator")
        job = await core.submit(plan=Plan(message='[[story:question]] add a title "A"', action="none"))
        ended = await after_two_runs(core, context, job)
        sent = (await sandbox.ledger())["messages"]
    assert [row["charged"] for row in sent] == [5]
    assert (ended.credits_used, ended.credits_exact) == (5, True)


async def test_a_refusal_for_want_of_credits_is_heard_once_and_costs_nothing(core, tmp_path):
    async with running_sandbox() as sandbox, context_over(core, tmp_path, backend=sandbox.url) as context:
        await core.tokens.add(await sandbox.add_token(credits=40), kind="operator")
        first, second = await core.submit(start_timeout_s=10_000), await core.submit(start_timeout_s=10_000)
        waits = [await after_two_runs(core, context, job) for job in (first, second)]
        assert [row["charged"] for row in (await sandbox.ledger())["messages"]] == [0]
    assert [(job.wait and job.wait.reason, job.sent) for job in waits] == [(WaitReason.NO_CREDITS, None)] * 2
    assert waits[0].cost_at_least == 41
    core.clock.turn(by_s=10_000)
    await run_job(context, first.id)
    ended = await core.read(first)
    assert ended.error is not None
    assert ended.error.code is Code.CREDITS_EXHAUSTED
