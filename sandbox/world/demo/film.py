"""Opens a finished MP4 and says what is wrong with it. The file is decoded; nothing is taken from the draft's word."""

from pathlib import Path
from typing import NamedTuple

import av

from sandbox.world.demo.skills import Ask

BOX_HEADER_BYTES = 8
WIDE, HIGH = 1920, 1080


class Film(NamedTuple):
    """What a file turned out to be. `streams_at_once`: its index stands before its data."""

    duration_s: float
    width: int
    height: int
    video_codec: str
    audio_codec: str
    streams_at_once: bool


def probe(path: Path) -> Film:
    """Read a file's facts, decoding its first picture. Raises `av.FFmpegError` for a file that is no film."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        next(container.decode(video))
        sounds = container.streams.audio
        return Film(
            (container.duration or 0) / av.time_base,
            video.width,
            video.height,
            video.codec_context.name,
            sounds[0].codec_context.name if sounds else "none",
            index_comes_first(path),
        )


def length_s(path: Path) -> float:
    """Read how long a file goes on; 0 for a still. Raises `av.FFmpegError`."""
    with av.open(str(path)) as container:
        return 0.0 if container.format.name.endswith("_pipe") else (container.duration or 0) / av.time_base


def index_comes_first(path: Path) -> bool:
    """Tell whether a player can begin before the whole MP4 is there: its ``moov`` box stands before its ``mdat``."""
    with path.open("rb") as file:
        while len(head := file.read(BOX_HEADER_BYTES)) == BOX_HEADER_BYTES:
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in {b"moov", b"mdat"}:
                return kind == b"moov"
            if size == 1:
                size = int.from_bytes(file.read(BOX_HEADER_BYTES), "big") - BOX_HEADER_BYTES
            file.seek(size - BOX_HEADER_BYTES, 1)
    return False


def faults(film: Film, ask: Ask) -> list[str]:
    """Compare a film with what was asked for; each fault reads on from the skill's name."""
    wrong = []
    if (film.width, film.height) != (WIDE, HIGH):
        wrong.append(f"is {film.width}x{film.height}, not {WIDE}x{HIGH}")
    if (film.video_codec, film.audio_codec) != ("h264", "aac"):
        wrong.append(f"holds {film.video_codec} and {film.audio_codec}, not h264 and aac")
    if not ask.shortest_s <= film.duration_s <= ask.longest_s:
        wrong.append(f"lasts {film.duration_s:.1f} s, not {ask.shortest_s:.1f} to {ask.longest_s:.1f} s")
    if not film.streams_at_once:
        wrong.append("can't be played before all of it is there")
    return wrong
