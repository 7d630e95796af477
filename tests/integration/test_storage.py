"""Files in a local folder and in S3 alike: streamed in and out, in parts, and gone when they are deleted."""

import asyncio
import errno
import os
import re
import sys
import threading
import tracemalloc
import urllib.request
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import obstore
import pytest

from core.metrics import REGISTRY
from core.storage.errors import FileMissing, StorageDown
from core.storage.parts import CHUNK_BYTES, PART_BYTES
from core.storage.storage import Storage
from tests.hung_folder import hung
from tests.s3_fixture import BUCKET, Stalled, Unread, access_to, s3
from tests.until import PATIENCE_S, until

__all__ = ["s3"]

#: a request to a storage that hangs ends after this by itself, and is made anew
_LIBRARY_GOES_ON_S = 25.0


@pytest.fixture(params=["folder", "s3"])
def storage(request, tmp_path, monkeypatch) -> Storage:
    if request.param == "folder":
        return Storage(str(tmp_path / "files"))
    for name, value in access_to(request.getfixturevalue("s3")).items():
        monkeypatch.setenv(name, value)
    return Storage(f"s3://{BUCKET}/some/prefix")


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for number, size in enumerate(sizes):
        yield bytes([number]) * size


async def text_of(storage: Storage, path: str, **part: int) -> bytes:
    return b"".join([chunk async for chunk in (await storage.read(path, **part)).chunks])


async def test_a_file_comes_out_as_it_went_in_over_many_parts(storage):
    sizes = (PART_BYTES, 1, CHUNK_BYTES + 7)
    assert await storage.write("uploads/a.mp4", pieces(*sizes)) == sum(sizes)
    assert await storage.size_bytes("uploads/a.mp4") == sum(sizes)
    whole = await text_of(storage, "uploads/a.mp4")
    assert whole == b"".join([piece async for piece in pieces(*sizes)])
    assert await text_of(storage, "uploads/a.mp4", start=PART_BYTES - 1, end=PART_BYTES + 2) == b"\0\1\2"
    assert await storage.head("uploads/a.mp4", 4) == b"\0\0\0\0"


async def test_an_empty_file_is_a_file(storage):
    assert await storage.write("uploads/empty", pieces()) == 0
    assert await text_of(storage, "uploads/empty") == b""


async def test_a_file_whose_sender_breaks_off_leaves_nothing(storage):
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (PART_BYTES + 1)
        raise ConnectionError

    before = failures()
    with pytest.raises(ConnectionError):
        await storage.write("uploads/half.mp4", broken())
    with pytest.raises(FileMissing):
        await storage.size_bytes("uploads/half.mp4")
    assert failures() == before, "the storage did all that it was asked for"


def unfinished_uploads(s3: str) -> str:
    with urllib.request.urlopen(f"{s3}/{BUCKET}?uploads") as answer:
        listed: str = answer.read().decode()
    return "".join(re.findall("<Upload>.*?</Upload>", listed, re.DOTALL))


@pytest.fixture
def in_s3(s3, monkeypatch) -> Storage:
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    return Storage(f"s3://{BUCKET}/some/prefix")


@pytest.mark.parametrize("whole_parts", [1, 3])
async def test_in_s3_no_part_is_left_of_a_write_that_breaks_off(s3, in_s3, whole_parts):
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (whole_parts * PART_BYTES + 1)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await in_s3.write("uploads/half.mp4", broken())
    assert unfinished_uploads(s3) == ""


async def test_in_s3_no_part_is_left_of_a_write_that_is_cancelled(s3, in_s3):
    hanging = asyncio.Event()

    async def hangs() -> AsyncIterator[bytes]:
        yield b"x" * (2 * PART_BYTES)
        hanging.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(in_s3.write("uploads/half.mp4", hangs()))
    await asyncio.wait_for(hanging.wait(), PATIENCE_S)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert unfinished_uploads(s3) == ""
    with pytest.raises(FileMissing):
        await in_s3.size_bytes("uploads/half.mp4")


