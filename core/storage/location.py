"""Where a storage lies, a folder or a bucket: opens it, and tells a file that is missing from a storage that is.

Called by `core.storage.storage`, which reads and writes there.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from core.errors import StartRefused
from core.settings import in_environment
from core.storage.errors import FileMissing, StorageDenied, StorageDown, says_denied, says_missing, storage_down
from core.storage.local_disk import make_root
from core.storage.threads import HangingThreads, call_within

#: who asks a storage that hangs for a size or a few bytes, or to delete, hears so after this; its library alone goes on for minutes
STORAGE_ANSWER_S = 15.0
#: a part may take it so long, when a hundred files share one line; a question is made anew after the library's 30 s
SLOWEST_PART_S = 120.0
#: who asks it to copy hears so later by the time that a slow one takes
_SLOWEST_COPY_BYTES_PER_S = 2_000_000
#: S3 itself copies no file that is larger
_LARGEST_COPY_BYTES = 5 << 30
#: what a folder is asked, and the library does not ask, takes threads of its own: a volume that hangs keeps them, and nobody else's
_THREADS = 8
#: what S3 says is missing
_NO_FILE, _NO_BUCKET = "<Code>NoSuchKey<", "<Code>NoSuchBucket<"

T = TypeVar("T")


class Location:
    """Where the files of a storage lie."""

    def __init__(self, where: str, *, answer_s: float, part_s: float) -> None:
        self._where = where
        self.answer_s = answer_s
        self._part_s = part_s
        #: None: it is in S3
        self.folder = None if where.startswith("s3://") else Path(where).absolute()
        self._threads = HangingThreads(_THREADS)

    @cached_property
    def files(self) -> LocalStore | S3Store:
        """Open it. Raises StartRefused."""
        try:
            return self._opened()
        except TimeoutError:
            raise StartRefused(
                f"REELGATE_STORAGE: {self._where} hangs, as a volume does whose server is away."
            ) from None
        except OSError as error:
            raise StartRefused(f"REELGATE_STORAGE: {error.filename or self._where}: {error.strerror}.") from None
        except (BaseError, ValueError) as error:
            raise StartRefused(f"REELGATE_STORAGE cannot be used ({type(error).__name__}).") from None

    def _opened(self) -> LocalStore | S3Store:
        if self.folder is None:
            return S3Store.from_url(self._where)
        self.folder = call_within(partial(make_root, self.folder), self.answer_s)
        return LocalStore(self.folder, mkdir=True)

    @cached_property
    def writer(self) -> LocalStore | S3Store:
        """It, for parts of files."""
        return self._patient(self._part_s)

    @cached_property
    def copier(self) -> LocalStore | S3Store:
        """It, for copies within it."""
        return self._patient(self.copied_within_s(_LARGEST_COPY_BYTES))

    def _patient(self, request_s: float) -> LocalStore | S3Store:
        """Open it for requests that take so long: what the library breaks off begins anew, and takes as long again."""
        if isinstance(self.files, LocalStore):
            return self.files
        with in_environment("AWS_TIMEOUT", f"{request_s:.0f} s"):
            return S3Store.from_url(self._where)

    def copied_within_s(self, size_bytes: int) -> float:
        """Say how long a slow one may take to copy so much."""
        return self.answer_s + size_bytes / _SLOWEST_COPY_BYTES_PER_S

    @asynccontextmanager
    async def in_our_words(self, path: str) -> AsyncIterator[None]:
        """Raises FileMissing, or StorageDown without the library's words, which hold addresses and paths."""
        try:
            yield
        except (NotFoundError, FileNotFoundError) as missing:
            await self.require_folder()
            await self._require_bucket(path, str(missing))
            raise FileMissing(path) from None
        except (BaseError, OSError) as error:
            if says_missing(error):
                raise FileMissing(path) from None
            kind = StorageDenied if says_denied(error) else StorageDown
            raise storage_down(type(error).__name__, kind) from None

    async def require_folder(self) -> None:
        """Raise StorageDown where the whole folder is gone: what is missing with it may come back with it. Or hangs, or is broken."""
        if self.folder is None:
            return
        try:
            is_there = await self.in_thread(self.folder.is_dir)
        except OSError as error:
            raise storage_down(type(error).__name__) from None
        if not is_there:
            raise storage_down("its folder is gone") from None

    async def _require_bucket(self, path: str, told: str) -> None:
        """Raise StorageDown where not one file is missing, but all are with their bucket. S3 tells a HEAD no more than 404."""
        if self.folder:
            return
        if _NO_BUCKET in told or (_NO_FILE not in told and _NO_BUCKET in await self._told_of_bytes(path)):
            raise storage_down("its bucket is gone")

    async def _told_of_bytes(self, path: str) -> str:
        """Hear what S3 says to who asks for a file's bytes; empty: it has it now. Raises StorageDown."""
        try:
            async with asyncio.timeout(self.answer_s):
                await obstore.get_range_async(self.files, path, start=0, end=1)
        except (NotFoundError, FileNotFoundError) as missing:
            return str(missing)
        except (BaseError, OSError) as error:
            raise storage_down(type(error).__name__) from None
        return ""

    async def in_thread(self, call: Callable[..., T], *of: Any) -> T:
        """Ask a folder what the library does not. Raises TimeoutError where it hangs; the thread goes on, and is no one else's."""
        async with asyncio.timeout(self.answer_s):
            return await self._threads.run(partial(call, *of))

    @asynccontextmanager
    async def unless_it_hangs(self, path: str, *, size_bytes: int = 0) -> AsyncIterator[None]:
        """Wait so long for a folder to take or give some bytes; of S3 the library gives up by itself. Raises StorageDown.

        `size_bytes`: of a file that it may only now send off, as a network's volume does.
        """
        within_s = self._part_s + size_bytes / _SLOWEST_COPY_BYTES_PER_S
        async with self.in_our_words(path), asyncio.timeout(within_s if self.folder else None):
            yield
