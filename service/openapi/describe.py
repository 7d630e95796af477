"""How a route describes itself for OpenAPI: `opt=about(...)` beside its handler, read by `service/openapi/write.py`."""

from dataclasses import dataclass, field
from typing import Any

from litestar import HttpMethod, route
from litestar.handlers import HTTPRouteHandler

JSON = "application/json"

#: what any call with a key can be refused with
KEYED = (400, 401, 403, 404, 503)


@dataclass(frozen=True)
class Answer:
    """One way a call can be answered. `kind`: the struct of its JSON; None: no body, or bytes of `media`."""

    words: str
    kind: Any = None
    media: tuple[str, ...] = (JSON,)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class About:
    """One operation."""

    id: str
    summary: str
    tag: str
    answers: dict[int, Answer]
    scope: str | None = None
    refusals: tuple[int, ...] = KEYED
    body: Any = None
    body_needed: bool = True
    body_media: tuple[str, ...] = (JSON,)
    query: Any = None
    headers: tuple[str, ...] = ()
    example: Any = field(default=None, hash=False)


def reads(path: str, **named: Any) -> HTTPRouteHandler:
    """Route what can be read: GET, and HEAD, which every GET must answer with the same headers (RFC 9110, 9.3.2)."""
    return route(path, http_method=[HttpMethod.GET, HttpMethod.HEAD], status_code=200, **named)


def about(operation: About) -> dict[str, Any]:
    """Put a description where Litestar keeps what a handler carries."""
    return {"about": operation}
