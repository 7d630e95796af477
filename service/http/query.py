"""Query parameters as one struct: `dependencies={"params": query_params(JobsQuery)}` hands it to a handler.

`check_query` runs before every handler, those that take no query among them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from core.media.file_names import decoded_text
from service.http.body import escape_pointer, field_error
from service.problems import FieldError, invalid

T = TypeVar("T")

#: errors that one refusal tells
_MOST_ERRORS = 20


def query_type(handler: HTTPRouteHandler) -> Any:
    """Find the struct that a handler takes its query as; None: it takes no query."""
    hints = get_type_hints(handler.fn, include_extras=True)
    return next(iter(get_args(hints.get("params"))), None)


@cache
def _known_names(handler: HTTPRouteHandler) -> tuple[str, ...]:
    kind = query_type(handler)
    return tuple(field.encode_name for field in msgspec.structs.fields(kind)) if kind else ()


async def check_query(request: Request[Any, Any, Any]) -> None:
    """Refuse a query that names what the call does not take, or one thing twice (422). Hook of the app, after guards.

    It waits for nothing, but Litestar would run a plain function in a thread.
    """
    if request.method == "OPTIONS" or not request.scope["path"].startswith("/v1/") or not request.scope["query_string"]:
        return
    given = Counter(name for name, _ in query_items(request))
    if errors := list(_query_errors(given, _known_names(request.route_handler))):
        raise invalid(errors[:_MOST_ERRORS])


def query_items(request: Request[Any, Any, Any]) -> list[tuple[str, str]]:
    """Read a query's names and values in their order; escapes that are no UTF-8 are read as Windows-1252, and not lost."""
    raw = request.scope["query_string"].decode("latin-1")
    found = parse_qsl(raw, keep_blank_values=True, encoding="latin-1")
    return [(_text(name), _text(value)) for name, value in found]


def _text(escaped: str) -> str:
    return decoded_text(escaped.encode("latin-1"))


def _query_errors(given: Mapping[str, int], known: tuple[str, ...]) -> Iterator[FieldError]:
    takes = f"it takes {', '.join(known)}" if known else "it takes none"
    for name, times in given.items():
        pointer = f"/{escape_pointer(name)}"
        if name not in known:
            words = f"This call has no query parameter '{name}': {takes}."
            yield FieldError(pointer=pointer, code="unknown_field", detail=words)
        elif times > 1:
            words = f"The query names '{name}' {times} times: send it once."
            yield FieldError(pointer=pointer, code="repeated_field", detail=words)


def query_params(kind: type[T]) -> Provide:
    """Provide a handler with the query; `kind` is a struct whose fields are the known parameters."""

    def params(request: Request[Any, Any, Any]) -> Any:
        return read_query(request, kind)

    return Provide(params, sync_to_thread=False)


def read_query(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """Read the query's fields, which `check_query` has looked at; a wrong one is refused (422)."""
    given: Mapping[str, str] = {name: value for name, value in query_items(request) if value != ""}
    try:
        query = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as wrong:
        raise invalid([field_error(str(wrong))]) from None
    if nulls := [name for name in given if getattr(query, name, given) is None]:
        # The word null, read as if the field were absent: a filter that filters nothing.
        raise invalid([FieldError(pointer=f"/{n}", code="invalid_value", detail="Null is no value.") for n in nulls])
    return query
