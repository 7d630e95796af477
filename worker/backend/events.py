"""Decodes the message stream into typed events: both shapes that are seen come out the same.

Called by `client`; `transcript` adds the events up. The shapes are those of BACKEND.md, "The message stream": the
vendor's ``{"type": …}`` and the agent server's, with camelCase or snake_case keys. A frame that is neither is
`Unknown`, never an error. It must not know HTTP.
"""

import re
from functools import reduce
from operator import or_
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from core.security.redacted_repr import redacted_repr
from worker.backend import json_text
from worker.backend.codes import SUCCESS_CODES, code_of
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
    """The backend finished something; its result is not kept. `failed`: the result says that nothing came of it."""

    kind: ClassVar[str] = "tool_result"
    name: str
    failed: bool = False


class Heartbeat(msgspec.Struct, frozen=True):
    """The backend still works. `last`: or it says that this was all, though the stream may stay open."""

    kind: ClassVar[str] = "heartbeat"
    last: bool = False


@redacted_repr("code")
class StreamError(msgspec.Struct, frozen=True):
    """A fault, not an answer. `code`: the backend's business code, where the frame names one."""

    kind: ClassVar[str] = "error"
    message: str
    code: int | None = None


class Unknown(msgspec.Struct, frozen=True):
    """Something that nobody has described, or that is too large to be read: counted, and it may be work that began."""

    kind: ClassVar[str] = "unknown"


#: Words that servers send once a connection is there, to keep it, or to say that they end; they may stand in brackets.
_ALIVE = frozenset(
    {"connected", "open", "heartbeat", "ping", "pong", "keepalive", "alive", "done", "end", "eof", "eos", "finished"}
)
#: of these, what is said of nothing but the whole stream
_OVER = frozenset({"done", "eof", "eos"})
_ERROR_NAMES = frozenset({"error", "exception"})
_ERROR_KEY = r"error(?:_?(?:code|message|details|type|msg))?"
#: A frame that was put together by hand, so that its quotes, line breaks or backslashes make it no JSON: behind other
#: keys of its top level, whose values are sound, comes the error.
_BROKEN_ERROR = re.compile(
    r"\s*\{\s*(?:[\"']\w{1,40}[\"']\s{0,9}:\s{0,9}(?:\"[^\"\\]{0,200}\"|'[^'\\]{0,200}'|[\w.+-]{1,40})\s{0,9},\s{0,9}){0,8}"
    rf"(?:[\"']{_ERROR_KEY}[\"']\s{{0,9}}:(?!\s{{0,9}}(?:null|none|false|0|\"\"|''|\{{\s{{0,9}}\}})\s{{0,9}}[,}}])"
    r"|[\"'](?:type|event|status)[\"']\s{0,9}:\s{0,9}[\"']error[\"']"
    r"|[\"']code[\"']\s{0,9}:\s{0,9}[\"']?(?!(?:0|2\d\d)\b)\d)",
    re.IGNORECASE,
)
#: ``error: engine failed``, ``[ERROR] engine failed``, ``RuntimeError: …``, ``Internal Server Error``, a traceback.
_PLAIN_ERROR = re.compile(
    r"\W{0,3}(?:(?:(?:internal|server|upstream|agent|fatal|unexpected|an|unhandled|stream) ){0,3}"
    r"(?:error|exception|failure|(?-i:[\w.]{1,60}(?:Error|Exception|Failure)))\b(?:\W{0,2}:|[\])}>]|\W{0,3}$)|traceback \(most recent|fatal\W{0,2}:)",
    re.IGNORECASE,
)
_ERROR_FRAME = re.compile(rf"^\s*\{{.{{0,2000}}?[\"']{_ERROR_KEY}[\"']\s{{0,9}}:\s{{0,9}}", re.IGNORECASE | re.DOTALL)
#: more events at once are not read, since nothing else of this process goes on meanwhile: no message has so many
_MOST_AT_ONCE = 20_000
#: where JSON in the place of a stream may list its events
_LIST_KEYS = ("data", "events")
#: where the words of a text may stand, and those of an error
_SPOKEN_KEYS = ("content", "text", "delta", "data")
_ERROR_WORD_KEYS = (
    *("errorMessage", "error_message", "error", "message", "content", "data", "detail"),
    *("errorCode", "error_code"),
)
#: What a tool's result says of itself where nothing came of it.
_FAILED = frozenset({"error", "failed", "failure", "exception"})
_FAILED_KEYS = ("error", "errorCode", "error_code", "errorMessage", "error_message")
_RESULT_KEYS = ("result", "response", "output", "content")
#: How deep a result may be wrapped: ``{"result": {"result": {"error": …}}}``.
_WRAPS = 3
#: What an agent server names as an error where its model had nothing more to say: why it stopped, which is no fault.
_NO_ERRORS = frozenset({"STOP", "OK", "0", "200"})
#: No sign of life is longer.
_LONGEST_SIGN = 20
_FAILED_WORDS = re.compile(r"\W{0,3}(?:failed|failure)\b", re.IGNORECASE)

