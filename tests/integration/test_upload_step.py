"""Files on their way into a session, at a backend whose every answer a test has written: what is believed, and what not."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from functools import partial
from pathlib import Path

import msgspec
import pytest
import redis

from core.clock import stopwatch_s
from core.errors import Code
from core.model import session as sessions
from core.model import transitions
from core.model.job import MediaRef, Stage, Status
from core.model.plan import Output, Plan
from core.model.session import Session
from core.model.upload import Upload
from core.store.leases import LeaseLost
from tests.scripted_backend import Answer, Asked, ScriptedBackend, film, page, said, scripted_backend
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S, until
from tests.worker_fixture import context, context_over, in_hand, stepped
from worker.backend.faults import BackendFault, Fault
from worker.context import WorkerContext
from worker.jobs.execution import JobExecution
from worker.jobs.retry_policy import TRIES
from worker.jobs.runner import _next_result
from worker.jobs.step_result import Handover, StepResult
from worker.jobs.steps.upload import upload
from worker.outbound.client import SENT_AT_ONCE, SENT_PER_TENANT

__all__ = ["context", "core"]

CLIP = b"\0\0\0\x10ftypisom\0\0\0\0" + bytes(100)
#: more than is on its way at once
MUCH = CLIP + bytes(30_000_000)
TAKEN = said({"code": 0, "data": {"files": [{"filename": "a.mp4", "cdn_url": "u"}], "session_state_applied": True}})
NOT_APPLIED = said({"files": [{"filename": "a.mp4", "cdn_url": "u"}], "session_state_applied": False})
NONE = said({"code": 0, "data": {"files": [], "session_state_applied": True}})
NULL = said({"code": 0, "data": None})
EMPTY = Answer()
LIMITED = Answer(b'{"code": 429}', status=429)
UNREACHABLE = said({"code": 0, "data": {"files": [{"filename": "a.mp4", "error": "could not be fetched"}]}})


def holding(*names: str) -> Answer:
    infos = [{"filename": name} for name in names]
    return said({"code": 0, "data": {"state": {"draft": {}, "video_infos": infos}}})


def refusing(code: int) -> Answer:
    return said({"files": [{"filename": "a.mp4", "error": {"code": code, "message": "no"}}]})


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as backend:
        backend.says("state", holding())
        opened = (said({"code": 0, "data": {"session_id": f"b{number}"}}) for number in range(2, 8))
        backend.says("session", *opened)
        backend.says("credits", said({"code": 0, "data": {"available": 500}}))
        backend.says("/a.mp4", film(CLIP))
        yield backend


@asynccontextmanager
async def uploading(
    core: Core, context: WorkerContext, *media: MediaRef, uploaded: int = 0, edits: int = 0
) -> AsyncIterator[JobExecution]:
    """Hold a job that brings its next file now."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit(media=media)
    started = transitions.token_taken(transitions.started(job, now_ms=job.created_at_ms), token_id=token_id)
    session = Session(id=job.session_id, tenant=job.tenant, profile=job.profile, created_at_ms=job.created_at_ms)
    session = sessions.opened(
        sessions.joined(session, media, job_id=job.id), backend_id="b1", task_id=None, user_id=None, token_id=token_id
    )
    session = sessions.uploaded(session, uploaded)
    session = msgspec.structs.replace(session, edits=edits)
    async with in_hand(core, context, transitions.moved(started, Stage.UPLOADING), session) as execution:
        yield execution


def by_url(backend: ScriptedBackend) -> MediaRef:
    return MediaRef(url=backend.url + "/a.mp4", name="a.mp4")


def ways(backend: ScriptedBackend) -> list[str]:
    return ["bytes" if "multipart" in asked.headers["content-type"] else "url" for asked in backend.calls("upload")]


def sessions_of(asked: list[Asked]) -> list[str]:
    return [one.path.rpartition("/")[2] for one in asked]


async def test_what_is_said_to_be_taken_is_believed(core, context, backend):
    backend.says("upload", TAKEN)
    async with uploading(core, context, by_url(backend)) as execution:
        await stepped(execution)
        assert execution.session.uploaded == 1
    assert (ways(backend), backend.calls("state")) == (["url"], [])


