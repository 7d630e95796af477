"""The shape of an answer: its status, its kind and its keys, and of values nothing but their type. Pure.

``200 application/json {"code": 0, "data": {"session_id": "digits", "url": "url on the backend's host"}}``
"""

import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import msgspec

from worker.backend import json_text
from worker.backend.transport import RecordedAnswer

_DEEPEST = 8
_LONGEST = 3_000
#: of a stream's frames
_FRAME_SHAPES = 12
_KEY = re.compile(r"[A-Za-z_][A-Za-z_\-]{0,39}[0-9]{0,2}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_WORD = re.compile(r"[\w.+/-]{1,40}")
#: words that say how it stands, and nothing of anybody's
_STATUS_KEYS = frozenset({"status", "type", "role", "file_type"})
_STATUS_WORDS = re.compile(
    r"pending|queued|processing|running|rendering|complete|completed|succeeded|success|done|failed|error|cancell?ed"
    r"|text|tool_call|tool_result|heartbeat|model|user|video|image|audio",
    re.IGNORECASE,
)


def describe(answer: RecordedAnswer, *, host: str) -> str:
    """Write an answer's shape in one line; `host` is the backend's own."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = kind if _WORD.fullmatch(kind) else f"{'odd' if kind else 'no'} content-type"
    head = f"{answer.status} {kind}"
    if 300 <= answer.status < 400:  # noqa: PLR2004 - redirects
        head += f", leads to a {_url(answer.headers.get('location', ''), host)}"
    if _WORD.fullmatch(server := answer.headers.get("server", "")) and answer.status >= 400:  # noqa: PLR2004
        head += f", server {server}"
    return f"{head} {_body(answer.body, kind, host)}".strip()[:_LONGEST]


def _body(body: bytes, kind: str, host: str) -> str:
    if kind == "text/event-stream":
        return _stream(body, host)
    value = decoded(body)
    if value is None:
        return f"{len(body)} bytes" if "json" not in kind else f"{len(body)} bytes that are no JSON"
    return msgspec.json.encode(shape_of(value, host=host)).decode()


def _stream(body: bytes, host: str) -> str:
    """Write each shape that a stream's frames have, once, with how often it came."""
    values = [decoded(line[5:]) for line in body.splitlines() if line.startswith(b"data:")]
    shapes = Counter(
        msgspec.json.encode(shape_of(value, host=host)).decode() if value is not None else "no JSON" for value in values
    )
    return ", ".join(f"{count} times {shape}" for shape, count in shapes.most_common(_FRAME_SHAPES)) or "no frames"


def decoded(body: bytes) -> Any:
    """Decode JSON; None where it is none."""
    try:
        return json_text.parse(body)
    except ValueError:
        return None


def shape_of(value: Any, *, host: str, key: str = "", depth: int = 0) -> Any:
    """Turn a JSON value into the same with types for values; of a list the first item stands for all."""
    if depth > _DEEPEST:
        return "…"
    match value:
        case dict():
            named = ((_key(str(name)), str(name), each) for name, each in value.items())
            return {shown: shape_of(each, host=host, key=name, depth=depth + 1) for shown, name, each in named}
        case list():
            return [shape_of(value[0], host=host, depth=depth + 1), f"{len(value)} items"] if value else []
        case str():
            return _text(value, key, host)
        case bool() | None:
            return value
        case int() | float():
            return value if key in ("code", "success") and abs(value) < 100_000 else "number"  # noqa: PLR2004
    return type(value).__name__


def _key(name: str) -> str:
    return name if _KEY.fullmatch(name) else "<id>"


def _text(value: str, key: str, host: str) -> str:
    if key in _STATUS_KEYS and _STATUS_WORDS.fullmatch(value):
        return value
    if key in ("code", "progress") and re.fullmatch(r"[0-9.]{1,5}%?", value):
        return f"text {value}"
    if value.startswith(("http://", "https://", "/")):
        return _url(value, host)
    if _TIME.match(value):
        return "time"
    if value.isdigit():
        return "digits"
    return "text" if value else "empty text"


def _url(value: str, host: str) -> str:
    where = urlsplit(value).hostname
    place = "relative" if not where else "on the backend's host" if where == host else "on another host"
    return f"url {place}"
