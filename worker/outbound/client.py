"""The guarded HTTP client for addresses that callers named: callbacks go through it, and media that we fetch.

A name is resolved once per connection, every answer is checked by `core.security.url_policy`, and the very number that was checked
is dialled, so nothing can be swapped in between; TLS keeps checking the name. Each request's URL is checked too, redirect
targets included. `worker.callbacks.send` and the upload step use it; the backend's own client does not come through here,
since the operator names that address. This module must not know why something is sent.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from core.clock import stopwatch_s
from core.security.url_policy import Address, Network, address_allowed, ascii_url, check_url
from core.user_agent import user_agent

#: Turns a host name and a port into addresses, e.g. ``["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]``.
Resolver = Callable[[str, int], Awaitable[list[str]]]

#: Waits of one request, each for one thing; whole attempts have a limit of their own.
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
#: Look-ups block a thread each, so a slow name server may hold this many before others wait.
RESOLVER_THREADS = 32
#: Connections are bounded by who sends, host by host; a limit here would let one slow host starve the others.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=50, keepalive_expiry=15.0)


class ForbiddenTarget(Exception):  # noqa: N818 - says what was asked for
    """The URL, or an address its name resolved to, may not be called. Trying again helps only if DNS changes."""


def system_resolver() -> Resolver:
    """Ask the system for addresses, in threads of our own, so that slow name servers do not block other work."""
    threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")

    async def resolve(host: str, port: int) -> list[str]:
        answers = await asyncio.get_running_loop().run_in_executor(
            threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(answer[4][0]) for answer in answers]

    return resolve


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Dials public addresses, or allow-listed ones, and nothing else."""

    def __init__(self, *, allow: Sequence[Network], resolver: Resolver | None = None) -> None:
        self._allow = tuple(allow)
        self._resolve = resolver or system_resolver()
        self._dialler = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises ForbiddenTarget if any single answer is a bad one."""
        deadline_s = stopwatch_s() + timeout if timeout is not None else None
        addresses = await self._allowed_addresses(host, port, timeout)
        for position, address in enumerate(addresses):
            share_s = _share_s(deadline_s, len(addresses) - position)
            try:
                return _Dialled(
                    await self._dialler.connect_tcp(str(address), port, share_s, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses) - 1:
                    raise
        raise httpcore.ConnectError("the name has no address")

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
            raise httpcore.ConnectTimeout("the name was not resolved in time") from late
        except (OSError, ValueError) as unknown:  # the latter for a name that no look-up takes
            raise httpcore.ConnectError("the name cannot be resolved") from unknown
        return [ip_address(answer) for answer in dict.fromkeys(answers)]


def _share_s(deadline_s: float | None, addresses_left: int) -> float | None:
    """Give each address its part of the remaining time, so that one dead address leaves some for the next."""
    return None if deadline_s is None else max(0.001, deadline_s - stopwatch_s()) / addresses_left


class _Dialled(httpcore.AsyncNetworkStream):
    """A connection that is closed also when its TLS handshake is cancelled, which httpcore 1.0 leaves open."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - see above
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - see above
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - see above
    ) -> httpcore.AsyncNetworkStream:
        try:
            # A name is shown without the root's dot: certificates have none, and RFC 6066 wants none.
            name = server_hostname.removesuffix(".") if server_hostname else None
            return await self._stream.start_tls(ssl_context, name, timeout)
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Judges each request's URL, then sends it over a pool that dials through `GuardedBackend`."""

    def __init__(
        self, *, allow: Sequence[Network], http_allowed: bool, resolver: Resolver | None, tls: ssl.SSLContext
    ) -> None:
        super().__init__(verify=tls, trust_env=False)
        assert isinstance(self._pool, httpcore.AsyncConnectionPool), "httpx keeps its pool elsewhere now"
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=_LIMITS.max_connections,
            max_keepalive_connections=_LIMITS.max_keepalive_connections,
            keepalive_expiry=_LIMITS.keepalive_expiry,
            network_backend=GuardedBackend(allow=allow, resolver=resolver),
        )
        self._allow = tuple(allow)
        self._http_allowed = http_allowed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises ForbiddenTarget."""
        target = request.url.copy_with(path="/", query=None, fragment=None)
        refusal = check_url(str(target), http_allowed=self._http_allowed, allow=self._allow)
        if refusal is not None:
            raise ForbiddenTarget(refusal.detail)
        return await super().handle_async_request(request)


class OutboundClient(httpx.AsyncClient):
    """What may dial the outside; made by `guarded_client` alone."""

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        """Make a request, its host spelt as it was judged at submit. Raises ForbiddenTarget."""
        try:
            return super().build_request(method, ascii_url(str(url)), **options)
        except (httpx.InvalidURL, ValueError):
            raise ForbiddenTarget("The URL cannot be read.") from None


def guarded_client(
    *,
    allow: Sequence[Network],
    http_allowed: bool,
    timeout: httpx.Timeout = TIMEOUT,
    resolver: Resolver | None = None,
    tls: ssl.SSLContext | None = None,
) -> OutboundClient:
    """Make the client for addresses that callers named: no proxies, no redirects, no cookies, no environment.

    One per process is enough. `tls` replaces the public certificate authorities, e.g. by those of a company.
    """
    transport = GuardedTransport(
        allow=allow,
        http_allowed=http_allowed,
        resolver=resolver,
        tls=tls or httpx.create_ssl_context(trust_env=False),
    )
    # One tenant's receiver must not be able to leave a mark on another tenant's request.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return OutboundClient(
        headers={"User-Agent": user_agent()},
        transport=transport,
        timeout=timeout,
        cookies=no_cookies,
        trust_env=False,
        follow_redirects=False,
    )
