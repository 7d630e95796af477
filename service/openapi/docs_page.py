"""API reference page at `/docs/plain`: the OpenAPI document as plain HTML, so that it needs no script and no other host.

It is also what `/docs` shows where Scalar's script was not installed.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from itertools import starmap
from json import dumps
from typing import Any

from service.openapi.catalogue import statuses_of
from service.openapi.docs_style import STYLE
from service.openapi.texts import Json

#: the one style that it has, and nothing else
PLAIN_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_LINK = re.compile(r"\[([^\]]+)\]\((/[^)]+)\)")
#: what a schema says beside its type, in this order
_FACTS = {
    "default": "default",
    "minimum": "from",
    "maximum": "to",
    "minLength": "at least so many characters:",
    "maxLength": "at most so many characters:",
    "maxItems": "at most so many:",
    "examples": "e.g.",
}


def docs_page(document: Json) -> str:
    info, root = document["info"], document["servers"][0]["url"].rstrip("/")
    body = "".join([*_operations(document), *_webhooks(document), *_codes(document), *_schemas(document)])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{STYLE}</style></head><body>"
        f"<nav>{''.join(_menu(document))}</nav><main><h1>{escape(info['title'])}</h1>"
        f'{_words(info["description"])}<p><a href="{escape(root)}/openapi.json">openapi.json</a></p>{body}</main></body></html>'
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
            yield f"<p>{escape(entry['summary'])}.</p>{_words(entry.get('description', ''))}"
            yield from _details(entry)
            yield "</section>"


def _webhooks(document: Json) -> Iterator[str]:
    yield "<h2>Callbacks</h2>"
    for kind, methods in document["webhooks"].items():
        yield f"<section><h3><code>{escape(kind)}</code></h3>{_words(methods['post']['description'])}"
        yield from _details(methods["post"])
        yield "</section>"


def _details(entry: Json) -> Iterator[str]:
    parameters = entry.get("parameters", [])
    rows = [(p["name"], p["in"], _type(p["schema"]), _words(p["description"], p["schema"])) for p in parameters]
    yield from _table(("parameter", "in", "type", ""), rows)
    for media, content in entry.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(media)}</code> {_type(content.get('schema', {}))}</p>"
    answers = [(status, ", ".join(_media(a)), _words(a["description"])) for status, a in entry["responses"].items()]
    yield from _table(("answer", "media type", ""), answers)


def _media(answer: Json) -> Iterator[str]:
    for media, content in answer.get("content", {}).items():
        yield f"{escape(media)} {_type(content.get('schema', {}))}"


def _codes(document: Json) -> Iterator[str]:
    """Write the catalogue: what a call can be refused with, and what a job can fail with."""
    statuses = statuses_of(document)
    yield '<h2 id="codes">Codes of errors</h2><h3>A call was refused</h3>'
    refusals = [(*_code_row(c), ", ".join(statuses[c["code"]])) for c in _listed(document, "ProblemCode")]
    yield from _table(("code", "again", "", "", "status"), refusals)
    yield "<h3>A job failed</h3>"
    yield from _table(("code", "again", "", ""), [_code_row(c) for c in _listed(document, "Code")])


def _listed(document: Json, name: str) -> list[Json]:
    codes: list[Json] = document["components"]["schemas"][name]["x-codes"]
    return codes


def _code_row(entry: Json) -> tuple[str, ...]:
    return (
        f"<code>{escape(entry['code'])}</code>",
        "yes" if entry["retryable"] else "no",
        _words(f"{entry['title']} {entry['meaning']}"),
        _words(entry["action"]),
    )


def _schemas(document: Json) -> Iterator[str]:
    yield "<h2>Schemas</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f'<section id="schema-{name}"><h3>{escape(name)}</h3>{_words(schema["description"])}'
        needed = set(schema.get("required", ()))
        fields = schema.get("properties", {}).items()
        rows = [(f, _type(s), "needed" if f in needed else "", _words(s["description"], s)) for f, s in fields]
        yield from _table(("field", "type", "", ""), rows)
        yield "</section>"


def _table(heads: tuple[str, ...], rows: list[Any]) -> Iterator[str]:
    """Write a table; only cells made by `_type` and `_words` hold markup."""
    if not rows:
        return
    yield f"<table><tr>{''.join(f'<th>{h}</th>' for h in heads)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(starmap(_cell, zip(heads, row, strict=True)))}</tr>"
    yield "</table>"


def _cell(head: str, cell: str) -> str:
    """Write a cell that knows its column, since a narrow screen shows the cells below each other."""
    return f'<td title="{head}">{cell}</td>' if head else f"<td>{cell}</td>"


def _words(text: str, schema: Json | None = None) -> str:
    """Write a description, then a schema's bounds and example. Its Markdown is paragraphs, lists, code, bold and links to here."""
    paragraphs = [_paragraph(escape(block)) for block in text.split("\n\n") if block]
    bounds = "; ".join(_bounds(schema or {}))
    return "".join([*paragraphs, f"<p>{bounds}</p>" if bounds else ""])


def _paragraph(block: str) -> str:
    marked = _BOLD.sub(r"<b>\1</b>", _CODE.sub(r"<code>\1</code>", block))
    marked = _LINK.sub(r'<a href="\2">\1</a>', marked)
    lines = [line.removeprefix("- ") for line in marked.splitlines()]
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>" if block.startswith("- ") else f"<p>{marked}</p>"


def _bounds(schema: Json) -> Iterator[str]:
    """Tell the default, the range and the first example of a value."""
    facts = [schema, *schema.get("anyOf", ())]
    for key, words in _FACTS.items():
        if found := [part[key] for part in facts if part.get(key) is not None]:
            shown = found[0][0] if key == "examples" else found[0]
            yield f"{words} <code>{escape(shown if isinstance(shown, str) else dumps(shown, ensure_ascii=False))}</code>"


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
