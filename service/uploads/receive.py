"""Receives a file as a raw body or as a form, never held whole, within limits of size and pace.

Whatever is raised here ends the writing, and storage keeps nothing of it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException

from core.clock import stopwatch_s
from core.media.file_names import MOST_OWN_CHARACTERS, plain_name
from core.storage.upload_files import UPLOAD_LIMIT_BYTES
from service.body_room import LEISURE_S, HeldRoom, fall_behind_s
from service.http.body import check_content_encoding
from service.problems import ApiError, FieldError, invalid
from service.uploads.form import boundary_of, read_first_file
from service.uploads.inspector import NamedFile, too_large

#: what multipart may add to a file: boundaries, headers, small fields
_WRAPPING_BYTES = 1_000_000
#: how long a body may bring nothing
_SILENCE_S = 30.0
#: an upload may fall some time behind this pace
SLOWEST_BYTES_PER_S = 1000
#: so long at most it may be waited for: one that is not there after a day is taken for what a process left that died, and goes
MOST_WAITED_S = 12 * 3600


async def receive_file(request: Request[Any, Any, Any], filename: str | None, room: HeldRoom) -> NamedFile:
    """Begin to receive the file of a request; `filename` goes before the form's. Raises ApiError where there is none."""
    check_content_encoding(request.headers)
    is_form = _is_form(request.content_type[0])
    check_content_length(request.content_length, multipart=is_form)
    chunks = limit_body(_chunks_of(request), room)
    if not is_form:
        return NamedFile(required_name(filename), chunks)
    file = await read_first_file(chunks, boundary_of(request.headers.get("content-type", "")))
    return NamedFile(_plain(filename or file.name), file.chunks)


def _is_form(media_type: str) -> bool:
    """Tell a form from the bytes of a file. Raises ApiError (415) for what is wrapped in another way."""
    kind = media_type.lower()
    if kind.startswith("multipart/") and kind != "multipart/form-data":
        words = f"Send multipart/form-data, or the bytes of the file alone; this came as {kind[:60]}."
        raise ApiError(415, "unsupported_media", words)
    return kind == "multipart/form-data"


def required_name(filename: str | None) -> str:
    """Take the name that the query must give. Raises ApiError (422)."""
    if filename is None:
        raise invalid([FieldError(pointer="/filename", code="missing_field", detail="Add ?filename=clip.mp4.")])
    return _plain(filename)


def _plain(filename: str) -> str:
    """Keep the name that the sender gave, without folders. Raises ApiError (422) for a very long one."""
    name = plain_name(filename)
    if len(name) > MOST_OWN_CHARACTERS:
        words = f"A file's name may have a length of {MOST_OWN_CHARACTERS} characters; this one has {len(name)}."
        raise invalid([FieldError(pointer="/filename", code="too_long", detail=words)])
    return name


def check_content_length(length_bytes: int | None, *, multipart: bool = False) -> None:
    """Refuse by Content-Length what is too large anyway, before a byte is read."""
    limit_bytes = UPLOAD_LIMIT_BYTES + (_WRAPPING_BYTES if multipart else 0)
    if length_bytes is not None and length_bytes > limit_bytes:
        raise too_large()


async def _chunks_of(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """Give the body's chunks; whoever stops half-way, or for too long, is refused."""
    stream = request.stream()
    try:
        while True:
            async with asyncio.timeout(_SILENCE_S):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            if chunk:
                yield chunk
    except TimeoutError:
        raise ApiError(408, "request_timeout", f"Nothing came for {_SILENCE_S:.0f} s.") from None
    except HTTPException:
        raise ApiError(400, "malformed_request", "The upload broke off.") from None


async def limit_body(chunks: AsyncIterator[bytes], room: HeldRoom) -> AsyncIterator[bytes]:
    """Let a body's chunks through. Raises ApiError where it goes on for ever, by its size (413) or its pace (408)."""
    seen_bytes, pace = 0, UploadPace()
    while True:
        began_s = stopwatch_s()
        chunk = await anext(chunks, None)
        if chunk is None:
            return
        seen_bytes += len(chunk)
        if seen_bytes > UPLOAD_LIMIT_BYTES + _WRAPPING_BYTES:
            raise too_large()
        waited_s = stopwatch_s() - began_s
        pace.note(len(chunk), waited_s=waited_s)
        room.note(len(chunk), waited_s=waited_s)
        yield chunk


class UploadPace:
    """How an upload keeps up, whoever else wants its room."""

    def __init__(self) -> None:
        self._behind_s = self._waited_s = 0.0

    def note(self, came_bytes: int, *, waited_s: float) -> None:
        """Count what came. Raises ApiError (408) where it comes too slowly, or has for too long."""
        pace_bytes_per_s = SLOWEST_BYTES_PER_S
        self._waited_s += waited_s
        self._behind_s = fall_behind_s(self._behind_s, came_bytes, waited_s=waited_s, pace_bytes_per_s=pace_bytes_per_s)
        if self._behind_s > LEISURE_S:
            raise ApiError(408, "request_timeout", f"An upload must bring {pace_bytes_per_s} bytes a second.")
        if self._waited_s > MOST_WAITED_S:
            raise ApiError(408, "request_timeout", f"An upload must have come within {MOST_WAITED_S // 3600} hours.")
