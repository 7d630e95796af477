"""Uploads: streamed to storage, checked by content, counted, and gone without a trace where they are refused."""

import asyncio
import json
import resource
import tracemalloc
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from gzip import compress
from pathlib import Path

import httpx
import obstore
import pytest
from msgspec.structs import replace
from obstore.exceptions import PermissionDeniedError

from core.clock import Clock, HandClock
from core.ids import new_id
from core.media.formats import HEAD_BYTES
from core.model.estimate import job_kind_of
from core.model.upload import Upload
from core.storage.errors import FileMissing
from core.store.uploads import Uploads
from sandbox.clips import make_talk_clip
from service.body_room import BodyRoom, HeldRoom, upload_room_bytes
from service.problems import ApiError
from service.uploads.inspector import Inspector, NamedFile
from service.uploads.lifecycle import new_upload, store_file
from service.uploads.presigned import keep_what_was_sent
from service.uploads.receive import limit_body
from tests.api_fixture import CLIP, Api, running_api
from tests.s3_fixture import BUCKET, Unread, access_to, s3
from tests.until import PATIENCE_S

__all__ = ["s3"]

MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 20_000
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
MEBIBYTE = bytes(1 << 20)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


def files_in(folder: Path) -> list[Path]:
    return [f for f in folder.rglob("*") if f.is_file()]


async def test_a_raw_body_is_kept_and_can_be_used_in_a_job(api: Api, tmp_path: Path) -> None:
    answer = await api.http.post("/v1/uploads", params={"filename": "dir/clip.MP4"}, content=MP4)
    upload = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(f"/v1/uploads/{upload['id']}")
    assert (upload["filename"], upload["format"], upload["size_bytes"]) == ("clip.MP4", "mp4", len(MP4))
    assert [f.read_bytes() for f in files_in(tmp_path)] == [MP4]
    assert (await api.http.get(f"/v1/uploads/{upload['id']}")).json() == upload
    job = await api.submit(media=[{"upload_id": upload["id"]}])
    assert job["status"] == "queued"


async def test_an_upload_says_how_long_it_is_and_an_estimate_goes_by_that(api: Api, tmp_path: Path) -> None:
    groups = []
    for seconds in (4, 45):
        clip = tmp_path / f"{seconds}.mp4"
        await make_talk_clip(clip, scenes=1, duration_s=seconds, silences=(), size=(64, 36))
        upload = (await api.http.post("/v1/uploads", params={"filename": "a.mp4"}, content=clip.read_bytes())).json()
        assert upload["duration_s"] == pytest.approx(seconds, abs=0.1)
        job = await api.context.jobs.load((await api.submit(media=[{"upload_id": upload["id"]}]))["id"])
        assert job is not None
        groups.append(job_kind_of(job).group)
    assert [group.rpartition("/")[2] for group in groups] == ["10 s", "60 s"]


