"""How long an upload is, by its header, within some small reads, whatever the file is."""

import asyncio
import math
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.film_header.length import read_length_s
from tests.unit.test_iso_media import FTYP, HEADER, MDAT, box, mvhd, trak
from tests.unit.test_matroska import EBML, INFO, TRACKS, cluster, element, segment

MOST_READS, MOST_BYTES = 40, 1 << 20


class File:
    """A file in storage, and what was read of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.reads = 0
        self.read_bytes = 0

    async def piece(self, start: int, end: int) -> bytes:
        assert 0 <= start <= end <= len(self.content)
        self.reads += 1
        self.read_bytes += end - start
        return self.content[start:end]

    def length_s(self, media_format: str) -> float | None:
        return asyncio.run(read_length_s(self.piece, len(self.content), media_format))


def length_s(content: bytes, media_format: str) -> float | None:
    return File(content).length_s(media_format)


MEHD = box("mvex", box("mehd", struct.pack(">II", 0, 7500)))


@pytest.mark.parametrize(
    ("content", "media_format", "seconds"),
    [
        (FTYP + HEADER + MDAT, "mp4", 4.0),
        (FTYP + MDAT + HEADER, "mov", 4.0),
        (FTYP + box("moov", mvhd(scale=44_100, length=44_100) + trak(0, 0)) + MDAT, "m4a", 1.0),
        (FTYP + box("moov", mvhd(length=0) + trak(640, 360) + MEHD) + box("moof") + MDAT, "mp4", 7.5),
        (segment(INFO, TRACKS, cluster(0)), "webm", 4.0),
        (segment(INFO, TRACKS, cluster(0)), "mkv", 4.0),
    ],
    ids=["header first", "header last", "a sound", "fragments", "WebM", "Matroska"],
)
def test_a_header_that_says_its_length_is_believed(content: bytes, media_format: str, seconds: float) -> None:
    assert length_s(content, media_format) == seconds


def test_a_header_of_an_hour_s_samples_is_not_read_whole() -> None:
    tables = box("trak", box("mdia", box("minf", box("stbl", box("stsz", bytes(20_000_000))))))
    film = File(FTYP + box("moov", mvhd(length=3_600_000) + tables) + MDAT)
    assert film.length_s("mp4") == 3600.0
    assert film.read_bytes < 100_000


def infinite_webm(value: float) -> bytes:
    info = element(0x1549A966, element(0x4489, struct.pack(">d", value)))
    return segment(info, TRACKS, cluster(0))


@pytest.mark.parametrize(
    ("content", "media_format"),
    [
        (b"", "mp4"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "png"),
        (b"RIFF" + bytes(100), "wav"),
        (FTYP + MDAT, "mp4"),
        (FTYP + box("moov", box("mvhd", b"\0\0")), "mp4"),
        (FTYP + box("moov", mvhd(scale=0)), "mp4"),
        (FTYP + box("moov", mvhd(length=0) + trak(640, 360)) + MDAT, "mp4"),
        (FTYP + b"\0\0\0\1moov" + bytes(4), "mp4"),
        (infinite_webm(math.nan), "webm"),
        (infinite_webm(math.inf), "webm"),
        (infinite_webm(-1.0), "webm"),
        (EBML, "webm"),
        (box("free") * 5000 + HEADER, "mp4"),
        (segment(*[cluster(0)] * 500, size=b"\x01" + b"\xff" * 7), "webm"),
    ],
    ids=[
        *("empty", "a picture", "of another kind", "no header", "a short header", "no time scale", "no length"),
        *("cut off", "not a number", "endless", "negative", "no segment", "very many boxes", "very many clusters"),
    ],
)
def test_what_does_not_tell_it_soon_has_no_length(content: bytes, media_format: str) -> None:
    film = File(content)
    assert film.length_s(media_format) is None
    assert (film.reads <= MOST_READS, film.read_bytes <= MOST_BYTES) == (True, True)


EMPTY = b"\xec\x80"
DURATION = element(0x4489, struct.pack(">d", 4000.0))


def test_a_header_of_a_million_empty_elements_keeps_nobody_waiting() -> None:
    assert length_s(segment(element(0x1549A966, EMPTY * 100 + DURATION), TRACKS, cluster(0)), "webm") == 4.0
    info = element(0x1549A966, EMPTY * 500_000 + DURATION)
    film = segment(TRACKS, cluster(0), info, *[element(0xEC, b"")] * 100)
    began_s = time.thread_time()
    assert length_s(film, "webm") is None
    assert time.thread_time() - began_s < 2  # it took 22 s, in which a process answered nobody


def test_a_length_of_all_ones_is_none() -> None:
    for unknown in (mvhd(length=(1 << 32) - 1), mvhd(length=(1 << 64) - 1, version=1)):
        assert length_s(FTYP + box("moov", unknown + trak(640, 360)) + MDAT, "mp4") is None


@given(st.binary(max_size=400), st.sampled_from(["mp4", "webm"]), st.integers(0, 60))
def test_no_file_breaks_it(noise: bytes, media_format: str, at: int) -> None:
    whole = FTYP + HEADER + MDAT if media_format == "mp4" else segment(INFO, TRACKS, cluster(0))
    for content in (noise, whole[:at] + noise, whole[:at] + noise + whole[at + len(noise) :]):
        found = length_s(content, media_format)
        assert found is None or (found > 0 and math.isfinite(found))


async def test_a_storage_that_hangs_costs_no_upload_its_answer() -> None:
    async def hangs(_start: int, _end: int) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    assert await read_length_s(hangs, 100, "mp4", within_s=0.01) is None
