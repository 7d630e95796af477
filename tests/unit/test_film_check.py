"""Which rendered files are the film that was asked for. The films are real ones, made by ffmpeg."""

import asyncio
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from core.media.film_header.facts import FilmFacts, NotAFilm
from worker.films.check import Expected, check_film

_SOURCES = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=3", "-f", "lavfi", "-i", "sine=440:d=3")
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")
_VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")
FILMS = {
    "mp4": ("film.mp4", (*_SOURCES, *_H264)),
    "faststart": ("fast.mp4", (*_SOURCES, *_H264, "-movflags", "faststart")),
    "fragmented": ("frag.mp4", (*_SOURCES, *_H264, "-movflags", "frag_keyframe+empty_moov+default_base_moof")),
    "mov": ("film.mov", (*_SOURCES, *_H264)),
    "webm": ("film.webm", (*_SOURCES, *_VP8)),
    "live-webm": ("live.webm", (*_SOURCES, *_VP8, "-live", "1")),
    "mkv": ("film.mkv", (*_SOURCES, *_H264)),
}
#: nothing that a film is made of, in each container
EMPTY = {
    "mp4": ("empty.mp4", (*_SOURCES, *_H264, "-t", "0")),
    "webm": ("empty.webm", (*_SOURCES, *_VP8, "-t", "0")),
    "sound.mp4": ("sound.mp4", (*_SOURCES[4:], "-c:a", "aac")),
    "sound.webm": ("sound.webm", (*_SOURCES[4:], "-c:a", "libopus")),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("films")
    return {name: _made(folder / file, *arguments) for name, (file, arguments) in {**FILMS, **_named(EMPTY)}.items()}


def _named(films: dict[str, tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {f"empty-{name}": film for name, film in films.items()}


def _made(path: Path, *arguments: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments, str(path)]
    subprocess.run(command, check=True)
    return path.read_bytes()


def checked(content: bytes, expected: Expected) -> FilmFacts:
    async def read(start: int, end: int) -> bytes:
        return content[start:end]

    return asyncio.run(check_film(read, len(content), expected))


def format_of(name: str) -> str:
    return name if name in ("mov", "webm") else "webm" if "webm" in name or name == "mkv" else "mp4"


def refusal_of(content: bytes, **expected: object) -> str:
    with pytest.raises(NotAFilm) as caught:
        checked(content, Expected(**({"format": "mp4"} | expected)))  # type: ignore[arg-type]
    return caught.value.reason


@pytest.mark.parametrize("name", FILMS)
def test_every_kind_of_film_is_measured(made, name):
    facts = checked(made[name], Expected(format_of(name), size_bytes=len(made[name]), duration_s=3.0))
    assert (facts.width, facts.height, facts.has_picture) == (160, 90, True)
    assert facts.duration_s is None or abs(facts.duration_s - 3) < 0.2 or name == "live-webm"


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("name", FILMS)
def test_a_cut_film_is_none(made, name, share):
    whole = made[name]
    with pytest.raises(NotAFilm):
        checked(whole[: int(len(whole) * share)], Expected(format_of(name), size_bytes=len(whole)))


@pytest.mark.parametrize("name", _named(EMPTY))
def test_a_film_with_nothing_to_see_is_none(made, name):
    assert refusal_of(made[name], format=format_of(name)) in ("has no picture in it", "has no header")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><h1>Sign in</h1></html>", "is a web page, not a film in mp4"),
        (b"\xef\xbb\xbf  <html>", "is a web page, not a film in mp4"),
        (b"<?xml version='1.0'?><Error/>", "is an XML document, not a film in mp4"),
        (b'{"code":404}', "is a JSON document, not a film in mp4"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is in png, not a film in mp4"),
        (b"no film", "is of no known kind, not a film in mp4"),
    ],
)
def test_what_is_no_film_is_named(content, reason):
    assert refusal_of(content) == reason


def test_a_film_is_of_the_family_that_was_asked_for(made):
    assert checked(made["mov"], Expected("mp4")).has_picture
    assert refusal_of(made["webm"]) == "is in webm, not a film in mp4"
    assert refusal_of(made["mp4"], format="webm") == "is in mp4, not a film in webm"


def test_the_backends_own_word_on_size_is_held_against_the_film(made):
    film = made["mp4"]
    for said in (len(film), int(len(film) * 1.01), len(film) // 1000, 0):
        assert checked(film, Expected("mp4", size_bytes=said)).has_picture
    assert refusal_of(film, size_bytes=len(film) * 2) == f"has {len(film):,} of {2 * len(film):,} bytes"


def test_the_backends_own_word_on_length_is_held_against_the_film(made):
    for said_s in (3.0, 2.0, 5.0, 3000.0, 0.0):
        assert checked(made["mp4"], Expected("mp4", duration_s=said_s)).has_picture
    assert refusal_of(made["mp4"], duration_s=30.0) == "is 3.0 s long, not 30.0 s"
    assert refusal_of(made["mp4"], duration_s=90_000.0) == "is 3.0 s long, not 90000.0 s"


@pytest.mark.parametrize("unit", [1000, 1 << 20])
def test_a_size_that_may_have_been_rounded_up_is_no_shortfall(made, unit):
    film = made["mp4"] + b"\0\0\0\x08free" * 20_000
    assert checked(film, Expected("mp4", size_bytes=-(-len(film) // unit) * unit)).has_picture
    assert "bytes" in refusal_of(film, size_bytes=(-(-len(film) // unit) + 1) * unit * 2)


def test_a_length_in_the_status_that_is_about_something_else_refuses_no_film_that_is_as_long_as_its_timeline(made):
    assert checked(made["mp4"], Expected("mp4", duration_s=42.0, timeline_s=3.0)).has_picture
    assert refusal_of(made["mp4"], duration_s=30.0, timeline_s=30.0) == "is 3.0 s long, not 30.0 s"
    assert refusal_of(made["mp4"], duration_s=0.5, timeline_s=0.5) == "is 3.0 s long, not 0.5 s"


def test_of_a_timeline_of_sounds_alone_a_film_without_a_picture_is_the_film(made):
    assert not checked(made["empty-sound.mp4"], Expected("mp4", sound_only=True, duration_s=3.0)).has_picture
    assert refusal_of(made["empty-sound.mp4"], sound_only=True, duration_s=30.0) == "is 3.0 s long, not 30.0 s"


def test_a_timeline_is_held_against_a_film_of_which_nothing_else_is_known(made):
    for timeline_s in (1.0, 3.0, 7.0):
        assert checked(made["mp4"], Expected("mp4", timeline_s=timeline_s)).has_picture
    assert refusal_of(made["mp4"], timeline_s=20.0) == "is 3.0 s long, its timeline 20.0 s"
    assert checked(made["mp4"], Expected("mp4", timeline_s=20.0, duration_s=3.0)).has_picture
