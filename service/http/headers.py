"""Reads the headers that say how a call is meant: Prefer, Idempotency-Key, traceparent. Pure."""

import hashlib
import re
from typing import NamedTuple

from service.problems import Refused

LONGEST_WAIT_S = 60
#: an Idempotency-Key, quoted or bare
KEY_PATTERN = r'^("[!-~]{1,255}"|[!#-~][!-~]{0,254})$'

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?=$|[,;\s])", re.IGNORECASE)
_KEY = re.compile(KEY_PATTERN)
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class IdempotencyKey(NamedTuple):
    """An Idempotency-Key, hashed with its path, and the hash of the body's bytes."""

    key_hash: str
    body_hash: str


def wait_s(prefer: str | None) -> int | None:
    """Read ``wait=30``; more than a minute is a minute. None: the caller does not wait."""
    match = _WAIT.search(prefer) if prefer else None
    return min(int(match[1]), LONGEST_WAIT_S) if match else None


def idempotency_key_of(header: str | None, *, path: str, body: bytes) -> IdempotencyKey | None:
    """Read an Idempotency-Key, quoted or bare. Raises Refused (400) where it is neither."""
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        raise Refused(400, "malformed_request", "Idempotency-Key: 1 to 255 visible ASCII characters, quoted or bare.")
    bare = header[1:-1] if header.startswith('"') else header
    return IdempotencyKey(hashlib.sha256(f"{path}\n{bare}".encode()).hexdigest(), hashlib.sha256(body).hexdigest())


def traceparent(header: str | None) -> str | None:
    """Take a well-formed traceparent; any other is as good as none."""
    return header if header and _TRACEPARENT.fullmatch(header) else None
