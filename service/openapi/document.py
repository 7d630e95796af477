"""The OpenAPI 3.1 document, generated from the handlers: their Litestar arguments, signatures, guards and docstrings.

Litestar's own generator is not used: of msgspec's schemas it loses closed objects, formats, defaults and bounds, and a
`ResponseSpec` of its has no headers and one media type (DECISIONS.md). Served, and written by `service/write_openapi.py`.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter

from core.events.event import TENANT_EVENTS
from core.http.reason_phrase import reason_phrase
from service.auth import RequireScope
from service.http.json_response import JSON
from service.http.query import query_type
from service.openapi.describe import BodyDoc, RefusalDoc, ResponseDoc
from service.openapi.examples import EXAMPLES, TEXT_EXAMPLES, example_problem
from service.openapi.links import add_links
from service.openapi.schemas import add_examples, schemas_of
from service.openapi.texts import (
    ANSWER_HEADERS,
    API_KEY,
    BYTES,
    CALLBACK_ANSWERS,
    CALLBACK_HEADERS,
    DESCRIPTION,
    EVENTS,
    NAMED,
    PATH_IDS,
    REQUEST_ID,
    TAGS,
    Json,
    named,
)
from service.problem_codes import ProblemCode
from service.problems import PROBLEM_JSON, ProblemDocument
from service.schemas.responses import BatchEventBody, JobEventBody

_PARAMETER = re.compile(r"\{(\w+):\w+\}")

Schemas = Mapping[Any, Json]

#: what the framework or the connection refuses, whatever was called
_ANYWHERE: dict[ProblemCode, int] = {
    "method_not_allowed": 405,
    "uri_too_long": 414,
    "headers_too_large": 431,
    "internal": 500,
}


def build_document(handlers: Iterable[HTTPRouteHandler]) -> Json:
    """Describe the API that these handlers make."""
    told = [handler for handler in handlers if handler.include_in_schema is not False]
    routed = [(path, handler) for handler in told for path in sorted(handler.paths)]
    schemas, components = _schemas([handler for _, handler in routed])
    paths: dict[str, Json] = {}
    for path, handler in routed:
        entry = _operation(path, handler, schemas)
        for method in sorted(set(handler.http_methods) - {"HEAD"}):
            paths.setdefault(_PARAMETER.sub(r"{\1}", path), {})[method.lower()] = entry
    add_links(paths)
    return {
        "openapi": "3.1.0",
        "info": _info(),
        "servers": [{"url": "/", "description": "Where this document was read."}],
        "security": [{"apiKey": []}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "webhooks": {kind: {"post": _webhook(kind, schemas)} for kind in (*TENANT_EVENTS, "webhook.test")},
        "components": {
            "schemas": dict(sorted((components | NAMED).items())),
            "headers": ANSWER_HEADERS,
            "examples": _problem_examples([handler for _, handler in routed]),
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer", "description": API_KEY}},
        },
    }


def served_under(path: str, document: Json) -> Json:
    """Give the document of an API that callers reach under a path of their balancer's, ``/reelgate``; empty: under none.

    What else the host serves is others': calls from `/docs`, with the caller's key, must not go there.
    """
    info, [server] = document["info"], document["servers"]
    words = info["description"].replace("](/", f"]({path}/")
    return document | {"info": info | {"description": words}, "servers": [server | {"url": path or "/"}]}


def _info() -> Json:
    licence = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    return {"title": "Reelgate", "version": "1", "description": DESCRIPTION, "license": licence}


def _schemas(handlers: list[HTTPRouteHandler]) -> tuple[dict[Any, Json], dict[str, Json]]:
    """Make the schemas of all bodies and queries, by their types, and those that are components, by their names."""
    queries = {kind for handler in handlers if (kind := query_type(handler))}
    bodies = [body for handler in handlers if (body := _body_of(handler)) and body.kind]
    answers = {a.data_container: None for h in handlers for a in (h.responses or {}).values() if a.data_container}
    kinds = [ProblemDocument, JobEventBody, BatchEventBody, *answers, *(b.kind for b in bodies), *queries]
    schemas, components = schemas_of(kinds)
    for name, example in EXAMPLES.items():
        if (named := name.partition(",")[0]) in components:
            add_examples(components[named], example, components)
    for body in bodies:
        add_examples(schemas[body.kind], body.example, components)
    by_kind = schemas | {kind: components[kind.__name__] for kind in queries}
    names = {kind.__name__ for kind in queries}
    return by_kind, {name: schema for name, schema in components.items() if name not in names}


def _problem_examples(handlers: list[HTTPRouteHandler]) -> Json:
    """Show each code of a refusal under the first status that a handler names it with."""
    found = {code: status for h in handlers for status, a in _refusals(h) for code in reversed(a.codes)}
    return {
        code: {"summary": example["title"], "value": example}
        for code, status in sorted((found | _ANYWHERE).items())
        if (example := example_problem(code, status))
    }


def _refusals(handler: HTTPRouteHandler) -> list[tuple[int, RefusalDoc]]:
    return [(status, a) for status, a in (handler.responses or {}).items() if isinstance(a, RefusalDoc)]


def _hints(handler: HTTPRouteHandler) -> dict[str, Any]:
    return get_type_hints(handler.fn, include_extras=True)


def _body_of(handler: HTTPRouteHandler) -> BodyDoc | None:
    return handler.opt.get("body")


def _operation(path: str, handler: HTTPRouteHandler, schemas: Schemas) -> Json:
    security = _security(handler)
    entry: Json = {
        "operationId": handler.operation_id,
        "summary": handler.summary,
        "description": "\n\n".join(_description(handler, security)),
        "tags": list(handler.tags or ()),
        "security": security,
        "parameters": [*_path_parameters(path), *_query_parameters(handler, schemas), *_header_parameters(handler)],
        "responses": _responses(handler, schemas),
    }
    if body := _body_of(handler):
        entry["requestBody"] = _body(body, schemas)
    return entry


def _description(handler: HTTPRouteHandler, security: list[Json]) -> Iterator[str]:
    """Take a handler's docstring, whose last paragraph says when to use it and what it costs; then the scope."""
    words = inspect.cleandoc(handler.fn.__doc__ or "").replace("``", "`")
    what, _, rest = words.partition("\nWhen: ")
    when, _, cost = rest.partition("\nCost: ")
    yield from (" ".join(paragraph.split()) for paragraph in what.split("\n\n") if paragraph)
    if when and cost:
        yield f"**When.** {_sentence(when)}"
        yield f"**Cost.** {_sentence(cost)}"
    if security:
        yield f"Needs a key with the scope `{security[0]['apiKey'][0]}`."


