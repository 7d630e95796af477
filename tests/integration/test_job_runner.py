"""The loop over a job's steps: what becomes of a job whose step breaks as nobody expected, or that our storage keeps."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import redis

from core.errors import Code, WaitReason
from core.model import session as sessions
from core.model import transitions
from core.model.job import MediaRef, Render, Sent, Stage, Status
from core.model.session import Session
from core.store.redis.keys import key
from tests.scripted_backend import Answer, ScriptedBackend, film, page, said, scripted_backend
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S, until
from tests.worker_fixture import context, in_hand, stepped
from worker.backend.drafts import fingerprint
from worker.context import WorkerContext
from worker.jobs.execution import JobExecution
from worker.jobs.retry_policy import SURPRISE, TRIES
from worker.jobs.runner import _next_result, run_job
from worker.jobs.step_result import Handover

__all__ = ["context", "core"]

SENT = Sent(at_ms=1, before="d0")
RENDER_AGAIN = 'Replay with {"from": "render"}: it costs no credits.'


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as backend:
        backend.says("credits", said({"code": 0, "data": {"available": 500}}))
        backend.says("status", said({"taskId": "render_1", "status": "processing"}))
        backend.says("cancel", said({"code": 0}))
        backend.says("/o.mp4", film(b"no film"))
        yield backend


@asynccontextmanager
async def at(core: Core, context: WorkerContext, stage: Stage, **facts: Any) -> AsyncIterator[JobExecution]:
    """Hold a job at a stage. Without a render the steps after the edit break, and so does an upload of nothing."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    started = transitions.token_taken(transitions.started(job, now_ms=job.created_at_ms), token_id=token_id)
    session = Session(id=job.session_id, tenant=job.tenant, profile=job.profile, created_at_ms=job.created_at_ms)
    session = sessions.opened(session, backend_id="b1", task_id=None, user_id=None, token_id=token_id)
    session = msgspec.structs.replace(session, media=(MediaRef(name="a.mp4"),))
    ready = transitions.moved(started, stage, **facts)
    async with in_hand(core, context, ready, session) as execution:
        yield execution


def paid(**facts: Any) -> dict[str, Any]:
    return {"sent": SENT, "edited": True} | facts


async def pauses_s(core: Core, execution: JobExecution) -> list[float]:
    """Let the step break until the job ends; the pauses are in first ones."""
    pauses: list[float] = []
    while not execution.job.ended:
        result = await _next_result(execution)
        assert result is not None
        execution.job = result.job
        pauses += [result.park_s / core.settings.backoff_s] if result.park_s else []
    return pauses


@pytest.mark.quick
async def test_a_step_that_broke_is_done_again_and_a_job_that_has_paid_goes_on(core, context, backend):
    async with at(core, context, Stage.STORING, **paid()) as execution:
        waiting = await stepped(execution)
        assert (waiting.status, waiting.stage, waiting.error) == (Status.RUNNING, Stage.STORING, None)
        render = Render(id="render_1", attempt=1, started_at_ms=1, asked=True, url=backend.url + "/o.mp4")
        execution.job = msgspec.structs.replace(waiting, render=render)
        job = await stepped(execution)
        assert (job.status, len(backend.calls("/o.mp4"))) == (Status.RUNNING, 1)


async def test_a_step_that_breaks_again_and_again_has_growing_pauses_and_an_end(core, context):
    async with at(core, context, Stage.STORING, **paid()) as execution:
        assert await pauses_s(core, execution) == [1, 2, 4, 8, 16][:TRIES]
        error = execution.job.error
    assert error is not None
    assert (execution.job.status, error.code, error.hint) == (Status.FAILED, Code.INTERNAL, RENDER_AGAIN)


async def test_who_has_canceled_does_not_wait_for_a_step_that_breaks(core, context):
    async with at(core, context, Stage.STORING, **paid()) as execution:
        execution.job = transitions.cancel_asked(execution.job, now_ms=core.clock.now_ms())
        assert (await stepped(execution)).status is Status.CANCELED


async def test_an_upload_that_broke_is_asked_after_before_it_is_made_again(core, context):
    async with at(core, context, Stage.UPLOADING) as execution:
        assert (await stepped(execution)).upload_in_doubt


def about_to_send(execution: JobExecution) -> None:
    execution.job = transitions.sending(execution.job, sent=SENT)
    execution.handover = Handover(may_send=True)


async def test_a_message_that_had_not_gone_out_when_a_step_broke_is_sent_after_all(core, context, backend):
    async with at(core, context, Stage.EDITING) as execution:
        about_to_send(execution)
        await core.redis.set(key("token", execution.job.token_id), "what no token is")
        job = await stepped(execution)
    assert (job.status, job.stage, job.sent) == (Status.RUNNING, Stage.PREPARING, None)


