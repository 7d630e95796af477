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
    HeaderParameter(
        name="Prefer",
        description=(
            "`wait=N`: seconds to wait for the job's end, 0 to 60 (more is 60). 200 with the ended job if it ends in time, else 202 as "
            "without it. Absent: no wait. It holds a connection open, so let your client's own timeout be longer."
        ),
        schema_extra={"examples": ["wait=30"]},
    ),
]
TraceparentHeader = Annotated[
    str | None,
    HeaderParameter(
        name="traceparent",
        description=(
            "W3C trace context. It goes on to the backend and to the callbacks, so that one trace shows all of a job. One "
            "that is malformed is ignored."
        ),
        schema_extra={"examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]},
    ),
]
IfNoneMatchHeader = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match",
        description="The `ETag` of what you have: 304 without a body while nothing has changed. Makes polling cheap.",
        schema_extra={"examples": ['W/"5f1d0c7e9b2a4c6d8e0f1a2b"']},
    ),
]
IfMatchHeader = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The `ETag` of the file that you mean: 412 where this is another one.",
        schema_extra={"examples": ['"job_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"']},
    ),
]
IfUnmodifiedSinceHeader = Annotated[
    str | None,
    HeaderParameter(
        name="If-Unmodified-Since",
        description="412 where the file is newer; ignored beside `If-Match`, and where it is no date.",
        schema_extra={"examples": ["Fri, 20 Nov 2026 23:00:30 GMT"]},
    ),
]
IfModifiedSinceHeader = Annotated[
    str | None,
    HeaderParameter(
        name="If-Modified-Since",
        description="304 where the file is no newer; ignored beside `If-None-Match`, and where it is no date.",
        schema_extra={"examples": ["Fri, 20 Nov 2026 23:00:30 GMT"]},
    ),
]
LastEventIdHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        description=(
            "Go on after this event; browsers send it by themselves. Without it a snapshot comes first. An id whose history "
            "is gone gives `reset` and a snapshot."
        ),
        schema_extra={"examples": ["evt_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"]},
    ),
]
RangeHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Range",
        description="One range of bytes, to go on with a download that broke off: 206. Several at once give the whole file.",
        schema_extra={"examples": ["bytes=0-1023"]},
    ),
]
IfRangeHeader = Annotated[
    str | None,
    HeaderParameter(
        name="If-Range",
        description=(
            "The `ETag` or `Last-Modified` of the file that the range belongs to. If the file is another one now it comes "
            "whole, and no two halves are mixed."
        ),
        schema_extra={"examples": ['"job_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"']},
    ),
]

LONGEST_WAIT_S = 60

#: what stands in quotes belongs to another preference; quotes that nobody closes go to the end: looking behind each of them for
#: what it opens would take minutes
_WAIT = re.compile(r'"(?:[^"\\]|\\.?)*(?:"|$)|(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})"?(?=$|[,;\s])', re.IGNORECASE)
_NO_WEIGHT = re.compile(r"q\s*=\s*0(\.0*)?")
_TAG = re.compile(r'(?:W/)?("[^"]*")')
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
    return given == "*" or etag.removeprefix("W/") in _TAG.findall(given)


def matches_etag_strongly(if_match: str, etag: str) -> bool:
    """Compare as If-Match does: a weak tag matches none."""
    given = if_match.strip()
    return given == "*" or etag in (match[0] for match in _TAG.finditer(given))


def takes_gzip(accept_encoding: str) -> bool:
    """Tell whether ``br;q=1, gzip`` takes gzip; by a weight of 0 it is refused (RFC 9110, 12.5.3)."""
    for coding in accept_encoding.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return not _NO_WEIGHT.fullmatch(weight.strip())
    return False


def join_field_lines(lines: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Join the lines of a field that comes more than once into one list (RFC 9110, 5.3); the same line again is dropped.

    A field that may come only once becomes a value that it can't have, and is judged as such: no line wins in silence.
    """
    given = list(lines)
    if len(dict(given)) == len(given):
        return given
    joined: dict[bytes, list[bytes]] = {}
    for name, value in given:
        values = joined.setdefault(name, [])
        if value not in values:
            values.append(value)
    return [(name, b", ".join(values)) for name, values in joined.items()]
