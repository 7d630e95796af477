"""Finds the business code of an answer or of a stream's event, however it is written: as a number, as text or in words.

Called by `events` and `faults`. What a code means is for `faults` to say.
"""

import re
from typing import Any

#: Codes by which the backend says that all is well: its own, and those of an HTTP status that is repeated in the answer.
SUCCESS_CODES = (0, *range(200, 300))

_KEYS = ("code", "errorCode", "error_code")
#: what may hold the code in the frame's place: ``{"error": {…}}``, and ``{"detail": {…}}`` as FastAPI writes refusals
_HOLDERS = ("error", "detail")
_NUMBER = re.compile(r"-?[0-9]{1,9}")
#: words that say the same as a code of the contract, without what separates them: ``SESSION_NOT_FOUND``, ``InsufficientCredits``.
#: None of a rate limit, of a login or of money: an agent server names troubles so that its own cloud and model have with it,
#: as AWS does with ``ExpiredToken``; a good token would be thrown away for them.
_IN_WORDS = (
    (1001, r"token(?:expired|invalid|revoked)"),
    (1002, r"session(?:notfound|expired|lost|unknown|gone)|(?:unknown|invalid|nosuch)session"),
    (2001, r"(?:no|insufficient|notenough|outof)credits?|credits?(?:exhausted|insufficient)"),
    (4001, r"unsupported(?:file|media|format)(?:type|format)?|(?:file|media|format)(?:type)?(?:not|un)supported"),
    (4002, r"(?:file|media|payload)toolarge"),
)
_PATTERNS = tuple((code, re.compile(rf"(?:err(?:or)?)?(?:{words})(?:err(?:or)?)?")) for code, words in _IN_WORDS)
#: no code in words is longer
_LONGEST = 60


def code_of(frame: dict[str, Any]) -> int | None:
    """Find a code: 1001 in ``{"code": 1001}``, ``{"error": {"code": "1001"}}`` and ``{"detail": {"code": "TOKEN_EXPIRED"}}``."""
    codes = (_read(value) for value in values_of(frame))
    return next((code for code in codes if code is not None), None)


def values_of(frame: dict[str, Any]) -> list[Any]:
    """List all that stands in the place of a code."""
    inner = (frame.get(key) for key in _HOLDERS)
    holders = [frame, *(holder for holder in inner if isinstance(holder, dict))]
    return [holder.get(key) for holder in holders for key in _KEYS]


def _read(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if _NUMBER.fullmatch(value.strip()) else _in_words(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        return int(value)
    return None


def _in_words(word: str) -> int | None:
    squeezed = re.sub(r"[\W_]", "", word[:_LONGEST]).lower()
    return next((code for code, pattern in _PATTERNS if pattern.fullmatch(squeezed)), None)
