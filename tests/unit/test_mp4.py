"""Length and size from the header of a video file, also of one that is cut off, huge or no video at all."""

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.jobs.mp4 import Measures, measure

MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def box(kind: str, body: bytes = b"", *, wide: bool = False) -> bytes:
    if wide:
        return struct.pack(">I4sQ", 1, kind.encode(), 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), kind.encode()) + body


def mvhd(*, scale: int = 1000, length: int = 4000, version: int = 0) -> bytes:
    times = struct.pack(">QQIQ", 0, 0, scale, length) if version else struct.pack(">IIII", 0, 0, scale, length)
    return box("mvhd", bytes([version, 0, 0, 0]) + times + bytes(80))


def trak(width: int, height: int) -> bytes:
    return box("trak", box("tkhd", bytes(40) + MATRIX + struct.pack(">II", width << 16, height << 16)) + box("mdia"))


def measured(content: bytes, *, reads: list[int] | None = None) -> Measures | None:
    async def read(start: int, end: int) -> bytes:
        if reads is not None:
            reads.append(end - start)
        return content[start:end]

    return asyncio.run(measure(read, len(content)))


HEADER = box("moov", mvhd() + trak(0, 0) + trak(640, 360))
FTYP = box("ftyp", b"isom")


@pytest.mark.parametrize(
    "content",
    [
        FTYP + HEADER + box("mdat", bytes(500)),
        FTYP + box("mdat", bytes(500)) + HEADER,
        FTYP + box("mdat", bytes(500), wide=True) + HEADER,
        FTYP + box("moov", mvhd(version=1) + trak(640, 360), wide=True),
        FTYP + b"\0\0\0\0moov" + (mvhd() + trak(640, 360)),
    ],
    ids=["moov first", "moov last", "64-bit mdat", "64-bit moov and times", "moov to the end"],
)
def test_length_and_size_are_found_wherever_the_header_is(content):
    assert measured(content) == Measures(4.0, 640, 360)


def test_sound_alone_has_a_length_and_no_size():
    assert measured(FTYP + box("moov", mvhd() + trak(0, 0))) == Measures(4.0, None, None)


def test_the_video_itself_is_not_read():
    reads: list[int] = []
    measured(FTYP + box("mdat", bytes(1_000_000)) + HEADER, reads=reads)
    assert sum(reads) < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just words, no film",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        FTYP,
        FTYP + box("moov"),
        FTYP + box("moov", mvhd(scale=0)),
        FTYP + struct.pack(">I4s", 3, b"moov"),
        FTYP + box("moov", box("mvhd")),
        FTYP + struct.pack(">I4s", (64 << 20) + 9, b"moov"),
    ],
)
def test_what_says_nothing_of_its_length_is_not_guessed(content):
    assert measured(content) is None


@given(st.data())
def test_a_damaged_header_is_never_an_error(data):
    whole = FTYP + HEADER + box("mdat", bytes(20))
    cut = data.draw(st.integers(0, len(whole)))
    spoiled = bytearray(whole[:cut])
    for at in data.draw(st.lists(st.integers(0, max(0, cut - 1)), max_size=6)) if cut else ():
        spoiled[at] = data.draw(st.integers(0, 255))
    found = measured(bytes(spoiled))
    assert found is None or found.duration_s >= 0


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_never_an_error(content):
    measured(content)