async def test_a_message_waits_until_the_session_shows_the_videos_that_were_brought(core, context, backend):
    backend.says("state", holding(), holding("a.mp4"))
    picture = MediaRef(url=backend.url + "/b.png", name="b.png")
    async with uploading(core, context, by_url(backend), picture, uploaded=2) as execution:
        waiting = await upload(execution)
        assert (waiting.park_s, waiting.job.stage, waiting.job.sent) == (1, Stage.UPLOADING, None)
        await stepped(execution)
        assert execution.job.stage is Stage.EDITING


async def test_a_message_goes_out_within_seconds_where_no_upload_ever_shows(core, context, backend):
    async with uploading(core, context, by_url(backend), uploaded=1) as execution:
        pauses_s = []
        while execution.job.stage is Stage.UPLOADING:
            result = await upload(execution)
            execution.job = result.job
            pauses_s.append(result.park_s)
        assert pauses_s == [1, 2, None]


async def test_a_message_waits_for_the_job_s_own_videos_also_where_there_is_a_timeline(core, context, backend):
    """Others may have gone with an edit."""
    backend.says("state", holding("old.mp4"), holding("old.mp4", "A.mp4"))
    own = MediaRef(url=backend.url + "/A.mp4", name="A.mp4")
    async with uploading(core, context, by_url(backend), own, uploaded=2, edits=1) as execution:
        earlier, brought = execution.session.media
        media = (msgspec.structs.replace(earlier, job_id="job_before"), brought)
        execution.session = msgspec.structs.replace(execution.session, media=media)
        waiting = await upload(execution)
        assert (waiting.park_s, waiting.job.sent) == (1, None)
        await stepped(execution)
        assert execution.job.stage is Stage.EDITING


@pytest.mark.parametrize(
    ("brought_by", "state"), [("job_before", holding()), (None, said({"data": {"state": {"draft": {}}}}))]
)
async def test_nothing_is_waited_for_where_a_state_may_show_fewer_videos(core, context, backend, brought_by, state):
    backend.says("state", state)
    edits = 1 if brought_by else 0
    async with uploading(core, context, by_url(backend), uploaded=1, edits=edits) as execution:
        [media] = execution.session.media
        media = msgspec.structs.replace(media, job_id=brought_by)
        execution.session = msgspec.structs.replace(execution.session, media=(media,))
        await stepped(execution)
        assert execution.job.stage is Stage.EDITING


@pytest.mark.parametrize("answer", [NONE, UNREACHABLE, refusing(4001), said({"code": 4003, "message": "unreachable"})])
async def test_what_a_url_did_not_bring_is_brought_by_its_bytes_into_the_same_session(core, context, backend, answer):
    backend.says("upload", answer, TAKEN)
    async with uploading(core, context, by_url(backend)) as execution:
        await stepped(execution, 2)
        assert execution.session.uploaded == 1
    assert ways(backend) == ["url", "bytes"]
    assert sessions_of(backend.calls("upload")) == ["b1", "b1"]
    assert CLIP in backend.calls("upload")[1].body


@pytest.mark.parametrize("answer", [NULL, EMPTY, NOT_APPLIED])
async def test_what_a_url_may_yet_bring_is_brought_by_its_bytes_into_a_new_session(core, context, backend, answer):
    backend.says("upload", answer, TAKEN)
    async with uploading(core, context, by_url(backend)) as execution:
        await stepped(execution)
        assert (execution.job.stage, execution.session.backend_id) == (Stage.PREPARING, None)
        while execution.session.uploaded == 0:
            await stepped(execution)
    assert ways(backend) == ["url", "bytes"]
    assert sessions_of(backend.calls("upload")) == ["b1", "b2"]


BROKEN = said({"code": 500, "message": "fetch failed"}, 500)


@pytest.mark.parametrize("broken", [BROKEN, Answer(b"Internal Server Error", 500, "text/plain; charset=utf-8")])
async def test_a_url_at_which_the_backend_breaks_each_time_is_brought_by_its_bytes_into_a_new_session(
    core, context, backend, broken
):
    backend.says("upload", broken, broken, broken, TAKEN)
    async with uploading(core, context, by_url(backend)) as execution:
        while execution.session.uploaded == 0:
            await stepped(execution)
    assert ways(backend) == ["url", "url", "url", "bytes"]
    assert len(set(sessions_of(backend.calls("upload"))[-2:])) == 2


