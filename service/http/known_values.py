"""What a closed set knows, told to whoever sent something else: msgspec says only that a value is none of them."""

from functools import cache
from typing import Any

from msgspec import inspect


def known_values(kind: Any, path: tuple[str, ...]) -> tuple[str, ...]:
    """Name the values of the closed set that stands at a path of names and positions; none where there is no such set."""
    found = _alternatives(_type_info(kind))
    for step in path:
        found = [inner for one in found for inner in _inside(one, step)]
    return tuple(value for one in found for value in _values(one))


@cache  # of the few kinds of body that there are; the path is the caller's
def _type_info(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def _alternatives(one: inspect.Type) -> list[inspect.Type]:
    if isinstance(one, inspect.Metadata):
        return _alternatives(one.type)
    if isinstance(one, inspect.UnionType):
        return [inner for each in one.types for inner in _alternatives(each)]
    return [one]


def _inside(one: inspect.Type, step: str) -> list[inspect.Type]:
    if isinstance(one, inspect.StructType):
        return [inner for field in one.fields if field.encode_name == step for inner in _alternatives(field.type)]
    if isinstance(one, inspect.ListType | inspect.VarTupleType):
        return _alternatives(one.item_type)
    return []


def _values(one: inspect.Type) -> list[str]:
    if isinstance(one, inspect.EnumType):
        return [str(member.value) for member in one.cls]
    return [str(value) for value in one.values] if isinstance(one, inspect.LiteralType) else []
