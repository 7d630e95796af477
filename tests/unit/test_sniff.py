"""Files as cameras, recorders, taggers and downloads leave them: what ffmpeg plays is known, by its bytes alone."""

import io
import struct
import subprocess
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import imageio_ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.formats import FORMATS, HEAD_BYTES, format_of_content

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=1")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:duration=2")
FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")


def ffmpeg(*arguments: str) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments], check=True, capture_output=True)


@cache
def made(suffix: str, *arguments: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"made.{suffix}"
        ffmpeg(*arguments, str(path))
        return path.read_bytes()


def film(*options: str) -> bytes:
    return made("mp4", *PICTURE, *options)


def mp3(*options: str) -> bytes:
    return made("mp3", *SOUND, "-id3v2_version", "0", *options)


def aac(*options: str) -> bytes:
    return made("aac", *SOUND, *options)


def wav() -> bytes:
    return made("wav", *SOUND)


def mkv() -> bytes:
    return made("mkv", *PICTURE)


def box(kind: bytes, size_bytes: int = 24) -> bytes:
    return struct.pack(">I4s", size_bytes + 8, kind) + bytes(size_bytes)


def long_box(kind: bytes, size_bytes: int = 24) -> bytes:
    return struct.pack(">I4sQ", 1, kind, size_bytes + 16) + bytes(size_bytes)


def branded(brand: bytes, content: bytes | None = None) -> bytes:
    content = content or film()
    return content[:8] + brand + content[12:]


def id3(size_bytes: int, *, flags: int = 0, filling: bytes = b"\0") -> bytes:
    """Make a tag as one with a cover picture has it; `filling` is the picture's bytes."""
    sizes = bytes(size_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    footer = b"3DI\x04\0" + bytes([flags]) + sizes if flags & 0x10 else b""
    return b"ID3\x04\0" + bytes([flags]) + sizes + (filling * size_bytes)[:size_bytes] + footer


def with_cover() -> bytes:
    noise = ("-f", "lavfi", "-i", "color=gray:s=1000x1000:d=0.04,format=rgb24,noise=alls=100:allf=t")
    options = ("-map", "0:a", "-map", "1:v", "-c:v", "png", "-frames:v", "1", "-disposition:v", "attached_pic")
    content = made("mp3", *SOUND, *noise, *options)
    assert len(content) > 2_000_000
    return content


def ape(size_bytes: int) -> bytes:
    return b"APETAGEX" + struct.pack("<IIII8x", 2000, size_bytes, 1, 0xA0000000) + bytes(size_bytes)


def headed(doctype: bytes | None, *, void: int = 0, crc: bool = False) -> bytes:
    """Put another EBML header before the segment of a Matroska file."""
    content = mkv()
    body = b"\xbf\x84" + bytes(4) if crc else b""
    if void:
        body += b"\xec" + struct.pack(">H", 0x4000 | void) + bytes(void)
    body += b"\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08"
    if doctype is not None:
        body += b"\x42\x82" + bytes([0x80 | len(doctype)]) + doctype
    body += b"\x42\x87\x81\x04\x42\x85\x81\x02"
    return (
        b"\x1a\x45\xdf\xa3"
        + struct.pack(">H", 0x4000 | len(body))
        + body
        + content[content.index(b"\x18\x53\x80\x67") :]
    )


def all_of_it_mdat() -> bytes:
    """Stretch the box of the pictures to the file's start, over `ftyp`."""
    content = film()
    end = content.index(b"moov") - 4
    return struct.pack(">I4s", end, b"mdat") + content[8:]


def without_ftyp() -> bytes:
    content = film(*FRAGMENTS)
    return content[int.from_bytes(content[:4]) :]


def rf64(start: bytes) -> bytes:
    content = made("wav", *SOUND, "-rf64", "always")
    return start + content[4:]


PLAYED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "styp before ftyp": ("mp4", lambda: box(b"styp") + film(*FRAGMENTS)),
    "styp instead of ftyp": ("mp4", lambda: film(*FRAGMENTS).replace(b"ftyp", b"styp", 1)),
    **{
        f"{kind.decode()} first": ("mp4", lambda kind=kind: box(kind) + film(*FRAGMENTS))  # type: ignore[misc]
        for kind in (b"uuid", b"emsg", b"prft", b"free", b"skip", b"wide", b"sidx", b"pdin", b"junk")
    },
    "a long box first": ("mp4", lambda: long_box(b"uuid", 5000) + film(*FRAGMENTS)),
    "several boxes first": ("mp4", lambda: box(b"free", 0) + box(b"uuid", 300) + box(b"emsg") + film(*FRAGMENTS)),
    "100 kB of a box first": ("mp4", lambda: box(b"free", 100_000) + film(*FRAGMENTS)),
    "mdat first": ("mov", all_of_it_mdat),
    "moov first": ("mov", without_ftyp),
    **{
        f"brand {brand.decode()}": (found, lambda brand=brand: branded(brand))  # type: ignore[misc]
        for found, brands in (
            ("mp4", (b"isom", b"mp41", b"mp42", b"avc1", b"iso6", b"M4V ", b"3gp5", b"3g2a", b"dash", b"MSNV", b"XAVC")),
            ("mov", (b"qt  ",)),
        )
        for brand in brands
    },
    **{
        f"brand {brand.decode()}": ("m4a", lambda brand=brand: branded(brand, made("m4a", *SOUND)))  # type: ignore[misc]
        for brand in (b"M4A ", b"M4B ", b"M4P ")
    },
    "an mp3 without a tag": ("mp3", mp3),
    "an mp3 at 24 kHz": ("mp3", lambda: mp3("-ar", "24000")),
    "an mp3 at 8 kHz": ("mp3", lambda: mp3("-ar", "8000")),
    "an mp3 behind a cover of 300 kB": ("mp3", lambda: id3(300_000, filling=b"\xff\xd8\xff\xe0JFIF") + mp3()),
    "an mp3 behind a cover of 3 MB": ("mp3", with_cover),
    "an mp3 behind two tags": ("mp3", lambda: id3(200) + id3(100) + mp3()),
    "an mp3 behind a tag with a footer": ("mp3", lambda: id3(200, flags=0x10) + mp3()),
    "an mp3 behind a tag and filling": ("mp3", lambda: id3(200) + bytes(3000) + mp3()),
    "an mp3 behind filling": ("mp3", lambda: bytes(3000) + mp3()),
    "an mp3 behind an APE tag": ("mp3", lambda: ape(500) + mp3()),
    "an mp3 cut in the middle of a frame": ("mp3", lambda: mp3()[1100:]),
    "an aac cut in the middle of a frame": ("aac", lambda: aac()[500:]),
    "an aac behind a tag": ("aac", lambda: id3(200) + aac()),
    "an aac behind a cover of 300 kB": ("aac", lambda: id3(300_000, filling=b"\xff\xd8\xff\xe0JFIF") + aac()),
    "an aac behind filling": ("aac", lambda: bytes(3000) + aac()),
    "an aac behind an APE tag": ("aac", lambda: ape(500) + aac()),
    "an aac as MPEG-2 says it": ("aac", lambda: aac("-write_mpeg2", "1")),
    "an RF64 wav": ("wav", lambda: rf64(b"RF64")),
    "a BW64 wav": ("wav", lambda: rf64(b"BW64")),
    "a wav with a bext chunk": ("wav", lambda: made("wav", *SOUND, "-write_bext", "1", "-metadata", "description=x")),
    "an avi": ("avi", lambda: made("avi", *PICTURE)),
    "an avi with an odd byte in its name": ("avi", lambda: made("avi", *PICTURE).replace(b"AVI ", b"AVI\x19", 1)),
    "a matroska with a void": ("mkv", lambda: headed(b"matroska", void=400)),
    "a webm with a void": ("webm", lambda: headed(b"webm", void=3000)),
    "a matroska with a checksum": ("mkv", lambda: headed(b"matroska", crc=True)),
    "a matroska with filling behind its type": ("mkv", lambda: headed(b"matroska\0\0")),
    "a matroska of another type": ("mkv", lambda: headed(b"mkv")),
    "a matroska without a type": ("mkv", lambda: headed(None)),
    "a matroska for sound": ("mkv", lambda: made("mka", *SOUND)),
    "a live webm": ("webm", lambda: made("webm", *PICTURE, "-c:v", "libvpx", "-live", "1")),
    "a jpeg with Exif": ("jpg", lambda: made("jpg", *PICTURE, "-frames:v", "1").replace(b"\xff\xe0\0\x10JFIF", b"\xff\xe1\0\x10Exif")),
    "a jpeg behind a line break": ("jpg", lambda: b"\r\n" + made("jpg", *PICTURE, "-frames:v", "1")),
    "an animated png": ("png", lambda: made("apng", *PICTURE, "-plays", "0")),
    "a gif": ("gif", lambda: made("gif", *PICTURE)),
}  # fmt: skip


@pytest.mark.parametrize(("found", "make"), PLAYED.values(), ids=PLAYED.keys())
def test_what_ffmpeg_plays_is_known_whatever_stands_before_it(
    tmp_path: Path, found: str, make: Callable[[], bytes]
) -> None:
    content = make()
    (tmp_path / "blob").write_bytes(content)
    ffmpeg("-i", str(tmp_path / "blob"), "-t", "0.2", "-f", "null", "-")

    assert format_of_content(content[:HEAD_BYTES]) == found


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("song.mp3", mp3())
    return buffer.getvalue()


OTHERS: dict[str, Callable[[], bytes]] = {
    **{
        brand: lambda brand=brand: branded(brand.encode())  # type: ignore[misc]
        for brand in ("heic", "heix", "hevc", "mif1", "msf1", "avif", "avis", "jp2 ", "jxl ", "crx ")
    },
    "a picture's brand behind another box": lambda: box(b"free") + branded(b"heic"),
    "flac": lambda: made("flac", *SOUND),
    "flac behind a tag": lambda: id3(200) + made("flac", *SOUND),
    "ogg": lambda: made("ogg", *SOUND),
    "aiff": lambda: made("aiff", *SOUND),
    "w64": lambda: made("w64", *SOUND),
    "mp2": lambda: made("mp2", *SOUND),
    "ac3": lambda: made("ac3", *SOUND),
    "mpeg-ts": lambda: made("ts", *PICTURE, *SOUND, "-c:a", "aac"),
    "mpeg-ps": lambda: made("mpg", *PICTURE, *SOUND, "-r", "25", "-c:a", "mp2"),
    "flv": lambda: made("flv", *PICTURE, *SOUND, "-ar", "44100"),
    "wmv": lambda: made("wmv", *PICTURE, *SOUND),
    "tiff": lambda: made("tiff", *PICTURE, "-frames:v", "1"),
    "a zip that holds an mp3": zipped,
    "a pdf that holds a jpeg": lambda: b"%PDF-1.7\n" + made("jpg", *PICTURE, "-frames:v", "1"),
    "filling alone": lambda: bytes(10_000),
    "a wav behind a tag, which ffmpeg does not play": lambda: id3(200) + wav(),
    "a png behind a line break, which ffmpeg does not play": lambda: b"\r\n" + made("png", *PICTURE, "-frames:v", "1"),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_none_of_the_formats_stays_unknown_although_it_looks_like_one(make: Callable[[], bytes]) -> None:
    assert format_of_content(make()[:HEAD_BYTES]) is None


STARTS = [
    b"",
    b"ID3\x04\0\0\0\0\0\x05",
    b"APETAGEX",
    b"\x1a\x45\xdf\xa3",
    b"RF64",
    b"\0\0\0\x18",
    b"\0\0\0\x01uuid",
    b"\xff\xf1",
    b"\xff\xfb",
]


@given(st.sampled_from(STARTS), st.binary(max_size=300))
def test_any_bytes_behind_any_start_are_one_of_the_formats_or_none(start: bytes, rest: bytes) -> None:
    assert format_of_content(start + rest) in {*FORMATS, None}


@given(st.sampled_from(sorted(PLAYED)), st.integers(0, 3000))
def test_a_file_that_breaks_off_anywhere_fails_nothing(name: str, end: int) -> None:
    assert format_of_content(PLAYED[name][1]()[:end]) in {*FORMATS, None}


def test_a_million_empty_elements_are_not_looked_through_for_what_stands_behind_them() -> None:
    header, doctype = b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 7, b"\x42\x82\x84webm"
    assert format_of_content(header + b"\xec\x80" * 100 + doctype) == "webm"
    assert format_of_content((header + b"\xec\x80" * 500_000 + doctype)[:HEAD_BYTES]) is None


@pytest.mark.parametrize("unit", [b"\xff", b"\xff\xfb\x90\0", b"\0\0\0\x08free", b"ID3\x04\0\0\0\0\0\0", b"\xec\x80"])
def test_a_head_of_the_same_few_bytes_for_ever_is_judged(unit: bytes) -> None:
    assert format_of_content((unit * HEAD_BYTES)[:HEAD_BYTES]) in {*FORMATS, None}
