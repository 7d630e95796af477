"""Query parameters as one struct: `dependencies={"params": query_params(JobsQuery)}` hands it to a handler.

`check_query` runs before every handler, those that take no query among them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from core.media.file_names import decoded_text
from service.http.body import field_error
from service.problems import FieldError, escape_pointer, invalid

T = TypeVar("T")

_ENTRY = re.compile(r"([^\[\]]+)\[(.+)\]", re.DOTALL)
#: errors that one refusal tells
_MOST_ERRORS = 20


def query_type(handler: HTTPRouteHandler) -> Any:
    """Find the struct that a handler takes its query as; None: it takes no query."""
    hints = get_type_hints(handler.fn, include_extras=True)
    return next(iter(get_args(hints.get("params"))), None)


class _KnownNames(NamedTuple):
    """What a call takes: ``status``, and of maps each entry, ``metadata[order]``."""

    plain: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()

    def knows(self, name: str) -> bool:
        return name in self.plain or _entry_of(name, self.maps) is not None

    def __str__(self) -> str:
        return ", ".join((*self.plain, *(f"{name}[…]" for name in self.maps)))


def _entry_of(name: str, maps: tuple[str, ...]) -> tuple[str, str] | None:
    """Split ``metadata[order]`` into the map and the entry."""
    found = _ENTRY.fullmatch(name)
    return (found[1], found[2]) if found and found[1] in maps else None


@cache
def _names_of(kind: Any) -> _KnownNames:
    fields = msgspec.structs.fields(kind)
    hints = get_type_hints(kind)
    maps = [f.encode_name for f in fields if get_origin(hints[f.name]) is dict]
    return _KnownNames(tuple(f.encode_name for f in fields if f.encode_name not in maps), tuple(maps))


@cache
def _known_names(handler: HTTPRouteHandler) -> _KnownNames:
    kind = query_type(handler)
    return _names_of(kind) if kind else _KnownNames()


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


def _query_errors(given: Mapping[str, int], known: _KnownNames) -> Iterator[FieldError]:
    takes = f"it takes {known}" if known.plain else "it takes none"
    for name, times in given.items():
        pointer = f"/{escape_pointer(name)}"
        if not known.knows(name):
            words = f"This call has no query parameter '{name}': {takes}."
            yield FieldError(pointer=pointer, code="unknown_field", detail=words)
        elif times > 1:
            words = f"The query names '{name}' {times} times: send it once."
            yield FieldError(pointer=pointer, code="repeated_field", detail=words)


def _sorted_out(
    items: list[tuple[str, str]], maps: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Tell plain values, of which an empty one is as good as none, from the entries of maps, which are as they are."""
    plain: dict[str, str] = {}
    entries: dict[str, dict[str, str]] = {}
    for name, value in items:
        if entry := _entry_of(name, maps):
            entries.setdefault(entry[0], {})[entry[1]] = value
        elif value != "":
            plain[name] = value
    return plain, entries


def query_params(kind: type[T]) -> Provide:
    """Provide a handler with the query; `kind` is a struct whose fields are the known parameters."""

    def params(request: Request[Any, Any, Any]) -> Any:
        return read_query(request, kind)

    return Provide(params, sync_to_thread=False)


def read_query(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """Read the query's fields, which `check_query` has looked at; a wrong one is refused (422)."""
    given, maps = _sorted_out(query_items(request), _names_of(cast("Any", kind)).maps)
    try:
        query = msgspec.convert(given | maps, kind, strict=False)
    except msgspec.ValidationError as wrong:
        raise invalid([field_error(str(wrong), kind)]) from None
    if nulls := [name for name in given if getattr(query, name, given) is None]:
        # The word null, read as if the field were absent: a filter that filters nothing.
        raise invalid([FieldError(pointer=f"/{n}", code="invalid_value", detail="Null is no value.") for n in nulls])
    return query
