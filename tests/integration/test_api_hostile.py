"""Hostile requests: whatever comes over the wire is answered, never with a 5xx, and never with what is not described."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api_fixture import Api, running_api
from tests.until import PATIENCE_S, until


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


async def said(api: Api, head: bytes, body: bytes = b"") -> bytes:
    """Send bytes as they are, and read the status line and what follows until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    key = b"Authorization: Bearer " + api.key.encode()
    writer.write(head.replace(b"KEY", key).replace(b"\n", b"\r\n") + b"Connection: close\r\n\r\n" + body)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    return answer


REQUESTS = [
    (b"GET /v1/jobs?limit=%ff HTTP/1.1\nHost: x\nKEY\n", 422),
    (b"GET /v1/jobs?%ff=%fe&&=&limit=1 HTTP/1.1\nHost: x\nKEY\n", 422),
    (b"GET /v1/jobs?&&limit=1& HTTP/1.1\nHost: x\nKEY\n", 200),
    (b"GET /v1/jobs?status=queued&status=failed HTTP/1.1\nHost: x\nKEY\n", 422),
    (b"GET /v1/jobs?after=" + b"a" * 65 + b" HTTP/1.1\nHost: x\nKEY\n", 422),
    (b"GET /v1/jobs/%00%ff%2e%2e HTTP/1.1\nHost: x\nKEY\n", 404),
    (b"GET /v1/jobs/job_" + b"0" * 4000 + b" HTTP/1.1\nHost: x\nKEY\n", 404),
    (b"GET /v1/jobs/../../etc/passwd HTTP/1.1\nHost: x\nKEY\n", 404),
    (b"GET /v1/jobs HTTP/1.1\nHost: x\nAuthorization: Bearer \xff\xfe\n", 401),
    (b"GET /v1/jobs HTTP/1.1\nHost: x\nAuthorization: Bearer a b\n", 401),
    (b"GET /v1/jobs HTTP/1.1\nHost: a b/\nKEY\n", 400),
    (b"GET /v1/jobs HTTP/1.1\nHost: x\nKEY\nX-Request-Id: \x01\xff\n", None),
    (b"BREW /v1/jobs HTTP/1.1\nHost: x\nKEY\n", 400),
    (b"PATCH /v1/jobs HTTP/1.1\nHost: x\nKEY\n", 405),
    (b"POST /v1/jobs HTTP/1.1\nHost: x\nKEY\nContent-Type: \xff\nContent-Length: 0\n", 415),
    (b"POST /v1/jobs HTTP/1.1\nHost: x\nKEY\nContent-Type: application/json\nContent-Length: 0\n", 400),
    (b"POST /v1/jobs HTTP/1.1\nHost: x\nKEY\nContent-Type: application/json\nContent-Length: -5\n", 400),
    (b"POST /v1/jobs HTTP/1.1\nHost: x\nKEY\nContent-Type: application/json\nContent-Length: 9999999999\n", 413),
    (b"POST /v1/uploads?filename=a.mp4 HTTP/1.1\nHost: x\nKEY\nContent-Length: 0\n", 415),
    (b"POST /v1/uploads HTTP/1.1\nHost: x\nKEY\nContent-Type: multipart/form-data\nContent-Length: 0\n", 400),
    (
        b"POST /v1/uploads HTTP/1.1\nHost: x\nKEY\nContent-Type: multipart/form-data; boundary=\nContent-Length: 0\n",
        400,
    ),
    (b"POST /v1/uploads?filename=%00%0d%0a.mp4 HTTP/1.1\nHost: x\nKEY\nContent-Length: 0\n", 415),
    (b"GET /v1/jobs/job_1/output?expires=x&signature=y HTTP/1.1\nHost: x\n", 422),
    (b"GET /v1/jobs/job_1/output?expires=1&signature=%ff HTTP/1.1\nHost: x\n", 403),
    (b"GET /v1/events?after=evt_zz HTTP/1.1\nHost: x\nKEY\n", 422),
    (b"GET /v1/usage?month=0000-00 HTTP/1.1\nHost: x\nKEY\n", 422),
    (b"DELETE /v1/jobs/x HTTP/1.1\nHost: x\nKEY\n", 404),
]


@pytest.mark.parametrize(("head", "status"), REQUESTS, ids=range(len(REQUESTS)))
async def test_no_request_breaks_the_api(api: Api, head: bytes, status: int | None) -> None:
    answer = await said(api, head)
    found = int(answer.split(b" ", 2)[1])
    assert found < 500, answer
    assert status is None or found == status, answer
    if found >= 400:
        assert b"application/problem+json" in answer
    assert b"Traceback" not in answer


