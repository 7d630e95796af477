"""What the blocking and the waiting driver share about httpx: requests made of ours, answers and failures of theirs."""

import platform
import re
import ssl
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import TypeVar

import certifi
import httpx

from reelgate.client.effects import SILENCE_S, Answer, Failure, Request

Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)

CHUNK_BYTES = 1 << 18
#: for a whole answer that is no film and no stream
ANSWER_S = 120.0
MOST_ANSWER_BYTES = 64 << 20
#: whoever waits for a job holds a connection, so their number has no limit here: a submit behind a hundred waits would fail
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
#: a proxy of the environment would look for these on its own machine
_WITHOUT_PROXY = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))
#: a proxy that refuses has passed nothing on
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_KEY = re.compile("[ -~]+")
_PERMANENT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects, httpx.DecodingError)


def user_agent() -> str:
    return f"reelgate-python/{version('reelgate-client')} Python/{platform.python_version()}"


def check_address(url: str) -> str:
    """Look that the API's address is one, without its last slash. Raises ValueError, without a password that stands in it."""
    if not _is_address(url):
        shown = f"…@{url.rpartition('@')[2]}" if "@" in url else url
        raise ValueError(f"{shown} is no address: it must be like https://reelgate.example.com")
    return url.rstrip("/")


def _is_address(url: str) -> bool:
    try:
        known = httpx.URL(url)
        has_place = known.scheme in ("http", "https") and bool(known.host)
    except (httpx.InvalidURL, UnicodeError):
        return False
    return has_place and not (known.userinfo or set("?# ") & set(url))


def check_api_key(key: str) -> str:
    """Look that a key is one; what came from a file may end with its line. Raises ValueError, without the key."""
    if not _KEY.fullmatch(key.strip()):
        raise ValueError("that is no API key: a key has printable ASCII characters alone")
    return key.strip()


def tls_context() -> ssl.SSLContext:
    """Trust what this machine trusts, e.g. a company's own authority, and Mozilla's list, since some machines have none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def connected(kind: type[Http]) -> Http:
    """Make a client of httpx's for a client of ours. Raises ValueError where the environment names an impossible proxy."""
    trusted = tls_context()
    try:
        return kind(verify=trusted, limits=LIMITS, mounts=_WITHOUT_PROXY)
    except (ImportError, ValueError, httpx.InvalidURL) as wrong:  # not its words: a password may stand in them
        needs = '; SOCKS needs "httpx[socks]"' if isinstance(wrong, ImportError) else ""
        names = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or NO_PROXY"
        raise ValueError(f"{names} of the environment is nothing that can be used{needs}") from None


class GatheredBody:
    """An answer's body as it comes: no larger and no slower than any of the API's. The clock gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_s = clock() + ANSWER_S
        self._body = bytearray()

    def take(self, chunk: bytes) -> None:
        """Keep what has come. Raises httpx.HTTPError."""
        self._body += chunk
        if len(self._body) > MOST_ANSWER_BYTES:
            raise httpx.DecodingError("larger than any answer of the API")
        if self._clock() > self._ends_s:
            raise httpx.ReadTimeout("slower than any answer of the API")

    def whole(self) -> bytes:
        return bytes(self._body)


class Outgoing:
    """Makes httpx's requests of ours. They carry the key, which httpx takes off where it follows one to another host."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = check_address(base_url)
        self._headers = {"user-agent": user_agent(), "authorization": f"Bearer {check_api_key(key)}"}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def url(self, request: Request) -> str:
        return self.base_url + request.path

    def headers(self, request: Request) -> dict[str, str]:
        return self._headers | dict(request.headers)

    def timeout(self, request: Request) -> httpx.Timeout:
        return httpx.Timeout(min(request.silence_s, SILENCE_S), read=request.silence_s)


def answer_of(response: httpx.Response, body: bytes = b"") -> Answer:
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


def failure_of(error: httpx.HTTPError) -> Failure:
    """Say what kind of failure it is; its own words may hold a URL."""
    untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
    kind = "untrusted certificate" if untrusted else type(error).__name__
    return Failure(kind, sent=not isinstance(error, _UNSENT), permanent=untrusted or isinstance(error, _PERMANENT))
