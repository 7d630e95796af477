"""Dates as HTTP writes them (RFC 9110, 5.6.7): read in all three forms, written in the one. Pure."""

from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime


def parse_http_date(text: str | None) -> datetime | None:
    """Read ``Fri, 20 Nov 2026 23:00:30 GMT``; without an offset it is UTC. None: it is no date."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def format_http_date(at_s: int) -> str:
    """Write seconds since the epoch: ``Fri, 20 Nov 2026 23:00:30 GMT``."""
    return formatdate(at_s, usegmt=True)
