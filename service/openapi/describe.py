"""What a handler tells OpenAPI beside its signature and Litestar's own arguments. Read by `service/openapi/document.py`.

Litestar's arguments say what they can: `operation_id`, `summary`, `tags`, `responses`, `security`. Its `ResponseSpec`
knows no headers and one media type, and it knows nothing of a body that is read as bytes: those are added here.
"""

from dataclasses import dataclass
from typing import Any

from litestar import HttpMethod, route
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec

from service.http.json_response import JSON
from service.problems import ProblemDocument

#: what any call with a key can be refused with; 421: by another cell; 422: for a query that it does not take
_KEYED = (400, 401, 403, 404, 421, 422, 503)


class ResponseDoc(ResponseSpec):
    """One way a call can be answered. `kind`: the struct of its JSON; None: no body, or bytes of `media`."""

    def __init__(
        self, words: str, kind: Any = None, *, media: tuple[str, ...] = (JSON,), headers: tuple[str, ...] = ()
    ) -> None:
        super().__init__(kind, generate_examples=False, description=words, media_type=media[0])
        self.media = media
        self.headers = headers


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """Describe the problem documents of a call that needs a key: those of all such calls, and these."""
    return {
        status: ResponseSpec(ProblemDocument, generate_examples=False, description="")
        for status in sorted({*_KEYED, *statuses})
    }


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
    """Describe a body that is a file, or a form with one."""
    return {"body": BodyDoc(None, media=("application/octet-stream", "multipart/form-data"))}


def reads(path: str, **named: Any) -> HTTPRouteHandler:
    """Route what can be read: GET, and HEAD, which every GET must answer with the same headers (RFC 9110, 9.3.2)."""
    return route(path, http_method=[HttpMethod.GET, HttpMethod.HEAD], status_code=200, **named)
