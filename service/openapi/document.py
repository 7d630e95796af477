"""The OpenAPI 3.1 document, generated from the handlers: their Litestar arguments, signatures and guards.

Litestar's own generator is not used: of msgspec's schemas it loses closed objects, formats, defaults and bounds, and a
`ResponseSpec` of its has no headers and one media type (DECISIONS.md). Served, and written by `service/write_openapi.py`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter

from core.events.event import TENANT_EVENTS
from core.model.job_view import JobView
from service.auth import RequireScope
from service.http.json_response import JSON
from service.http.query import query_type
from service.openapi.describe import BodyDoc, ResponseDoc
from service.openapi.examples import example_job, example_problem
from service.openapi.links import add_links
from service.openapi.texts import (
    ANSWER_HEADERS,
    CALLBACK_HEADERS,
    DESCRIPTION,
    PATH_IDS,
    REQUEST_ID,
    SERVER_SENT_EVENT,
    TAGS,
    Json,
)
from service.problems import PROBLEM_JSON, ProblemDocument
from service.schemas.responses import BatchEventBody, JobEventBody

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+):\w+\}")

Schemas = Mapping[Any, Json]

#: `format` is of OpenAPI 3.0, and what the makers of clients look for
_BYTES: Json = {"type": "string", "format": "binary"}
_FORM: Json = {"type": "object", "required": ["file"], "properties": {"file": _BYTES}}


def build_document(handlers: Iterable[HTTPRouteHandler]) -> Json:
    """Describe the API that these handlers make."""
    routed = [(path, handler) for handler in handlers for path in sorted(handler.paths)]
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
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `rg_…`, made with `reelgate keys create`; `rg_eu1.…` in a cell that is called eu1.",
                }
            },
        },
    }


def _info() -> Json:
    licence = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    return {"title": "Reelgate", "version": "1", "description": DESCRIPTION, "license": licence}


def _schemas(handlers: list[HTTPRouteHandler]) -> tuple[dict[Any, Json], dict[str, Json]]:
    """Make the schemas of all bodies and queries, by their types, and those that are components, by their names."""
    queries = {kind for handler in handlers if (kind := query_type(handler))}
    bodies = {body.kind: None for handler in handlers if (body := _body_of(handler)) and body.kind}
    answers = {a.data_container: None for h in handlers for a in (h.responses or {}).values() if a.data_container}
    kinds = list(dict.fromkeys([ProblemDocument, JobEventBody, BatchEventBody, *answers, *bodies, *queries]))
    found, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(kinds, found, strict=True)) | {kind: components[kind.__name__] for kind in queries}
    names = {kind.__name__ for kind in queries}
    return by_kind, {name: schema for name, schema in components.items() if name not in names}


def _hints(handler: HTTPRouteHandler) -> dict[str, Any]:
    return get_type_hints(handler.fn, include_extras=True)


def _body_of(handler: HTTPRouteHandler) -> BodyDoc | None:
    return handler.opt.get("body")


def _operation(path: str, handler: HTTPRouteHandler, schemas: Schemas) -> Json:
    security = _security(handler)
    entry: Json = {
        "operationId": handler.operation_id,
        "summary": handler.summary,
        "tags": list(handler.tags or ()),
        "security": security,
        "parameters": [*_path_parameters(path), *_query_parameters(handler, schemas), *_header_parameters(handler)],
        "responses": _responses(handler, schemas),
    }
    if security:
        entry["description"] = f"Needs a key with the scope `{security[0]['apiKey'][0]}`."
    if body := _body_of(handler):
        entry["requestBody"] = _body(body, schemas)
    return entry


def _security(handler: HTTPRouteHandler) -> list[Json]:
    """Take what the handler says itself, else the scope that its guard requires."""
    if handler.security:
        return list(handler.security)
    return [{"apiKey": [guard.scope]} for guard in handler.guards or () if isinstance(guard, RequireScope)]


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", **PATH_IDS[name]}}
        for name in _PARAMETER.findall(path)
    ]


def _query_parameters(handler: HTTPRouteHandler, schemas: Schemas) -> list[Json]:
    kind = query_type(handler)
    properties: dict[str, Json] = schemas[kind]["properties"] if kind else {}
    return [{"name": name, "in": "query", "schema": _without_null(s)} for name, s in properties.items()]


def _without_null(schema: Json) -> Json:
    """A query's field is absent or a value, never null."""
    kept = [s for s in schema.get("anyOf", []) if s != {"type": "null"}]
    rest = {
        name: value
        for name, value in schema.items()
        if name not in {"anyOf", "default"} or (name == "default" and value is not None)
    }
    if len(kept) == 1:
        return {**kept[0], **rest}
    return {**rest, "anyOf": kept} if kept else rest


