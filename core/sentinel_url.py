"""Address of a Redis that Sentinels watch over: ``redis+sentinel://:word@s1:26379,s2,s3/mymaster/0``.

User and password are Redis's own; the Sentinels' stand in the query: ``?sentinel_password=…``. ``rediss+sentinel``
speaks TLS to Redis and to Sentinels.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
_SENTINEL_PORT = 26_379
#: what an address has before its path. Later Pythons take none with several hosts, one of them in brackets
_AUTHORITY = re.compile("[^/?#]*")
_FORM = "must be like redis+sentinel://:password@host:26379,host:26379/name/0"


class SentinelUrl(NamedTuple):
    """What the address says. None of it may be logged: `redis_url` and the password are secrets."""

    sentinels: tuple[tuple[str, int], ...]
    #: the name under which the Sentinels know the primary
    service: str
    #: how the primary is spoken to, once its host and port are known: a URL with a host that is none
    redis_url: str
    sentinel_username: str | None
    sentinel_password: str | None
    tls: bool

    def __repr__(self) -> str:
        return f"SentinelUrl({self.service!r})"


def is_sentinel_url(url: str) -> bool:
    """Whether Sentinels say where Redis is."""
    return url.partition("://")[0].lower() in SCHEMES


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Read it. Raises ValueError, whose words show nothing of it."""
    scheme, _, behind = url.partition("://")
    authority = _AUTHORITY.findall(behind)[0]
    user, at, hosts = authority.rpartition("@")
    try:
        where = urlsplit(f"{scheme}://{behind.removeprefix(authority)}")
        sentinels = tuple(_place(each) for each in hosts.split(",") if each)
    except ValueError:  # its words would
        raise ValueError(_FORM) from None
    service, _, database = where.path.strip("/").partition("/")
    if where.scheme not in SCHEMES or not sentinels or not service or where.fragment:
        raise ValueError(_FORM)
    if database and not database.isdecimal():
        raise ValueError(_FORM)
    query = dict(parse_qsl(where.query))
    username, password = query.pop("sentinel_username", None), query.pop("sentinel_password", None)
    spoken = SCHEMES[where.scheme]
    redis_url = f"{spoken}://{user}{at}primary.invalid/{database or 0}?{urlencode(query)}"
    return SentinelUrl(sentinels, service, redis_url, username, password, spoken == "rediss")


def _place(text: str) -> tuple[str, int]:
    """Raises ValueError where it is no host, with or without a port."""
    place = urlsplit(f"//{text}")
    port = _SENTINEL_PORT if place.port is None else place.port
    if not place.hostname or not port:
        raise ValueError(text)
    return place.hostname, port
