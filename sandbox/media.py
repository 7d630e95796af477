"""Finds out what an uploaded file is: kind, length, picture, sound, its silent stretches and its scene changes.

The content decides, never the name. Called by the sandbox's upload call; it must not know sessions or drafts.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av
from av.container import InputContainer
from av.stream import Disposition

from sandbox import ffmpeg

Kind = Literal["video", "audio", "image"]

#: The 13 formats of the contract, in its order.
FORMATS = ("mp4", "mov", "avi", "webm", "mkv", "jpg", "png", "gif", "webp", "mp3", "wav", "m4a", "aac")

_HEAD_BYTES = 4096
_STILLS = {"jpg", "png", "webp"}
_SOUNDS = {"mp3", "wav", "m4a", "aac"}
#: Brands in a `ftyp` box that are pictures (HEIF, AVIF), not films.
_PICTURE_BRANDS = {b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx "}
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


async def probe(path: Path, *, url: str, name: str) -> Media:
    """Read a file's facts. Raises NotMedia."""
    media = await asyncio.to_thread(_read, path, url, name)
    if media.kind == "image":
        return media
    silences, scenes = await _listen_and_watch(path, media)
    return replace(media, silences_ms=silences, scenes_ms=scenes)


def sniff(head: bytes) -> str | None:
    """Name the format that a file's first bytes show, e.g. ``webm``; None if it is none of the 13."""
    if head[:4] == b"RIFF":
        return {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}.get(head[8:12])
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm" if b"webm" in head[:64] else "mkv"
    if head[4:8] == b"ftyp":
        return _by_brand(head[8:12])
    return _by_start(head)


def _by_brand(brand: bytes) -> str | None:
    if brand in _PICTURE_BRANDS:
        return None
    return {b"qt  ": "mov", b"M4A ": "m4a", b"M4B ": "m4a"}.get(brand, "mp4")


def _by_start(head: bytes) -> str | None:
    starts = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif", b"ID3": "mp3"}
    for start, found in starts.items():
        if head.startswith(start):
            return found
    if head[4:8] in {b"moov", b"mdat", b"wide", b"free", b"skip"}:
        return "mov"  # QuickTime files from before the ftyp box
    return _by_frame_sync(head)


def _by_frame_sync(head: bytes) -> str | None:
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004  # the MPEG audio sync word
        return None
    return "mp3" if head[1] & 0x06 else "aac"  # layer bits 00 are ADTS


def _read(path: Path, url: str, name: str) -> Media:
    with path.open("rb") as file:
        found = sniff(file.read(_HEAD_BYTES))
    if found is None:
        raise NotMedia("the content is none of the supported formats")
    try:
        with av.open(str(path)) as container:
            return _facts(container, found, path, url, name)
    except (av.FFmpegError, IndexError, ValueError) as problem:
        raise NotMedia(f"the file says it is {found}, but can't be read") from problem


def _facts(container: InputContainer, found: str, path: Path, url: str, name: str) -> Media:
    pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    film = pictures[0] if pictures and found not in _SOUNDS else None
    has_audio = bool(container.streams.audio)
    if film is None:
        if not has_audio:
            raise NotMedia(f"the {found} file holds neither picture nor sound")
        next(container.decode(container.streams.audio[0]))
        return Media(url, path, "audio", name, _length_ms(container), 0, 0, 0.0, True, found, ())
    width, height, turned, is_still = _first_frames(container, found)
    size = (height, width) if turned else (width, height)
    fps = float(film.average_rate or 0)
    length_ms = 0 if is_still else _length_ms(container)
    return Media(url, path, "image" if is_still else "video", name, length_ms, *size, fps, has_audio, found, ())


def _first_frames(container: InputContainer, found: str) -> tuple[int, int, bool, bool]:
    """Decode the start: width, height, whether a player turns it on its side, whether it is one still."""
    frames = container.decode(container.streams.video[0])
    first = next(frames, None)
    if first is None:
        raise NotMedia(f"the {found} file holds no picture that can be read")
    is_still = found in _STILLS or (found == "gif" and next(frames, None) is None)
    return first.width, first.height, first.rotation % 180 != 0, is_still


def _length_ms(container: InputContainer) -> int:
    if container.duration:
        return container.duration // 1000
    container.seek(0)  # a recording that was never closed has no length in its header
    ends = [(p.pts + (p.duration or 0)) * p.time_base for p in container.demux() if p.pts is not None]
    return int(max(ends, default=0) * 1000)


async def _listen_and_watch(path: Path, media: Media) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    log: list[str] = []
    sound = ("-map", "0:a:0", "-af", _SILENCE) if media.has_audio else ()
    picture = ("-map", "0:v:0", "-vf", _SCENES, "-fps_mode", "passthrough") if media.kind == "video" else ()
    skipped = ("-skip_frame:v", "nokey") if media.duration_ms > _WATCHED_WHOLE_MS else ()
    source = ("-protocol_whitelist", "file", "-skip_loop_filter:v", "all", *skipped, "-threads", "2", "-i", str(path))
    try:
        await ffmpeg.run(["-nostats", *source, *sound, *picture, "-f", "null", "-"], on_log=log.append)
    except ffmpeg.FfmpegFailed as problem:
        raise NotMedia(f"the {media.format} file can't be decoded") from problem
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
