"""Fingerprints drafts by their content: whether two are the same work, and whether there is something to export.

A fingerprint takes in every key it does not know to be a record of who, when or how often, so that a change under a
key that nobody documented still counts. At the top, where such records live, only keys that are known count.
"""

import hashlib
import json
import re
from typing import Any

from worker.backend.drafts.parse import META, SEGMENTS, TRACKS, dicts, pick

_CONTENT_AT_TOP = {
    "d",
    "duration",
    "canvas",
    "canvas_config",
    "ratio",
    "aspect_ratio",
    "aspectRatio",
    "title",
    "name",
} | {
    *("width", "height", "w", "h", "fps", "background", "bg", "filter", "filters", "effects", "speed", "volume"),
    *TRACKS,
    *META,
}
_RECORD_KEY = re.compile(
    r"_.*|(?:.*_)?(?:id|uuid|guid|hash|etag|nonce|stamp|timestamp|token|signature|revision|rev|ver|version|seq|ts|cursor)"
    r"|.*(?:Id|ID|Uuid|Hash|Stamp|Token|Signature|Revision|Version|Cursor)|[mc]time|reads?|read_?[aA]t"
    r"|(?:created|updated|modified|accessed|saved|synced|last|expires|expiry)(?:[_A-Z].*)?",
    re.DOTALL,
)
#: Whatever somebody wrote is content, also if it reads like a time.
_WRITTEN = {"text", "content", "caption", "txt", "title", "name"}
_TIME_VALUE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_EPOCH_S, _EPOCH_MS = (1.4e9, 4e9), (1.4e12, 4e12)
_DEEPEST = 24


def exportable(draft: object) -> bool:
    """Tell whether a track holds anything: else the render call is not made."""
    holder = (draft,) if isinstance(draft, dict) else ()
    return any(bool(list(dicts(pick((track,), SEGMENTS)))) for track in dicts(pick(holder, TRACKS)))


def fingerprint(draft: object) -> str:
    """Name the content: equal for two reads of the same work, different once the work changed."""
    top = {key: value for key, value in draft.items() if key in _CONTENT_AT_TOP} if isinstance(draft, dict) else {}
    canonical = json.dumps(_content(top, _DEEPEST), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _content(value: Any, depth: int) -> Any:
    """Keep what is content, in one spelling: ``10.0`` is 10, and empty is the same as missing."""
    if depth == 0:
        return None
    if isinstance(value, dict):
        kept = {str(key): _content(inner, depth - 1) for key, inner in value.items() if not _is_record(str(key), inner)}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", [], {})}
    if isinstance(value, list):
        return [_content(inner, depth - 1) for inner in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() else repr(value)
    return _unsigned(value) if isinstance(value, str) else value


def _is_record(key: str, value: object) -> bool:
    if _RECORD_KEY.fullmatch(key):
        return True
    if isinstance(value, str):
        return key not in _WRITTEN and _TIME_VALUE.match(value) is not None
    return isinstance(value, int | float) and any(low < value < high for low, high in (_EPOCH_S, _EPOCH_MS))


def _unsigned(text: str) -> str:
    """Leave out the part of a link that a signed link renews at every read."""
    return text.partition("?")[0] if "://" in text else text
