"""A timeline in words: the one-line summary that callers read, the tracks as JSON, and the small phrases both use."""

from collections.abc import Sequence
from typing import Any

from worker.backend.drafts.parse import Segment, Timeline, Track, TrackKind

_LABELS: dict[TrackKind, str] = {"video": "Video", "audio": "BGM", "text": "Title", "other": "Track"}
_MOST_NAMES = 3
#: A track that is called by its type has no name.
_SAYS_NOTHING = {"video", "audio", "bgm", "music", "title", "text", "track"}
_MS_FIELDS = {"start_ms", "duration_ms", "source_in_ms", "fade_in_ms", "fade_out_ms"}
_HIDDEN_FIELDS = {"source"}


def summary(seen: Timeline) -> str:
    """Say what is on the timeline.

    ``Timeline (3 tracks): 1. Video: city timelapse (0-10s) 2. BGM: Lo-fi (0-10s, 35%) 3. Title: "Urban Dreams" (0-3s)``
    """
    head = f"Timeline ({counted(len(seen.tracks), 'track')})"
    lines = [f"{place}. {_line(track)}" for place, track in enumerate(seen.tracks, start=1)]
    return f"{head}: {' '.join(lines)}" if lines else head


def tracks(seen: Timeline) -> list[dict[str, Any]]:
    """List the tracks: ``{"type": "audio", "name": "Lo-fi", "segments": [{"start_s": 0, "volume": 0.35, …}]}``."""
    return [
        {"type": track.kind, "name": track.name, "segments": [_facts(segment) for segment in track.segments]}
        for track in seen.tracks
    ]


def counted(number: int, noun: str) -> str:
    """Write ``1 cut``, ``3 cuts``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def seconds(ms: float) -> str:
    """Write ``8.5s``."""
    return f"{_figure(ms)}s"


def span(segments: Sequence[Segment]) -> str:
    """Write from where to where some segments reach, ``0-10s``; empty where nobody knows."""
    known = [segment for segment in segments if segment.duration_ms is not None]
    if not known:
        return ""
    first = min(segment.start_ms or 0.0 for segment in known)
    return f"{_figure(first)}-{_figure(end_ms(known))}s"


def end_ms(segments: Sequence[Segment]) -> float:
    """Find where the last of some segments ends."""
    return max(((segment.start_ms or 0.0) + (segment.duration_ms or 0.0) for segment in segments), default=0.0)


def percent(volume: float) -> str:
    """Write ``35%``."""
    return f"{round(volume * 100)}%"


def bracketed(*facts: str | None) -> str:
    """Write `` (0-10s, 35%)``, or nothing where there are no facts."""
    known = [fact for fact in facts if fact]
    return f" ({', '.join(known)})" if known else ""


def listed(names: Sequence[str]) -> str:
    """Write ``a, b, c and 4 more``, each name once."""
    different = list(dict.fromkeys(names))
    shown = ", ".join(different[:_MOST_NAMES])
    return f"{shown} and {len(different) - _MOST_NAMES} more" if len(different) > _MOST_NAMES else shown


def _line(track: Track) -> str:
    names = _names(track)
    label = _LABELS[track.kind] + (f": {names}" if names else "")
    heard = next((segment.volume for segment in track.segments if segment.volume is not None), None)
    loud = percent(heard) if track.kind == "audio" and heard is not None else None
    return label + bracketed(span(track.segments) if track.segments else "empty", loud)


def _names(track: Track) -> str:
    own = track.name if (track.name or "").lower() not in _SAYS_NOTHING else None
    if track.kind == "text":
        return listed([f'"{segment.text}"' for segment in track.segments if segment.text]) or own or ""
    return own or listed([segment.name for segment in track.segments if segment.name])


def _facts(segment: Segment) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name in segment.__struct_fields__:
        value = getattr(segment, name)
        if value is None or value == () or name in _HIDDEN_FIELDS:
            continue
        if name in _MS_FIELDS:
            facts[name.removesuffix("_ms") + "_s"] = round(value / 1000, 3)
        else:
            facts[name] = list(value) if isinstance(value, tuple) else value
    return facts


def _figure(ms: float) -> str:
    return f"{round(ms / 1000, 2):.10g}"
