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
from worker.connections.dial import connect_to_any, shake_hands
from worker.connections.wire import Wire
from worker.outbound.resolver import Resolver, SystemResolver


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
        deadline_s = stopwatch_s() + timeout_s if timeout_s is not None else None
        addresses = await self._allowed_addresses(host, port, timeout_s)
        wire = await connect_to_any(addresses, port, deadline_s=deadline_s)
        if tls is not None:
            await shake_hands(wire, tls, host, timeout_s=timeout_s)
        return wire

    async def aclose(self) -> None:
        """Give up look-ups that nobody waits for any more."""
        await self._system.aclose()

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
            async with asyncio.timeout(timeout_s):
                answers = await self._resolve(host, port)
        except TimeoutError as late:
            raise httpx.ConnectTimeout("the name was not resolved in time") from late
        except (OSError, ValueError) as unknown:  # the latter for a name that no look-up takes
            raise httpx.ConnectError("the name cannot be resolved") from unknown
        return [ip_address(answer) for answer in dict.fromkeys(answers)]