@pytest.mark.parametrize("answer", [page(504), Answer(status=504), Answer(length=9)])
async def test_a_url_that_outlasts_the_patience_of_who_is_before_the_backend_is_brought_by_its_bytes(
    core, context, backend, answer
):
    """Sessions can be opened between the tries, so it is no outage."""
    backend.says("upload", *(answer,) * 6, TAKEN)
    backend.says("session", *(said({"code": 0, "data": {"session_id": f"b{number}"}}) for number in range(2, 20)))
    async with uploading(core, context, by_url(backend)) as execution:
        while execution.session.uploaded == 0 and not execution.job.ended:
            await stepped(execution)
    assert ways(backend) == ["url"] * 6 + ["bytes"]


async def test_a_url_at_which_the_backend_is_silent_is_brought_by_its_bytes_while_there_is_time_for_them(
    core, context, backend
):
    """Six silences of 300 s would take all the time that a job has."""
    backend.says("upload", *(page(504),) * 3, TAKEN)
    async with uploading(core, context, by_url(backend)) as execution:
        while execution.session.uploaded == 0 and not execution.job.ended:
            asked = len(ways(backend))
            await stepped(execution)
            core.clock.turn(by_s=301 * (len(ways(backend)) - asked))
    assert ways(backend) == ["url"] * 3 + ["bytes"]


async def test_files_that_are_brought_again_for_one_do_not_hide_how_often_that_one_was_tried(core, context, backend):
    """Each try of the second file begins a new session, and so with the first file."""
    second = MediaRef(url=backend.url + "/b.mp4", name="b.mp4")
    backend.says("/b.mp4", film(CLIP))
    backend.says("upload", *(TAKEN, BROKEN) * 3, TAKEN, TAKEN, BROKEN)
    async with uploading(core, context, by_url(backend), second) as execution:
        while execution.session.uploaded < 2:
            await stepped(execution)
        assert not [counted for counted in execution.job.tries if counted.startswith("upload")]
    assert ways(backend) == ["url"] * 7 + ["bytes"]


async def test_a_step_that_breaks_at_one_file_ends_its_job_also_where_the_others_can_be_brought(core, context, backend):
    backend.says("upload", TAKEN)
    async with uploading(core, context, by_url(backend), MediaRef(name="of no kind")) as execution:
        while not execution.job.ended:
            await stepped(execution)
    assert len(ways(backend)) <= TRIES + 1


async def test_a_429_at_each_of_many_files_makes_neither_the_pauses_nor_the_rests_of_the_token_longer(
    core, context, backend
):
    backend.says("upload", *(LIMITED, TAKEN) * 4)
    pauses_s = []
    async with uploading(core, context, *(by_url(backend) for _ in range(4))) as execution:
        for _ in range(8):
            result = await _next_result(execution)
            assert result is not None
            execution.job, execution.session = result.job, result.session or execution.session
            pauses_s += [result.park_s] if result.park_s else []
        assert execution.session.uploaded == 4
    assert pauses_s == [context.settings.rate_limited_s] * 4


async def test_a_session_that_has_no_state_yet_keeps_no_file_from_being_brought_by_its_bytes(core, context, backend):
    backend.says("state", NULL)
    backend.says("upload", NOT_APPLIED, TAKEN)
    async with uploading(core, context, by_url(backend)) as execution:
        while execution.session.uploaded == 0:
            await stepped(execution)
    assert ways(backend) == ["url", "bytes"]
    assert sessions_of(backend.calls("upload")) == ["b1", "b2"]


@pytest.mark.parametrize("answer", [page(502), Answer(status=503), said({"code": 429}, 429)])
async def test_a_backend_that_is_away_or_busy_says_nothing_of_the_url(core, context, backend, answer):
    backend.says("upload", answer, answer, answer, answer, TAKEN)
    async with uploading(core, context, by_url(backend)) as execution:
        while execution.session.uploaded == 0 and not execution.job.ended:
            await stepped(execution)
            core.clock.turn(by_s=30)  # there is one token alone, and it rests ever longer
    assert set(ways(backend)) == {"url"}


@pytest.mark.parametrize("answer", [NONE, NULL, EMPTY, NOT_APPLIED, UNREACHABLE])
async def test_what_the_session_has_all_the_same_is_not_brought_twice(core, context, backend, answer):
    backend.says("upload", answer)
    backend.says("state", holding("a.mp4"))
    async with uploading(core, context, by_url(backend)) as execution:
        await stepped(execution)
        assert execution.session.uploaded == 1
    assert ways(backend) == ["url"]