async def test_a_storage_that_is_away_is_no_error_of_ours(
    api: Api, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = (await api.http.post("/v1/uploads", params={"filename": "a.mp4"}, content=MP4)).json()
    [file] = files_in(tmp_path)
    folder = file.parent.rename(tmp_path / "away")
    file.parent.write_text("in the way")
    for answer in (
        await api.http.post("/v1/uploads", params={"filename": "b.mp4"}, content=MP4),
        await api.http.delete(f"/v1/uploads/{kept['id']}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert (answer.headers["retry-after"], "storage" in answer.json()["detail"]) == ("10", True)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert ["the storage does not answer" in words for words in said] == [True, True], (
        "its operator reads why, each time"
    )
    file.parent.unlink()
    folder.rename(file.parent)
    assert [row["id"] for row in (await api.http.get("/v1/uploads")).json()["data"]] == [kept["id"]]


async def test_a_form_is_kept_the_same_way(api: Api, tmp_path: Path) -> None:
    form = {"note": (None, b"hello"), "file": ("clip.mp4", MP4)}
    answer = await api.http.post("/v1/uploads", files=form)
    assert (answer.status_code, answer.json()["filename"]) == (201, "clip.mp4")
    assert [f.read_bytes() for f in files_in(tmp_path)] == [MP4]


async def test_uploads_are_listed_newest_first_while_they_are_there(api: Api) -> None:
    ids = [(await api.http.post(f"/v1/uploads?filename={n}.mp4", content=MP4)).json()["id"] for n in range(3)]
    first = await api.http.get("/v1/uploads", params={"limit": 2})
    assert [u["id"] for u in first.json()["data"]] == ids[:0:-1]
    last = await api.http.get(first.links["next"]["url"])
    assert last.json()["data"] == [(await api.http.get(f"/v1/uploads/{ids[0]}")).json()]
    await api.http.delete(f"/v1/uploads/{ids[1]}")
    assert [u["id"] for u in (await api.http.get("/v1/uploads")).json()["data"]] == [ids[2], ids[0]]
    async with await api.caller("other") as stranger:
        assert (await stranger.get("/v1/uploads")).json()["data"] == []


async def test_a_deleted_upload_is_gone_with_its_bytes(api: Api, tmp_path: Path) -> None:
    upload = (await api.http.post("/v1/uploads", params={"filename": "a.png"}, content=PNG)).json()
    async with await api.caller("other") as stranger:
        assert (await stranger.delete(f"/v1/uploads/{upload['id']}")).status_code == 404
    assert (await api.http.delete(f"/v1/uploads/{upload['id']}")).status_code == 204
    assert (await api.http.get(f"/v1/uploads/{upload['id']}")).status_code == 404
    assert files_in(tmp_path) == []
    assert await api.context.uploads.stored_bytes("acme") == 0


@pytest.mark.parametrize(
    "name", ["blob", "a", ".mp4", "....mp4", "v1.2", "IMG_2024.10.30", "clip.mp4.download", "get.php"]
)
async def test_a_file_whose_name_says_nothing_is_known_by_its_bytes_and_keeps_its_name(api: Api, name: str) -> None:
    answer = await api.http.post("/v1/uploads", params={"filename": name}, content=MP4)
    assert (answer.status_code, answer.json()["filename"], answer.json()["format"]) == (201, name, "mp4")
    picture = await api.http.post("/v1/uploads", params={"filename": name}, content=PNG)
    assert picture.json().get("format") == "png", picture.text


async def test_the_backend_is_told_by_name_what_is_known_by_the_bytes(api: Api) -> None:
    uploads = [
        (await api.http.post("/v1/uploads", params={"filename": name}, content=MP4)).json()["id"]
        for name in ("blob", "clip.mp4.download", "Ours.MP4", "b\u00fc.mov")
    ]
    job = await api.submit(media=[{"upload_id": i} for i in uploads])
    kept = await api.context.jobs.load(job["id"])
    assert [m.name for m in kept.media] == ["blob.mp4", "clip.mp4", "Ours.MP4", "b\u00fc.mov"]


async def test_a_file_behind_a_large_cover_is_looked_at_where_it_begins(api: Api) -> None:
    tag = b"ID3\x04\0\0" + bytes(300_000 >> shift & 0x7F for shift in (21, 14, 7, 0)) + b"\xff\xd8" * 150_000
    aac = bytes.fromhex("fff15080020021fc") + bytes(8)
    answer = await api.http.post("/v1/uploads", params={"filename": "song.aac"}, content=tag + aac * 100)
    assert (answer.status_code, answer.json().get("format")) == (201, "aac"), answer.text
    named = await api.http.post("/v1/uploads", params={"filename": "song.mp3"}, content=tag + aac * 100)
    assert "the file is aac" in named.json()["detail"]


REFUSED = [
    ({"filename": "clip.exe"}, MP4, 415),
    ({"filename": "clip"}, b"hello", 415),
    ({"filename": "clip.mp4"}, PNG, 415),
    ({"filename": "clip.mp4"}, b"hello", 415),
    ({"filename": "clip.mp4"}, b"", 415),
    ({}, MP4, 422),
]


@pytest.mark.parametrize(("query", "body", "status"), REFUSED, ids=range(len(REFUSED)))
async def test_what_is_no_such_file_is_refused_and_leaves_nothing(
    api: Api, tmp_path: Path, query: dict[str, str], body: bytes, status: int
) -> None:
    answer = await api.http.post("/v1/uploads", params=query, content=body)
    assert answer.status_code == status, answer.text
    if status == 415:
        assert answer.json()["code"] == "unsupported_media"
        assert "webm" in answer.json()["detail"]
    assert files_in(tmp_path) == []


async def test_more_than_the_limit_is_refused_by_its_announced_length(api: Api) -> None:
    reader, writer = await begun(api, length=500_000_001)
    answer = await reader.read(4096)
    writer.close()
    assert b" 413 " in answer
    assert b"500000000" in answer


async def half_a_gigabyte() -> AsyncIterator[bytes]:
    """Give 500,000,000 bytes that begin like a film; a megabyte of memory is enough for them."""
    megabyte = MP4 + bytes(1_000_000 - len(MP4))
    for _ in range(500):
        yield megabyte


def nobody_waits() -> HeldRoom:
    with BodyRoom(1, Clock()).hold("acme", 1) as held:
        return held


async def and_one_byte(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
    yield b"x"


async def test_a_file_of_just_the_limit_passes_and_one_byte_more_does_not_although_nothing_was_announced() -> None:
    passed = [len(chunk) async for chunk in Inspector("a.mp4").passing(limit_body(half_a_gigabyte(), nobody_waits()))]
    assert sum(passed) == 500_000_000
    more = Inspector("a.mp4").passing(limit_body(and_one_byte(half_a_gigabyte()), nobody_waits()))
    with pytest.raises(ApiError) as refused:
        passed = [len(chunk) async for chunk in more]
    assert (refused.value.status, refused.value.code) == (413, "media_too_large")
    assert "500000000" in refused.value.detail


async def test_a_tenant_keeps_no_more_bytes_than_it_may(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, tenant_stored_bytes=len(MP4) + 10) as api:
        assert (await api.http.post("/v1/uploads", params={"filename": "a.mp4"}, content=MP4)).status_code == 201
        full = await api.http.post("/v1/uploads", params={"filename": "a.mp4"}, content=MP4)
        assert (full.status_code, full.json()["code"]) == (413, "storage_full")
        unannounced = await api.http.post("/v1/uploads", params={"filename": "a.mp4"}, content=_one(MP4))
        assert unannounced.status_code == 413
        assert len(files_in(tmp_path)) == 1
        assert await api.context.uploads.stored_bytes("acme") == len(MP4)


async def _one(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk


async def test_a_tenant_keeps_no_more_uploads_than_it_may_however_small(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, tenant_uploads=2) as api:
        begun = new_upload(api.context, "acme", "a.png", "png")
        await api.context.uploads.expect(begun)
        kept = await api.http.post("/v1/uploads?filename=a.png", content=PNG)
        assert kept.status_code == 201
        full = await api.http.post("/v1/uploads?filename=a.png", content=PNG)
        assert (full.status_code, full.json()["code"]) == (413, "storage_full")
        assert (await api.http.post("/v1/uploads:presign?filename=a.png")).status_code == 413
        await api.context.uploads.drop(begun)
        assert (await api.http.post("/v1/uploads?filename=a.png", content=PNG)).status_code == 201
        async with await api.caller("other") as stranger:
            assert (await stranger.post("/v1/uploads?filename=a.png", content=PNG)).status_code == 201
        after = api.context.clock.now_ms() + 25 * 3_600_000
        await api.context.uploads.expect(new_upload(api.context, "acme", "a.png", "png"))
        assert await Uploads(api.context.store, HandClock(after)).count("acme") == 2, "what never came counts for a day"


async def test_uploads_that_a_storage_did_not_take_count_no_more_against_their_tenant(
    redis_url: str, tmp_path: Path
) -> None:
    """Nobody has heard their ids: they could not be deleted, for a day."""
    async with running_api(redis_url, tmp_path, tenant_uploads=2) as api:
        (tmp_path / "uploads").write_text("in the way of the folder")
        for _ in range(3):
            assert (await api.http.post("/v1/uploads?filename=a.png", content=PNG)).status_code == 503
        (tmp_path / "uploads").unlink()
        assert (await api.http.post("/v1/uploads?filename=a.png", content=PNG)).status_code == 201


def delete_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a storage that takes files, and whose policy lets nobody delete one."""

    async def refuse(*_: object) -> None:
        raise PermissionDeniedError("AccessDenied")

    monkeypatch.setattr(obstore, "delete_async", refuse)


async def test_who_is_refused_a_file_is_told_why_also_where_it_cannot_be_deleted(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He would send it again and again, all of it."""
    delete_nothing(monkeypatch)
    async with running_api(redis_url, tmp_path, tenant_stored_bytes=len(MP4) - 1) as api:
        wrong = await api.http.post("/v1/uploads?filename=a.mp4", content=PNG)
        assert (wrong.status_code, wrong.json()["code"]) == (415, "unsupported_media")
        full = await api.http.post("/v1/uploads?filename=a.mp4", content=_one(MP4))
        assert (full.status_code, full.json()["code"]) == (413, "storage_full")


async def test_who_completes_a_file_that_is_refused_is_told_why_also_where_it_cannot_be_deleted(
    s3_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await presigned(s3_api)
    await put(place, PNG)
    delete_nothing(monkeypatch)
    for _ in range(2):
        refused = await s3_api.http.post(place["complete"])
        assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media")


async def test_an_upload_that_breaks_off_leaves_nothing(api: Api, tmp_path: Path) -> None:
    reader, writer = await begun(api, length=9_000_000)
    assert b"100 Continue" in await reader.readline()
    writer.write(MP4 * 20)
    await writer.drain()
    writer.close()
    await no_upload_is_under_way(api)
    assert files_in(tmp_path) == []
    assert await api.context.uploads.stored_bytes("acme") == 0


async def no_upload_is_under_way(api: Api) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while any("run_asgi" in repr(task) for task in asyncio.all_tasks()):
            await api.http.get("/livez")


async def begun(
    api: Api, *, length: int | None, call: str = "/v1/uploads?filename=a.mp4"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a call that says how long its body will be, and waits to hear whether it may go on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    lines = [f"POST {call} HTTP/1.1", "Host: x", f"Authorization: Bearer {api.key}", "Content-Type: application/json"]
    lines += [f"Content-Length: {length}" if length else "Transfer-Encoding: chunked", "Prefer: wait=60"]
    lines += ["Expect: 100-continue", "", ""]
    writer.write("\r\n".join(lines).encode())
    return reader, writer


async def test_a_process_takes_so_many_uploads_at_once_and_no_tenant_all_of_them(
    redis_url: str, tmp_path: Path
) -> None:
    """Each has megabytes in memory on its way, and a process that has none left is killed with all that it does."""
    async with running_api(redis_url, tmp_path, upload_memory_bytes=40_000_000) as api, await api.caller("b") as other:
        reader, writer = await begun(api, length=100_000_000)
        assert b"100 Continue" in await reader.readline()
        refused, refused_writer = await begun(api, length=100_000_000)
        assert b"HTTP/1.1 429 " in await refused.readline(), "before any of its body is asked for"
        own = await api.http.post("/v1/uploads?filename=a.png", content=_one(PNG))
        assert (own.status_code, own.json()["code"], own.headers["retry-after"]) == (429, "rate_limited", "5")
        assert (await api.http.post("/v1/uploads?filename=a.png", content=PNG)).status_code == 201, (
            "it says it is small"
        )
        with api.context.body_room.hold("another", upload_room_bytes(None)):
            full = await other.post("/v1/uploads?filename=a.png", content=_one(PNG))
            assert (full.status_code, full.json()["code"], full.headers["retry-after"]) == (503, "overloaded", "5")
        assert (await other.post("/v1/uploads?filename=a.png", content=_one(PNG))).status_code == 201
        for each in (writer, refused_writer):
            each.close()
        await no_upload_is_under_way(api)
        for _ in range(2):
            assert (await api.http.post("/v1/uploads?filename=a.png", content=_one(PNG))).status_code == 201


async def test_json_that_comes_in_pieces_has_its_room_until_it_is_answered(redis_url: str, tmp_path: Path) -> None:
    """Some hundred bodies of 4 MB that begin and wait had the process killed, as uploads had."""
    async with running_api(redis_url, tmp_path, upload_memory_bytes=40_000_000) as api:
        job = json.dumps({"prompt": "trim the pauses", "media": [{"url": "https://x.example/a.mp4"}]}).encode()
        waiting = [await begun(api, length=4_000_000, call="/v1/jobs:validate") for _ in range(5)]
        for reader, _ in waiting:
            assert b"100 Continue" in await reader.readline()
        refused, refused_writer = await begun(api, length=4_000_000, call="/v1/batches")
        assert b"HTTP/1.1 429 " in await refused.readline(), "before any of its body is asked for"
        assert (await api.http.post("/v1/jobs:validate", content=job, headers=JSON)).status_code == 200, "it is here"
        reader, writer = waiting[0]
        writer.write(job.ljust(4_000_000))
        await reader.readuntil(b"200 OK")
        for _, each in [*waiting, (refused, refused_writer)]:
            each.close()
        await no_upload_is_under_way(api)
        with api.context.body_room.hold("another", 40_000_000):
            reader, writer = await begun(api, length=4_000_000, call="/v1/jobs:validate")
            assert b"HTTP/1.1 503 " in await reader.readline()
            writer.close()
        with api.context.body_room.hold("another", 36_000_000):
            reader, writer = await begun(api, length=4_000_000, call="/v1/jobs:validate")
            assert b"100 Continue" in await reader.readline(), (
                "what was refused, broke off or was answered holds nothing"
            )
            writer.close()


async def test_json_of_unknown_length_has_no_more_room_than_it_needs_once_it_is_here(
    redis_url: str, tmp_path: Path
) -> None:
    """Whoever waits for the end of its job holds it for a minute."""
    async with running_api(redis_url, tmp_path, upload_memory_bytes=40_000_000) as api:
        job = json.dumps({"prompt": "trim the pauses", "media": [{"url": "https://x.example/a.mp4"}]}).encode()
        writers = []
        for number in range(6):
            reader, writer = await begun(api, length=None, call="/v1/jobs")
            writers.append(writer)
            assert b"100 Continue" in await reader.readline(), "five of unknown length are all that there is room for"
            writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(job), job))
            async with asyncio.timeout(PATIENCE_S):
                while len((await api.http.get("/v1/jobs")).json()["data"]) <= number:
                    pass
        for writer in writers:
            writer.close()


@pytest.mark.parametrize("size_bytes", [500_000, 1 << 20, 8_000_000])
async def test_uploads_hold_no_more_memory_than_they_have_room_for(api: Api, size_bytes: int) -> None:
    """All of them one byte before their end, as long as their senders like."""
    arrived, goes_on, count = asyncio.Semaphore(0), asyncio.Event(), 4

    async def all_but_the_end() -> AsyncIterator[bytes]:
        for start in range(0, size_bytes - 1, 65_536):
            yield (MP4 if start == 0 else b"").ljust(min(65_536, size_bytes - 1 - start), b"x")
        arrived.release()
        await goes_on.wait()
        yield b"x"

    tracemalloc.start()
    try:
        before_bytes, _ = tracemalloc.get_traced_memory()
        files = [NamedFile("a.mp4", all_but_the_end()) for _ in range(count)]
        storing = [asyncio.create_task(store_file(api.context, "acme", file)) for file in files]
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(count):
                await arrived.acquire()
        held_bytes = (tracemalloc.get_traced_memory()[0] - before_bytes) // count
        goes_on.set()
        await asyncio.gather(*storing)
    finally:  # when the storage's threads are at rest: Python may die of one that allocates just then (gh-128679)
        tracemalloc.stop()
    assert held_bytes <= 1.25 * upload_room_bytes(size_bytes), "a buffer that grows has an eighth more than is in it"


BROKEN_FORMS = [
    b"",
    b"--x\r\n",
    b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + PNG,
]


@pytest.mark.parametrize("body", BROKEN_FORMS, ids=range(len(BROKEN_FORMS)))
async def test_a_broken_form_is_malformed_and_leaves_nothing(api: Api, tmp_path: Path, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await api.http.post("/v1/uploads", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert files_in(tmp_path) == []


def form(*parts: tuple[str | bytes, bytes], boundary: bytes = b"x") -> bytes:
    """Write a form as a client would; a part is its head and its bytes."""
    lines = [
        b"--"
        + boundary
        + b"\r\n"
        + (head.encode() if isinstance(head, str) else head)
        + b"\r\n\r\n"
        + content
        + b"\r\n"
        for head, content in parts
    ]
    return b"".join(lines) + b"--" + boundary + b"--\r\n"


DATA = "Content-Disposition: form-data; "
NAMES = [
    (DATA + "name=f; filename=clip.mp4", "clip.mp4"),
    (DATA + 'filename="clip.mp4"', "clip.mp4"),
    (DATA + "name=f; filename*=utf-8''%C3%BCber.mp4", "\u00fcber.mp4"),
    (DATA + "name=f; filename=\"=?utf-8?B?w7xiZXIubXA0?=\"; filename*=utf-8''%C3%BCber.mp4", "\u00fcber.mp4"),
    (DATA + 'name=f; filename="=?utf-8?B?w7xiZXIubXA0?="', "\u00fcber.mp4"),
    (DATA + 'name=f; filename="\u00fcber.mp4"', "\u00fcber.mp4"),
    ((DATA + 'name=f; filename="\u00fcber.mp4"').encode("latin-1"), "\u00fcber.mp4"),
    (DATA + 'name="\u00fc"; filename="\U0001f469\u200d\U0001f467.mp4"', "\U0001f469\u200d\U0001f467.mp4"),
    (DATA + 'name=f; filename="a;b\\"c (1).mp4"', 'a;b"c (1).mp4'),
    (DATA + 'name=f; filename="a%22b.mp4"', 'a"b.mp4'),
    (DATA + 'name=f; filename="C:\\films\\a.mp4"', "a.mp4"),
    (DATA + 'name=f; filename="/tmp/a.mp4"', "a.mp4"),
    (DATA + 'name="file"; filename="blob"\r\nContent-Type: video/mp4', "blob"),
    (DATA + 'name="file"\r\nContent-Type: video/mp4', "media"),
    ('content-disposition: form-data;\r\n name="f";\r\n filename="folded.mp4"', "folded.mp4"),
    ("Content-Type: video/mp4\r\nContent-Transfer-Encoding: binary\r\n" + DATA + "name=f; filename=a.mp4", "a.mp4"),
    (DATA + f"name=f; filename*=utf-8''{'%F0%9F%98%80' * 250}.mp4", "\U0001f600" * 250 + ".mp4"),
    (DATA + 'name=f; filename=""\r\nContent-Type: video/mp4', "media"),
    ("Content-Disposition: attachment; filename=a.mp4", "a.mp4"),
    ("Content-Type: video/mp4", "media"),
]


@pytest.mark.parametrize(("head", "name"), NAMES, ids=range(len(NAMES)))
async def test_a_form_s_file_is_named_as_its_client_named_it(api: Api, head: str | bytes, name: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await api.http.post("/v1/uploads", content=form((head, MP4)), headers=headers)
    assert (answer.status_code, answer.json().get("filename")) == (201, name), answer.text


async def test_a_name_in_the_query_goes_before_the_form_s(api: Api) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    body = form((DATA + 'name=f; filename=""', MP4))
    answer = await api.http.post("/v1/uploads?filename=mine.mp4", content=body, headers=headers)
    assert (answer.status_code, answer.json().get("filename")) == (201, "mine.mp4")


@pytest.mark.parametrize(
    "written",
    ["a/b", '"a/b"', "===12==", "a:b", "a=b", "----x; charset=utf-8", '"a b"', "x ; a=b"],
)
async def test_a_boundary_is_read_quoted_as_it_should_be_or_not(api: Api, written: str) -> None:
    boundary = written.partition(";")[0].strip().strip('"').encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={written}"}
    body = form((DATA + "name=f; filename=a.mp4", MP4), boundary=boundary)
    assert (await api.http.post("/v1/uploads", content=body, headers=headers)).status_code == 201


async def test_fields_and_places_for_files_that_were_left_blank_are_passed_over(api: Api) -> None:
    blank = (DATA + 'name=other; filename=""\r\nContent-Type: application/octet-stream', b"")
    body = form(
        (DATA + "name=note", b"hello"), blank, (DATA + "name=f; filename=a.mp4", MP4), blank, (DATA + "name=n", b"1")
    )
    answer = await api.http.post(
        "/v1/uploads", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert (answer.status_code, answer.json()["size_bytes"]) == (201, len(MP4))


FILE = (DATA + "name=f; filename=a.mp4", MP4)
WRONG_FORMS = [
    (form(), 400, "empty"),
    (form((DATA + "name=note", b"hello"), (DATA + "name=more", b"1")), 400, "none of its parts (2) has a filename"),
    (form((DATA + 'name=f; filename=""', b"")), 400, "No file was chosen"),
    (form((DATA + "name=f; filename=a.mp4", b"")), 415, "empty"),
    (form(FILE, FILE), 400, "more than one file"),
    (form(FILE)[:-10], 400, "ends before its last boundary"),
    (form(FILE, boundary=b"y"), 400, "boundaries that Content-Type names"),
    (b"", 400, "boundaries that Content-Type names"),
    (form(*[(DATA + "name=x", b"1")] * 20, FILE), 400, "16 parts"),
    (form((DATA + f"name=f; filename={'a' * 300}.mp4", MP4)), 422, "length"),
    (form((DATA + f"name=f; filename={'a' * 20_000}.mp4", MP4)), 400, "length"),
    (form(("X-Part: 1", MP4)), 400, "none of its parts (1) has a filename"),
    (
        form((FILE[0] + "\r\nContent-Transfer-Encoding: base64", b64encode(MP4))),
        415,
        "Content-Transfer-Encoding: base64",
    ),
    (form((FILE[0] + "\r\nContent-Encoding: gzip", compress(MP4))), 415, "Content-Encoding: gzip"),
    (form((DATA + "name=f; filename=a.pdf", b"%PDF-1.7")), 415, ".pdf"),
]


@pytest.mark.parametrize(("body", "status", "words"), WRONG_FORMS, ids=range(len(WRONG_FORMS)))
async def test_a_refused_form_is_told_what_was_wrong_with_it(
    api: Api, tmp_path: Path, body: bytes, status: int, words: str
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await api.http.post("/v1/uploads", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("kind", ["mixed", "related", "alternative"])
async def test_another_kind_of_multipart_is_told_what_is_taken(api: Api, kind: str) -> None:
    headers = {"Content-Type": f"multipart/{kind}; boundary=x"}
    answer = await api.http.post("/v1/uploads?filename=a.mp4", content=form(FILE), headers=headers)
    assert answer.status_code == 415
    assert "multipart/form-data" in answer.json()["detail"]
    assert f"multipart/{kind}" in answer.json()["detail"]


@pytest.mark.parametrize(
    "target", ["\u00fcber%20b.mp4".encode(), b"%C3%BCber%20b.mp4", b"%FCber+b.mp4", b"\xfcber+b.mp4"]
)
async def test_a_name_in_the_query_is_kept_however_its_client_escapes_it(api: Api, target: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    head = f" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nContent-Length: {len(MP4)}\r\n"
    request = b"POST /v1/uploads?filename=" + target + head.encode() + b"Connection: close\r\n\r\n" + MP4
    writer.write(request)
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 201"), answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["filename"] == "\u00fcber b.mp4"
    writer.close()


async def test_a_large_file_is_never_held_in_memory(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield MP4
        for _ in range(150):
            yield MEBIBYTE

    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await api.http.post("/v1/uploads", params={"filename": "big.mp4"}, content=chunks())
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert answer.status_code == 201
    assert answer.json()["size_bytes"] == len(MP4) + 150 * len(MEBIBYTE)
    assert grown_kb < 80_000


async def test_a_file_that_is_too_large_for_the_profile_is_refused_at_submit(api: Api) -> None:
    upload = (await api.http.post("/v1/uploads", params={"filename": "a.mp4"}, content=MP4)).json()
    kept, _ = await api.context.uploads.load(upload["id"])
    ask = {
        "prompt": "make a video",
        "profile": "free-video-generation-automatic",
        "media": [{"upload_id": upload["id"]}],
    }
    await api.context.uploads.keep(replace(kept, size_bytes=200_000_000))
    assert (await api.http.post("/v1/jobs", json=ask)).status_code == 202
    await api.context.uploads.keep(replace(kept, size_bytes=200_000_001))
    refused = await api.http.post("/v1/jobs", json=ask)
    assert (refused.status_code, refused.json()["code"]) == (422, "media_too_large")
    assert "200000000" in refused.json()["detail"]


@pytest.fixture
async def s3_api(redis_url: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    async with running_api(redis_url, f"s3://{BUCKET}/uploads-of-tests") as running:
        yield running


async def presigned(api: Api, name: str = "clip.mp4") -> dict[str, str]:
    answer = await api.http.post("/v1/uploads:presign", params={"filename": name})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_with_s3_a_file_goes_straight_to_storage_and_is_looked_at_when_complete(s3_api: Api) -> None:
    place = await presigned(s3_api)
    async with httpx.AsyncClient(trust_env=False) as anybody:
        assert (await anybody.put(place["url"], content=MP4)).status_code == 200
    assert (await s3_api.http.get(f"/v1/uploads/{place['id']}")).status_code == 404, "not before it is complete"
    complete = await s3_api.http.post(place["complete"])
    assert (complete.status_code, complete.json()["size_bytes"]) == (200, len(MP4))
    assert (await s3_api.http.post(place["complete"])).json() == complete.json()
    assert (await s3_api.submit(media=[{"upload_id": place["id"]}]))["status"] == "queued"


async def test_a_file_that_is_not_what_its_name_says_is_gone_from_s3_too(s3_api: Api) -> None:
    place = await presigned(s3_api)
    early = await s3_api.http.post(place["complete"])
    assert (early.status_code, early.json()["code"]) == (409, "not_uploaded")
    async with httpx.AsyncClient(trust_env=False) as anybody:
        await anybody.put(place["url"], content=PNG)
    assert (await s3_api.http.post(place["complete"])).status_code == 415
    assert (await s3_api.http.post(place["complete"])).status_code == 404
    assert await s3_api.context.uploads.expected(place["id"]) is None
    async with httpx.AsyncClient(trust_env=False) as anybody:
        assert (await anybody.put(place["url"], content=PNG)).status_code == 200, "its URL works on"
    later = Uploads(s3_api.context.store, HandClock(s3_api.context.clock.now_ms() + 26 * 3_600_000))
    [sent] = [each for each in await later.closed_places() if each.path == f"sent/{place['id']}"]
    assert (await later.is_in_use(sent), await s3_api.context.storage.size_bytes(sent.path)) == (False, len(PNG))


async def put(place: dict[str, str], content: bytes) -> None:
    async with httpx.AsyncClient(trust_env=False) as anybody:
        assert (await anybody.put(place["url"], content=content)).status_code == 200


async def kept_bytes(api: Api, place: dict[str, str]) -> bytes:
    """Read what a worker would bring to the backend."""
    found = await api.context.uploads.load(place["id"])
    assert found is not None
    return await api.context.storage.head(found[0].path, len(MP4) + 1)


async def of_an_older_release(api: Api) -> dict[str, str]:
    """Presign as releases did whose URLs lead to where the file was kept."""
    upload = new_upload(api.context, "acme", "clip.mp4", "mp4")
    url = await api.context.storage.put_url(upload.path, for_s=60)
    await api.context.uploads.expect(upload, url_until_ms=upload.created_at_ms + 60_000)
    return {"id": upload.id, "url": str(url), "complete": f"/v1/uploads/{upload.id}/complete"}


@pytest.mark.parametrize("presign", [presigned, of_an_older_release])
async def test_what_is_sent_by_a_url_after_its_upload_was_completed_is_not_the_upload_s(
    s3_api: Api, presign: Callable[[Api], Awaitable[dict[str, str]]]
) -> None:
    place = await presign(s3_api)
    await put(place, MP4)
    expected = await s3_api.context.uploads.expected(place["id"])
    assert expected is not None
    complete = await s3_api.http.post(place["complete"])
    assert (complete.status_code, await kept_bytes(s3_api, place)) == (200, MP4)
    with pytest.raises(FileMissing):
        await s3_api.context.storage.size_bytes(expected.path)
    await put(place, PNG * 2000)
    assert (await s3_api.http.post(place["complete"])).json() == complete.json()
    await keep_what_was_sent(s3_api.context, expected)  # as a call does that began at the same time
    assert (await kept_bytes(s3_api, place), await s3_api.context.uploads.expected(place["id"])) == (MP4, None)


async def test_a_complete_whose_process_died_anywhere_can_be_repeated(s3_api: Api) -> None:
    uploads, storage = s3_api.context.uploads, s3_api.context.storage
    place = await presigned(s3_api)
    await put(place, MP4)
    expected = await uploads.expected(place["id"])
    assert expected is not None
    died = replace(expected, path=f"uploads/{expected.id}-died.mp4")
    await uploads.announce_copy(died)
    await storage.copy(expected.path, died.path, size_bytes=len(MP4))
    assert (await s3_api.http.post(place["complete"])).status_code == 200
    assert await uploads.keep_copy(died) is None
    await storage.write(expected.path, whole(MP4))  # as where it died before this went
    assert (await s3_api.http.post(place["complete"])).status_code == 200
    later = Uploads(s3_api.context.store, HandClock(s3_api.context.clock.now_ms() + 26 * 3_600_000))
    places = [each for each in await later.closed_places() if each.upload_id == place["id"]]
    assert {each.path for each in places if not await later.is_in_use(each)} == {expected.path, died.path}
    assert len(places) == 3
    assert await kept_bytes(s3_api, place) == MP4


async def test_of_two_who_complete_at_once_both_are_told_of_the_same_file(s3_api: Api) -> None:
    place = await presigned(s3_api)
    await put(place, MP4)
    before = await s3_api.context.uploads.stored_bytes("acme")
    answers = await asyncio.gather(*(s3_api.http.post(place["complete"]) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert await s3_api.context.uploads.stored_bytes("acme") == before + len(MP4)
    assert await kept_bytes(s3_api, place) == MP4


async def test_what_is_sent_may_be_no_more_than_its_tenant_has_room_for(s3_api: Api) -> None:
    place = await presigned(s3_api)
    await put(place, MP4)
    limit = s3_api.context.settings.tenant_stored_bytes
    much = replace(new_upload(s3_api.context, "acme", "a.mp4", "mp4"), size_bytes=limit)
    await s3_api.context.uploads.keep(much)
    refused = await s3_api.http.post(place["complete"])
    assert (refused.status_code, refused.json()["code"]) == (413, "storage_full")
    await s3_api.context.uploads.drop(much)
    assert (await s3_api.http.post(place["complete"])).status_code == 404
    with pytest.raises(FileMissing):
        await s3_api.context.storage.size_bytes(f"sent/{place['id']}")


async def test_a_process_that_stops_while_it_looks_at_a_file_leaves_none_in_s3(
    redis_url: str, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Unread(s3)
    async with await asyncio.start_server(before.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        async with running_api(redis_url, f"s3://{BUCKET}/unread") as api:
            storing = asyncio.create_task(store_file(api.context, "acme", NamedFile("clip.mp4", whole(MP4))))
            async with asyncio.timeout(PATIENCE_S):
                await before.asked.wait()
            storing.cancel()
            await asyncio.wait([storing])
    async with httpx.AsyncClient(trust_env=False) as anybody:
        listed = await anybody.get(f"{s3}/{BUCKET}", params={"list-type": "2", "prefix": "unread/"})
    assert (listed.status_code, "<Key>" in listed.text) == (200, False)


async def test_a_file_that_has_come_is_kept_where_the_storage_does_not_tell_how_long_it_is(
    redis_url: str, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Unread(s3, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    async with await asyncio.start_server(before.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        async with running_api(redis_url, f"s3://{BUCKET}/untold") as api:
            answer = await api.http.post("/v1/uploads?filename=clip.mp4", content=MP4)
    assert (answer.status_code, answer.json()["duration_s"], before.asked.is_set()) == (201, None, True)


async def test_a_file_that_the_storage_has_taken_and_does_not_show_is_to_be_sent_again(
    redis_url: str, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Unread(s3, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    async with await asyncio.start_server(before.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        async with running_api(redis_url, f"s3://{BUCKET}/unshown") as api:
            answer = await api.http.post("/v1/uploads?filename=clip.mp4", content=MP4)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_who_names_an_upload_that_is_being_deleted_is_answered_as_for_a_missing_one(api: Api) -> None:
    upload = (await api.http.post("/v1/uploads", params={"filename": "a.mp4"}, content=MP4)).json()
    ended = await api.submit(media=[{"upload_id": upload["id"]}])
    await api.http.post(f"/v1/jobs/{ended['id']}/cancel")
    loaded = await api.context.uploads.load(upload["id"])
    assert loaded is not None
    await api.context.uploads.withdraw(loaded[0])  # its bytes go next
    ask = {"prompt": "trim it", "media": [CLIP, {"upload_id": upload["id"]}]}
    key = {"Idempotency-Key": "once"}
    refused = await api.http.post("/v1/jobs", json=ask, headers=key)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (404, "/media/1/upload_id")
    assert (await api.http.post("/v1/jobs", json=ask | {"media": [CLIP]}, headers=key)).status_code == 202
    assert (await api.http.post(f"/v1/jobs/{ended['id']}/replay")).status_code == 404
    jobs = [ask, ask | {"media": [CLIP]}, ask]
    batch = (await api.http.post("/v1/batches", json={"jobs": jobs})).json()
    assert [item["status"] for item in batch["items"]] == [404, 202, 404]
    assert batch["items"][2]["problem"]["errors"][0]["pointer"] == "/media/1/upload_id"
    assert len((await api.http.get(f"/v1/batches/{batch['id']}")).json()["jobs"]) == 1
    shared = await api.http.post("/v1/batches", json={"jobs": jobs, "session": "shared"})
    assert [error["pointer"] for error in shared.json()["errors"]] == [f"/jobs/{n}/media/1/upload_id" for n in (0, 2)]
    assert (await api.http.delete(f"/v1/uploads/{upload['id']}")).status_code == 204
    assert (await api.http.post("/v1/jobs", json=ask, headers={"Idempotency-Key": "again"})).json() | {
        "request_id": "",
    } == refused.json() | {"request_id": ""}


async def test_who_completes_an_upload_while_there_is_no_room_to_look_at_it_is_told_to_come_again(s3_api: Api) -> None:
    """A megabyte each, and who has sent a thousand files may complete them all at once."""
    place = await presigned(s3_api)
    await put(place, MP4)
    room_bytes = s3_api.context.settings.upload_memory_bytes
    with s3_api.context.body_room.hold("another", room_bytes - HEAD_BYTES):
        full = await s3_api.http.post(place["complete"])
        assert (full.status_code, full.json()["code"], full.headers["retry-after"]) == (503, "overloaded", "5")
    with s3_api.context.body_room.hold("acme", room_bytes // 2):
        much = await s3_api.http.post(place["complete"])
        assert (much.status_code, much.json()["code"], much.headers["retry-after"]) == (429, "rate_limited", "5")
    assert (await s3_api.http.post(place["complete"])).status_code == 200
    assert await kept_bytes(s3_api, place) == MP4


async def test_a_stranger_cannot_complete_an_upload(s3_api: Api) -> None:
    place = await presigned(s3_api)
    async with await s3_api.caller("other") as stranger:
        assert (await stranger.post(place["complete"])).status_code == 404


async def test_in_a_folder_there_is_no_url_to_send_to(api: Api) -> None:
    answer = await api.http.post("/v1/uploads:presign", params={"filename": "clip.mp4"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_available")


async def test_a_half_upload_of_a_process_that_died_is_dropped_a_day_later(api: Api, tmp_path: Path) -> None:
    uploads, storage = api.context.uploads, api.context.storage
    half = Upload(
        id=new_id("upl"),
        tenant="acme",
        filename="a.mp4",
        format="mp4",
        size_bytes=0,
        path="uploads/half.mp4",
        created_at_ms=0,
    )
    goes_ms = await uploads.expect(half)
    await storage.write(half.path, half_of(MP4))
    assert await uploads.load(half.id) is None
    later = Uploads(api.context.store, HandClock(goes_ms + 1))
    assert [u.id for u in await later.due()] == [half.id]


async def test_an_upload_that_could_not_be_remembered_is_completed_once_it_can_be(api: Api, tmp_path: Path) -> None:
    context = api.context
    expected = new_upload(context, "acme", "a.mp4", "mp4")
    await context.uploads.expect(expected)
    await context.storage.write(expected.path, whole(MP4))
    await context.store.redis.config_set("maxmemory", 1)
    try:
        refused = await api.http.post(f"/v1/uploads/{expected.id}/complete")
    finally:
        await context.store.redis.config_set("maxmemory", 0)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    complete = await api.http.post(f"/v1/uploads/{expected.id}/complete")
    assert (complete.status_code, [f.read_bytes() for f in files_in(tmp_path)]) == (200, [MP4])


async def half_of(content: bytes) -> AsyncIterator[bytes]:
    yield content[: len(content) // 2]