async def test_a_message_that_may_have_gone_out_when_a_step_broke_is_looked_for_and_not_sent(core, context, backend):
    async with at(core, context, Stage.EDITING) as execution:
        about_to_send(execution)
        plan = msgspec.structs.replace(execution.job.plan, message=None)  # there is nothing to send
        execution.job = msgspec.structs.replace(execution.job, plan=plan)
        job = await stepped(execution)
        assert (job.status, job.stage, job.sent) == (Status.RUNNING, Stage.EDITING, SENT)
        assert (await stepped(execution)).stage is Stage.RECOVERING
    assert backend.calls("message") == []


async def test_a_job_goes_on_whose_fault_could_not_be_dealt_with(core, context, backend):
    """It stood for the length of a lease, again and again, since what broke was not the step."""
    backend.says("/run_sse", said({"code": 429}, 429))
    async with at(core, context, Stage.EDITING) as execution:
        about_to_send(execution)
        token = key("token", execution.job.token_id)
        assert await execution.find_credentials(), "opened, and known for a moment"
        await core.redis.set(token, "what no token is")
        job = await stepped(execution)
    assert (job.status, job.stage, job.sent, job.tries) == (Status.RUNNING, Stage.EDITING, SENT, {SURPRISE: 1})


async def refuses_writes(core: Core) -> bool:
    """Whether Redis, which is full, has refused one since the statistics began anew."""
    return "errorstat_OOM" in await core.redis.info("errorstats")


@pytest.mark.parametrize(
    "refusal", [said({"code": 429}, 429), said({"code": 2001}), said({"code": 403, "message": "no such scope"}, 403)]
)
async def test_a_message_that_was_refused_while_redis_took_nothing_is_known_to_be_refused_afterwards(
    core, context, backend, redis_url, refusal
):
    """It was heard once, by this run alone: whoever finds the intent would look for an edit that never was."""
    backend.says("/run_sse", refusal)
    await core.redis.config_resetstat()
    with redis.Redis.from_url(redis_url) as aside:
        backend.meanwhile["/run_sse"] = lambda: aside.config_set("maxmemory", 1)
        async with at(core, context, Stage.EDITING) as execution:
            about_to_send(execution)
            try:
                going_on = asyncio.create_task(_next_result(execution))
                await until(lambda: refuses_writes(core), within_s=PATIENCE_S)
            finally:
                aside.config_set("maxmemory", 0)
            result = await going_on
    assert result is not None
    assert (result.job.status, result.job.stage, result.job.sent) == (Status.RUNNING, Stage.PREPARING, None)


@pytest.mark.parametrize("complaint", [{"code": 7777}, {"success": False}])
async def test_a_message_whose_answer_complains_as_nobody_has_described_is_looked_for_and_not_sent_again(
    core, context, backend, complaint
):
    """It may have been charged for: the answer of a server that gave up waiting for its own agent reads like that.

    Nor is its prompt to blame, which a caller who hears that nothing was changed would write anew.
    """
    backend.says("/run_sse", said(complaint | {"message": "The agent gave up."}))
    backend.says("state", said({"code": 0, "data": {"state": {"draft": {}}}}))
    async with at(core, context, Stage.EDITING) as execution:
        about_to_send(execution)
        intent = msgspec.structs.replace(SENT, before=fingerprint({}))
        execution.job = msgspec.structs.replace(execution.job, sent=intent)
        heard = await stepped(execution)
        assert (heard.sent, heard.reply) == (intent, "The agent gave up.")
        assert (await stepped(execution)).stage is Stage.RECOVERING
        while not execution.job.ended:
            core.clock.turn(by_s=core.settings.unseen_edit_s / 2)
            await stepped(execution)
    assert execution.job.error is not None
    assert (execution.job.error.code, execution.job.error.retryable) == (Code.EDIT_UNCONFIRMED, True)
    assert execution.job.error.detail == "The backend answered with an error, and no change could be confirmed."
    assert execution.job.reply == "The agent gave up."
    assert len(backend.calls("/run_sse")) == 1


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (Answer(b": hi\n\n"), "The backend ended without a word, and no change could be confirmed."),
        (Answer(b": hi\n\n", length=999), "The connection broke during the edit, and no change could be confirmed."),
        (Answer(b'data: {"error":"no"}\n\n'), "The backend answered with an error, and no change could be confirmed."),
        (said({"code": 500}, 500), "The backend answered with an error, and no change could be confirmed."),
        (page(504), "The connection broke during the edit, and no change could be confirmed."),
    ],
)
async def test_an_edit_that_shows_nowhere_is_told_by_how_its_stream_ended(core, context, backend, stream, words):
    """Three in ten edits say nothing: whoever looks for a broken network after one looks in the wrong place."""
    is_stream = stream.status == 200
    backend.says("/run_sse", dataclasses.replace(stream, content_type="text/event-stream") if is_stream else stream)
    backend.says("state", said({"code": 0, "data": {"state": {"draft": {}}}}))
    async with at(core, context, Stage.EDITING) as execution:
        about_to_send(execution)
        intent = msgspec.structs.replace(SENT, before=fingerprint({}))
        execution.job = msgspec.structs.replace(execution.job, sent=intent)
        while not execution.job.ended:
            await stepped(execution)
            core.clock.turn(by_s=core.settings.recover_every_s)
    assert execution.job.error is not None
    assert (execution.job.error.code, execution.job.error.detail) == (Code.EDIT_UNCONFIRMED, words)


