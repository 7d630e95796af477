"""Parses the headers that say how a call is meant: Prefer (RFC 7240), traceparent (W3C), ETags (RFC 9110). Pure."""

import re

LONGEST_WAIT_S = 60

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?=$|[,;\s])", re.IGNORECASE)
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def parse_wait_s(prefer: str | None) -> int | None:
    """Read ``wait=30``; more than a minute is a minute. None: the caller does not wait."""
    match = _WAIT.search(prefer) if prefer else None
    return min(int(match[1]), LONGEST_WAIT_S) if match else None


def parse_traceparent(header: str | None) -> str | None:
    """Take a well-formed traceparent; any other is as good as none."""
    return header if header and _TRACEPARENT.fullmatch(header) else None


def matches_etag(if_none_match: str | None, etag: str) -> bool:
    """Compare weakly, as If-None-Match does."""
    given = [t.strip().removeprefix("W/") for t in (if_none_match or "").split(",")]
    return "*" in given or etag.removeprefix("W/") in given
