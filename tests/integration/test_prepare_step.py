"""A session at the backend, in the caller's language, from a backend whose every answer a test has written."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from core.model import transitions
from core.model.job import Stage
from core.store.redis.keys import key
from tests.scripted_backend import ScriptedBackend, page, said, scripted_backend
from tests.store_fixture import Core, core
from tests.worker_fixture import context, in_hand, stepped
from worker.context import WorkerContext
from worker.jobs.execution import JobExecution
from worker.jobs.runner import run_job
from worker.offer import DELIVERY_PLACES

__all__ = ["context", "core"]

OPENED = said({"code": 0, "data": {"session_id": "5", "task_id": "t1"}})
FRENCH = "coupe les pauses et ajoute de la musique, puis exporte la vidéo"


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as backend:
        backend.says("credits", said({"code": 0, "data": {"available": 500}}))
        yield backend


@asynccontextmanager
async def preparing(core: Core, context: WorkerContext) -> AsyncIterator[JobExecution]:
    """Hold a job that has a token, and asks for a session next."""
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit(prompt=FRENCH)
    async with in_hand(core, context, transitions.started(job, now_ms=job.created_at_ms)) as execution:
        await stepped(execution)
        yield execution


async def test_a_session_is_opened_in_the_prompt_s_language(core, context, backend):
    backend.says("session", OPENED)
    async with preparing(core, context) as execution:
        job = await stepped(execution)
    assert (job.stage, execution.session.backend_id) == (Stage.UPLOADING, "5")
    assert [asked.json["language"] for asked in backend.calls("session")] == ["fr"]


@pytest.mark.parametrize(
    "refusal",
    [said({"code": 400, "message": "unsupported language"}, 400), said({"detail": [{"loc": ["language"]}]}, 422)],
)
async def test_a_language_that_the_backend_does_not_know_keeps_nobody_from_a_session(core, context, backend, refusal):
    backend.says("session", refusal, OPENED)
    async with preparing(core, context) as execution:
        job = await stepped(execution)
    assert (job.stage, execution.session.backend_id) == (Stage.UPLOADING, "5")
    assert [asked.json.get("language") for asked in backend.calls("session")] == ["fr", None]


@pytest.mark.parametrize("answer", [page(403), said({"code": 403, "message": "no"}, 403), said({"code": 429}, 429)])
async def test_what_is_not_refused_for_its_words_is_not_asked_again_in_others(core, context, backend, answer):
    backend.says("session", answer)
    async with preparing(core, context) as execution:
        await stepped(execution)
    assert len(backend.calls("session")) == 1


async def test_jobs_that_wake_all_at_once_leave_callbacks_their_places(core, context, backend):
    """Of those that slept for a token four may wake for each place: all of them streaming, a worker would send no callback."""
    backend.says("credits", said({"code": 0, "data": {"available": 0}}))
    await core.tokens.add("nmv_usr_a", kind="operator", available=0)
    job = await core.submit()
    await run_job(context, job.id)
    await core.tokens.add("nmv_usr_b", kind="operator", available=500)
    core.clock.turn(by_s=5)
    async with AsyncExitStack() as stack:
        for nth in range(context.settings.worker_jobs + DELIVERY_PLACES):
            await stack.enter_async_context(context.leases.hold(f"job_{nth}", "this worker:0"))
        await run_job(context, job.id)
        waits = await core.read(job)
        assert (waits.stage, waits.token_id, waits.wait) == (Stage.PREPARING, None, None)
        lent = await core.redis.zcount(key("asleep"), f"({core.clock.now_ms()}", "+inf")
        assert not lent, "it goes before those that have not begun"
    core.clock.turn(by_s=60)
    await run_job(context, job.id)
    assert backend.calls("session"), "it goes on"
