"""The OpenAPI 3.1 document, made from what the routes say of themselves. Served, and written by `service/openapi/write.py`."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from core.events.event import TENANT_EVENTS
from core.model.job_view import JobView
from service.openapi.describe import JSON, About, Answer
from service.openapi.examples import example_job, example_problem
from service.openapi.links import add_links
from service.openapi.texts import (
    ANSWER_HEADERS,
    CALLBACK_HEADERS,
    DESCRIPTION,
    PATH_IDS,
    REQUEST_HEADERS,
    REQUEST_ID,
    SERVER_SENT_EVENT,
    TAGS,
)
from service.problems import PROBLEM_JSON, ProblemDocument
from service.schemas.responses import BatchEventBody, JobEventBody

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+):\w+\}")

Json = dict[str, Any]

#: `format` is of OpenAPI 3.0, and what the makers of clients look for
_BYTES: Json = {"type": "string", "format": "binary"}
_FORM: Json = {"type": "object", "required": ["file"], "properties": {"file": _BYTES}}


def build_document(handlers: Iterable[HTTPRouteHandler]) -> Json:
    """Describe the API that these handlers make."""
    operations = [(path, h, about_of(h)) for h in handlers for path in sorted(h.paths)]
    schemas, components = _schemas([about for _, _, about in operations])
    paths: dict[str, Json] = {}
    for path, handler, about in operations:
        for method in sorted(set(handler.http_methods) - {"HEAD"}):
            entry = _operation(path, about, schemas)
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
                    "description": "An API key: `rg_…`, made with `reelgate keys create`.",
                }
            },
        },
    }


def about_of(handler: HTTPRouteHandler) -> About:
    """Find what a handler says of itself. Raises KeyError for one that says nothing."""
    found: About = handler.opt["about"]
    return found


def _info() -> Json:
    licence = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    return {"title": "Reelgate", "version": "1", "description": DESCRIPTION, "license": licence}


def _schemas(abouts: Iterable[About]) -> tuple[dict[Any, Json], dict[str, Json]]:
    kinds: list[Any] = [ProblemDocument, JobEventBody, BatchEventBody]
    for about in abouts:
        kinds += [a.kind for a in about.answers.values() if a.kind is not None]
        kinds += [k for k in (about.body, about.query) if k is not None and k is not bytes]
    distinct = list(dict.fromkeys(kinds))
    found, components = msgspec.json.schema_components(distinct, ref_template=_REF)
    queries = {about.query.__name__ for about in abouts if about.query}
    by_kind = dict(zip(distinct, found, strict=True))
    by_kind |= {about.query: components[about.query.__name__] for about in abouts if about.query}
    return by_kind, {name: schema for name, schema in components.items() if name not in queries}


def _operation(path: str, about: About, schemas: Mapping[Any, Json]) -> Json:
    entry: Json = {
        "operationId": about.id,
        "summary": about.summary,
        "tags": [about.tag],
        "security": _security(about),
        "parameters": [*_path_parameters(path), *_query_parameters(about, schemas), *_header_parameters(about)],
        "responses": _responses(about, schemas),
    }
    if about.scope:
        entry["description"] = f"Needs a key with the scope `{about.scope}`."
    if about.body is not None:
        entry["requestBody"] = _body(about, schemas)
    return {name: value for name, value in entry.items() if value != [] or name == "security"}


def _security(about: About) -> list[Json]:
    if about.scope is None:
        return []
    return [{"apiKey": [about.scope]}, *([{}] if about.id == "readOutput" else [])]


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", **PATH_IDS[name]}}
        for name in _PARAMETER.findall(path)
    ]


def _query_parameters(about: About, schemas: Mapping[Any, Json]) -> list[Json]:
    if about.query is None:
        return []
    properties: dict[str, Json] = schemas[about.query]["properties"]
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


def _header_parameters(about: About) -> list[Json]:
    taken = {name: REQUEST_HEADERS[name] for name in about.headers} | REQUEST_ID
    return [{"name": name, "in": "header", **described} for name, described in taken.items()]


def _body(about: About, schemas: Mapping[Any, Json]) -> Json:
    if about.body is bytes:
        forms = {"multipart/form-data": _FORM}
        return {"required": True, "content": {m: {"schema": forms.get(m, _BYTES)} for m in about.body_media}}
    content: Json = {"schema": schemas[about.body]}
    if about.example is not None:
        content["example"] = about.example
    return {"required": about.body_needed, "content": {JSON: content}}


def _responses(about: About, schemas: Mapping[Any, Json]) -> Json:
    answers = {str(status): _answer(a, schemas) for status, a in about.answers.items()}
    problems = {str(status): _problem(status, schemas) for status in about.refusals if str(status) not in answers}
    return dict(sorted((answers | problems).items())) | {"default": _problem(None, schemas)}


def _answer(answer: Answer, schemas: Mapping[Any, Json]) -> Json:
    entry: Json = {"description": answer.words, "headers": _headers(("X-Request-Id", *answer.headers))}
    if answer.kind is not None:
        entry["content"] = {m: _content(m, schemas[answer.kind]) for m in answer.media}
        if answer.kind is JobView:
            entry["content"][JSON]["example"] = example_job()
    elif answer.media != (JSON,):
        entry["content"] = {
            m: {"schema": {"type": "string"} if m.startswith("text/") else _BYTES} for m in answer.media
        }
    return entry


def _content(media: str, schema: Json) -> Json:
    if media == "text/event-stream":
        return {"schema": SERVER_SENT_EVENT}
    return {"schema": {"type": "string"} if media.startswith("text/") else schema}


def _problem(status: int | None, schemas: Mapping[Any, Json]) -> Json:
    headers = {
        401: ("WWW-Authenticate",),
        405: ("Allow",),
        409: ("Retry-After",),
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


def _webhook(kind: str, schemas: Mapping[Any, Json]) -> Json:
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
