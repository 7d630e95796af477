"""Well-formed HTTP with hostile things in it: bodies, prompts, ids, headers, methods. Every refusal is a problem document."""

import itertools
import json
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.hostile.harness import Harness
from tests.openapi_check import document

CLIP = {"url": "https://media.example.com/clip.mp4"}
JSON = {"Content-Type": "application/json"}
UUID = "019a3c1e-7b2f-7c3d-9e4f-0123456789ab"


@pytest.fixture(scope="module")
def clients(harness: Harness) -> Iterator[list[httpx.Client]]:
    """One client for each process."""
    found = [harness.client(n) for n in range(len(harness.urls))]
    yield found
    for client in found:
        client.close()


def check_refusal(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.headers.get_list("x-request-id") == [answer.json()["request_id"]]


def jobs_kept(harness: Harness) -> int:
    return len(harness.kept_keys("rg:job:*"))


CONTROLS = [chr(n) for n in (*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)]
TEXTS = [
    "trim it" + "".join(CONTROLS),
    "\U0001f3ac" * 10_000,
    "\u202e4pm.pilc eht mirt\u202c \u2066trim\u2069 \u200f\u061c",
    "e" + "\u0301" * 9_000,
    "trim [[story:http-500]] [[story: [[story:../../x]] [[story:" + "a" * 5000,
    "[[story:" * 1200,
    "{{7*7}} ${jndi:ldap://x} '; DROP TABLE jobs; -- <script>alert(1)</script> %s%n %00",
    "trim " * 2000,
    "1080p " * 1600 + "mp4 " * 90,
]


@pytest.mark.parametrize("text", [f"trim it{c}now" for c in CONTROLS] + TEXTS, ids=itertools.count())
def test_any_text_is_kept_as_it_came(clients: list[httpx.Client], text: str) -> None:
    ask = {"prompt": text, "media": [CLIP], "metadata": {"text": text[:500], text[:50]: ""}}
    answer = clients[0].post("/v1/jobs", json=ask)
    assert answer.status_code == 202, answer.text
    assert clients[1].get(f"/v1/jobs/{answer.json()['id']}").json()["metadata"] == ask["metadata"]
    assert clients[1].post("/v1/jobs:validate", json=ask).json()["valid"]


BODIES = [
    b"",
    b"\0",
    b"{",
    b"{}}",
    b"{'prompt': 'x'}",
    b'{"prompt": "x",}',
    b'{"prompt": "x"} // and so on',
    b'{"prompt": "a\nb"}',
    b'{"prompt": "\xff\xfe"}',
    b'{"prompt": "\xed\xa0\x80"}',
    b'{"prompt": "\\ud800"}',
    b'{"prompt": "\\udc00\\ud800"}',
    b'{"prompt": "x", "metadata": {"\\ud800": ""}}',
    b'{"prompt": "\\u12"}',
    b'{"prompt": NaN}',
    b'{"prompt": "x", "priority": NaN}',
    b'{"prompt": "x", "priority": -Infinity}',
    b'{"prompt": "x", "priority": ' + b"9" * 400 + b"}",
    b'{"prompt": "x", "priority": -' + b"9" * 400 + b"}",
    b'{"prompt": "x", "priority": 0.' + b"1" * 400 + b"}",
    b'{"prompt": "x", "priority": 1e999999}',
    b'{"prompt": "x", "max_credits": 1e400}',
    b'{"prompt": "x", "prompt": 1}',
    b'{"prompt": "x", "jobs": [], "url": 1, "since": 2, "from": 3}',
    b"\xef\xbb\xbf" + b'{"prompt": "x"}',
    '{"prompt": "x"}'.encode("utf-16"),
    '{"prompt": "x"}'.encode("utf-32"),
    b"[" * 1000 + b"]" * 1000,
    b"[" * 1_000_000,
    b'{"a":' * 1000 + b"1" + b"}" * 1000,
    b'{"prompt": "x", "metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    b'{"jobs": [' + b"[" * 1000 + b"]" * 1000 + b"]}",
    b'{"prompt": "' + b"x" * 10_001 + b'"}',
    b'{"' + b"k" * 1_000_000 + b'": 1}',
    b'{"prompt": "x", "metadata": {' + b",".join(b'"%d": ""' % n for n in range(10_000)) + b"}}",
    b'{"prompt": "' + b"x" * 4_000_001 + b'"}',
]
TARGETS = [
    (method.upper(), path.replace("{job_id}", f"job_{UUID}"))
    for path, methods in document()["paths"].items()
    for method, entry in methods.items()
    if "application/json" in entry.get("requestBody", {}).get("content", {}) and "replay" not in path
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_no_malformed_body_is_taken_anywhere(harness: Harness, clients: list[httpx.Client], body: bytes) -> None:
    before = jobs_kept(harness)
    for (method, path), client in zip(TARGETS, itertools.cycle(clients), strict=False):
        if body == b"" and path == "/v1/sessions":
            continue  # a session needs no body
        check_refusal(client.request(method, path, content=body, headers=JSON))
    assert jobs_kept(harness) == before


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ('APPLICATION/JSON ; charset="UTF-8"; x=y', 200),
        ("application/merge-patch+json", 200),
        ("application/json, text/plain", 415),
        ("text/json", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/x-www-form-urlencoded", 415),
        (";", 415),
        ("", 415),
        ("x" * 8000, 415),
    ],
)
def test_a_body_is_taken_by_its_content_type(clients: list[httpx.Client], media_type: str, status: int) -> None:
    body = json.dumps({"prompt": "trim it", "media": [CLIP]}).encode()
    answer = clients[0].post("/v1/jobs:validate", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status, answer.text


IDS = [
    "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cx", "%00", f"job_{UUID}%00", f"job_{UUID}%0d%0aX-Evil:%201",
    "*", "%2a", "%ff%fe", "%", "%zz", "%F0%9F%8E%AC", "job_", f"JOB_{UUID.upper()}", f"job_{UUID}.mp4", "job_" + "0" * 8000,
    f"ses_{UUID}", "%7b%7d", "null", "-1", "[object%20Object]", f"job_{UUID}?", f"job_{UUID}%20", "a:b", ";x=1",
]  # fmt: skip


@pytest.mark.parametrize("hostile", IDS, ids=range(len(IDS)))
def test_no_id_leads_anywhere_that_it_should_not(clients: list[httpx.Client], hostile: str) -> None:
    for path, methods in document()["paths"].items():
        for method in methods if "{" in path else ():
            target = re.sub(r"\{\w+\}", hostile.replace("\\", r"\\"), path).encode()
            url = clients[0].base_url.copy_with(raw_path=target)
            answer = clients[0].request(method, url, headers={"Accept": "application/json"})
            in_query = {422} if "?" in hostile else set()  # the rest of the path is the query then
            assert answer.status_code in {400, 404, 405, 415} | in_query, (method, target, answer.text)
            assert "x-evil" not in answer.headers
            if method != "head":
                check_refusal(answer)


@pytest.mark.parametrize("path", document()["paths"])
def test_every_path_says_what_it_can_do_and_refuses_the_rest(clients: list[httpx.Client], path: str) -> None:
    described = {method.upper() for method in document()["paths"][path]}
    known = described | ({"HEAD"} if "GET" in described else set())
    target = re.sub(r"\{\w+\}", f"job_{UUID}", path)
    asked = clients[0].options(target)
    assert (asked.status_code, asked.content) == (204, b"")
    assert set(asked.headers["allow"].split(", ")) == known | {"OPTIONS"}
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} - known:
        answer = clients[1].request(method, target)
        assert answer.status_code == 405, (method, target)
        assert set(answer.headers["allow"].split(", ")) == known | {"OPTIONS"}
        if method != "HEAD":
            check_refusal(answer)


HEADERS = [
    ("Idempotency-Key", "a" * 255, 202),
    ("Idempotency-Key", '"' + "b" * 255 + '"', 202),
    ("Idempotency-Key", "a" * 256, 400),
    ("Idempotency-Key", '"' + "a" * 256 + '"', 400),
    ("Idempotency-Key", '"half', 400),
    ("Idempotency-Key", '""', 400),
    ("Idempotency-Key", "", 400),
    ("Idempotency-Key", "a b", 400),
    ("Idempotency-Key", "a\tb", 400),
    ("Idempotency-Key", "\x80\xff", 400),
    ("Prefer", "wait=-1", 202),
    ("Prefer", "wait=1e9, wait=, wait, respond-async; wait=x", 202),
    ("Prefer", "wait=" + "9" * 4000, 202),
    ("Prefer", "wait=0" + ", wait=60" * 2000, 202),
    ("Prefer", "\xff" * 4000, 202),
    ("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-00", 202),
    ("traceparent", "\xff" * 4000, 202),
    ("X-Request-Id", "x\x80\ty", 202),
    ("X-Request-Id", "x" * 60_000, 202),
    ("X-Forwarded-For", "127.0.0.1," * 1000, 202),
    ("X-HTTP-Method-Override", "DELETE", 202),
    ("Host", "evil.example:99999", 202),
    ("Content-Encoding", "gzip", 415),
    ("Content-Encoding", "identity", 202),
    ("Cookie", "=;" * 10_000, 202),
    ("Accept", "*/*;q=\xff," * 1000, 202),
]


@pytest.mark.parametrize(("name", "value", "status"), HEADERS, ids=range(len(HEADERS)))
def test_a_header_does_what_it_may_and_no_more(
    harness: Harness, clients: list[httpx.Client], name: str, value: str, status: int
) -> None:
    before = jobs_kept(harness)
    fields = [(name.encode(), value.encode("latin-1")), (b"Content-Type", b"application/json")]
    answer = clients[0].post("/v1/jobs", json={"prompt": "trim it", "media": [CLIP]}, headers=fields)
    assert answer.status_code == status, answer.text
    assert jobs_kept(harness) == before + (status == 202)
    assert "evil" not in answer.text + str(answer.headers)
    (request_id,) = answer.headers.get_list("x-request-id")
    assert len(request_id) == 36
    if status != 202:
        check_refusal(answer)


READS = [
    ("If-None-Match", "*", {304}),
    ("If-None-Match", "W/", {200}),
    ("If-None-Match", ', , "' + ',"x"' * 10_000, {200}),
    ("If-None-Match", "\xff", {200}),
    ("Accept", "\xff/\xff", {200}),
    ("Range", "bytes=0-", {200}),
]


@pytest.mark.parametrize(("name", "value", "statuses"), READS, ids=range(len(READS)))
def test_a_reader_may_say_what_it_likes(clients: list[httpx.Client], name: str, value: str, statuses: set[int]) -> None:
    job = clients[0].post("/v1/jobs", json={"prompt": "trim it", "media": [CLIP]}).json()
    answer = clients[1].get(f"/v1/jobs/{job['id']}", headers=[(name.encode(), value.encode("latin-1"))])
    assert answer.status_code in statuses


@pytest.mark.parametrize("last", ["x", "evt_", f"evt_{UUID}", f"evt_{UUID}, evt_{UUID}", "\xff" * 4000, "0-0", "$"])
def test_a_stream_from_no_known_event_begins_anew(clients: list[httpx.Client], last: str) -> None:
    job = clients[0].post("/v1/jobs", json={"prompt": "trim it", "media": [CLIP]}).json()
    fields = [(b"Last-Event-ID", last.encode("latin-1"))]
    with clients[1].stream("GET", f"/v1/jobs/{job['id']}/events", headers=fields) as answer:
        events = (line for line in answer.iter_lines() if line.startswith("event: "))
        assert [next(events), next(events)] == ["event: reset", "event: snapshot"]


@pytest.mark.parametrize(
    "query",
    ["%0d%0aX-Evil:%201=1&limit=1", "after=%0d%0aX-Evil:%201&limit=1", "limit=1&limit=%0d%0a", "limit=1&x=%00%ff%0a"],
)
def test_no_query_gets_into_a_header(clients: list[httpx.Client], query: str) -> None:
    for path in ("/v1/jobs", "/v1/events", "/v1/sessions", "/v1/deliveries"):
        answer = clients[0].get(f"{path}?{query}")
        assert answer.status_code in {200, 422}
        assert "x-evil" not in answer.headers
        assert "\n" not in answer.headers.get("link", "")
