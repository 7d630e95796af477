"""The fault table: turns what the backend refuses, or how a connection fails, into one of a few faults.

`transport` and `client` ask it; the job's steps decide by the `Fault`, never by a status or a code. The codes are
BACKEND.md's "Errors". It must not know HTTP libraries, nor what a job does about a fault.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from core.http.retry_after import parse_retry_after_s
from worker.backend import json_text
from worker.backend.codes import SUCCESS_CODES, code_of, values_of
from worker.backend.events import Heartbeat, StreamDecoder, StreamError, lists_work
from worker.backend.redact import plain
from worker.backend.responses.envelope import COMPLAINT, ENVELOPE, ERROR_KEYS
from worker.backend.responses.values import flag
from worker.backend.surprises import Surprise


class Fault(StrEnum):
    """Why a call did not do what was asked."""

    #: The token is bad or has expired. Nothing was done.
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a name, no secret
    #: The session is gone, or belongs to another token. Nothing was done.
    SESSION_LOST = "session_lost"
    #: The token's credits do not suffice. Nothing was done.
    NO_CREDITS = "no_credits"
    #: None of the 13 formats.
    UNSUPPORTED = "unsupported"
    #: The file is above the backend's limit.
    TOO_LARGE = "too_large"
    #: The token's plan may not export, or an attribution header is missing.
    EXPORT_BLOCKED = "export_blocked"
    #: The token lacks a scope.
    SCOPE_MISSING = "scope_missing"
    #: Too often; see `retry_after_s`. Nothing was done.
    RATE_LIMITED = "rate_limited"
    #: A render with this id was begun before: poll it.
    RENDER_DUPLICATE = "render_duplicate"
    #: The backend, or this token, knows no such render.
    RENDER_UNKNOWN = "render_unknown"
    #: The session has a message running, or an export. Nothing was done.
    BUSY = "busy"
    #: The session has no state, as a fresh one may have none.
    NO_STATE = "no_state"
    #: All is well, it says, and nothing besides: a slip, or a session in which there is nothing yet.
    NOTHING_TOLD = "nothing_told"
    #: This process leaves the backend alone for `retry_after_s`: nothing was sent, and nobody was asked.
    HELD_BACK = "held_back"
    #: No connection was made: nothing was sent.
    UNREACHABLE = "unreachable"
    #: A 5xx, a silence, a lost connection, or a page of somebody before the backend (a firewall, a CDN): the bytes may
    #: have arrived, and been worked on.
    BROKEN = "broken"
    #: Any other refusal; the same call will be refused again.
    REFUSED = "refused"


#: faults after which the same call may well succeed
PASSING = frozenset(
    {Fault.RATE_LIMITED, Fault.BUSY, Fault.NOTHING_TOLD, Fault.HELD_BACK, Fault.UNREACHABLE, Fault.BROKEN}
)


class BackendFault(Exception):  # noqa: N818 - the name is the subject
    """A call failed. `detail` is short and plain: no token, no URL, no raw answer.

    As a text it is for logs, without what the backend says, which may repeat a caller's prompt.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        call: str,
        status: int | None = None,
        code: int | None = None,
        retry_after_s: float | None = None,
        detail: str = "",
        by_backend: bool = False,
        surprise: Surprise | None = None,
        tls: bool = False,
        says_no_more: bool = False,
    ) -> None:
        self.fault = fault
        self.call = call
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.detail = detail
        #: the backend itself said so, in JSON or as its server does where it breaks; not somebody before it, and not the network
        self.by_backend = by_backend
        self.surprise = surprise
        #: no connection was made, for a certificate or another failure of TLS
        self.tls = tls
        #: all was asked and answered, and it is not known what was done: another answer is not to be expected
        self.says_no_more = says_no_more
        told = (
            [f"HTTP {status}" if status else "", f"code {code}" if code is not None else ""] if by_backend else [detail]
        )
        super().__init__(f"{call}: {fault}" + "".join(f" ({words})" for words in told if words))

    @property
    def label(self) -> str:
        """Name what came back, for a metric: a code, a status or a fault's name of a closed set."""
        if self.code is not None and self.code not in _LABELED_CODES:
            return OTHER_CODE
        return str(self.code or self.status or self.fault)

    @property
    def maybe_done(self) -> bool:
        """Whether the backend may have done, and charged, what was asked."""
        return self.fault is Fault.BROKEN or self._complains_of_message

    @property
    def is_own_error(self) -> bool:
        """Whether the backend's own code broke over a call: a 500, and neither a page nor a 503, which say that it is away."""
        is_500 = HTTPStatus.INTERNAL_SERVER_ERROR in (self.status, self.code)
        return self.fault is Fault.BROKEN and self.by_backend and is_500

    @property
    def _complains_of_message(self) -> bool:
        """Whether a message was answered with a success that complains, as nobody has described: of what, nobody knows."""
        unknown = self.fault is Fault.REFUSED and self.code not in _REFUSING_CODES
        return unknown and self.call == "message" and self.status in _SUCCESS


