"""Finds out what an uploaded file is: kind, length, picture, sound, its silent stretches and its scene changes.

The content decides, never the name. Called by the sandbox's upload call; it must not know sessions or drafts.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av

from sandbox import ffmpeg
from sandbox.formats import HEAD_BYTES, PICTURES, SOUNDS, sniff
from sandbox.tracks import Picture, length_ms, picture_of, seeks_until_ms, sound_of
from sandbox.webp import Animation, animation_of

Kind = Literal["video", "audio", "image"]

#: The formats by what ffmpeg calls their containers. That of MP4 is not among them: it is also that of HEIC and AVIF.
_CONTAINERS = {"avi": "avi", "mjpeg": "jpg", "image2": "jpg", "mp3": "mp3", "aac": "aac", "wav": "wav"}
_SILENCE = "silencedetect=noise=-38dB:duration=0.4"
_SCENES = "scale=160:90:flags=fast_bilinear,format=rgb24,scdet=threshold=12"
#: Of a longer film key frames alone are decoded: most encoders put one at each scene change, and it stays cheap.
_WATCHED_WHOLE_MS = 180_000


class NotMedia(Exception):  # noqa: N818  # says what was found
    """The bytes are none of the 13 formats, or are damaged beyond reading."""


@dataclass(frozen=True)
class Media:
    """One uploaded file. An image has a duration of 0; `silences_ms` and `scenes_ms` are in the file's own time."""

    url: str
    path: Path
    kind: Kind
    name: str
    duration_ms: int
    width: int
    height: int
    fps: float
    has_audio: bool
    format: str
    silences_ms: tuple[tuple[int, int], ...]
    #: Where the picture changes at once, the start not counted.
    scenes_ms: tuple[int, ...] = ()
    #: the numbers of the tracks that are seen and heard, where there are any
    picture: int = 0
    sound: int = 0
    #: the latest place at which a reading may begin: its last frame, or its start where nothing else can be found
    seeks_until_ms: int = 0


async def probe(path: Path, *, url: str, name: str) -> Media:
    """Read a file's facts. Raises NotMedia."""
    media = await asyncio.to_thread(_read, path, url, name)
    silences, scenes = await _listen_and_watch(path, media)
    return replace(media, silences_ms=silences, scenes_ms=scenes)


def _read(path: Path, url: str, name: str) -> Media:
    with path.open("rb") as file:
        found = sniff(file.read(HEAD_BYTES)) or _by_container(path)
    if found is None:
        raise NotMedia("the content is none of the supported formats")
    try:
        if found == "webp" and (moving := animation_of(path)):
            return _animated(moving, path, url, name)
        return _facts(found, path, url, name)
    except (av.FFmpegError, IndexError, ValueError) as problem:
        raise NotMedia(f"the file says it is {found}, but can't be read") from problem


def _by_container(path: Path) -> str | None:
    """Name the format of a file that ffmpeg opens although its first bytes do not show it: padding or tags come first."""
    try:
        with av.open(str(path)) as container:
            return _CONTAINERS.get(container.format.name)
    except (av.FFmpegError, ValueError):
        return None


def _animated(moving: Animation, path: Path, url: str, name: str) -> Media:
    size, whole_ms = (moving.width, moving.height), sum(moving.pauses_ms)
    fps = len(moving.pauses_ms) * 1000 / whole_ms
    kind: Kind = "video" if len(moving.pauses_ms) > 1 else "image"
    duration_ms = whole_ms if kind == "video" else 0
    return Media(url, path, kind, name, duration_ms, *size, fps, False, "webp", ())


def _facts(found: str, path: Path, url: str, name: str) -> Media:
    film = None if found in SOUNDS else picture_of(path)
    sound = sound_of(path)
    if film is None:
        if sound is None:
            raise NotMedia(f"the {found} file holds neither picture nor sound that can be read")
        return Media(url, path, "audio", name, length_ms(path), 0, 0, 0.0, True, found, (), sound=sound)
    kind: Kind = "image" if _is_still(found, film) else "video"
    size, duration_ms = (film.width, film.height), 0 if kind == "image" else length_ms(path)
    until_ms = 0 if kind == "image" else seeks_until_ms(path, film)
    media = Media(url, path, kind, name, duration_ms, *size, film.fps, sound is not None, found, ())
    return replace(media, picture=film.track, sound=sound or 0, seeks_until_ms=until_ms)


def _is_still(found: str, film: Picture) -> bool:
    return found in PICTURES and (found == "jpg" or not film.moves)  # a camera's JPEG may carry a second, smaller one


async def _listen_and_watch(path: Path, media: Media) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    log: list[str] = []
    told: list[str] = []
    sound = ("-map", f"0:{media.sound}", "-af", _SILENCE) if media.has_audio else ()
    picture = (
        ("-map", f"0:{media.picture}", "-vf", _SCENES, "-fps_mode", "passthrough") if media.kind != "audio" else ()
    )
    skipped = ("-skip_frame:v", "nokey") if media.duration_ms > _WATCHED_WHOLE_MS else ()
    source = ("-protocol_whitelist", "file", "-skip_loop_filter:v", "all", *skipped, "-threads", "2", "-i", str(path))
    args = ("-nostats", "-progress", "pipe:1", *source, *sound, *picture, "-f", "null", "-")
    try:
        await ffmpeg.run(args, on_out=told.append, on_log=log.append)
    except ffmpeg.FfmpegFailed as problem:
        raise NotMedia(f"the {media.format} file can't be decoded") from problem
    if picture and not ffmpeg.frames(told):
        raise NotMedia(f"the {media.format} file holds no picture that can be read")
    return _silences(log, media.duration_ms), _scenes(log, media.duration_ms)


def _silences(log: list[str], length_ms: int) -> tuple[tuple[int, int], ...]:
    starts = [_ms(m) for line in log if (m := re.search(r"silence_start: (-?[\d.]+)", line))]
    ends = [_ms(m) for line in log if (m := re.search(r"silence_end: (-?[\d.]+)", line))]
    ends += [length_ms] * (len(starts) - len(ends))
    return tuple((max(0, a), min(b, length_ms)) for a, b in zip(starts, ends, strict=True))


def _scenes(log: list[str], length_ms: int) -> tuple[int, ...]:
    found = (_ms(m) for line in log if (m := re.search(r"lavfi\.scd\.time: ([\d.]+)", line)))
    return tuple(at for at in found if 0 < at < length_ms)


def _ms(found: re.Match[str]) -> int:
    return round(float(found[1]) * 1000)