async def test_a_file_of_the_same_name_that_came_before_is_not_taken_for_it(core, context, backend):
    backend.says("upload", NONE, TAKEN)
    backend.says("state", holding("a.mp4"))
    async with uploading(core, context, by_url(backend), by_url(backend), uploaded=1) as execution:
        await stepped(execution, 2)
        assert execution.session.uploaded == 2
    assert ways(backend) == ["url", "bytes"]


async def test_after_an_edit_the_session_is_kept(core, context, backend):
    backend.says("upload", NOT_APPLIED, TAKEN)
    async with uploading(core, context, by_url(backend), edits=1) as execution:
        await stepped(execution, 2)
        assert (execution.session.uploaded, execution.session.backend_id) == (1, "b1")
    assert ways(backend) == ["url", "bytes"]


@pytest.mark.parametrize(
    "names",
    [
        ("/dl", "holiday.mp4", "holiday.mp4"),
        ("/clip.mp4", "holiday.mp4", "clip.mp4"),
        ("/dl", "holiday", "dl.mp4"),
        ("/dl", "", "dl.mp4"),
    ],
)
async def test_what_was_fetched_is_looked_for_by_the_name_that_it_was_sent_under(core, context, backend, names):
    """After an edit it would else be brought twice: the name that its server says is not its URL's."""
    path, named, there = names
    fields = {"Content-Disposition": f'attachment; filename="{named}"'} if named else {}
    backend.says(path, Answer(CLIP, content_type="video/mp4", headers=fields))
    backend.says("upload", UNREACHABLE, NULL)
    media = MediaRef(url=backend.url + path, name=path.removeprefix("/"))
    async with uploading(core, context, media, edits=1) as execution:
        while "bytes" not in ways(backend):
            await stepped(execution)
        assert f'filename="{there}"'.encode() in backend.calls("upload")[-1].body
        backend.says("state", holding(there))
        backend.says("upload", TAKEN)
        while execution.session.uploaded == 0:
            await stepped(execution)
    assert ways(backend) == ["url", "bytes"]


async def test_a_url_that_nobody_can_fetch_is_told_before_anything_is_paid_for(core, context, backend):
    backend.says("upload", UNREACHABLE)
    backend.says("/a.mp4", said({}, 404))
    async with uploading(core, context, by_url(backend)) as execution:
        job = await stepped(execution, 2)
    assert job.error is not None
    assert job.error.code is Code.MEDIA_UNREACHABLE
    assert not backend.calls("message")


@pytest.mark.parametrize("away", [said({}, 503), said({}, 429), film(CLIP[:50], length=100)])
async def test_a_file_whose_server_is_away_for_a_moment_is_fetched_again(core, context, backend, away):
    backend.says("upload", UNREACHABLE, TAKEN)
    backend.says("/a.mp4", away, away, away, film(CLIP))
    async with uploading(core, context, by_url(backend)) as execution:
        job = await stepped(execution, 5)
        assert (execution.session.uploaded, job.tries) == (1, {})
    assert ways(backend) == ["url", "bytes"]


async def test_a_file_whose_server_stays_away_is_told_after_some_tries(core, context, backend):
    backend.says("upload", UNREACHABLE)
    backend.says("/a.mp4", said({}, 503))
    async with uploading(core, context, by_url(backend)) as execution:
        job = await stepped(execution, 20)
    assert job.error is not None
    assert (job.error.code, job.error.detail) == (Code.MEDIA_UNREACHABLE, "The media server answered 503.")
    assert len(backend.calls("/a.mp4")) == 4


async def test_who_has_canceled_does_not_wait_for_a_server_that_is_away(core, context, backend):
    backend.says("upload", UNREACHABLE)
    backend.says("/a.mp4", said({}, 503))
    async with uploading(core, context, by_url(backend)) as execution:
        await stepped(execution)
        execution.job = msgspec.structs.replace(execution.job, status=Status.CANCELING)
        job = await stepped(execution)
    assert job.status is Status.CANCELED


@pytest.mark.parametrize(
    "refusal",
    [(4001, Code.UNSUPPORTED_MEDIA, ["url", "bytes"]), (4002, Code.MEDIA_TOO_LARGE, ["url"])],
)
async def test_a_file_that_is_refused_for_what_it_is_ends_the_job(core, context, backend, refusal):
    code, *seen = refusal
    backend.says("upload", refusing(code))
    async with uploading(core, context, by_url(backend)) as execution:
        job = await stepped(execution, 2)
    assert job.error is not None
    assert [job.error.code, ways(backend)] == seen


