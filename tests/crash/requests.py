"""Tells what a worker is about to do from the bytes that it sends: which operation of ours it runs in Redis, which call it makes.

Nothing is decoded further than that needs; what is not recognized has no names and passes.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Request(NamedTuple):
    """Bytes as they came, and the names by which a test may wait for them: ``("commit_job", "commit_job:end")``."""

    raw: bytes
    names: tuple[str, ...]


class RedisRequests:
    """Cuts a client's bytes into commands. One for each connection."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Request]:
        self._buffer += data
        while (end := _command_end(self._buffer)) is not None:
            raw, self._buffer = self._buffer[:end], self._buffer[end:]
            yield Request(raw, _operation_names(raw))


class HttpRequests:
    """Finds the head of each request: a client that waits for its answers begins each with a new packet."""

    def feed(self, data: bytes) -> Iterator[Request]:
        head = _HEAD.match(data)
        yield Request(data, _call_names(head[1].decode(), head[2].decode()) if head else ())


_HEAD = re.compile(rb"(GET|POST) (\S+) HTTP/1\.1\r\n")
_CALLS = (
    ("POST", "/api/auth/anonymous-token", "token"),
    ("POST", "/api/auth/claim-token", "claim-link"),
    ("POST", "/api/tasks/", "session"),
    ("POST", "/api/upload-video/", "upload"),
    ("POST", "/run_sse", "message"),
    ("GET", "/api/credits/", "credits"),
    ("GET", "/api/state/", "state"),
    ("GET", "/api/render/proxy/lambda/", "status"),
    ("POST", "/api/render/proxy/lambda/", "cancel"),
    ("POST", "/api/render/proxy/lambda", "render"),
    ("GET", "/", "output"),
)


def _call_names(method: str, path: str) -> tuple[str, ...]:
    return (next((name for m, prefix, name in _CALLS if m == method and path.startswith(prefix)), "other"),)


def _command_end(buffer: bytes) -> int | None:
    """Find where the first command ends: ``*2\\r\\n$4\\r\\nECHO\\r\\n$2\\r\\nhi\\r\\n``."""
    line = buffer.find(b"\r\n")
    if line < 0:
        return None
    at = line + 2
    for _ in range(int(buffer[1:line])):
        line = buffer.find(b"\r\n", at)
        if line < 0:
            return None
        at = line + 2 + int(buffer[at + 1 : line]) + 2
    return at if at <= len(buffer) else None


_FCALL = re.compile(rb"\*\d+\r\n\$5\r\nFCALL\r\n\$\d+\r\n([a-z_]+)_[0-9a-f]{12}\r\n")
_STAGE = re.compile(rb"\xa5stage[\xa7\xa8\xa9](preparing|uploading|editing|recovering|rendering|storing)")


def _operation_names(raw: bytes) -> tuple[str, ...]:
    """Say more of a commit. Arguments are msgpack, so ``mode: end`` reads ``\\xa4mode\\xa3end``."""
    found = _FCALL.match(raw)
    operation, arguments = (found[1].decode(), raw[found.end() :]) if found else ("", b"")
    if operation != "commit_job":
        return (operation,) if operation else ()
    ends = ("commit_job:end",) if b"\xa4mode\xa3end" in arguments else ()
    parks = ("commit_job:park",) if b"\xa4mode\xa4park" in arguments else ()
    stage = _STAGE.search(arguments)
    return ("commit_job", *ends, *parks, *((f"commit_job:{stage[1].decode()}",) if stage else ()))
