"""Range requests (RFC 9110, 14.2): parses a header of one range. Pure. Several ranges get the whole file, as it allows."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)


class ByteRange(NamedTuple):
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


class RangeNotSatisfiable(Exception):  # noqa: N818 - it says what the range is
    """The range lies outside of the file: 416."""


def parse_range(header: str | None, *, size_bytes: int) -> ByteRange | None:
    """Read which bytes are wanted; None: all of them. Raises RangeNotSatisfiable."""
    match = _RANGE.fullmatch(header.strip()) if header and len(header) < 100 else None  # noqa: PLR2004 - no sane range is longer
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return _last(int(match[2]), size_bytes)
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    if start >= size_bytes:
        raise RangeNotSatisfiable
    return ByteRange(start, min(int(match[2]) + 1, size_bytes) if match[2] else size_bytes)


def _last(count: int, size_bytes: int) -> ByteRange:
    if count == 0 or size_bytes == 0:
        raise RangeNotSatisfiable
    return ByteRange(max(0, size_bytes - count), size_bytes)