async def written(core: Core, execution: JobExecution) -> None:
    """Write what is in hand, as steps before have done."""
    job, stored = execution.job, await core.jobs.load(execution.job.id)
    assert stored is not None
    execution.job = stored
    await execution.commit(StepResult(msgspec.structs.replace(job, version=stored.version + 1), execution.session))


async def ended(execution: JobExecution) -> None:
    """Take steps, each written down, to the job's end."""
    while not execution.job.ended:
        if result := await _next_result(execution):
            await execution.commit(result)


@pytest.mark.parametrize(("edits", "left"), [(1, []), (0, ["a.mp4", "b.mp4"])])
async def test_a_file_that_cannot_be_brought_stands_in_the_way_of_no_later_edit_of_a_timeline(
    core, context, backend, edits, left
):
    backend.says("upload", refusing(4001))
    other = MediaRef(url=backend.url + "/b.mp4", name="b.mp4")
    async with uploading(core, context, by_url(backend), other, edits=edits) as execution:
        await written(core, execution)
        await ended(execution)
    session = await core.sessions.load(execution.job.session_id)
    assert session is not None
    assert ([media.name for media in session.media], session.uploaded) == (left, 0)


async def test_a_file_that_cannot_be_brought_stands_in_the_way_of_no_job_that_brings_another(core, context, backend):
    backend.says("upload", refusing(4001))
    async with uploading(core, context, by_url(backend)) as execution:
        await written(core, execution)
        await ended(execution)
    backend.says("upload", TAKEN)
    other = MediaRef(url=backend.url + "/b.mp4", name="b.mp4")
    later = await core.submit(media=(other,), session_id=execution.job.session_id, new_session=False)
    async with in_hand(core, context, later) as execution:
        while execution.session.uploaded == 0 and not execution.job.ended:
            await stepped(execution)
    assert backend.calls("upload")[-1].json["urls"] == [other.url]
    assert ([media.url for media in execution.session.media], execution.session.uploaded) == ([other.url], 1)


async def test_a_replay_brings_what_its_job_had_not_brought_and_no_file_twice(core, context, backend):
    backend.says("upload", TAKEN, refusing(4001))
    other = MediaRef(url=backend.url + "/b.mp4", name="b.mp4")
    async with uploading(core, context, by_url(backend), other, edits=1) as execution:
        await written(core, execution)
        await ended(execution)
    backend.says("upload", TAKEN)
    old = execution.job
    replay = await core.submit(media=old.media, session_id=old.session_id, parent_id=old.id, new_session=False)
    async with in_hand(core, context, replay) as execution:
        await stepped(execution, 4)
    first, second = old.media
    assert [asked.json["urls"] for asked in backend.calls("upload")] == [[first.url], [second.url], [second.url]]
    session = execution.session
    assert ([media.url for media in session.media], session.uploaded) == ([first.url, second.url], 2)


async def cancel_while_it_comes(core: Core, backend: ScriptedBackend, execution: JobExecution) -> None:
    await core.cancel(execution.job)
    backend.meanwhile["upload"] = execution.lease.cancel_asked.set


async def be_late_while_it_comes(core: Core, _: ScriptedBackend, execution: JobExecution) -> None:
    began_ms = core.clock.now_ms() - execution.job.timeout_s * 1000
    execution.job = msgspec.structs.replace(execution.job, started_at_ms=began_ms + 1)


async def take_over_when_it_is_late(core: Core, _: ScriptedBackend, execution: JobExecution) -> None:
    execution.handover = Handover(interrupted=True)
    began_ms = core.clock.now_ms() - execution.job.timeout_s * 1000
    execution.job = msgspec.structs.replace(execution.job, started_at_ms=began_ms)


async def take_over_when_it_is_canceled(core: Core, _: ScriptedBackend, execution: JobExecution) -> None:
    execution.handover = Handover(interrupted=True)
    execution.job = await core.cancel(execution.job)


async def break_off_after_the_cancel(core: Core, backend: ScriptedBackend, execution: JobExecution) -> None:
    """While it was parked after an answer that said nothing."""
    backend.says("upload", NONE)
    await execution.commit((await waiting_after(execution))._replace(park_s=None))
    execution.job = await core.cancel(execution.job)


async def waiting_after(execution: JobExecution) -> StepResult:
    result = await _next_result(execution)
    assert result is not None
    return result


