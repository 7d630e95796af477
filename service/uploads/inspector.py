"""Checks a file by its name, its first bytes and its size, while it goes to storage."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from core.media.formats import FORMATS, HEAD_BYTES, foreign_suffix, format_of_content, format_of_name, same_family
from core.storage.upload_files import UPLOAD_LIMIT_BYTES
from service.problems import ApiError


class NamedFile(NamedTuple):
    """A file that is being received."""

    name: str
    chunks: AsyncIterator[bytes]


def unsupported(why: str) -> ApiError:
    """Refuse a file for what it is, with the formats that are taken."""
    return ApiError(415, "unsupported_media", f"{why} Use one of: {', '.join(FORMATS)}.")


def too_large() -> ApiError:
    """Refuse a file for its size, with the limit."""
    return ApiError(413, "media_too_large", f"A file may have up to {UPLOAD_LIMIT_BYTES} bytes.")


class Inspector:
    """Looks at a file's bytes as they pass. `format` is what the name says, or None; after the last byte it is what the file is."""

    def __init__(self, name: str) -> None:
        if not name:
            raise unsupported("The file has no name: give it one, e.g. clip.mp4.")
        if suffix := foreign_suffix(name):
            raise unsupported(f"Files that end in .{suffix} are not taken.")
        self.format = format_of_name(name)
        self._head = bytearray()
        self._checked = False
        self._size_bytes = 0

    async def passing(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Let the chunks through. Raises ApiError (413, 415) where they are too many, or not what the name says."""
        async for chunk in chunks:
            self._size_bytes += len(chunk)
            if self._size_bytes > UPLOAD_LIMIT_BYTES:
                raise too_large()
            if not self._checked:
                self._head += chunk[: HEAD_BYTES - len(self._head)]
                if len(self._head) >= HEAD_BYTES:
                    self._check()
            yield chunk
        if not self._checked:
            self._check()

    def _check(self) -> None:
        self._checked = True
        self.check_head(bytes(self._head))
        self._head.clear()

    def check_head(self, head: bytes) -> str:
        """Tell a file's format by its first bytes; its name is a hint that must not be wrong. Raises ApiError (415)."""
        found = format_of_content(head)
        if found is None:
            raise unsupported("The file is of no known format." if head else "The file is empty.")
        if self.format and not same_family(self.format, found):
            raise unsupported(f"The name says {self.format}, the file is {found}.")
        self.format = self.format or found
        return self.format
