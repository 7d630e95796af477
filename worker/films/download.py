"""Fetches a finished render's film into our storage, from wherever the backend has it, and looks at it.

First its link without our token, then, where that is refused at the backend's own host, with it, then the download call.
Redirects are followed a few hops: at the backend's own host with the token that came along, anywhere else without one and
behind the guard for addresses that strangers named. Nothing that is no film is kept.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Literal
from urllib.parse import unquote

import msgspec

from core.errors import Permanent
from core.media.film_header.facts import FilmFacts, NotAFilm
from core.model.job import Job, Render
from core.storage.errors import FileMissing, StorageDown
from core.storage.job_files import discard_file, new_film_path
from worker.backend.bodies import Redirected
from worker.backend.client import Credentials, Download
from worker.backend.faults import PASSING, BackendFault, Fault
from worker.backend.redact import TOKEN
from worker.context import WorkerContext
from worker.films.check import TELLING_BYTES, Expected, check_film, check_head
from worker.outbound.download import FILM_LIMITS, MediaAway, fetch_media

_MOST_HOPS = 5
#: nobody's film is this large; without an end a broken server would fill our storage
_LARGEST_FILM_BYTES = 50_000_000_000


#: when a link sees the token that has refused who showed none
Show = Literal["never", "where it is asked for", "also for a page"]


class KeptFilm(msgspec.Struct, frozen=True):
    #: where it is in our storage
    path: str
    size_bytes: int
    facts: FilmFacts
    #: its link gave it to us without a token, as it gives it to anybody, and holds none itself
    public: bool = False


class NoFilm(msgspec.Struct, frozen=True):
    """Nothing came that can be kept. `reason` is for the caller: a sentence without URL or token."""

    reason: str
    #: the same address may well give it later
    may_pass: bool = False
    #: it may be given to whoever shows a token
    wants_token: bool = False
    #: a web page came, perhaps one where people log in
    is_page: bool = False
    #: nobody was asked: this process leaves the backend alone for now
    unasked: bool = False
    #: the token was shown at its link, in vain
    token_tried: bool = False


async def fetch_film(
    context: WorkerContext, credentials: Credentials | None, job: Job, *, last: bool
) -> KeptFilm | NoFilm:
    """Write a job's film to our storage, once its tenant has a place for it.

    `last`: its link may not be tried again, so all is tried now.
    """
    assert job.render is not None
    fetch = _Fetch(context, credentials, job, _expected(job.render, job.output_ask.format))
    async with context.outbound.film_places.hold(job.tenant):
        return await _fetched(fetch, credentials, job.render, last=last)


async def _fetched(
    fetch: "_Fetch", credentials: Credentials | None, render: Render, *, last: bool
) -> KeptFilm | NoFilm:
    show = _when_to_show_token(render, last=last)
    found = await fetch.by_link(render.url, show=show) if render.url else _NO_LINK
    if isinstance(found, NoFilm) and credentials:
        return _weightier(found, await fetch.by_download(credentials, render.ids))
    return found


def _when_to_show_token(render: Render, *, last: bool) -> Show:
    """At a link that refuses once, and once more at the last, which may be another link, also where that leads to a page.

    Of last ones there are many while its host or the download call is away.
    """
    if render.token_tried_again:
        return "never"
    if last:
        return "also for a page"
    return "never" if render.token_tried else "where it is asked for"


def _expected(render: Render, film_format: str) -> Expected:
    return Expected(
        format=film_format,
        size_bytes=render.size_bytes,
        duration_s=render.duration_s,
        timeline_s=render.timeline_s,
        sound_only=render.sound_only,
    )


_NO_LINK = NoFilm("The backend gave no link to it.", may_pass=True)


def _weightier(by_link: NoFilm, found: KeptFilm | NoFilm) -> KeptFilm | NoFilm:
    """Tell of the link, which is where films are, unless there was none: what the download call says matters only then.

    Where that was not asked at all, nobody knows yet.
    """
    if isinstance(found, KeptFilm):
        return found
    told = found if by_link is _NO_LINK else by_link
    return NoFilm(
        told.reason,
        may_pass=told.may_pass or found.unasked,
        unasked=found.unasked,
        token_tried=by_link.token_tried,
    )


class _Fetch:
    """One film's way into our storage."""

    def __init__(self, context: WorkerContext, credentials: Credentials | None, job: Job, expected: Expected) -> None:
        self._context = context
        self._credentials = credentials
        self._job = job
        self._expected = expected

    async def by_link(self, link: str, *, show: Show) -> KeptFilm | NoFilm:
        """Fetch it as anybody may; where that is refused, `show` the token to the backend's own host."""
        url = self._context.backend.absolute(link)
        found = await self._keep(_open(self._context, url, None))
        if _is_to_show(show, found) and self._credentials and self._context.backend.is_own(url):
            with_it = await self._keep(_open(self._context, url, self._credentials))
            if isinstance(with_it, NoFilm):
                return msgspec.structs.replace(with_it, token_tried=True)
            return msgspec.structs.replace(with_it, public=False)
        if isinstance(found, KeptFilm):
            return msgspec.structs.replace(found, public=found.public and not _holds_token(url))
        return found

    async def by_download(self, credentials: Credentials, render_ids: tuple[str, ...]) -> KeptFilm | NoFilm:
        """Fetch it by the download call, by the first of the render's ids that is known."""
        return await self._keep(_open_download(self._context, credentials, render_ids))

    async def _keep(self, opening: AbstractAsyncContextManager[Download]) -> KeptFilm | NoFilm:
        """Write what comes to storage, and look at it."""
        try:
            async with opening as download:
                kept = await self._write(_beginning_like_one(_whole(download), self._expected.format))
                return msgspec.structs.replace(kept, public=download.direct)
        except BackendFault as fault:
            return _told_of_fault(fault)
        except Permanent as refused:
            return NoFilm(refused.detail, may_pass=isinstance(refused, MediaAway))
        except NotAFilm as bad:
            return NoFilm(f"The file that came {bad.reason}.", is_page=bad.is_page)

    async def _write(self, film: AsyncIterator[bytes]) -> KeptFilm:
        """Write a film and look at it. What is none goes, and what broke off: perhaps later, so that no other may be there then.

        Raises NotAFilm, StorageDown, and what `film` raises.
        """
        context, path = self._context, new_film_path(self._job)
        try:
            size_bytes = await context.storage.write(path, film)
            facts = await self._check(path, size_bytes)
        except BaseException:
            await discard_file(context.storage, context.uploads, path)
            raise
        return KeptFilm(path, size_bytes, facts)

    async def _check(self, path: str, size_bytes: int) -> FilmFacts:
        try:
            return await check_film(partial(self._context.storage.piece, path), size_bytes, self._expected)
        except FileMissing:
            raise StorageDown("what was written is not there") from None


