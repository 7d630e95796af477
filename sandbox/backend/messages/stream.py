"""How a message's events look on the wire: the vendor's shape and the agent server's, whole or in chunks.

`accept.py` says what happened; `routes/sessions.py` sends the bytes made here. Knows nothing of drafts, credits or stories.
Shapes: BACKEND.md, "The message stream"; the agent server's as in the captured streams (camelCase, no `event:`).
"""

import itertools
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.backend.clock import Clock
from sandbox.backend.messages.stories import Shape


@dataclass(frozen=True)
class Text:
    content: str


@dataclass(frozen=True)
class ToolCall:
    id: str
    name: str
    args: dict[str, Any]


@dataclass(frozen=True)
class ToolResult:
    id: str
    name: str
    result: dict[str, Any]


@dataclass(frozen=True)
class Heartbeat:
    pass


@dataclass(frozen=True)
class Failure:
    """The run broke. `modelled`: told as an event with a code instead of a bare error frame."""

    message: str
    modelled: bool = False


Event = Text | ToolCall | ToolResult | Heartbeat | Failure


class Encoder(Protocol):
    def encode(self, event: Event) -> bytes: ...


def encoder(shape: Shape, clock: Clock) -> Encoder:
    return VendorShape() if shape == "vendor" else AgentShape(clock, partial=shape == "adk-partial")


def _frame(value: dict[str, Any]) -> bytes:
    # Raw, not escaped: the real one sends U+2028 as it is, and so do we.
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


class VendorShape:
    """``data: {"type":"text","content":"…"}``. Heartbeats take turns: an event, a comment line, an empty data line."""

    def __init__(self) -> None:
        self._beats = itertools.cycle((_frame({"type": "heartbeat"}), b": keep-alive\n\n", b"data:\n\n"))

    def encode(self, event: Event) -> bytes:
        match event:
            case Text(content):
                return _frame({"type": "text", "content": content})
            case ToolCall(_, name, args):
                return _frame({"type": "tool_call", "name": name, "args": args})
            case ToolResult(_, name, result):
                return _frame({"type": "tool_result", "name": name, "result": result})
            case Failure(message, modelled):
                return _frame(
                    {"type": "error", "errorCode": "MODEL_ERROR", "errorMessage": message}
                    if modelled
                    else {"error": message}
                )
            case Heartbeat():
                return next(self._beats)


@dataclass
class AgentShape:
    """The agent server's events. It has no heartbeat of its own: the proxy before it sends comments and empty data."""

    clock: Clock
    partial: bool
    invocation_id: str = field(default_factory=lambda: "e-" + secrets.token_hex(16))
    _beats: Iterator[bytes] = field(default_factory=lambda: itertools.cycle((b": keep-alive\n\n", b"data:\n\n")))

    def encode(self, event: Event) -> bytes:
        match event:
            case Text(content):
                return self._text(content)
            case ToolCall(call_id, name, args):
                call = {"id": call_id, "args": args, "name": name}
                return self._event({"content": {"parts": [{"functionCall": call}], "role": "model"}})
            case ToolResult(call_id, name, result):
                response = {"id": call_id, "name": name, "response": result}
                return self._event({"content": {"parts": [{"functionResponse": response}], "role": "user"}})
            case Failure(message, modelled):
                return self._model_error(message) if modelled else self._broken(message)
            case Heartbeat():
                return next(self._beats)

    def _text(self, content: str) -> bytes:
        chunks = _chunks(content) if self.partial else []
        said = [self._event(_said(chunk, partial=True)) for chunk in chunks]
        return b"".join([*said, self._event(_said(content, partial=False))])

    def _model_error(self, message: str) -> bytes:
        return self._event({"errorCode": "MODEL_ERROR", "errorMessage": message})

    def _broken(self, message: str) -> bytes:
        details = {"error_type": "RuntimeError", "error_message": message, "timestamp": self.clock.now_s()}
        return _frame({"error": f"RuntimeError: {message}", "error_details": details})

    def _event(self, facts: dict[str, Any]) -> bytes:
        actions: dict[str, Any] = {"stateDelta": {}, "artifactDelta": {}, "requestedAuthConfigs": {}}
        return _frame(
            {
                **facts,
                "invocationId": self.invocation_id,
                "author": "nemo_agent",
                "actions": {**actions, "requestedToolConfirmations": {}},
                "nodeInfo": {"path": ""},
                "id": secrets.token_hex(16),
                "timestamp": self.clock.now_s(),
            }
        )


def _said(text: str, *, partial: bool) -> dict[str, Any]:
    content = {"content": {"parts": [{"text": text}], "role": "model"}}
    return {**content, "partial": True} if partial else content


def _chunks(text: str, size: int = 12) -> list[str]:
    """Cut a text as a model streams it: anywhere, also inside words."""
    return [text[start : start + size] for start in range(0, len(text), size)]
