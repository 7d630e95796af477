"""Parses a draft into a `Timeline`: the documented keys or a few likely other names; what is missing or odd becomes None.

The other modules here work on what this one reads. It decides which key means what, and nothing about words.
"""

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

import msgspec

from core.security.redacted_repr import redacted_repr
from worker.backend.numbers import finite_number
from worker.backend.redact import one_line

TrackKind: TypeAlias = Literal["video", "audio", "text", "other"]
Keys: TypeAlias = tuple[str, ...]

#: a draft as the backend writes it, and as it goes back to be rendered: an object, or nothing but its tracks
Draft: TypeAlias = dict[str, Any] | list[Any]

TRACKS: Keys = ("t", "tracks")
SEGMENTS: Keys = ("sg", "segments", "clips")
META: Keys = ("m", "meta", "metadata")
_TYPE: Keys = ("tt", "type", "track_type")
_START: Keys = ("st", "start", "start_ms", "start_time", "s")
_DURATION: Keys = ("d", "duration", "duration_ms", "dur")
_SOURCE: Keys = ("src", "source", "url", "cdn_url", "material")
_SOURCE_IN: Keys = ("in", "source_start", "in_ms")
_NAME: Keys = ("name", "title", "n", "filename")
_TEXT: Keys = ("text", "content", "caption", "txt")
#: where the words of a title stand that has none of these, as the metadata's ``title`` is documented
_TITLE: Keys = ("title", "name", "n")
_VOLUME: Keys = ("volume", "vol", "v", "gain")
_MUTED: Keys = ("muted", "mute")
_POSITION: Keys = ("position", "pos", "align")
_STYLE: Keys = ("style", "font_style")
_COLOR: Keys = ("color", "colour", "font_color")
_MOTION: Keys = ("animation", "anim", "motion")
_SPEED: Keys = ("speed", "rate", "sp")
_FADE_IN: Keys = ("fade_in", "fadeIn", "fi")
_FADE_OUT: Keys = ("fade_out", "fadeOut", "fo")
_TRANSITION: Keys = ("transition", "trans", "tr")
_LOOKS: Keys = ("look", "looks", "filter", "filters", "effect", "effects")
_FIT: Keys = ("fit", "crop")
_KINDS: dict[str, TrackKind] = {
    "0": "video",
    "video": "video",
    "image": "video",
    "1": "audio",
    "audio": "audio",
    "music": "audio",
    "bgm": "audio",
    "7": "text",
    "text": "text",
    "title": "text",
    "subtitle": "text",
    "caption": "text",
}
_LARGEST = 1e12
_LONGEST_NAME = 60
_LONGEST_TEXT = 120
_PERCENT_ABOVE = 2.0


@redacted_repr("start_ms", "duration_ms")
class Segment(msgspec.Struct, frozen=True):
    """One piece on a track. `volume` and `speed`: 1.0 is as recorded."""

    start_ms: float | None = None
    duration_ms: float | None = None
    #: Where the material comes from, without the part of a link that only opens it.
    source: str | None = None
    source_in_ms: float | None = None
    name: str | None = None
    text: str | None = None
    volume: float | None = None
    position: str | None = None
    color: str | None = None
    motion: str | None = None
    speed: float | None = None
    fade_in_ms: float | None = None
    fade_out_ms: float | None = None
    transition: str | None = None
    looks: tuple[str, ...] = ()
    fit: str | None = None


class Track(msgspec.Struct, frozen=True):
    kind: TrackKind
    name: str | None
    segments: tuple[Segment, ...]


class Timeline(msgspec.Struct, frozen=True):
    """`width` and `height`: pixels, or the two numbers of a ratio."""

    tracks: tuple[Track, ...]
    width: float | None
    height: float | None

    def segments(self, kind: TrackKind) -> list[Segment]:
        """All segments of one kind, by their start."""
        found = [segment for track in self.tracks if track.kind == kind for segment in track.segments]
        return sorted(found, key=lambda segment: segment.start_ms or 0.0)


def timeline(draft: object) -> Timeline:
    """Read whatever came as a draft."""
    width, height = _size(_holders(draft))
    return Timeline(tuple(_track(each) for each in dicts(tracks_of(draft))), width, height)


def tracks_of(draft: object) -> object:
    """Find what holds a draft's tracks."""
    return draft if isinstance(draft, list) else pick(_holders(draft), TRACKS)


def pick(holders: tuple[dict[str, Any], ...], keys: Keys) -> object:
    """Find the first of `keys` that one of `holders` has; None where none has."""
    for key in keys:
        for holder in holders:
            if (value := holder.get(key)) is not None:
                return value
    return None


def dicts(value: object) -> Iterator[dict[str, Any]]:
    """Go over tracks or segments: in a list, or under their names, ``{"a": {…}}``, or by kind, ``{"video": [{…}]}``."""
    held = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    for each in held:
        if isinstance(each, dict):
            yield each
        elif isinstance(each, list) and isinstance(value, dict):
            yield from dicts(each)


