"""Errors of the API as problem documents (RFC 9457), the framework's own errors included.

Routes and rules raise `ApiError`; `problem_response`, the app's exception handler, turns that, and anything else that
was raised, into the one shape. It shows no traces and no messages of unexpected errors.
"""

import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from core.logs import get_logger
from core.store.redis.client import STORE_DOWN, STORE_FULL
from core.store.redis.codec import Unreadable
from core.store.redis.functions import NotReplicated

log = get_logger(__name__)

PROBLEM_JSON = "application/problem+json"

#: code -> title, and whether the same request may succeed later
_TITLES: dict[str, tuple[str, bool]] = {
    "malformed_request": ("The request is malformed.", False),
    "malformed_json": ("The body is not JSON.", False),
    "unauthorized": ("An API key is needed.", False),
    "scope_missing": ("The API key lacks a needed scope.", False),
    "not_found": ("There is no such thing.", False),
    "method_not_allowed": ("This path does not know the method.", False),
    "conflict": ("The present state does not allow this.", False),
    "not_ended": ("The job has not ended.", True),
    "being_sent": ("The callback is still being sent.", True),
    "too_large": ("The body is too large.", False),
    "uri_too_long": ("The URL is too long.", False),
    "headers_too_large": ("The headers are too large.", False),
    "media_too_large": ("A file is too large.", False),
    "storage_full": ("The tenant keeps too many bytes.", False),
    "unsupported_media_type": ("The body's content type is not taken here.", False),
    "unsupported_media": ("A file's format is not supported.", False),
    "invalid": ("A value is wrong.", False),
    "idempotency_key_reused": ("The Idempotency-Key was used for another body.", False),
    "in_progress": ("A call with this Idempotency-Key is under way.", True),
    "rate_limited": ("Too many submits.", True),
    "queue_full": ("The tenant's queue is full.", True),
    "too_many_sessions": ("The tenant has too many sessions open.", True),
    "budget_exceeded": ("The month's credits are used up.", True),
    "overloaded": ("All queues together are full.", True),
    "unavailable": ("The store does not answer.", True),
    "record_unreadable": ("This release cannot read what is stored.", True),
    "session_lost": ("The session is gone.", False),
    "link_expired": ("The link is not good any more.", False),
    "range_not_satisfiable": ("The range lies outside of the file.", False),
    "request_timeout": ("The body came too slowly.", True),
    "internal": ("Something went wrong on our side.", True),
}
_UNREADABLE = (
    "The stored {} cannot be read by this process: a newer release of this service wrote it, or it is damaged. Nothing "
    "was done and nothing else is concerned; ask again later, or tell the operator."
)
_CODE_OF_STATUS = {
    400: "malformed_request",
    401: "unauthorized",
    403: "scope_missing",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "rate_limited",
    500: "internal",
    503: "unavailable",
}


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One wrong value. `pointer` is a JSON pointer (RFC 6901) into the body, or names the query's field."""

    pointer: str
    code: str
    detail: str


class ProblemDocument(msgspec.Struct, kw_only=True):
    """RFC 9457, with our extensions: `code` for programs, `retryable`: the same request may succeed later."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    retryable: bool
    request_id: str
    errors: tuple[FieldError, ...] = ()


class ApiError(Exception):
    """The request ends here, with this problem document. `headers` come with it."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def not_found(what: str, *, at: str | None = None) -> ApiError:
    """Refuse what does not exist, or is another tenant's, in the same words. `at`: the pointer to where it is named."""
    words = f"There is no such {what}."
    errors = [FieldError(pointer=at, code="not_found", detail=words)] if at else []
    return ApiError(404, "not_found", words, errors=errors)


def unauthorized(detail: str) -> ApiError:
    """Refuse a call without a good API key."""
    return ApiError(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="reelgate"'})


def unknown_key() -> ApiError:
    """Refuse a key that is not ours, or no longer."""
    return unauthorized("This API key is not known.")


def scope_missing(scope: str) -> ApiError:
    """Refuse a key that may not do this."""
    return ApiError(403, "scope_missing", f"This API key lacks the scope '{scope}'.")


def invalid(errors: Sequence[FieldError]) -> ApiError:
    """Refuse wrong values. The first one's words are the detail, its code the problem's where all agree."""
    codes = {e.code for e in errors}
    code = codes.pop() if len(codes) == 1 else "invalid"
    return ApiError(422, code, errors[0].detail, errors=errors)


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer with any error that reached the framework. Safe for every error."""
    known = _as_api_error(error)
    request_id = str(request.scope.get("request_id", ""))
    document = problem_document(known, request.scope["path"], request_id=request_id)
    return Response(
        msgspec.json.encode(document), status_code=known.status, media_type=PROBLEM_JSON, headers=known.headers
    )


def problem_document(error: ApiError, path: str, *, request_id: str = "") -> ProblemDocument:
    """Write an error as its document."""
    title, retryable = _TITLES.get(error.code) or _TITLES[_CODE_OF_STATUS.get(error.status, "malformed_request")]
    return ProblemDocument(
        type=f"urn:reelgate:problem:{error.code}",
        title=title,
        status=error.status,
        detail=error.detail,
        instance=path,
        code=error.code,
        retryable=retryable,
        request_id=request_id,
        errors=error.errors,
    )


def _as_api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, NotReplicated):
        words = "It is kept, but not by as many replicas as it should be. Repeat it with the same Idempotency-Key."
        return ApiError(503, "unavailable", words, headers={"Retry-After": "1"})
    if isinstance(error, STORE_FULL):
        words = "There is no room to keep more at present; nothing was done. Reading and deleting still work."
        return ApiError(503, "unavailable", words, headers={"Retry-After": "30"})
    if isinstance(error, STORE_DOWN):
        return ApiError(503, "unavailable", "Redis does not answer; nothing was done.", headers={"Retry-After": "1"})
    if isinstance(error, Unreadable):
        return ApiError(503, "record_unreadable", _UNREADABLE.format(error.kind), headers={"Retry-After": "60"})
    if isinstance(error, HTTPException) and error.status_code < 500:  # noqa: PLR2004 - the caller's own errors
        return _from_framework(error)
    _log_unexpected(error)
    return ApiError(500, "internal", "Report the request_id to the operator of this service.")


def _from_framework(error: HTTPException) -> ApiError:
    code = _CODE_OF_STATUS.get(error.status_code, "malformed_request")
    detail = {404: "There is no such path.", 405: "See the Allow header.", 413: "Send a smaller body."}
    allow = {k.title(): v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
    return ApiError(
        error.status_code, code, detail.get(error.status_code, HTTPStatus(error.status_code).phrase), headers=allow
    )


def _log_unexpected(error: Exception) -> None:
    """Log where an unexpected error came from, without its message, which may hold a caller's content."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    where = " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in reversed(frames))
    log.error("unexpected error", error=type(error).__name__, where=where)
