"""Chooses the tracks that stand for a file: the film among its pictures, and the sound, by what can be decoded.

Called by `media.py` in a thread. Every look opens the file anew, since not all formats can be wound back.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition, Stream

#: Enough to tell a film from a picture that stands beside it.
_PACKETS_COUNTED = 64
#: A recording may begin in the middle of things: so many packets are tried before a track counts as undecodable.
_PACKETS_TRIED = 500


@dataclass(frozen=True)
class Picture:
    """The track that is seen. `track` is its number in the file; the size is the one that a player shows."""

    track: int
    width: int
    height: int
    fps: float
    #: whether it has more than one frame
    moves: bool
    #: whether its start has a time. Matroska has none below zero, and then nothing finds that start by seeking.
    seeks: bool


def picture_of(path: Path) -> Picture | None:
    """Find the film: the first track with more than one frame, else the first frame there is. A cover is none."""
    with av.open(str(path)) as container:
        tracks = _films_first(container)
    return next((seen for track in tracks if (seen := _seen(path, track))), None)


def sound_of(path: Path) -> int | None:
    """Find the first sound track that can be decoded, and tell its number in the file."""
    with av.open(str(path)) as container:
        tracks = [stream.index for stream in container.streams.audio]
    return next((track for track in tracks if _is_heard(path, track)), None)


def length_ms(path: Path) -> int:
    """How long it plays. A header tells the end, which is the length only where the times begin at zero."""
    with av.open(str(path)) as container:
        if container.duration and not container.start_time:
            return int(container.duration // 1000)
        start_s = (container.start_time or 0) / 1_000_000
        ends = ((p.pts + (p.duration or 0)) * p.time_base for p in container.demux() if p.pts is not None)
        return max(0, round((float(max(ends, default=0)) - start_s) * 1000))


def seeks_until_ms(path: Path, film: Picture) -> int:
    """When the last frame comes, the latest place at which a reading may begin; the sound may well go on after it."""
    if not film.seeks:
        return 0
    return _last_ms(path, film.track, near_the_end=True) or _last_ms(path, film.track, near_the_end=False)


def _last_ms(path: Path, track: int, *, near_the_end: bool) -> int:
    with av.open(str(path)) as container:
        start_us = container.start_time or 0
        if near_the_end and container.duration:
            with suppress(av.FFmpegError):
                container.seek(start_us + container.duration)
        packets = container.demux(container.streams[track])
        last_s = max((p.pts * p.time_base for p in packets if p.pts is not None), default=0)
        return max(0, int(last_s * 1000) - start_us // 1000)


def _films_first(container: InputContainer) -> list[int]:
    pictures = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if len(pictures) < 2:  # noqa: PLR2004  # nothing to choose from
        return [stream.index for stream in pictures]
    packets = Counter(p.stream_index for p in islice(container.demux(pictures), _PACKETS_COUNTED) if p.size)
    return sorted((stream.index for stream in pictures), key=lambda track: packets[track] <= 1)


def _seen(path: Path, track: int) -> Picture | None:
    with av.open(str(path)) as container:
        frames = _decoded(container, container.streams[track])
        first = next(frames, None)
        if not isinstance(first, av.VideoFrame):
            return None
        size = (first.height, first.width) if first.rotation % 180 else (first.width, first.height)
        fps = float(container.streams[track].average_rate or 0)
        has_time = first.pts is not None or first.dts is not None
        return Picture(track, *size, fps, moves=next(frames, None) is not None, seeks=has_time)


def _is_heard(path: Path, track: int) -> bool:
    with av.open(str(path)) as container:
        return next(_decoded(container, container.streams[track]), None) is not None


def _decoded(container: InputContainer, stream: Stream) -> Iterator[object]:
    """Decode a track from its start, stepping over what is broken."""
    for packet in islice(container.demux(stream), _PACKETS_TRIED):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        yield from frames
