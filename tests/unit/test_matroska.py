"""What the elements of a WebM or Matroska file say, also of one that is cut off, empty, unfinished or no film at all."""

import asyncio
import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.film_header.facts import FilmFacts, NotAFilm
from core.media.film_header.matroska import read_matroska

UNKNOWN = b"\x01" + b"\xff" * 7


def element(element_id: int, body: bytes, *, size: bytes | None = None) -> bytes:
    name = element_id.to_bytes((element_id.bit_length() + 7) // 8, "big")
    return name + (size or (1 << 56 | len(body)).to_bytes(8, "big")) + body


def number(element_id: int, value: int) -> bytes:
    return element(element_id, value.to_bytes(4, "big"))


EBML = element(0x1A45DFA3, element(0x4282, b"webm"))
INFO = element(0x1549A966, number(0x2AD7B1, 1_000_000) + element(0x4489, struct.pack(">d", 4000.0)))
VIDEO = element(0xAE, number(0x83, 1) + element(0xE0, number(0xB0, 640) + number(0xBA, 360)))
SOUND = element(0xAE, number(0x83, 2))
TRACKS = element(0x1654AE6B, SOUND + VIDEO)


def cluster(at_ms: int, *, size: bytes | None = None) -> bytes:
    return element(0x1F43B675, number(0xE7, at_ms) + element(0xA3, bytes(100)), size=size)


def segment(*parts: bytes, size: bytes | None = None) -> bytes:
    return EBML + element(0x18538067, b"".join(parts), size=size)


FILM = segment(INFO, TRACKS, cluster(0), cluster(3000))


def read(content: bytes, *, reads: list[int] | None = None) -> FilmFacts:
    async def read_bytes(start: int, end: int) -> bytes:
        if reads is not None:
            reads.append(end - start)
        return content[start:end]

    return asyncio.run(read_matroska(read_bytes, len(content)))


@pytest.mark.parametrize(
    "film",
    [
        FILM,
        segment(cluster(0), TRACKS, INFO),
        segment(INFO, element(0xEC, bytes(90)), TRACKS, cluster(0), size=UNKNOWN),
    ],
    ids=["header first", "header last", "unknown size"],
)
def test_length_and_size_are_found_wherever_the_header_is(film):
    assert read(film) == FilmFacts(4.0, 640, 360, has_picture=True)


def test_a_film_that_was_written_while_it_was_sent_is_at_least_as_long_as_its_last_part_begins():
    film = segment(TRACKS, cluster(0), cluster(3000), size=UNKNOWN)
    assert read(film) == FilmFacts(3.0, 640, 360, has_picture=True)
    assert read(segment(TRACKS, cluster(0, size=UNKNOWN), size=UNKNOWN)) == FilmFacts(None, 640, 360, has_picture=True)


def test_a_film_without_a_picture_track_or_without_anything_in_it_has_no_picture():
    assert not read(segment(INFO, element(0x1654AE6B, SOUND), cluster(0))).has_picture
    assert not read(segment(INFO, TRACKS)).has_picture
    assert not read(segment(INFO, TRACKS, element(0x1F43B675, number(0xE7, 0)))).has_picture


def test_no_more_is_read_than_it_takes():
    reads: list[int] = []
    read(segment(INFO, TRACKS, *(cluster(1000 * n) for n in range(500))), reads=reads)
    assert sum(reads) < 1000


@pytest.mark.parametrize("cut_bytes", [1, 50, 150])
@pytest.mark.parametrize("film", [FILM, segment(INFO, TRACKS, cluster(0), cluster(3000), size=UNKNOWN)])
def test_a_film_that_is_cut_off_is_none(film, cut_bytes):
    with pytest.raises(NotAFilm, match="is cut off"):
        read(film[:-cut_bytes])


@pytest.mark.parametrize("content", [b"", b"just words", EBML, EBML + INFO, EBML[:-1], b"\0" * 50])
def test_what_has_no_header_is_no_film(content):
    with pytest.raises(NotAFilm):
        read(content)


@given(st.data())
def test_a_damaged_header_is_facts_or_no_film(data):
    spoiled = bytearray(FILM)
    for at in data.draw(st.lists(st.integers(0, len(FILM) - 1), max_size=6)):
        spoiled[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotAFilm):
        assert (read(bytes(spoiled)).duration_s or 0) >= 0


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_facts_or_no_film(content):
    for data in (content, EBML + content, segment(content)):
        with contextlib.suppress(NotAFilm):
            read(data)
