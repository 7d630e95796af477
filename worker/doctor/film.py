"""Fetches a film in the ways that a job has: by its link, with the token at the backend's own host alone, by the download call."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress

from core.errors import Permanent
from worker.backend.bodies import Redirected
from worker.backend.client import Backend, Credentials, Download
from worker.backend.faults import BackendFault, Fault
from worker.outbound.client import OutboundClient
from worker.outbound.download import fetch_media

_MOST_HOPS = 5
#: what the doctor asks for is a short clip
_LARGEST_BYTES = 500_000_000


class FilmFetch:
    """One film of a render. `ids`: the render's names, the likelier first."""

    def __init__(
        self, backend: Backend, outbound: OutboundClient, credentials: Credentials, ids: Sequence[str], url: str | None
    ) -> None:
        self._backend = backend
        self._outbound = outbound
        self._credentials = credentials
        self._ids = ids
        self._url = backend.absolute(url) if url else None

    async def fetch(self) -> bytes:
        """Read all of it. Raises BackendFault where no way leads to it."""
        for credentials in (None, self._credentials):
            if self._url and (credentials is None or self._backend.is_own(self._url)):
                with suppress(BackendFault, Permanent):
                    return await self._follow(self._url, credentials)
        return await self._download()

    async def _download(self) -> bytes:
        *likelier, last = self._ids
        for render_id in likelier:
            with suppress(BackendFault):
                return await self._by_id(render_id)
        return await self._by_id(last)

    async def _by_id(self, render_id: str) -> bytes:
        try:
            return await _read(self._backend.open_download(self._credentials, render_id))
        except Redirected as hop:
            return await self._follow(hop.url, self._credentials)

    async def _follow(self, url: str, credentials: Credentials | None) -> bytes:
        for _ in range(_MOST_HOPS + 1):
            if not self._backend.is_own(url):
                return await self._from_elsewhere(url)
            try:
                return await _read(self._backend.open_output(url, credentials))
            except Redirected as hop:
                url = hop.url
        raise BackendFault(Fault.REFUSED, call="output", detail="its link redirects too often")

    async def _from_elsewhere(self, url: str) -> bytes:
        try:
            async with fetch_media(self._outbound, url, max_bytes=_LARGEST_BYTES) as fetched:
                return b"".join([chunk async for chunk in fetched.chunks])
        except Permanent as refused:
            raise BackendFault(Fault.REFUSED, call="output", detail=refused.detail) from None


async def _read(opening: AbstractAsyncContextManager[Download]) -> bytes:
    async with opening as download:
        return b"".join([chunk async for chunk in download.chunks])