_BY_CODE = {
    1001: Fault.TOKEN_REFUSED,
    1010: Fault.TOKEN_REFUSED,
    1011: Fault.TOKEN_REFUSED,
    1002: Fault.SESSION_LOST,
    2001: Fault.NO_CREDITS,
    4001: Fault.UNSUPPORTED,
    4002: Fault.TOO_LARGE,
}
_BY_STATUS = {
    401: Fault.TOKEN_REFUSED,
    402: Fault.EXPORT_BLOCKED,
    408: Fault.BROKEN,
    413: Fault.TOO_LARGE,
    415: Fault.UNSUPPORTED,
    429: Fault.RATE_LIMITED,
}
#: codes of the contract, its open-ended HTTP ones among them
_KNOWN_CODES = frozenset({*SUCCESS_CODES, *_BY_CODE, *range(400, 600)})
#: codes that say for certain that nothing was done
_REFUSING_CODES = frozenset({*_BY_CODE, *range(400, 500)})
#: what a page, which is nobody's business answer, can mean besides a passing fault: 413 is said by the proxy that a file
#: is too large for
_BY_STATUS_OF_PAGE = {413: Fault.TOO_LARGE, 429: Fault.RATE_LIMITED}
#: what a status says where nothing stands beside it: firewalls send pages
_BY_STATUS_ALONE = {401: Fault.TOKEN_REFUSED, 402: Fault.EXPORT_BLOCKED}
#: codes that a metric names as they are; a backend may send any number
_LABELED_CODES = frozenset({*_BY_CODE, *range(100, 600)})
OTHER_CODE = "(other)"
#: what calls usually end with, by their labels: an answer, a cut from this side, the contract's codes, faults without an answer
USUAL_LABELS = (
    *("200", "cut", Fault.UNREACHABLE, Fault.BROKEN, Fault.REFUSED),
    *map(str, (*_BY_CODE, *_BY_STATUS, 400, 403, 404, 500, 502, 503, 504)),
)
#: what may be answered where a session has no state
NO_SUCH_STATE = (400, 404, 410)
#: what agent servers, which are FastAPI's, say as plain text where their own code breaks
_BROKEN_SERVER = b"Internal Server Error"
_SUCCESS = range(200, 300)
_SERVER_ERRORS = range(500, 600)
_RENDER_CALLS = ("render_status", "cancel_render", "download")
_SESSION_CALLS = ("message", "upload", "state", "render", "claim_token")
_DUPLICATE = re.compile(r"duplicate|already (?:exist|been used|used)|exists already")
#: so says whoever speaks of nothing else that may be in use, or be there no longer
_ID_TAKEN = re.compile(r"\b(?:id|render|export)\b.{0,60}\b(?:exists|taken|already submitted|in use|unique)\b")
_NOT_OF_ID = re.compile(r"session|\bno\b")
#: words of an answer are looked for in so many characters
_MOST_WORDS = 2000
#: a 403 is about scopes only where it says so
_SCOPE_WORDS = ("scope", "permission", "forbidden", "not allowed", "权限")
#: a 402 is about the plan, unless it says so of what is no export
_CREDIT_WORDS = ("credit", "balance", "积分", "余额")
#: what an error without a code or a status, or under a code that no page knows, says of itself where it may pass
_PASSING_WORDS = (
    "internal error",
    "internal server",
    "unavailable",
    "timeout",
    "timed out",
    "temporar",
    "try again",
    "overload",
    "upstream",
)
#: a code in words, ``SESSION_NOT_FOUND``, that is no success
_CODE_WORD = re.compile(r"(?!(?:ok|okay|success\w*|none|null)$)[A-Za-z]\w*", re.IGNORECASE)
_FAILED_STATUS = ("error", "fail", "failed", "failure")
_BUSY_WORDS = (
    "busy",
    "in progress",
    "already running",
    "still running",
    "is running",
    "active export",
    "active render",
    "is active",
    "already active",
    "at a time",
)
#: by which a message's answer that is called a success says that it is another one that runs; what is "already processed" may
#: be this very one, which a proxy has sent twice, and who asks for "another prompt" has worked on this one
_ANOTHER_RUNS = re.compile(
    r"(?<!too )\bbusy\b|\balready (?:running|active)\b"
    r"|\banother\b.{0,40}\b(?:running|active|pending|under way|in progress)\b"
    r"|\b(?:message|request|generation|edit|task|job|run)s? at a time\b"
)


