"""What the boxes of an MP4 or MOV file say, also of one that is cut off, empty, huge or no film at all."""

import asyncio
import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.film_header.facts import FilmFacts, NotAFilm
from core.media.film_header.iso_media import read_iso_media

MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def box(kind: str, body: bytes = b"", *, wide: bool = False) -> bytes:
    if wide:
        return struct.pack(">I4sQ", 1, kind.encode(), 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), kind.encode()) + body


def mvhd(*, scale: int = 1000, length: int = 4000, version: int = 0) -> bytes:
    times = struct.pack(">QQIQ", 0, 0, scale, length) if version else struct.pack(">IIII", 0, 0, scale, length)
    return box("mvhd", bytes([version, 0, 0, 0]) + times + bytes(80))


def trak(width: int, height: int, *, kind: str = "", samples: int | None = 100) -> bytes:
    size = box("tkhd", bytes(40) + MATRIX + struct.pack(">II", width << 16, height << 16))
    handler = box("hdlr", bytes(8) + (kind or ("vide" if width else "soun")).encode() + bytes(13))
    sizes = b"" if samples is None else box("stsz", struct.pack(">III", 0, 0, samples))
    return box("trak", size + box("mdia", handler + box("minf", box("stbl", sizes))))


def read(content: bytes, *, reads: list[int] | None = None) -> FilmFacts:
    async def read_bytes(start: int, end: int) -> bytes:
        if reads is not None:
            reads.append(end - start)
        return content[start:end]

    return asyncio.run(read_iso_media(read_bytes, len(content)))


HEADER = box("moov", mvhd() + trak(0, 0) + trak(640, 360))
FTYP = box("ftyp", b"isom")
MDAT = box("mdat", bytes(500))


def test_a_film_whose_header_says_that_its_length_is_not_known_has_none():
    unknown = box("moov", mvhd(length=(1 << 32) - 1) + trak(640, 360))
    assert read(FTYP + unknown + MDAT) == FilmFacts(None, 640, 360, has_picture=True)


@pytest.mark.parametrize(
    "content",
    [
        FTYP + HEADER + box("mdat", bytes(500)),
        FTYP + box("mdat", bytes(500)) + HEADER,
        FTYP + box("mdat", bytes(500), wide=True) + HEADER,
        FTYP + box("mdat", bytes(500)) + box("moov", mvhd(version=1) + trak(640, 360), wide=True),
        FTYP + box("mdat", bytes(500)) + b"\0\0\0\0moov" + (mvhd() + trak(640, 360)),
    ],
    ids=["moov first", "moov last", "64-bit mdat", "64-bit moov and times", "moov to the end"],
)
def test_length_and_size_are_found_wherever_the_header_is(content):
    assert read(content) == FilmFacts(4.0, 640, 360, has_picture=True)


def test_sound_alone_has_a_length_and_no_picture():
    film = FTYP + box("moov", mvhd() + trak(0, 0)) + MDAT
    assert read(film) == FilmFacts(4.0, None, None, has_picture=False)


def test_a_picture_track_with_nothing_in_it_is_no_picture():
    film = FTYP + box("moov", mvhd(length=0) + trak(640, 360, samples=0))
    assert read(film) == FilmFacts(0.0, None, None, has_picture=False)


def test_a_track_that_does_not_say_what_it_is_is_a_picture_where_it_has_a_size():
    film = FTYP + box(
        "moov", mvhd() + box("trak", box("tkhd", bytes(40) + MATRIX + struct.pack(">II", 1 << 16, 1 << 16)))
    )
    assert read(film).has_picture


def test_a_film_in_fragments_tells_its_length_where_it_knows_it():
    fragments = box("moof", bytes(20)) + MDAT
    moov = mvhd(length=0) + trak(640, 360, samples=0)
    assert read(FTYP + box("moov", moov) + fragments) == FilmFacts(None, 640, 360, has_picture=True)
    told = box("mvex", box("mehd", struct.pack(">II", 0, 7000)))
    assert read(FTYP + box("moov", moov + told) + fragments).duration_s == 7.0


def test_the_video_itself_is_not_read():
    reads: list[int] = []
    read(FTYP + box("mdat", bytes(1_000_000)) + HEADER, reads=reads)
    assert sum(reads) < 1000


@pytest.mark.parametrize("cut_bytes", [1, 9, 100, 507])
@pytest.mark.parametrize("film", [FTYP + HEADER + MDAT, FTYP + MDAT + HEADER], ids=["moov first", "moov last"])
def test_a_film_that_is_cut_off_is_none(film, cut_bytes):
    with pytest.raises(NotAFilm):
        read(film[:-cut_bytes])


def test_a_film_of_which_only_the_header_came_is_none():
    with pytest.raises(NotAFilm, match="is cut off"):
        read(FTYP + HEADER)


def test_what_hangs_on_behind_a_film_is_no_part_of_it():
    assert read(FTYP + HEADER + MDAT + bytes(40)).has_picture


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just words, no film",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        FTYP,
        FTYP + struct.pack(">I4s", 3, b"moov"),
        FTYP + struct.pack(">I4s", (64 << 20) + 9, b"moov"),
    ],
)
def test_what_has_no_header_is_no_film(content):
    with pytest.raises(NotAFilm):
        read(content)


@pytest.mark.parametrize("moov", [b"", mvhd(scale=0), box("mvhd")])
def test_what_says_nothing_of_its_length_is_not_guessed(moov):
    assert read(FTYP + box("moov", moov)).duration_s is None


@given(st.data())
def test_a_damaged_header_is_facts_or_no_film(data):
    whole = FTYP + HEADER + box("mdat", bytes(20))
    cut = data.draw(st.integers(0, len(whole)))
    spoiled = bytearray(whole[:cut])
    for at in data.draw(st.lists(st.integers(0, max(0, cut - 1)), max_size=6)) if cut else ():
        spoiled[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotAFilm):
        assert (read(bytes(spoiled)).duration_s or 0) >= 0


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_facts_or_no_film(content):
    with contextlib.suppress(NotAFilm):
        read(content)