def _is_to_show(show: Show, found: KeptFilm | NoFilm) -> bool:
    if isinstance(found, KeptFilm) or show == "never":
        return False
    return found.wants_token or (found.is_page and show == "also for a page")


def _holds_token(url: str) -> bool:
    return TOKEN.search(unquote(url)) is not None


#: what a link may say, also with HTTP 200, to who shows no token
_WANT_TOKEN = (Fault.TOKEN_REFUSED, Fault.SCOPE_MISSING)


def _told_of_fault(fault: BackendFault) -> NoFilm:
    passing = fault.fault in PASSING and (fault.status is None or fault.status >= HTTPStatus.TOO_MANY_REQUESTS)
    wants_token = fault.fault in _WANT_TOKEN or fault.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    words = f"its host answered {fault.status}" if fault.status else fault.detail or str(fault.fault)
    unasked = fault.fault is Fault.HELD_BACK
    return NoFilm(
        f"The film could not be fetched: {words}.", may_pass=passing, wants_token=wants_token, unasked=unasked
    )


async def _whole(download: Download) -> AsyncIterator[bytes]:
    """Pass the file on. Raises NotAFilm when it ends too early, or never."""
    seen_bytes = 0
    _require_size_of_a_film(download.size_bytes or 0)
    try:
        async for chunk in download.chunks:
            seen_bytes += len(chunk)
            _require_size_of_a_film(seen_bytes)
            yield chunk
    except BackendFault:
        raise NotAFilm("is cut off") from None
    if download.size_bytes is not None and seen_bytes != download.size_bytes:
        raise NotAFilm("is cut off")


async def _beginning_like_one(chunks: AsyncIterator[bytes], film_format: str) -> AsyncIterator[bytes]:
    """Pass a file on once it is known to begin like a film: a page must replace none. Raises NotAFilm."""
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= TELLING_BYTES:
            break
    check_head(head, film_format)
    yield head
    async for chunk in chunks:
        yield chunk


def _require_size_of_a_film(size_bytes: int) -> None:
    if size_bytes > _LARGEST_FILM_BYTES:
        raise NotAFilm("is larger than any film")


@asynccontextmanager
async def _open(context: WorkerContext, url: str, credentials: Credentials | None) -> AsyncIterator[Download]:
    """Open a file where its link leads. Raises BackendFault, or Permanent where it is not the backend's."""
    async with AsyncExitStack() as held:
        yield await _follow(context, held, url, credentials)


@asynccontextmanager
async def _open_download(
    context: WorkerContext, credentials: Credentials, render_ids: tuple[str, ...]
) -> AsyncIterator[Download]:
    async with AsyncExitStack() as held:
        try:
            opened = await _enter_first_known(context, held, credentials, render_ids)
        except Redirected as hop:
            opened = await _follow(context, held, hop.url, credentials)
        yield msgspec.structs.replace(opened, direct=False)


async def _enter_first_known(
    context: WorkerContext, held: AsyncExitStack, credentials: Credentials, render_ids: tuple[str, ...]
) -> Download:
    *likelier, last = render_ids
    for render_id in likelier:
        try:
            return await held.enter_async_context(context.backend.open_download(credentials, render_id))
        except BackendFault as fault:
            if fault.fault is not Fault.RENDER_UNKNOWN:
                raise
    return await held.enter_async_context(context.backend.open_download(credentials, last))


async def _follow(context: WorkerContext, held: AsyncExitStack, url: str, credentials: Credentials | None) -> Download:
    """Go where redirects lead, at the backend's host here, and from the first other one on behind the guard."""
    direct = True
    for _ in range(_MOST_HOPS + 1):
        if not context.backend.is_own(url):
            opening = fetch_media(context.outbound, url, max_bytes=_LARGEST_FILM_BYTES, limits=FILM_LIMITS)
            fetched = await held.enter_async_context(opening)
            return Download(fetched.size_bytes, fetched.chunks, direct)
        try:
            opened = await held.enter_async_context(context.backend.open_output(url, credentials))
            return msgspec.structs.replace(opened, direct=direct)
        except Redirected as hop:
            url, direct = hop.url, direct and hop.by_http
    raise BackendFault(Fault.REFUSED, call="output", detail="its link redirects too often")