def _sentence(words: str) -> str:
    """Put a part of a docstring on one line, with a large letter in front."""
    line = " ".join(words.split())
    return line[0].upper() + line[1:]


def _security(handler: HTTPRouteHandler) -> list[Json]:
    """Take what the handler says itself, else the scope that its guard requires."""
    if handler.security:
        return list(handler.security)
    return [{"apiKey": [guard.scope]} for guard in handler.guards or () if isinstance(guard, RequireScope)]


def _path_parameters(path: str) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_IDS[name]["description"],
            "schema": {"type": "string", "examples": PATH_IDS[name]["examples"]},
        }
        for name in _PARAMETER.findall(path)
    ]


def _query_parameters(handler: HTTPRouteHandler, schemas: Schemas) -> list[Json]:
    kind = query_type(handler)
    properties: dict[str, Json] = schemas[kind]["properties"] if kind else {}
    return [
        _optional(
            {"name": name, "in": "query", "description": s.get("description", ""), "schema": _without_null(s)}
            | _style(s)
        )
        for name, s in properties.items()
    ]


def _optional(parameter: Json) -> Json:
    """Have samples and tried calls leave a parameter out until it is chosen: Scalar fills in whatever has an example."""
    example: Json = {"x-disabled": True}
    if shown := parameter["schema"].get("examples"):
        example["value"] = shown[0]
    return parameter | {"examples": {"default": example}}


def _style(schema: Json) -> Json:
    """A map is written entry by entry: ``metadata[order]=7``."""
    return {"style": "deepObject", "explode": True} if schema.get("type") == "object" else {}


def _without_null(schema: Json) -> Json:
    """A query's field is absent or a value, never null."""
    kept = [s for s in schema.get("anyOf", []) if s != {"type": "null"}]
    rest = {
        name: value
        for name, value in schema.items()
        if name not in {"anyOf", "default", "description"} or (name == "default" and value is not None)
    }
    if len(kept) == 1:
        return {**kept[0], **rest}
    return {**rest, "anyOf": kept} if kept else rest


