"""Refusals of the backend: code, HTTP status and words of each. Raised anywhere, answered in `app.py`.

Most come as HTTP 200 with a code, as the real one does it. Where its manual names no code for a case, the number is
ours: 1003 session busy, 3001 nothing to export, 3002 export under way, 3003 render ended, 4003 URL unreachable.
"""

from typing import Any

FORMATS = ("mp4", "mov", "avi", "webm", "mkv", "jpg", "png", "gif", "webp", "mp3", "wav", "m4a", "aac")


class Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """The call did no work. `status` is the HTTP status, `body` the JSON answer."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body: dict[str, Any] = {"code": code, "message": message}


def token_missing() -> Refused:
    return Refused(401, 401, "Authorization header with a bearer token required")


def token_unknown() -> Refused:
    return Refused(401, 1011, "invalid token")


def token_expired() -> Refused:
    return Refused(200, 1001, "token expired or invalid")


def registered_token_expired() -> Refused:
    return Refused(200, 1010, "token expired")


def web_page() -> Refused:
    return Refused(403, 403, "not for web pages: call by 127.0.0.1 or localhost, and name no other origin")


def session_not_found() -> Refused:
    return Refused(200, 1002, "session not found")


def session_busy() -> Refused:
    return Refused(200, 1003, "session is busy: a message is still being processed")


def credits_short() -> Refused:
    return Refused(200, 2001, "insufficient credits")


def nothing_to_export() -> Refused:
    return Refused(200, 3001, "nothing to export: the draft has no segments")


def export_under_way() -> Refused:
    return Refused(200, 3002, "another export of this session is in progress")


def unsupported_file() -> Refused:
    return Refused(200, 4001, f"unsupported file type; supported: {', '.join(FORMATS)}")


def file_too_large(limit_bytes: int) -> Refused:
    return Refused(200, 4002, f"file too large; the limit is {limit_bytes // 1_000_000} MB")


def url_unreachable() -> Refused:
    return Refused(200, 4003, "could not download the media URL")


def malformed(what: str) -> Refused:
    return Refused(400, 400, what)


def client_id_missing() -> Refused:
    return Refused(400, 400, "X-Client-Id header required")


def export_blocked() -> Refused:
    return Refused(402, 402, "export is not available on the free plan")


def attribution_missing() -> Refused:
    return Refused(402, 402, "export requires the attribution headers")


def scope_missing(scope: str) -> Refused:
    return Refused(403, 403, f"token lacks the scope {scope}")


def rate_limited() -> Refused:
    return Refused(429, 429, "rate limit exceeded")


def broken() -> Refused:
    return Refused(500, 500, "internal server error")


def render_unknown() -> Refused:
    return Refused(404, 404, "render not found")


def render_duplicate(render_id: str) -> Refused:
    return Refused(409, 409, f"duplicate render id: {render_id} already exists")


def render_ended() -> Refused:
    return Refused(200, 3003, "the render has ended already")


def render_under_way() -> Refused:
    return Refused(200, 3004, "the render is in progress")


def render_unfinished() -> Refused:
    return Refused(404, 404, "the render has no file")