def fault_of(call: str, status: int, body: bytes | None, headers: Mapping[str, str]) -> BackendFault | None:
    """Find what is wrong with an answer; None when it is a success.

    A business code counts more than the HTTP status beside it. `body` is None where the answer is a stream or a file.
    """
    answer = _object(body)
    if answer is None and status not in _SUCCESS and _is_stream(headers):
        answer = _refusal_in_stream(body or b"")
    if answer is None:
        return None if status in _SUCCESS else _fault_of_page(call, status, body, headers)
    code = code_of(answer)
    fault = _classify(call, status, code, answer)
    if fault is None:
        return None
    return BackendFault(
        fault,
        call=call,
        status=status,
        code=code,
        retry_after_s=_retry_after_s(headers),
        detail=plain(_words(answer)) or ("" if status in _SUCCESS else f"HTTP {status}"),
        by_backend=True,
        surprise=None if code is None or code in _KNOWN_CODES else Surprise.UNKNOWN_CODE,
    )


def _fault_of_page(call: str, status: int, body: bytes | None, headers: Mapping[str, str]) -> BackendFault:
    """Read a refusal that is no JSON object: a page, or nothing at all. Of a page its status says little of what it was for."""
    told = _BY_STATUS_OF_PAGE if body else _BY_STATUS_OF_PAGE | _BY_STATUS_ALONE
    fault = Fault.TOKEN_REFUSED if _asks_for_token(status, headers) else told.get(status, Fault.BROKEN)
    return BackendFault(
        fault,
        call=call,
        status=status,
        retry_after_s=_retry_after_s(headers),
        detail=f"HTTP {status}",
        by_backend=status == HTTPStatus.INTERNAL_SERVER_ERROR and (body or b"").strip() == _BROKEN_SERVER,
        surprise=Surprise.PAGE if body else Surprise.EMPTY,
    )


def _asks_for_token(status: int, headers: Mapping[str, str]) -> bool:
    """Tell a 401 that is about the bearer token from that of a wall before the backend (RFC 6750, 3)."""
    asked = next((value for name, value in headers.items() if name.lower() == "www-authenticate"), "")
    return status == HTTPStatus.UNAUTHORIZED and asked.lower().startswith("bearer")


def fault_of_stream(error: StreamError, *, work_began: bool) -> BackendFault:
    """Read an error frame. Once something was said or begun it is BROKEN, whatever its code: work may be done."""
    known = None if error.code is None else _BY_CODE.get(error.code) or _by_status(error.code)
    fault = Fault.BROKEN if work_began or known is None else known
    return BackendFault(fault, call="message", code=error.code, detail=plain(error.message), by_backend=True)


def _classify(call: str, status: int, code: int | None, answer: dict[str, Any]) -> Fault | None:
    if call == "message" and lists_work(answer):  # which was done, whatever stands beside it
        return None if status in _SUCCESS else Fault.BROKEN
    failed_code = None if code in SUCCESS_CODES else code
    if failed_code in _BY_CODE:
        return _BY_CODE[failed_code]
    if status in _SUCCESS and failed_code is None and not _complains(call, answer):
        return None
    seen = failed_code if status in _SUCCESS else status
    words = " ".join([_words(answer), *_code_words(answer)])[:_MOST_WORDS].lower()
    undescribed = seen is None or (call != "message" and seen not in _KNOWN_CODES)
    passing = undescribed and any(word in words for word in _PASSING_WORDS)
    return _by_place(call, seen, words) or _by_status(seen) or (Fault.BROKEN if passing else Fault.REFUSED)


