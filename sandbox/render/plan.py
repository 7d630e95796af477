"""Reads a draft and the wished output into a plan: shots in whole frames, tunes, words, size. Pure.

Called by `render`; everything that is wrong with a draft is found here, before ffmpeg starts. It knows no ffmpeg.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.media import Media
from sandbox.render.shape import RenderFailed, format_of, fps_of, quality_of, size_of

VIDEO, AUDIO, TEXT = 0, 1, 7
COLOR_SRC = "sandbox:color/"
MUSIC_SRC = "sandbox:music/"

_LONGEST_S = 3600
_COLOR = re.compile(r"[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Shot:
    """A piece of picture with its own sound. Without `media` it is plain `color`."""

    frames: int
    media: Media | None = None
    color: str = "000000"
    in_s: float = 0.0
    #: How much of the source is used; the length on the timeline times the speed.
    span_s: float = 0.0
    speed: float = 1.0
    volume: float = 1.0
    looks: tuple[str, ...] = ()
    fit: str = "contain"
    #: How much larger the picture is at the end than at the start.
    zoom: float = 1.0
    transition: str = ""
    #: How many frames it shares with the shot before it.
    shared_frames: int = 0


@dataclass(frozen=True)
class Tune:
    """A stretch of music: a file, or (without `media`) one that is played here in a style."""

    start_s: float
    length_s: float
    #: Where in the file it begins.
    in_s: float
    speed: float
    volume: float
    style: str
    media: Media | None
    loops: bool
    fade_in_s: float
    fade_out_s: float


@dataclass(frozen=True)
class Words:
    """Text over the picture."""

    text: str
    position: str
    color: str
    size: str
    start_s: float
    end_s: float
    fade_in_s: float
    fade_out_s: float


@dataclass(frozen=True)
class Plan:
    """All that a render needs to know."""

    width: int
    height: int
    fps: int
    format: str
    quality: str
    shots: tuple[Shot, ...]
    tunes: tuple[Tune, ...]
    words: tuple[Words, ...]
    fade_in_s: float
    fade_out_s: float

    @property
    def frames(self) -> int:
        """Length of the whole, the shared frames counted once."""
        return sum(shot.frames - shot.shared_frames for shot in self.shots)

    @property
    def duration_s(self) -> float:
        """Length of the whole in seconds."""
        return self.frames / self.fps


def plan(draft: Mapping[str, Any], output: Mapping[str, Any], media: Mapping[str, Media]) -> Plan:
    """Read a draft. Raises RenderFailed for whatever can't be rendered."""
    try:
        made = _plan(draft, output, media)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise RenderFailed("the draft is malformed") from problem
    if not made.shots:
        raise RenderFailed("the timeline is empty")
    if made.duration_s > _LONGEST_S:
        raise RenderFailed(f"the timeline is longer than {_LONGEST_S // 60} minutes")
    return made


def _plan(draft: Mapping[str, Any], output: Mapping[str, Any], media: Mapping[str, Media]) -> Plan:
    pictures = list(_segments(draft, VIDEO))
    fps = fps_of(output, [media[segment["src"]].fps for segment in pictures if segment["src"] in media])
    width, height = size_of(draft.get("m") or {}, output)
    tunes = tuple(_tune(segment, media) for segment in _segments(draft, AUDIO))
    first, last = (_m(pictures[0]), _m(pictures[-1])) if pictures else ({}, {})
    return Plan(
        width=width,
        height=height,
        fps=fps,
        format=format_of(output),
        quality=quality_of(output),
        shots=tuple(_shots(pictures, fps, media)) or _darkness(tunes, fps),
        tunes=tunes,
        words=tuple(_words(segment) for segment in _segments(draft, TEXT)),
        fade_in_s=first.get("fade_in", 0) / 1000,
        fade_out_s=last.get("fade_out", 0) / 1000,
    )


def _segments(draft: Mapping[str, Any], kind: int) -> Iterator[Mapping[str, Any]]:
    for track in draft.get("t") or ():
        if track.get("tt") == kind:
            yield from sorted(track.get("sg") or (), key=lambda segment: float(segment.get("st", 0)))


def _m(segment: Mapping[str, Any]) -> Mapping[str, Any]:
    return segment.get("m") or {}


