"""Formats told by name and by content. The files are real ones, made by ffmpeg."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.formats import (
    FORMATS,
    MEDIUM_OF,
    foreign_suffix,
    format_of_content,
    format_of_name,
    may_be_same_file,
    name_as,
    same_family,
)

PICTURE = ["-f", "lavfi", "-i", "color=red:size=32x32:rate=5:duration=0.4"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:duration=0.4"]


def made_by_ffmpeg(path: Path, *arguments: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments, str(path)]
    subprocess.run(command, check=True)
    return path.read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.mp4", PICTURE),
        ("fragmented.mp4", [*PICTURE, "-movflags", "frag_keyframe+empty_moov+default_base_moof"]),
        ("a.mov", PICTURE),
        ("a.avi", PICTURE),
        ("a.webm", [*PICTURE, "-c:v", "libvpx"]),
        ("a.mkv", PICTURE),
        ("a.jpg", [*PICTURE, "-frames:v", "1"]),
        ("a.png", [*PICTURE, "-frames:v", "1"]),
        ("a.gif", PICTURE),
        ("a.webp", [*PICTURE, "-frames:v", "1"]),
        ("a.mp3", SOUND),
        ("bare.mp3", [*SOUND, "-id3v2_version", "0", "-write_xing", "0"]),
        ("a.wav", SOUND),
        ("a.m4a", SOUND),
        ("a.aac", SOUND),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_real_file_is_told_by_its_first_bytes(folder: Path, name: str, arguments: list[str]) -> None:
    content = made_by_ffmpeg(folder / name, *arguments)

    assert format_of_content(content[:4096]) == format_of_name(name)
    assert format_of_content(content[:64]) == format_of_name(name)


def test_an_aac_behind_a_tag_is_told_by_its_frame(folder: Path) -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)

    assert format_of_content(tag + made_by_ffmpeg(folder / "tagged.aac", *SOUND)[:1024]) == "aac"
    assert format_of_content(tag) == "mp3"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x00\x00\x00\x18ftyp",
        b"%PDF-1.7\n",
        b"<!DOCTYPE html><html>",
        b"MZ\x90\x00",
        b"\xff\xfe<\x00h\x00",
        b"\xff\xff\xff\xff",
        b"RIFF\x24\x00\x00\x00RMID",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
        b"\x1a\x45\xdf\xa3\x42\x82\x84dirac",
        b"a text that says movie",
    ],
)
def test_what_is_none_of_the_formats_is_none(head: bytes) -> None:
    assert format_of_content(head) is None


def test_quicktime_without_a_brand_is_still_a_mov() -> None:
    assert format_of_content(b"\x00\x00\x02\x6cmoov\x00\x00\x00\x6cmvhd") == "mov"


@given(st.binary(max_size=300))
def test_any_bytes_are_one_of_the_formats_or_none(head: bytes) -> None:
    for start in (b"", b"ID3", b"\x1a\x45\xdf\xa3", b"RIFF1234", b"\x00\x00\x00\x18ftyp", b"\xff"):
        assert format_of_content(start + head) in {*FORMATS, None}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("clip.mp4", "mp4"),
        ("Clip.JPEG", "jpg"),
        ("/media/2026/a.b/clip.MOV", "mov"),
        ("https://cdn.example/a/clip.webm?sig=a.mp3#t=1", "webm"),
        ("clip #2?.mkv", "mkv"),
        ("https://cdn.example/watch?file=clip.mp4", None),
        ("clip", None),
        (".mp4", None),
        ("clip.exe", None),
        ("clip.mp4.exe", None),
        ("", None),
    ],
)
def test_a_name_tells_the_format_by_its_ending(name: str, found: str | None) -> None:
    assert format_of_name(name) == found


def test_the_thirteen_formats_are_videos_pictures_and_sounds() -> None:
    assert ", ".join(FORMATS) == "mp4, mov, avi, webm, mkv, jpg, png, gif, webp, mp3, wav, m4a, aac"
    assert set(MEDIUM_OF.values()) == {"video", "image", "audio"}


def test_only_formats_of_one_container_stand_for_each_other() -> None:
    assert same_family("mp4", "mov")
    assert same_family("webm", "mkv")
    assert same_family("png", "png")
    assert not same_family("mp4", "webm")
    assert not same_family("jpg", "png")


@pytest.mark.parametrize(
    ("name", "found", "told"),
    [
        ("clip.mp4", "mp4", "clip.mp4"),
        ("Clip.MP4", "mp4", "Clip.MP4"),
        ("clip.mov", "mp4", "clip.mov"),
        ("clip.webm", "mkv", "clip.webm"),
        ("photo.JPEG", "jpg", "photo.JPEG"),
        ("blob", "mp4", "blob.mp4"),
        ("", "png", "media.png"),
        ("clip.mp4.download", "mp4", "clip.mp4"),
        ("clip.mp4;v=2", "mp4", "clip.mp4"),
        ("clip.mp4:large", "mp4", "clip.mp4"),
        ("clip.mp4 (1)", "mp4", "clip.mp4"),
        ("clip.mp4 ", "mp4", "clip.mp4"),
        ("clip.mp4.crdownload", "webm", "clip.mp4.crdownload.webm"),
        ("a.mp4x", "mp4", "a.mp4x.mp4"),
        ("v1.2", "mp4", "v1.2.mp4"),
        ("IMG_2024.10.30", "jpg", "IMG_2024.10.30.jpg"),
        ("file.php", "gif", "file.php.gif"),
        (".mp4", "mp4", ".mp4.mp4"),
        ("\u00fcber;a=b", "mp3", "\u00fcber;a=b.mp3"),
        ("clip.png", "mp4", "clip.png.mp4"),
        ("/", "mp4", "media.mp4"),
        ("https://?x", "mp4", "?x.mp4"),
    ],
)
def test_a_name_is_told_with_the_ending_of_what_the_file_is(name: str, found: str, told: str) -> None:
    assert name_as(name, found) == told
    assert may_be_same_file(name, told)


@given(st.text(), st.sampled_from(FORMATS))
def test_whatever_a_name_is_its_told_form_ends_as_its_format_and_stays(name: str, found: str) -> None:
    told = name_as(name, found)
    assert same_family(format_of_name(told) or "", found)
    assert name_as(told, found) == told


def test_two_names_are_of_one_file_only_where_they_may_have_been_told_alike() -> None:
    assert may_be_same_file("clip.mp4;v=1", "clip.mp4;v=2")
    assert not may_be_same_file("clip.mov", "clip.mp4")
    assert not may_be_same_file("blob", "blob2.mp4")
    assert not may_be_same_file("None", "clip.mp4")


def test_a_name_alone_says_that_a_file_is_of_another_type_only_by_an_ending_that_is_known() -> None:
    named = {
        name: foreign_suffix(name)
        for name in ("a.PDF", "a.mp4.exe ", "a.flac", "a.php", "v1.2", "zip", ".zip", "a.m4v")
    }
    assert named == dict.fromkeys(named, None) | {"a.PDF": "pdf", "a.mp4.exe ": "exe", "a.flac": "flac"}
    assert not any(foreign_suffix(f"a.{suffix}") for suffix in (*FORMATS, "jpeg"))