StreamEvent: TypeAlias = Text | ToolCall | ToolResult | Heartbeat | StreamError | Unknown
#: the kinds of all of them
KINDS = tuple(event.kind for event in (Text, ToolCall, ToolResult, Heartbeat, StreamError, Unknown))


class StreamDecoder:
    """Bytes in, events out."""

    def __init__(self, *, max_event_bytes: int = 4 * 1024 * 1024) -> None:
        self._frames = FrameDecoder(max_event_bytes=max_event_bytes)

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Read on, with any bytes in any portions."""
        return [event for frame in self._frames.feed(chunk) for event in read_frame(frame.data, name=frame.name)]

    def end(self) -> list[StreamEvent]:
        """Read an event that lacks its blank line where the stream closes: it counts if all of it is there."""
        whole = (frame for frame in self._frames.end() if frame.data and _frames(frame.data))
        return [event for frame in whole for event in read_frame(frame.data, name=frame.name)]


def read_frame(data: str | None, *, name: str = "") -> list[StreamEvent]:
    """Read one event's data, e.g. ``{"type":"text","content":"Done."}``; at least one event comes back.

    `data` None: it was too large. `name`: what its ``event:`` line says, which counts where the data does not, or for errors.
    """
    if data is None:
        return [Unknown()]
    if name.strip().lower() in _ERROR_NAMES:
        return [_error_of(data)]
    return _read(data, name)


def as_stream(body: bytes) -> bytes:
    """Write JSON that holds events, ``[{"type": "text", …}]`` or one in each line, as the stream of them.

    b"": none of them is of a known kind, or there are far too many.
    """
    words = body.decode("utf-8", "replace")
    answer = _decoded(words)
    listed = _listed(answer)
    frames = [*listed, *_complaint(answer)] if listed else _frames(words)
    events = (event for frame in frames for event in _events_in(frame, ""))
    is_known = (isinstance(event, Text | ToolCall | ToolResult | StreamError) for event in events)
    if len(frames) > _MOST_AT_ONCE or not any(is_known):
        return b""
    return b"".join(b"data: %s\n\n" % msgspec.json.encode(frame) for frame in frames)


def _listed(answer: object) -> list[dict[str, Any]]:
    """Find the events that an answer lists: ``{"code": 0, "data": [{"type": "text", …}]}``, ``{"data": {"events": […]}}``."""
    holders = [answer, answer.get("data")] if isinstance(answer, dict) else []
    held = [holder.get(key) for holder in holders if isinstance(holder, dict) for key in _LIST_KEYS]
    return [frame for each in held if isinstance(each, list) for frame in each if isinstance(frame, dict)]


def _complaint(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Find what an answer says is wrong beside the events that it lists: ``{"events": […], "error": {"code": 2001}}``."""
    beside = {key: value for key, value in answer.items() if key not in _LIST_KEYS}
    return [beside] if any(isinstance(event, StreamError) for event in _agent_error(beside)) else []


def lists_work(answer: dict[str, Any]) -> bool:
    """Whether an answer lists events of which one tells that something was said or begun."""
    events = (event for frame in _listed(answer)[:_MOST_AT_ONCE] for event in _events_in(frame, ""))
    return any(isinstance(event, Text | ToolCall | ToolResult) for event in events)