@pytest.mark.parametrize(
    "end",
    [
        cancel_while_it_comes,
        be_late_while_it_comes,
        take_over_when_it_is_late,
        take_over_when_it_is_canceled,
        break_off_after_the_cancel,
    ],
)
async def test_a_file_that_may_have_come_when_its_job_ended_is_brought_no_second_time_into_that_session(
    core, context, backend, end
):
    """Nobody counts it there, and with the replay's own copy it would stand on the timeline twice."""
    backend.says("upload", TAKEN)
    async with uploading(core, context, await stored_upload(core, context, MUCH)) as execution:
        await written(core, execution)
        await end(core, backend, execution)
        await ended(execution)
    session = await core.sessions.load(execution.job.session_id)
    assert session is not None
    assert (session.backend_id, session.uploaded, [media.name for media in session.media]) == (None, 0, ["a.mp4"])


@pytest.mark.parametrize(("state", "left"), [(holding("a.mp4"), ["a.mp4"]), (holding(), []), (said({}, 401), [])])
async def test_where_an_edit_stands_the_backend_is_asked_for_a_file_that_a_cancel_cut_off(
    core, context, backend, state, left
):
    backend.says("upload", TAKEN)
    backend.says("state", state)
    async with uploading(core, context, await stored_upload(core, context, MUCH), edits=1) as execution:
        await written(core, execution)
        await cancel_while_it_comes(core, backend, execution)
        await ended(execution)
    session = await core.sessions.load(execution.job.session_id)
    assert session is not None
    assert ([media.name for media in session.media], session.uploaded) == (left, len(left))
    assert (execution.job.status, session.backend_id) == (Status.CANCELED, "b1")


async def stored_upload(core: Core, context: WorkerContext, content: bytes = CLIP) -> MediaRef:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    await context.storage.write("uploads/upl_1.mp4", chunks())
    kept = Upload(
        id="upl_1",
        tenant="acme",
        filename="a.mp4",
        format="mp4",
        size_bytes=len(content),
        path="uploads/upl_1.mp4",
        created_at_ms=core.clock.now_ms(),
    )
    await core.uploads.keep(kept)
    return MediaRef(upload_id="upl_1", name="a.mp4", size_bytes=len(CLIP))


@pytest.mark.parametrize("answer", [NONE, NULL, EMPTY, NOT_APPLIED])
async def test_bytes_that_are_not_said_to_be_taken_are_in_doubt(core, context, backend, answer):
    backend.says("upload", answer)
    async with uploading(core, context, await stored_upload(core, context)) as execution:
        with pytest.raises(BackendFault) as caught:
            await upload(execution)
        assert (caught.value.fault, caught.value.call) == (Fault.BROKEN, "upload")
        await stepped(execution)
        assert (execution.job.upload_in_doubt, execution.session.uploaded) == (True, 0)
        backend.says("upload", TAKEN)
        while execution.session.uploaded == 0:
            await stepped(execution)
    assert sessions_of(backend.calls("upload")) == ["b1", "b1", "b2"]


@pytest.mark.parametrize("answer", [NULL, NOT_APPLIED])
async def test_a_file_that_is_never_said_to_be_there_is_not_brought_until_the_deadline(core, context, backend, answer):
    """It may have 500 MB, and a backend that says so little of it says no more of it the next time."""
    backend.says("upload", answer)
    async with uploading(core, context, await stored_upload(core, context)) as execution:
        while not execution.job.ended:
            await stepped(execution)
    assert ways(backend) == ["bytes"] * (TRIES + 1)
    assert execution.job.error is not None
    assert execution.job.error.code is Code.BACKEND_UNAVAILABLE
    assert execution.job.error.detail == "The backend took a file, and does not say that it has it."
    assert execution.job.credits_used == 0


@pytest.mark.parametrize("way", ["url", "bytes"])
async def test_a_file_is_brought_as_often_without_a_word_of_it_whatever_broke_before(core, context, backend, way):
    """A proxy's pages of an outage, or at a URL, are no answer that says nothing."""
    backend.says("upload", *(page(504),) * (TRIES + 1), NULL)
    backend.says("session", *(said({"code": 0, "data": {"session_id": f"b{number}"}}) for number in range(2, 20)))
    media = by_url(backend) if way == "url" else await stored_upload(core, context)
    async with uploading(core, context, media) as execution:
        while not execution.job.ended:
            await stepped(execution)
    assert ways(backend) == [way] * (TRIES + 1) + ["bytes"] * (TRIES + 1)


