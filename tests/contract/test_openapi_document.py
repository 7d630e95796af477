"""The description of the API: valid, complete, and the same as what is committed."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from core.events.event import TENANT_EVENTS
from service.app import openapi_json
from service.openapi.catalogue import catalogue_markdown
from service.openapi.docs_page import docs_page
from service.routes import ROUTES
from tests.openapi_check import document
from tests.until import PATIENCE_S

ROOT = Path(__file__).parents[2]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:")
OPERATIONS = [
    (path, method, entry) for path, methods in document()["paths"].items() for method, entry in methods.items()
]


def test_the_committed_document_is_what_the_code_makes() -> None:
    assert (ROOT / "openapi" / "openapi.json").read_bytes() == openapi_json()
    assert (ROOT / "openapi" / "errors.md").read_text("utf-8") == catalogue_markdown(document())
    subprocess.run([sys.executable, "-m", "service.write_openapi", "--check"], cwd=ROOT, check=True, timeout=PATIENCE_S)


def test_the_document_is_valid() -> None:
    validate(document())
    assert document()["openapi"].startswith("3.1")


def test_every_route_is_described_under_its_methods() -> None:
    described_calls = {(path, method) for path, method, _ in OPERATIONS}
    for handler in ROUTES:
        if handler.include_in_schema is False:
            assert handler.paths == {"/docs/{file:str}"}, "a page's script is no call; all else is"
            continue
        for path in handler.paths:
            plain = path.replace(":str}", "}")
            methods = {m.lower() for m in handler.http_methods}
            assert {(plain, m) for m in methods - {"head"}} <= described_calls
            assert ("head" in methods) == ("get" in methods), "what answers GET answers HEAD"


@pytest.mark.parametrize(("path", "method", "entry"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
def test_every_operation_has_problem_documents_security_and_a_tag(
    path: str, method: str, entry: dict[str, Any]
) -> None:
    default = entry["responses"]["default"]["content"]
    assert list(default) == ["application/problem+json"]
    for status, answer in entry["responses"].items():
        if status[0] in "45" and (path.startswith("/v1") or status != "503"):
            assert list(answer["content"]) == ["application/problem+json"]
    if path.startswith("/v1"):
        assert entry["security"], path
        assert {"401", "403", "503"} <= entry["responses"].keys()
        assert "Retry-After" in entry["responses"]["503"]["headers"]
    assert entry["tags"][0] in {t["name"] for t in document()["tags"]}


def test_operation_ids_are_unique() -> None:
    ids = [entry["operationId"] for _, _, entry in OPERATIONS]
    assert len(ids) == len(set(ids))


def test_every_callback_is_described_with_its_signature() -> None:
    assert set(document()["webhooks"]) == {*TENANT_EVENTS, "webhook.test"}
    for entry in document()["webhooks"].values():
        names = {p["name"] for p in entry["post"]["parameters"]}
        assert names == {"webhook-id", "webhook-timestamp", "webhook-signature"}


def test_every_example_fits_its_own_schema() -> None:
    callbacks = [entry["post"] for entry in document()["webhooks"].values()]
    bodies = [entry.get("requestBody", {}) for entry in (*(e for _, _, e in OPERATIONS), *callbacks)]
    answers = [answer for _, _, entry in OPERATIONS for answer in entry["responses"].values()]
    contents = [content for part in (*bodies, *answers) for content in part.get("content", {}).values()]
    shown = [content for content in contents if "example" in content]
    assert len(shown) > 20
    problem = {"$ref": "#/components/schemas/ProblemDocument"}
    refusals = [(problem, example["value"]) for example in document()["components"]["examples"].values()]
    assert len(refusals) > 40
    for schema, example in [*((content["schema"], content["example"]) for content in shown), *refusals]:
        whole = {**schema, "components": document()["components"]}
        assert list(OAS31Validator(whole).iter_errors(example)) == []


def test_every_example_of_a_field_fits_the_field() -> None:
    for name, schema in document()["components"]["schemas"].items():
        for field_name, field in schema.get("properties", {}).items():
            whole = {**field, "components": document()["components"]}
            for example in field.get("examples", ()):
                assert list(OAS31Validator(whole).iter_errors(example)) == [], (name, field_name)


def test_every_time_is_told_as_one() -> None:
    """A field whose example is a time says so, for whatever makes types of it."""
    for name, schema in document()["components"]["schemas"].items():
        for field_name, field in schema.get("properties", {}).items():
            if any(isinstance(shown, str) and _TIME.match(shown) for shown in field.get("examples", ())):
                formats = {part.get("format") for part in (field, *field.get("anyOf", ()))}
                assert "date-time" in formats, (name, field_name)


def test_no_body_has_a_default() -> None:
    """Makers of types take a field with a default for one that is always there: callers would have to send it."""
    for name, schema in document()["components"]["schemas"].items():
        for field_name, field in schema.get("properties", {}).items():
            assert "default" not in field, (name, field_name)
    retention = document()["components"]["schemas"]["JobRequest"]["properties"]["retention_s"]
    assert retention["description"].endswith("Default: `2592000`.")


def test_no_schema_has_the_name_that_a_generator_gives_to_the_arguments_of_an_operation() -> None:
    made = {f"{entry['operationId']}request".lower() for _, _, entry in OPERATIONS}
    assert not made & {name.lower() for name in document()["components"]["schemas"]}


def test_the_page_tells_what_each_field_and_each_code_means() -> None:
    page = docs_page(document())
    for words in (
        "Counts its changes.",
        "<code>edit_unconfirmed</code>",
        "Wait for <code>Retry-After</code>",
        "e.g. <code>",
    ):
        assert words in page


class _Targets(HTMLParser):
    """Collects what a page links to, and what can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        self.links |= {found[name] for name in ("href", "src") if found.get(name)}
        self.ids |= {found["id"]} if "id" in found else set()


def test_the_page_needs_no_script_and_no_other_host_and_its_links_lead_somewhere() -> None:
    targets = _Targets()
    targets.feed(docs_page(json.loads(openapi_json())))
    assert "script" not in targets.tags
    inside = {link.removeprefix("/docs/plain") for link in targets.links} - {"/openapi.json"}
    assert inside <= {f"#{name}" for name in targets.ids}
    assert "#codes" in inside


def test_the_document_names_no_host_of_ours() -> None:
    assert httpx.URL(document()["servers"][0]["url"]).is_relative_url
