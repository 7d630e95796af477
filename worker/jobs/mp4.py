"""Reads length and size from the header of an MP4 or MOV file, in a few small reads (ISO/IEC 14496-12).

The worker's image has no ffmpeg. Pure but for the `read` it is handed; a file that is none of these gives None.
"""

import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

Read = Callable[[int, int], Awaitable[bytes]]

#: a header above this size is not read
_MAX_MOOV_BYTES = 64 << 20
_BOX_HEAD = 16


class Measures(NamedTuple):
    """What a file's header says."""

    duration_s: float
    width: int | None
    height: int | None


async def measure(read: Read, size_bytes: int) -> Measures | None:
    """Find the ``moov`` box, wherever it is, and read it."""
    at = 0
    while at + 8 <= size_bytes:
        head = await read(at, min(at + _BOX_HEAD, size_bytes))
        kind, length, skip = _box(head, size_bytes - at)
        if length < skip:
            return None
        if kind == b"moov":
            return _measures(await read(at + skip, at + length)) if length <= _MAX_MOOV_BYTES else None
        at += length
    return None


def _box(head: bytes, rest: int) -> tuple[bytes, int, int]:
    """Read a box's kind, whole length and the length of its head."""
    length, kind = struct.unpack_from(">I4s", head)
    if length == 1 and len(head) >= _BOX_HEAD:
        return kind, struct.unpack_from(">Q", head, 8)[0], 16
    return kind, rest if length == 0 else length, 8


def _children(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(body):
        kind, length, skip = _box(body[at : at + _BOX_HEAD], len(body) - at)
        if length < skip:
            return
        yield kind, body[at + skip : at + length]
        at += length


def _measures(moov: bytes) -> Measures | None:
    try:
        duration_s, size = None, None
        for kind, body in _children(moov):
            if kind == b"mvhd":
                duration_s = _duration_s(body)
            elif kind == b"trak":
                size = size or _size(body)
    except (struct.error, IndexError):
        return None
    return None if duration_s is None else Measures(duration_s, *(size or (None, None)))


def _duration_s(mvhd: bytes) -> float | None:
    scale, length = struct.unpack_from(">IQ", mvhd, 20) if mvhd[0] == 1 else struct.unpack_from(">II", mvhd, 12)
    return round(length / scale, 3) if scale else None


def _size(trak: bytes) -> tuple[int, int] | None:
    """Read a track's size, in 16.16 fixed point at the end of ``tkhd``; sound has none."""
    for kind, body in _children(trak):
        if kind == b"tkhd" and len(body) >= 8:  # noqa: PLR2004 - the two numbers
            width, height = struct.unpack_from(">II", body, len(body) - 8)
            return (width >> 16, height >> 16) if width and height else None
    return None
