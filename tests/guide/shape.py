"""Whether an answer that a page shows is what came, but for what differs each time: ids, times, hosts, signatures, sizes.

Where a page leaves something out it writes ``…``: inside a string, as a key beside others, or as a line of its own.
"""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from core.http.reason_phrase import reason_phrase

LEFT_OUT = "…"
#: numbers, and whether they are exact, as depends on the machine, the clip, or on who else was there
VARYING = {
    *(
        "version",
        "size_bytes",
        "latency_ms",
        "available",
        "total",
        "credits_exact",
        "position",
        "eta_p50_s",
        "eta_p90_s",
    ),
    *("credits", "credits_estimated", "minutes", "succeeded", "failed", "canceled", "expired", "p50_s", "p90_s"),
}
_VARYING_HEADERS = {"retry-after", "date", "content-length", "ratelimit", "ratelimit-policy", "x-request-id", "etag"}
_MASKS = (
    (re.compile(r"\b(job|ses|upl|bat|evt|dlv)_[0-9a-f][0-9a-f-]*(?:…|\b)"), r"\1_ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TIME"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"\b(expires|signature)=[\w…-]+"), r"\1=VALUE"),
    (re.compile(r"\bclm_[\w…-]+"), "clm_ID"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
)


def masked(text: str) -> str:
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return text


def json_differences(shown: Any, real: Any, at: str = "", key: str = "") -> Iterator[str]:
    """Say where two JSON values differ, by JSON pointers: ``/error/code: shown 'a', came 'b'``."""
    if key in VARYING and all(value is None or isinstance(value, int | float) for value in (shown, real)):
        return
    match shown, real:
        case dict(), dict():
            yield from _object_differences(shown, real, at)
        case list(), list():
            yield from _list_differences(shown, real, at)
        case str(), str() if _is_like(shown, real):
            return
        case _ if shown == real and isinstance(shown, bool) is isinstance(real, bool):
            return
        case _:
            yield f"{at or '/'}: shown {shown!r}, came {real!r}"


def _object_differences(shown: dict[str, Any], real: dict[str, Any], at: str) -> Iterator[str]:
    told = shown.keys() - {LEFT_OUT}
    missing = told - real.keys() if LEFT_OUT in shown else told ^ real.keys()
    yield from (f"{at}/{key}: only one of them has it" for key in sorted(missing))
    for key in sorted(told & real.keys()):
        yield from json_differences(shown[key], real[key], f"{at}/{key}", key)


def _list_differences(shown: list[Any], real: list[Any], at: str) -> Iterator[str]:
    told = [item for item in shown if item != LEFT_OUT]
    if len(told) > len(real) or (len(told) < len(real) and LEFT_OUT not in shown):
        yield f"{at}: shown {len(told)} items, came {len(real)}"
        return
    for index, (one, other) in enumerate(zip(told, real, strict=False)):
        yield from json_differences(one, other, f"{at}/{index}")


def text_differences(shown: str, real: str) -> Iterator[str]:
    """Say what came where it is not what is shown; a line ``…`` stands for any number of lines."""
    lines = [masked(line.rstrip()) for line in shown.strip().splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == LEFT_OUT else f"{_pattern(line)}[ ]*\n" for line in lines)
    if not re.fullmatch(pattern, masked(real.strip()) + "\n"):
        yield f"shown:\n{shown}\ncame:\n{real}"


def http_differences(shown: str, real: str) -> Iterator[str]:
    """Compare status, the headers that are shown, and the body where one is shown."""
    head, _, body = shown.strip().partition("\n\n")
    real_head, _, real_body = real.strip().replace("\r\n", "\n").partition("\n\n")
    (status, *lines), (real_status, *real_lines) = head.splitlines(), real_head.splitlines()
    if status not in {real_status, _in_the_standards_words(real_status)}:
        yield f"shown {status!r}, came {real_status!r}"
    came = {name.lower(): value for name, _, value in (line.partition(": ") for line in real_lines)}
    for name, value in ((name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)):
        if name != LEFT_OUT and not (name in came and (name in _VARYING_HEADERS or _is_like(value, came[name]))):
            yield f"shown {name}: {value}, came {came.get(name)}"
    if body:
        yield from json_differences(json.loads(body), json.loads(real_body))


def _in_the_standards_words(status_line: str) -> str:
    """Write what uvicorn says, which is Python's phrase of the status, by what that phrase is in RFC 9110."""
    version, code, phrase = status_line.split(" ", 2)
    return f"{version} {code} {reason_phrase(int(code))}" if phrase == HTTPStatus(int(code)).phrase else status_line


def _is_like(shown: str, real: str) -> bool:
    return re.fullmatch(_pattern(masked(shown)), masked(real), re.DOTALL) is not None


def _pattern(shown: str) -> str:
    """Write a shown string as a pattern, in which ``…`` stands for anything."""
    return ".*".join(map(re.escape, shown.split(LEFT_OUT)))
