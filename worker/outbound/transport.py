"""Sends requests over guarded connections, and keeps those that are fit to serve again.

A connection that says anything, or ends, while it is idle is not used again. Where that is only found out with the
request under way (it died without a byte of the answer, or says 408) the request goes out once more, over a fresh connection.
"""

import ssl
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

import httpx

from core.clock import stopwatch_s
from core.security.url_policy import Network, check_url
from worker.outbound.dialler import ForbiddenTarget, GuardedDialler
from worker.outbound.http11 import Http11Connection, KeptConnectionDied
from worker.outbound.resolver import Resolver

#: idle connections: how many, and for how long
KEPT, KEPT_S = 64, 15.0


class Origin(NamedTuple):
    """Who a connection leads to: ``("https", "hooks.example.com", 443)``."""

    scheme: str
    host: str
    port: int


class GuardedTransport(httpx.AsyncBaseTransport):
    """Judges each request's URL, redirect targets included, then sends it over a connection of `GuardedDialler`."""

    def __init__(
        self, *, allow: Sequence[Network], http_allowed: bool, resolver: Resolver | None, tls: ssl.SSLContext
    ) -> None:
        self._dialler = GuardedDialler(allow=allow, resolver=resolver)
        self._idle = IdleConnections()
        self._tls = tls
        self._allow = tuple(allow)
        self._http_allowed = http_allowed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises ForbiddenTarget, httpx.TransportError."""
        target = request.url.copy_with(path="/", query=None, fragment=None)
        refusal = check_url(str(target), http_allowed=self._http_allowed, allow=self._allow)
        if refusal is not None:
            raise ForbiddenTarget(refusal.detail)
        origin = _origin_of(request.url)
        if (kept := self._idle.take(origin)) and (response := await self._exchange_over_kept(origin, kept, request)):
            return response
        return await self._exchange(origin, await self._dial(origin, request), request)

    async def _exchange_over_kept(
        self, origin: Origin, kept: Http11Connection, request: httpx.Request
    ) -> httpx.Response | None:
        """Send a request over a connection that has served before. None: it was over, and nobody has read the request.

        A 408 there is said of the time that it was idle (RFC 9110, 15.5.9).
        """
        try:
            response = await self._exchange(origin, kept, request)
        except KeptConnectionDied:
            return None
        if response.status_code != HTTPStatus.REQUEST_TIMEOUT:
            return response
        kept.close()
        return None

    async def _dial(self, origin: Origin, request: httpx.Request) -> Http11Connection:
        timeout_s = request.extensions.get("timeout", {}).get("connect")
        tls = self._tls if origin.scheme == "https" else None
        return Http11Connection(await self._dialler.dial(origin.host, origin.port, timeout_s=timeout_s, tls=tls))

    async def _exchange(self, origin: Origin, connection: Http11Connection, request: httpx.Request) -> httpx.Response:
        try:
            return await connection.exchange(request, on_end=partial(self._idle.keep, origin, connection))
        except BaseException:
            connection.close()
            raise

    async def aclose(self) -> None:
        self._idle.close()
        await self._dialler.aclose()


def _origin_of(url: httpx.URL) -> Origin:
    return Origin(url.scheme, url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80))


class IdleConnections:
    """Connections that wait for another request to their origin, the latest first."""

    def __init__(self) -> None:
        #: with the time at which each was put here, oldest first
        self._kept: list[tuple[float, Origin, Http11Connection]] = []

    def take(self, origin: Origin) -> Http11Connection | None:
        """Take one out that is fit to serve."""
        self._drop_unfit()
        for position in range(len(self._kept) - 1, -1, -1):
            if self._kept[position][1] == origin:
                return self._kept.pop(position)[2]
        return None

    def keep(self, origin: Origin, connection: Http11Connection) -> None:
        """Put one here, or close it where it is not fit."""
        self._kept.append((stopwatch_s(), origin, connection))
        self._drop_unfit()

    def close(self) -> None:
        """Close all of them."""
        for _, _, connection in self._kept:
            connection.close()
        self._kept.clear()

    def _drop_unfit(self) -> None:
        oldest_s, last = stopwatch_s() - KEPT_S, len(self._kept) - KEPT
        fit = []
        for position, (since_s, origin, connection) in enumerate(self._kept):
            if position >= last and since_s > oldest_s and connection.is_reusable:
                fit.append((since_s, origin, connection))
            else:
                connection.close()
        self._kept = fit