def _number(value: object) -> float | None:
    return finite_number(value, below=_LARGEST)


def _holders(value: object) -> tuple[dict[str, Any], ...]:
    """List where facts of a thing may stand: in itself, or in its metadata."""
    if not isinstance(value, dict):
        return ()
    meta = pick((value,), META)
    return (value, meta) if isinstance(meta, dict) else (value,)


def _track(value: dict[str, Any]) -> Track:
    holders = _holders(value)
    kind = _KINDS.get(str(pick(holders, _TYPE)).lower().removesuffix(".0"), "other")
    text_keys = (*_TEXT, *_TITLE) if kind == "text" else _TEXT
    segments = tuple(_segment(each, text_keys) for each in dicts(pick(holders, SEGMENTS)))
    return Track(kind, _words(holders, _NAME), segments)


def _segment(value: dict[str, Any], text_keys: Keys) -> Segment:
    holders = _holders(value)
    style = _holders(pick(holders, _STYLE))
    source = _source(pick(holders, _SOURCE))
    return Segment(
        start_ms=_length(holders, _START),
        duration_ms=_length(holders, _DURATION),
        source=source,
        source_in_ms=_length(holders, _SOURCE_IN),
        name=_words(holders, _NAME) or _file_name(source),
        text=_words(holders, text_keys, limit=_LONGEST_TEXT),
        volume=_volume(holders),
        position=_position(pick(holders, _POSITION)),
        color=_words((*style, *holders), _COLOR),
        motion=_words((*style, *holders), _MOTION),
        speed=_number(pick(holders, _SPEED)),
        fade_in_ms=_length(holders, _FADE_IN) or None,
        fade_out_ms=_length(holders, _FADE_OUT) or None,
        transition=_named(pick(holders, _TRANSITION), "transition"),
        looks=_looks(pick(holders, _LOOKS)),
        fit=_words(holders, _FIT),
    )


def _words(holders: tuple[dict[str, Any], ...], keys: Keys, *, limit: int = _LONGEST_NAME) -> str | None:
    value = pick(holders, keys)
    return one_line(value, limit=limit) or None if isinstance(value, str) else None


def _length(holders: tuple[dict[str, Any], ...], keys: Keys) -> float | None:
    read = _number(pick(holders, keys))
    return read if read is None or read >= 0 else None


def _source(value: object) -> str | None:
    return value.partition("?")[0].partition("#")[0] or None if isinstance(value, str) else None


def _file_name(source: str | None) -> str | None:
    return one_line(unquote((source or "").rstrip("/").rpartition("/")[2]), limit=_LONGEST_NAME) or None


def _volume(holders: tuple[dict[str, Any], ...]) -> float | None:
    if pick(holders, _MUTED) is True:
        return 0.0
    read = _number(pick(holders, _VOLUME))
    if read is None:
        return None
    return max(0.0, read / 100 if read > _PERCENT_ABOVE else read)


def _position(value: object) -> str | None:
    """Read ``"top-center"``, or ``{"x": 0.5, "y": 0.1}`` in parts of the picture."""
    if isinstance(value, str):
        return one_line(value, limit=_LONGEST_NAME) or None
    across, down = (_number(value.get(axis)) for axis in ("x", "y")) if isinstance(value, dict) else (None, None)
    if across is None or down is None:
        return None
    words = f"{_third(down, 'top', 'bottom')}-{_third(across, 'left', 'right')}"
    return "center" if words == "center-center" else words


def _third(part: float, first: str, last: str) -> str:
    if part < 1 / 3:
        return first
    return last if part > 2 / 3 else "center"


def _named(value: object, otherwise: str) -> str | None:
    if isinstance(value, dict):
        return _words((value,), ("style", "type", "name")) or otherwise
    return one_line(value, limit=_LONGEST_NAME) or None if isinstance(value, str) else None


def _looks(value: object) -> tuple[str, ...]:
    each = value if isinstance(value, list) else [value]
    return tuple(name for name in (_named(one, "effect") for one in each) if name)


def _size(holders: tuple[dict[str, Any], ...]) -> tuple[float | None, float | None]:
    canvas = _holders(pick(holders, ("canvas", "canvas_config")))
    ratio = pick((*holders, *canvas), ("ratio", "aspect_ratio", "aspectRatio"))
    across, colon, down = ratio.partition(":") if isinstance(ratio, str) else ("", "", "")
    width, height = (
        _number(pick((*holders, *canvas), ("width", "w"))),
        _number(pick((*holders, *canvas), ("height", "h"))),
    )
    if colon and (width is None or height is None):
        width, height = _number(across), _number(down)
    return (width, height) if width and height and width > 0 and height > 0 else (None, None)
