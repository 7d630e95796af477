"""Finds the draft in a state: under its own key or another one, nested, or written as JSON text. Pure.

No page settles where it stands (BACKEND.md, "Open doubts"), so a draft is known by its shape: tracks that hold segments.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from worker.backend import json_text
from worker.backend.drafts.parse import SEGMENTS, TRACKS, Draft, dicts

_KEY = "draft"
_DEEPEST = 6


def written_out(value: Any, depth: int = _DEEPEST) -> Any:
    """Decode what stands in a state as JSON text, ``"{\\"t\\": []}"``, at any depth; what is no JSON stays a text.

    A draft stays as it is: it goes back to be rendered, and a title ``[2026]`` in it is a title.
    """
    if depth == 0 or _is_draft(value):
        return value
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return written_out(json_text.parse(value), depth - 1)
        except (ValueError, RecursionError):
            return value
    if isinstance(value, dict):
        return {key: written_out(inner, depth - 1) for key, inner in value.items()}
    return value


def find_draft(state: Mapping[str, Any]) -> Draft | None:
    """Find the draft in a state that is written out. None: there is none."""
    named = state.get(_KEY)
    if isinstance(named, dict):
        return _innermost(named)
    if isinstance(named, list) and _are_tracks(named):
        return named
    return next(_by_shape(dict(state), _DEEPEST), None)


def _innermost(draft: dict[str, Any]) -> dict[str, Any]:
    """Unwrap ``{"schema": 3, "draft": {…}}``; one that has tracks of its own is what it is."""
    if any(isinstance(draft.get(key), list) or _are_tracks(draft.get(key)) for key in TRACKS):
        return draft
    inner = draft.get(_KEY)
    if isinstance(inner, dict):
        return _innermost(inner)
    return next(_by_shape(draft, _DEEPEST), draft)


def _is_draft(value: Any) -> bool:
    return isinstance(value, dict) and any(_are_tracks(value.get(key)) for key in TRACKS)


def _by_shape(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict) or depth == 0:
        return
    if _is_draft(value):
        yield value
    for inner in value.values():
        yield from _by_shape(inner, depth - 1)


def _are_tracks(value: object) -> bool:
    """Whether something holds tracks: objects with segments, which may be none."""
    return any(isinstance(track.get(key), list | dict) for track in dicts(value) for key in SEGMENTS)
