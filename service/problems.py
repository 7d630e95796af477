"""Errors of the API as problem documents (RFC 9457), the framework's own errors included.

Routes and rules raise `ApiError`; `problem_response`, the app's exception handler, turns that, and anything else that
was raised, into the one shape. It shows no traces and no messages of unexpected errors.
"""

import traceback
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from core.http.reason_phrase import reason_phrase
from core.logs import get_logger
from core.metrics import REFUSALS
from core.storage.errors import StorageDown
from core.store.redis.client import STORE_DOWN, STORE_FULL
from core.store.redis.codec import Unreadable
from core.store.redis.functions import NotReplicated
from service.problem_codes import PROBLEMS, CallCode, ProblemCode

log = get_logger(__name__)

PROBLEM_JSON = "application/problem+json"

#: the codes that refusals are counted under
PROBLEM_CODES: tuple[str, ...] = get_args(CallCode)
#: of a request that was broken off, by us or by Redis
UNKNOWN_END = "whether it was done is not known. Repeat it, with the same Idempotency-Key where it had one."
_UNREADABLE = (
    "The stored {} cannot be read by this process: a newer release of this service wrote it, or it is damaged. Nothing "
    "was done and nothing else is concerned; ask again later, or tell the operator."
)
_CODE_OF_STATUS: dict[int, ProblemCode] = {
    400: "malformed_request",
    401: "unauthorized",
    403: "scope_missing",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    421: "misdirected",
    422: "invalid",
    429: "rate_limited",
    500: "internal",
    503: "unavailable",
}


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One wrong value. `pointer` is a JSON pointer (RFC 6901) into the body, or names the query's field."""

    #: Where it is: `/media/0/url` in a body, `/limit` in a query; empty: the whole body.
    pointer: str
    #: What is wrong, for programs. The catalogue of codes says what to do about each.
    code: ProblemCode
    #: What is wrong, for people, e.g. with the range that is allowed.
    detail: str


def escape_pointer(step: str) -> str:
    """Write a name as one step of a JSON pointer: ``a/b~c`` is ``a~1b~0c``."""
    return step.replace("~", "~0").replace("/", "~1")


class ProblemDocument(msgspec.Struct, kw_only=True):
    """RFC 9457, with our extensions: `code` for programs, `retryable`: the same request may succeed later."""

    #: `urn:reelgate:problem:` and the code. It names the kind of problem, and leads nowhere.
    type: str
    #: The kind of problem in one sentence, the same for each code. For people; programs read `code`.
    title: str
    #: The HTTP status, as in the answer's first line.
    status: int
    #: What was wrong with this very request. Show it to whoever wrote the request.
    detail: str
    #: The path that was called.
    instance: str
    #: What happened, for programs: decide by it. New codes may be added, so have a branch for those that you do not know.
    code: ProblemCode
    #: Whether the same request may succeed later, unchanged. Repeating one that is not retryable wastes your limit.
    retryable: bool
    #: The name of this call, as in `X-Request-Id`. Quote it when you report a problem: the logs are found by it.
    request_id: str
    #: Every wrong value, where the problem is with values; else empty.
    errors: tuple[FieldError, ...] = ()


class ApiError(Exception):
    """The request ends here, with this problem document. `headers` come with it; Retry-After is the code's, or theirs."""

    def __init__(
        self,
        status: int,
        code: ProblemCode,
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
        wait_s = PROBLEMS[code].retry_after_s
        self.headers = ({"Retry-After": str(wait_s)} if wait_s else {}) | dict(headers or {})


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


def refuse_foreign(what: str, cell: str, *, here: str, at: str | None = None) -> None:
    """Refuse what names another cell than this one (`here`): only there it is known. Raises ApiError (421).

    `at`: the pointer to where a body names it.
    """
    if cell in ("", here):
        return
    came_to = f"cell '{here}'" if here else "one without a name"
    words = (
        f"This {what} belongs to cell '{cell}', and the request came to {came_to}; nothing was done. It is known at the "
        f"address and to the API keys of cell '{cell}' alone. Where that is the address you called, its load balancer "
        "sends it to the wrong cell: tell the operator of this service."
    )
    errors = [FieldError(pointer=at, code="misdirected", detail=words)] if at else []
    raise ApiError(421, "misdirected", words, errors=errors)


def invalid(errors: Sequence[FieldError]) -> ApiError:
    """Refuse wrong values. The first one, and where it is, are the detail; its code is the problem's where all agree."""
    codes, first = {e.code for e in errors}, errors[0]
    words = f"{first.pointer}: {first.detail}" if first.pointer else first.detail
    return ApiError(422, codes.pop() if len(codes) == 1 else "invalid", words, errors=errors)


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer with any error that reached the framework. Safe for every error."""
    known = as_api_error(error)
    request_id = str(request.scope.get("request_id", ""))
    document = problem_document(known, request.scope["path"], request_id=request_id)
    count_refusal(known)
    return Response(
        msgspec.json.encode(document), status_code=known.status, media_type=PROBLEM_JSON, headers=known.headers
    )


def count_refusal(error: ApiError) -> None:
    """Count a refusal under its code; that of a single value under the code of its status, since they are many."""
    counted = error.code if error.code in PROBLEM_CODES else _CODE_OF_STATUS.get(error.status, "malformed_request")
    REFUSALS.labels(counted).inc()


def problem_document(error: ApiError, path: str, *, request_id: str = "") -> ProblemDocument:
    """Write an error as its document."""
    meaning = PROBLEMS[error.code]
    return ProblemDocument(
        type=f"urn:reelgate:problem:{error.code}",
        title=meaning.title,
        status=error.status,
        detail=error.detail,
        instance=path,
        code=error.code,
        retryable=meaning.retryable,
        request_id=request_id,
        errors=error.errors,
    )


def as_api_error(error: Exception) -> ApiError:
    """Say in our words what was raised. Safe for every error."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, NotReplicated):
        words = "It is kept, but not by as many replicas as it should be. Repeat it with the same Idempotency-Key."
        return ApiError(503, "unavailable", words)
    if isinstance(error, STORE_FULL):
        words = "There is no room to keep more at present; nothing was done. Reading and deleting still work."
        return ApiError(503, "unavailable", words, headers={"Retry-After": "30"})
    if isinstance(error, STORE_DOWN):
        return ApiError(503, "unavailable", f"Redis does not answer; {UNKNOWN_END}")
    if isinstance(error, StorageDown):
        log.warning("the storage does not answer, or is full", error=str(error))
        words = f"The storage of files does not answer, or is full; {UNKNOWN_END}"
        return ApiError(503, "unavailable", words, headers={"Retry-After": "10"})
    if isinstance(error, Unreadable):
        return ApiError(503, "record_unreadable", _UNREADABLE.format(error.kind))
    if isinstance(error, HTTPException) and error.status_code < 500:  # noqa: PLR2004 - the caller's own errors
        return _from_framework(error)
    _log_unexpected(error)
    return ApiError(500, "internal", "Report the request_id to the operator of this service.")


def _from_framework(error: HTTPException) -> ApiError:
    code = _CODE_OF_STATUS.get(error.status_code, "malformed_request")
    detail = {404: "There is no such path.", 405: "See the Allow header.", 413: "Send a smaller body."}
    allow = {k.title(): v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
    return ApiError(
        error.status_code, code, detail.get(error.status_code, reason_phrase(error.status_code)), headers=allow
    )


def _log_unexpected(error: Exception) -> None:
    """Log where an unexpected error came from, without its message, which may hold a caller's content."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    where = " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in reversed(frames))
    log.error("unexpected error", error=type(error).__name__, where=where)
