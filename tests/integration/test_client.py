"""The Python client against the real API: blocking and waiting, whatever the connection does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from reelgate.client import (
    AsyncReelgate,
    JobAsk,
    JobFailed,
    MediaRefused,
    NotAuthorized,
    NotFound,
    Reelgate,
    require_success,
)
from reelgate.client.film_part import part_of
from tests.api_fixture import CLIP, Api, running_api
from tests.job_ends import VIDEO, fail, succeed
from tests.until import PATIENCE_S

T = TypeVar("T")

MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 900_000
PROMPT = "trim the first 2 seconds"


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path / "storage") as running:
        yield running


@pytest.fixture
async def reelgate(api: Api) -> AsyncIterator[AsyncReelgate]:
    async with httpx.AsyncClient(trust_env=False) as http, AsyncReelgate(api.url, api.key, http=http) as client:
        yield client


async def blocking(api: Api, act: Callable[[Reelgate], T]) -> T:
    """Do something with the blocking client, in a thread, since the API runs in this one."""

    def work() -> T:
        with httpx.Client(trust_env=False) as http, Reelgate(api.url, api.key, http=http) as client:
            return act(client)

    return await asyncio.to_thread(work)


class Losing(httpx.AsyncHTTPTransport):
    """A network on which the answers of the first calls of each path are lost: the API got them, the caller hears nothing."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.seen: dict[str, int] = {}
        self._times = times

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        path = request.url.path
        self.seen[path] = self.seen.get(path, 0) + 1
        if self.seen[path] > self._times:
            return answer
        await answer.aread()
        await answer.aclose()
        raise httpx.ReadError("lost", request=request)


class Cutting(httpx.AsyncHTTPTransport):
    """A network that breaks in the middle of the first answers under a path."""

    def __init__(self, path: str, *, after_bytes: int, times: int) -> None:
        super().__init__()
        self.cuts = times
        self._path = path
        self._after_bytes = after_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if self.cuts and request.url.path.endswith(self._path):
            self.cuts -= 1
            answer.stream = CutStream(answer.stream, self._after_bytes)
        return answer


class CutStream(httpx.AsyncByteStream):
    """An answer's bytes up to a place, and then a broken connection."""

    def __init__(self, stream: Any, after_bytes: int) -> None:
        self._stream = stream
        self._left_bytes = after_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk[: self._left_bytes]
            self._left_bytes -= len(chunk)
            if self._left_bytes <= 0:
                raise httpx.ReadError("cut")

    async def aclose(self) -> None:
        await self._stream.aclose()


async def the_job(api: Api) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while not (jobs := (await api.http.get("/v1/jobs")).json()["data"]):
            pass
    return jobs[0]["id"]


@pytest.mark.quick
async def test_run_uploads_submits_waits_and_downloads(api: Api, reelgate: AsyncReelgate, tmp_path: Path) -> None:
    clip, to, seen = tmp_path / "clip.mp4", tmp_path / "out.mp4", []
    clip.write_bytes(MP4)
    running = asyncio.create_task(
        reelgate.run(PROMPT, clip, to=to, metadata={"order": "7"}, progress=lambda job: seen.append(job.status))
    )
    await succeed(api.context, await the_job(api), reply="Trimmed.")
    job = await running
    assert (job.status, job.reply, job.metadata) == ("succeeded", "Trimmed.", {"order": "7"})
    assert to.read_bytes() == VIDEO
    assert seen[-1] == "succeeded"


async def test_run_in_a_thread_does_the_same(api: Api, tmp_path: Path) -> None:
    clip, to, sent = tmp_path / "clip.mp4", tmp_path / "out.mp4", []
    clip.write_bytes(MP4)

    def act(client: Reelgate) -> Any:
        upload = client.upload(clip, progress=lambda *progress: sent.append(progress))
        return client.run(PROMPT, upload, to=to)

    running = asyncio.create_task(blocking(api, act))
    await succeed(api.context, await the_job(api))
    assert (await running).status == "succeeded"
    assert to.read_bytes() == VIDEO
    assert sent[-1] == (len(MP4), len(MP4))


async def test_a_job_that_fails_is_an_exception_with_its_code(api: Api, reelgate: AsyncReelgate) -> None:
    running = asyncio.create_task(reelgate.run(PROMPT, CLIP["url"]))
    await fail(api.context, await the_job(api))
    with pytest.raises(JobFailed, match="could not render") as told:
        await running
    assert (told.value.code, told.value.retryable, told.value.job.status) == ("render_failed", True, "failed")
    with pytest.raises(JobFailed):
        require_success(await reelgate.wait(told.value.job.id))


