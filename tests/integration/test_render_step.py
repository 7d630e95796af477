"""Exports step by step: what is asked of a backend whose every answer a test has written, and what becomes of the render."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import redis

from core.errors import Code
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Render, Sent, Stage
from core.model.plan import Output
from core.model.render_looks import SPREAD
from core.model.session import Session
from core.model.token import TokenState
from core.store.jobs.orphan_renders import OrphanRender
from core.store.redis.codec import pack_json, unpack_json
from core.store.redis.functions import RENDER_SAMPLES_LIFE_MS
from core.store.redis.keys import key
from tests.scripted_backend import Answer, ScriptedBackend, page, said, scripted_backend
from tests.store_fixture import Core, core
from tests.worker_fixture import context, in_hand, stepped
from worker.context import WorkerContext
from worker.jobs.execution import CancelAsked, JobExecution
from worker.jobs.orphan_renders import follow_orphan_renders, leave_render
from worker.jobs.retry_policy import TRIES
from worker.jobs.runner import run_job
from worker.jobs.step_result import Handover
from worker.jobs.steps.render import render

__all__ = ["context", "core"]

DRAFT = {"t": [{"tt": 0, "sg": [{"st": 0, "d": 4000}]}]}
OLD_ID = "render_019a3c1e-7b2f-7c3d-9e4f-0123456789ab_1_1"
BEGUN = said({"success": True, "data": {"id": "lambda-7", "status": "pending", "progress": 5}})
PROCESSING = said({"taskId": "lambda-7", "status": "processing", "progress": 40})
FIREWALL = said({"message": "Forbidden"}, 403)
REFUSED = said({"code": 1001, "message": "expired"}, 401)
DONE = said({"taskId": "lambda-7", "status": "completed", "output": {"url": "/o.mp4"}})
TAKEN_BACK = said({"success": True, "data": {}})
BLOCKED = said({"code": 402, "message": "upgrade your plan"}, 402)
UNKNOWN = said({"code": 404, "message": "render not found"}, 404)


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as backend:
        backend.says("state", said({"code": 0, "data": {"state": {"draft": DRAFT}}}))
        backend.says("claim", said({"code": 0, "data": {"claim_token": "clm_1"}}))
        backend.says("credits", said({"code": 0, "data": {"available": 500}}))
        backend.says("render", BEGUN)
        backend.says("status", PROCESSING)
        yield backend


@asynccontextmanager
async def at_export(
    core: Core, context: WorkerContext, *, render: Render | None = None, **chosen: Any
) -> AsyncIterator[JobExecution]:
    """Hold a job whose edit is done, and that has its film rendered now."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit(**chosen)
    async with in_hand(core, context, *ready(job, token_id, render)) as execution:
        yield execution


def ready(job: Job, token_id: str, render: Render | None) -> tuple[Job, Session]:
    job = transitions.token_taken(transitions.started(job, now_ms=job.created_at_ms), token_id=token_id)
    job = transitions.moved(job, Stage.RENDERING, edited=True, changes=("Clip trimmed",), render=render)
    session = Session(id=job.session_id, tenant=job.tenant, profile=job.profile, created_at_ms=job.created_at_ms)
    session = sessions.opened(session, backend_id="b1", task_id=None, user_id=None, token_id=token_id)
    return job, msgspec.structs.replace(session, edits=1)


def rendering(job: Job) -> Render:
    assert job.render is not None
    return job.render


async def test_a_render_is_asked_for_as_the_documents_show_it(core, context, backend):
    async with at_export(core, context) as execution:
        named = rendering(await stepped(execution))
        assert not backend.calls("render"), "its id is written down first"
        await stepped(execution)
    [asked] = backend.calls("render")
    assert asked.json == {
        "id": named.id,
        "sessionId": "b1",
        "draft": DRAFT,
        "output": {"format": "mp4", "quality": "high"},
    }
    assert re.fullmatch(r"render_\d{14,}", named.id)


async def test_a_draft_that_is_nothing_but_its_tracks_is_rendered_as_it_came(core, context, backend):
    backend.says("state", said({"code": 0, "data": {"state": {"draft": DRAFT["t"]}}}))
    async with at_export(core, context) as execution:
        job = await stepped(execution, 2)
    [asked] = backend.calls("render")
    assert asked.json["draft"] == DRAFT["t"]
    assert rendering(job).timeline_s == 4


async def test_that_a_token_may_export_after_all_is_written_with_the_render(core, context, backend):
    async with at_export(core, context, render=Render(id="render_1", attempt=1, started_at_ms=0)) as execution:
        token_id = execution.job.token_id
        await core.tokens.note_export_refused(token_id)
        before = await operations(core)
        result = await render(execution)
        assert await operations(core) == before, "the commit does it"
        execution.job = await core.read(execution.job)
        await execution.commit(result)
    token = await core.tokens.get(token_id)
    assert (token.state, token.blocked) == (TokenState.ACTIVE, 0)


