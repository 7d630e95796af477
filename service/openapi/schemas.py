"""Schemas of bodies, answers and queries: msgspec's, with what the source says of each field and value, and an example.

The words come from `#:` comments, the examples of fields from those of whole answers.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, get_args, get_type_hints

import msgspec

from core.errors import MEANINGS, Code
from service.openapi.catalogue import code_entry
from service.openapi.source_comments import comments_of
from service.openapi.texts import Json
from service.problem_codes import PROBLEMS
from service.schemas.requests import Body

_REF = "#/components/schemas/"
#: the schema of the codes of refusals; those of failed jobs have that of their enum
PROBLEM_CODE = "ProblemCode"


def schemas_of(kinds: Iterable[Any]) -> tuple[dict[Any, Json], dict[str, Json]]:
    """Make the schemas of these types, and the components that they refer to, by name."""
    wanted = list(dict.fromkeys(kinds))
    found, components = msgspec.json.schema_components(wanted, ref_template=_REF + "{name}")
    for kind in _classes_in(wanted):
        _describe(components[kind.__name__], kind)
        if issubclass(kind, msgspec.Struct) and not kind.__name__.endswith("Query"):
            _take_defaults_out(components[kind.__name__], kind)
    _name_the_problem_codes(components)
    _translate_patterns(components)
    return dict(zip(wanted, found, strict=True)), components


def _translate_patterns(schema: Any) -> None:
    """Write patterns as the document's readers do: what Python calls ``\\Z`` is ``$`` in ECMAScript, which knows no ``\\Z``."""
    if isinstance(schema, dict) and isinstance(pattern := schema.get("pattern"), str):
        schema["pattern"] = pattern.replace(r"\Z", "$")
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _translate_patterns(inner)


def _classes_in(kinds: list[Any]) -> set[type]:
    """Find the structs and enums that these types are made of."""
    found: set[type] = set()
    left = list(kinds)
    while left:
        hint = left.pop()
        left += get_args(hint)
        if isinstance(hint, type) and hint not in found and issubclass(hint, (msgspec.Struct, Enum)):
            found.add(hint)
            left += get_type_hints(hint, include_extras=True).values() if issubclass(hint, msgspec.Struct) else ()
    return found


def _describe(schema: Json, kind: type) -> None:
    comments = comments_of(kind)
    if issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            if field.name in comments:
                schema["properties"][field.encode_name]["description"] = comments[field.name]
    elif kind is Code:
        schema |= {"x-codes": [code_entry(code, MEANINGS[code]) for code in Code]}
        schema["description"] = _with_values(schema["description"], {c: m.title for c, m in MEANINGS.items()})
    elif issubclass(kind, Enum):
        words = {member.value: comments[member.name] for member in kind if member.name in comments}
        schema["description"] = _with_values(schema["description"], words)


def _take_defaults_out(schema: Json, kind: type[msgspec.Struct]) -> None:
    """Say a body's defaults in words, and call what answers always have required.

    Makers of clients take a field with a `default` for one that is always there, and would have callers send it.
    """
    for name, field in schema["properties"].items():
        default = field.pop("default", None)
        if default in (None, [], {}):
            continue
        if issubclass(kind, Body):
            field["description"] = f"{field.get('description', '')} Default: `{default}`.".lstrip()
        elif not kind.__struct_config__.omit_defaults:
            schema["required"] = [n for n in schema["properties"] if n in {*schema.get("required", ()), name}]


def _with_values(words: str, values: Any) -> str:
    """Add what each value means: schemas have no other place for it."""
    return "\n".join([words, "", *(f"- `{value}`: {meaning}" for value, meaning in values.items())])


def _name_the_problem_codes(components: dict[str, Json]) -> None:
    """Make the codes of refusals a schema of their own: they are many, and are named in two places."""
    for name in ("ProblemDocument", "FieldError"):
        property_ = components[name]["properties"]["code"]
        codes = property_.pop("enum")
        property_["$ref"] = _REF + PROBLEM_CODE
    components[PROBLEM_CODE] = {
        "title": PROBLEM_CODE,
        "description": _with_values(
            "Why a call was refused. New ones may be added.", {code: m.title for code, m in PROBLEMS.items()}
        ),
        "type": "string",
        "enum": codes,
        "x-codes": [code_entry(code, meaning) for code, meaning in PROBLEMS.items()],
    }


def add_examples(schema: Json, value: Any, components: dict[str, Json]) -> None:
    """Show the fields of a schema by those of an example of it, where they show none themselves."""
    for part in _parts(schema, components):
        if isinstance(value, list) and "items" in part:
            for row in value:
                add_examples(part["items"], row, components)
        elif isinstance(value, dict):
            for name, field in part.get("properties", {}).items():
                if value.get(name) is not None:
                    add_examples(field, value[name], components)
                    _show(field, value[name])


def _parts(schema: Json, components: dict[str, Json]) -> Iterator[Json]:
    """Follow a schema to those that describe its values."""
    if "$ref" in schema:
        yield components[schema["$ref"].removeprefix(_REF)]
    yield schema
    for option in schema.get("anyOf", ()):
        yield from _parts(option, components)


def _show(field: Json, value: Any) -> None:
    if not has_example(field) and not refers(field):
        field["examples"] = [value]


def has_example(schema: Json) -> bool:
    """Whether a schema shows a value: by an example, or since it is one of a few."""
    here = bool({"examples", "example", "enum", "const"} & schema.keys())
    return here or any(has_example(option) for option in schema.get("anyOf", ()))


def refers(schema: Json) -> bool:
    """Whether what a schema describes is described, and shown, elsewhere."""
    within = (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ()))
    return "$ref" in schema or any(refers(part) for part in within)
