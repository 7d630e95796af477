"""Files in a local folder and in S3 alike: streamed in and out, in parts, and gone when they are deleted."""

import os
from collections.abc import AsyncIterator

import pytest

from core.storage import CHUNK_BYTES, PART_BYTES, FileMissing, Storage, StorageDown
from tests.s3_fixture import BUCKET, access_to, s3

__all__ = ["s3"]


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

    with pytest.raises(ConnectionError):
        await storage.write("uploads/half.mp4", broken())
    with pytest.raises(FileMissing):
        await storage.size_bytes("uploads/half.mp4")


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


@pytest.mark.parametrize("away", ["a file where its folder was", "nobody at its address"])
async def test_a_storage_that_is_away_is_told_as_one_whatever_is_asked_of_it(away, tmp_path, monkeypatch):
    for name, value in access_to("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    storage = Storage(str(tmp_path) if "file" in away else f"s3://{BUCKET}/x")
    (tmp_path / "uploads").write_text("in the way")
    for asked in (
        storage.write("uploads/a.mp4", pieces(PART_BYTES + 1)),
        storage.size_bytes("uploads/a.mp4"),
        storage.head("uploads/a.mp4", 4),
        storage.delete("uploads/a.mp4"),
    ):
        with pytest.raises(StorageDown):
            await asked


async def test_who_breaks_off_while_the_storage_is_away_is_told_as_that(tmp_path):
    async def broken() -> AsyncIterator[bytes]:
        raise ConnectionError
        yield b""

    (tmp_path / "uploads").write_text("in the way")
    with pytest.raises(ConnectionError):
        await Storage(str(tmp_path)).write("uploads/a.mp4", broken())


async def test_nothing_is_left_behind_in_the_folder(tmp_path):
    storage = Storage(str(tmp_path))
    await storage.write("uploads/a", pieces(PART_BYTES + 5))
    await storage.delete("uploads/a")
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []
