"""Reads size and length of an animated WebP from its chunks, which PyAV can't decode; the ffmpeg command can.

The format: https://developers.google.com/speed/webp/docs/riff_container. Called by `media.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEAD_BYTES = 30
_ANIMATED = 0x02
_CHUNK_HEAD_BYTES = 8
_FRAME_HEAD_BYTES = 16
#: What browsers make of a frame that has no time of its own.
_USUAL_PAUSE_MS = 100


@dataclass(frozen=True)
class Animation:
    """`pauses_ms`: how long each frame stands."""

    width: int
    height: int
    pauses_ms: tuple[int, ...]


def animation_of(path: Path) -> Animation | None:
    """Read an animation; None if the WebP is a plain still. Raises ValueError where it holds no frame."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES or head[12:16] != b"VP8X" or not head[20] & _ANIMATED:
            return None
        pauses_ms = tuple(_pauses_ms(file))
    if not pauses_ms:
        raise ValueError("an animation without frames")
    return Animation(_number(head[24:27]) + 1, _number(head[27:30]) + 1, pauses_ms)


def _pauses_ms(file: BinaryIO) -> Iterator[int]:
    """Go from chunk to chunk, each of an even number of bytes, without reading the pictures."""
    while len(head := file.read(_CHUNK_HEAD_BYTES)) == _CHUNK_HEAD_BYTES:
        at, length = file.tell(), _number(head[4:])
        if head[:4] == b"ANMF" and len(frame := file.read(_FRAME_HEAD_BYTES)) == _FRAME_HEAD_BYTES:
            yield _number(frame[12:15]) or _USUAL_PAUSE_MS
        file.seek(at + length + length % 2)


def _number(little_endian: bytes) -> int:
    return int.from_bytes(little_endian, "little")
