"""Decodes the message stream into typed events: both shapes that are seen come out the same.

Called by `client`; `transcript` adds the events up. The shapes are those of BACKEND.md, "The message stream": the
vendor's ``{"type": …}`` and the agent server's, with camelCase or snake_case keys. A frame that is neither is
`Unknown`, never an error. It must not know HTTP.
"""

import re
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from core.redaction import redacted_repr
from worker.backend.redact import plain
from worker.backend.sse import FrameDecoder

#: `plain`: may be a sentence or a piece of one. `chunk`: comes once more in the `whole` that follows it.
TextForm: TypeAlias = Literal["plain", "chunk", "whole"]


@redacted_repr("form")
class Text(msgspec.Struct, frozen=True):
    """Words for the caller, GUI talk still in them."""

    kind: ClassVar[str] = "text"
    text: str
    form: TextForm = "plain"


class ToolCall(msgspec.Struct, frozen=True):
    """The backend began something; its arguments are not kept."""

    kind: ClassVar[str] = "tool_call"
    name: str


class ToolResult(msgspec.Struct, frozen=True):
    """The backend finished something; its result is not kept."""

    kind: ClassVar[str] = "tool_result"
    name: str


class Heartbeat(msgspec.Struct, frozen=True):
    """The backend still works."""

    kind: ClassVar[str] = "heartbeat"


@redacted_repr("code")
class StreamError(msgspec.Struct, frozen=True):
    """A fault, not an answer. `code`: the backend's business code, where the frame names one."""

    kind: ClassVar[str] = "error"
    message: str
    code: int | None = None


class Unknown(msgspec.Struct, frozen=True):
    """Something that nobody has described; counted, and otherwise ignored."""

    kind: ClassVar[str] = "unknown"


#: Codes by which the backend says that all is well.
SUCCESS_CODES = (0, 200)

StreamEvent: TypeAlias = Text | ToolCall | ToolResult | Heartbeat | StreamError | Unknown


class StreamDecoder:
    """Bytes in, events out. Raises sse.EventTooLarge."""

    def __init__(self, *, max_event_bytes: int = 4 * 1024 * 1024) -> None:
        self._frames = FrameDecoder(max_event_bytes=max_event_bytes)

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Read on, with any bytes in any portions."""
        return [event for data in self._frames.feed(chunk) for event in read_frame(data)]


def read_frame(data: str) -> list[StreamEvent]:
    """Read one event's data, e.g. ``{"type":"text","content":"Done."}``; at least one event comes back."""
    if not data.strip():
        return [Heartbeat()]
    try:
        frame = msgspec.json.decode(data.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return [Unknown()]
    if not isinstance(frame, dict):
        return [Unknown()]
    return _vendor_events(frame) or _agent_events(frame) or [Unknown()]


def _vendor_events(frame: dict[str, Any]) -> list[StreamEvent]:
    match frame.get("type"):
        case "text":
            text = _text_of(frame, "content", "text")
            return [Text(text) if text else Heartbeat()]
        case "tool_call":
            return [ToolCall(_text_of(frame, "name"))]
        case "tool_result":
            return [ToolResult(_text_of(frame, "name"))]
        case "heartbeat" | "ping":
            return [Heartbeat()]
        case "error":
            return [StreamError(_error_words(frame), code_of(frame))]
    return []


def _agent_events(frame: dict[str, Any]) -> list[StreamEvent]:
    content = frame.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    known = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    chunk = frame.get("partial") is True
    return [*_agent_text(known, chunk=chunk), *_agent_tools(known), *_agent_error(frame)]


def _agent_text(parts: list[dict[str, Any]], *, chunk: bool) -> list[StreamEvent]:
    spoken = "".join(_text_of(part, "text") for part in parts if part.get("thought") is not True)
    return [Text(spoken, "chunk" if chunk else "whole")] if spoken else []


def _agent_tools(parts: list[dict[str, Any]]) -> list[StreamEvent]:
    events: list[StreamEvent] = []
    for part in parts:
        call = part.get("functionCall", part.get("function_call"))
        answer = part.get("functionResponse", part.get("function_response"))
        if isinstance(call, dict):
            events.append(ToolCall(_text_of(call, "name")))
        if isinstance(answer, dict):
            events.append(ToolResult(_text_of(answer, "name")))
    return events


def _agent_error(frame: dict[str, Any]) -> list[StreamEvent]:
    said = frame.get("error") or frame.get("errorCode", frame.get("error_code"))
    said = said or frame.get("errorMessage", frame.get("error_message"))
    code = code_of(frame)
    return [StreamError(_error_words(frame), code)] if said or code not in (None, *SUCCESS_CODES) else []


def code_of(frame: dict[str, Any]) -> int | None:
    """Find a frame's or an answer's business code: 1001 in ``{"code": 1001}`` and ``{"error": {"code": "1001"}}``."""
    error = frame.get("error")
    holders = [frame, error] if isinstance(error, dict) else [frame]
    for value in (holder.get(key) for holder in holders for key in ("code", "errorCode", "error_code")):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
            return int(value)
    return None


def _error_words(frame: dict[str, Any]) -> str:
    error = frame.get("error")
    holder = {**frame, **error} if isinstance(error, dict) else frame
    words = _text_of(holder, "errorMessage", "error_message", "error", "message", "content", "errorCode", "error_code")
    return plain(words) or "the backend reported an error"


def _text_of(holder: dict[str, Any], *keys: str) -> str:
    values = (holder.get(key) for key in keys)
    return next((value for value in values if isinstance(value, str) and value), "")
