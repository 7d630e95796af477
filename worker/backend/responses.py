"""Parses the backend's answers into types, tolerantly.

Called by `client`. A reader takes the ``data`` envelope or none, ids as text or number, and both shapes of a render's
status (BACKEND.md, "Calls"); what is missing is None. It must not know how the bytes travel.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from core.clock import parse_rfc3339_ms
from core.redaction import redacted_repr
from worker.backend.drafts import find_draft, written_out

#: No size, length or balance is this large.
_ABSURD = 1e15
#: A time since the epoch is in seconds below this, in milliseconds above.
_SECONDS_BELOW = 1e11

#: What may stand around an answer, and says nothing by itself.
_ENVELOPE = {"code", "data", "success", "message", "msg", "request_id", "requestId", "trace_id", "traceId"}

RenderWord: TypeAlias = Literal["pending", "processing", "completed", "failed"]


class Unreadable(Exception):  # noqa: N818 - reads as what happened
    """The answer is no JSON object, or lacks the one thing it was asked for."""


@redacted_repr("user_id", "expires_at_ms", "credits")
class IssuedToken(msgspec.Struct, frozen=True):
    """A new anonymous token."""

    token: str
    user_id: str | None
    expires_at_ms: int | None
    credits: int | None


class OpenedSession(msgspec.Struct, frozen=True):
    session_id: str
    task_id: str | None
    user_id: str | None


@redacted_repr("file_type", "duration_s", "width", "height")
class UploadedFile(msgspec.Struct, frozen=True):
    filename: str | None
    file_type: str | None
    cdn_url: str | None
    duration_s: float | None
    width: int | None
    height: int | None
    fps: float | None
    hash: str | None


class Credits(msgspec.Struct, frozen=True):
    """`frozen`: reserved for work in progress; where the answer lacks it, what the total has beyond what is available."""

    available: int
    frozen: int
    total: int
    #: whether the answer says what is frozen at all
    tells_frozen: bool = True

    def as_told(self) -> dict[str, int]:
        """Write it as callers read it."""
        return {"available": self.available, "frozen": self.frozen, "total": self.total}


@redacted_repr("task_id")
class State(msgspec.Struct, frozen=True):
    """A session as it is now. `draft` is the backend's own form: `worker.backend.drafts` reads it."""

    draft: dict[str, Any] | None
    video_infos: list[Any]
    generated_media: list[Any]
    task_id: str | None
    user_id: str | None
    #: all that the state holds, JSON texts decoded
    content: dict[str, Any] = {}


@redacted_repr("status", "progress")
class RenderStatus(msgspec.Struct, frozen=True):
    """`progress`: percent. A cancelled render counts as failed."""

    status: RenderWord
    progress: int | None
    url: str | None
    duration_s: float | None
    size_bytes: int | None


def open_envelope(body: bytes) -> dict[str, Any]:
    """Decode an answer and take it out of its envelope. Raises Unreadable."""
    if not body.strip():
        return {}
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable("the answer is no JSON") from error
    data = answer.get("data") if isinstance(answer, dict) else None
    inner = answer if data is None else data
    if isinstance(inner, list):
        return {"files": inner}
    if not isinstance(inner, dict):
        raise Unreadable("the answer is no JSON object")
    return inner


def parse_issued_token(data: dict[str, Any]) -> IssuedToken:
    return IssuedToken(
        token=_needed(data, "token", "access_token"),
        user_id=_text(data, "user_id", "userId"),
        expires_at_ms=_moment_ms(data.get("expires_at", data.get("expiresAt"))),
        credits=_whole(data, "credits"),
    )


def parse_opened_session(data: dict[str, Any]) -> OpenedSession:
    return OpenedSession(
        session_id=_needed(data, "session_id", "sessionId"),
        task_id=_text(data, "task_id", "taskId"),
        user_id=_text(data, "user_id", "userId"),
    )


def parse_claim_token(data: dict[str, Any]) -> str:
    return _needed(data, "claim_token", "claimToken")


def parse_uploaded_files(data: dict[str, Any]) -> list[UploadedFile]:
    files = data.get("files", data.get("file", data))
    listed = files if isinstance(files, list) else [files]
    return [_uploaded_file(file) for file in listed if isinstance(file, dict)]


def _uploaded_file(file: dict[str, Any]) -> UploadedFile:
    return UploadedFile(
        filename=_text(file, "filename", "name"),
        file_type=_text(file, "file_type", "fileType", "type"),
        cdn_url=_text(file, "cdn_url", "cdnUrl", "url"),
        duration_s=_number(file, "duration"),
        width=_whole(file, "width"),
        height=_whole(file, "height"),
        fps=_number(file, "fps"),
        hash=_text(file, "hash"),
    )


def parse_credits(data: dict[str, Any]) -> Credits:
    available = _whole(data, "available")
    if available is None:
        raise Unreadable("the answer lacks available")
    frozen, total = _whole(data, "frozen"), _whole(data, "total")
    told = frozen is not None or total is not None
    if frozen is None:
        frozen = 0 if total is None else max(0, total - available)
    return Credits(available, frozen, available + frozen if total is None else total, tells_frozen=told)


def parse_state(data: dict[str, Any]) -> State:
    """Read a state. Raises Unreadable where there is none in the answer, which is not the same as an empty one."""
    state = data.get("state")
    inner = written_out(state if state is not None else data)
    if not isinstance(inner, dict) or (state is None and not data.keys() - _ENVELOPE):
        raise Unreadable("the answer holds no state")
    return State(
        draft=find_draft(inner),
        video_infos=_values(inner.get("video_infos")),
        generated_media=_values(inner.get("generated_media")),
        task_id=_text(data, "task_id", "taskId"),
        user_id=_text(data, "user_id", "userId") or _text(inner, "user_id", "userId"),
        content=inner,
    )


def parse_render_status(data: dict[str, Any]) -> RenderStatus:
    output = data.get("output")
    made = output if isinstance(output, dict) else {}
    progress = _number(data, "progress")
    return RenderStatus(
        status=_render_word(data.get("status")),
        progress=None if progress is None else int(min(max(progress, 0.0), 100.0)),
        url=_text(made, "url")
        or _text(data, "outputUrl", "output_url")
        or (output if isinstance(output, str) else None),
        duration_s=_number(made, "duration") or _number(data, "duration"),
        size_bytes=_whole(made, "size") or _whole(data, "size"),
    )


def _render_word(status: object) -> RenderWord:
    match str(status).lower():
        case "completed" | "complete" | "succeeded" | "success" | "done":
            return "completed"
        case "failed" | "error" | "cancelled" | "canceled":
            return "failed"
        case "pending" | "queued":
            return "pending"
    return "processing"


def _needed(data: dict[str, Any], *keys: str) -> str:
    found = _text(data, *keys)
    if found is None:
        raise Unreadable(f"the answer lacks {keys[0]}")
    return found


def _text(data: dict[str, Any], *keys: str) -> str | None:
    for value in (data.get(key) for key in keys):
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def _number(data: dict[str, Any], key: str) -> float | None:
    return _finite(data.get(key))


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < _ABSURD else None


def _whole(data: dict[str, Any], key: str) -> int | None:
    number = _number(data, key)
    return None if number is None else int(number)


def _values(value: object) -> list[Any]:
    """Read a list, or the values of an object that names each of them."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _moment_ms(value: object) -> int | None:
    """Read ``2026-11-27T00:00:00Z``, or seconds or milliseconds since the epoch."""
    moment = _finite(value)
    if moment is not None:
        return int(moment * 1000) if moment < _SECONDS_BELOW else int(moment)
    try:
        return parse_rfc3339_ms(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
