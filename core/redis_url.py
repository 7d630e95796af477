"""Address of Redis, looked at before it is used: what redis-py would stumble over later, it tells with the address itself.

``redis://:password@host:6379/0``, ``rediss://`` for TLS, ``unix://``, or that of Sentinels (`core.sentinel_url`).
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import SplitResult, parse_qsl

from core.sentinel_url import is_sentinel_url, parse_sentinel_url
from core.split_url import split_url

_FORM = "must be like redis://host:6379/0, with # / ? @ [ ] in a password written as %23 %2F %3F %40 %5B %5D"
#: options of redis-py in the query that work here; ``protocol`` or ``decode_responses`` would change what is read
_WHOLE_NUMBERS = frozenset({"db", "health_check_interval", "max_connections"})
_NUMBERS = _WHOLE_NUMBERS | {"socket_connect_timeout", "socket_timeout", "timeout"}
_WORDS = frozenset({"client_name", "password", "retry_on_timeout", "socket_keepalive", "username"})
_TLS_WORDS = frozenset(
    {"ssl_ca_certs", "ssl_ca_data", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_ciphers", "ssl_keyfile"}
)


def check_redis_url(url: str) -> None:
    """Raises ValueError, whose words show nothing of it."""
    where = split_url(parse_sentinel_url(url).redis_url if is_sentinel_url(url) else url, otherwise=_FORM)
    if where.scheme not in ("redis", "rediss", "unix") or where.fragment:
        raise ValueError(_FORM)
    database = where.path.strip("/")
    if where.scheme != "unix" and database and not (database.isascii() and database.isdecimal()):
        raise ValueError(_FORM)
    _check_options(where)


def _check_options(where: SplitResult) -> None:
    known = _NUMBERS | _WORDS | (_TLS_WORDS if where.scheme == "rediss" else frozenset())
    for name, value in parse_qsl(where.query, keep_blank_values=True):
        if name not in known:
            raise ValueError(
                "has an option behind its ? that is unknown here; those that begin with ssl_ need rediss://"
            )
        digits = value if name in _WHOLE_NUMBERS else value.replace(".", "", 1)
        if name in _NUMBERS and not (digits.isascii() and digits.isdecimal()):
            raise ValueError(f"its option {name} must be a number")
    _check_files(dict(parse_qsl(where.query)))


def _check_files(options: Mapping[str, str]) -> None:
    """Read what the connection will need: without it each try fails, and Redis would seem not to answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities := options.get("ssl_ca_certs"):
        with _told_of("ssl_ca_certs"):
            context.load_verify_locations(authorities)
    if own := options.get("ssl_certfile"):
        with _told_of("ssl_certfile or ssl_keyfile"):
            context.load_cert_chain(own, options.get("ssl_keyfile"), password="")  # else a terminal is asked for one


@contextmanager
def _told_of(option: str) -> Iterator[None]:
    try:
        yield
    except OSError:  # ssl's errors are some, too
        raise ValueError(f"its option {option} names no file that can be read and holds what it should") from None
