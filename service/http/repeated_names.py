"""Names that come twice in one object of a JSON body: readers disagree which one counts (RFC 8259, 4), and ours would not say. Pure."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from service.problems import escape_pointer

#: signs of JSON's own, more than a job that is taken has; what has more is not looked through, which would keep others waiting
_MOST_SIGNS = 40_000
#: errors that one refusal tells
_MOST_TOLD = 20


class _Repeating(dict[str, Any]):
    """An object in which names come twice."""

    names: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeating = _Repeating(found)
    repeating.names = tuple(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return repeating


#: numbers are not looked at, and one of many digits would be an error
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=float)


def pointers_of_repeated(raw: bytes, *, deep: bool) -> list[str]:
    """Point at the names that come twice in a body that was read already; `deep`: in all of its objects, not the outermost alone."""
    if _is_long(raw) or not _may_repeat(raw):
        return []
    try:
        return list(islice(_pointers(_DECODER.decode(raw.decode()), "", deep=deep), _MOST_TOLD))
    except (ValueError, RecursionError):  # what is kept as it is may be no JSON, which is told when it is read
        return []


def _is_long(raw: bytes) -> bool:
    return len(raw) > _MOST_SIGNS and sum(map(raw.count, (b'"', b",", b"{", b"["))) > _MOST_SIGNS


def _may_repeat(raw: bytes) -> bool:
    """Whether it is worth a closer look, which costs ten times as much: all that was read has as many quotation marks, once it is written.

    One that is no mark in what came, but an escape, is one there.
    """
    try:
        written = msgspec.json.encode(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return True
    return written.count(b'"') != raw.count(b'"') or b"\\u0022" in raw


def _pointers(value: Any, at: str, *, deep: bool) -> Iterator[str]:
    if isinstance(value, _Repeating):
        yield from (f"{at}/{escape_pointer(name)}" for name in value.names)
    if not deep or not isinstance(value, dict | list):
        return
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _pointers(inner, f"{at}/{escape_pointer(str(step))}", deep=True)
