"""Encodes one file as a multipart body whose length is known before its first byte, and which is never whole in memory.

Called by `client` for uploads. httpx's own multipart needs a file object; our files come as chunks from storage.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from uuid import uuid4

import msgspec

_CONTENT_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
}
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A", "\0": "%00"})


class SizeMismatch(Exception):  # noqa: N818 - reads as what happened
    """The chunks are more, or fewer, bytes than was said: our own record of the file is wrong."""


class FileForm(msgspec.Struct, frozen=True):
    """A form with one field, ``files``."""

    filename: str
    size_bytes: int
    boundary: str = msgspec.field(default_factory=lambda: uuid4().hex)

    @property
    def headers(self) -> dict[str, str]:
        length = len(self._head) + self.size_bytes + len(self._tail)
        return {"Content-Type": f"multipart/form-data; boundary={self.boundary}", "Content-Length": str(length)}

    async def body(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Wrap the file's chunks. Raises SizeMismatch before a byte too many is sent, or at an early end."""
        yield self._head
        left = self.size_bytes
        async for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
        if left:
            raise SizeMismatch(f"the file is not the {self.size_bytes} bytes it was said to be")
        yield self._tail

    @property
    def _head(self) -> bytes:
        name = self.filename.translate(_ESCAPES).encode("utf-8", "replace")
        kind = _CONTENT_TYPES.get(self.filename.rpartition(".")[2].lower(), "application/octet-stream")
        return (
            b"--"
            + self.boundary.encode()
            + b'\r\nContent-Disposition: form-data; name="files"; filename="'
            + name
            + b'"\r\nContent-Type: '
            + kind.encode()
            + b"\r\n\r\n"
        )

    @property
    def _tail(self) -> bytes:
        return b"\r\n--" + self.boundary.encode() + b"--\r\n"
