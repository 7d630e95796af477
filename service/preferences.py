"""Reads the headers that say how a call is meant: Prefer, Idempotency-Key, traceparent. Pure."""

import hashlib
import re
from typing import NamedTuple

from service.problems import Refused

LONGEST_WAIT_S = 60

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?=$|[,;\s])", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class KeyOfCall(NamedTuple):
    """An Idempotency-Key, hashed with its path, and the hash of the body's bytes."""

    key_hash: str
    body_hash: str


def wait_s(prefer: str | None) -> int | None:
    """Read ``wait=30``; more than a minute is a minute. None: the caller does not wait."""
    match = _WAIT.search(prefer) if prefer else None
    return min(int(match[1]), LONGEST_WAIT_S) if match else None


def key_of_call(header: str | None, *, path: str, body: bytes) -> KeyOfCall | None:
    """Read an Idempotency-Key, quoted or bare. Raises Refused (400) where it is neither."""
    if header is None:
        return None
    bare = header[1:-1] if len(header) > 1 and header.startswith('"') and header.endswith('"') else header
    if not _KEY.fullmatch(bare):
        raise Refused(400, "malformed_request", "Idempotency-Key: 1 to 255 visible ASCII characters.")
    return KeyOfCall(hashlib.sha256(f"{path}\n{bare}".encode()).hexdigest(), hashlib.sha256(body).hexdigest())


def traceparent(header: str | None) -> str | None:
    """Take a well-formed traceparent; any other is as good as none."""
    return header if header and _TRACEPARENT.fullmatch(header) else None
