"""What the intent to send a message says of its token: by it the cost is told, so whoever may have a part in that must show."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
import redis

from core.errors import Code
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, MediaRef, Sent, Stage, Status
from core.model.session import Session
from core.model.token import Use
from core.store.jobs.records import Claim
from core.store.redis.keys import key
from tests.scripted_backend import Answer, ScriptedBackend, said, scripted_backend
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S
from tests.worker_fixture import context, in_hand, stepped
from worker.context import WorkerContext
from worker.jobs.execution import JobExecution
from worker.jobs.runner import _let_go, _next_result, run_job
from worker.jobs.step_result import Handover

__all__ = ["context", "core"]

COST = 50


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as backend:
        backend.says("state", said({"code": 0, "data": {"state": {"draft": {}}}}))
        backend.says("credits", said({"code": 0, "data": {"available": 500, "frozen": 0, "total": 500}}))
        yield backend


@pytest.fixture
async def token_id(core: Core) -> str:
    return await core.tokens.add("nmv_usr_a", kind="operator", available=500)


@asynccontextmanager
async def about_to_send(
    core: Core, context: WorkerContext, token_id: str, *, settling: bool = False
) -> AsyncIterator[JobExecution]:
    """Hold a job that has brought its files; it has just been taken up again, so no commit has told who uses the token."""
    job = await core.submit()
    started = transitions.token_taken(transitions.started(job, now_ms=job.created_at_ms), token_id=token_id)
    session = Session(id=job.session_id, tenant=job.tenant, profile=job.profile, created_at_ms=job.created_at_ms)
    session = sessions.opened(session, backend_id="b1", task_id=None, user_id=None, token_id=token_id)
    if settling:
        session = msgspec.structs.replace(session, settling_until_ms=core.clock.now_ms() + 60_000)
    async with in_hand(core, context, transitions.moved(started, Stage.UPLOADING), session) as execution:
        yield execution


async def another_sends(core: Core, token_id: str) -> Claim:
    claim = await core.begin(await core.submit())
    taken = transitions.token_taken(claim.job, token_id=token_id)
    intent = Sent(at_ms=core.clock.now_ms(), before="d", cost=COST)
    return await core.write(claim, transitions.sending(taken, sent=intent))


async def sends_of_intent(execution: JobExecution) -> int | None:
    job = await stepped(execution)
    assert job.sent is not None
    assert (job.sent.credits_total, job.sent.frozen) == (500, 0)
    return job.sent.sends


async def test_one_alone_on_its_token_says_how_many_messages_were_ever_sent_on_it(
    core: Core, context: WorkerContext, token_id: str
) -> None:
    await core.finish(await another_sends(core, token_id))
    async with about_to_send(core, context, token_id) as execution:
        assert await sends_of_intent(execution) == 1


@pytest.fixture
async def settled_meanwhile(core: Core, backend: ScriptedBackend, token_id: str, redis_url: str) -> AsyncIterator[None]:
    """Another job's message is on its way, and is settled while the backend answers for the balance."""
    other = await another_sends(core, token_id)
    with redis.Redis.from_url(redis_url) as aside:
        backend.meanwhile["credits"] = lambda: aside.hdel(key("token_sent", token_id), other.job.id)
        yield


@pytest.mark.usefixtures("settled_meanwhile")
@pytest.mark.parametrize("settling", [False, True])
@pytest.mark.parametrize("told", [None, Use(sends=1, others_at_work=1)])
async def test_a_message_that_is_settled_just_after_the_balance_was_read_has_a_part_in_what_comes(
    core: Core, context: WorkerContext, token_id: str, settling: bool, told: Use | None
) -> None:
    """It was charged after the balance was read, and nobody is at work when the pool is asked after that."""
    async with about_to_send(core, context, token_id, settling=settling) as execution:
        execution.handover = Handover(use=told)
        assert await sends_of_intent(execution) is None


async def test_a_message_that_a_stopping_worker_has_announced_and_not_sent_is_announced_anew_by_another(
    core, context, backend, token_id
):
    """Whoever found the intent would look for an edit that never was, and end the job as unconfirmed."""
    backend.says("session", said({"code": 0, "data": {"session_id": "b1"}}))
    backend.meanwhile["state"] = lambda: setattr(context.leases, "stopping", True)
    job = await core.submit()
    await run_job(context, job.id)
    left = await core.jobs.load(job.id)
    assert left is not None
    assert (left.status, left.stage, left.sent) == (Status.RUNNING, Stage.PREPARING, None)
    assert (await core.jobs.holder(job.id)).owner == ""
    assert await core.token_use.sent_on(token_id) == {}
    assert backend.calls("/run_sse") == []