async def test_a_message_whose_answer_complains_without_a_word_has_no_reply(core, context, backend):
    backend.says("/run_sse", said({"success": False}))
    async with at(core, context, Stage.EDITING) as execution:
        about_to_send(execution)
        heard = await stepped(execution)
    assert heard.recovery is not None
    assert (heard.sent is None, heard.reply, heard.recovery.spoke) == (False, None, False)


@pytest.mark.parametrize("job_is", ["over", "another worker's"])
async def test_a_message_that_goes_out_when_the_job_is_over_counts_once_more_on_its_token(
    core, context, backend, redis_url, job_is
):
    """Its worker was frozen right before the bytes: who reads a balance meanwhile may find its cost there."""
    async with at(core, context, Stage.UPLOADING) as execution:
        job, ready = execution.job, execution.session
    claim = await core.begin(await core.submit())
    token_id = job.token_id
    uploaded = transitions.moved(transitions.token_taken(claim.job, token_id=token_id), Stage.UPLOADING)
    session = msgspec.structs.replace(ready, id=claim.job.session_id, media=())
    await core.write(claim, uploaded, session=session)
    await core.jobs.hand_back({claim.job.id: claim.owner})
    with redis.Redis.from_url(redis_url) as aside:

        def thaw() -> None:
            aside.hset(key("job", claim.job.id), "owner", "another:1")
            if job_is == "over":
                aside.hdel(key("token_sent", token_id), claim.job.id)

        backend.meanwhile["/run_sse"] = thaw
        await run_job(context, claim.job.id)
    assert len(backend.calls("/run_sse")) == 1
    use = await core.token_use.use_of(token_id)
    assert use is not None
    assert use.sends == (2 if job_is == "over" else 1)


async def test_a_film_that_our_storage_kept_to_the_end_is_said_to_be_ours_and_costs_nothing_again(
    core, context, backend, tmp_path
):
    (tmp_path / "outputs").write_text("in the way of the folder")
    backend.says("/o.mp4", film(b"\0\0\0\x10ftypisom\0\0\0\0" + bytes(100)))  # it begins as one, so it is written
    render = Render(id="render_1", attempt=1, started_at_ms=1, asked=True, url=backend.url + "/o.mp4")
    async with at(core, context, Stage.STORING, **paid(render=render)) as execution:
        await stepped(execution, 2)
        core.clock.turn(by_s=execution.job.timeout_s + 1)
        error = (await stepped(execution)).error
    assert error is not None
    assert (error.code, error.hint, "storage" in error.detail) == (Code.INTERNAL, RENDER_AGAIN, True)


async def test_a_job_that_has_paid_and_is_late_is_not_told_to_pay_again(core, context):
    render = Render(id="render_1", attempt=1, started_at_ms=1, asked=True, backend_id="render_1")
    async with at(core, context, Stage.RENDERING, **paid(render=render)) as execution:
        core.clock.turn(by_s=execution.job.timeout_s + 1)
        error = (await stepped(execution)).error
    assert error is not None
    assert (error.code, error.hint) == (Code.DEADLINE_EXCEEDED, RENDER_AGAIN)


@pytest.mark.parametrize(("answer", "lends"), [(said({"code": 429}, 429), True), (page(429), False)])
async def test_a_job_lends_its_place_where_its_token_is_to_rest_and_not_where_everybody_is(
    core: Core, context: WorkerContext, backend: ScriptedBackend, answer: Answer, lends: bool
) -> None:
    """Whoever began in its place would be told the same by the proxy before the backend, and use up its time."""
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    backend.says("session", answer)
    await run_job(context, job.id)
    waiting = (await core.read(job)).wait
    assert waiting is not None
    assert waiting.reason is WaitReason.BACKEND_RATE_LIMITED
    assert (await core.redis.zscore(key("asleep"), job.id) is not None) is lends
