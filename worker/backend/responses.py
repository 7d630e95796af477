"""Parses the backend's answers into types, tolerantly.

Called by `client`. A reader takes the ``data`` envelope or none, ids as text or number, and both shapes of a render's
status (BACKEND.md, "Calls"); what is missing is None. It must not know how the bytes travel.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from core.clock import parse_rfc3339_ms
from core.redacted_repr import redacted_repr
from worker.backend.drafts import find_draft, written_out
from worker.backend.redact import plain
from worker.backend.surprises import Surprise

#: No size, length or balance is this large.
_ABSURD = 1e15
#: A time since the epoch is in seconds below this, in milliseconds above.
_SECONDS_BELOW = 1e11

#: What may stand around an answer, and says nothing by itself.
_ENVELOPE = {"code", "data", "success", "message", "msg", "request_id", "requestId", "trace_id", "traceId"}

RenderWord: TypeAlias = Literal["pending", "processing", "completed", "failed"]


class Unreadable(Exception):  # noqa: N818 - reads as what happened
    """The answer is no JSON object, or lacks the one thing it was asked for. `kind` says which."""

    def __init__(self, words: str, kind: Surprise = Surprise.MISSING_FIELD) -> None:
        self.kind = kind
        super().__init__(words)


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


@redacted_repr("file_type", "duration_s", "width", "height", "code")
class UploadedFile(msgspec.Struct, frozen=True):
    filename: str | None
    file_type: str | None
    cdn_url: str | None
    duration_s: float | None
    width: int | None
    height: int | None
    fps: float | None
    hash: str | None
    #: why it was not taken, in the backend's words; None: nothing says that it was not
    error: str | None = None
    code: int | None = None


class UploadAnswer(msgspec.Struct, frozen=True):
    """What the backend says of an upload. `applied` None: it does not say whether the session has the files."""

    files: list[UploadedFile]
    applied: bool | None = None
    #: the answer lists files, if only none
    listed: bool = True

    @property
    def brought(self) -> bool:
        """Whether it says that the files are there: each is named, none with an error, and the session has them."""
        return bool(self.files) and self.refused is None and self.applied is not False

    @property
    def refused(self) -> UploadedFile | None:
        """The first file that was not taken."""
        return next((file for file in self.files if file.error is not None), None)

    @property
    def says_no(self) -> bool:
        """Whether it says that nothing was taken, rather than nothing at all."""
        return self.refused is not None or (self.listed and not self.files)


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


#: what a session without a state shows
NO_STATE = State(draft=None, video_infos=[], generated_media=[], task_id=None, user_id=None)


@redacted_repr("status", "progress")
class RenderStatus(msgspec.Struct, frozen=True):
    """`progress`: percent. A cancelled render counts as failed; `error` says why in the backend's words."""

    status: RenderWord
    progress: int | None
    url: str | None
    duration_s: float | None
    size_bytes: int | None
    error: str | None = None


def open_envelope(body: bytes) -> dict[str, Any]:
    """Decode an answer and take it out of its envelope. Raises Unreadable."""
    if not body.strip():
        return {}
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable("the answer is no JSON", Surprise.PAGE) from error
    data = answer.get("data") if isinstance(answer, dict) else None
    inner = answer if data is None else data
    if isinstance(inner, list):
        return {"files": inner}
    if not isinstance(inner, dict):
        raise Unreadable("the answer is no JSON object", Surprise.NO_OBJECT)
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


#: one of these tells that an object speaks of a file
_FILE_KEYS = ("filename", "name", "file_type", "fileType", "cdn_url", "cdnUrl", "url", "hash", "error")


def parse_upload_answer(data: dict[str, Any]) -> UploadAnswer:
    """Read ``{"files": […], "session_state_applied": true}``, or one file by itself."""
    files = data.get("files", data.get("file"))
    entries = files if isinstance(files, list) else [data if files is None else files]
    known = [file for file in entries if isinstance(file, dict) and any(file.get(key) for key in _FILE_KEYS)]
    applied = _flag(data.get("session_state_applied", data.get("sessionStateApplied")))
    return UploadAnswer([_uploaded_file(file) for file in known], applied, listed=isinstance(files, list))


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
        error=_file_error(file),
        code=_file_code(file),
    )


def _file_error(file: dict[str, Any]) -> str | None:
    """Say why a file was not taken, however that is written: ``error``, ``success``, ``status`` or ``code``."""
    failed_word = str(file.get("status")).lower() in ("failed", "error", "rejected")
    failed_code = _file_code(file) not in (None, 0, 200)
    words = _words_of(file.get("error"))
    if words is None and not (failed_word or failed_code or file.get("success") is False or file.get("error") is True):
        return None
    return words or _words_of(file.get("message")) or "it was not taken"


def _file_code(file: dict[str, Any]) -> int | None:
    """Read ``{"code": 4001}``, ``{"error": {"code": "4001"}}``."""
    error = file.get("error")
    inner = _whole(error, "code") if isinstance(error, dict) else None
    return _whole(file, "code") if inner is None else inner


def _flag(value: object) -> bool | None:
    """Read ``true``, ``"false"`` or ``0``."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


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
    url = _text(made, "url") or _text(data, "outputUrl", "output_url") or (output if isinstance(output, str) else None)
    return RenderStatus(
        status=_render_word(data.get("status"), linked=url is not None),
        progress=_percent(data.get("progress")),
        url=url,
        duration_s=_number(made, "duration") or _number(data, "duration"),
        size_bytes=_whole(made, "size") or _whole(data, "size"),
        error=_words_of(data.get("error")) or _words_of(data.get("message")),
    )


def parse_render_id(data: dict[str, Any]) -> str | None:
    """Find by which id the backend goes on to speak of a render that it was asked for."""
    return _text(data, "id", "renderId", "render_id", "taskId", "task_id")


def _render_word(status: object, *, linked: bool) -> RenderWord:
    """Read a status; without any a link to the film says that there is one."""
    match str(status).strip().lower():
        case "completed" | "complete" | "succeeded" | "success" | "done" | "finished":
            return "completed"
        case "none" | "" if linked:
            return "completed"
        case "failed" | "failure" | "error" | "cancelled" | "canceled":
            return "failed"
        case "pending" | "queued":
            return "pending"
    return "processing"


def _percent(progress: object) -> int | None:
    """Read ``45``, ``"45%"`` or ``0.45``: what is written as a fraction, and is at most one, is a share."""
    written = str(progress).strip()
    number = _finite(written.removesuffix("%")) if isinstance(progress, int | float | str) else None
    if number is None or isinstance(progress, bool):
        return None
    is_share = "." in written and not written.endswith("%") and number <= 1
    return int(min(max(number * 100 if is_share else number, 0.0), 100.0))


def _words_of(error: object) -> str | None:
    """Read ``"out of memory"`` or ``{"message": "out of memory"}``."""
    words = error.get("message") if isinstance(error, dict) else error
    return plain(words) or None if isinstance(words, str) else None


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