@pytest.mark.parametrize("sent_bytes", [1, PART_BYTES + 1])
async def test_a_write_that_breaks_off_leaves_what_another_has_written_there_meanwhile(storage, sent_bytes):
    async def overtaken() -> AsyncIterator[bytes]:
        yield b"x" * sent_bytes
        await storage.write("outputs/a", pieces(3))
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await storage.write("outputs/a", overtaken())
    assert await text_of(storage, "outputs/a") == b"\0\0\0"


async def test_writing_again_replaces(storage):
    await storage.write("outputs/a", pieces(10))
    await storage.write("outputs/a", pieces(3))
    assert await storage.size_bytes("outputs/a") == 3


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(storage):
    await storage.write("outputs/b", pieces(3))
    await storage.delete("outputs/b")
    await storage.delete("outputs/b")
    with pytest.raises(FileMissing):
        await storage.read("outputs/b")


async def test_a_folder_goes_with_all_that_is_in_it_and_nothing_beside_it(storage):
    for path in ("fetched/a/0", "fetched/a/1", "fetched/ab/0"):
        await storage.write(path, pieces(3))
    assert sorted(await storage.names_in("fetched/a")) == ["fetched/a/0", "fetched/a/1"]
    await storage.delete_folder("fetched/a")
    await storage.delete_folder("fetched/a")
    assert await storage.names_in("fetched/a") == []
    for gone in ("fetched/a/0", "fetched/a/1"):
        with pytest.raises(FileMissing):
            await storage.size_bytes(gone)
    assert await storage.size_bytes("fetched/ab/0") == 3


async def test_a_file_that_is_finished_while_its_folder_is_deleted_goes_too(tmp_path, monkeypatch):
    """By a worker that was frozen, of a job that is over: nobody would look there again."""
    half, unlink = tmp_path / "outputs/a/b.mp4#1", os.unlink

    def finished_first(*entry, **how):
        if half.exists():
            half.rename(half.with_name("b.mp4"))
        unlink(*entry, **how)

    half.parent.mkdir(parents=True)
    half.write_text("all of a film")
    monkeypatch.setattr(os, "unlink", finished_first)
    await Storage(str(tmp_path)).delete_folder("outputs/a")
    assert files_in(tmp_path) == []


