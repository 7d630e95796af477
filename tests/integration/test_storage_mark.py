"""A storage is known by its mark: one that is empty by mistake is not taken for one whose files are gone."""

import asyncio
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import obstore
import pytest

from core.model import transitions
from core.model.job import OutputFile
from core.model.upload import Upload
from core.storage.errors import FileMissing, StorageDown
from core.storage.job_files import new_film_path
from core.storage.location import MARK_FILE
from core.storage.mark import WrongStorage, check_mark
from core.storage.storage import Storage
from core.store.redis.keys import key
from tests.s3_fixture import BUCKET, Unread, access_to, s3
from tests.store_fixture import Core, core
from tests.worker_fixture import context_over
from worker.maintenance.sweeper import remove_old

__all__ = ["core", "s3"]


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "folder":
        return str(tmp_path)
    for name, value in access_to(request.getfixturevalue("s3")).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


async def a_piece() -> AsyncIterator[bytes]:
    yield b"film"


async def test_who_comes_first_leaves_a_mark_and_all_who_come_at_once_leave_the_same(core: Core, root: str) -> None:
    storages = [Storage(f"{root}/files") for _ in range(5)]
    assert await asyncio.gather(*(check_mark(each, core.store) for each in storages)) == [[]] * 5
    mark = await storages[0].read_mark()
    assert await core.redis.hget(key("storage"), "mark") == (mark or "").encode()
    assert await check_mark(Storage(f"{root}/files"), core.store) == []


async def test_of_two_that_come_first_at_once_with_different_storages_one_is_refused(core: Core, root: str) -> None:
    """As an API and a worker with the default, each in a folder of its own."""
    storages = [Storage(f"{root}/{name}") for name in ("api/data", "worker/data")]
    came = await asyncio.gather(*(check_mark(each, core.store) for each in storages), return_exceptions=True)
    assert sorted(type(each).__name__ for each in came) == ["WrongStorage", "list"]


async def test_another_storage_is_refused_with_a_sentence_and_nothing_is_written_there(core: Core, root: str) -> None:
    await check_mark(Storage(f"{root}/files"), core.store)
    other = Storage(f"{root}/flies")
    with pytest.raises(WrongStorage, match="/flies is not the storage with the files that this Redis knows: it has no"):
        await check_mark(other, core.store)
    with pytest.raises(StorageDown):
        await other.write("outputs/a", a_piece())
    assert await other.read_mark() is None


async def test_what_lies_in_another_storage_is_not_missing_and_is_not_called_deleted(core: Core, root: str) -> None:
    await check_mark(Storage(f"{root}/files"), core.store)
    other = Storage(f"{root}/flies")
    with pytest.raises(WrongStorage):
        await check_mark(other, core.store)
    asked = {
        "size_bytes": other.size_bytes,
        "head": partial(other.head, size_bytes=4),
        "copy": partial(other.copy, target="b", size_bytes=4),
        **{name: getattr(other, name) for name in ("delete", "delete_folder", "names_in")},
    }
    for name, ask in asked.items():
        with pytest.raises(StorageDown):
            pytest.fail(f"{name}: {await ask('outputs/a')}")


async def test_a_storage_that_moved_with_all_files_or_was_given_up_by_hand_is_the_right_one(
    core: Core, tmp_path: Path
) -> None:
    await check_mark(Storage(str(tmp_path / "files")), core.store)
    (tmp_path / "files").rename(tmp_path / "moved")
    assert await check_mark(Storage(str(tmp_path / "moved")), core.store) == []
    with pytest.raises(WrongStorage) as refused:
        await check_mark(fresh := Storage(str(tmp_path / "fresh")), core.store)
    words = str(refused.value).split(" ")
    by_hand = words[words.index("writes") + 1]
    (tmp_path / "fresh" / MARK_FILE).write_text(f"{by_hand}\n")
    assert await check_mark(fresh, core.store) == []
    await fresh.write("outputs/a", a_piece())


async def test_a_redis_that_knows_no_mark_takes_the_one_that_is_there(core: Core, root: str) -> None:
    """As one that was emptied, or restored from a copy of the time before."""
    await check_mark(storage := Storage(f"{root}/files"), core.store)
    mark = await storage.read_mark()
    await core.redis.delete(key("storage"))
    assert await check_mark(storage, core.store) == []
    assert await storage.read_mark() == mark
    assert await core.redis.hget(key("storage"), "mark") == (mark or "").encode()


async def test_who_died_before_the_mark_was_left_keeps_nobody_from_leaving_it(core: Core, root: str) -> None:
    await core.redis.hset(key("storage"), "mark", "told-and-not-left")
    assert await check_mark(storage := Storage(f"{root}/files"), core.store) == []
    assert await storage.read_mark() == "told-and-not-left"


async def test_a_volume_that_goes_while_a_process_runs_is_away_until_it_is_back(core: Core, tmp_path: Path) -> None:
    mount, elsewhere = tmp_path / "mount", tmp_path / "elsewhere"
    storage = Storage(str(mount))
    await check_mark(storage, core.store)
    await storage.write("outputs/a", a_piece())
    mount.rename(elsewhere)
    mount.mkdir()
    for ask in (storage.size_bytes, storage.delete, storage.delete_folder, storage.names_in):
        with pytest.raises(StorageDown, match=MARK_FILE):
            await ask("outputs/a")
    with pytest.raises(StorageDown):
        await storage.write("outputs/b", a_piece())
    assert not list(mount.iterdir()), "what is written there would not be found when it is back"
    mount.rmdir()
    elsewhere.rename(mount)
    assert await storage.size_bytes("outputs/a") == 4
    with pytest.raises(FileMissing):
        await storage.size_bytes("outputs/b")