def _read(data: str, name: str) -> list[StreamEvent]:
    if frames := _frames(data):
        return [event for frame in frames for event in _events_in(frame, name)]
    decoded = _decoded(data)
    words = decoded if isinstance(decoded, str) else data
    if name.strip().lower() == Text.kind and words.strip() not in ("", "[DONE]"):
        return [Text(words)]
    if not words.strip() or _is_heartbeat(words):
        return [_sign_of(words.strip() or name)]
    if _is_error(words):
        return [StreamError(_error_words(words))]
    return [_sign_of(name)] if _is_heartbeat(name) else [Unknown()]


def _frames(data: str) -> list[dict[str, Any]]:
    """List the objects in an event's data: one, a list of them, or one in each line, where blank lines were forgotten."""
    found = _decoded(data)
    if found is None:
        lines = [line.strip().removeprefix("data:").strip() for line in data.split("\n", _MOST_AT_ONCE)]
        found = [_decoded(line) for line in lines if line and not _is_heartbeat(line)]
    held = found if isinstance(found, list) else [found]
    return held if len(held) <= _MOST_AT_ONCE and all(isinstance(frame, dict) for frame in held) else []


def _events_in(frame: dict[str, Any], name: str) -> list[StreamEvent]:
    told = _events(frame) or _events(frame.get("data")) or _vendor_events(frame, name)
    return told or [Unknown() if frame else Heartbeat()]


def _events(frame: object) -> list[StreamEvent]:
    """Read a frame of either shape."""
    if not isinstance(frame, dict):
        return []
    return _vendor_events(frame, frame.get("type", frame.get("event"))) or _agent_events(frame)


def _decoded(data: str) -> Any:
    """Decode JSON; None where it is none."""
    try:
        return json_text.parse(data)
    except ValueError:
        return None


def _error_of(data: str) -> StreamError:
    """Read the data of an event that is named an error, in whatever shape it says so."""
    frame = _decoded(data)
    if isinstance(frame, dict):
        return StreamError(_words_of_error(frame), code_of(frame))
    return StreamError(_error_words(frame if isinstance(frame, str) else data))


def _vendor_events(frame: dict[str, Any], kind: object) -> list[StreamEvent]:
    """Read ``{"type": "tool_call", …}``, also where the kind is written ``toolCall`` or ``TOOL-CALL``."""
    frame = _unfolded(frame)
    match _squeezed(kind) if isinstance(kind, str) and len(kind) <= _LONGEST_SIGN else None:
        case "text":
            spoken = (_spoken(frame.get(key)) for key in _SPOKEN_KEYS)
            if text := next(filter(None, spoken), ""):
                return [Text(text, _form_of(frame))]
            # words that nobody can read are no sign of life alone
            return [] if any(frame.get(key) for key in _SPOKEN_KEYS) else [Heartbeat()]
        case "toolcall":
            return [ToolCall(_text_of(frame, "name"))]
        case "toolresult":
            return [ToolResult(_text_of(frame, "name"), failed=_says_failed(frame))]
        case "toolerror":
            return [ToolResult(_text_of(frame, "name"), failed=True)]
        case "error":
            return [StreamError(_words_of_error(frame), code_of(frame))]
        case str(word) if word in _ALIVE:
            return [_sign_of(word)]
    return []


def _form_of(frame: dict[str, Any]) -> TextForm:
    """Read ``{"type": "text", "partial": true}``, as the other shape marks its chunks and the whole behind them."""
    if frame.get("partial") is None:
        return "plain"
    return "chunk" if _is_true(frame["partial"]) else "whole"


def _unfolded(frame: dict[str, Any]) -> dict[str, Any]:
    """Bring up what stands in an inner object, or in JSON as text: ``{"event": "text", "data": {"content": "Done."}}``."""
    inner = frame.get("data")
    if isinstance(inner, str) and inner.lstrip().startswith("{"):
        inner = _decoded(inner)
    if not isinstance(inner, dict):
        return frame
    return inner | {key: value for key, value in frame.items() if key != "data" and value is not None}


def _spoken(value: object) -> str:
    """Read ``"Done."``, ``{"text": "Done."}`` and ``[{"type": "text", "text": "Done."}]``."""
    each = value if isinstance(value, list) else [value]
    told = (_text_of(one, "text", "content") if isinstance(one, dict) else one for one in each)
    return "".join(words for words in told if isinstance(words, str))