def _shots(segments: list[Mapping[str, Any]], fps: int, media: Mapping[str, Media]) -> Iterator[Shot]:
    end, frames_before = 0, 0
    for segment in segments:
        start, stop = _frame(segment["st"], fps), _frame(segment["st"] + segment["d"], fps)
        if start > end:
            yield Shot(frames=start - end)
        if stop > start:
            yield _shot(segment, stop - start, min(max(0, end - start), frames_before // 2), media)
            frames_before = stop - start
        end = max(end, stop)


def _frame(at_ms: float, fps: int) -> int:
    if at_ms < 0:
        raise RenderFailed("a segment begins before the start of the timeline")
    return round(at_ms * fps / 1000)


def _shot(segment: Mapping[str, Any], frames: int, overlap: int, media: Mapping[str, Media]) -> Shot:
    m, src = _m(segment), str(segment["src"])
    crossing = m.get("transition") or {}
    speed = _positive(float(m.get("speed", 1.0)))
    source = None if src.startswith(COLOR_SRC) else _known(src, media)
    return Shot(
        frames=frames,
        media=source,
        color=_color(src) if source is None else "000000",
        in_s=_in_s(segment, source),
        span_s=segment["d"] * speed / 1000,
        speed=speed,
        volume=float(m.get("volume", 1.0)),
        looks=tuple(m.get("look", ())),
        fit=m.get("fit", "contain"),
        zoom=float(m.get("zoom", 1.0)),
        transition=crossing.get("style", "crossfade"),
        shared_frames=min(overlap, frames // 2) if crossing else 0,
    )


def _color(src: str) -> str:
    """Read ``sandbox:color/1f2a44``; nothing else goes into the graph."""
    if not _COLOR.fullmatch(color := src.removeprefix(COLOR_SRC)):
        raise RenderFailed("a color must look like 1f2a44")
    return color


def _in_s(segment: Mapping[str, Any], source: Media | None) -> float:
    at_ms = segment.get("in", 0)
    if at_ms < 0:
        raise RenderFailed("a segment begins before the start of its media")
    if source and source.kind == "video" and at_ms > source.duration_ms:
        raise RenderFailed("a segment begins past the end of its media")
    return float(at_ms) / 1000


def _positive(speed: float) -> float:
    if speed <= 0:
        raise RenderFailed("a segment's speed must be more than 0")
    return speed


def _known(src: str, media: Mapping[str, Media]) -> Media:
    if src not in media:
        raise RenderFailed("a segment uses media that this session does not have")
    return media[src]


def _tune(segment: Mapping[str, Any], media: Mapping[str, Media]) -> Tune:
    m, src = _m(segment), str(segment["src"])
    is_played_here = src.startswith(MUSIC_SRC)
    return Tune(
        start_s=segment["st"] / 1000,
        length_s=segment["d"] / 1000,
        in_s=_in_s(segment, None),
        speed=_positive(float(m.get("speed", 1.0))),
        volume=float(m.get("volume", 1.0)),
        style=src.removeprefix(MUSIC_SRC) if is_played_here else "",
        media=None if is_played_here else _known(src, media),
        loops=bool(m.get("loop")),
        fade_in_s=m.get("fade_in", 0) / 1000,
        fade_out_s=m.get("fade_out", 0) / 1000,
    )


def _darkness(tunes: tuple[Tune, ...], fps: int) -> tuple[Shot, ...]:
    """Sound alone is shown over black."""
    end_s = max((tune.start_s + tune.length_s for tune in tunes), default=0.0)
    return (Shot(frames=max(1, round(end_s * fps))),) if end_s > 0 else ()


def _words(segment: Mapping[str, Any]) -> Words:
    m = _m(segment)
    style = m.get("style") or {}
    return Words(
        text=str(m.get("text", "")),
        position=str(m.get("position", "center")),
        color=str(style.get("color", "white")),
        size=str(style.get("size", "large")),
        start_s=segment["st"] / 1000,
        end_s=(segment["st"] + segment["d"]) / 1000,
        fade_in_s=m.get("fade_in", 0) / 1000,
        fade_out_s=m.get("fade_out", 0) / 1000,
    )


def runs(shots: tuple[Shot, ...]) -> list[list[int]]:
    """Group shots joined by hard cuts: ``[[0, 1], [2]]`` where only the third begins with a transition."""
    groups: list[list[int]] = []
    for number, shot in enumerate(shots):
        if not groups or shot.shared_frames:
            groups.append([])
        groups[-1].append(number)
    return groups