async def test_a_storage_that_takes_no_mark_now_is_warned_of_and_marked_by_who_comes_later(
    core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise OSError("Read-only file system")

    with monkeypatch.context() as read_only:
        read_only.setattr(obstore, "put_async", refuse)
        [warning] = await check_mark(storage := Storage(str(tmp_path)), core.store)
    assert "REELGATE_STORAGE does not answer, or takes nothing" in warning
    with pytest.raises(FileMissing):
        await storage.size_bytes("outputs/a")
    assert await check_mark(storage, core.store) == []
    assert await storage.read_mark()


async def test_a_bucket_that_does_not_answer_at_the_start_is_looked_at_before_it_is_used(
    core: Core, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    place = f"s3://{BUCKET}/{tmp_path.name}"
    await check_mark(Storage(f"{place}/files"), core.store)
    silent = Unread(s3, at=b"GET ")
    async with await asyncio.start_server(silent.serve, "127.0.0.1", 0) as server:
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        right, wrong = (Storage(f"{place}/{name}", answer_s=0.3) for name in ("files", "flies"))
        for storage in (right, wrong):
            assert len(await check_mark(storage, core.store)) == 1
        with pytest.raises(StorageDown):
            await wrong.delete("outputs/a")
        silent.answer_again()
        await right.delete("outputs/a")
        with pytest.raises(StorageDown, match=MARK_FILE):
            await wrong.delete("outputs/a")


DENIED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


async def test_a_bucket_that_may_not_be_listed_is_marked_although_it_denies_what_is_missing(
    core: Core, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does S3, where one may not list: 403, and not 404."""
    denying = Unread(s3, DENIED, at=f"GET /{BUCKET}/{tmp_path.name}/".encode())
    async with await asyncio.start_server(denying.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        assert await check_mark(Storage(f"s3://{BUCKET}/{tmp_path.name}"), core.store) == []
        monkeypatch.setenv("AWS_ENDPOINT", s3)
        assert await check_mark(Storage(f"s3://{BUCKET}/{tmp_path.name}"), core.store) == []


async def test_a_redis_that_is_full_keeps_no_process_from_its_start(core: Core, tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    await core.redis.config_set("maxmemory", "1")
    try:
        assert await check_mark(storage, core.store) == []
    finally:
        await core.redis.config_set("maxmemory", "0")
    assert await check_mark(storage, core.store) == []
    assert await storage.read_mark()


async def test_who_only_looks_leaves_nothing(core: Core, tmp_path: Path) -> None:
    assert await check_mark(storage := Storage(str(tmp_path)), core.store, only_look=True) == []
    assert await storage.read_mark() is None
    assert not await core.redis.exists(key("storage"))


async def test_a_sweep_forgets_nothing_whose_files_it_may_only_not_see(core: Core, tmp_path: Path) -> None:
    """Their owners were told that they are kept no longer; who forgot them now would leave them in the storage for good."""
    mount = tmp_path / "mount"
    await core.slots(9)
    claim = await core.begin(await core.submit(retention_s=60))
    async with context_over(core, mount) as context:
        await check_mark(context.storage, core.store)
        film = OutputFile(path=new_film_path(claim.job), format="mp4", size_bytes=4, expires_at_ms=60_000)
        await context.storage.write(film.path or "", a_piece())
        await core.write(claim, transitions.succeeded(claim.job, now_ms=core.clock.now_ms(), output=film))
        upload = Upload(
            id="upl_1", tenant="acme", filename="f", format="", size_bytes=1, path="uploads/a", created_at_ms=1
        )
        await core.uploads.keep(upload)
        mount.rename(tmp_path / "elsewhere")
        mount.mkdir()
        core.clock.turn(by_s=100_000)
        await remove_old(context)
        known = [key("job", claim.job.id), key("upload", upload.id)]
        assert [await core.redis.exists(name) for name in known] == [1, 1]
        mount.rmdir()
        (tmp_path / "elsewhere").rename(mount)
        core.clock.turn(by_s=1000)
        await remove_old(context)
        assert [await core.redis.exists(name) for name in known] == [0, 0]
        assert [each.name for each in mount.rglob("*") if each.is_file()] == [MARK_FILE]


async def test_a_mark_is_left_anew_by_workers_so_that_no_rule_takes_it_for_something_old(
    core: Core, tmp_path: Path
) -> None:
    """As a bucket's that ends whatever is older than a month."""
    async with context_over(core, tmp_path) as context:
        await remove_old(context)
        assert not (tmp_path / MARK_FILE).exists(), "of a storage of which nobody has asked for its mark"
        await check_mark(context.storage, core.store)
        os.utime(tmp_path / MARK_FILE, (1, 1))
        before = (tmp_path / MARK_FILE).read_text()
        await remove_old(context)
    assert (tmp_path / MARK_FILE).stat().st_mtime > 1
    assert (tmp_path / MARK_FILE).read_text() == before
