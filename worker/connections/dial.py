"""Opens TCP and TLS connections to addresses that are known already. Who may be dialled is decided above.

Whatever fails here failed before a byte of a request was sent.
"""

import asyncio
import ssl
from collections.abc import Sequence
from functools import cache

import httpx

from core.clock import stopwatch_s
from core.security.url_policy import Address
from worker.connections.wire import Wire

#: so long the other side may take to answer TLS's goodbye, for which nobody waits
_GOODBYE_S = 1.0


@cache
def public_authorities() -> ssl.SSLContext:
    """TLS that believes the public certificate authorities. To read them takes 50 ms of a core, so a process does it once."""
    return httpx.create_ssl_context(trust_env=False)


async def connect_to_any(addresses: Sequence[Address], port: int, *, deadline_s: float | None) -> Wire:
    """Connect to the first address that answers. Raises httpx.ConnectError, httpx.ConnectTimeout.

    `deadline_s`: on the stopwatch.
    """
    fault: httpx.TransportError = httpx.ConnectError("the name has no address")
    for position, address in enumerate(addresses):
        try:
            return await _connect_to(address, port, _share_s(deadline_s, len(addresses) - position))
        except (httpx.ConnectError, httpx.ConnectTimeout) as failed:
            fault = failed
    raise fault


async def shake_hands(wire: Wire, tls: ssl.SSLContext, host: str, *, timeout_s: float | None) -> None:
    """Go on over TLS. Raises httpx.ConnectError, httpx.ConnectTimeout.

    A name is shown without the root's dot: certificates have none, and RFC 6066 wants none.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await _start_tls(wire, tls, host.removesuffix("."))
    except TimeoutError as late:
        raise httpx.ConnectTimeout("no secure connection was made in time") from late
    except OSError as failed:
        raise httpx.ConnectError("no secure connection could be made") from failed


def _share_s(deadline_s: float | None, addresses_left: int) -> float | None:
    """Give each address its part of the remaining time, so that one dead address leaves some for the next."""
    return None if deadline_s is None else max(0.001, deadline_s - stopwatch_s()) / addresses_left


async def _connect_to(address: Address, port: int, timeout_s: float | None) -> Wire:
    try:
        async with asyncio.timeout(timeout_s):
            _, wire = await asyncio.get_running_loop().create_connection(Wire, str(address), port)
            _require_alive(wire)
    except TimeoutError as late:
        raise httpx.ConnectTimeout("no connection was made in time") from late
    except OSError as failed:
        raise httpx.ConnectError("no connection could be made") from failed
    return wire


def _require_alive(wire: Wire) -> None:
    """Raise ConnectionResetError for one who has hung up by now: whoever wrote to him would not know that nothing was sent.

    uvloop tells of it a turn before whoever waits for the connection goes on, and takes it for the end of a handshake.
    """
    if wire.has_ended and not wire.has_spoken:
        wire.abort()
        raise ConnectionResetError("the other side hung up before anything was said")


async def _start_tls(wire: Wire, tls: ssl.SSLContext, name: str) -> None:
    """What came before TLS begins may be anybody's, and would be read in front of what comes over it."""
    _require_alive(wire)
    if wire.has_spoken:
        wire.abort()
        raise ssl.SSLError("the other side spoke before the handshake")
    loop = asyncio.get_running_loop()
    try:
        over = await loop.start_tls(wire.transport, wire, tls, server_hostname=name, ssl_shutdown_timeout=_GOODBYE_S)
    except BaseException:
        wire.abort()
        raise
    assert over is not None
    wire.go_on_over(over)
