"""File storage: uploads and finished videos, in a local folder or in S3. Nothing is ever held in memory whole."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from core.storage.errors import FileMissing, StorageDown, says_denied, storage_down
from core.storage.local_disk import bring_to_disk, delete_parts, delete_tree, written_in
from core.storage.location import SLOWEST_PART_S, STORAGE_ANSWER_S, Location
from core.storage.parts import (
    CHUNK_BYTES,
    PART_BYTES,
    PARTS_ON_THE_WAY,
    BrokenOff,
    HandedOn,
    Taken,
    hand_on,
    hand_on_first,
    in_pieces,
)
from core.storage.threads import HangingThreads

#: a disk may first write so long what others have handed it, before a file that it is to keep
_OTHERS_FIRST_S = 600.0
#: so many threads beside those bring files to the disk. Who is stopped meanwhile leaves one that goes on, and none of them for others
_SYNCS_AT_ONCE = 2
#: as many as S3 names in one answer
_LISTED_AT_ONCE = 1000


class StoredFile(NamedTuple):
    """A file that was found, by its key."""

    path: str
    size_bytes: int


class Slice(NamedTuple):
    """A part of a file, being read. `size_bytes` is the whole file's."""

    size_bytes: int
    start: int
    end: int
    chunks: AsyncIterator[bytes]


