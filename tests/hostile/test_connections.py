"""Callers that drip, go on for ever, stop half-way, or speak no HTTP: each is answered or cut off, and leaves nothing."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from service.http.protocol import HEAD_LIMIT_BYTES
from tests.hostile.harness import Harness
from tests.until import PATIENCE_S

MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 5000


@contextmanager
def dialled(harness: Harness) -> Iterator[socket.socket]:
    host, port = harness.urls[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as line:
        yield line


def heard(line: socket.socket) -> bytes:
    """Read until the other side closes; a caller that still sends may find the line cut."""
    said = b""
    with suppress(ConnectionResetError):
        while piece := line.recv(65_536):
            said += piece
    return said


def told(line: socket.socket, data: bytes) -> None:
    """Send as much as is taken."""
    with suppress(BrokenPipeError, ConnectionResetError):
        line.sendall(data)


def refusal(answer: bytes) -> tuple[int, str]:
    """Read a refusal; it must be a whole problem document."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower(), answer[:500]
    assert b"x-request-id: " in head.lower()
    document = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % document["status"])
    return document["status"], document["code"]


def post(harness: Harness, path: str, *fields: str) -> bytes:
    """Write a head as a caller would who says what it likes."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {harness.key}", *fields, "", ""]
    return "\r\n".join(lines).encode()


NO_HTTP = [
    b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHo\0st: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded: yes\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, cow\r\n\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 32,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n\r\n\0",
]


@pytest.mark.parametrize("said", NO_HTTP, ids=range(len(NO_HTTP)))
def test_what_is_no_http_is_refused_with_a_problem_document(harness: Harness, said: bytes) -> None:
    with dialled(harness) as line:
        line.sendall(said)
        line.shutdown(socket.SHUT_WR)
        assert refusal(heard(line)) in {(400, "malformed_request"), (404, "not_found"), (405, "method_not_allowed")}


GOOD = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
#: what a caller says before it falls silent, and what it is told
SILENT = {
    "nothing": (b"", None),
    "half a head": (b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ", (408, "request_timeout")),
    "half a second head": (GOOD + b"GET /livez HTTP/1.1\r\n", (408, "request_timeout")),
    "half a body": (b"BODY application/json", (408, "request_timeout")),
    "half a body that is refused": (b"BODY text/plain", (415, "unsupported_media_type")),
}


@pytest.fixture(scope="module")
def answers_to_silence(harness: Harness) -> dict[str, bytes]:
    """Let all fall silent at once, and collect what each of them hears until it is cut off."""

    def fall_silent(opening: bytes) -> bytes:
        with dialled(harness) as line:
            line.sendall(opening)
            return heard(line)

    openings = [_opening(harness, said) for said, _ in SILENT.values()]
    with ThreadPoolExecutor(len(openings)) as pool:
        return dict(zip(SILENT, pool.map(fall_silent, openings), strict=True))


def _opening(harness: Harness, said: bytes) -> bytes:
    if not said.startswith(b"BODY "):
        return said
    media_type = said.removeprefix(b"BODY ").decode()
    return post(harness, "/v1/jobs", f"Content-Type: {media_type}", "Content-Length: 1000") + b'{"prompt":'


@pytest.mark.parametrize("case", SILENT)
def test_who_falls_silent_is_cut_off_with_a_word(answers_to_silence: dict[str, bytes], case: str) -> None:
    wanted, answer = SILENT[case][1], answers_to_silence[case]
    if wanted is None:
        assert answer == b""
        return
    assert refusal(answer[answer.rindex(b"HTTP/1.1 ") :]) == wanted


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v1/jobs?" + b"limit=1&" * 100_000, 414),
        (b"GET /" + b"a" * 10_000_000, 414),
        (b"GET /livez HTTP/1.1\r\nX-Long: " + b"a" * 10_000_000, 431),
        (b"GET /livez HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 100_000, 431),
        (b"GET /livez HTTP/1.1\r\n" + b"X-Long: " + b"a" * HEAD_LIMIT_BYTES + b"\r\n\r\n", 431),
    ],
    ids=["query", "path", "header", "headers", "whole"],
)
def test_a_head_without_end_is_refused_before_it_is_kept(harness: Harness, head: bytes, status: int) -> None:
    with dialled(harness) as line:
        told(line, head)
        answer = heard(line)
    # Whoever still sends when the line is cut may miss the words, as TCP has it.
    assert not answer or refusal(answer) == (status, "uri_too_long" if status == 414 else "headers_too_large")


def test_many_short_query_fields_are_no_trouble(harness: Harness) -> None:
    with harness.client() as client:
        answer = client.get("/v1/jobs?" + "x=1&" * 15_000)
    assert (answer.status_code, [e["pointer"] for e in answer.json()["errors"]]) == (422, ["/x"])


def test_a_head_in_pieces_may_come_with_a_large_body(harness: Harness) -> None:
    body = b'{"prompt": "' + b"x" * 200_000 + b'"}'
    fields = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close")
    head = post(harness, "/v1/jobs", *fields)
    with dialled(harness) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(head[:20])
        with harness.client() as client:
            client.get("/livez")  # the process has seen the first piece by then
        told(line, head[20:] + body)
        assert refusal(heard(line)) == (422, "invalid_value")


def test_an_upload_that_announces_too_much_is_refused_at_once(harness: Harness) -> None:
    fields = ("Content-Length: 600000000", "Connection: close")
    with dialled(harness) as line:
        line.sendall(post(harness, "/v1/uploads?filename=a.mp4", *fields) + MP4)
        assert refusal(heard(line)) == (413, "media_too_large")


def test_an_expected_continue_is_not_given_to_what_is_refused_anyway(harness: Harness) -> None:
    fields = ("Content-Type: text/plain", "Content-Length: 1000000", "Expect: 100-continue", "Connection: close")
    with dialled(harness) as line:
        line.sendall(post(harness, "/v1/jobs", *fields))
        assert b"100 Continue" not in heard(line)


HALF = [
    (("Content-Length: 100000",), MP4),
    (("Transfer-Encoding: chunked",), b"%x\r\n" % len(MP4) + MP4 + b"\r\n"),
    (("Transfer-Encoding: chunked",), b"%x\r\n" % len(MP4) + MP4 + b"\r\nnonsense\r\n"),
    (
        ("Content-Type: multipart/form-data; boundary=b", "Content-Length: 100000"),
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + MP4,
    ),
]


@pytest.mark.parametrize(("fields", "body"), HALF, ids=["length", "chunks", "bad chunk", "form"])
def test_an_upload_that_stops_half_way_leaves_nothing_behind(
    harness: Harness, fields: tuple[str, ...], body: bytes
) -> None:
    files, keys = harness.kept_files(), harness.kept_keys("*upl*")
    with dialled(harness) as line:
        line.sendall(post(harness, "/v1/uploads?filename=a.mp4", *fields) + body)
        line.shutdown(socket.SHUT_WR)
        heard(line)
    harness.wait_until(lambda: (harness.kept_files(), harness.kept_keys("*upl*")) == (files, keys))


def test_a_caller_that_vanishes_in_an_upload_leaves_nothing_behind(harness: Harness) -> None:
    files, keys = harness.kept_files(), harness.kept_keys("*upl*")
    with dialled(harness) as line:
        line.sendall(post(harness, "/v1/uploads?filename=a.mp4", "Content-Length: 100000") + MP4)
        harness.wait_until(lambda: harness.kept_keys("*upl*") != keys)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    harness.wait_until(lambda: (harness.kept_files(), harness.kept_keys("*upl*")) == (files, keys))


@pytest.mark.quick
def test_pipelined_requests_are_answered_in_their_order(harness: Harness) -> None:
    with dialled(harness) as line:
        one = b"GET /livez?%d HTTP/1.1\r\nHost: x\r\nX-Request-Id: r%d\r\n\r\n"
        line.sendall(b"".join(one % (n, n) for n in range(500)) + b"GET /livez HTTP/1.0\r\n\r\n")
        answer = heard(line)
    found = [field.split()[1] for field in answer.split(b"\r\n") if field.startswith(b"x-request-id: r")]
    assert found == [b"r%d" % n for n in range(500)]


def test_the_process_serves_on_while_many_connections_drip(harness: Harness) -> None:
    with dialled(harness) as first, dialled(harness) as second, harness.client() as client:
        for line in (first, second):
            line.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\n")
        assert client.get("/readyz").status_code == 200
