"""What a finished job gives: the file in parts or whole, by key or by link, and its timeline."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from core.clock import HandClock
from core.model.job import OutputFile
from core.storage.parts import CHUNK_BYTES
from service.problems import ApiError
from tests.api_fixture import Api, running_api
from tests.job_ends import TRACKS, VIDEO, succeed
from tests.until import PATIENCE_S, until


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def api(redis_url: str, tmp_path: Path, clock: HandClock) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path, clock=clock) as running:
        yield running


async def finished(api: Api, *, kept: bool = True) -> str:
    job_id = (await api.submit())["id"]
    await succeed(api.context, job_id, kept=kept)
    return job_id


async def test_the_link_gives_the_file_without_a_key_until_it_expires(api: Api, clock: HandClock) -> None:
    job_id = await finished(api)
    output = (await api.http.get(f"/v1/jobs/{job_id}")).json()["output"]
    assert output["url"].startswith(f"{api.url}/v1/jobs/{job_id}/output?")
    async with httpx.AsyncClient(trust_env=False) as anyone:
        answer = await anyone.get(output["url"])
        assert (answer.status_code, answer.content) == (200, VIDEO)
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.headers["content-length"] == str(len(VIDEO))
        assert (await anyone.get(output["url"][:-1])).status_code == 403
        assert (await anyone.get(f"{api.url}/v1/jobs/{job_id}/output")).status_code == 401
        clock.turn(by_s=3601)
        assert (await anyone.get(output["url"])).status_code == 403


async def test_who_is_told_that_a_job_is_unchanged_has_a_link_that_works(api: Api, clock: HandClock) -> None:
    """So does whoever asks through a cache, as a browser's, which sends the tag by itself and shows what it has."""
    kept_s = 60 * 3600
    job_id = (await api.submit())["id"]
    made = OutputFile(
        path=f"outputs/{job_id}.mp4",
        backend_url=None,
        format="mp4",
        duration_s=10.0,
        size_bytes=len(VIDEO),
        expires_at_ms=clock.now_ms() + kept_s * 1000,
    )
    await succeed(api.context, job_id, output=made)
    held = await api.http.get(f"/v1/jobs/{job_id}")
    known = []
    async with httpx.AsyncClient(trust_env=False) as anyone:
        for _ in range(3600, kept_s, 3600):
            clock.turn(by_s=3600)
            again = await api.http.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": held.headers["etag"]})
            known.append(again.status_code == 304)
            held = held if known[-1] else again
            assert (await anyone.head(held.json()["output"]["url"])).status_code == 200
    assert sum(known) > 0.8 * len(known)


async def test_a_slow_reader_of_a_large_film_takes_little_memory(api: Api) -> None:
    """Whoever has the link may read it, as the visitors of a page that shows it."""
    readers, large_bytes = 20, 30 * CHUNK_BYTES
    job_id = await finished(api)
    await api.context.storage.write(f"outputs/{job_id}.mp4", zeros(large_bytes))
    async with AsyncExitStack() as held:
        tracemalloc.start()
        held.callback(tracemalloc.stop)
        before_bytes = tracemalloc.get_traced_memory()[0]
        for _ in range(readers):
            held.enter_context(closing(await begun_to_read(api, job_id)))
        assert tracemalloc.get_traced_memory()[0] - before_bytes < readers * CHUNK_BYTES


async def test_readers_who_stop_reading_take_no_more_memory_than_there_is_room_for_and_go_where_others_want_it(
    redis_url: str, tmp_path: Path, clock: HandClock
) -> None:
    """Half a megabyte each, and whoever has the link may open as many connections as he likes: the process was killed."""
    async with running_api(redis_url, tmp_path, clock=clock, upload_memory_bytes=40_000_000) as api:
        job_id = await finished(api)
        await api.context.storage.write(f"outputs/{job_id}.mp4", zeros(30 * CHUNK_BYTES))
        path = f"/v1/jobs/{job_id}/output"
        with api.context.body_room.hold("another", 38_900_000), closing(await begun_to_read(api, job_id)) as reading:
            for _ in range(2):
                refused = await api.http.get(path)
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
            assert (await api.http.head(path)).status_code == 200
            assert (await api.http.get(path, headers={"Range": "bytes=0-9"})).status_code == 206, "it is small"
            clock.turn(by_s=61)
            assert (await api.http.get(path)).status_code == 429
            await hung_up(reading)
            async with asyncio.timeout(PATIENCE_S):
                while (await api.http.get(path)).status_code != 200:
                    pass
            assert (await api.http.get(path)).status_code == 200, "who has read all holds nothing"


