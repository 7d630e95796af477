"""The connections to the backend: dialled when needed, kept while they are fit, one request at a time on each.

What may be asked only once never goes over a connection that was used before, which may be dead: on a fresh one "could not
connect" is certain to mean that nothing was sent. No cookies, no redirects, no proxies, no environment.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

import httpx

from core.clock import stopwatch_s
from core.security.url_policy import Address
from worker.backend.http11 import BackendConnection, NothingCame, Outgoing
from worker.connections.dial import connect_to_any, public_authorities, shake_hands
from worker.connections.idle import IdleConnections, Origin

#: idle connections: how many, and for how long
_KEPT, _KEPT_S = 64, 15.0
#: a call at which even a fresh one ended is not repeated for so long: it is no kept connection that fails there
_NOT_REPEATED_S = 60.0


class BackendConnections:
    """Sends requests, and gives responses of httpx, whose bodies come while they are read."""

    def __init__(self) -> None:
        self._tls = public_authorities()
        self._idle = IdleConnections[BackendConnection](most=_KEPT, longest_s=_KEPT_S)
        #: calls at which a fresh connection ended without an answer, and when
        self._ended_s: dict[str, float] = {}

    async def send(self, request: Outgoing, origin: Origin, *, fresh: bool) -> httpx.Response:
        """Send one request, over a connection of its own where that must be `fresh`; what is repeatable goes over a kept one,
        and once more over a fresh one where that has died.

        Raises httpx.ConnectError or httpx.ConnectTimeout where nothing was sent, unless it is repeatable, other errors of
        httpx where it may have been.
        """
        call = request.repeatable_call
        if call and not fresh and (kept := self._idle.take(origin)):
            try:
                return await self._exchange(kept, request, on_end=partial(self._idle.keep, origin, kept))
            except NothingCame:  # it was closed while it was idle, or right behind its last answer
                if not self._may_repeat(call):
                    raise
        dialled = await self._dial(origin, request.times.connect_s)
        end = dialled.close if fresh else partial(self._idle.keep, origin, dialled)
        try:
            return await self._exchange(dialled, request, on_end=end)
        except NothingCame:
            if call:
                self._ended_s[call] = stopwatch_s()
            raise

    def _may_repeat(self, call: str) -> bool:
        """Whether to ask once more over a fresh connection may help."""
        return stopwatch_s() - self._ended_s.get(call, -_NOT_REPEATED_S) >= _NOT_REPEATED_S

    async def _exchange(
        self, connection: BackendConnection, request: Outgoing, on_end: Callable[[], None]
    ) -> httpx.Response:
        try:
            return await connection.exchange(request, on_end=on_end)
        except BaseException:
            connection.give_up()
            raise

    async def _dial(self, origin: Origin, timeout_s: float) -> BackendConnection:
        if origin.scheme not in {"http", "https"}:
            raise httpx.UnsupportedProtocol("only http and https are spoken here")
        deadline_s = stopwatch_s() + timeout_s
        wire = await connect_to_any(await _addresses(origin, timeout_s), origin.port, deadline_s=deadline_s)
        if origin.scheme == "https":
            await shake_hands(wire, self._tls, origin.host, timeout_s=timeout_s)
        return BackendConnection(wire)

    def close(self) -> None:
        """End the idle ones; those in use end with their responses."""
        self._idle.close()


async def _addresses(origin: Origin, timeout_s: float) -> list[Address]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except TimeoutError as late:
        raise httpx.ConnectTimeout("the name was not resolved in time") from late
    except (OSError, UnicodeError) as unknown:
        raise httpx.ConnectError("the name cannot be resolved") from unknown
    return [ip_address(address[0]) for *_, address in found]
