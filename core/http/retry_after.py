"""The Retry-After header of HTTP (RFC 9110, 10.2.3): how servers say, and we say, when it is worth asking again. Pure."""

import math
import re
from datetime import UTC, datetime

from core.http.dates import parse_http_date

#: nobody is taken at his word beyond this: 30 days
LONGEST_S = 30 * 86_400.0

_SECONDS = re.compile("[0-9]{1,9}")


def parse_retry_after_s(value: str | None, *, date: str | None = None, now_ms: int | None = None) -> float | None:
    """Read ``120``, or ``Fri, 20 Nov 2026 23:00:30 GMT``, as seconds from now, `LONGEST_S` at most; a time past is 0.

    A time is measured from the answer's own `date` header, so that clocks need not agree, else from `now_ms`. None
    where the value is neither form, or a time that can't be measured from anything.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_S)
    until, now = parse_http_date(text), parse_http_date(date)
    if now is None and now_ms is not None:
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if until is None or now is None:
        return None
    return min(max(0.0, (until - now).total_seconds()), LONGEST_S)


def format_retry_after(delay_s: float) -> str:
    """Write a delay as whole seconds, never too early and at least one: ``0.2`` is ``1``, ``30`` is ``30``."""
    return str(max(1, math.ceil(delay_s)))
