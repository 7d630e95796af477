"""Header parameters of the handlers, and their parsers: Prefer (RFC 7240), traceparent (W3C), ETags (RFC 9110). Pure.

A handler that names one of these types in its signature gets it from Litestar, and its description in OpenAPI.
"""

import re
from collections.abc import Iterable
from typing import Annotated, NamedTuple

from litestar.params import HeaderParameter
from litestar.types import Scope

PreferHeader = Annotated[
    str | None,
    HeaderParameter(name="Prefer", description="Wait for the end, up to 60 s.", schema_extra={"examples": ["wait=30"]}),
]
TraceparentHeader = Annotated[
    str | None,
    HeaderParameter(name="traceparent", description="W3C trace context; goes on to the backend and the callback."),
]
IfNoneMatchHeader = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", description="A known ETag: 304 while nothing has changed."),
]
LastEventIdHeader = Annotated[str | None, HeaderParameter(name="Last-Event-ID", description="Go on after this event.")]
RangeHeader = Annotated[
    str | None,
    HeaderParameter(name="Range", description="One range of bytes.", schema_extra={"examples": ["bytes=0-1023"]}),
]
IfRangeHeader = Annotated[
    str | None,
    HeaderParameter(
        name="If-Range", description="The range is meant for the file with this ETag; another one comes whole."
    ),
]

LONGEST_WAIT_S = 60

#: what stands in quotes belongs to another preference
_WAIT = re.compile(r'"(?:[^"\\]|\\.)*"|(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})"?(?=$|[,;\s])', re.IGNORECASE)
_OPAQUE_TAG = re.compile(r'"[^"]*"')
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def parse_wait_s(prefer: str | None) -> int | None:
    """Read ``wait=30``; more than a minute is a minute. None: the caller does not wait."""
    waits = [match[1] for match in _WAIT.finditer(prefer or "") if match[1]]
    return min(int(waits[0]), LONGEST_WAIT_S) if waits else None


def parse_traceparent(header: str | None) -> str | None:
    """Take a well-formed traceparent; any other is as good as none."""
    return header if header and _TRACEPARENT.fullmatch(header) else None


class CallOrigin(NamedTuple):
    """The call that something comes from, for the logs of what it leads to: its request's id and its trace."""

    request_id: str | None = None
    traceparent: str | None = None


#: what no call asked for
NOWHERE = CallOrigin()


def call_origin_of(scope: Scope, traceparent: str | None = None) -> CallOrigin:
    """Name the call of this scope; `traceparent` is the header as it came."""
    return CallOrigin(str(scope.get("request_id", "")) or None, parse_traceparent(traceparent))


def matches_etag(if_none_match: str | None, etag: str) -> bool:
    """Compare weakly, as If-None-Match does; a tag may hold a comma."""
    given = (if_none_match or "").strip()
    return given == "*" or etag.removeprefix("W/") in _OPAQUE_TAG.findall(given)


def join_field_lines(lines: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Join the lines of a field that comes more than once into one list (RFC 9110, 5.3); the same line again is dropped.

    A field that may come only once becomes a value that it can't have, and is judged as such: no line wins in silence.
    """
    joined: dict[bytes, list[bytes]] = {}
    for name, value in lines:
        values = joined.setdefault(name, [])
        if value not in values:
            values.append(value)
    return [(name, b", ".join(values)) for name, values in joined.items()]
