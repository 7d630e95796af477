"""Compares what an API showed with what one shows later, of another release or of the same."""

import re
from collections.abc import Iterator
from typing import Any

_LINK = re.compile(r"\?expires=\d+&signature=[\w-]+")
#: true only for a moment, or another one in each answer
_FLEETING = {"position", "eta_p50_s", "eta_p90_s", "request_id"}


def differences(before: Any, now: Any, *, at: str = "") -> Iterator[str]:
    """Say where an answer is not what it was. Fields may have come; signed links and places in a queue are not compared."""
    match before, now:
        case dict(), dict():
            for name in before.keys() - _FLEETING - ({"expires_at"} if _is_linked(before) else set()):
                yield from differences(before[name], now.get(name, "(gone)"), at=f"{at}/{name}")
        case list(), list() if len(before) == len(now):
            for n, (one, other) in enumerate(zip(before, now, strict=True)):
                yield from differences(one, other, at=f"{at}/{n}")
        case str(), str():
            if _LINK.sub("", before) != _LINK.sub("", now):
                yield f"{at}: {before!r} is {now!r} now"
        case _ if before != now:
            yield f"{at}: {before!r} is {now!r} now"


def _is_linked(shown: dict[str, Any]) -> bool:
    return bool(_LINK.search(str(shown.get("url"))))
