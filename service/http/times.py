"""Times that callers send, in bodies and queries: RFC 3339 with an offset. Pure."""

from core.clock import parse_rfc3339_ms
from service.problems import FieldError, invalid


def parse_time_ms(text: str, at: str) -> int:
    """Read a time into milliseconds since the epoch; `at`: the pointer to it. Raises ApiError (422)."""
    try:
        return parse_rfc3339_ms(text)
    except (ValueError, OverflowError):
        words = "Write a time like 2026-11-20T00:00:00Z."
        raise invalid([FieldError(pointer=at, code="invalid_value", detail=words)]) from None