async def test_a_state_that_cannot_be_read_leaves_the_doubt(core, context, backend):
    backend.says("upload", NONE)
    backend.says("state", said({}, 503))
    async with uploading(core, context, by_url(backend)) as execution:
        await stepped(execution)
        assert (execution.job.upload_in_doubt, execution.session.uploaded) == (True, 0)


async def test_a_token_that_is_refused_while_it_is_asked_whether_a_file_came_does_not_have_it_brought_twice(
    core, context, backend
):
    backend.says("upload", NULL)
    backend.says("state", said({"code": 1001, "message": "expired"}, 401), holding("a.mp4"))
    async with uploading(core, context, await stored_upload(core, context), edits=1) as execution:
        job = await stepped(execution)
        assert (job.stage, job.upload_in_doubt) == (Stage.UPLOADING, True)
        await stepped(execution)
        assert (execution.job.upload_in_doubt, execution.session.uploaded) == (False, 1)
    assert len(backend.calls("upload")) == 1


async def test_a_file_that_came_while_redis_went_away_is_asked_after_before_it_is_brought_again(
    core, context, backend, redis_url
):
    """An upload takes minutes, and whoever asks the session whether it came opens the job's token anew."""
    backend.says("upload", NULL)
    with redis.Redis.from_url(redis_url) as aside:

        def go_away() -> None:
            aside.config_set("replica-serve-stale-data", "no")
            aside.replicaof("127.0.0.1", 9)
            core.clock.turn(by_s=60)

        backend.meanwhile["upload"] = go_away
        async with uploading(core, context, await stored_upload(core, context), edits=1) as execution:
            try:
                job = await stepped(execution)
            finally:
                aside.replicaof("NO", "ONE")
                aside.config_set("replica-serve-stale-data", "yes")
            assert (job.stage, job.upload_in_doubt) == (Stage.UPLOADING, True)
            backend.says("state", holding("a.mp4"))
            await stepped(execution)
            assert execution.session.uploaded == 1
    assert len(backend.calls("upload")) == 1


async def test_bytes_that_are_refused_end_the_job_in_the_backends_words(core, context, backend):
    backend.says("upload", said({"files": [{"filename": "a.mp4", "error": "the disk is full"}]}))
    async with uploading(core, context, await stored_upload(core, context)) as execution:
        job = await stepped(execution)
    assert job.error is not None
    assert (job.error.code, job.error.detail) == (Code.BACKEND_UNAVAILABLE, "the disk is full")


async def test_a_stored_file_that_goes_in_the_middle_of_its_upload_ends_the_job(core, context, backend, tmp_path):
    backend.says("upload", TAKEN)
    backend.meanwhile["upload"] = (tmp_path / "uploads/upl_1.mp4").unlink
    async with uploading(core, context, await stored_upload(core, context, MUCH)) as execution:
        job = await stepped(execution)
    assert job.error is not None
    assert (job.error.code, "no longer in our storage" in job.error.detail) == (Code.MEDIA_UNREACHABLE, True)


async def test_of_a_stored_file_that_is_no_longer_whole_nothing_is_sent(core, context, backend, tmp_path):
    """As after a power cut: an edit of its half would be paid for."""
    backend.says("upload", TAKEN)
    async with uploading(core, context, await stored_upload(core, context)) as execution:
        (tmp_path / "uploads/upl_1.mp4").write_bytes(CLIP[:-1])
        job = await stepped(execution)
    assert job.error is not None
    assert (job.error.code, "not all of it" in job.error.detail) == (Code.MEDIA_UNREACHABLE, True)
    assert not backend.calls("upload")


async def test_a_file_of_somebody_else_that_goes_in_the_middle_is_fetched_again(core, context, backend, tmp_path):
    """As whoever removes what a job has brought."""
    backend.says("/a.mp4", film(MUCH))
    backend.says("upload", NONE, TAKEN)
    async with uploading(core, context, by_url(backend)) as execution:
        await stepped(execution)
        backend.meanwhile["upload"] = partial(shutil.rmtree, tmp_path / f"fetched/{execution.job.id}")
        assert (await stepped(execution)).error is None
        backend.meanwhile.clear()
        await stepped(execution)
        assert execution.session.uploaded == 1


