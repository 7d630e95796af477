"""Reads single values of an answer: ids as text or number, numbers written as text; what is missing or odd is None."""

from typing import Any

from core.clock import parse_rfc3339_ms
from worker.backend.numbers import finite_number
from worker.backend.redact import plain
from worker.backend.responses.envelope import UnreadableAnswer

#: No size, length or balance is this large.
_ABSURD = 1e15
#: A time since the epoch is in seconds below this, in milliseconds above.
_SECONDS_BELOW = 1e11

#: what whoever calls is called in each path, whatever its account
_CALLER = "me"


def flag(value: object) -> bool | None:
    """Read ``true``, ``"false"`` or ``0``."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


def words_of(error: object) -> str | None:
    """Read ``"out of memory"`` or ``{"message": "out of memory"}``."""
    words = error.get("message") if isinstance(error, dict) else error
    return plain(words) or None if isinstance(words, str) else None


def needed(data: dict[str, Any], *keys: str) -> str:
    found = text(data, *keys)
    if found is None:
        raise UnreadableAnswer(f"the answer lacks {keys[0]}")
    return found


def text(data: dict[str, Any], *keys: str) -> str | None:
    for value in (data.get(key) for key in keys):
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def user_of(data: dict[str, Any]) -> str | None:
    """Find the account that an answer names: ``{"user_id": "anon_7"}``, ``{"user": {"id": 7}}``."""
    user = data.get("user")
    inner = [text(user, key) for key in ("id", "user_id", "userId")] if isinstance(user, dict) else []
    names = [text(data, key) for key in ("user_id", "userId", "uid")] + inner
    return next((name for name in names if name and name != _CALLER), None)


def number(data: dict[str, Any], key: str) -> float | None:
    return finite(data.get(key))


def finite(value: object) -> float | None:
    return finite_number(value, below=_ABSURD)


def whole(data: dict[str, Any], key: str) -> int | None:
    read = number(data, key)
    return None if read is None else int(read)


def values(value: object) -> list[Any]:
    """Read a list, or the values of an object that names each of them."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def moment_ms(value: object) -> int | None:
    """Read ``2026-11-27T00:00:00Z``, or seconds or milliseconds since the epoch."""
    moment = finite(value)
    if moment is not None:
        return int(moment * 1000) if moment < _SECONDS_BELOW else int(moment)
    try:
        return parse_rfc3339_ms(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