async def hung_up(reading: socket.socket) -> None:
    """Read what was on the way, to its end before that of the film."""
    read_bytes = 0
    with suppress(ConnectionError):
        while came := await asyncio.get_running_loop().sock_recv(reading, 1 << 20):
            read_bytes += len(came)
    assert read_bytes < 30 * CHUNK_BYTES


async def test_who_reads_a_film_that_is_deleted_meanwhile_is_hung_up_on_and_that_is_no_error_of_ours(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """He knows by the size that it is not all of it."""
    job_id = await finished(api)
    await api.context.storage.write(f"outputs/{job_id}.mp4", zeros(30 * CHUNK_BYTES))
    with closing(await begun_to_read(api, job_id)) as reading:
        await api.context.storage.delete(f"outputs/{job_id}.mp4")
        await hung_up(reading)
    assert not [said for said in caplog.records if said.levelname == "ERROR"]
    await until(partial(has_all_room, api), within_s=PATIENCE_S)


async def has_all_room(api: Api) -> bool:
    with suppress(ApiError), api.context.body_room.hold("another", api.context.settings.upload_memory_bytes):
        return True
    return False


async def zeros(size_bytes: int) -> AsyncIterator[bytes]:
    for _ in range(size_bytes // CHUNK_BYTES):
        yield bytes(CHUNK_BYTES)


async def begun_to_read(api: Api, job_id: str) -> socket.socket:
    """Ask for a film over a connection that takes little, and read the first bytes of it alone."""
    reading = socket.socket()
    reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reading.setblocking(False)
    await asyncio.get_running_loop().sock_connect(reading, ("127.0.0.1", int(api.url.rsplit(":", 1)[1])))
    lines = [f"GET /v1/jobs/{job_id}/output HTTP/1.1", "Host: x", f"Authorization: Bearer {api.key}", "", ""]
    reading.sendall("\r\n".join(lines).encode())
    came = b""
    while b"\r\n\r\n\0" not in came:
        came += await asyncio.get_running_loop().sock_recv(reading, 1024)
    return reading


RANGES = [
    ("bytes=0-9", 206, slice(0, 10)),
    ("bytes=1279990-", 206, slice(1_279_990, None)),
    ("bytes=-5", 206, slice(-5, None)),
    ("bytes=100-99999999", 206, slice(100, None)),
    ("bytes=9999999-", 416, None),
    ("bytes=-0", 416, None),
    ("bytes=0-1,5-6", 200, slice(None)),
    ("lines=1-2", 200, slice(None)),
]


@pytest.mark.parametrize(("header", "status", "part"), RANGES, ids=[r[0] for r in RANGES])
async def test_a_range_gives_those_bytes(api: Api, header: str, status: int, part: slice | None) -> None:
    job_id = await finished(api)
    answer = await api.http.get(f"/v1/jobs/{job_id}/output", headers={"Range": header})
    assert answer.status_code == status
    if part is None:
        assert answer.headers["content-range"] == f"bytes */{len(VIDEO)}"
        return
    assert answer.content == VIDEO[part]
    if status == 206:
        start = (part.start + len(VIDEO)) % len(VIDEO)
        end = start + len(answer.content) - 1
        assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(VIDEO)}"


@pytest.mark.parametrize("header", ["bytes=0-9", "bytes=-1", f"bytes={len(VIDEO)}-", "lines=1-2"])
async def test_a_range_means_nothing_to_head(api: Api, header: str) -> None:
    job_id = await finished(api)
    whole = await api.http.head(f"/v1/jobs/{job_id}/output")
    answer = await api.http.head(f"/v1/jobs/{job_id}/output", headers={"Range": header})
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(VIDEO)))
    assert "content-range" not in answer.headers
    assert answer.headers["accept-ranges"] == whole.headers["accept-ranges"] == "bytes"


async def test_ranges_in_several_lines_are_several_ranges(api: Api) -> None:
    job_id = await finished(api)
    for method in ("GET", "HEAD"):
        lines = [("Range", "bytes=0-1"), ("Range", "bytes=5-6")]
        answer = await api.http.request(method, f"/v1/jobs/{job_id}/output", headers=lines)
        assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(VIDEO)))


