"""The guarded HTTP client for addresses that callers named: callbacks go through it, and media that we fetch.

`worker.callbacks.send` and the upload step use it; the backend's own client does not come through here, since the
operator names that address. This module must not know why something is sent.
"""

import ssl
from collections.abc import Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from core.http.user_agent import user_agent
from core.security.url_policy import Network, ascii_url
from worker.connections.dial import public_authorities
from worker.outbound.dialler import ForbiddenTarget
from worker.outbound.fair_places import FairPlaces
from worker.outbound.resolver import Resolver
from worker.outbound.transport import GuardedTransport

__all__ = ["ForbiddenTarget", "OutboundClient", "guarded_client"]

#: Waits of one request, each for one thing; whole attempts have a limit of their own.
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
#: Media that one process fetches at a time, and one tenant of them.
MEDIA_AT_ONCE, MEDIA_PER_TENANT = 64, 8
#: Films that it brings at a time, from wherever they are, and one tenant's of them. Each has parts of 8 MiB in memory until the
#: storage has them: hundreds whose backend comes back at once would have the process killed, and its jobs end as poisoned.
FILMS_AT_ONCE, FILMS_PER_TENANT = 32, 24
#: Files whose bytes it sends to the backend at a time, and one tenant's of them: each has some MiB in memory while the backend
#: takes them more slowly than the storage gives them, and a worker holds a thousand jobs. All three together fit into 2 GiB.
SENT_AT_ONCE, SENT_PER_TENANT = 128, 96


async def _hand_over(answer: httpx.Response) -> None:
    """Give an answer's head to who wants it (`on_head`), before httpx reads where it redirects to, and breaks at what is no URL."""
    if on_head := answer.request.extensions.get("on_head"):
        on_head(answer)


class OutboundClient(httpx.AsyncClient):
    """What may dial the outside; made by `guarded_client` alone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(event_hooks={"response": [_hand_over]}, **options)
        self.media_places = FairPlaces(in_all=MEDIA_AT_ONCE, per_tenant=MEDIA_PER_TENANT)
        self.film_places = FairPlaces(in_all=FILMS_AT_ONCE, per_tenant=FILMS_PER_TENANT)
        self.sending_places = FairPlaces(in_all=SENT_AT_ONCE, per_tenant=SENT_PER_TENANT)

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
        tls=tls or public_authorities(),
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
