"""Dials public addresses, or allow-listed ones, and nothing else.

A name is resolved once per connection, every answer is checked by `core.security.url_policy`, and the very number that
was checked is dialled, so nothing can be swapped in between; TLS keeps checking the name.
"""

import asyncio
import ssl
from collections.abc import Sequence
from ipaddress import ip_address

import httpx

from core.clock import stopwatch_s
from core.security.url_policy import Address, Network, address_allowed
from worker.outbound.resolver import Resolver, SystemResolver
from worker.outbound.wire import Wire


class ForbiddenTarget(Exception):  # noqa: N818 - says what was asked for
    """The URL, or an address its name resolved to, may not be called. Trying again helps only if DNS changes."""


class GuardedDialler:
    """Opens connections to hosts that callers named."""

    def __init__(self, *, allow: Sequence[Network], resolver: Resolver | None = None) -> None:
        self._allow = tuple(allow)
        self._system = SystemResolver()
        self._resolve: Resolver = resolver or self._system

    async def dial(self, host: str, port: int, *, timeout_s: float | None, tls: ssl.SSLContext | None = None) -> Wire:
        """Connect to the first address that answers, within `timeout_s`, and shake hands, within as much again.

        Raises ForbiddenTarget if any single answer is a bad one, httpx.ConnectError, httpx.ConnectTimeout.
        """
        wire = await self._connect(host, port, timeout_s)
        if tls is None:
            return wire
        try:
            async with asyncio.timeout(timeout_s):
                await _shake_hands(wire, tls, host)
        except TimeoutError as late:
            raise httpx.ConnectTimeout("no secure connection was made in time") from late
        except OSError as failed:
            raise httpx.ConnectError("no secure connection could be made") from failed
        return wire

    async def aclose(self) -> None:
        """Give up look-ups that nobody waits for any more."""
        await self._system.aclose()

    async def _connect(self, host: str, port: int, timeout_s: float | None) -> Wire:
        deadline_s = stopwatch_s() + timeout_s if timeout_s is not None else None
        addresses = await self._allowed_addresses(host, port, timeout_s)
        fault: httpx.TransportError = httpx.ConnectError("the name has no address")
        for position, address in enumerate(addresses):
            try:
                return await _connect_to(address, port, _share_s(deadline_s, len(addresses) - position))
            except (httpx.ConnectError, httpx.ConnectTimeout) as failed:
                fault = failed
        raise fault

    async def _allowed_addresses(self, host: str, port: int, timeout_s: float | None) -> list[Address]:
        """Resolve once; what comes back from here is what gets dialled."""
        addresses = await self._addresses(host, port, timeout_s)
        if not all(address_allowed(address, self._allow) for address in addresses):
            raise ForbiddenTarget("The host's address is not a public one.")
        return addresses

    async def _addresses(self, host: str, port: int, timeout_s: float | None) -> list[Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        try:
            answers = await asyncio.wait_for(self._resolve(host, port), timeout_s)
        except TimeoutError as late:
            raise httpx.ConnectTimeout("the name was not resolved in time") from late
        except (OSError, ValueError) as unknown:  # the latter for a name that no look-up takes
            raise httpx.ConnectError("the name cannot be resolved") from unknown
        return [ip_address(answer) for answer in dict.fromkeys(answers)]


def _share_s(deadline_s: float | None, addresses_left: int) -> float | None:
    """Give each address its part of the remaining time, so that one dead address leaves some for the next."""
    return None if deadline_s is None else max(0.001, deadline_s - stopwatch_s()) / addresses_left


async def _connect_to(address: Address, port: int, timeout_s: float | None) -> Wire:
    try:
        async with asyncio.timeout(timeout_s):
            _, wire = await asyncio.get_running_loop().create_connection(Wire, str(address), port)
    except TimeoutError as late:
        raise httpx.ConnectTimeout("no connection was made in time") from late
    except OSError as failed:
        raise httpx.ConnectError("no connection could be made") from failed
    return wire


async def _shake_hands(wire: Wire, tls: ssl.SSLContext, host: str) -> None:
    """Go on over TLS. A name is shown without the root's dot: certificates have none, and RFC 6066 wants none."""
    name = host.removesuffix(".")
    try:
        over = await asyncio.get_running_loop().start_tls(wire.transport, wire, tls, server_hostname=name)
    except BaseException:
        wire.abort()
        raise
    assert over is not None
    wire.go_on_over(over)