async def test_a_file_is_known_by_its_tag_alone(api: Api) -> None:
    url = f"/v1/jobs/{await finished(api)}/output"
    tag = (await api.http.head(url)).headers["etag"]
    for method in ("GET", "HEAD"):
        for lines in ([f'"x", W/{tag}'], ['"x"', tag], [tag, '"x"'], ["*"]):
            answer = await api.http.request(method, url, headers=[("If-None-Match", line) for line in lines])
            assert (answer.status_code, answer.content) == (304, b""), lines
        other = await api.http.request(method, url, headers={"If-None-Match": f'"x{tag}y'})
        assert other.status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_file_that_is_not_the_one_that_is_meant_is_not_sent(api: Api, method: str) -> None:
    url = f"/v1/jobs/{await finished(api)}/output"
    head = await api.http.head(url)
    tag, made = head.headers["etag"], head.headers["last-modified"]
    for failing in (
        {"If-Match": '"x"'},
        {"If-Match": f"W/{tag}"},
        {"If-Unmodified-Since": "Fri, 20 Nov 2015 23:00:30 GMT"},
        {"If-Match": '"x"', "If-None-Match": tag, "Range": "bytes=9999999-"},
    ):
        answer = await api.http.request(method, url, headers=failing)
        assert (answer.status_code, answer.headers["etag"]) == (412, tag), failing
    for met in ({"If-Match": f'"x", {tag}'}, {"If-Match": "*"}, {"If-Unmodified-Since": made}):
        answer = await api.http.request(method, url, headers=met | {"Range": "bytes=0-9", "If-Range": made})
        assert answer.status_code == (206 if method == "GET" else 200), met
    known = await api.http.request(method, url, headers={"If-Modified-Since": made})
    assert (known.status_code, known.headers["last-modified"], known.content) == (304, made, b"")


async def test_a_film_that_is_not_here_is_so_under_any_condition(api: Api, tmp_path: Path) -> None:
    condition = {"If-Match": '"x"'}
    elsewhere = await api.http.get(f"/v1/jobs/{await finished(api, kept=False)}/output", headers=condition)
    assert elsewhere.status_code == 302
    gone = await finished(api)
    for file in (tmp_path / "outputs").iterdir():
        file.unlink()
    assert (await api.http.get(f"/v1/jobs/{gone}/output", headers=condition)).status_code == 404


async def test_a_head_tells_the_size_and_sends_nothing(api: Api) -> None:
    job_id = await finished(api)
    answer = await api.http.head(f"/v1/jobs/{job_id}/output")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(VIDEO))
    known = {"If-None-Match": answer.headers["etag"]}
    assert (await api.http.get(f"/v1/jobs/{job_id}/output", headers=known)).status_code == 304


async def test_a_file_that_is_not_kept_is_led_to(api: Api) -> None:
    job_id = await finished(api, kept=False)
    job = (await api.http.get(f"/v1/jobs/{job_id}")).json()
    assert job["output"]["url"] == "https://cdn.example/out.mp4"
    answer = await api.http.get(f"/v1/jobs/{job_id}/output")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://cdn.example/out.mp4")


async def test_the_same_job_has_the_same_tag_although_its_link_is_fresh(api: Api, clock: HandClock) -> None:
    job_id = await finished(api)
    first = await api.http.get(f"/v1/jobs/{job_id}")
    clock.turn(by_s=60)
    again = await api.http.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


async def test_events_and_feed_carry_a_link_that_works(api: Api) -> None:
    job_id = await finished(api)
    event = (await api.http.get("/v1/events")).json()["data"][-1]
    output = event["data"]["job"]["output"]
    assert event["data"]["job"]["id"] == job_id
    async with httpx.AsyncClient(trust_env=False) as anyone:
        assert (await anyone.get(output["url"])).content == VIDEO


async def test_the_timeline_is_json_or_one_line(api: Api) -> None:
    job_id = await finished(api)
    session_id = (await api.http.get(f"/v1/jobs/{job_id}")).json()["session_id"]
    for path in (f"/v1/jobs/{job_id}/timeline", f"/v1/sessions/{session_id}/timeline"):
        assert (await api.http.get(path)).content == TRACKS
    line = await api.http.get(f"/v1/jobs/{job_id}/timeline", headers={"Accept": "text/plain"})
    assert line.text == "Timeline (1 tracks): 1. Video: city (0-10s)"
    assert line.headers["content-type"].startswith("text/plain")


async def test_a_job_that_has_not_finished_has_neither(api: Api) -> None:
    job_id = (await api.submit())["id"]
    assert (await api.http.get(f"/v1/jobs/{job_id}/output")).status_code == 404
    assert (await api.http.get(f"/v1/jobs/{job_id}/timeline")).status_code == 404
