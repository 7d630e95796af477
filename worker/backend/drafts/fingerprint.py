"""Fingerprints drafts and whole states by their content: whether two are the same work, and whether there is something to export.

A fingerprint takes in every key it does not know to be a record of who, when or how often, so that a change under a
key that nobody documented still counts. At the top, where such records live, only keys that are known count. No page
says under which keys the backend shows an edit, so it is the whole state that tells whether there was one.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from worker.backend.drafts.parse import META, SEGMENTS, TRACKS, dicts, pick, tracks_of

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
#: what a key of a state's top speaks of that is content, whatever stands under it
_CONTENT_NOUN = re.compile(
    r"(?:.*_)?(?:style|theme|font|colou?r|music|bgm|voice|ratio|resolution|orientation|template|effects?|look|subtitles?"
    r"|captions?|title|text|background|cover|transitions?|stickers?|filters?|speed|volume)(?:_(?:style|name|preset|type))?",
    re.IGNORECASE,
)
_RECORD_KEY = re.compile(
    r"_.*|(?:.*_)?(?:id|uuid|guid|hash|etag|nonce|stamp|timestamp|token|signature|revision|rev|ver|version|seq|ts|cursor)"
    r"|.*(?:Id|ID|Uuid|Hash|Stamp|Token|Signature|Revision|Version|Cursor)|[mc]time|reads?|read_?[aA]t"
    r"|(?:created|updated|modified|accessed|saved|synced|last|expires|expiry)(?:[_A-Z].*)?",
    re.DOTALL,
)
#: Whatever somebody wrote is content, also if it reads like a time.
_WRITTEN = {"text", "content", "caption", "txt", "title", "name"}
_TIME_VALUE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
#: Ids that say which material, sound or look is used: a change of one is an edit.
_REFERENCE_KEY = re.compile(
    r"(?:.*_)?(?:material|media|asset|resource|source|music|audio|font|effect|filter|transition|template|sticker|voice)"
    r"(?:_id|Id|ID)"
)
#: Keys of a state that talk alone changes, or that tell what is known of the uploads: no edit.
_NO_EDIT_KEY = re.compile(
    r"(?:.*_)?(?:anal\w*|embeddings?|waveforms?|thumbnails?|previews?|transcripts?|asr|status|progress|messages?|history"
    r"|conversations?|chat\w*|turns?|events?|logs?|usage|credits?|tokens?|stats|metrics|language|suggestions?)",
    re.IGNORECASE,
)
_UPLOADS = "video_infos"
_EPOCH_S, _EPOCH_MS = (1.4e9, 4e9), (1.4e12, 4e12)
_DEEPEST = 24
_NOTHING: tuple[object, ...] = (None, "", [], {})


def exportable(draft: object) -> bool:
    """Tell whether a track holds anything: else the render call is not made."""
    return any(_holds_anything(pick((track,), SEGMENTS)) for track in dicts(tracks_of(draft)))


def _holds_anything(segments: object) -> bool:
    """Whether there are segments, in whatever form: a list may name what stands elsewhere, ``["sg_1", "sg_2"]``."""
    if isinstance(segments, dict):
        return any(map(_holds_anything, segments.values())) or bool(list(dicts(segments)))
    return isinstance(segments, list) and any(segment not in _NOTHING for segment in segments)


def fingerprint(draft: object) -> str:
    """Name the content: equal for two reads of the same work, different once the work changed."""
    told = {"t": draft} if isinstance(draft, list) else draft
    top = {key: value for key, value in told.items() if key in _CONTENT_AT_TOP} if isinstance(told, dict) else {}
    canonical = json.dumps(_content(top, _DEEPEST), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def state_fingerprint(state: Mapping[str, Any], *, uploads: int) -> str:
    """Name the content of a whole state: a change under any key is one, but for what the `uploads` files brought.

    An upload may show late, so of the uploads' list only the entries beyond their number count: those were made there.
    """
    told = {key: _top_of_draft(value) if key == "draft" else value for key, value in state.items()}
    kept = {
        key: _content(value, _DEEPEST, references=True) for key, value in told.items() if _may_tell_edit(key, value)
    }
    kept["made"] = max(0, _length(state.get(_UPLOADS)) - uploads)
    canonical = json.dumps({key: value for key, value in kept.items() if value not in _NOTHING}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def same_draft(one: object, other: object) -> bool:
    """Whether two drafts hold the same work, by all that counts in a state: also by what material is used."""
    told = [{} if draft is None else {"draft": draft} for draft in (one, other)]
    return state_fingerprint(told[0], uploads=0) == state_fingerprint(told[1], uploads=0)


def _may_tell_edit(key: str, value: object) -> bool:
    """Whether a key of a state's top may be content. A bare number or word of unknown meaning there is a counter."""
    if key == _UPLOADS or _NO_EDIT_KEY.fullmatch(key) or _is_record(key, value, references=True):
        return False
    return isinstance(value, dict | list) or key in _CONTENT_AT_TOP or _CONTENT_NOUN.fullmatch(key) is not None


def _top_of_draft(draft: object) -> object:
    if not isinstance(draft, dict):
        return draft
    return {key: value for key, value in draft.items() if _may_tell_edit(str(key), value)}


def _length(value: object) -> int:
    return len(value) if isinstance(value, dict | list) else 0


def _content(value: Any, depth: int, *, references: bool = False) -> Any:
    """Keep what is content, in one spelling: ``10.0`` is 10, and empty is the same as missing.

    `references`: whether ids count that say what material is used.
    """
    if depth == 0:
        return None
    if isinstance(value, dict):
        told = ((str(key), inner) for key, inner in value.items())
        kept = {
            key: _content(inner, depth - 1, references=references)
            for key, inner in told
            if not _is_record(key, inner, references=references)
        }
        return {key: inner for key, inner in kept.items() if inner not in _NOTHING}
    if isinstance(value, list):
        return [_content(inner, depth - 1, references=references) for inner in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() else repr(value)
    return _unsigned(value) if isinstance(value, str) else value


def _is_record(key: str, value: object, *, references: bool = False) -> bool:
    if references and _REFERENCE_KEY.fullmatch(key):
        return False
    if _RECORD_KEY.fullmatch(key):
        return True
    if isinstance(value, str):
        return key not in _WRITTEN and _TIME_VALUE.match(value) is not None
    return isinstance(value, int | float) and any(low < value < high for low, high in (_EPOCH_S, _EPOCH_MS))


def _unsigned(text: str) -> str:
    """Leave out the part of a link that a signed link renews at every read."""
    return text.partition("?")[0] if "://" in text else text
