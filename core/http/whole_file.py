"""Whether an answer holds the whole of a file (RFC 9110, 15.3): some storages answer 206 to who asked for no part, and mean all of it."""

import re
from collections.abc import Mapping
from http import HTTPStatus

#: of a whole file: what is behind its last byte is nothing
_CONTENT_RANGE = re.compile(r"bytes 0-(?P<last>\d{1,18})/(?P<size>\d{1,18})")


def may_be_whole(status: int, headers: Mapping[str, str]) -> bool:
    """Tell a file from a part of one, and from what is no file. `headers` are found in any case."""
    if status != HTTPStatus.PARTIAL_CONTENT:
        return status in (HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION)
    told = _CONTENT_RANGE.fullmatch(headers.get("content-range", "bytes 0-0/1"))
    return told is not None and int(told["last"]) + 1 == int(told["size"])