async def test_where_a_bucket_may_not_be_listed_a_job_can_be_removed_all_the_same(s3, monkeypatch):
    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(denied)
    before = Unread(s3, head + denied, at=f"GET /{BUCKET}?".encode())
    async with await asyncio.start_server(before.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        await Storage(f"s3://{BUCKET}/unlisted").delete_folder("outputs/a")
    assert before.asked.is_set()


async def test_a_file_that_is_not_there_is_deleted_also_where_the_storage_calls_that_an_error(s3, monkeypatch):
    """As one that somebody else has deleted since its folder was listed."""
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    await Storage(f"s3://{BUCKET}/gone").write("outputs/job_1/a", pieces(5))
    key = "<Key>gone/outputs/job_1/a</Key><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"
    told = f"<DeleteResult><Error>{key}</Error></DeleteResult>".encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(told)
    before = Unread(s3, head + told, at=b"POST ")
    async with await asyncio.start_server(before.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        storage = Storage(f"s3://{BUCKET}/gone")
        for deleted in (storage.delete("outputs/job_1/a"), storage.delete_folder("outputs/job_1")):
            await deleted
            assert before.asked.is_set()
            before.asked.clear()


@pytest.mark.parametrize("away", ["a file where its folder was", "nobody at its address"])
async def test_a_storage_that_is_away_is_told_as_one_whatever_is_asked_of_it(away, tmp_path, monkeypatch):
    for name, value in access_to("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    storage = Storage(str(tmp_path) if "file" in away else f"s3://{BUCKET}/x")
    (tmp_path / "uploads").write_text("in the way")
    before = failures()
    for asked in (
        storage.write("uploads/a.mp4", pieces(PART_BYTES + 1)),
        storage.size_bytes("uploads/a.mp4"),
        storage.head("uploads/a.mp4", 4),
        storage.delete("uploads/a.mp4"),
        storage.delete_folder("uploads/a"),
        storage.names_in("uploads/a"),
    ):
        with pytest.raises(StorageDown):
            await asked
    assert failures() - before == 6


def failures() -> float:
    return REGISTRY.get_sample_value("reelgate_storage_failures_total") or 0.0


async def test_a_storage_that_hangs_is_one_that_is_away(monkeypatch):
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while await reader.read(65_536):
                pass

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        storage = Storage(f"s3://{BUCKET}/x", answer_s=0.1)
        for asked in (
            *(storage.size_bytes("a"), storage.read("a"), storage.delete("a"), storage.delete_folder("a")),
            *(storage.names_in("a"), storage.copy("a", "b", size_bytes=1000)),
        ):
            with pytest.raises(StorageDown):
                await asyncio.wait_for(asked, _LIBRARY_GOES_ON_S)


async def test_a_folder_that_hangs_is_away_and_keeps_no_thread_that_others_need(tmp_path, monkeypatch):
    """A volume of a network, whose server is away: no call to it ends before it is back."""
    is_back, stat = threading.Event(), os.stat

    def hang(place, **how):
        if Path(place) == tmp_path:
            assert is_back.wait(PATIENCE_S)
        return stat(place, **how)

    storage = Storage(str(tmp_path), answer_s=0.2)
    monkeypatch.setattr(os, "stat", hang)
    try:
        writing = [asyncio.create_task(storage.write(f"uploads/{n}", pieces(5))) for n in range(40)]
        done, _ = await asyncio.wait([*writing, asyncio.create_task(asyncio.to_thread(int))], timeout=PATIENCE_S)
    finally:
        is_back.set()
    assert len(done) == 41, "somebody waits for it"
    assert {type(each.exception()) for each in writing} == {StorageDown}
    assert await Storage(str(tmp_path)).write("uploads/a", pieces(5)) == 5


@pytest.mark.parametrize("size_bytes", [5, 3 * PART_BYTES])
async def test_a_volume_that_hangs_while_a_file_is_written_is_away(tmp_path, size_bytes):
    (tmp_path / "uploads").mkdir()
    storage = Storage(str(tmp_path), answer_s=0.2, part_s=0.2)
    with hung(tmp_path / "uploads"):
        for asked in (
            *(storage.write("uploads/a", pieces(size_bytes - 1, 1)), storage.delete("uploads/a")),
            *(storage.delete_folder("uploads/b"), storage.names_in("uploads")),
        ):
            with pytest.raises(StorageDown):
                await asyncio.wait_for(asked, PATIENCE_S)
    assert await Storage(str(tmp_path)).write("uploads/a", pieces(size_bytes)) == size_bytes


async def test_a_volume_that_sends_a_file_off_only_at_its_end_has_time_for_that_by_its_size(tmp_path, monkeypatch):
    """As a network's, whose file is whole once all that memory held of it has gone out."""
    put, part_s = obstore.put_async, 0.1

    async def put_slowly(*of, **how):
        put_as = await put(*of, **how)
        await asyncio.sleep(5 * part_s)
        return put_as

    monkeypatch.setattr(obstore, "put_async", put_slowly)
    storage = Storage(str(tmp_path), part_s=part_s)
    assert await storage.write("outputs/a", pieces(4 * PART_BYTES)) == 4 * PART_BYTES


@pytest.mark.parametrize("error", [errno.ESTALE, errno.ENOTCONN, errno.EIO])
async def test_a_folder_whose_volume_is_broken_is_a_storage_that_is_away(tmp_path, monkeypatch, error):
    stat = os.stat

    def refuse(place, **how):
        if Path(place) == tmp_path:
            raise OSError(error, os.strerror(error))
        return stat(place, **how)

    storage = Storage(str(tmp_path))
    monkeypatch.setattr(os, "stat", refuse)
    for asked in (storage.write("uploads/a", pieces(5)), storage.delete_folder("uploads"), storage.head("a", 4)):
        with pytest.raises(StorageDown):
            await asked


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_url_that_cannot_be_signed_since_its_credentials_do_not_come_is_a_storage_that_is_away(
    monkeypatch, is_there
):
    """As a pod's role has them from the host's metadata."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.read()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1] if is_there else 9
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        storage = Storage(f"s3://{BUCKET}/x", answer_s=0.3)
        with pytest.raises(StorageDown):
            await asyncio.wait_for(storage.put_url("sent/a", for_s=60), _LIBRARY_GOES_ON_S)


@pytest.mark.parametrize("ask", ["copy", "write"])
async def test_what_takes_s3_its_time_is_not_broken_off_as_a_question_would_be(ask, monkeypatch):
    asked, copied = (
        0,
        b"<CopyObjectResult><LastModified>2026-11-27T08:00:00Z</LastModified><ETag>a</ETag></CopyObjectResult>",
    )

    async def take_its_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with closing(writer), suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                asked += 1
                await asyncio.sleep(1.5)
                writer.write(b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: %d\r\n\r\n%b' % (len(copied), copied))

    with closing(await asyncio.start_server(take_its_time, "127.0.0.1", 0)) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_TIMEOUT", "500 ms")  # of the library's 30 s, for which nobody waits here
        storage = Storage(f"s3://{BUCKET}/x")
        async with asyncio.timeout(PATIENCE_S):
            await (storage.copy("a", "b", size_bytes=1000) if ask == "copy" else storage.write("a", pieces()))
    assert asked == 1


async def test_a_storage_that_knows_a_file_and_hangs_over_its_bytes_is_away(monkeypatch):
    async def tell_its_size_alone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while (await reader.readuntil(b"\r\n\r\n")).startswith(b"HEAD "):
                modified = b"Last-Modified: Fri, 27 Nov 2026 08:00:00 GMT"
                writer.write(b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 9000000\r\n' + modified + b"\r\n\r\n")
            await reader.read()

    async with await asyncio.start_server(tell_its_size_alone, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        storage = Storage(f"s3://{BUCKET}/x", answer_s=0.5)
        with pytest.raises(StorageDown):
            await asyncio.wait_for(storage.head("a", 10), _LIBRARY_GOES_ON_S)


async def test_who_breaks_off_while_the_storage_is_away_is_told_as_that(tmp_path):
    async def broken() -> AsyncIterator[bytes]:
        raise ConnectionError
        yield b""

    (tmp_path / "uploads").write_text("in the way")
    with pytest.raises(ConnectionError):
        await Storage(str(tmp_path)).write("uploads/a.mp4", broken())


async def test_of_a_file_that_s3_takes_slowly_a_few_parts_are_held(s3, monkeypatch):
    taken_bytes, stalled = 0, Stalled(s3)

    async def taken() -> AsyncIterator[bytes]:
        nonlocal taken_bytes
        while taken_bytes < 9 * PART_BYTES:
            taken_bytes += CHUNK_BYTES
            yield bytes(CHUNK_BYTES)

    async with await asyncio.start_server(stalled.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        storage = Storage(f"s3://{BUCKET}/x")
        writing = asyncio.create_task(storage.write("uploads/a.mp4", taken()))
        await asyncio.wait([writing], timeout=1)  # so that it has taken what it takes; on a slow machine less
        assert taken_bytes <= 3 * PART_BYTES
        stalled.gate.set()
        assert await writing == taken_bytes == await storage.size_bytes("uploads/a.mp4")


async def test_what_is_written_of_a_file_is_not_held_while_the_rest_comes(tmp_path):
    async def few_are_held() -> bool:
        return tracemalloc.get_traced_memory()[0] - before_bytes < PART_BYTES

    async def comes() -> AsyncIterator[bytes]:
        for _ in range(2 * PART_BYTES // CHUNK_BYTES + 1):
            yield bytes(CHUNK_BYTES)
        await until(few_are_held, within_s=PATIENCE_S)

    storage = Storage(str(tmp_path))
    tracemalloc.start()
    try:
        before_bytes = tracemalloc.get_traced_memory()[0]
        await storage.write("uploads/a.mp4", comes())
    finally:
        tracemalloc.stop()


def files_in(folder: Path) -> list[str]:
    return [name for _, _, names in os.walk(folder) for name in names]


async def is_empty(folder: Path) -> bool:
    return files_in(folder) == []


async def test_nothing_is_left_behind_in_the_folder(tmp_path):
    storage = Storage(str(tmp_path))
    await storage.write("uploads/a", pieces(PART_BYTES + 5))
    await storage.delete("uploads/a")
    assert files_in(tmp_path) == []


async def test_nothing_is_left_of_a_write_that_broke_off(tmp_path):
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (PART_BYTES + 1)
        yield b"x" * (PART_BYTES + 1)
        assert files_in(tmp_path) != []
        raise ConnectionError

    with suppress(ConnectionError):
        await Storage(str(tmp_path)).write("uploads/half.mp4", broken())
    await until(partial(is_empty, tmp_path), within_s=PATIENCE_S)


@pytest.mark.parametrize("size_bytes", [0, 5, PART_BYTES + 5])
async def test_a_file_is_written_when_no_power_cut_takes_it_any_more(tmp_path, monkeypatch, size_bytes):
    """Its bytes, its name, and the names of the folders that were made for it."""
    on_disk, fsync = {}, os.fsync

    def note(opened: int) -> None:
        fsync(opened)
        place = Path(f"/proc/self/fd/{opened}").readlink()
        on_disk[place] = place.stat().st_size if place.is_file() else {each.name for each in place.iterdir()}

    monkeypatch.setattr(os, "fsync", note)
    await Storage(str(tmp_path)).write("outputs/a/b.mp4", pieces(size_bytes))
    names = {tmp_path: {"outputs"}, tmp_path / "outputs": {"a"}, tmp_path / "outputs/a": {"b.mp4"}}
    assert on_disk == names | {tmp_path / "outputs/a/b.mp4": size_bytes}


@pytest.mark.parametrize("size_bytes", [5, PART_BYTES + 5])
async def test_a_file_that_is_only_to_be_passed_on_does_not_wait_for_the_disk(tmp_path, monkeypatch, size_bytes):
    """What it costs each job is a tenth of its worker's time."""
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("it waits for the disk"))
    storage = Storage(str(tmp_path))
    assert await storage.write("fetched/a/b.mp4", pieces(size_bytes), lasting=False) == size_bytes
    assert await storage.size_bytes("fetched/a/b.mp4") == size_bytes


async def test_a_disk_that_is_slow_to_keep_a_file_keeps_nobody_from_anything_else(tmp_path, monkeypatch):
    asked, answered, fsync = threading.Event(), threading.Event(), os.fsync

    def slow(opened: int) -> None:
        asked.set()
        assert answered.wait(PATIENCE_S), "the loop stood still"
        fsync(opened)

    monkeypatch.setattr(os, "fsync", slow)
    storage = Storage(str(tmp_path))
    writing = [asyncio.create_task(storage.write(f"uploads/{n}", pieces(5))) for n in range(40)]
    assert await asyncio.to_thread(asked.wait, PATIENCE_S)
    await asyncio.wait_for(asyncio.to_thread(int), PATIENCE_S)  # whoever else needs a thread has one
    assert not any(each.done() for each in writing), "none is told as written before it is"
    answered.set()
    assert await asyncio.gather(*writing) == [5] * 40


async def test_those_who_are_stopped_while_the_disk_is_slow_leave_threads_for_all_that_others_ask(
    tmp_path, monkeypatch
):
    """As dozens of jobs that are cancelled at once while their films are kept: what was asked of the disk goes on."""
    asked, answered, fsync = threading.Semaphore(0), threading.Event(), os.fsync

    def slow(opened: int) -> None:
        asked.release()
        assert answered.wait(PATIENCE_S)
        fsync(opened)

    monkeypatch.setattr(os, "fsync", slow)
    storage, stopped = Storage(str(tmp_path)), []
    try:
        for n in range(20):
            stopped.append(asyncio.create_task(storage.write(f"uploads/{n}", pieces(5))))
            await until(partial(is_whole, tmp_path, str(n)), within_s=PATIENCE_S)
            await asyncio.to_thread(asked.acquire, timeout=0.1)
            stopped[-1].cancel()
        await asyncio.wait(stopped)
        assert len(await asyncio.wait_for(storage.names_in("uploads"), PATIENCE_S / 2)) == 20
    finally:
        answered.set()
    assert await storage.write("uploads/a", pieces(5)) == 5


async def is_whole(folder: Path, name: str) -> bool:
    return name in files_in(folder)


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
async def test_of_a_file_that_the_disk_does_not_keep_nothing_is_left(tmp_path, monkeypatch, error):
    """Some say only then that they are full: a network's, and one on which the tenant has a quota."""

    def refuse(_: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageDown):
        await Storage(str(tmp_path)).write("uploads/a", pieces(5))
    assert files_in(tmp_path) == []


async def test_a_file_system_that_can_bring_no_folder_to_the_disk_is_taken_as_it_is(tmp_path, monkeypatch):
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    assert await Storage(str(tmp_path)).write("uploads/a", pieces(5)) == 5
    assert files_in(tmp_path) == ["a"]


DIES_WHILE_IT_WRITES = """
import asyncio, os, sys
from core.storage.parts import PART_BYTES
from core.storage.storage import Storage

async def chunks():
    yield b"x" * (PART_BYTES + 1)
    yield b"x" * (PART_BYTES + 1)
    os._exit(7)

asyncio.run(Storage(sys.argv[1]).write("uploads/a.mp4", chunks()))
"""


async def test_what_processes_left_that_died_while_they_wrote_goes_with_the_file(tmp_path):
    for _ in range(2):
        dying = await asyncio.create_subprocess_exec(sys.executable, "-c", DIES_WHILE_IT_WRITES, tmp_path)
        assert await dying.wait() == 7
    assert len(files_in(tmp_path)) == 2
    await Storage(str(tmp_path)).delete("uploads/a.mp4")
    assert files_in(tmp_path) == []


ENDS_WHILE_ITS_FOLDER_HANGS = """
import asyncio, os, sys, threading
from contextlib import suppress
from core.storage.errors import StorageDown
from core.storage.storage import Storage

async def chunks():
    yield b"x"

storage = Storage(sys.argv[1], answer_s=0.1)
os.stat = lambda *of, **how: threading.Event().wait()
with suppress(StorageDown):
    asyncio.run(storage.write("uploads/a", chunks()))
"""


async def test_a_process_ends_although_its_folder_hangs(tmp_path):
    ending = await asyncio.create_subprocess_exec(sys.executable, "-c", ENDS_WHILE_ITS_FOLDER_HANGS, tmp_path)
    try:
        assert await asyncio.wait_for(ending.wait(), PATIENCE_S) == 0
    finally:
        with suppress(ProcessLookupError):
            ending.kill()


STARTS_WHILE_ITS_FOLDER_HANGS = """
import os, sys, threading
from core.errors import StartRefused
from core.storage.storage import Storage

hang = lambda *of, **how: threading.Event().wait()
os.mkdir = os.stat = os.lstat = hang
try:
    Storage(sys.argv[1], answer_s=0.1)
except StartRefused as refused:
    print(refused)
"""


async def test_a_process_that_starts_while_its_folder_hangs_says_so_and_ends(tmp_path):
    starting = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTS_WHILE_ITS_FOLDER_HANGS, tmp_path), stdout=asyncio.subprocess.PIPE
    )
    try:
        said, _ = await asyncio.wait_for(starting.communicate(), PATIENCE_S)
        assert said.decode().startswith(f"REELGATE_STORAGE: {tmp_path} hangs")
    finally:
        with suppress(ProcessLookupError):
            starting.kill()