async def test_lost_answers_make_nothing_twice(api: Api, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(MP4)
    losing = Losing(2)
    async with httpx.AsyncClient(transport=losing) as http, AsyncReelgate(api.url, api.key, http=http) as client:
        job = await client.submit(PROMPT, tmp_path / "clip.mp4")
        session = await client.sessions.create(profile="trimmer-exe")
    assert losing.seen == {"/v1/uploads": 3, "/v1/jobs": 3, "/v1/sessions": 3}
    assert [row["id"] for row in (await api.http.get("/v1/jobs")).json()["data"]] == [job.id]
    assert [row["id"] for row in (await api.http.get("/v1/sessions")).json()["data"]] == [session.id]


async def test_a_key_of_the_callers_own_makes_one_job(reelgate: AsyncReelgate) -> None:
    first = await reelgate.submit(PROMPT, CLIP["url"], key="order-7")
    assert (await reelgate.submit(PROMPT, CLIP["url"], key="order-7")).id == first.id


async def test_events_are_followed_resumed_and_over(api: Api, reelgate: AsyncReelgate) -> None:
    job = await reelgate.submit(PROMPT, CLIP["url"])
    await succeed(api.context, job.id)
    [snapshot] = [event async for event in reelgate.events(job.id)]
    assert (snapshot.type, snapshot.job.status, snapshot.job.output.format) == ("snapshot", "succeeded", "mp4")
    history = (await reelgate.history(job.id)).data
    assert [event.type for event in history] == ["job.queued", "job.started", "job.succeeded"]
    resumed = [event.id async for event in reelgate.events(job.id, after=history[0].id)]
    assert resumed == [history[1].id, history[2].id]
    assert [event async for event in reelgate.events(job.id, after=history[2].id)] == []
    assert [event.id async for event in reelgate.feed()] == [event.id for event in history]


@pytest.mark.parametrize("after_bytes", [400_000, 60_000])
async def test_a_film_comes_whole_over_connections_that_break(api: Api, tmp_path: Path, after_bytes: int) -> None:
    to, seen = tmp_path / "out.mp4", []
    network = Cutting("/output", after_bytes=after_bytes, times=3)
    async with httpx.AsyncClient(transport=network) as http, AsyncReelgate(api.url, api.key, http=http) as client:
        job = await client.submit(PROMPT, CLIP["url"])
        await succeed(api.context, job.id)
        await client.download(job.id, to, progress=lambda *progress: seen.append(progress))
    assert (network.cuts, to.read_bytes() == VIDEO) == (0, True)
    assert seen == sorted(seen)
    assert {after_bytes * cut for cut in (1, 2, 3)} <= {done_bytes for done_bytes, _ in seen}


async def test_events_come_once_each_over_streams_that_break(api: Api) -> None:
    network = Cutting("/events", after_bytes=1000, times=2)
    async with httpx.AsyncClient(transport=network) as http, AsyncReelgate(api.url, api.key, http=http) as client:
        job = await client.submit(PROMPT, CLIP["url"])
        await succeed(api.context, job.id)
        history = [event.id for event in (await client.history(job.id)).data]
        network.cuts = 2  # the list was no stream
        assert [event.id async for event in client.events(job.id, after=history[0])] == history[1:]
    assert network.cuts == 0


async def test_a_film_is_gone_on_with_from_a_part(api: Api, reelgate: AsyncReelgate, tmp_path: Path) -> None:
    job = await reelgate.submit(PROMPT, CLIP["url"])
    await succeed(api.context, job.id)
    to, seen = tmp_path / "out.mp4", []
    part_of(to, job.id).write_bytes(VIDEO[:1_000_000])
    await reelgate.download(job.id, to, progress=lambda *progress: seen.append(progress))
    assert to.read_bytes() == VIDEO
    assert seen[0][0] > 1_000_000
    assert not part_of(to, job.id).exists()


async def test_refusals_come_as_their_family(reelgate: AsyncReelgate, api: Api, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as told:
        await reelgate.job("job_019aa2c7-5d1f-7003-9b1e-4c5d6e7f8091")
    assert (told.value.code, told.value.status, bool(told.value.problem.request_id)) == ("not_found", 404, True)
    (tmp_path / "page.mp4").write_bytes(b"<html>" * 100)
    with pytest.raises(MediaRefused):
        await reelgate.upload(tmp_path / "page.mp4")
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(NotAuthorized):
            await AsyncReelgate(api.url, "rg_no-such-key", http=http).credits()


async def test_the_rest_of_the_api_reads_as_typed_results(reelgate: AsyncReelgate, tmp_path: Path) -> None:
    assert (await reelgate.validate(PROMPT, CLIP["url"])).plan.action == "export"
    session = await reelgate.sessions.create()
    batch = await reelgate.batches.submit([JobAsk(PROMPT, CLIP["url"]), JobAsk(PROMPT)], session="separate")
    assert [item.status for item in batch.items] == [202, 422]
    assert batch.items[1].problem.code == "media_needed"
    assert (await reelgate.batches.read(batch.id)).counts["queued"] == 1
    job_id = batch.jobs[0].id
    assert [job.id async for job in reelgate.jobs(batch_id=batch.id, status="queued")] == [job_id]
    assert (await reelgate.cancel(job_id)).status == "canceled"
    again = await reelgate.replay(job_id)
    assert again.parent_id == job_id
    assert (await reelgate.job(again.id)).input.prompt == PROMPT
    assert (await reelgate.delete(job_id)).data_removed
    assert [each.id async for each in reelgate.sessions.list()] == [session.id]
    await reelgate.sessions.close(session.id)
    assert [each.id async for each in reelgate.batches.list()] == [batch.id]
    assert (await reelgate.batches.cancel(batch.id)).counts["canceled"] == 1
    (tmp_path / "clip.mp4").write_bytes(MP4)
    upload = await reelgate.upload(tmp_path / "clip.mp4")
    assert [each.id async for each in reelgate.uploads.list()] == [upload.id]
    assert (await reelgate.uploads.read(upload.id)).size_bytes == len(MP4)
    await reelgate.uploads.delete(upload.id)
    assert [each async for each in reelgate.uploads.list()] == []
    assert "trimmer-exe" in {profile.name for profile in await reelgate.profiles()}
    assert (await reelgate.usage()).jobs["canceled"] == 1
    assert (await reelgate.webhook.set("https://x.example/hook")).status == "active"
    assert (await reelgate.webhook.rotate_secret()).secret.startswith("whsec_")
    assert [delivery async for delivery in reelgate.deliveries.list()] == []
    assert (await reelgate.deliveries.of_job(again.id)).data == ()