class Storage:
    """Write, read and delete files by a key such as ``uploads/upl_….mp4``."""

    def __init__(
        self, where: str, *, opened: bool = True, answer_s: float = STORAGE_ANSWER_S, part_s: float = SLOWEST_PART_S
    ) -> None:
        """Open it now, so that a process hears at its start of one that it cannot have; or when it is first needed.

        Raises StartRefused.
        """
        self._location = Location(where, answer_s=answer_s, part_s=part_s)
        self._sync_threads = HangingThreads(_SYNCS_AT_ONCE)
        #: a file's time begins with its turn; the threads alone would have it pass while others are brought to the disk
        self._syncs = asyncio.Semaphore(_SYNCS_AT_ONCE)
        if opened:
            _ = self._location.files

    async def write(self, path: str, chunks: AsyncIterable[bytes], *, lasting: bool = True) -> int:
        """Write a file as its chunks come, and return its size. If they stop with an error nothing is left of it.

        What another one has written there stays until it is replaced whole. `lasting`: no power cut takes it, for which it is
        waited. Raises StorageDown.
        """
        await self._location.require_folder()
        async with aclosing(in_pieces(chunks)) as pieces:
            first: HandedOn = asyncio.Queue(maxsize=1)
            size_bytes = hand_on_first(first, await anext(pieces, b""))
            if size_bytes >= PART_BYTES:
                size_bytes = await self._write_in_parts(path, first, pieces, size_bytes)
            else:
                await self._put_whole(path, first.get_nowait() or b"")
        if self._location.folder and lasting:
            await self._bring_to_disk(self._location.folder, path, size_bytes)
        return size_bytes

    async def _put_whole(self, path: str, content: bytes) -> None:
        """Write a file that is one part. Who is stopped meanwhile knows that none comes later, so that he can delete it."""
        writing = asyncio.create_task(self._put(path, content))
        try:
            async with self._location.unless_it_hangs(path):
                await asyncio.shield(writing)
        except (asyncio.CancelledError, StorageDown):
            await self._end_of(writing)
            raise

    async def _write_in_parts(
        self, path: str, handed_on: HandedOn, pieces: AsyncIterable[bytes], size_bytes: int
    ) -> int:
        """Write what is more than one part, of which so much is handed on, and return its size.

        Where it breaks off they are given up: S3 would keep them, unseen and at a price.
        """
        writing = asyncio.create_task(self._put(path, Taken(handed_on)))
        try:
            async for piece in pieces:
                size_bytes += len(piece)
                async with self._location.unless_it_hangs(path):
                    await hand_on(handed_on, piece, writing)
            # a network's volume may be sent all of a file only now that it ends
            async with self._location.unless_it_hangs(path, size_bytes=size_bytes):
                await hand_on(handed_on, b"", writing)
                await asyncio.shield(writing)
        except BaseException:
            await self._break_off(handed_on, writing)
            raise
        return size_bytes

    async def _put(self, path: str, content: bytes | AsyncIterator[bytes]) -> None:
        """Write a file. Raises StorageDown."""
        async with self._in_place(path):
            await obstore.put_async(
                self._location.writer, path, content, chunk_size=PART_BYTES, max_concurrency=PARTS_ON_THE_WAY
            )

    async def _bring_to_disk(self, folder: Path, path: str, size_bytes: int) -> None:
        """Wait until a file is on the disk, which has as long for it as a slow one takes. Raises StorageDown."""
        within_s = self._location.copied_within_s(size_bytes) + _OTHERS_FIRST_S
        async with self._syncs, self._in_place(path), asyncio.timeout(within_s):
            await self._sync_threads.run(partial(bring_to_disk, folder, folder / path))

    @asynccontextmanager
    async def _in_place(self, path: str) -> AsyncIterator[None]:
        """Raises StorageDown, also where a file has no place, e.g. no bucket."""
        try:
            async with self._location.in_our_words(path):
                yield
        except FileMissing:
            raise storage_down("there is no place to write to") from None

    async def _break_off(self, handed_on: HandedOn, writing: asyncio.Task[None]) -> None:
        """Have the parts of a file given up, as far as the storage answers; what stopped it is told in any case."""
        while not handed_on.empty():
            handed_on.get_nowait()
        handed_on.put_nowait(None)
        await self._end_of(writing)

    async def _end_of(self, writing: asyncio.Task[None]) -> None:
        """Wait until nothing more is written, as far as the storage answers."""
        with suppress(BrokenOff, StorageDown, TimeoutError):
            async with asyncio.timeout(self._location.answer_s):
                await writing

    async def put_url(self, path: str, *, for_s: int) -> str | None:
        """Sign a URL to which anybody may PUT this file for so long. None: a folder has none.

        Raises StorageDown where what it is signed with is not to be had: a role's credentials come from elsewhere.
        """
        if isinstance(self._location.files, LocalStore):
            return None
        async with self._location.in_our_words(path), asyncio.timeout(self._location.answer_s):
            return await obstore.sign_async(self._location.files, "PUT", path, timedelta(seconds=for_s))

    async def copy(self, source: str, target: str, *, size_bytes: int) -> None:
        """Copy a file of such a size, whose bytes do not pass this process. Raises FileMissing, StorageDown."""
        async with self._location.in_our_words(source), asyncio.timeout(self._location.copied_within_s(size_bytes)):
            await obstore.copy_async(self._location.copier, source, target)

    async def size_bytes(self, path: str) -> int:
        """Measure a file. Raises FileMissing, StorageDown."""
        return int((await self._facts(path))["size"])

    async def keeps_versions(self, path: str) -> bool:
        """Tell by a file whether it stays as an older version where it is deleted. Raises FileMissing, StorageDown."""
        return (await self._facts(path))["version"] not in (None, "null")

    async def _facts(self, path: str) -> Mapping[str, Any]:
        async with self._location.in_our_words(path), asyncio.timeout(self._location.answer_s):
            return await obstore.head_async(self._location.files, path)

    async def read(self, path: str, *, start: int = 0, end: int | None = None, piece_bytes: int = CHUNK_BYTES) -> Slice:
        """Read bytes from `start` up to, not including, `end`, by pieces. Raises FileMissing, StorageDown."""
        whole = await self.size_bytes(path)
        stop = whole if end is None else min(end, whole)
        return Slice(whole, start, stop, self._chunks(path, start, stop, piece_bytes))

    async def _chunks(self, path: str, start: int, end: int, piece_bytes: int) -> AsyncIterator[bytes]:
        while start < end:
            upto = min(start + piece_bytes, end)
            yield await self._range(path, start, upto)
            start = upto

    async def _range(self, path: str, start: int, end: int) -> bytes:
        """Read a piece that nobody else holds, as the library's own would be while a reader takes its time."""
        async with self._location.unless_it_hangs(path):
            return bytes(await obstore.get_range_async(self._location.files, path, start=start, end=end))

    async def piece(self, path: str, start: int, end: int) -> bytes:
        """Read a few bytes of a file, from `start` up to, not including, `end`. Raises FileMissing, StorageDown."""
        part = await self.read(path, start=start, end=end)
        within_s = self._location.answer_s * max(1.0, (part.end - part.start) / CHUNK_BYTES)
        async with self._location.in_our_words(path), asyncio.timeout(within_s):
            return b"".join([chunk async for chunk in part.chunks])

    async def head(self, path: str, size_bytes: int) -> bytes:
        """Read the first bytes of a file. Raises FileMissing, StorageDown."""
        return await self.piece(path, 0, size_bytes)

    async def delete(self, path: str) -> None:
        """Delete a file, and what is left of writers that died; one that is not there is fine. Raises StorageDown."""
        with suppress(FileMissing):
            async with self._location.in_our_words(path), asyncio.timeout(self._location.answer_s):
                await obstore.delete_async(self._location.files, path)
        if self._location.folder:
            async with self._location.in_our_words(path):
                await self._location.in_thread(delete_parts, self._location.folder / path)

    async def delete_folder(self, path: str) -> None:
        """Delete whatever is below a path, as far as we may see it; nothing there is fine. Raises StorageDown."""
        if self._location.folder:
            await self._location.require_folder()
            async with self._location.in_our_words(path):
                await self._location.in_thread(delete_tree, self._location.folder / path)
            return
        with suppress(FileMissing):  # somebody else deletes it, too
            async with self._location.in_our_words(path), asyncio.timeout(self._location.answer_s):
                await obstore.delete_async(self._location.files, await self._listed(path))

    async def names_in(self, folder: str) -> list[str]:
        """Name the files of a folder, also those of writers that died, as far as we may see them. Raises StorageDown."""
        with suppress(FileMissing):
            async with self._location.in_our_words(folder), asyncio.timeout(self._location.answer_s):
                if self._location.folder:
                    return await self._location.in_thread(written_in, self._location.folder, folder)
                return await self._listed(folder)
        return []

    async def files_sent_to(self, folder: str) -> AsyncIterator[StoredFile]:
        """Find what was sent to places in S3 that `put_url` gave URLs of, by name, as far as we may list it. Raises StorageDown."""
        if self._location.folder:
            return
        found = aiter(obstore.list(self._location.files, folder, chunk_size=_LISTED_AT_ONCE))
        while True:
            async with self._location.in_our_words(folder), asyncio.timeout(self._location.answer_s):
                some = await _next_listed(found)
            if not some:
                return
            for file in some:
                yield file

    async def _listed(self, path: str) -> list[str]:
        """Name what is below a path: none where we may do all else in a bucket, and not list it. A job can be removed all the same."""
        try:
            return [each["path"] for each in await obstore.list(self._location.files, path).collect_async()]
        except BaseError as refusal:
            if not says_denied(refusal):
                raise
            return []


async def _next_listed(found: AsyncIterator[Any]) -> list[StoredFile]:
    """Give the next files of a list; none at its end, and where we may not list."""
    try:
        return [StoredFile(each["path"], each["size"]) for each in await anext(found)]
    except StopAsyncIteration:
        return []
    except BaseError as refusal:
        if not says_denied(refusal):
            raise
        return []