async def operations(core: Core) -> int:
    """Count the operations on Redis so far."""
    return (await core.redis.info("commandstats"))["cmdstat_fcall"]["calls"]


async def test_a_resolution_goes_along_where_one_was_asked_for(core, context, backend):
    output = Output(format="mov", resolution="1080p", resolution_asked=True)
    async with at_export(core, context, output_ask=output) as execution:
        await stepped(execution, 2)
    [asked] = backend.calls("render")
    assert asked.json["output"] == {"format": "mov", "quality": "high", "resolution": "1080p"}


@pytest.mark.parametrize(
    "refusal", [said({"code": 400, "message": "invalid output"}, 400), said({"success": False, "error": "resolution?"})]
)
async def test_where_a_resolution_is_refused_the_render_is_asked_for_without(core, context, backend, refusal):
    backend.says("render", refusal, BEGUN)
    async with at_export(core, context, output_ask=Output(resolution="360p", resolution_asked=True)) as execution:
        job = await stepped(execution, 3)
    with_it, without = backend.calls("render")
    assert with_it.json["output"]["resolution"] == "360p"
    assert without.json["output"] == {"format": "mp4", "quality": "high"}
    assert with_it.json["id"] != without.json["id"]
    assert (rendering(job).attempt, rendering(job).asked) == (1, True)


@pytest.mark.parametrize(
    "broken",
    [
        said({"detail": "Internal Server Error"}, 500),
        said({"code": 500, "message": "internal error"}),
        Answer(b"Internal Server Error", 500, "text/plain; charset=utf-8"),
    ],
)
async def test_where_a_resolution_breaks_the_backend_each_time_the_render_is_asked_for_without(
    core, context, backend, broken
):
    """What was asked for with it may go on all the same, so it is followed."""
    backend.says("render", *(broken,) * (TRIES + 1), BEGUN)
    async with at_export(core, context, output_ask=Output(resolution="360p", resolution_asked=True)) as execution:
        job = await stepped(execution, TRIES + 3)
    *with_it, without = [asked.json for asked in backend.calls("render")]
    assert [asked["output"].get("resolution") for asked in with_it] == ["360p"] * (TRIES + 1)
    assert without["output"] == {"format": "mp4", "quality": "high"}
    assert (rendering(job).attempt, rendering(job).asked) == (1, True)
    core.clock.turn(by_s=3600)
    assert with_it[0]["id"] in [orphan.id for orphan in await context.orphan_renders.due()]


async def test_a_backend_that_breaks_without_a_resolution_too_is_not_asked_more_often_for_that(core, context, backend):
    backend.says("render", *(said({"detail": "Internal Server Error"}, 500),) * (TRIES + 2))
    async with at_export(core, context, output_ask=Output(resolution="360p", resolution_asked=True)) as execution:
        job = await stepped(execution, TRIES + 3)
    assert "resolution" not in backend.calls("render")[-1].json["output"]
    assert job.tries == {"render error": TRIES + 1}


@pytest.mark.parametrize("away", [page(502), page(500), said({"detail": "unavailable"}, 503), Answer(status=504)])
async def test_a_backend_that_is_away_takes_no_resolution_from_a_film(core, context, backend, away):
    """Nor does it where its first answer after that is an error of its own, as from one that has just begun."""
    error = said({"code": 500, "message": "internal error"})
    backend.says("render", *(away,) * (TRIES + 1), error, BEGUN)
    async with at_export(core, context, output_ask=Output(resolution="360p", resolution_asked=True)) as execution:
        await stepped(execution, TRIES + 4)
    assert [asked.json["output"].get("resolution") for asked in backend.calls("render")] == ["360p"] * (TRIES + 3)


async def test_a_403_that_says_no_more_takes_no_resolution_from_a_film(core, context, backend):
    """It may be a firewall's, which lets the next call through."""
    backend.says("render", said({"message": "no"}, 403), BEGUN)
    async with at_export(core, context, output_ask=Output(resolution="360p", resolution_asked=True)) as execution:
        job = await stepped(execution, 3)
    assert [asked.json["output"].get("resolution") for asked in backend.calls("render")] == ["360p", "360p"]
    assert rendering(job).asked


async def test_a_refusal_without_a_resolution_is_no_reason_to_ask_again(core, context, backend):
    backend.says("render", said({"code": 400, "message": "invalid"}, 400))
    async with at_export(core, context) as execution:
        job = await stepped(execution, 2)
    assert job.error is not None
    assert job.error.code is Code.BACKEND_UNAVAILABLE
    assert len(backend.calls("render")) == 1


async def test_the_id_that_an_answer_names_is_the_one_that_is_asked_after(core, context, backend):
    async with at_export(core, context) as execution:
        job = await stepped(execution, 3)
    [asked] = backend.calls("status")
    assert asked.path == "/api/render/proxy/lambda/lambda-7"
    assert rendering(job).ids == ("lambda-7", backend.calls("render")[0].json["id"])


async def test_an_answer_that_names_our_id_and_its_own_is_asked_after_by_its_own(core, context, backend):
    async with at_export(core, context) as execution:
        ours = rendering(await stepped(execution)).id
        backend.says("render", said({"success": True, "data": {"id": ours, "taskId": "lambda-7", "status": "pending"}}))
        job = await stepped(execution, 2)
    assert [asked.path.rpartition("/")[2] for asked in backend.calls("status")] == ["lambda-7"]
    assert rendering(job).ids == ("lambda-7", ours)


async def test_where_the_backends_id_is_unknown_ours_is_asked_after(core, context, backend):
    backend.says("status", UNKNOWN, PROCESSING)
    async with at_export(core, context) as execution:
        job = await stepped(execution, 3)
    ours = rendering(job).id
    assert [asked.path.rpartition("/")[2] for asked in backend.calls("status")] == ["lambda-7", ours]
    assert rendering(job).attempt == 1


async def test_a_render_whose_id_has_the_form_of_older_versions_is_followed(core, context, backend):
    render = Render(id=OLD_ID, attempt=1, started_at_ms=core.clock.now_ms(), asked=True)
    async with at_export(core, context, render=render) as execution:
        job = await stepped(execution)
    assert [asked.path.rpartition("/")[2] for asked in backend.calls("status")] == [OLD_ID]
    assert rendering(job).percent == 40


@pytest.mark.parametrize(("looks_before", "ends"), [(0, False), (8, False), (9, True)])
async def test_a_render_that_is_late_counts_as_stuck_once_half_of_its_looks_were_had(
    core, context, backend, looks_before, ends
):
    """An outage, or a worker that was late, has not looked at it: that says nothing of the render."""
    assert context.settings.render_polls == 20
    began_ms = core.clock.now_ms() - 3_600_000
    late = Render(id="render_1", attempt=1, started_at_ms=began_ms, asked=True, polls=looks_before)
    async with at_export(core, context, render=late) as execution:
        job = await stepped(execution)
    assert (job.error is not None and job.error.code is Code.RENDER_TIMEOUT) == ends


@pytest.mark.parametrize(
    "failure",
    [
        said({"success": False, "data": {"id": "lambda-7", "status": "failed", "error": "out of memory"}}),
        said({"success": False, "error": "out of memory"}),
        said({"code": 5001, "message": "out of memory"}),
        said({"taskId": "lambda-7", "status": "FAILED", "error": {"message": "out of memory"}}),
    ],
)
async def test_a_failed_render_has_a_second_try_however_it_is_said(core, context, backend, failure):
    backend.says("status", failure)
    async with at_export(core, context) as execution:
        second = rendering(await stepped(execution, 3))
        assert (second.attempt, second.asked) == (2, False)
        job = await stepped(execution, 4)
    assert len({asked.json["id"] for asked in backend.calls("render")}) == 2
    assert job.error is not None
    assert job.error.code is Code.RENDER_FAILED


async def test_a_render_that_is_not_known_yet_is_looked_at_once_more_and_one_that_is_lost_has_a_second_try(
    core, context, backend
):
    backend.says("status", UNKNOWN, UNKNOWN, PROCESSING, UNKNOWN)
    async with at_export(core, context) as execution:
        late = rendering(await stepped(execution, 3))
        known = rendering(await stepped(execution))
        assert [(seen.attempt, seen.errors) for seen in (late, known)] == [(1, 1), (1, 0)]
        second = rendering(await stepped(execution, 2))
        assert (second.attempt, second.asked) == (2, False)
        assert [orphan.id for orphan in await context.orphan_renders.due()] == [known.id], (
            "it may be there all the same"
        )
        assert not (await stepped(execution, 6)).ended, "there is no third one"
        job = await stepped(execution)
    assert job.error is not None
    assert job.error.code is Code.RENDER_FAILED


@pytest.mark.parametrize("looks", [1, 2, 3, 5])
async def test_renders_that_are_known_late_each_time_cost_no_paid_edit_its_film(core, context, backend, looks):
    by_both_ids = 2
    backend.says("status", *[UNKNOWN] * by_both_ids * (2 + looks), DONE)
    async with at_export(core, context) as execution:
        job = await stepped(execution, 2 + 2 + 1 + looks + 1)
    assert (job.stage, rendering(job).url) == (Stage.STORING, "/o.mp4")


