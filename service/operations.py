"""How a route describes itself for OpenAPI: `opt=about(...)` beside its handler, read by `service/openapi.py`."""

from dataclasses import dataclass, field
from typing import Any

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


def about(operation: About) -> dict[str, Any]:
    """Put a description where Litestar keeps what a handler carries."""
    return {"about": operation}