def _complains(call: str, answer: object) -> bool:
    """Whether an answer that has no code says no: ``{"success": false}``, ``{"error": "engine down"}`` and nothing besides.

    Of a message that is no word that nothing was done, and what a render's status says of an error is how the render stands.
    """
    if not isinstance(answer, dict):
        return False
    if any(flag(answer.get(key)) is False for key in ("success", "ok")):
        return True
    if answer.get("data"):
        return _complains(call, answer["data"])
    status = answer.get("status")
    if (
        call == "message"
        or (call == "render_status" and isinstance(status, str))
        or answer.keys() - ENVELOPE - COMPLAINT
    ):
        return False
    return (
        any(answer.get(key) for key in ERROR_KEYS)
        or str(status).lower() in _FAILED_STATUS
        or _CODE_WORD.fullmatch(str(answer.get("code"))) is not None
    )


def _by_place(call: str, seen: int | None, words: str) -> Fault | None:
    """Read what means different things in different calls."""
    if seen == HTTPStatus.FORBIDDEN:
        return Fault.SCOPE_MISSING if any(word in words for word in _SCOPE_WORDS) else Fault.REFUSED
    if seen == HTTPStatus.PAYMENT_REQUIRED and call != "render" and any(word in words for word in _CREDIT_WORDS):
        return Fault.NO_CREDITS
    if seen in (401, 402, 429) or seen in _SERVER_ERRORS:
        return None
    if call == "render" and _says_duplicate(words):
        return Fault.RENDER_DUPLICATE
    if seen == HTTPStatus.CONFLICT or _says_busy(call, seen, words):
        return Fault.BUSY
    if seen in (404, 410) and call in _RENDER_CALLS:
        return Fault.RENDER_UNKNOWN
    if seen in (404, 410) and call in _SESSION_CALLS and "session" in words:
        return Fault.SESSION_LOST
    return Fault.NO_STATE if seen in NO_SUCH_STATE and call == "state" else None


def _says_duplicate(words: str) -> bool:
    """Tell "the id is taken" from "the session is in use" and "a session with this id no longer exists"."""
    return bool(_DUPLICATE.search(words) or (_ID_TAKEN.search(words) and not _NOT_OF_ID.search(words)))


def _says_busy(call: str, seen: int | None, words: str) -> bool:
    """Tell "the session is busy" from "in progress", which of a message's own answer may be this very message."""
    if call == "message" and seen not in range(400, 600):
        return _ANOTHER_RUNS.search(words) is not None
    return any(word in words for word in _BUSY_WORDS)


def _by_status(seen: int | None) -> Fault | None:
    return Fault.BROKEN if seen in _SERVER_ERRORS else _BY_STATUS.get(seen or 0)


def _object(body: bytes | None) -> dict[str, Any] | None:
    """Decode a JSON object; None for a page, and for anything else that the backend itself does not say."""
    try:
        answer = json_text.parse(body or b"")
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _is_stream(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "content-type" and "event-stream" in value.lower() for name, value in headers.items())


def _refusal_in_stream(body: bytes) -> dict[str, Any] | None:
    """Find what a stream that is nothing but a refusal says, where its status is one, too; None: it says something else."""
    decoder = StreamDecoder()
    told = [event for event in (*decoder.feed(body), *decoder.end()) if not isinstance(event, Heartbeat)]
    first = told[0] if told else None
    return {"code": first.code, "message": first.message} if isinstance(first, StreamError) else None


def _words(answer: dict[str, Any]) -> str:
    inner = answer.get("data")
    told = [inner, answer] if isinstance(inner, dict) else [answer]
    keys = ("message", "msg", "detail", "error")
    places = [place for each in told for place in (each, each.get("error"), each.get("detail"))]
    found = (place.get(key) for place in places if isinstance(place, dict) for key in keys)
    return next((words for words in found if isinstance(words, str) and words), "")


def _code_words(answer: dict[str, Any]) -> list[str]:
    """List codes that are words, as such: ``session not found``."""
    return [value.replace("_", " ") for value in values_of(answer) if isinstance(value, str)]


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``. A date is measured from the answer's own ``Date``, so clocks need not agree."""
    named = {name.lower(): value for name, value in headers.items()}
    return parse_retry_after_s(named.get("retry-after"), date=named.get("date"))
