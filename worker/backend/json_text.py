"""Parses JSON as servers write it, also where that is not quite JSON, so that one odd name costs no answer.

Read too are a byte order mark before it, ``NaN`` (None), half a surrogate pair or bytes that are no UTF-8 in a text
(U+FFFD), and control characters in one. What comes out can be encoded again. All of the backend's JSON passes here.
"""

import json
from typing import Any

import msgspec


def parse(text: bytes | str) -> Any:
    """Parse, strictly where that works. Raises ValueError where it is no JSON, also where it is nested too deep."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    words = text if isinstance(text, str) else text.decode("utf-8", "replace")
    try:
        return _encodable(json.loads(words.removeprefix("\ufeff"), strict=False, parse_constant=lambda _: None))
    except RecursionError:
        raise ValueError("nested too deep") from None


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_encodable(each) for each in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    return value