async def test_who_is_told_of_a_failed_render_is_told_why(core, context, backend):
    backend.says("status", said({"taskId": "lambda-7", "status": "failed", "error": "out of memory"}))
    async with at_export(core, context) as execution:
        job = await stepped(execution, 7)
    assert job.error is not None
    assert job.error.detail == "The backend could not render the timeline: out of memory."


@pytest.mark.parametrize(
    "error", [{"code": 500, "message": "render crashed"}, {"success": False, "error": "internal error"}]
)
async def test_an_error_that_may_pass_is_a_failed_render_only_when_it_stays(core, context, backend, error):
    backend.says("status", said(error))
    async with at_export(core, context) as execution:
        await stepped(execution, 2)
        assert [rendering(await stepped(execution)).attempt for _ in range(3)] == [1, 1, 2]


@pytest.mark.parametrize("status", [404, 410, 502])
async def test_a_page_instead_of_a_status_begins_no_second_render(core, context, backend, status):
    backend.says("status", page(status))
    async with at_export(core, context) as execution:
        job = await stepped(execution, 6)
    assert (rendering(job).attempt, job.ended) == (1, False)
    assert len(backend.calls("render")) == 1


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (FIREWALL, Code.SCOPE_MISSING),
        (said({"message": "no"}, 403), Code.BACKEND_UNAVAILABLE),
        (REFUSED, Code.BACKEND_UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("stays", [False, True])
async def test_a_render_at_which_its_job_may_not_look_for_half_a_minute_is_begun_once_more(
    core, context, backend, *, refusal, code, stays
):
    """Another token of the account may have begun it, or a firewall stands before it."""
    backend.says("status", *(refusal,) * (3 * TRIES if stays else TRIES + 1), PROCESSING)
    async with at_export(core, context) as execution:
        first = rendering(await stepped(execution, 2 + TRIES))
        job = await stepped(execution, 3 + TRIES + 1)
    assert (first.attempt, rendering(job).attempt, len(backend.calls("render"))) == (1, 2, 2)
    assert first.id in [orphan.id for orphan in await context.orphan_renders.due()]
    assert (job.error and job.error.code) == (code if stays else None), job.error


async def test_a_finished_render_is_looked_at_until_its_link_comes(core, context, backend):
    done = {"taskId": "lambda-7", "status": "COMPLETED"}
    backend.says("status", said(done), said(done), said({**done, "output": {"url": "/o.mp4"}}))
    async with at_export(core, context) as execution:
        assert [(await stepped(execution)).stage for _ in range(5)] == [Stage.RENDERING] * 4 + [Stage.STORING]
        assert rendering(execution.job).url == "/o.mp4"


async def test_a_finished_render_whose_link_never_comes_is_downloaded_without(core, context, backend):
    backend.says("status", said({"taskId": "lambda-7", "status": "completed"}))
    async with at_export(core, context) as execution:
        job = await stepped(execution, 8)
    assert (job.stage, rendering(job).url) == (Stage.STORING, None)
    assert len(backend.calls("status")) == 6


async def pauses_s(execution: JobExecution, looks: int) -> list[float]:
    """Have a render asked for and looked at so often; say how long it is let alone before each look."""
    pauses = []
    for _ in range(looks):
        result = await render(execution)
        assert result.park_s is not None
        execution.job = result.job
        pauses.append(result.park_s)
    return pauses


async def test_two_looks_at_a_render_are_never_closer_than_the_documents_say_and_hardly_further(core, context, backend):
    backend.says("status", PROCESSING, said({"code": 500, "message": "render crashed"}), UNKNOWN, PROCESSING)
    interval_s = core.settings.render_poll_s
    async with at_export(core, context) as execution:
        await stepped(execution)
        pauses = await pauses_s(execution, 4)
    assert all(interval_s <= pause <= (1 + SPREAD) * interval_s for pause in pauses)
    assert len(set(pauses)) == 4, "those in step do not stay in step"


async def renders_took(core: Core, context: WorkerContext, *took_s: float) -> None:
    """Let so many renders of the tests' profile be known, as commits write them down."""
    await core.redis.rpush(key("render_samples", "free-video-fast"), *(int(1000 * one) for one in took_s))
    await context.first_looks.now()


async def test_the_first_look_comes_when_renders_of_its_profile_are_usually_done(core, context, backend):
    await renders_took(core, context, *(70 + n / 10 for n in range(100)))
    interval_s = core.settings.render_poll_s
    async with at_export(core, context) as execution:
        await stepped(execution)
        first, second = await pauses_s(execution, 2)
    assert 75 <= first <= 80 + 3 * SPREAD * interval_s
    assert interval_s <= second <= (1 + SPREAD) * interval_s


@pytest.mark.parametrize("left_s", [60, 75, 95])
async def test_a_job_that_has_hardly_more_time_than_renders_usually_take_is_looked_at_as_the_documents_say(
    core, context, backend, left_s
):
    """The film is still to be fetched when a look has found it done."""
    await renders_took(core, context, *[70.0] * 100)
    async with at_export(core, context) as execution:
        await stepped(execution)
        core.clock.turn(by_s=(execution.job.deadline_ms - core.clock.now_ms()) / 1000 - left_s)
        [first] = await pauses_s(execution, 1)
    assert first < 60


async def test_when_the_first_look_is_due_is_not_asked_for_each_job(core, context, backend):
    await renders_took(core, context, *[70.0] * 100)
    before = await lists_read(core)
    async with at_export(core, context) as execution:
        for _ in range(20):
            execution.job = msgspec.structs.replace(
                execution.job, render=Render(id="render_1", attempt=1, started_at_ms=0)
            )
            await pauses_s(execution, 1)
    assert await lists_read(core) == before


async def lists_read(core: Core) -> int:
    return (await core.redis.info("commandstats"))["cmdstat_lrange"]["calls"]


@pytest.mark.parametrize(
    ("said_s", "kept"),
    [(40, [b"40000"]), (88, [b"88000"]), (89.9, []), (90, []), (90.5, []), (300, []), (float("nan"), []), (-1, [])],
)
async def test_how_long_a_render_took_is_kept_by_the_backends_own_clock(core, context, backend, said_s, kept):
    """Not where it says that it was done as we looked: that says when we looked, and would put looks off more and more."""
    began_ms = core.clock.now_ms() - 3_600_000
    done = {"status": "completed", "createdAt": began_ms, "completedAt": str(began_ms + 1000 * said_s)}
    backend.says("status", said({**done, "outputUrl": "/o.mp4"}))
    asked = Render(id="render_1", attempt=1, started_at_ms=core.clock.now_ms() - 90_000, asked=True)
    async with at_export(core, context, render=asked) as execution:
        for _ in range(2):
            result = await render(execution)
            execution.job = await core.read(execution.job)
            await execution.commit(result)
            execution.job = transitions.unusable(execution.job)
    assert await core.redis.lrange(key("render_samples", "free-video-fast"), 0, -1) == kept


async def test_how_long_renders_took_is_forgotten_when_the_backend_tells_no_more(core, context, backend):
    done = {"status": "completed", "createdAt": 1_795_000_000, "completedAt": 1_795_000_040, "outputUrl": "/o.mp4"}
    backend.says("status", said(done))
    asked = Render(id="render_1", attempt=1, started_at_ms=core.clock.now_ms() - 90_000, asked=True)
    async with at_export(core, context, render=asked) as execution:
        result = await render(execution)
        execution.job = await core.read(execution.job)
        await execution.commit(result)
    assert 0 < await core.redis.pttl(key("render_samples", "free-video-fast")) <= RENDER_SAMPLES_LIFE_MS


EMPTY = said({"code": 0, "data": {"state": {"draft": {}}}})


async def test_a_draft_that_is_empty_after_an_edit_is_waited_for_as_long_as_an_edit_may_show_late(
    core, context, backend
):
    backend.says("state", EMPTY, EMPTY, said({"code": 0, "data": {"state": {"draft": DRAFT}}}))
    async with at_export(core, context) as execution:
        execution.job = msgspec.structs.replace(
            execution.job, sent=Sent(at_ms=0, before="d0"), stage_since_ms=core.clock.now_ms()
        )
        await stepped(execution, 3)
        assert not backend.calls("render")
        await stepped(execution)
    assert len(backend.calls("render")) == 1


async def test_what_is_rendered_is_told_where_it_came_after_the_edit_was_judged(core, context, backend):
    """Else a film of two tracks stands beside a timeline that is empty."""
    backend.says("state", EMPTY, said({"code": 0, "data": {"state": {"draft": DRAFT}}}))
    async with at_export(core, context) as execution:
        execution.job = msgspec.structs.replace(
            execution.job,
            sent=Sent(at_ms=0, before="d0"),
            stage_since_ms=core.clock.now_ms(),
            timeline="Timeline (0 tracks)",
            changes=("Timeline changed",),
        )
        execution.handover = Handover(draft_before=pack_json(None))
        await stepped(execution, 2)
        result = await render(execution)
    assert (result.job.timeline, result.job.changes) == ("Timeline (1 track): 1. Video (0-4s)", ("Video added (0-4s)",))
    assert result.session is not None
    assert (result.session.timeline, result.session.edits) == (result.job.timeline, execution.session.edits)
    assert unpack_json(result.fields["tracks"])[0]["type"] == "video"


async def test_a_draft_that_stays_empty_is_nothing_to_export(core, context, backend):
    backend.says("state", EMPTY)
    async with at_export(core, context) as execution:
        execution.job = msgspec.structs.replace(
            execution.job, sent=Sent(at_ms=0, before="d0"), stage_since_ms=core.clock.now_ms()
        )
        await stepped(execution, 2)
        core.clock.turn(by_s=core.settings.unseen_edit_s + 1)
        job = await stepped(execution)
    assert job.error is not None
    assert job.error.code is Code.NOTHING_TO_EXPORT


async def test_an_edit_that_was_waited_for_and_not_seen_is_not_waited_for_again(core, context, backend):
    backend.says("state", EMPTY)
    async with at_export(core, context) as execution:
        sent = msgspec.structs.replace(
            execution.job, sent=Sent(at_ms=0, before="d0"), stage_since_ms=core.clock.now_ms()
        )
        execution.job = transitions.edited(sent, changes=())
        job = await stepped(execution, 2)
    assert job.error is not None
    assert job.error.code is Code.NOTHING_TO_EXPORT


async def test_a_left_render_that_never_ends_is_asked_after_ever_more_rarely_and_some_thirty_times_a_day(
    core, context, backend
):
    backend.says("cancel", said({"code": 3003, "message": "too late"}))
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    left_at_ms = core.clock.now_ms()
    orphan = OrphanRender(
        id=OLD_ID, job_id="job_gone", token_id=token_id, profile="free-video-fast", left_at_ms=left_at_ms
    )
    await context.orphan_renders.leave(orphan)
    while core.clock.now_ms() - left_at_ms < 25 * 3600 * 1000:
        await follow_orphan_renders(context)
        core.clock.turn(by_s=30)
    assert 20 <= len(backend.calls("status")) <= 50
    assert not await context.orphan_renders.due()


async def test_a_left_render_is_taken_back_by_the_backends_name(core, context, backend):
    backend.says("cancel", said({"success": True, "data": {}}))
    async with at_export(core, context) as execution:
        await stepped(execution, 2)
        await leave_render(execution)
    [orphan] = await context.orphan_renders.due()
    assert orphan.ids[0] == "lambda-7"
    await context.orphan_renders.forget(orphan)
    await context.orphan_renders.leave(msgspec.structs.replace(orphan, job_id="job_gone"))
    await follow_orphan_renders(context)
    assert [asked.path for asked in backend.calls("cancel")] == ["/api/render/proxy/lambda/lambda-7/cancel"]
    assert not await context.orphan_renders.due()


@pytest.mark.parametrize(
    ("now", "taken_back"),
    [
        (Render(id="render_2", attempt=2, started_at_ms=0), True),
        (Render(id="render_2", attempt=2, started_at_ms=0, backend_id="lambda-7"), False),
        (Render(id=OLD_ID, attempt=1, started_at_ms=0), False),
    ],
    ids=["another", "another-that-the-backend-calls-the-same", "the-same"],
)
async def test_a_left_render_is_taken_back_once_its_job_has_begun_another(core, context, backend, now, taken_back):
    """The backend takes one export of a session at a time: the job's next one would wait for its end."""
    backend.says("cancel", said({"success": True, "data": {}}))
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    claim = await core.claim(job := await core.submit())
    goes_on, session = ready(job, token_id, now)
    await core.write(claim, goes_on, session=session)
    await context.orphan_renders.leave(
        OrphanRender(
            id=OLD_ID,
            job_id=job.id,
            token_id=token_id,
            profile="free-video-fast",
            left_at_ms=core.clock.now_ms(),
            backend_id="lambda-7",
        )
    )
    await follow_orphan_renders(context)
    core.clock.turn(by_s=core.settings.render_poll_s + 1)
    assert bool(backend.calls("cancel")) == taken_back
    assert bool(await context.orphan_renders.due()) != taken_back


async def test_a_render_that_is_canceled_while_it_is_asked_for_is_taken_back_by_the_name_of_the_late_answer(
    core, context, backend
):
    async with at_export(core, context) as execution:
        await stepped(execution)
        backend.meanwhile["render"] = execution.lease.cancel_asked.set
        with pytest.raises(CancelAsked):
            await execution.unless_canceled(render(execution))
    [orphan] = await context.orphan_renders.due()
    assert orphan.ids == ("lambda-7", rendering(execution.job).id)


async def test_a_render_that_is_canceled_while_its_job_gets_its_link_is_taken_back_by_the_name_that_was_answered(
    core, context, backend
):
    slow = said({"code": 0, "data": {"claim_token": "clm_1", "more": "x" * 4_000_000}})
    backend.says("claim", slow)
    async with at_export(core, context) as execution:
        execution.session = msgspec.structs.replace(execution.session, task_id="t1")
        await stepped(execution)
        backend.meanwhile["claim"] = execution.lease.cancel_asked.set
        with pytest.raises(CancelAsked):
            await execution.unless_canceled(render(execution))
    [orphan] = await context.orphan_renders.due()
    assert orphan.ids == ("lambda-7", rendering(execution.job).id)


@pytest.mark.parametrize("meanwhile", [{"owner": "another:1"}, {"rec": b"\x81", "ver": 99}], ids=["lost", "unreadable"])
async def test_a_render_whose_job_was_lost_while_it_was_asked_for_is_followed_by_the_name_that_was_answered(
    core, context, backend, redis_url, meanwhile
):
    """Who has the job asks once more, and hears that it is a duplicate: of its name at the backend only this worker knows."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    claim = await core.claim(job := await core.submit())
    named, session = ready(job, token_id, Render(id=OLD_ID, attempt=1, started_at_ms=core.clock.now_ms()))
    await core.write(claim, named, session=session)
    await core.jobs.hand_back({job.id: claim.owner})
    with redis.Redis.from_url(redis_url) as aside:
        backend.meanwhile["render"] = lambda: aside.hset(key("job", job.id), mapping=meanwhile)
        await run_job(context, job.id)
    [orphan] = await context.orphan_renders.due()
    assert orphan.ids == ("lambda-7", OLD_ID)


async def test_a_left_render_whose_film_its_job_has_is_over_and_never_canceled(core, context, backend):
    """Whoever went on with the job has waited for it. What a backend does with a film whose render is canceled nobody says."""
    async with at_export(core, context) as execution:
        await stepped(execution, 2)
        await leave_render(execution)
        done = transitions.succeeded(execution.job, now_ms=core.clock.now_ms())
        await core.jobs.commit(await core.read(done), done, owner=execution.lease.owner)
    await follow_orphan_renders(context)
    assert not backend.calls("cancel")
    core.clock.turn(by_s=core.settings.render_poll_s)
    assert not await context.orphan_renders.due()


async def test_a_render_that_a_slow_backend_begins_only_after_its_job_was_canceled_is_taken_back_too(
    core, context, backend
):
    """Nobody knows whether a render that was asked for, and of which no answer came, is still to begin."""
    backend.says("cancel", UNKNOWN, UNKNOWN, said({"success": True, "data": {}}))
    backend.says("status", UNKNOWN)
    async with at_export(core, context) as execution:
        claimed = await stepped(execution)
        execution.job = transitions.cancel_asked(claimed, now_ms=core.clock.now_ms())
        ended = await stepped(execution)
        await core.jobs.commit(await core.read(ended), ended, owner=execution.lease.owner)
    for _ in range(2):
        await follow_orphan_renders(context)
        core.clock.turn(by_s=core.settings.render_poll_s)
    assert len(backend.calls("cancel")) == 3
    assert not await context.orphan_renders.due()


async def left_orphan(core: Core, context: WorkerContext) -> OrphanRender:
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    orphan = OrphanRender(
        id="render_1", job_id="job_gone", token_id=token_id, profile="free-video-fast", left_at_ms=core.clock.now_ms()
    )
    await context.orphan_renders.leave(orphan)
    return orphan


@pytest.mark.parametrize("refusal", [REFUSED, FIREWALL])
async def test_a_left_render_is_not_forgotten_for_one_refusal(core, context, backend, refusal):
    backend.says("cancel", refusal, TAKEN_BACK)
    backend.says("status", refusal)
    await left_orphan(core, context)
    for _ in range(2):
        await follow_orphan_renders(context)
        core.clock.turn(by_s=core.settings.render_poll_s)
    assert len(backend.calls("cancel")) == 2
    assert not await core.redis.exists(key("orphan_renders"))


async def test_a_left_render_whose_token_is_gone_is_forgotten(core, context, backend):
    orphan = await left_orphan(core, context)
    await core.tokens.remove(orphan.token_id)
    await follow_orphan_renders(context)
    assert not await core.redis.exists(key("orphan_renders"))


@pytest.mark.parametrize("refusal", [REFUSED, FIREWALL, UNKNOWN])
async def test_a_render_that_cannot_be_taken_back_at_its_job_s_end_is_followed(core, context, backend, refusal):
    backend.says("cancel", refusal)
    backend.says("status", refusal)
    async with at_export(core, context) as execution:
        asked = await stepped(execution, 2)
        execution.job = transitions.cancel_asked(asked, now_ms=core.clock.now_ms())
        await stepped(execution)
    [orphan] = await context.orphan_renders.due()
    assert orphan.ids == rendering(asked).ids


@pytest.mark.parametrize("refusal", [UNKNOWN, BLOCKED, FIREWALL])
async def test_a_left_render_that_stays_unknown_is_forgotten_soon(core, context, backend, refusal):
    """As of a plan or a token without exports, where everything about a render may be answered so."""
    backend.says("cancel", refusal)
    backend.says("status", refusal)
    await left_orphan(core, context)
    for _ in range(20):
        await follow_orphan_renders(context)
        core.clock.turn(by_s=core.settings.render_poll_s)
    assert len(backend.calls("cancel")) <= 6
    assert not await core.redis.exists(key("orphan_renders"))


async def test_a_left_render_that_is_not_taken_back_though_the_answer_is_called_a_success_is_followed(
    core, context, backend
):
    backend.says("cancel", said({"error": "only a pending render can be cancelled"}))
    orphan = await left_orphan(core, context)
    await follow_orphan_renders(context)
    assert backend.calls("status"), "it goes on"
    core.clock.turn(by_s=60)
    assert await context.orphan_renders.due() == [orphan]


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_where_renders_cannot_be_taken_back_a_finished_one_is_read_and_its_film_is_the_jobs(
    core, context, backend, status
):
    """Of the cancel call the vendor alone speaks: a backend without it answers with a page."""
    backend.says("cancel", page(status))
    backend.says("status", said({"taskId": "lambda-7", "status": "completed", "output": {"url": "/o.mp4"}}))
    async with at_export(core, context) as execution:
        asked = await stepped(execution, 2)
        execution.job = transitions.cancel_asked(asked, now_ms=core.clock.now_ms())
        job = await stepped(execution)
    assert (job.stage, rendering(job).url) == (Stage.STORING, "/o.mp4")
    await left_orphan(core, context)
    await follow_orphan_renders(context)
    assert not await context.orphan_renders.due()


@pytest.mark.parametrize("refusal", [page(502), page(403), said({"code": 500}, 500)])
async def test_who_cannot_take_a_render_back_now_asks_again_before_it_is_given_up(core, context, backend, refusal):
    backend.says("cancel", refusal, TAKEN_BACK)
    async with at_export(core, context) as execution:
        asked = await stepped(execution, 2)
        execution.job = transitions.cancel_asked(asked, now_ms=core.clock.now_ms())
        job = await stepped(execution, 2)
    assert (job.ended, len(backend.calls("cancel"))) == (True, 2)


CONFLICT = said({"code": 409, "message": "conflict"}, 409)
BARE_CONFLICT = Answer(status=409)
OTHER_EXPORT = said({"success": False, "message": "only one active export"})


@pytest.mark.parametrize("refusal", [CONFLICT, BARE_CONFLICT, OTHER_EXPORT])
async def test_a_render_that_is_kept_waiting_by_another_export_costs_none_of_its_tries(core, context, backend, refusal):
    backend.says("render", refusal, refusal, BEGUN)
    backend.says("status", UNKNOWN)
    async with at_export(core, context) as execution:
        first = rendering(await stepped(execution))
        job = await stepped(execution, 3)
    assert (rendering(job).id, rendering(job).attempt, rendering(job).asked) == (first.id, 1, True)


@pytest.mark.parametrize("refusal", [CONFLICT, BARE_CONFLICT, OTHER_EXPORT])
async def test_a_render_that_is_in_its_own_way_since_its_first_answer_was_lost_is_followed(
    core, context, backend, refusal
):
    backend.says("render", refusal)
    async with at_export(core, context) as execution:
        job = await stepped(execution, 2)
    assert (rendering(job).attempt, rendering(job).asked) == (1, True)


async def test_a_render_that_is_refused_though_the_answer_is_called_a_success_is_not_waited_for(core, context, backend):
    backend.says("render", said({"error": "this plan renders nothing"}))
    async with at_export(core, context) as execution:
        job = await stepped(execution, 2)
    assert not rendering(job).asked


async def test_a_left_render_that_an_older_version_wrote_down_is_taken_back(core, context, backend):
    backend.says("cancel", said({"success": True, "data": {}}))
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    orphan = OrphanRender(
        id=OLD_ID, job_id="job_gone", token_id=token_id, profile="free-video-fast", left_at_ms=core.clock.now_ms()
    )
    await context.orphan_renders.leave(orphan)
    await follow_orphan_renders(context)
    assert [asked.path for asked in backend.calls("cancel")] == [f"/api/render/proxy/lambda/{OLD_ID}/cancel"]
