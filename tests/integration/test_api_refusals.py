"""Everything that is refused, and in which words: each as a problem document, with nothing half done."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.api_fixture import ASK, CLIP, Api, client_of, running_api
from tests.openapi_check import document
from tests.until import PATIENCE_S


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check the shape that every refusal has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code", "retryable", "request_id"} <= document.keys()
    assert document["status"] == status
    assert document["instance"] == answer.request.url.path
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["type"] == f"urn:reelgate:problem:{document['code']}"
    return document


MALFORMED = [b"", b"{", b'{"prompt": "\xff"}', b'{"prompt":NaN}', b'{"a":1} x', b'{"prompt":' + b"[" * 100_000]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
async def test_a_body_that_is_no_json_is_malformed(api: Api, body: bytes) -> None:
    answer = await api.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 400)["code"] == "malformed_json"


HALF = r"A string holds half a character, \{}, as of an emoji that was cut in two (byte {})."
WHY_MALFORMED = [
    (b"", "The body is empty."),
    (rb'{"prompt": "\ud83d"}', HALF.format("ud83d", 12)),
    (rb'{"prompt": "\ud83d\ude00 \uDE00"}', HALF.format("uDE00", 25)),
    (rb'{"prompt": "\ud83d and on"}', HALF.format("ud83d", 12)),
    (rb'{"prompt": "\ud83d\ude00', "Input data was truncated (byte 24)."),
    (b'{"prompt"', "Input data was truncated (byte 9)."),
]


@pytest.mark.parametrize(("body", "detail"), WHY_MALFORMED, ids=range(len(WHY_MALFORMED)))
async def test_a_body_that_is_no_json_is_told_why_and_where(api: Api, body: bytes, detail: str) -> None:
    answer = await api.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 400)["detail"] == detail


NONE_OF_THOSE = [
    ("POST", "/v1/jobs", ASK | {"output": {"resolution": "4k"}}, "1080p, 360p, 480p, 540p, 720p."),
    (
        "POST",
        "/v1/jobs",
        ASK | {"webhook": {"url": "https://x.example", "events": ["nope"]}},
        "job.canceled, job.expired, ",
    ),
    ("POST", "/v1/batches", {"jobs": [ASK], "session": "x"}, "separate, shared."),
    ("GET", "/v1/jobs?status=nope", None, "queued, running, canceling, succeeded, failed, canceled, expired"),
    ("GET", "/v1/deliveries?status=nope", None, "pending, delivered, dead"),
]


@pytest.mark.parametrize(("method", "path", "body", "known"), NONE_OF_THOSE, ids=range(len(NONE_OF_THOSE)))
async def test_who_sends_what_a_closed_set_does_not_know_is_told_what_it_knows(
    api: Api, method: str, path: str, body: Any, known: str
) -> None:
    refused = problem(await api.http.request(method, path, json=body), 422)
    assert f". Known: {known}" in refused["detail"]


LISTS = [("jobs", "job"), ("sessions", "session"), ("uploads", "upload"), ("batches", "batch")]
LISTS += [("deliveries", "delivery"), ("events", "event")]


@pytest.mark.parametrize(("path", "thing"), LISTS)
async def test_a_cursor_that_was_bent_begins_no_list_anew(api: Api, path: str, thing: str) -> None:
    own = (await api.submit())["id"]
    for bent in ("x", "zzz", own[:-1], f"{own}x", own.replace("job_", "key_"), "%00", own.upper()):
        refused = problem(await api.http.get(f"/v1/{path}?after={bent}"), 422)
        assert [error["pointer"] for error in refused["errors"]] == ["/after"]
        assert refused["detail"] == f"/after: This is no {thing}'s id: take the `next_cursor` of the page before."
    assert (await api.http.get(f"/v1/{path}?after=")).status_code == 200, "as good as none"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"prompt": "x", "colour": 1}, "/colour", "unknown_field"),
    ({}, "/prompt", "missing_field"),
    ({"prompt": ""}, "/prompt", "invalid_value"),
    ({"prompt": " \n"}, "/prompt", "invalid_value"),
    ({"prompt": "x" * 10_001}, "/prompt", "invalid_value"),
    ({"prompt": 7}, "/prompt", "invalid_value"),
    (ASK | {"profile": "nope"}, "/profile", "unknown_profile"),
    (ASK | {"media": [CLIP] * 51}, "/media", "invalid_value"),
    (ASK | {"media": [CLIP, {}]}, "/media/1", "invalid_value"),
    (ASK | {"media": [{"url": "https://x.example/a.mp4", "upload_id": "upl_1"}]}, "/media/0/upload_id", "not_found"),
    (ASK | {"media": [{"url": "https://x.example/a.exe"}]}, "/media/0/url", "unsupported_media"),
    (ASK | {"media": [{"url": "http://x.example/a.mp4"}]}, "/media/0/url", "scheme_not_allowed"),
    (ASK | {"media": [{"url": "https://127.0.0.1/a.mp4"}]}, "/media/0/url", "address_not_allowed"),
    (ASK | {"media": []}, "/media", "media_needed"),
    (ASK | {"webhook": {"url": "https://10.0.0.1/hook"}}, "/webhook/url", "address_not_allowed"),
    (ASK | {"webhook": {"url": "https://a.example/", "events": ["x"]}}, "/webhook/events/0", "invalid_value"),
    (ASK | {"metadata": {"a": "b", "order/item": 1}}, "/metadata/order~1item", "invalid_value"),
    (ASK | {"metadata": {"a": "x" * 4096}}, "/metadata", "too_large"),
    (ASK | {"priority": 101}, "/priority", "invalid_value"),
    (ASK | {"output": {"resolution": "8k"}}, "/output/resolution", "invalid_value"),
    (ASK | {"timeout_s": 0}, "/timeout_s", "invalid_value"),
    (ASK | {"language": "en\n"}, "/language", "invalid_value"),
    (ASK | {"session_id": "ses_1"}, "/session_id", "not_found"),
]


@pytest.mark.parametrize(("ask", "pointer", "code"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_value_is_pointed_at(api: Api, ask: dict[str, Any], pointer: str, code: str) -> None:
    for path in ("/v1/jobs", "/v1/jobs:validate"):
        document = problem(await api.http.post(path, json=ask), 404 if code == "not_found" else 422)
        assert [(e["pointer"], e["code"]) for e in document["errors"]] == [(pointer, code)]
        assert code == "not_found" or document["detail"].startswith(f"{pointer}: ")
    assert (await api.http.get("/v1/jobs")).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b'{"prompt":"x","max_credits":50,"max_credits":5000}', ["/max_credits"]),
        (b'{"prompt":"x","max_credits":50,"max_\\u0063redits":5000}', ["/max_credits"]),
        (rb'{"prompt":"x","prompt":"\u0022\u0022\u0022\u0022"}', ["/prompt"]),  # as many marks as two names have
        (
            b'{"prompt":"x","media":[{"url":"https://x.example/a.mp4","url":"https://x.example/b.mp4"}]}',
            ["/media/0/url"],
        ),
        (b'{"prompt":"x","metadata":{"a/b":"1","c":"1","a/b":"1"},"prompt":"y"}', ["/prompt", "/metadata/a~1b"]),
    ],
)
async def test_a_name_that_comes_twice_in_a_body_is_refused_and_not_guessed(
    api: Api, body: bytes, pointers: list[str]
) -> None:
    for path in ("/v1/jobs", "/v1/jobs:validate"):
        document = problem(await api.http.post(path, content=body, headers={"Content-Type": "application/json"}), 422)
        assert [e["pointer"] for e in document["errors"]] == pointers
        assert document["code"] == "invalid_value"
    assert (await api.http.get("/v1/jobs")).json()["data"] == []


async def test_a_name_that_comes_twice_in_one_job_of_a_batch_refuses_that_job(api: Api) -> None:
    job, twice = msgspec.json.encode(ASK), b'{"prompt":"x","prompt":"y"}'
    as_json = {"Content-Type": "application/json"}
    some = await api.http.post("/v1/batches", content=b'{"jobs":[%s,%s]}' % (job, twice), headers=as_json)
    assert [item["status"] for item in some.json()["items"]] == [202, 422]
    assert some.json()["items"][1]["problem"]["errors"][0]["pointer"] == "/prompt"
    document = problem(
        await api.http.post("/v1/batches", content=b'{"jobs":[%s],"jobs":[%s]}' % (job, job), headers=as_json), 422
    )
    assert [e["pointer"] for e in document["errors"]] == ["/jobs"]


async def test_all_wrong_values_are_told_at_once(api: Api) -> None:
    ask = {"prompt": " ", "profile": "nope", "media": [{"url": "ftp://x/a.mp4"}, {}]}
    document = problem(await api.http.post("/v1/jobs", json=ask), 422)
    assert {e["pointer"] for e in document["errors"]} == {"/prompt", "/profile", "/media/0/url", "/media/1"}


async def test_unknown_paths_methods_and_content_types_are_problems_too(api: Api) -> None:
    problem(await api.http.get("/nowhere"), 404)
    problem(await api.http.get("/v1/jobs/job_nope"), 404)
    wrong_method = await api.http.delete("/v1/jobs")
    problem(wrong_method, 405)
    assert {"GET", "POST"} <= set(wrong_method.headers["allow"].split(", "))
    problem(await api.http.post("/v1/jobs", content=b"prompt=x"), 415)
    problem(await api.http.post("/v1/jobs", data={"prompt": "x"}), 415)


TAKEN = [
    "application/json",
    "Application/JSON; charset=UTF-8",
    'application/json;charset="utf8"; x=y',
    "application/json; charset=us-ascii",
    "application/vnd.acme.job+json; version=1",
]


@pytest.mark.parametrize("content_type", TAKEN)
async def test_json_is_taken_under_each_of_its_names(api: Api, content_type: str) -> None:
    headers = {"Content-Type": content_type, "Content-Encoding": "identity"}
    answer = await api.http.post("/v1/jobs:validate", content=json.dumps(ASK).encode(), headers=headers)
    assert answer.status_code == 200, answer.text


ASKED = json.dumps(ASK | {"prompt": "trim the first 2 seconds é"}, ensure_ascii=False)
#: Content-Type, Content-Encoding, body; the words that say what came
NOT_TAKEN = [
    ("text/plain", "", ASKED.encode(), "came as 'text/plain'"),
    ("", "", ASKED.encode(), "names no Content-Type"),
    ("application/json; charset=latin-1", "", ASKED.encode("latin-1"), "charset=latin-1"),
    ("application/json; charset=utf-16", "", ASKED.encode("utf-16-le"), "charset=utf-16"),
    ("application/json", "", ASKED.encode("utf-8-sig"), "byte order mark; this body is UTF-8 with"),
    ("application/json", "", ASKED.encode("utf-16"), "UTF-16"),
    ("application/json", "", ASKED.encode("utf-16-be"), "UTF-16"),
    ("application/json", "", gzip.compress(ASKED.encode()), "compressed with gzip"),
    ("application/json", "", ASKED.encode("utf-32"), "UTF-32"),
    ("application/json", "", ASKED.encode("utf-32-be"), "UTF-32"),
    ("application/json", "gzip", gzip.compress(ASKED.encode()), "Content-Encoding: gzip"),
    ("application/json", "identity, deflate", zlib.compress(ASKED.encode()), "Content-Encoding: identity, deflate"),
]


@pytest.mark.parametrize(("content_type", "encoding", "body", "words"), NOT_TAKEN, ids=range(len(NOT_TAKEN)))
async def test_what_json_may_not_come_in_is_told_with_what_is_taken(
    api: Api, content_type: str, encoding: str, body: bytes, words: str
) -> None:
    given = {"Content-Type": content_type, "Content-Encoding": encoding}
    headers = {name: value for name, value in given.items() if value}
    for path in ("/v1/jobs", "/v1/jobs:validate", "/v1/batches", "/v1/sessions"):
        answer = await api.http.post(path, content=body, headers=headers)
        assert words in problem(answer, 415)["detail"]
        taken = ("accept-encoding", "identity") if encoding else ("accept", "application/json")
        assert answer.headers[taken[0]] == taken[1]


async def test_a_compressed_upload_is_told_so(api: Api) -> None:
    body, form = gzip.compress(b"x" * 99), "multipart/form-data; boundary=x"
    for content_type in ("application/octet-stream", form):
        headers = {"Content-Encoding": "gzip", "Content-Type": content_type}
        answer = await api.http.post("/v1/uploads?filename=a.mp4", content=body, headers=headers)
        assert "Content-Encoding: gzip" in problem(answer, 415)["detail"]
        assert answer.headers["accept-encoding"] == "identity"


async def test_a_body_that_is_not_utf_8_and_one_that_is_too_deep_are_told_apart(api: Api) -> None:
    for body, words in ((b'{"prompt": "\xff"}', "UTF-8"), (b'{"prompt":' + b"[" * 100_000, "nested")):
        answer = await api.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
        assert words in problem(answer, 400)["detail"]


UNAUTHORIZED = [
    ([], "no Authorization"),
    (["Basic abc"], "another scheme"),
    (["Bearer"], "nothing follows"),
    (["Bearer a b"], "more than one key"),
    (["Bearer a", "Bearer b"], "more than one key"),
    (["Bearer rg_wrong"], "not known"),
]


@pytest.mark.parametrize(("lines", "words"), UNAUTHORIZED, ids=range(len(UNAUTHORIZED)))
async def test_who_is_not_let_in_hears_what_is_wrong_with_the_key(api: Api, lines: list[str], words: str) -> None:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as nobody:
        answer = await nobody.get("/v1/jobs", headers=[("Authorization", line) for line in lines])
        assert words in problem(answer, 401)["detail"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [(["x" * n], f"length of {n}") for n in (256, 300)]
    + [(['"4f1c'], "quote that nothing closes"), (['"'], "quote that nothing closes")]
    + [([f'"{"x" * 256}"'], "length of 256"), (['""'], "empty"), (["a", "b"], "several lines"), (["a b"], "spaces")],
)
async def test_an_idempotency_key_that_is_none_is_told_why(api: Api, keys: list[str], words: str) -> None:
    answer = await api.http.post("/v1/jobs", json=ASK, headers=[("Idempotency-Key", k) for k in keys])
    assert words in problem(answer, 400)["detail"]
    same = await api.http.post("/v1/jobs", json=ASK, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "a")])
    assert same.status_code == 202


KEYED = b"Authorization: Bearer KEY\r\n"
JSON = b"Content-Type: application/json\r\n"
#: one of every status that this API refuses with, as bytes, since no client would send some of them
EVERY_STATUS: list[tuple[bytes, int, str]] = [
    (b"GET /v1/jobs HTTP/9\r\n", 400, "malformed_request"),
    (b"POST /v1/jobs HTTP/1.1\r\n" + KEYED + JSON, 400, "malformed_json"),
    (b"GET /v1/jobs HTTP/1.1\r\n", 401, "unauthorized"),
    (b"GET /v1/jobs/job_1/output?expires=1&signature=x HTTP/1.1\r\n", 403, "link_expired"),
    (b"GET /v1/jobs/job_1 HTTP/1.1\r\n" + KEYED, 404, "not_found"),
    (b"GET /nowhere HTTP/1.1\r\n", 404, "not_found"),
    (b"OPTIONS /nowhere HTTP/1.1\r\n", 404, "not_found"),
    (b"PATCH /v1/jobs HTTP/1.1\r\n", 405, "method_not_allowed"),
    (b"TRACE /livez HTTP/1.1\r\n", 405, "method_not_allowed"),
    (b"POST /v1/jobs:validate HTTP/1.1\r\nContent-Length: 4000001\r\n" + KEYED + JSON, 413, "too_large"),
    (b"POST /v1/uploads?filename=a.mp4 HTTP/1.1\r\nContent-Length: 500000001\r\n" + KEYED, 413, "media_too_large"),
    (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n", 414, "uri_too_long"),
    (b"POST /v1/jobs HTTP/1.1\r\nContent-Type: text/plain\r\n" + KEYED, 415, "unsupported_media_type"),
    (b"POST /v1/jobs HTTP/1.1\r\n" + KEYED, 415, "unsupported_media_type"),
    (b"POST /v1/uploads?filename=a.exe HTTP/1.1\r\n" + KEYED, 415, "unsupported_media"),
    (b"GET /v1/jobs?limit=0 HTTP/1.1\r\n" + KEYED, 422, "invalid_value"),
    (b"GET /livez HTTP/1.1\r\nX-Long: " + b"a" * 70_000 + b"\r\n", 431, "headers_too_large"),
]


@pytest.mark.parametrize(("head", "status", "code"), EVERY_STATUS, ids=range(len(EVERY_STATUS)))
async def test_every_refusal_is_a_whole_problem_document(api: Api, head: bytes, status: int, code: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    writer.write(head.replace(b"KEY", api.key.encode()) + b"Host: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    fields, _, body = answer.partition(b"\r\n\r\n")
    assert int(answer.split(b" ", 2)[1]) == status, answer
    assert b"content-type: application/problem+json\r\n" in fields + b"\r\n"
    document = msgspec.json.decode(body, type=Whole, strict=True)
    assert (document.status, document.code, document.type) == (status, code, f"urn:reelgate:problem:{code}")
    assert f"x-request-id: {document.request_id}".encode() in fields
    assert document.title.endswith(".")
    assert document.detail
    assert bool(document.errors) == (status == 422)
    assert (b"allow: " in fields) == (status == 405)


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    """A problem document: nothing may be missing, nothing more be there."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    retryable: bool
    request_id: str
    errors: list[dict[str, str]]


