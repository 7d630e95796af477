"""Receives a file as it comes: checked by its first bytes and counted while it goes to storage, never held whole.

Called by the upload route alone. Whatever is raised here ends the writing, and storage keeps nothing of it.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from core.clock import stopwatch_s
from core.formats import FORMATS, format_of_content, format_of_name, same_family
from service.problems import Refused

#: enough to tell every format
HEAD_BYTES = 4096
#: the largest file that any profile takes, inclusive
UPLOAD_LIMIT_BYTES = 500_000_000
#: what multipart may add to a file: boundaries, headers, small fields
_WRAPPING_BYTES = 1_000_000


#: an upload may take a minute, and from then on may be no slower than this on the whole
_LEISURE_S = 60.0
_SLOWEST_BYTES_PER_S = 1000


class NamedFile(NamedTuple):
    """A file that is being received."""

    name: str
    chunks: AsyncIterator[bytes]


def unsupported(why: str) -> Refused:
    """Refuse a file for what it is, with the formats that are taken."""
    return Refused(415, "unsupported_media", f"{why} Use one of: {', '.join(FORMATS)}.")


def too_large(limit_bytes: int) -> Refused:
    """Refuse a file for its size, with the limit."""
    return Refused(413, "media_too_large", f"A file may have up to {limit_bytes} bytes.")


def check_announced(length: int | None, *, multipart: bool) -> None:
    """Refuse by Content-Length what is too large anyway, before a byte is read."""
    limit = UPLOAD_LIMIT_BYTES + (_WRAPPING_BYTES if multipart else 0)
    if length is not None and length > limit:
        raise too_large(UPLOAD_LIMIT_BYTES)


async def bounded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Let a body's chunks through. Raises Refused where it goes on for ever, by its size (413) or its pace (408)."""
    began_s, seen_bytes = stopwatch_s(), 0
    async for chunk in chunks:
        seen_bytes += len(chunk)
        if seen_bytes > UPLOAD_LIMIT_BYTES + _WRAPPING_BYTES:
            raise too_large(UPLOAD_LIMIT_BYTES)
        if is_too_slow(seen_bytes, took_s=stopwatch_s() - began_s):
            words = f"An upload must bring {_SLOWEST_BYTES_PER_S} bytes a second."
            raise Refused(408, "request_timeout", words)
        yield chunk


def is_too_slow(seen_bytes: int, *, took_s: float) -> bool:
    """Judge the pace of an upload, which no pause alone gives away: a byte now and then keeps it open for years."""
    return took_s > _LEISURE_S + seen_bytes / _SLOWEST_BYTES_PER_S


def plain_name(name: str) -> str:
    """Keep a file's name, without folders and without what no name should have."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable()).strip()[-255:]


class Inspector:
    """Looks at a file's bytes as they pass. After the last one `format` is what it is."""

    def __init__(self, name: str) -> None:
        named = format_of_name(name)
        if named is None:
            raise unsupported("The name does not end like a known format.")
        self.format = named
        self._head = b""
        self._looked = False
        self._size_bytes = 0

    async def passing(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Let the chunks through. Raises Refused (413, 415) where they are too many, or not what the name says."""
        async for chunk in chunks:
            self._size_bytes += len(chunk)
            if self._size_bytes > UPLOAD_LIMIT_BYTES:
                raise too_large(UPLOAD_LIMIT_BYTES)
            if not self._looked:
                self._head += chunk[:HEAD_BYTES]
                if len(self._head) >= HEAD_BYTES:
                    self._look()
            yield chunk
        if not self._looked:
            self._look()

    def _look(self) -> None:
        self._looked = True
        self.look_at(self._head)
        self._head = b""

    def look_at(self, head: bytes) -> None:
        """Compare a file's first bytes with its name. Raises Refused (415)."""
        found = format_of_content(head)
        if found is None:
            raise unsupported("The file is of no known format.")
        if not same_family(self.format, found):
            raise unsupported(f"The name says {self.format}, the file is {found}.")


async def first_file(chunks: AsyncIterator[bytes], boundary: str) -> NamedFile:
    """Read a multipart body up to its first file. Raises Refused (400) where there is none."""
    events = _parsed(chunks, boundary)
    async for event in events:
        if isinstance(event, MultipartSegment) and event.filename is not None:
            return NamedFile(event.filename, _payload(events))
    raise Refused(400, "malformed_request", "The form has no file: send a part with a filename.")


async def _parsed(chunks: AsyncIterator[bytes], boundary: str) -> AsyncIterator[MultipartSegment | bytearray | None]:
    """Parse as it comes; what ends before its last boundary is refused."""
    try:
        parser = PushMultipartParser(boundary, max_segment_count=16)
        async for chunk in chunks:
            for event in parser.parse(chunk):
                yield event
            if parser.closed:
                return
        parser.close()
    except MultipartError:
        raise Refused(400, "malformed_request", "The multipart body is broken.") from None


async def _payload(events: AsyncIterator[MultipartSegment | bytearray | None]) -> AsyncIterator[bytes]:
    """Give the present part's bytes, then read the rest of the form, so that a broken end is found."""
    inside = True
    async for event in events:
        if event is None:
            inside = False
        elif inside and not isinstance(event, MultipartSegment):
            yield bytes(event)
        elif isinstance(event, MultipartSegment) and event.filename is not None:
            raise Refused(400, "malformed_request", "Send one file at a time.")
