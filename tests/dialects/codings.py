"""Content codings that nobody asked for: gzip, and brotli in its stored form, each as an encoder that can be fed chunks.

The stored form (RFC 7932, section 9.2, "ISUNCOMPRESSED") is valid brotli that needs no library.
"""

import zlib
from typing import Protocol

_LARGEST_BLOCK = 1 << 16


class Encoder(Protocol):
    def feed(self, chunk: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class Identity:
    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def end(self) -> bytes:
        return b""


class Gzip:
    """Flushes after each chunk, so that a stream's events come when they are sent."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(wbits=31)

    def feed(self, chunk: bytes) -> bytes:
        return self._deflate.compress(chunk) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._deflate.flush()


class StoredBrotli:
    def __init__(self) -> None:
        self._begun = False

    def feed(self, chunk: bytes) -> bytes:
        pieces = [chunk[at : at + _LARGEST_BLOCK] for at in range(0, len(chunk), _LARGEST_BLOCK)]
        return b"".join(self._stored(piece) for piece in pieces)

    def end(self) -> bytes:
        """ISLAST and ISLASTEMPTY, behind the window size where nothing came before."""
        return b"\x03" if self._begun else b"\x06"

    def _stored(self, piece: bytes) -> bytes:
        """Write one block: the window size first (WBITS 16 is one zero bit), then the header, both from the low bit."""
        head, bits = (len(piece) - 1) << 3 | 1 << 19, 20
        if not self._begun:
            head, bits, self._begun = head << 1, 21, True
        return head.to_bytes((bits + 7) // 8, "little") + piece


ENCODERS: dict[str, type[Identity | Gzip | StoredBrotli]] = {"": Identity, "gzip": Gzip, "br": StoredBrotli}
