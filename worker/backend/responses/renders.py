"""What the backend says of a render: its name, how far it is, and its film. Both shapes of a status are read."""

import re
from typing import Any, Literal, TypeAlias

import msgspec

from core.security.redacted_repr import redacted_repr
from worker.backend.responses.envelope import UnreadableAnswer, open_envelope
from worker.backend.responses.values import finite, moment_ms, number, text, whole, words_of

#: under which keys a film's link may stand, in the output or beside the status
_LINK_KEYS = (
    *("url", "outputUrl", "output_url", "downloadUrl", "download_url"),
    *("videoUrl", "video_url", "fileUrl", "file_url"),
)
#: under which keys a render's name may stand, and a render itself
_ID_KEYS = ("id", "renderId", "render_id", "taskId", "task_id", "jobId", "job_id", "exportId", "export_id")
_RENDER_KEYS = ("render", "job", "task", "export")
_STATUS_KEYS = ("status", "state", "renderStatus", "render_status")
#: what may be a name where nothing says that it is one: no words
_NAME = re.compile(r"(?=.*\d)[\w.:-]{1,200}")
_WHOLE = 100
#: a word for work that goes on: ``processing``, ``in_progress``, ``started``
_UNDER_WAY = re.compile("ing(?!s)|progress|start|active|wait")
#: a word that speaks of an end: ``render_completed``, ``success_with_warnings``, ``finish``
_OVER = re.compile("(?<!in)complet|(?<!un)succe|(?<!un)finish|^ok")
RenderWord: TypeAlias = Literal["pending", "processing", "completed", "failed"]


@redacted_repr("status", "progress")
class RenderStatus(msgspec.Struct, frozen=True):
    """`progress`: percent. A cancelled render counts as failed; `error` says why in the backend's words.

    `took_s`: from when it was created to when it was completed, by the backend's own clock.
    """

    status: RenderWord
    progress: int | None
    url: str | None
    duration_s: float | None
    size_bytes: int | None
    error: str | None = None
    took_s: float | None = None


def parse_render_status(data: dict[str, Any]) -> RenderStatus:
    data = _render_in(data)
    output = data.get("output")
    output = output[0] if isinstance(output, list) and output else output
    made = output if isinstance(output, dict) else {}
    url = text(made, *_LINK_KEYS) or text(data, *_LINK_KEYS) or (output if isinstance(output, str) else None)
    progress = _percent(data.get("progress"))
    return RenderStatus(
        status=_render_word(text(data, *_STATUS_KEYS), linked=url is not None, whole=progress == _WHOLE),
        progress=progress,
        url=url,
        # beside the status it may as well be how long the render took
        duration_s=number(made, "duration"),
        size_bytes=whole(made, "size") or whole(data, "size"),
        error=words_of(data.get("error")) or words_of(data.get("message")),
        took_s=_took_s(data),
    )


def link_to_film(body: bytes) -> str | None:
    """Find where a film is in an answer that came in its place: ``{"code": 0, "data": {"url": "https://…"}}``."""
    try:
        data = open_envelope(body)
    except UnreadableAnswer:
        return None
    told = parse_render_status(data).url or text(data, "link", "signedUrl", "signed_url", "data")
    return told if told and "/" in told else None


def _render_in(data: dict[str, Any]) -> dict[str, Any]:
    """Find what tells of the render where nothing does at the top: ``{"render": {"status": "completed", …}}``."""
    held = (data[key] for key in _RENDER_KEYS if isinstance(data.get(key), dict))
    return next((each for each in (data, *held) if each.keys() & {*_STATUS_KEYS, "output"}), data)


def parse_render_ids(data: dict[str, Any]) -> list[str]:
    """List by which ids the backend may go on to speak of a render that it was asked for; it may name ours, and its own.

    They stand in the answer, in what it calls the render, or are all of it: ``{"success": true, "data": "r-1"}``, and not
    ``"data": "ok"``, by which it would be asked after in vain.
    """
    within = (data.get(key) for key in _RENDER_KEYS)
    holders = [data, *(holder for holder in within if isinstance(holder, dict))]
    named = (text(holder, key) for holder in holders for key in _ID_KEYS)
    alone = text(data, "data") or ""
    return [name for name in (*named, alone if _NAME.fullmatch(alone) else None) if name]


def _render_word(status: object, *, linked: bool, whole: bool) -> RenderWord:
    """Read a status; a link to the film counts where there is none, or one that is not known and speaks of an end, or 100 percent."""
    match str(status).strip().lower():
        case "completed" | "complete" | "succeeded" | "success" | "done" | "finished" | "ready" | "rendered":
            return "completed"
        case "none" | "" if linked:
            return "completed"
        case "failed" | "failure" | "fail" | "error" | "errored" | "cancelled" | "canceled" | "aborted" | "rejected":
            return "failed"
        case "timeout" | "timed_out" | "expired":
            return "failed"
        case "pending" | "queued":
            return "pending"
        case word if linked and (whole or _OVER.search(word)) and not _UNDER_WAY.search(word):
            return "completed"
    return "processing"


def _took_s(data: dict[str, Any]) -> float | None:
    """Read ``{"createdAt": "2026-11-27T00:00:00Z", "completedAt": "2026-11-27T00:01:10Z"}``. None: no time that can be one."""
    began_ms, ended_ms = moment_ms(data.get("createdAt")), moment_ms(data.get("completedAt"))
    if began_ms is None or ended_ms is None or ended_ms < began_ms:
        return None
    return (ended_ms - began_ms) / 1000


def _percent(progress: object) -> int | None:
    """Read ``45``, ``"45%"`` or ``0.45``: what is written as a fraction, and is at most one, is a share."""
    written = str(progress).strip()
    number = finite(written.removesuffix("%")) if isinstance(progress, int | float | str) else None
    if number is None or isinstance(progress, bool):
        return None
    is_share = "." in written and not written.endswith("%") and number <= 1
    return int(min(max(number * 100 if is_share else number, 0.0), 100.0))
