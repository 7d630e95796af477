"""Named results of an operation: Redis gives a flat list of names and values, and a NamedTuple is made of it."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

R = TypeVar("R", bound=tuple[Any, ...])

#: by the type of a field, how its value is read from what redis-py gives: bytes, whole numbers, and lists of bytes
_READERS: dict[Any, Callable[[Any], Any]] = {
    bytes: bytes,
    int: int,
    float: float,
    bool: bool,
    str: bytes.decode,
    tuple[bytes, ...]: tuple,
    tuple[str, ...]: lambda items: tuple(item.decode(errors="replace") for item in items),  # one costs no others
}


class Nothing(NamedTuple):
    """The result of an operation that has none."""


def read_result(answer: Sequence[Any], kind: type[R]) -> R:
    """Read ``[b"outcome", b"ok", b"used", 3]`` into a NamedTuple; a field that is absent has its default.

    Raises KeyError for a name that the type does not have.
    """
    readers = _readers(kind)
    found = {}
    words = iter(answer)
    for told, value in zip(words, words, strict=True):
        name, read = readers[told]
        found[name] = read(value)
    return kind(**found)


@cache
def _readers(kind: type[Any]) -> dict[bytes, tuple[str, Callable[[Any], Any]]]:
    """Find each field's name and reader, by what Redis calls it; an optional one is read as what it is where it is there."""
    return {name.encode(): (name, _READERS[_required(hint)]) for name, hint in get_type_hints(kind).items()}


def _required(hint: Any) -> Any:
    """Find ``bytes`` in ``bytes | None``; a literal is a string."""
    if type(None) in get_args(hint):
        return next(each for each in get_args(hint) if each is not type(None))
    return str if get_origin(hint) is Literal else hint
