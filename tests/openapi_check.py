"""Holds every answer that a test gets against the OpenAPI document: its status, media type, headers and schema."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator

Json = dict[str, Any]
DOCUMENT = Path(__file__).parents[1] / "openapi" / "openapi.json"
#: the framework's, for whoever asks what a path can do
_UNDESCRIBED_METHODS = {"options"}


@cache
def document() -> Json:
    return json.loads(DOCUMENT.read_bytes())


def operation_for(method: str, path: str) -> Json | None:
    """Find the operation of a call; None: the path or the method is unknown, so any refusal will do.

    A HEAD is described by its path's GET.
    """
    described_as = "get" if method.lower() == "head" else method.lower()
    for template, methods in sorted(document()["paths"].items(), key=lambda item: item[0].count("{")):
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path):
            return methods.get(described_as)
    return None


async def check_answer(answer: httpx.Response) -> None:
    """Judge one answer; a hook of the tests' HTTP clients."""
    method = answer.request.method.lower()
    operation = operation_for(method, answer.request.url.path)
    if operation is None:
        assert answer.status_code in {404, 405} or method in _UNDESCRIBED_METHODS, answer.request
        return
    described = operation["responses"].get(str(answer.status_code))
    assert described is not None, f"{operation['operationId']} does not say that it may answer {answer.status_code}"
    content = described.get("content", {})
    media = answer.headers.get("content-type", "").partition(";")[0]
    assert media in content if content else not media, (operation["operationId"], answer.status_code, media)
    undescribed = {h for h in answer.headers if h in _OURS} - {h.lower() for h in described["headers"]}
    assert not undescribed, (operation["operationId"], answer.status_code, undescribed)
    if method == "head":
        assert await answer.aread() == b""
    elif media.endswith("json") and "schema" in content[media]:
        await answer.aread()
        _check_schema(answer.json(), content[media]["schema"])
        if media == "application/problem+json":
            code = answer.json()["code"]
            named = content[media]["examples"].keys()
            assert code in named, f"{operation['operationId']} does not say that {answer.status_code} may be {code}"


_OURS = {"location", "link", "retry-after", "ratelimit", "ratelimit-policy", "idempotency-replayed", "etag"} | {
    "preference-applied",
    "content-range",
    "allow",
    "www-authenticate",
    "accept",
    "accept-encoding",
}


def _check_schema(value: Any, schema: Json) -> None:
    errors = list(OAS31Validator({**schema, "components": document()["components"]}).iter_errors(value))
    assert not errors, errors[0]