async def test_who_speaks_http_1_0_gets_no_chunks_and_reads_to_the_end(api: Api) -> None:
    job_id = (await api.submit())["id"]
    await api.http.post(f"/v1/jobs/{job_id}/cancel")
    path = f"GET /v1/jobs/{job_id}/events".encode()
    head, _, old = (await said(api, path + b" HTTP/1.0\nKEY\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding" not in head
    assert old.startswith(b"retry: 3000\n\nid: evt_")
    assert old.endswith(b"}\n\n")
    head, _, page = (await said(api, b"GET /v1/jobs HTTP/1.0\nKEY\n")).partition(b"\r\n\r\n")
    assert f"content-length: {len(page)}".encode() in head.lower()
    head, _, new = (await said(api, path + b" HTTP/1.1\nHost: x\nKEY\n")).partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert new.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("end", [b"", b"Expect: 100-continue\n"])
async def test_who_speaks_http_1_0_is_not_told_to_go_on(api: Api, end: bytes) -> None:
    body = b'{"prompt": ""}'
    fields = b"KEY\nContent-Type: application/json\nContent-Length: %d\n" % len(body)
    assert (await said(api, b"POST /v1/jobs HTTP/1.0\n" + fields + end, body)).startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize("how", [b"", b"Connection: close\r\n"], ids=["kept", "last"])
async def test_the_rest_of_a_refused_request_is_no_request_of_its_own(api: Api, how: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    writer.write(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\n" + how + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
    writer.write(b"no chunk\r\n")
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b"", "one answer for one request"
    writer.close()


async def test_what_follows_a_request_and_is_none_does_not_cost_that_one_its_answer(api: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"no request\r\n\r\n")
    answers = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == [b"200", b"200"]
    writer.close()


BODIES = [
    b'{"prompt":' + b"9" * 400 + b"}",
    b'{"prompt":"x","priority":' + b"9" * 400 + b"}",
    b'{"prompt":"x","max_credits":1e308}',
    b'{"prompt":"x","metadata":' + b'{"a":' * 1000 + b"1" + b"}" * 1001,
    b"[" * 1000 + b"]" * 1000,
    b'{"prompt":"a","prompt":1}',
    b'{"prompt":"\\ud800","media":[]}',
    b'{"prompt":"\\u0000","webhook":{"url":"https://\\u0000"}}',
    b'{"prompt":"x","media":[{"url":"https://[::ffff:127.0.0.1]/a.mp4"}]}',
    b'{"prompt":"x","media":[{"url":"https://2130706433/a.mp4"}]}',
    b'{"prompt":"x","media":[{"url":"https://user:hunter2@example.com/a.mp4"}]}',
    b'{"prompt":"x","session_id":"ses_\\u0000"}',
    b"\xef\xbb\xbf{}",
    b"null",
    b'"x"',
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_no_body_breaks_a_submit(api: Api, body: bytes) -> None:
    for path in ("/v1/jobs", "/v1/jobs:validate", "/v1/batches", "/v1/sessions", "/v1/webhook"):
        method = "PUT" if path == "/v1/webhook" else "POST"
        answer = await api.http.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500
        assert b"hunter2" not in answer.content
    assert (await api.http.get("/v1/jobs")).json()["data"] == []


async def test_a_batch_of_more_jobs_than_a_minute_takes_is_told_so_for_good(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, submits_per_minute=2) as api:
        ask = {"prompt": "make a video", "profile": "free-video-generation-automatic"}
        answer = await api.http.post("/v1/batches", json={"jobs": [ask] * 3})
        assert (answer.status_code, answer.json()["retryable"]) == (422, False)
        assert "2" in answer.json()["detail"]


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
BODY = b'{"prompt": "how many credits do I have?"}'
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
WHOLE = b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.mark.parametrize("body", [WHOLE, CHUNKED], ids=["whole", "chunked"])
@pytest.mark.parametrize("cut", [None, -1, -20, 60, 120])
async def test_a_request_that_offers_another_protocol_is_read_as_if_it_did_not(
    api: Api, body: bytes, cut: int | None
) -> None:
    """Java's client offers HTTP/2 in each first request, and so does ``curl --http2``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    key = b"Host: x\r\nAuthorization: Bearer " + api.key.encode() + b"\r\n"
    request = b"POST /v1/jobs HTTP/1.1\r\n" + OFFER + key + b"Content-Type: application/json\r\n" + body
    for number in range(2):
        writer.write(request[:cut])
        await writer.drain()
        if cut is not None:
            await api.http.get("/livez")
            writer.write(request[cut:])
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202 "), (number, head)
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), PATIENCE_S)).startswith(b"HTTP/1.1 200 ")
    writer.close()


@pytest.mark.parametrize(
    "began", [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\nzz\r\n"]
)
async def test_who_breaks_off_within_a_body_is_no_error_of_ours(
    api: Api, caplog: pytest.LogCaptureFixture, began: bytes
) -> None:
    before = await counted(api, 400)
    _, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    key = b"Host: x\r\nAuthorization: Bearer " + api.key.encode() + b"\r\nContent-Type: application/json\r\n"
    writer.write(b"POST /v1/jobs HTTP/1.1\r\n" + key + began)
    await writer.drain()
    await api.http.get("/livez")
    writer.close()

    async def is_noted() -> bool:
        return await counted(api, 400) > before

    await until(is_noted, within_s=PATIENCE_S)
    assert not [record.levelname for record in caplog.records if record.levelno >= logging.ERROR]


async def counted(api: Api, status: int) -> float:
    """How many submits were answered so, as the metrics tell."""
    line = f'reelgate_http_requests_total{{method="POST",route="/v1/jobs",status="{status}"}} '
    text = (await api.http.get("/metrics")).text
    return sum(float(row.removeprefix(line)) for row in text.splitlines() if row.startswith(line))
