"""Sends requests over guarded connections, and keeps those that are fit to serve again.

A connection that says anything, or ends, while it is idle is not used again. Where that is only found out with the
request under way (it died without a byte of the answer, or says 408) the request goes out once more, over a fresh connection.
"""

import ssl
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

import httpx

from core.security.url_policy import Network, check_url
from worker.connections.idle import IdleConnections, Origin, origin_of
from worker.outbound.dialler import ForbiddenTarget, GuardedDialler
from worker.outbound.http11 import Http11Connection, KeptConnectionDied
from worker.outbound.resolver import Resolver

#: idle connections: how many, and for how long
KEPT, KEPT_S = 64, 15.0


class GuardedTransport(httpx.AsyncBaseTransport):
    """Judges each request's URL, redirect targets included, then sends it over a connection of `GuardedDialler`."""

    def __init__(
        self, *, allow: Sequence[Network], http_allowed: bool, resolver: Resolver | None, tls: ssl.SSLContext
    ) -> None:
        self._dialler = GuardedDialler(allow=allow, resolver=resolver)
        self._idle = IdleConnections[Http11Connection](most=KEPT, longest_s=KEPT_S)
        self._tls = tls
        self._allow = tuple(allow)
        self._http_allowed = http_allowed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises ForbiddenTarget, httpx.TransportError."""
        target = request.url.copy_with(path="/", query=None, fragment=None)
        refusal = check_url(str(target), http_allowed=self._http_allowed, allow=self._allow)
        if refusal is not None:
            raise ForbiddenTarget(refusal.detail)
        origin = origin_of(request.url)
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
            connection.give_up()
            raise

    async def aclose(self) -> None:
        self._idle.close()
        await self._dialler.aclose()
