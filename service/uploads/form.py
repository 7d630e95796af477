"""Reads the one file out of a multipart/form-data body (RFC 7578) as it comes, in the ways that real clients send it."""

import re
from collections.abc import AsyncIterator

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from core.media.file_names import UNNAMED, filename_of_disposition
from service.problems import ApiError
from service.uploads.inspector import NamedFile

#: parts of a form, and bytes in a line of a part's head: a name of any length that is taken fits, however escaped
_MOST_PARTS = 16
_HEAD_LINE_BYTES = 16_384
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]*)"|([^;"]*))', re.IGNORECASE)


#: what a part's bytes may be said to be written in, which changes none of them (RFC 2045, 6.2)
_PLAIN_ENCODINGS = {"", "identity", "7bit", "8bit", "binary"}


class _FormParser(PushMultipartParser):  # type: ignore[misc]
    """Takes parts as e-mail writes them, too: of another disposition than ``form-data``, or of none."""

    def _create_segment(self, headerlist: list[tuple[str, str]]) -> MultipartSegment:
        return MultipartSegment(headerlist)


def boundary_of(content_type: str) -> bytes:
    """Read a form's boundary, quoted as it should be or not: ``boundary=a/b`` is ``a/b``. Raises ApiError (400)."""
    found = _BOUNDARY.search(content_type)
    boundary = (found[1] or found[2] or "").strip() if found else ""
    if not boundary:
        raise ApiError(400, "malformed_request", "The form's Content-Type names no boundary.")
    return boundary.encode("latin-1", "replace")


async def read_first_file(chunks: AsyncIterator[bytes], boundary: bytes) -> NamedFile:
    """Read a multipart body up to its first file. Raises ApiError (400) where there is none."""
    events, parts, blank = _parse(chunks, boundary), 0, False
    async for event in events:
        if not isinstance(event, MultipartSegment):
            continue
        parts += 1
        name = _file_name(event)
        if name is None:
            continue
        start = await anext(events, None)
        if name or start:
            _check_encoding(event)
            return NamedFile(name or UNNAMED, _payload(events, start))
        blank = True
    raise ApiError(400, "malformed_request", _no_file(parts, blank=blank))


def _check_encoding(part: MultipartSegment) -> None:
    """Refuse (415) a file that is wrapped once more inside its part."""
    for name in ("Content-Transfer-Encoding", "Content-Encoding"):
        if part.header(name, "").strip().lower() not in _PLAIN_ENCODINGS:
            words = f"Send the file's bytes as they are; its part came with {name}: {part.header(name)[:40]}."
            raise ApiError(415, "unsupported_media", words)


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


async def _parse(chunks: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[MultipartSegment | bytearray | None]:
    """Parse as it comes; what ends before its last boundary is refused.

    Heads are read as Latin-1, which loses nothing: in which charset a name is shows when it is read.
    """
    began = False
    try:
        parser = _FormParser(
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
        raise ApiError(400, "malformed_request", _words_for(broken, began=began)) from None


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
        raise ApiError(400, "malformed_request", "The form has more than one file: send one at a time.")