async def test_a_job_that_wants_neither_edit_nor_film_brings_its_files_and_ends_well(core, context, backend):
    backend.says("upload", TAKEN)
    async with uploading(core, context, by_url(backend)) as execution:
        execution.job = msgspec.structs.replace(execution.job, plan=Plan(None, "none"), output_ask=Output(export=False))
        job = await stepped(execution, 2)
    assert (job.status, job.error, job.credits_used, job.output) == (Status.SUCCEEDED, None, 0, None)
    assert (ways(backend), backend.calls("render")) == (["url"], [])


async def test_a_process_sends_so_many_files_at_a_time_and_one_tenants_leave_places_to_others(core, context, backend):
    """A worker holds a thousand jobs, and a file has megabytes in memory while the backend takes it slowly."""
    backend.says("upload", TAKEN)
    places = context.outbound.sending_places
    async with uploading(core, context, await stored_upload(core, context)) as execution, AsyncExitStack() as held:
        for _ in range(SENT_PER_TENANT):
            await held.enter_async_context(places.hold(execution.job.tenant))
        waits = asyncio.create_task(upload(execution))
        for _ in range(SENT_AT_ONCE - SENT_PER_TENANT):
            await held.enter_async_context(places.hold("other"))
        assert (backend.calls("upload"), waits.done()) == ([], False)
        await held.aclose()
        result = await waits
    assert result.session.uploaded == 1


async def test_a_file_that_was_sent_holds_no_place_while_the_backend_works_on_it(core, tmp_path):
    has_come, may_answer = asyncio.Event(), asyncio.Event()

    async def works(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"--\r\n")
        has_come.set()
        await may_answer.wait()
        writer.write(TAKEN.written())
        writer.close()

    async with await asyncio.start_server(works, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with context_over(core, tmp_path, backend=url) as context, AsyncExitStack() as held:
            places = context.outbound.sending_places
            async with uploading(core, context, await stored_upload(core, context)) as execution:
                for _ in range(SENT_PER_TENANT - 1):
                    await held.enter_async_context(places.hold(execution.job.tenant))
                sends = asyncio.create_task(upload(execution))
                await asyncio.wait_for(has_come.wait(), PATIENCE_S)
                await asyncio.wait_for(held.enter_async_context(places.hold(execution.job.tenant)), PATIENCE_S)
                may_answer.set()
                assert (await sends).session.uploaded == 1


async def test_what_one_holder_has_fetched_another_neither_replaces_nor_deletes(core, context, backend, tmp_path):
    """As one does that was frozen, while another has taken the job over; the URL gives something else each time."""
    backend.says("/a.mp4", film(CLIP + b"first"), film(CLIP + b"second"))
    backend.says("upload", TAKEN)
    by_bytes = msgspec.structs.replace(by_url(backend), by_bytes=True)
    async with uploading(core, context, by_bytes) as execution, AsyncExitStack() as held:
        for _ in range(SENT_PER_TENANT):
            await held.enter_async_context(context.outbound.sending_places.hold(execution.job.tenant))
        first = asyncio.create_task(upload(execution))
        await until(partial(has_fetched, tmp_path), within_s=PATIENCE_S)
        async with context_over(core, tmp_path, backend=backend.url) as of_another_process:
            another = copy(execution)
            another.context = of_another_process
            await upload(another)
            await held.aclose()
            assert (await first).session.uploaded == 1
    assert [b"second" in asked.body for asked in backend.calls("upload")] == [True, False]
    assert fetched_files(tmp_path) == []


async def has_fetched(folder: Path) -> bool:
    return bool(fetched_files(folder))


def fetched_files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("fetched/*/*") if path.is_file()]


@pytest.mark.parametrize("by_bytes", [False, True])
async def test_who_was_frozen_until_another_had_the_job_brings_no_file(core, context, backend, by_bytes):
    """The other one has asked the session for it by then, and brings it: it would stand on the timeline twice."""
    backend.says("upload", TAKEN)
    clip = msgspec.structs.replace(by_url(backend), by_bytes=by_bytes)
    async with uploading(core, context, clip, edits=1) as frozen:
        core.clock.turn(by_s=core.settings.lease_s)
        frozen.lease.note_renewal(stopwatch_s() - core.settings.lease_s)
        await core.claim(frozen.job)
        with pytest.raises(LeaseLost):
            await _next_result(frozen)
    assert backend.calls("upload") == []