def _header_parameters(handler: HTTPRouteHandler) -> list[Json]:
    return [*map(_header, _headers_taken(handler)), {"name": "X-Request-Id", "in": "header", **REQUEST_ID}]


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
        forms = {"multipart/form-data": _FORM}
        return {"required": True, "content": {m: {"schema": forms.get(m, _BYTES)} for m in body.media}}
    content: Json = {"schema": schemas[body.kind]}
    if body.example is not None:
        content["example"] = body.example
    return {"required": body.required, "content": {JSON: content}}


def _responses(handler: HTTPRouteHandler, schemas: Schemas) -> Json:
    described = sorted((handler.responses or {}).items())
    return {str(status): _response(status, spec, schemas) for status, spec in described} | {
        "default": _problem(None, schemas)
    }


def _response(status: int, spec: ResponseSpec, schemas: Schemas) -> Json:
    if not isinstance(spec, ResponseDoc):
        return _problem(status, schemas)
    entry: Json = {"description": spec.description, "headers": _headers(("X-Request-Id", *spec.headers))}
    if spec.data_container is not None:
        entry["content"] = {m: _content(m, schemas[spec.data_container]) for m in spec.media}
        if spec.data_container is JobView:
            entry["content"][JSON]["example"] = example_job()
    elif spec.media != (JSON,):
        entry["content"] = {m: {"schema": {"type": "string"} if m.startswith("text/") else _BYTES} for m in spec.media}
    return entry


def _content(media: str, schema: Json) -> Json:
    if media == "text/event-stream":
        return {"schema": SERVER_SENT_EVENT}
    return {"schema": {"type": "string"} if media.startswith("text/") else schema}


def _problem(status: int | None, schemas: Schemas) -> Json:
    headers = {
        401: ("WWW-Authenticate",),
        405: ("Allow",),
        409: ("Retry-After",),
        415: ("Accept", "Accept-Encoding"),
        416: ("Content-Range",),
        503: ("Retry-After",),
    }
    limited = ("Retry-After", "RateLimit", "RateLimit-Policy")
    names = limited if status == HTTPStatus.TOO_MANY_REQUESTS else headers.get(status or 0, ())
    content: Json = {"schema": schemas[ProblemDocument]}
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        content["example"] = example_problem()
    return {
        "description": HTTPStatus(status).phrase if status else "Any other refusal.",
        "headers": _headers(("X-Request-Id", *names)),
        "content": {PROBLEM_JSON: content},
    }


def _headers(names: Iterable[str]) -> Json:
    return {name: ANSWER_HEADERS[name] for name in names}


def _webhook(kind: str, schemas: Schemas) -> Json:
    body = schemas[BatchEventBody] if kind == "batch.completed" else schemas[JobEventBody]
    if kind == "webhook.test":
        body = {"type": "object", "required": ["type", "timestamp", "data"], "properties": _TEST}
    return {
        "operationId": f"on.{kind}",
        "summary": f"Callback: {kind}",
        "tags": ["Callbacks"],
        "security": [],
        "parameters": [{"name": name, "in": "header", "required": True, **h} for name, h in CALLBACK_HEADERS.items()],
        "requestBody": {"required": True, "content": {JSON: {"schema": body}}},
        "responses": {
            "2XX": {"description": "Received. Nothing else is success; redirects are not followed."},
            "410": {"description": "Stop, and disable this URL."},
            "default": {"description": "Sent again by the schedule; Retry-After is honoured up to twice the step."},
        },
    }


_TEST: Json = {"type": {"const": "webhook.test"}, "timestamp": {"type": "string"}, "data": {"type": "object"}}
