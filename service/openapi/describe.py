"""What a handler tells OpenAPI beside its signature and Litestar's own arguments. Read by `service/openapi/document.py`.

Litestar's arguments say what they can: `operation_id`, `summary`, `tags`, `responses`, `security`. Its `ResponseSpec`
knows no headers and one media type, and it knows nothing of a body that is read as bytes: those are added here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from litestar import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec

from core.security.url_policy import UrlRefusalCode
from service.auth import GuardedRoute
from service.http.json_response import JSON
from service.problem_codes import ProblemCode
from service.problems import ProblemDocument

#: codes that a call may be refused with, by status
Refusals = Mapping[int, tuple[ProblemCode, ...]]

#: what any call with a key can be refused with; 421: by another cell; 422: for a query that it does not take
_KEYED: Refusals = {
    400: ("malformed_request",),
    401: ("unauthorized",),
    403: ("scope_missing",),
    404: ("not_found",),
    421: ("misdirected",),
    422: ("unknown_field",),
    503: ("unavailable", "record_unreadable"),
}
#: a query that it does take
QUERY: Refusals = {422: ("repeated_field", "invalid_value", "invalid")}
JSON_BODY: Refusals = {
    400: ("malformed_json",),
    408: ("request_timeout",),
    413: ("too_large",),
    415: ("unsupported_media_type",),
    422: ("invalid_value", "missing_field", "invalid"),
    429: ("rate_limited",),
    503: ("overloaded",),
}
IDEMPOTENT: Refusals = {409: ("in_progress",), 422: ("idempotency_key_reused",)}
PUBLIC_URL: Refusals = {422: get_args(UrlRefusalCode)}


class ResponseDoc(ResponseSpec):
    """One way a call can be answered. `kind`: the struct of its JSON; None: no body, or bytes of `media`.

    `example`: the name of an example of `service/openapi/examples.py`, where it is not that of `kind`.
    """

    def __init__(
        self,
        words: str,
        kind: Any = None,
        *,
        media: tuple[str, ...] = (JSON,),
        headers: tuple[str, ...] = (),
        example: str | None = None,
    ) -> None:
        super().__init__(kind, generate_examples=False, description=words, media_type=media[0])
        self.media = media
        self.headers = headers
        self.example: str = getattr(kind, "__name__", "") if example is None else example


class RefusalDoc(ResponseSpec):
    """The problem documents that a call may be refused with under one status."""

    def __init__(self, codes: Iterable[ProblemCode]) -> None:
        super().__init__(ProblemDocument, generate_examples=False, description="")
        self.codes = tuple(dict.fromkeys(codes))


def problems(*refusals: Refusals) -> dict[int, ResponseSpec]:
    """Describe the problem documents of a call that needs a key: those of all such calls, and these."""
    found: dict[int, list[ProblemCode]] = {}
    for refusal in (_KEYED, *refusals):
        for status, codes in refusal.items():
            found.setdefault(status, []).extend(codes)
    return {status: RefusalDoc(codes) for status, codes in sorted(found.items())}


@dataclass(frozen=True)
class BodyDoc:
    """A body that its handler reads as bytes. `kind`: the struct that it is decoded into; None: a file."""

    kind: Any
    required: bool = True
    example: Any = None
    media: tuple[str, ...] = (JSON,)


def json_body(kind: Any, *, required: bool = True, example: Any = None) -> dict[str, Any]:
    """Describe a JSON body: it is kept as it came, since its bytes are compared under an Idempotency-Key."""
    return {"body": BodyDoc(kind, required, example)}


def file_body() -> dict[str, Any]:
    """Describe a body that is a file, or a form with one. The form comes first, since makers of clients take the first."""
    return {"body": BodyDoc(None, media=("multipart/form-data", "application/octet-stream"))}


def reads(path: str, **named: Any) -> HTTPRouteHandler:
    """Route what can be read: GET, and HEAD, which every GET must answer with the same headers (RFC 9110, 9.3.2)."""
    return GuardedRoute(path, http_method=[HttpMethod.GET, HttpMethod.HEAD], status_code=200, **named)