async def test_what_may_succeed_later_says_so(api: Api) -> None:
    job = await api.submit()
    for call in (api.http.delete(f"/v1/jobs/{job['id']}"), api.http.post(f"/v1/jobs/{job['id']}/replay")):
        answer = await call
        document = problem(answer, 409)
        assert (document["code"], document["retryable"]) == ("not_ended", True)
        assert answer.headers["Retry-After"] == "5"


async def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    body = b'{"prompt": "' + b"x" * 5_000_000 + b'"}'
    refused = await api.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert "4000000 bytes" in problem(refused, 413)["detail"]


async def test_a_missing_a_wrong_and_a_weak_key_are_told_apart(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as nobody:
        answer = await nobody.get("/v1/jobs")
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        for header in ("Bearer rg_wrong", "Basic abc", "Bearer", f"Bearer {'x' * 5000}"):
            problem(await nobody.get("/v1/jobs", headers={"Authorization": header}), 401)
    async with await api.caller("acme", "read") as reader:
        document = problem(await reader.post("/v1/jobs", json=ASK), 403)
        assert "submit" in document["detail"]
        assert (await reader.get("/v1/jobs")).status_code == 200


async def test_a_revoked_key_is_refused_at_once_by_a_process_that_remembers_it(api: Api) -> None:
    issued = await api.context.api_keys.create("acme")
    async with client_of(api.url, issued.secret) as client:
        assert (await client.post("/v1/jobs", json=ASK)).status_code == 202
        await api.context.api_keys.revoke(issued.id)
        problem(await client.post("/v1/jobs", json=ASK), 401)
        problem(await client.get("/v1/jobs"), 401)


async def test_a_revoked_key_gets_no_kept_answer_either(api: Api) -> None:
    issued = await api.context.api_keys.create("acme")
    call = {"Idempotency-Key": "k", "Prefer": "wait=0"}
    async with client_of(api.url, issued.secret) as client:
        assert (await client.post("/v1/jobs", json=ASK, headers=call)).status_code == 202
        assert (await client.post("/v1/jobs", json=ASK, headers=call)).headers["idempotency-replayed"] == "true"
        await api.context.api_keys.revoke(issued.id)
        problem(await client.post("/v1/jobs", json=ASK, headers=call), 401)
    again = await api.http.post("/v1/jobs", json=ASK, headers=call)
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_wrong_query_is_pointed_at(api: Api) -> None:
    for query in ({"limit": "0"}, {"limit": "x"}, {"status": "gone"}):
        document = problem(await api.http.get("/v1/jobs", params=query), 422)
        assert document["errors"][0]["pointer"] == f"/{next(iter(query))}"
    for month in ("2026-11\n", "\n"):
        document = problem(await api.http.get("/v1/usage", params={"month": month}), 422)
        assert document["errors"][0]["pointer"] == "/month"


ROUTES = [
    (method.upper(), path.replace("{job_id}", "job_1"), [p for p in entry["parameters"] if p["in"] == "query"])
    for path, methods in document()["paths"].items()
    for method, entry in methods.items()
    if path.startswith("/v1/")
]


@pytest.mark.parametrize(("method", "path", "known"), ROUTES, ids=[f"{m} {p}" for m, p, _ in ROUTES])
async def test_every_call_points_at_what_its_query_may_not_hold(
    api: Api, method: str, path: str, known: list[dict[str, Any]]
) -> None:
    refused = problem(await api.http.request(method, f"{path}?limt=1&a/b=&limt=2"), 422)
    assert refused["code"] == "unknown_field"
    assert [e["pointer"] for e in refused["errors"]] == ["/limt", "/a~1b"]
    assert all(name in refused["detail"] for name in [p["name"] for p in known] or ["it takes none"])
    for name in (p["name"] + ("[x]" if p.get("style") == "deepObject" else "") for p in known):
        twice = problem(await api.http.request(method, f"{path}?{name}=1&{name}=1"), 422)
        assert [(e["pointer"], e["code"]) for e in twice["errors"]] == [(f"/{name}", "repeated_field")]


async def test_a_query_is_looked_at_for_head_and_not_for_options_nor_without_a_key(api: Api) -> None:
    assert (await api.http.head("/v1/jobs?x=1")).status_code == 422
    assert (await api.http.options("/v1/jobs?x=1")).status_code == 204
    assert (await api.http.get("/livez?x=1")).status_code == 200
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as nobody:
        problem(await nobody.get("/v1/jobs?x=1"), 401)


async def test_a_query_of_nothing_but_unknown_names_gets_a_short_answer(api: Api) -> None:
    query = "&".join(f"x{n}" for n in range(5000))
    assert len(problem(await api.http.get(f"/v1/jobs?{query}"), 422)["errors"]) == 20


async def test_the_request_id_is_echoed_where_it_is_plain(api: Api) -> None:
    assert (await api.http.get("/livez", headers={"X-Request-Id": "abc-1"})).headers["x-request-id"] == "abc-1"
    long = await api.http.get("/livez", headers={"X-Request-Id": "x" * 500})
    assert len(long.headers["x-request-id"]) == 36


async def test_hostile_text_goes_in_and_comes_back_as_it_was(api: Api) -> None:
    for text in ("\x00\x01\x1f trim", "trim \U0001f3ac \u202eabc\u202c\u2028 [[story:silent]]", '"}],{"', "剪掉前两秒"):
        job = await api.submit(prompt=text, metadata={"t": text})
        assert job["metadata"] == {"t": text}