async def test_a_message_that_is_announced_is_not_taken_from_a_stopping_worker_before_its_stream_is_over(
    core, context, backend, token_id
):
    backend.says("session", said({"code": 0, "data": {"session_id": "b1"}}))
    backend.says("/run_sse", Answer(b'data: {"type":"text","content":"Done."}\n\n', content_type="text/event-stream"))
    claim = await core.claim(await core.submit())
    async with context.leases.hold(claim.job.id, claim.owner) as lease:
        execution = JobExecution(context, claim, lease)
        while execution.job.recovery is None:
            result = await _next_result(execution)
            assert result is not None
            if execution.job.sent:
                await context.leases.hand_back_all(streams_too=False, patience_s=PATIENCE_S)
            await execution.commit(result)
    heard = await core.jobs.load(claim.job.id)
    assert heard is not None
    assert (heard.reply, heard.recovery.spoke, lease.lost) == ("Done.", True, False)
    assert not lease.streaming


async def taken_further(execution: JobExecution) -> None:
    result = await _next_result(execution)
    assert result is not None
    await execution.commit(result)


def to_last_seconds(core: Core, job: Job) -> None:
    core.clock.turn(by_s=(job.deadline_ms - core.clock.now_ms()) / 1000 - 3)


@pytest.mark.parametrize("since", ["before it had a session", "before the intent", "since the intent"])
async def test_a_message_that_could_not_be_worked_on_in_the_last_seconds_is_not_sent_and_costs_nothing(
    core, context, backend, token_id, since
):
    """The backend was away, or Redis while the intent was to be written: an edit would be paid for that nobody gets."""
    backend.says("session", said({"code": 0, "data": {"session_id": "b1"}}))
    claim = await core.claim(await core.submit())
    late_at = {"before it had a session": Stage.PREPARING, "before the intent": Stage.UPLOADING}.get(
        since, Stage.EDITING
    )
    async with context.leases.hold(claim.job.id, claim.owner) as lease:
        execution = JobExecution(context, claim, lease)
        while execution.job.stage is not late_at:
            await taken_further(execution)
        if late_at is Stage.UPLOADING:
            backend.meanwhile["credits"] = partial(to_last_seconds, core, execution.job)
        else:
            to_last_seconds(core, execution.job)
        await taken_further(execution)
        job = execution.job
    assert (job.status, job.error and job.error.code) == (Status.FAILED, Code.DEADLINE_EXCEEDED)
    assert (job.sent, job.credits_used, job.credits_exact) == (None, 0, True)
    assert job.error is not None
    assert job.error.hint.endswith("Nothing was charged.")
    assert "timeline" not in job.error.hint, "there was no edit to look for"
    assert backend.calls("/run_sse") == []
    assert await core.token_use.sent_on(token_id) == {}
    token = (await core.tokens.all())[0]
    assert (token.reserved, token.in_flight) == (0, 0)


@pytest.mark.parametrize("how", ["its worker goes on", "its worker stops"])
async def test_a_message_whose_cancel_came_before_its_bytes_counts_as_never_sent(core, context, backend, token_id, how):
    """A replay finds the job's files in the session: had a message used them, it would bring each of them once more."""
    backend.says("session", said({"code": 0, "data": {"session_id": "b1"}}))
    claim = await core.claim(await core.submit())
    async with context.leases.hold(claim.job.id, claim.owner) as lease:
        execution = JobExecution(context, claim, lease)
        while execution.job.stage is not Stage.UPLOADING:
            await taken_further(execution)
        brought = MediaRef(name="a.mp4", url="https://example.com/a.mp4", job_id=claim.job.id)
        execution.session = msgspec.structs.replace(execution.session, media=(brought,), uploaded=1)
        announced = await _next_result(execution)
        assert announced is not None
        await core.cancel(execution.job)
        await execution.commit(announced)
        assert (execution.job.status, execution.handover.may_send) == (Status.CANCELING, True)
        if how == "its worker stops":
            await _let_go(execution)
        else:
            await taken_further(execution)
    if how == "its worker stops":
        await run_job(context, execution.job.id)
    job = await core.read(execution.job)
    assert (job.status, job.sent, job.credits_used, job.credits_exact) == (Status.CANCELED, None, 0, True)
    session = await core.sessions.load(job.session_id)
    assert session is not None
    assert session.media[0].unused
    assert await core.token_use.sent_on(token_id) == {}
    assert backend.calls("/run_sse") == []
