"""Reads the one file out of a multipart/form-data body (RFC 7578) as it comes."""

from collections.abc import AsyncIterator

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from service.problems import ApiError
from service.uploads.inspector import NamedFile


async def read_first_file(chunks: AsyncIterator[bytes], boundary: str) -> NamedFile:
    """Read a form up to its first file. Raises ApiError (400) where there is none."""
    events = _parse(chunks, boundary)
    async for event in events:
        if isinstance(event, MultipartSegment) and event.filename is not None:
            return NamedFile(event.filename, _payload(events))
    raise ApiError(400, "malformed_request", "The form has no file: send a part with a filename.")


async def _parse(chunks: AsyncIterator[bytes], boundary: str) -> AsyncIterator[MultipartSegment | bytearray | None]:
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
        raise ApiError(400, "malformed_request", "The multipart body is broken.") from None


async def _payload(events: AsyncIterator[MultipartSegment | bytearray | None]) -> AsyncIterator[bytes]:
    """Give the present part's bytes, then read the rest of the form, so that a broken end is found."""
    inside = True
    async for event in events:
        if event is None:
            inside = False
        elif inside and not isinstance(event, MultipartSegment):
            yield bytes(event)
        elif isinstance(event, MultipartSegment) and event.filename is not None:
            raise ApiError(400, "malformed_request", "Send one file at a time.")
