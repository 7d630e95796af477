"""What the OpenAPI document leaves unexplained: whatever a caller reads or sends has words and an example. Pure.

`./run check` fails where this finds anything.
"""

from collections.abc import Iterator

from service.openapi.schemas import has_example, refers
from service.openapi.texts import Json, named

_TWO_PARTS = ("**When.** ", "**Cost.** ")


def undescribed(document: Json) -> Iterator[str]:
    """Name each part that has no words or no example: ``schema JobView: field reply has no description``."""
    for tag in document["tags"]:
        yield from _words(f"tag {tag['name']}", tag)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield from _operation(f"{method.upper()} {path}", operation)
    for name, methods in document["webhooks"].items():
        yield from _webhook(f"callback {name}", methods["post"])
    components = document["components"]
    for name, schema in components["schemas"].items():
        yield from _schema(f"schema {name}", schema)
    for name, part in components["securitySchemes"].items():
        yield from _words(f"security {name}", part)
    for name, header in components["headers"].items():
        yield from _parameter(f"header {name}", header)
    yield from _codes(document)


def _words(what: str, part: Json, key: str = "description") -> Iterator[str]:
    if not part.get(key, "").strip():
        yield f"{what} has no {key}"


def _operation(what: str, operation: Json) -> Iterator[str]:
    yield from _words(what, operation, "summary")
    yield from _words(what, operation)
    for part in _TWO_PARTS:
        if part not in operation.get("description", ""):
            yield f"{what} does not say {part.strip('* .').lower()}"
    for parameter in operation["parameters"]:
        yield from _parameter(f"{what}: {parameter['name']}", parameter)
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield from _content(f"{what}: body {media}", content)
    for status, answer in operation["responses"].items():
        yield from _words(f"{what}: answer {status}", answer)
        for media, content in answer.get("content", {}).items():
            yield from _content(f"{what}: answer {status} {media}", content)


def _webhook(what: str, operation: Json) -> Iterator[str]:
    yield from _words(what, operation)
    for parameter in operation["parameters"]:
        yield from _parameter(f"{what}: {parameter['name']}", parameter)
    for media, content in operation["requestBody"]["content"].items():
        yield from _content(f"{what}: body {media}", content)
    for status, answer in operation["responses"].items():
        yield from _words(f"{what}: answer {status}", answer)


def _parameter(what: str, parameter: Json) -> Iterator[str]:
    yield from _words(what, parameter)
    if not has_example(parameter["schema"]) and not refers(parameter["schema"]):
        yield f"{what} has no example"


def _content(what: str, content: Json) -> Iterator[str]:
    """Judge a body; one that is a file has nothing to show, nor has the form with one."""
    schema = content["schema"]
    fields = schema.get("properties", {})
    if fields:
        yield from _words(f"{what}: schema", schema)
    yield from _fields(what, fields)
    if not _is_file(schema) and schema != named("UploadForm") and not content.keys() & {"example", "examples"}:
        yield f"{what} has no example"


def _schema(what: str, schema: Json) -> Iterator[str]:
    yield from _words(what, schema)
    for value in schema.get("enum", ()):
        if f"\n- `{value}`: " not in schema.get("description", ""):
            yield f"{what}: {value} is not explained"
    fields = schema.get("properties", {})
    yield from _fields(what, fields)
    for name, field in fields.items():
        if not has_example(field) and not refers(field) and not _is_file(field):
            yield f"{what}: field {name} has no example"


def _is_file(schema: Json) -> bool:
    return bool(schema.get("format") == "binary")


def _fields(what: str, fields: Json) -> Iterator[str]:
    for name, field in fields.items():
        yield from _words(f"{what}: field {name}", field)
        for part in (field, *field.get("anyOf", ())):  # an object that has no name of its own
            yield from _fields(f"{what}: field {name}", part.get("properties", {}))


def _codes(document: Json) -> Iterator[str]:
    """Judge the catalogue: every code is explained, and a refusal's is shown by an example that some operation has."""
    schemas, examples = document["components"]["schemas"], document["components"]["examples"]
    for name in ("ProblemCode", "Code"):
        explained = {entry["code"]: entry for entry in schemas[name].get("x-codes", ())}
        for code in schemas[name]["enum"]:
            for part in ("title", "meaning", "action"):
                yield from _words(f"code {code}", explained.get(code, {}), part)
    for code in schemas["ProblemCode"]["enum"]:
        if code not in examples:
            yield f"code {code} is no operation's"
