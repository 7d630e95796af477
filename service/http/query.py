"""Query parameters as one struct: `dependencies={"params": query_params(JobsQuery)}` hands it to a handler."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.di import Provide

from service.http.body import field_error
from service.problems import FieldError, invalid

T = TypeVar("T")


def query_params(kind: type[T]) -> Provide:
    """Provide a handler with the query; `kind` is a struct whose fields are the known parameters."""

    def params(request: Request[Any, Any, Any]) -> Any:
        return read_query(request, kind)

    return Provide(params, sync_to_thread=False)


def read_query(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """Read the query's known fields; an unknown one is left alone, a wrong one is refused (422)."""
    given: Mapping[str, str] = {name: value for name, value in request.query_params.items() if value != ""}
    try:
        query = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as wrong:
        raise invalid([field_error(str(wrong))]) from None
    if nulls := [name for name in given if getattr(query, name, given) is None]:
        # The word null, read as if the field were absent: a filter that filters nothing.
        raise invalid([FieldError(pointer=f"/{n}", code="invalid_value", detail="Null is no value.") for n in nulls])
    return query