@pytest.mark.parametrize("asked", ["write", "size_bytes", "delete"])
async def test_a_folder_that_is_gone_is_a_storage_that_is_away(tmp_path, asked):
    storage = Storage(str(tmp_path / "files"))
    (tmp_path / "files").rename(tmp_path / "elsewhere")
    calls = {"write": partial(storage.write, "a", pieces(1)), "size_bytes": partial(storage.size_bytes, "a")}
    with pytest.raises(StorageDown):
        await (calls | {"delete": partial(storage.delete, "a")})[asked]()
    assert not (tmp_path / "files").exists(), "what is written there would not be found when it is back"


@pytest.mark.parametrize("asked", ["write", "size_bytes", "head", "copy", "delete", "delete_folder"])
async def test_a_bucket_that_is_gone_is_a_storage_that_is_away(s3, monkeypatch, asked):
    """As one whose name was mistyped: who is told that a file is missing ends its job, or forgets an upload whose bytes stay."""
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    storage = Storage(f"s3://{BUCKET}s/some/prefix")
    calls = {
        "write": partial(storage.write, "a", pieces(1)),
        "head": partial(storage.head, "a", 4),
        "copy": partial(storage.copy, "a", "b", size_bytes=1),
    }
    with pytest.raises(StorageDown):
        await (calls.get(asked) or partial(getattr(storage, asked), "a"))()
