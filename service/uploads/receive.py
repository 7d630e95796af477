"""Receives a file as it comes: checked by its first bytes and counted while it goes to storage, never held whole.

Called by the upload route alone. Whatever is raised here ends the writing, and storage keeps nothing of it.
"""

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from core.clock import stopwatch_s
from core.file_names import MOST_OWN_CHARACTERS, UNNAMED, filename_of_disposition, plain_name
from core.formats import (
    FORMATS,
    HEAD_BYTES,
    foreign_suffix,
    format_of_content,
    format_of_name,
    same_family,
)
from service.problems import FieldError, Refused, invalid

#: the largest file that any profile takes, inclusive
UPLOAD_LIMIT_BYTES = 500_000_000
#: what multipart may add to a file: boundaries, headers, small fields
_WRAPPING_BYTES = 1_000_000
#: parts of a form, and bytes in a line of a part's head: a name of any length that is taken fits, however escaped
_MOST_PARTS = 16
_HEAD_LINE_BYTES = 16_384
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]*)"|([^;"]*))', re.IGNORECASE)

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


def named(name: str, chunks: AsyncIterator[bytes]) -> NamedFile:
    """Take a file by the name that its sender gave it, without folders. Raises Refused (422) for a very long one."""
    plain = plain_name(name)
    if len(plain) > MOST_OWN_CHARACTERS:
        words = f"A file's name may have a length of {MOST_OWN_CHARACTERS} characters; this one has {len(plain)}."
        raise invalid([FieldError(pointer="/filename", code="too_long", detail=words)])
    return NamedFile(plain, chunks)


class Inspector:
    """Looks at a file's bytes as they pass. `format` is what the name says, or None; after the last byte it is what the file is."""

    def __init__(self, name: str) -> None:
        if not name:
            raise unsupported("The file has no name: give it one, e.g. clip.mp4.")
        if suffix := foreign_suffix(name):
            raise unsupported(f"Files that end in .{suffix} are not taken.")
        self.format = format_of_name(name)
        self._head = bytearray()
        self._looked = False
        self._size_bytes = 0

    async def passing(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Let the chunks through. Raises Refused (413, 415) where they are too many, or not what the name says."""
        async for chunk in chunks:
            self._size_bytes += len(chunk)
            if self._size_bytes > UPLOAD_LIMIT_BYTES:
                raise too_large(UPLOAD_LIMIT_BYTES)
            if not self._looked:
                self._head += chunk[: HEAD_BYTES - len(self._head)]
                if len(self._head) >= HEAD_BYTES:
                    self._look()
            yield chunk
        if not self._looked:
            self._look()

    def _look(self) -> None:
        self._looked = True
        self.look_at(bytes(self._head))
        self._head.clear()

    def look_at(self, head: bytes) -> str:
        """Tell a file's format by its first bytes; its name is a hint that must not be wrong. Raises Refused (415)."""
        found = format_of_content(head)
        if found is None:
            raise unsupported("The file is of no known format." if head else "The file is empty.")
        if self.format and not same_family(self.format, found):
            raise unsupported(f"The name says {self.format}, the file is {found}.")
        self.format = self.format or found
        return self.format


def boundary_of(content_type: str) -> bytes:
    """Read a form's boundary, quoted as it should be or not: ``boundary=a/b`` is ``a/b``. Raises Refused (400)."""
    found = _BOUNDARY.search(content_type)
    boundary = (found[1] or found[2] or "").strip() if found else ""
    if not boundary:
        raise Refused(400, "malformed_request", "The form's Content-Type names no boundary.")
    return boundary.encode("latin-1", "replace")


async def first_file(chunks: AsyncIterator[bytes], boundary: bytes) -> NamedFile:
    """Read a multipart body up to its first file. Raises Refused (400) where there is none."""
    events, parts, blank = _parsed(chunks, boundary), 0, False
    async for event in events:
        if not isinstance(event, MultipartSegment):
            continue
        parts += 1
        name = _file_name(event)
        if name is None:
            continue
        start = await anext(events, None)
        if name or start:
            return NamedFile(name, _payload(events, start))
        blank = True
    raise Refused(400, "malformed_request", _no_file(parts, blank=blank))


def _no_file(parts: int, *, blank: bool) -> str:
    if blank:
        return "No file was chosen: the form's part for one has neither a filename nor any bytes."
    if not parts:
        return "The form is empty: send a part with a filename."
    return f"The form has no file: none of its parts ({parts}) has a filename."


def _file_name(part: MultipartSegment) -> str | None:
    """Name the file that a part holds; one that has a type of media and no name at all is ``media``. None: it is a field."""
    name = filename_of_disposition(part.header("Content-Disposition", ""))
    is_media = (part.content_type or "").partition("/")[0] in {"video", "audio", "image"}
    return UNNAMED if name is None and is_media else name


async def _parsed(chunks: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[MultipartSegment | bytearray | None]:
    """Parse as it comes; what ends before its last boundary is refused.

    Heads are read as Latin-1, which loses nothing: in which charset a name is shows when it is read.
    """
    began = False
    try:
        parser = PushMultipartParser(
            boundary, max_segment_count=_MOST_PARTS, max_header_size=_HEAD_LINE_BYTES, header_charset="latin-1"
        )
        async for chunk in chunks:
            for event in parser.parse(chunk):
                began = True
                yield event
            if parser.closed:
                return
        parser.close()
    except MultipartError as broken:
        raise Refused(400, "malformed_request", _words_for(broken, began=began)) from None


def _words_for(broken: MultipartError, *, began: bool) -> str:
    """Say what is wrong with a form; the parser's own words name no content of it."""
    told = str(broken.args[0]) if broken.args else ""
    if told.startswith("Unexpected end"):
        missing = "its last boundary" if began else "any whole part between the boundaries that Content-Type names"
        return f"The form ends before {missing}."
    if "header length" in told:
        return f"A line in the head of a part has a length of more than {_HEAD_LINE_BYTES} bytes: a name is too long."
    if "segment count" in told:
        return f"A form may have {_MOST_PARTS} parts."
    return f"The multipart body is broken: {told}."


async def _payload(
    events: AsyncIterator[MultipartSegment | bytearray | None], start: bytearray | None
) -> AsyncIterator[bytes]:
    """Give the present part's bytes, then read the rest of the form, so that a broken end is found."""
    inside = start is not None
    if start:
        yield bytes(start)
    async for event in events:
        if event is None:
            inside = False
        elif inside and not isinstance(event, MultipartSegment):
            yield bytes(event)
        elif isinstance(event, MultipartSegment):
            await _refuse_second_file(event, events)


async def _refuse_second_file(
    part: MultipartSegment, events: AsyncIterator[MultipartSegment | bytearray | None]
) -> None:
    """Let a field pass, and a part for another file that was left blank."""
    name = _file_name(part)
    if name is None:
        return
    if name or await anext(events, None) is not None:
        raise Refused(400, "malformed_request", "The form has more than one file: send one at a time.")
