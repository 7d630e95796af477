"""API reference page at `/docs`: the OpenAPI document as plain HTML, so that it needs no script and no other host."""

from collections.abc import Iterator
from html import escape
from typing import Any

from service.openapi.docs_style import STYLE
from service.openapi.texts import Json


def docs_page(document: Json) -> str:
    info = document["info"]
    body = "".join([*_operations(document), *_webhooks(document), *_schemas(document)])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{STYLE}</style></head><body>"
        f"<nav>{''.join(_menu(document))}</nav><main><h1>{escape(info['title'])}</h1>"
        f'<p>{escape(info["description"])}</p><p><a href="/openapi.json">openapi.json</a></p>{body}</main></body></html>'
    )


def _tagged(document: Json) -> Iterator[tuple[str, list[tuple[str, str, Json]]]]:
    for tag in document["tags"]:
        found = [
            (method, path, entry)
            for path, methods in document["paths"].items()
            for method, entry in methods.items()
            if tag["name"] in entry["tags"] and method != "head"
        ]
        if found:
            yield tag["name"], found


def _menu(document: Json) -> Iterator[str]:
    for tag, entries in _tagged(document):
        yield f"<h2>{escape(tag)}</h2>"
        for method, path, entry in entries:
            yield f'<a href="#{entry["operationId"]}"><b class="{method}">{method}</b> {escape(path)}</a>'


def _operations(document: Json) -> Iterator[str]:
    for tag, entries in _tagged(document):
        yield f"<h2>{escape(tag)}</h2>"
        for method, path, entry in entries:
            yield f'<section id="{entry["operationId"]}"><h3><b class="{method}">{method}</b> <code>{escape(path)}</code></h3>'
            yield f"<p>{escape(entry['summary'])}. {escape(entry.get('description', ''))}</p>"
            yield from _details(entry)
            yield "</section>"


def _webhooks(document: Json) -> Iterator[str]:
    yield "<h2>Callbacks</h2>"
    for kind, methods in document["webhooks"].items():
        yield f"<section><h3><code>{escape(kind)}</code></h3>"
        yield from _details(methods["post"])
        yield "</section>"


def _details(entry: Json) -> Iterator[str]:
    parameters = entry.get("parameters", [])
    rows = [(p["name"], p["in"], _type(p["schema"]), p.get("description", "")) for p in parameters]
    yield from _table(("parameter", "in", "type", ""), rows)
    for media, content in entry.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(media)}</code> {_type(content.get('schema', {}))}</p>"
    answers = [(status, ", ".join(_media(a)), a["description"]) for status, a in entry["responses"].items()]
    yield from _table(("answer", "media type", ""), answers)


def _media(answer: Json) -> Iterator[str]:
    for media, content in answer.get("content", {}).items():
        yield f"{escape(media)} {_type(content.get('schema', {}))}"


def _schemas(document: Json) -> Iterator[str]:
    yield "<h2>Schemas</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f'<section id="schema-{name}"><h3>{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>'
        needed = set(schema.get("required", ()))
        rows = [(f, _type(s), "needed" if f in needed else "") for f, s in schema.get("properties", {}).items()]
        yield from _table(("field", "type", ""), rows)
        yield "</section>"


def _table(heads: tuple[str, ...], rows: list[Any]) -> Iterator[str]:
    """Write a table; only cells made by `_type` hold markup."""
    if not rows:
        return
    yield f"<table><tr>{''.join(f'<th>{h}</th>' for h in heads)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
    yield "</table>"


def _type(schema: Json) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f'<a href="#schema-{name}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(s) for s in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(v))}</code>" for v in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "any")))
