"""Ingests media: from a form or from URLs, to disk, never whole in memory, refused by name, size and bytes.

Called by `routes/media.py`. What it returns is stored and probed; putting it into a session is `sessions.py`'s.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import httpx
from litestar.datastructures import UploadFile

from sandbox.backend import refusals
from sandbox.backend.clock import Clock
from sandbox.backend.files import FileStore, StoredFile
from sandbox.backend.settings import Settings
from sandbox.media import Media, NotMedia, probe

GENERATION_SKILL = "free-video-generation-automatic"
_PIECE_BYTES = 1 << 18
#: files that are looked through at a time
_PROBES = 2
_EXTENSIONS = frozenset({*refusals.FORMATS, "jpeg"})


@dataclass(frozen=True)
class Taken:
    media: Media
    stored: StoredFile
    hash: str
    size_bytes: int
    at_s: float


def limit_bytes(settings: Settings, headers: Mapping[str, str]) -> int:
    """The largest file that this call's skill may send."""
    generates = headers.get("x-skill-source") == GENERATION_SKILL
    return settings.generation_upload_bytes if generates else settings.upload_bytes


class MediaIngest:
    """`base_url` in the calls is where the caller reached us: the media's own URL begins with it."""

    def __init__(self, file_store: FileStore, clock: Clock, *, fetch_s: float) -> None:
        self._file_store = file_store
        self._clock = clock
        self._fetch_s = fetch_s
        self._probes = asyncio.Semaphore(_PROBES)
        #: what is known of bytes that came before, by their hash: looking through a film takes a while
        self._known: dict[str, Media] = {}

    async def all_of(self, coming: AsyncIterator[Taken]) -> list[Taken]:
        """Take all files of a call; where one is refused, none is kept."""
        taken: list[Taken] = []
        try:
            async for one in coming:
                taken.append(one)  # noqa: PERF401 - those before a refused one must be known
        except BaseException:
            for one in taken:
                self._file_store.remove(one.stored)
            raise
        return taken

    async def take_file(self, file: UploadFile, *, base_url: str, limit_bytes: int) -> Taken:
        """Take one part of a form. Raises Refused: 4001, 4002."""
        name = PurePosixPath(file.filename.replace("\\", "/")).name
        _check_name(name)
        return await self._take(_pieces(file), name, base_url=base_url, limit_bytes=limit_bytes)

    async def take_url(self, url: str, *, base_url: str, limit_bytes: int) -> Taken:
        """Fetch one URL and take it, whatever its path ends in. Raises Refused: 4001, 4002, 4003."""
        name = _name_of(url)
        try:
            async with (
                asyncio.timeout(self._fetch_s),
                httpx.AsyncClient(follow_redirects=True, trust_env=False, timeout=self._fetch_s) as client,
                client.stream("GET", url) as answer,
            ):
                answer.raise_for_status()
                return await self._take(answer.aiter_bytes(), name, base_url=base_url, limit_bytes=limit_bytes)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            raise refusals.url_unreachable() from None

    async def _take(self, pieces: AsyncIterator[bytes], name: str, *, base_url: str, limit_bytes: int) -> Taken:
        stored = self._file_store.create(name)
        try:
            digest, size_bytes = await _write(pieces, stored.path, limit_bytes)
            media = await self._probed(digest, stored.path, url=f"{base_url}/{stored.address}", name=name)
        except NotMedia:
            self._file_store.remove(stored)
            raise refusals.unsupported_file() from None
        except BaseException:
            self._file_store.remove(stored)
            raise
        return Taken(media, stored, digest, size_bytes, self._clock.now_s())

    async def _probed(self, digest: str, path: Path, *, url: str, name: str) -> Media:
        async with self._probes:
            if digest not in self._known:
                self._known[digest] = await probe(path, url=url, name=name)
        return replace(self._known[digest], path=path, url=url, name=name)


async def _write(pieces: AsyncIterator[bytes], path: Path, limit_bytes: int) -> tuple[str, int]:
    """Write all pieces. Returns their SHA-256 and number of bytes. Raises Refused: 4002."""
    digest, size_bytes = hashlib.sha256(), 0
    with await asyncio.to_thread(path.open, "wb") as out:
        async for piece in pieces:
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise refusals.file_too_large(limit_bytes)
            digest.update(piece)
            await asyncio.to_thread(out.write, piece)
    return digest.hexdigest(), size_bytes


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE_BYTES):
        yield piece


def _name_of(url: str) -> str:
    try:
        return PurePosixPath(unquote(urlsplit(url).path)).name or "media"
    except ValueError:
        raise refusals.url_unreachable() from None


def _check_name(name: str) -> None:
    if PurePosixPath(name).suffix.lower().removeprefix(".") not in _EXTENSIONS:
        raise refusals.unsupported_file()