def _header_parameters(handler: HTTPRouteHandler) -> list[Json]:
    request_id: Json = {"name": "X-Request-Id", "in": "header", **REQUEST_ID}
    return [_optional(header) for header in (*map(_header, _headers_taken(handler)), request_id)]


def _headers_taken(handler: HTTPRouteHandler) -> Iterator[HeaderParameter]:
    """Find the header parameters in a signature: ``prefer: Annotated[str | None, HeaderParameter(name="Prefer")]``."""
    for hint in _hints(handler).values():
        if get_origin(hint) is Annotated:
            yield from (m for m in get_args(hint)[1:] if isinstance(m, HeaderParameter))


def _header(taken: HeaderParameter) -> Json:
    schema = {"type": "string", **(taken.schema_extra or {})}
    return {"name": taken.name, "in": "header", "description": taken.description, "schema": schema}


def _body(body: BodyDoc, schemas: Schemas) -> Json:
    if body.kind is None:
        forms = {"multipart/form-data": named("UploadForm")}
        return {"required": True, "content": {m: {"schema": forms.get(m, BYTES)} for m in body.media}}
    content: Json = {"schema": schemas[body.kind]}
    if body.example is not None:
        content["example"] = body.example
    return {"required": body.required, "content": {JSON: content}}


def _responses(handler: HTTPRouteHandler, schemas: Schemas) -> Json:
    described = sorted((handler.responses or {}).items())
    return {str(status): _response(status, spec, schemas) for status, spec in described} | {
        "default": _problem(None, tuple(_ANYWHERE), schemas)
    }


def _response(status: int, spec: ResponseSpec, schemas: Schemas) -> Json:
    if isinstance(spec, RefusalDoc):
        return _problem(status, spec.codes, schemas)
    if not isinstance(spec, ResponseDoc):
        raise TypeError("describe an answer by ResponseDoc or problems()")
    entry: Json = {"description": spec.description, "headers": _headers(("X-Request-Id", *spec.headers))}
    if spec.data_container is not None:
        entry["content"] = {m: _content(m, schemas[spec.data_container], spec.example) for m in spec.media}
    elif spec.media != (JSON,):
        entry["content"] = {m: _content(m, BYTES, spec.example) for m in spec.media}
    return entry


def _content(media: str, schema: Json, example: str) -> Json:
    if media == JSON:
        return {"schema": schema, "example": EXAMPLES[example]} if example in EXAMPLES else {"schema": schema}
    if media == "text/event-stream":
        schema = named("ServerSentEvent")
    elif media.startswith("text/"):
        schema = {"type": "string"}
    shown = (example, media)
    return {"schema": schema, "example": TEXT_EXAMPLES[shown]} if shown in TEXT_EXAMPLES else {"schema": schema}


_STATUS_HEADERS: Mapping[int | None, tuple[str, ...]] = {
    None: ("Allow",),  # of a 405, which any path may answer
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),
    415: ("Accept", "Accept-Encoding"),
    412: ("ETag",),
    416: ("Content-Range",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}


def _problem(status: int | None, codes: tuple[ProblemCode, ...], schemas: Schemas) -> Json:
    """Describe a refusal: a problem document, with an example for each code that it may have."""
    title = reason_phrase(status) if status else "Any other refusal"
    return {
        "description": f"{title}: {', '.join(f'`{code}`' for code in codes)}.",
        "headers": _headers(("X-Request-Id", *_STATUS_HEADERS.get(status, ()))),
        "content": {
            PROBLEM_JSON: {
                "schema": schemas[ProblemDocument],
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _webhook(kind: str, schemas: Schemas) -> Json:
    body, example = _webhook_body(kind, schemas)
    return {
        "operationId": f"on.{kind}",
        "summary": f"Callback: {kind}",
        "description": EVENTS[kind],
        "tags": ["Callbacks"],
        "security": [],
        "parameters": [{"name": name, "in": "header", "required": True, **h} for name, h in CALLBACK_HEADERS.items()],
        "requestBody": {"required": True, "content": {JSON: {"schema": body, "example": example}}},
        "responses": CALLBACK_ANSWERS,
    }


def _webhook_body(kind: str, schemas: Schemas) -> tuple[Json, Any]:
    if kind == "webhook.test":
        return named("WebhookTestBody"), EXAMPLES[kind]
    if kind == "batch.completed":
        return schemas[BatchEventBody], EXAMPLES["BatchEventBody"]
    return schemas[JobEventBody], EXAMPLES["JobEventBody"] | {"type": kind}