def _agent_events(frame: dict[str, Any]) -> list[StreamEvent]:
    content = frame.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    known = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    chunk = _is_true(frame.get("partial"))
    told = [*_agent_tools(known), *_agent_error(frame)]
    if _is_callers(frame, content):
        return told or [Heartbeat()]
    return [*_agent_text(known, chunk=chunk), *told]


def _is_callers(frame: dict[str, Any], content: object) -> bool:
    """Tell the caller's own message, which some servers send back first, from what the backend says."""
    role = content.get("role") if isinstance(content, dict) else None
    return role == "user" and frame.get("author") in (None, "user")


def _agent_text(parts: list[dict[str, Any]], *, chunk: bool) -> list[StreamEvent]:
    spoken = "".join(_text_of(part, "text") for part in parts if not _is_true(part.get("thought")))
    return [Text(spoken, "chunk" if chunk else "whole")] if spoken else []


def _is_true(flag: object) -> bool:
    """Read a flag, also one that some server has written as text."""
    return flag is True or (isinstance(flag, str) and flag.lower() == "true")


def _agent_tools(parts: list[dict[str, Any]]) -> list[StreamEvent]:
    events: list[StreamEvent] = []
    for part in parts:
        call = part.get("functionCall", part.get("function_call"))
        answer = part.get("functionResponse", part.get("function_response"))
        if isinstance(call, dict):
            events.append(ToolCall(_text_of(call, "name")))
        if isinstance(answer, dict):
            events.append(ToolResult(_text_of(answer, "name"), failed=_says_failed(answer.get("response"))))
    return events


def _agent_error(frame: dict[str, Any]) -> list[StreamEvent]:
    named, words = (
        frame.get("errorCode", frame.get("error_code")),
        frame.get("errorMessage", frame.get("error_message")),
    )
    if str(named).upper() in _NO_ERRORS and not (frame.get("error") or words):
        return [Heartbeat()]
    said = frame.get("error") or named or words
    code = code_of(frame)
    refused = frame.get("status") == "error" or frame.get("success") is False
    return [StreamError(_words_of_error(frame), code)] if said or refused or code not in (None, *SUCCESS_CODES) else []


def _words_of_error(frame: dict[str, Any]) -> str:
    inner = [frame[key] for key in ("detail", "error") if isinstance(frame.get(key), dict)]
    holder = reduce(or_, inner, frame)
    words = _text_of(holder, *_ERROR_WORD_KEYS)
    return _error_words(words)


def _text_of(holder: dict[str, Any], *keys: str) -> str:
    values = (holder.get(key) for key in keys)
    return next((value for value in values if isinstance(value, str) and value), "")


def _is_heartbeat(words: str) -> bool:
    """Tell ``heartbeat``, ``keep-alive`` and ``[DONE]`` from words that say more."""
    return len(words) <= _LONGEST_SIGN and _squeezed(words) in _ALIVE


def _sign_of(words: str) -> Heartbeat:
    return Heartbeat(last=_squeezed(words) in _OVER)


def _squeezed(words: str) -> str:
    return re.sub(r"[\W_]", "", words).lower()


def _is_error(words: str) -> bool:
    """Tell an error that somebody wrote by hand from other words; a text that mentions one comes as a text."""
    return _BROKEN_ERROR.match(words) is not None or _PLAIN_ERROR.match(words) is not None


def _error_words(words: str) -> str:
    """Say what an error says, without the marks of a broken frame around it."""
    return plain(_ERROR_FRAME.sub("", words).strip("\"'{}[] \r\n")) or "the backend reported an error"


def _says_failed(result: Any, *, depth: int = 0) -> bool:
    """Tell whether a tool's result is an error, at its top or in the result that it wraps."""
    if isinstance(result, str):
        return _is_error(result) or _FAILED_WORDS.match(result) is not None
    if not isinstance(result, dict):
        return False
    refused = any(str(result.get(key)).lower() == "false" for key in ("success", "ok"))
    flagged = any(_is_true(result.get(key)) for key in ("isError", "is_error"))
    named = str(result.get("status", "")).lower() in _FAILED or any(result.get(key) for key in _FAILED_KEYS)
    if refused or flagged or named or code_of(result) not in (None, *SUCCESS_CODES):
        return True
    return depth < _WRAPS and any(_says_failed(result.get(key), depth=depth + 1) for key in _RESULT_KEYS)
