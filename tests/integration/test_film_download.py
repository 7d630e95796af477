"""A finished render's film on its way into our storage: where it is fetched, who sees the token, and what is kept."""

import asyncio
import itertools
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import msgspec
import pytest

from core.errors import Code
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Render, Stage, Status
from core.model.session import Session
from core.storage.errors import FileMissing
from core.store.leases import LeaseLost
from tests.s3_fixture import BUCKET, Stalled, Unread, access_to, s3
from tests.scripted_backend import Answer, ScriptedBackend, film, moved, page, said, scripted_backend
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S
from tests.worker_fixture import context_over, in_hand, stepped
from worker.backend.faults import BackendFault
from worker.context import WorkerContext
from worker.films.download import KeptFilm, fetch_film
from worker.jobs.execution import JobExecution
from worker.jobs.runner import _commit, _next_result
from worker.jobs.step_result import StepResult
from worker.jobs.steps.store import store
from worker.maintenance.sweeper import remove_old
from worker.outbound.client import FILMS_PER_TENANT, MEDIA_AT_ONCE

__all__ = ["core", "s3"]

GONE = said({"code": 404, "message": "render not found"}, 404)
REFUSED = said({"code": 401, "message": "a bearer token is required"}, 401)
REFUSED_BY_CODE = said({"code": 1001, "message": "a bearer token is required"})
EXPIRED = Answer(b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", 403, "application/xml")
TOKEN = "Bearer nmv_usr_a"


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> bytes:
    path: Path = tmp_path_factory.mktemp("film") / "film.mp4"
    sources = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=2", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *sources, str(path)], check=True)
    return path.read_bytes()


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as backend:
        backend.says("status", done(backend.url + "/o.mp4"))
        backend.says("download", GONE)
        backend.says("credits", said({"code": 0, "data": {"available": 500}}))
        backend.says("cancel", said({"code": 3003, "message": "the render has ended"}))
        yield backend


def done(url: str | None, **facts: object) -> Answer:
    output = {"url": url, **facts} if url else None
    return said({"taskId": "render_1", "status": "completed", "output": output})


@pytest.fixture
async def context(core: Core, backend: ScriptedBackend, tmp_path) -> AsyncIterator[WorkerContext]:
    async with context_over(core, tmp_path, backend=backend.url) as context:
        yield context


@asynccontextmanager
async def rendered(core: Core, context: WorkerContext, url: str | None, **facts: Any) -> AsyncIterator[JobExecution]:
    """Hold a job whose render is finished, and whose film is fetched next."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    started = transitions.token_taken(transitions.started(job, now_ms=job.created_at_ms), token_id=token_id)
    render = Render(id="render_1", attempt=1, started_at_ms=job.created_at_ms, asked=True, url=url, **facts)
    session = Session(id=job.session_id, tenant=job.tenant, profile=job.profile, created_at_ms=job.created_at_ms)
    session = sessions.opened(session, backend_id="b1", task_id=None, user_id=None, token_id=token_id)
    ready = transitions.moved(started, Stage.STORING, edited=True, render=render)
    async with in_hand(core, context, ready, msgspec.structs.replace(session, edits=1)) as execution:
        yield execution


async def stored(context: WorkerContext, job: Job) -> bytes | None:
    if job.output is None or job.output.path is None:
        return None
    try:
        return await context.storage.head(job.output.path, 1 << 20)
    except FileMissing:
        return None


async def ended(
    core: Core, context: WorkerContext, url: str | None, *, steps: int = 30, **facts: Any
) -> tuple[Job, bytes | None]:
    async with rendered(core, context, url, **facts) as execution:
        job = await stepped(execution, steps)
        return job, await stored(context, job)


def why(job: Job) -> tuple[Code, str] | None:
    return (job.error.code, job.error.detail) if job.error else None


async def test_a_film_is_kept_and_measured(core, context, backend, movie):
    backend.says("/o.mp4", film(movie))
    job, kept = await ended(core, context, backend.url + "/o.mp4", duration_s=2.1, size_bytes=len(movie))
    assert (job.status, kept) == (Status.SUCCEEDED, movie)
    assert job.output is not None
    assert (job.output.duration_s, job.output.width, job.output.height) == (2.0, 160, 90)
    assert [asked.token for asked in backend.calls("/o.mp4")] == [None]
    assert not backend.calls("download")


async def test_a_process_brings_so_many_films_at_a_time_and_one_tenants_leave_places_to_others(
    core, context, backend, movie
):
    """When a backend comes back hundreds are there at once, and each has megabytes in memory on its way."""
    backend.says("/o.mp4", film(movie))
    render = Render(id="render_1", attempt=1, started_at_ms=0, asked=True, url=backend.url + "/o.mp4")
    job = msgspec.structs.replace(await core.submit(), render=render)
    async with AsyncExitStack() as held:
        for _ in range(FILMS_PER_TENANT):
            await held.enter_async_context(context.outbound.film_places.hold(job.tenant))
        waits = asyncio.create_task(fetch_film(context, None, job, last=False))
        others = msgspec.structs.replace(job, tenant="other")
        assert isinstance(await fetch_film(context, None, others, last=False), KeptFilm)
        assert (len(backend.calls("/o.mp4")), waits.done()) == (1, False)
    assert isinstance(await waits, KeptFilm)


async def test_a_film_stays_where_one_that_came_before_it_could_not_be_deleted_at_once(
    core, context, backend, movie, tmp_path
):
    """The link gives a page, and the download call the film, while the storage is away for a moment."""
    backend.says("/o.mp4", page())
    backend.says("download", film(movie))
    backend.meanwhile |= {"/o.mp4": partial((tmp_path / "outputs").write_text, "in the way of the folder")}
    backend.meanwhile |= {"download": (tmp_path / "outputs").unlink}
    job, kept = await ended(core, context, backend.url + "/o.mp4")
    assert (job.status, kept) == (Status.SUCCEEDED, movie)
    await remove_old(context)
    assert await stored(context, job) == movie


@pytest.mark.parametrize("refusal", [b"403 Forbidden", b"404 Not Found"])
async def test_a_film_that_the_storage_does_not_show_is_left_in_none_of_the_places_that_it_was_brought_to(
    core: Core, backend: ScriptedBackend, movie: bytes, s3: str, monkeypatch: pytest.MonkeyPatch, *, refusal: bytes
) -> None:
    """Each try has another one: they would lie there, each as large as the film, until the job is removed."""
    backend.says("/o.mp4", film(movie))
    before = Unread(s3, b"HTTP/1.1 " + refusal + b"\r\nContent-Length: 0\r\n\r\n")
    async with await asyncio.start_server(before.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        async with (
            context_over(core, f"s3://{BUCKET}/unshown", backend=backend.url) as context,
            rendered(core, context, backend.url + "/o.mp4") as execution,
        ):
            assert (await stepped(execution, 7)).stage is Stage.STORING
    assert (len(backend.calls("/o.mp4")), before.asked.is_set()) == (7, True)
    assert await is_empty_in_s3(s3, "unshown/")


async def test_who_stops_while_a_film_is_written_leaves_none_that_comes_later(
    core: Core, backend: ScriptedBackend, movie: bytes, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.says("/o.mp4", film(movie))
    before = Stalled(s3)
    async with await asyncio.start_server(before.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        async with (
            context_over(core, f"s3://{BUCKET}/stopped", backend=backend.url) as context,
            rendered(core, context, backend.url + "/o.mp4") as execution,
        ):
            storing = asyncio.create_task(store(execution))
            await asyncio.wait_for(before.asked.wait(), PATIENCE_S)
            storing.cancel()
            before.gate.set()
            await asyncio.wait([storing])
    assert (storing.cancelled(), await is_empty_in_s3(s3, "stopped/")) == (True, True)


async def is_empty_in_s3(s3: str, prefix: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as anybody:
        listed = await anybody.get(f"{s3}/{BUCKET}", params={"list-type": "2", "prefix": prefix})
    return listed.status_code == 200 and "<Key>" not in listed.text


async def test_a_film_that_comes_to_a_worker_whose_job_was_ended_and_deleted_meanwhile_is_left_nowhere(
    core, context, backend, movie, tmp_path
):
    """As to one that was frozen: who deleted the job has looked for its files, and nobody else does."""
    backend.says("/o.mp4", film(movie))
    async with rendered(core, context, backend.url + "/o.mp4") as execution:
        before, ready = await core.read(execution.job), execution.job
        late = StepResult(await stepped(execution))
        execution.job = await core.jobs.commit(before, ready, owner=execution.lease.owner)
        ended = transitions.failed(execution.job, now_ms=core.clock.now_ms(), code=Code.DEADLINE_EXCEEDED)
        deleted = await core.jobs.commit(execution.job, ended, owner=execution.lease.owner)
        await context.job_removal.remove(deleted)
        assert await stored(context, late.job) == movie
        with pytest.raises(LeaseLost):
            await _commit(execution, late)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_a_film_is_fetched_again_once_the_storage_takes_it(core, context, backend, movie, tmp_path):
    backend.says("/o.mp4", film(movie))
    (tmp_path / "outputs").write_text("in the way of the folder")
    async with rendered(core, context, backend.url + "/o.mp4") as execution:
        waiting = await stepped(execution, 3)
        assert (waiting.status, waiting.stage, waiting.error) == (Status.RUNNING, Stage.STORING, None)
        (tmp_path / "outputs").unlink()
        job = await stepped(execution)
        assert (job.status, await stored(context, job)) == (Status.SUCCEEDED, movie)


async def test_who_cancels_while_the_storage_is_away_does_not_wait_for_it(core, context, backend, movie, tmp_path):
    backend.says("/o.mp4", film(movie))
    (tmp_path / "outputs").write_text("in the way of the folder")
    async with rendered(core, context, backend.url + "/o.mp4") as execution:
        execution.job = transitions.cancel_asked(await stepped(execution), now_ms=core.clock.now_ms())
        assert (await stepped(execution)).status is Status.CANCELED


async def test_each_wait_for_the_storage_is_longer_than_the_last_one(core, context, backend, movie, tmp_path):
    backend.says("/o.mp4", film(movie))
    (tmp_path / "outputs").write_text("in the way of the folder")
    async with rendered(core, context, backend.url + "/o.mp4") as execution:
        waits_s = []
        for _ in range(4):
            result = await _next_result(execution)
            assert result is not None
            execution.job = result.job
            waits_s.append((result.park_s or 0) / core.settings.backoff_s)
    assert waits_s == [1, 2, 4, 8]


def whole(movie: bytes, *, told: bool = True) -> dict[str, str]:
    return {"Content-Range": f"bytes 0-{len(movie) - 1}/{len(movie)}"} if told else {}


UNUSUAL = [
    lambda movie: film(movie, "application/json"),
    lambda movie: Answer(movie, 203, "video/mp4"),
    lambda movie: Answer(movie, 206, "video/mp4", whole(movie)),
    lambda movie: Answer(movie, 206, "video/mp4", whole(movie, told=False)),
]


@pytest.mark.parametrize("said", UNUSUAL)
async def test_a_film_on_another_host_is_known_by_its_bytes_too(core, context, backend, movie, said):
    backend.says("/o.mp4", said(movie))
    job, kept = await ended(core, context, backend.other_url + "/o.mp4")
    assert (job.status, kept, len(backend.calls("/o.mp4"))) == (Status.SUCCEEDED, movie, 1)


@pytest.mark.parametrize("said", [*itertools.product(["/o.mp4", "download"], UNUSUAL)])
async def test_a_film_under_another_name_is_known_by_its_bytes(core, context, backend, movie, said):
    by, answer = said
    backend.says("/o.mp4", GONE)
    backend.says(by, answer(movie))
    job, kept = await ended(core, context, "/o.mp4")
    assert (job.status, kept) == (Status.SUCCEEDED, movie)


@pytest.mark.parametrize("part", [(0, -100), (100, None)])
async def test_a_part_of_a_film_is_none(core, context, backend, movie, part):
    start, end = part
    told = {"Content-Range": f"bytes {start}-{len(movie) + (end or 0) - 1}/{len(movie)}"}
    backend.says("/o.mp4", Answer(movie[start:end], 206, "video/mp4", told), film(movie))
    job, kept = await ended(core, context, "/o.mp4")
    assert (job.status, kept, len(backend.calls("/o.mp4"))) == (Status.SUCCEEDED, movie, 2)


@pytest.mark.parametrize(
    "came",
    [
        lambda movie: film(movie[:-100], length=len(movie)),
        lambda movie: film(movie[: len(movie) // 2]),
        lambda _: page(),
        lambda _: film(b"<?xml version='1.0'?><Error/>" + bytes(9_000_000)),
        lambda _: film(b""),
    ],
    ids=["cut off", "cut off at its host", "page", "long page", "nothing"],
)
async def test_what_is_no_film_takes_none_away_that_another_holder_has_written(core, context, backend, movie, came):
    """As to one that was frozen, while another has taken the job over and ended it."""
    backend.says("/o.mp4", film(movie), came(movie))
    async with rendered(core, context, "/o.mp4", size_bytes=len(movie)) as execution:
        of_another_holder = (await store(execution)).job
        await stepped(execution)
        assert (len(backend.calls("/o.mp4")), await stored(context, of_another_holder)) == (2, movie)


async def test_a_link_without_a_host_is_the_backends(core, context, backend, movie):
    backend.says("/o.mp4", film(movie))
    assert (await ended(core, context, "/o.mp4"))[1] == movie
    assert [asked.token for asked in backend.calls("/o.mp4")] == [None]


async def test_a_film_on_another_host_is_fetched_without_the_token(core, context, backend, movie):
    backend.says("/o.mp4", film(movie))
    assert (await ended(core, context, backend.other_url + "/o.mp4"))[1] == movie
    assert [asked.token for asked in backend.calls("/o.mp4")] == [None]


async def test_a_film_on_another_host_waits_for_no_places_of_callers_media_nor_of_other_films(
    core, context, backend, movie
):
    backend.says("/o.mp4", film(movie))
    async with AsyncExitStack() as held:
        for number in range(MEDIA_AT_ONCE):
            await held.enter_async_context(context.outbound.media_places.hold(f"tenant {number}"))
        fetched = await asyncio.wait_for(ended(core, context, backend.other_url + "/o.mp4"), PATIENCE_S)
    assert fetched[1] == movie


@pytest.mark.parametrize("refusal", [REFUSED, REFUSED_BY_CODE, EXPIRED])
async def test_the_token_is_tried_at_the_backends_own_host_where_the_link_refuses(
    core, context, backend, movie, refusal
):
    backend.says("/o.mp4", refusal, film(movie))
    assert (await ended(core, context, backend.url + "/o.mp4"))[1] == movie
    assert [asked.token for asked in backend.calls("/o.mp4")] == [None, TOKEN]


async def test_the_token_is_tried_at_a_link_that_refuses_after_a_passing_fault(core, context, backend, movie):
    backend.says("/o.mp4", page(502), REFUSED, film(movie))
    assert (await ended(core, context, backend.url + "/o.mp4"))[1] == movie
    assert [asked.token for asked in backend.calls("/o.mp4")] == [None, None, TOKEN]


async def test_the_token_is_tried_again_at_the_last_link(core, context, backend, movie):
    backend.says("/stale.mp4", EXPIRED)
    backend.says("/o.mp4", REFUSED, film(movie))
    stale = done("/stale.mp4")
    backend.says("status", stale, stale, done("/o.mp4"))
    assert (await ended(core, context, "/stale.mp4"))[1] == movie
    assert [asked.token for asked in backend.calls("/stale.mp4")] == [None, TOKEN, None, None]


async def test_the_token_is_tried_at_last_at_a_link_that_leads_others_to_a_page(core, context, backend, movie):
    """As to one where people log in."""
    backend.says("/o.mp4", *[moved("/login")] * 4, film(movie))
    backend.says("/login", page())
    assert (await ended(core, context, "/o.mp4"))[1] == movie
    assert [asked.token for asked in backend.calls("/o.mp4")] == [None, None, None, None, TOKEN]


@pytest.mark.parametrize("kind", ["refuses", "leads to a page"])
async def test_the_token_is_tried_at_a_link_however_long_its_host_was_away_before(core, context, backend, movie, kind):
    """Also where one that was good for nothing has seen it already."""
    says = REFUSED if kind == "refuses" else moved("/login")
    backend.says("/stale.mp4", EXPIRED)
    backend.says("/o.mp4", *[page(503)] * 6, says, film(movie))
    backend.says("/login", page())
    backend.says("status", done("/o.mp4"))
    assert (await ended(core, context, "/stale.mp4", steps=40))[1] == movie
    assert [asked.token for asked in backend.calls("/o.mp4")] == [None] * 7 + [TOKEN]
    assert not backend.calls("render")


async def test_the_token_is_not_tried_ever_again_while_the_download_call_is_left_alone(core, context, backend):
    backend.says("/o.mp4", REFUSED)
    backend.says("download", page(502))
    async with rendered(core, context, "/o.mp4") as execution:
        credentials = await execution.credentials()
        for number in range(10):
            with suppress(BackendFault):
                of_another = msgspec.structs.replace(credentials, job_id=f"job_{number}")
                async with context.backend.open_download(of_another, "render_2"):
                    pass
        assert context.backend.leaves_alone("download")
        await stepped(execution, 20)
    tokens = [asked.token for asked in backend.calls("/o.mp4")]
    assert tokens.count(TOKEN) == 2
    assert tokens[-1] is None, "it was fetched once more than that, while the call was left alone"


async def test_another_host_that_refuses_never_sees_the_token(core, context, backend):
    backend.says("/o.mp4", REFUSED)
    backend.says("status", done(backend.other_url + "/o.mp4"))
    await ended(core, context, backend.other_url + "/o.mp4")
    assert {asked.token for asked in backend.calls("/o.mp4")} == {None}


async def test_redirects_are_followed_and_the_token_stays_behind(core, context, backend, movie):
    backend.says("/o.mp4", REFUSED, moved("/hop"))
    backend.says("/hop", moved(backend.other_url + "/there.mp4"))
    backend.says("/there.mp4", moved(backend.url + "/back.mp4"))
    backend.says("/back.mp4", film(movie))
    assert (await ended(core, context, backend.url + "/o.mp4"))[1] == movie
    assert [(asked.path, asked.token) for asked in backend.asked] == [
        ("/o.mp4", None),
        ("/o.mp4", TOKEN),
        ("/hop", TOKEN),
        ("/there.mp4", None),
        ("/back.mp4", None),
    ]


async def test_a_redirect_to_an_address_that_is_not_public_is_not_followed(core, backend, movie, tmp_path):
    backend.says("/o.mp4", moved(backend.other_url + "/there.mp4"))
    backend.says("download", film(movie))
    async with context_over(core, tmp_path, backend=backend.url, allow="127.0.0.1/32") as context:
        assert (await ended(core, context, "/o.mp4"))[1] == movie
    assert not backend.calls("/there.mp4")


async def test_redirects_have_an_end(core, context, backend, movie):
    backend.says("/o.mp4", moved("/o.mp4"))
    backend.says("download", film(movie))
    assert (await ended(core, context, "/o.mp4"))[1] == movie
    assert len(backend.calls("/o.mp4")) == 6


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1/o.mp4", "http://[bad", "ftp://x/y", "file:///etc/passwd"])
async def test_a_film_whose_link_fails_comes_by_the_download_call(core, context, backend, movie, url):
    backend.says("download", film(movie))
    assert (await ended(core, context, url))[1] == movie
    assert [(asked.path, asked.token) for asked in backend.asked] == [("/api/render/proxy/render_1/download", TOKEN)]


async def test_a_download_that_leads_elsewhere_is_followed(core, context, backend, movie):
    backend.says("/o.mp4", GONE)
    backend.says("download", moved(backend.other_url + "/there.mp4"))
    backend.says("/there.mp4", film(movie))
    assert (await ended(core, context, "/o.mp4"))[1] == movie
    assert [asked.token for asked in backend.calls("/there.mp4")] == [None]


@pytest.mark.parametrize("told", [{"code": 0, "data": {"url": "{}"}}, {"downloadUrl": "{}"}, {"data": "{}"}])
async def test_a_download_that_answers_a_link_is_followed_and_the_token_stays_behind(
    core, context, backend, movie, told
):
    link = backend.other_url + "/there.mp4"
    backend.says("download", Answer(json.dumps(told).replace("{}", link).encode()))
    backend.says("/there.mp4", film(movie))
    assert (await ended(core, context, None))[1] == movie
    assert [asked.token for asked in backend.calls("/there.mp4")] == [None]


async def test_links_that_answer_links_have_an_end(core, context, backend):
    backend.says("download", said({"url": "/o.mp4"}))
    backend.says("/o.mp4", said({"url": "/o.mp4"}))
    async with rendered(core, context, None) as execution:
        credentials = await execution.credentials()
        found = await fetch_film(context, credentials, execution.job, last=True)
    assert not isinstance(found, KeptFilm)
    assert len(backend.calls("/o.mp4")) == 6


async def test_a_download_goes_by_the_backends_id_or_by_ours(core, context, backend, movie):
    backend.says("download", GONE, film(movie))
    assert (await ended(core, context, None, backend_id="lambda-7"))[1] == movie
    assert [asked.path.split("/")[4] for asked in backend.calls("download")] == ["lambda-7", "render_1"]


@pytest.mark.parametrize("refusal", [EXPIRED, GONE, said({}, 410), page(404), page(200), REFUSED])
async def test_an_expired_link_is_asked_for_again(core, context, backend, movie, refusal):
    backend.says("/stale.mp4", refusal)
    backend.says("/o.mp4", film(movie))
    job, kept = await ended(core, context, "/stale.mp4")
    assert (job.status, kept) == (Status.SUCCEEDED, movie)
    assert len(backend.calls("status")) == 1
    assert not backend.calls("render")


def cut(movie: bytes) -> Answer:
    return film(movie[:-100])


@pytest.mark.parametrize(
    "told",
    [
        (lambda _: page(), "The file that came is a web page, not a film in mp4."),
        (lambda _: film(b"<?xml version='1.0'?><Error/>"), "The file that came is an XML document, not a film in mp4."),
        (lambda _: film(b'{"error":"not ready"}'), "The file that came is a JSON document, not a film in mp4."),
        (lambda _: said({"error": "not ready"}), "The film could not be fetched: its host answered 200."),
        (lambda _: film(b""), "The file that came is empty."),
        (cut, "The file that came is cut off."),
        (lambda movie: film(movie[:-100], length=len(movie)), "The file that came is cut off."),
        (lambda movie: film(movie, length=10**12), "The file that came is larger than any film."),
        (lambda _: EXPIRED, "The film could not be fetched: its host answered 403."),
    ],
)
async def test_what_is_no_film_is_fetched_anew_then_rendered_anew_and_then_told(core, context, backend, movie, told):
    answer, reason = told
    backend.says("/o.mp4", answer(movie))
    backend.says("state", said({"code": 0, "data": {"state": {"draft": {"t": [{"tt": 0, "sg": [{"d": 2000}]}]}}}}))
    backend.says("render", said({"success": True, "data": {"status": "pending"}}))
    job, kept = await ended(core, context, "/o.mp4", steps=60)
    assert why(job) == (Code.RENDER_FAILED, "The timeline was rendered, but there is no film. " + reason)
    assert kept is None
    assert len(backend.calls("render")) == 1
    assert len(backend.calls("/o.mp4")) <= 12, "four times a render without the token, and twice with it"
    assert len(backend.calls("download")) == 8


@pytest.fixture
async def passing_on(core: Core, backend: ScriptedBackend, tmp_path) -> AsyncIterator[WorkerContext]:
    """A worker that keeps no films."""
    async with context_over(core, tmp_path, backend=backend.url) as context:
        yield keeping_none(context)


def keeping_none(context: WorkerContext) -> WorkerContext:
    return replace(context, settings=context.settings.model_copy(update={"keep_outputs": False}))


async def test_where_films_are_not_kept_they_are_looked_at_and_their_link_is_told_whole(
    core, passing_on, backend, movie
):
    backend.says("/o.mp4", page(), film(movie))
    job, kept = await ended(core, passing_on, "/o.mp4")
    assert (job.status, kept) == (Status.SUCCEEDED, None)
    assert job.output is not None
    assert (job.output.path, job.output.backend_url) == (None, backend.url + "/o.mp4")
    assert (job.output.size_bytes, job.output.width) == (len(movie), 160)
    assert len(backend.calls("/o.mp4")) == 2


async def test_where_films_are_not_kept_one_that_cannot_be_deleted_goes_later_and_is_not_fetched_again(
    core: Core, backend: ScriptedBackend, movie: bytes, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.says("/o.mp4", film(movie))
    before = Unread(s3, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", at=f"POST /{BUCKET}?delete".encode())
    with closing(await asyncio.start_server(before.serve, "127.0.0.1", 0)) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        async with context_over(core, f"s3://{BUCKET}/passed", backend=backend.url) as context:
            job, _ = await ended(core, keeping_none(context), backend.url + "/o.mp4")
    assert (job.status, len(backend.calls("/o.mp4")), before.asked.is_set()) == (Status.SUCCEEDED, 1, True)
    assert not await is_empty_in_s3(s3, "passed/")
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    async with context_over(core, f"s3://{BUCKET}/passed") as context:
        await remove_old(context)
    assert await is_empty_in_s3(s3, "passed/")


async def test_where_films_are_not_kept_a_link_with_other_letters_can_stand_in_a_header(
    core, passing_on, backend, movie
):
    backend.says("/%D1%84%20%20.mp4", film(movie))
    job, _ = await ended(core, passing_on, "/ф%20 .mp4?a=b%2Fc&d=é")
    assert job.output is not None
    assert job.output.backend_url == backend.url + "/%D1%84%20%20.mp4?a=b%2Fc&d=%C3%A9"


async def test_where_films_are_not_kept_what_is_none_is_no_success(core, passing_on, backend):
    backend.says("/o.mp4", page())
    backend.says("state", said({"code": 0, "data": {"state": {"draft": {"t": [{"tt": 0, "sg": [{"d": 2000}]}]}}}}))
    backend.says("render", said({"success": True, "data": {"status": "pending"}}))
    job, _ = await ended(core, passing_on, "/o.mp4", steps=60)
    assert job.error is not None
    assert job.error.code is Code.RENDER_FAILED


async def test_where_films_are_not_kept_one_whose_link_answers_another_link_is(core, passing_on, backend, movie):
    """Who is led to that link would get JSON, and no film."""
    backend.says("/o.mp4", said({"url": "/there.mp4"}))
    backend.says("/there.mp4", film(movie))
    job, kept = await ended(core, passing_on, "/o.mp4")
    assert kept == movie
    assert job.output is not None
    assert job.output.backend_url is None


async def test_where_films_are_not_kept_one_that_only_the_token_opens_is(core, passing_on, backend, movie):
    backend.says("/o.mp4", REFUSED, film(movie))
    job, kept = await ended(core, passing_on, "/o.mp4")
    assert kept == movie
    assert job.output is not None
    assert job.output.backend_url is None


@pytest.mark.parametrize("token", ["nmv_usr_a", "%6Emv%5Fusr_a"])
async def test_where_films_are_not_kept_one_whose_link_holds_the_token_is(core, passing_on, backend, movie, token):
    """Whoever has that link has our credits."""
    backend.says("/o.mp4", film(movie))
    job, kept = await ended(core, passing_on, f"/o.mp4?token={token}")
    assert (job.status, kept) == (Status.SUCCEEDED, movie)
    assert job.output is not None
    assert job.output.backend_url is None


async def test_a_film_of_a_second_render_is_as_good(core, context, backend, movie):
    backend.says("/bad.mp4", page())
    backend.says("/o.mp4", film(movie))
    bad, good = done("/bad.mp4"), done("/o.mp4")
    backend.says("status", bad, bad, bad, good)
    backend.says("state", said({"code": 0, "data": {"state": {"draft": {"t": [{"tt": 0, "sg": [{"d": 2000}]}]}}}}))
    backend.says("render", said({"success": True, "data": {"status": "pending"}}))
    job, kept = await ended(core, context, "/bad.mp4", steps=60)
    assert (job.status, kept, len(backend.calls("render"))) == (Status.SUCCEEDED, movie, 1)


async def test_a_film_shorter_than_the_backend_says_is_fetched_again(core, context, backend, movie):
    backend.says("/o.mp4", film(movie))
    backend.says("status", done("/o.mp4", duration=2.0, size=len(movie)))
    job, kept = await ended(core, context, "/o.mp4", duration_s=60.0)
    assert (job.status, kept) == (Status.SUCCEEDED, movie)
    assert len(backend.calls("/o.mp4")) == 2


async def test_a_film_is_waited_for_while_the_backend_is_away(core, context, backend):
    backend.says("/o.mp4", page(503))
    backend.says("download", said({}, 503))
    async with rendered(core, context, "/o.mp4") as execution:
        job = await stepped(execution, 20)
    assert (job.ended, len(backend.calls("render"))) == (False, 0)


@pytest.mark.parametrize("away", [page(502), said({}, 503), said({}, 429)])
async def test_a_film_on_another_host_that_is_away_for_minutes_is_waited_for(core, context, backend, movie, away):
    """Films lie at a CDN; that the download call knows nothing of it says nothing of the link."""
    backend.says("/o.mp4", *[away] * 9, film(movie))
    backend.says("status", done(backend.other_url + "/o.mp4"))
    job, kept = await ended(core, context, backend.other_url + "/o.mp4")
    assert (job.status, kept) == (Status.SUCCEEDED, movie)
    assert not backend.calls("render")


async def test_a_film_whose_host_fails_for_good_is_rendered_anew_and_then_told(core, context, backend):
    backend.says("/o.mp4", page(502))
    backend.says("status", done(backend.other_url + "/o.mp4"))
    backend.says("state", said({"code": 0, "data": {"state": {"draft": {"t": [{"tt": 0, "sg": [{"d": 2000}]}]}}}}))
    backend.says("render", said({"success": True, "data": {"status": "pending"}}))
    job, _ = await ended(core, context, backend.other_url + "/o.mp4", steps=90)
    words = "The timeline was rendered, but there is no film. The media server answered 502."
    assert why(job) == (Code.RENDER_FAILED, words)
    assert (len(backend.calls("render")), len(backend.calls("/o.mp4"))) == (1, 30)


async def test_a_film_that_is_on_its_way_when_its_job_is_canceled_is_not_begun_anew(core, context, backend, movie):
    backend.says("/o.mp4", film(movie))
    async with rendered(core, context, "/o.mp4") as execution:
        backend.meanwhile["/o.mp4"] = execution.lease.cancel_asked.set
        job = await stepped(execution)
        assert (job.status, await stored(context, job)) == (Status.SUCCEEDED, movie)
    assert len(backend.calls("/o.mp4")) == 1


async def test_who_has_canceled_does_not_wait_for_another_film(core, context, backend):
    backend.says("/o.mp4", page())
    async with rendered(core, context, "/o.mp4") as execution:
        execution.job = msgspec.structs.replace(execution.job, status=Status.CANCELING)
        job = await stepped(execution)
    assert job.status is Status.CANCELED
