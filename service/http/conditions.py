"""Conditional requests (RFC 9110, 13): which of the conditions of a GET or HEAD decides, and how. Pure.

They concern a file that is there: what is missing, or is to be found elsewhere, is so under any condition.
"""

from typing import Literal, NamedTuple

from core.http.dates import parse_http_date
from service.http.headers import matches_etag, matches_etag_strongly

#: 412, 304, or the file
ConditionOutcome = Literal["failed", "unchanged", "met"]


class Conditions(NamedTuple):
    """A request's headers as they came, in the order in which they are looked at (13.2.2)."""

    if_match: str | None = None
    if_unmodified_since: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_range: str | None = None


class Validators(NamedTuple):
    """What a file is known by: its strong ETag, and when it was made, in seconds since the epoch."""

    etag: str
    modified_s: int


def evaluate(asked: Conditions, file: Validators) -> ConditionOutcome:
    """Go by the tags where there are any, else by the dates; what is no date says nothing."""
    return "failed" if _has_changed(asked, file) else "unchanged" if _is_known(asked, file) else "met"


def _has_changed(asked: Conditions, file: Validators) -> bool:
    if asked.if_match is not None:
        return not matches_etag_strongly(asked.if_match, file.etag)
    since = parse_http_date(asked.if_unmodified_since)
    return since is not None and file.modified_s > since.timestamp()


def _is_known(asked: Conditions, file: Validators) -> bool:
    if asked.if_none_match is not None:
        return matches_etag(asked.if_none_match, file.etag)
    since = parse_http_date(asked.if_modified_since)
    return since is not None and file.modified_s <= since.timestamp()


def takes_range(if_range: str | None, file: Validators) -> bool:
    """Tell whether a range is one of this very file (13.1.5); meant for another one it is no range."""
    if if_range is None or if_range.strip() == file.etag:
        return True
    made = parse_http_date(if_range)
    return made is not None and made.timestamp() == file.modified_s
