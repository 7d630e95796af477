"""Nothing in the API's description is left without words or an example, and the check that says so sees what is missing."""

import copy
import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pytest

from core.errors import Code
from service.app import openapi_json
from service.openapi.catalogue import catalogue_markdown, statuses_of
from service.openapi.schemas import schemas_of
from service.openapi.source_comments import comments_of
from service.openapi.undescribed import undescribed
from service.problem_codes import PROBLEMS
from service.schemas.requests import DeliveriesQuery, JobRequest, ReplayRequest
from service.schemas.responses import BatchAccepted

DOCUMENT = json.loads(openapi_json())
Steps = tuple[str | int, ...]


def _places(part: Any, key: str, at: Steps = ()) -> Iterator[Steps]:
    """Find every place where a text of this name stands."""
    steps = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for step, inner in steps:
        if step in {"example", "value", "examples", "x-codes", "links", "servers"} or (at[:1] == ("info",)):
            continue
        if step == key and isinstance(inner, str):
            yield (*at, step)
        else:
            yield from _places(inner, key, (*at, step))


def _kind_of(place: Steps) -> tuple[Any, ...]:
    """Tell what sort of thing stands at a place: of many of the same sort one is looked at."""
    room = place[0]
    names = {"paths": (1, 2), "webhooks": (1,), "components": (2,)}.get(str(room), ())
    kind = tuple("*" if n in names or isinstance(step, int) else step for n, step in enumerate(place))
    after = ("properties", "responses", "content")
    return tuple("*" if n and kind[n - 1] in after else step for n, step in enumerate(kind))


WORDS = {_kind_of(place): place for place in _places(DOCUMENT, "description")}
EXAMPLES = {
    ("answer",): ("paths", "/v1/jobs", "get", "responses", "200", "content", "application/json", "example"),
    ("refusal",): (
        *("paths", "/v1/jobs", "post", "responses", "429", "content", "application/problem+json", "examples"),
    ),
    ("body",): ("paths", "/v1/jobs", "post", "requestBody", "content", "application/json", "example"),
    ("callback",): ("webhooks", "job.failed", "post", "requestBody", "content", "application/json", "example"),
    ("header",): ("components", "headers", "RateLimit", "schema", "examples"),
    ("field",): ("components", "schemas", "JobView", "properties", "reply", "examples"),
    ("code",): ("components", "examples", "queue_full"),
}


def test_everything_is_described() -> None:
    assert list(undescribed(DOCUMENT)) == []


@pytest.mark.parametrize("place", [*WORDS.values(), *EXAMPLES.values()], ids=lambda place: "/".join(map(str, place)))
def test_whatever_is_left_out_is_missed(place: Steps) -> None:
    lacking = copy.deepcopy(DOCUMENT)
    part = lacking
    for step in place[:-1]:
        part = part[step]
    del part[place[-1]]
    assert list(undescribed(lacking))


@pytest.mark.parametrize("part", ["When", "Cost"])
def test_an_operation_that_does_not_say_when_or_at_what_cost_is_missed(part: str) -> None:
    lacking = copy.deepcopy(DOCUMENT)
    operation = lacking["paths"]["/v1/jobs"]["post"]
    operation["description"] = operation["description"].replace(f"**{part}.** ", "")
    assert list(undescribed(lacking)) == [f"POST /v1/jobs does not say {part.lower()}"]


def test_a_code_or_a_value_without_a_meaning_is_missed() -> None:
    lacking = copy.deepcopy(DOCUMENT)
    schemas = lacking["components"]["schemas"]
    schemas["ProblemCode"]["x-codes"][0]["meaning"] = ""
    schemas["Code"]["enum"].append("new_code")
    schemas["Status"]["enum"].append("paused")
    found = list(undescribed(lacking))
    assert "code malformed_request has no meaning" in found
    assert {"code new_code has no title", "code new_code has no action"} <= set(found)
    assert "schema Status: paused is not explained" in found


class Example(msgspec.Struct):
    """A struct of this test."""

    #: Shown, and
    #: in one piece.
    # not shown
    one: int = 1
    # not shown either
    two: Literal["a"] = "a"


def test_a_field_without_a_comment_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.openapi.source_comments._ROOMS", {"tests", "test_openapi_words"})
    kinds, components = schemas_of([Example, *_needed()])
    assert kinds[Example] == {"$ref": "#/components/schemas/Example"}
    properties = components["Example"]["properties"]
    assert properties["one"]["description"] == "Shown, and in one piece."
    assert "description" not in properties["two"]


def _needed() -> tuple[Any, ...]:
    from service.problems import ProblemDocument  # the schema of codes is made of it

    return (ProblemDocument,)


def test_comments_are_found_under_the_names_of_fields_and_of_bases() -> None:
    assert comments_of(JobRequest)["timeout_s"].startswith(
        "Seconds that it may take from its start, those apart in which it waits for credits;"
    )
    assert comments_of(ReplayRequest)["start"].startswith("`start`:")
    assert {"items", "counts"} <= comments_of(BatchAccepted).keys()
    assert {"status", "limit", "after"} <= comments_of(DeliveriesQuery).keys()


def test_every_code_is_in_the_catalogue_with_its_status() -> None:
    page = catalogue_markdown(DOCUMENT)
    statuses = statuses_of(DOCUMENT)
    assert statuses.keys() == PROBLEMS.keys()
    assert statuses["media_too_large"] == ["413", "422"]
    for code in (*PROBLEMS, *Code):
        assert f"\n| `{code}` | " in page


def test_the_codes_are_enumerated() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["ProblemDocument"]["properties"]["code"]["$ref"] == "#/components/schemas/ProblemCode"
    assert set(schemas["ProblemCode"]["enum"]) == PROBLEMS.keys()
    assert set(schemas["Code"]["enum"]) == set(Code)
