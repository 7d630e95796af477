"""The client against a peer that answers with the bytes of a test: what is sent, and how every failure comes out."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from importlib.metadata import version

import brotli
import msgspec
import pytest

from core.profiles import PROFILES
from tests.peer_fixture import answered, page, peer
from worker.backend.bodies import Redirected
from worker.backend.breaker import FAILURES_ALLOWED
from worker.backend.client import Backend, Credentials
from worker.backend.events import Heartbeat, StreamError, Text, ToolResult, Unknown
from worker.backend.faults import BackendFault, Fault
from worker.backend.multipart import SizeMismatch
from worker.backend.requests import attribution

CALLER = Credentials("nmv_usr_secret", "maker-free", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Counted:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.kinds: list[str] = []
        self.surprises: list[tuple[str, str]] = []

    def request(self, call: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((call, code))

    def stream_event(self, kind: str) -> None:
        self.kinds.append(kind)

    def surprise(self, call: str, kind: str) -> None:
        self.surprises.append((call, kind))

    def tls_failure(self) -> None:
        self.surprises.append(("", "tls"))


@asynccontextmanager
async def backend(url: str, counted: Counted | None = None, answer_timeout_s: float = 60) -> AsyncIterator[Backend]:
    made = Backend(url, platform="unknown", metrics=counted or Counted(), answer_timeout_s=answer_timeout_s)
    try:
        yield made
    finally:
        await made.aclose()


async def said(made: Backend, job_id: str = "", **more: float) -> list[object]:
    caller = msgspec.structs.replace(CALLER, job_id=job_id)
    async with made.send_message(caller, session_id="1", text="cut it", **more) as events:
        return [event async for event in events]


async def fault_of_message(made: Backend, job_id: str = "", **more: float) -> BackendFault:
    with pytest.raises(BackendFault) as caught:
        await said(made, job_id, **more)
    return caught.value


async def test_every_header_of_the_contract_is_sent() -> None:
    async with peer(answered({"code": 0, "data": {"available": 1}})) as remote, backend(remote.url) as made:
        assert (await made.read_credits(CALLER)).available == 1
    ((line, headers, _),) = remote.requests
    assert line == "GET /api/credits/balance/simple HTTP/1.1"
    assert headers["authorization"] == "Bearer nmv_usr_secret"
    assert headers["x-skill-source"] == "maker-free"
    assert headers["x-skill-version"] == PROFILES["maker-free"].version
    assert headers["x-skill-platform"] == "unknown"
    assert headers["traceparent"] == CALLER.traceparent


def test_a_skill_is_named_with_its_own_version() -> None:
    skill = msgspec.structs.replace(PROFILES["maker-free"], version="2.1.0")
    headers = attribution(skill, platform="clawhub")
    assert headers == {"X-Skill-Source": "maker-free", "X-Skill-Version": "2.1.0", "X-Skill-Platform": "clawhub"}


async def test_the_token_call_names_the_client_and_no_token() -> None:
    answer = answered({"code": 0, "data": {"token": "nmv_usr_1", "expires_at": "2026-11-27T00:00:00Z", "credits": 100}})
    async with peer(answer) as remote, backend(remote.url) as made:
        issued = await made.issue_anonymous_token("c0ffee", profile="maker-free")
    assert (issued.token, issued.credits, issued.user_id) == ("nmv_usr_1", 100, None)
    assert issued.expires_at_ms == 1_795_737_600_000
    ((line, headers, body),) = remote.requests
    assert (line, headers["x-client-id"], body) == ("POST /api/auth/anonymous-token HTTP/1.1", "c0ffee", b"")
    assert (headers["x-skill-source"], headers["x-skill-version"]) == ("maker-free", PROFILES["maker-free"].version)
    assert "authorization" not in headers


async def test_bodies_are_written_as_the_contract_does() -> None:
    async with (
        peer(answered({"session_id": 5, "claim_token": "clm_1", "files": []})) as remote,
        backend(remote.url) as made,
    ):
        assert (await made.open_session(CALLER, language="zh-CN")).session_id == "5"
        await made.open_session(CALLER, language=None)
        claim = await made.make_claim_token(CALLER, task_id="t", session_id="s")
        assert (claim.token, claim.expires_in_s) == ("clm_1", None)
        await made.upload_url(CALLER, session_id="a/b", urls=["https://x/1.mp4"])
        await made.start_render(CALLER, render_id="render_1", session_id="s", draft={"t": []}, output={"format": "mp4"})
        await made.cancel_render(CALLER, "render/1")
    assert [(line.split()[1], json.loads(body or b"null")) for line, _, body in remote.requests] == [
        ("/api/tasks/me/with-session/nemo_agent", {"language": "zh-CN", "task_name": "project"}),
        ("/api/tasks/me/with-session/nemo_agent", {"task_name": "project"}),
        ("/api/auth/claim-token", {"task_id": "t", "session_id": "s"}),
        ("/api/upload-video/nemo_agent/me/a%2Fb", {"urls": ["https://x/1.mp4"], "source_type": "url"}),
        (
            "/api/render/proxy/lambda",
            {"id": "render_1", "sessionId": "s", "draft": {"t": []}, "output": {"format": "mp4"}},
        ),
        ("/api/render/proxy/lambda/render%2F1/cancel", None),
    ]


async def test_a_message_is_sent_as_the_contract_writes_it() -> None:
    async with peer(STREAM + b'data: {"type":"text","content":"Done."}\n\n') as remote, backend(remote.url) as made:
        assert await said(made) == [Text("Done.")]
    ((line, headers, body),) = remote.requests
    assert (line, headers["accept"]) == ("POST /run_sse HTTP/1.1", "text/event-stream")
    assert json.loads(body) == {
        "app_name": "nemo_agent",
        "user_id": "me",
        "session_id": "1",
        "new_message": {"parts": [{"text": "cut it"}]},
    }


async def test_events_come_while_the_stream_is_open_and_leaving_closes_it() -> None:
    event = b': hello\n\ndata: {"type":"text","content":"Cutting."}\n\n'
    async with (
        peer(STREAM + event, holds=True) as remote,
        backend(remote.url) as made,
        made.send_message(CALLER, session_id="1", text="x") as events,
    ):
        assert await anext(events) == Heartbeat()
        assert await anext(events) == Text("Cutting.")


async def test_each_message_has_a_connection_of_its_own() -> None:
    body = b'data: {"type":"text","content":"Done."}\n\n'
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with peer(answer) as remote, backend(remote.url) as made:
        for _ in range(3):
            await said(made)
    assert remote.connections == 3


async def test_calls_and_events_are_counted_by_what_came_of_them() -> None:
    counted = Counted()
    events = b'data:\n\ndata: {\n\ndata: {"type":"text","content":"Done."}\n\ndata: {"error":"it broke"}\n\n'
    async with peer(STREAM + events) as remote, backend(remote.url, counted) as made:
        assert await said(made) == [Heartbeat(), Unknown(), Text("Done."), StreamError("it broke")]
        remote.answer = answered({"code": 1001, "message": "expired"})
        with pytest.raises(BackendFault):
            await made.read_credits(CALLER)
        remote.answer = answered({}, "503 Busy")
        with pytest.raises(BackendFault):
            await made.read_credits(CALLER)
    async with backend(remote.url, counted) as made:
        with pytest.raises(BackendFault):
            await made.read_credits(CALLER)
    assert counted.kinds == ["heartbeat", "unknown", "text", "error"]
    assert counted.calls == [("message", "200"), ("credits", "1001"), ("credits", "503"), ("credits", "unreachable")]


async def test_what_json_says_of_a_message_is_counted_and_holds_others_back_like_any_answer() -> None:
    counted = Counted()
    async with peer(answered({"code": 2001, "message": "no"})) as remote, backend(remote.url, counted) as made:
        assert (await fault_of_message(made)).fault is Fault.NO_CREDITS
        remote.answer = answered({"code": 0, "data": {"queued": True}})
        for job in range(FAILURES_ALLOWED):
            assert (await fault_of_message(made, job_id=f"job_{job}")).fault is Fault.BROKEN
        assert made.leaves_alone("message")
    assert counted.calls == [("message", "2001"), *[("message", "200")] * FAILURES_ALLOWED]
    assert counted.surprises == [("message", "no_stream")] * FAILURES_ALLOWED


async def test_an_event_behind_lines_of_json_is_no_refusal_of_what_they_tell() -> None:
    told = b'{"type":"text","content":"Cutting."}\n\ndata: {"code":2001,"message":"no credits left"}\n\n'
    async with peer(STREAM + told) as remote, backend(remote.url) as made:
        assert await said(made) == [Text("Cutting."), StreamError("no credits left", 2001)]


async def test_no_connection_means_that_nothing_was_sent() -> None:
    async with peer(b"") as remote:
        pass
    async with backend(remote.url) as made:
        seen = await fault_of_message(made)
    assert (seen.fault, seen.maybe_done) == (Fault.UNREACHABLE, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        CHUNKED + b'29\r\ndata: {"type":"text"',
        CHUNKED + b"zz\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["closed", "no HTTP", "half a head", "cut mid-stream", "bad chunk", "502", "JSON"],
)
async def test_a_message_that_may_have_arrived_is_maybe_done(answer: bytes) -> None:
    async with peer(answer) as remote, backend(remote.url) as made:
        seen = await fault_of_message(made)
    assert (seen.fault, seen.maybe_done, seen.call) == (Fault.BROKEN, True, "message")


async def test_an_event_above_the_cap_costs_itself_and_no_refusal_after_it_means_that_nothing_was_done() -> None:
    endless = b"data: " + b"x" * 5_000_000
    async with peer(STREAM + endless) as remote, backend(remote.url) as made:
        assert await said(made) == [Unknown()]
        remote.answer = STREAM + endless + b'\n\ndata: {"type":"text","content":"Done."}\n\n'
        assert await said(made) == [Unknown(), Text("Done.")]
        remote.answer = STREAM + endless + b'\n\ndata: {"code":1001,"message":"expired"}\n\n'
        assert await said(made) == [Unknown(), StreamError("expired", 1001)]


async def test_silence_is_broken_after_its_time() -> None:
    async with peer(STREAM, holds=True) as remote, backend(remote.url) as made:
        assert (await fault_of_message(made, silence_s=0.05)).fault is Fault.BROKEN
    async with peer(b"", holds=True) as remote, backend(remote.url, answer_timeout_s=0.05) as made:
        with pytest.raises(BackendFault) as caught:
            await made.read_credits(CALLER)
    assert caught.value.fault is Fault.BROKEN


async def test_what_came_before_a_drop_is_told() -> None:
    event = b'data: {"type":"text","content":"Cutting."}\n\n'
    chunk = b"%x\r\n%s\r\n" % (len(event), event)
    async with (
        peer(CHUNKED + chunk) as remote,
        backend(remote.url) as made,
        made.send_message(CALLER, session_id="1", text="x") as events,
    ):
        assert await anext(events) == Text("Cutting.")
        with pytest.raises(BackendFault):
            await anext(events)


async def test_what_the_caller_raises_inside_a_stream_is_not_touched() -> None:
    async with peer(STREAM + b"data:\n\n", holds=True) as remote, backend(remote.url) as made:
        with pytest.raises(LookupError):
            async with made.send_message(CALLER, session_id="1", text="x"):
                raise LookupError


@pytest.mark.parametrize(
    ("code", "fault"), [(1001, Fault.TOKEN_REFUSED), (1002, Fault.SESSION_LOST), (2001, Fault.NO_CREDITS)]
)
async def test_a_message_is_refused_by_an_answer_or_by_a_first_frame(code: int, fault: Fault) -> None:
    refusal = {"code": code, "message": "no"}
    async with peer(answered(refusal)) as remote, backend(remote.url) as made:
        assert (await fault_of_message(made)).fault is fault
        remote.answer = STREAM + b": hi\n\ndata: " + json.dumps(refusal).encode() + b"\n\n"
        assert (await fault_of_message(made)).fault is fault
        remote.answer = (
            STREAM + b'data: {"type":"tool_call","name":"cut"}\n\ndata: ' + json.dumps(refusal).encode() + b"\n\n"
        )
        assert StreamError("no", code) in await said(made)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "tool_started", "name": "cut"},
        {"type": "progress", "stage": "generating"},
        {"content": {"role": "model", "parts": [{"text": "I will cut it.", "thought": True}]}},
        {"content": {"parts": []}, "actions": {"stateDelta": {"draft": "…"}}},
    ],
)
async def test_a_refusal_after_an_event_that_nobody_has_described_does_not_mean_that_nothing_was_done(event) -> None:
    refusal = {"type": "error", "code": 2001, "message": "no credits left"}
    frames = b"".join(b"data: %s\n\n" % json.dumps(frame).encode() for frame in (event, refusal))
    async with peer(STREAM + frames) as remote, backend(remote.url) as made:
        assert await said(made) == [Unknown(), StreamError("no credits left", 2001)]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (page("403 Forbidden"), "page"),
        (page("503 Service Unavailable", b""), "empty"),
        (page("200 OK"), "page"),
        (page("200 OK", b""), "empty"),
        (answered([1]), "missing_field"),
        (answered("hello"), "no_object"),
        (answered({"code": 0, "data": None}), "missing_field"),
        (answered({"code": 0, "data": {"balance": 7}}), "missing_field"),
        (answered({"code": 7777, "message": "quota"}), "unknown_code"),
    ],
)
async def test_an_answer_of_a_shape_that_nobody_has_described_is_counted(answer: bytes, kind: str) -> None:
    counted = Counted()
    async with peer(answer) as remote, backend(remote.url, counted) as made:
        with pytest.raises(BackendFault):
            await made.read_credits(CALLER)
    assert counted.surprises == [("credits", kind)]


@pytest.mark.parametrize(
    "body", [{"code": 1001}, {"code": 429}, {"code": 500}, {"success": False}, {"code": 0, "data": {"available": 1}}]
)
async def test_known_refusals_and_answers_surprise_nobody(body: dict[str, object]) -> None:
    counted = Counted()
    async with peer(answered(body)) as remote, backend(remote.url, counted) as made:
        with suppress(BackendFault):
            await made.read_credits(CALLER)
    assert counted.surprises == []


async def test_events_that_nobody_has_described_are_counted_as_surprises() -> None:
    counted = Counted()
    async with peer(STREAM + b'data: {"type":"dance"}\n\n') as remote, backend(remote.url, counted) as made:
        await said(made)
    assert counted.surprises == [("message", "unknown_event")]


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_an_answer_in_a_coding_that_was_not_asked_for_is_read(coding: str) -> None:
    plain = b'{"code":0,"data":{"available":7}}'
    body = gzip.compress(plain) if coding == "gzip" else brotli.compress(plain)
    answer = page("200 OK", body, f"Content-Encoding: {coding}")
    async with peer(answer) as remote, backend(remote.url) as made:
        assert (await made.read_credits(CALLER)).available == 7
    ((_, headers, _),) = remote.requests
    assert headers["accept-encoding"] == "identity"


async def test_whoever_calls_says_what_it_is_in_every_call() -> None:
    async with peer(answered({"code": 0, "data": {"available": 1}})) as remote, backend(remote.url) as made:
        await made.read_credits(CALLER)
        with suppress(BackendFault):
            await made.issue_anonymous_token("c0ffee", profile="maker-free")
        with suppress(BackendFault):
            await said(made)
        with suppress(BackendFault):
            async with made.open_output(f"{remote.url}/film.mp4", CALLER):
                pass
        with suppress(BackendFault):
            async with made.open_download(CALLER, "render_1"):
                pass
    agents = {headers["user-agent"] for _, headers, _ in remote.requests}
    assert (agents, len(remote.requests)) == ({f"Reelgate/{version('reelgate')}"}, 5)


async def test_a_session_without_a_state_is_told_from_a_page_and_from_a_lost_session() -> None:
    faults = {}
    for name, answer in {
        "none": answered({"detail": "Not Found"}, "404 Not Found"),
        "null": answered({"code": 0, "data": None}),
        "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
        "empty": page("200 OK", b""),
        "complaint": answered({"detail": "Not Found"}),
        "page": page("404 Not Found"),
        "lost": answered({"code": 1002}),
    }.items():
        async with peer(answer) as remote, backend(remote.url) as made:
            with pytest.raises(BackendFault) as caught:
                await made.read_state(CALLER, "1")
            faults[name] = caught.value.fault
    assert faults == {
        "none": Fault.NO_STATE,
        "null": Fault.NOTHING_TOLD,
        "no content": Fault.NOTHING_TOLD,
        "empty": Fault.BROKEN,
        "complaint": Fault.BROKEN,
        "page": Fault.BROKEN,
        "lost": Fault.SESSION_LOST,
    }


@pytest.mark.parametrize(
    ("code", "expected"), [(2001, Fault.NO_CREDITS), (1002, Fault.SESSION_LOST), (0, Fault.BROKEN)]
)
@pytest.mark.parametrize("called", [b"text/event-stream", b"text/plain", b""])
async def test_a_refusal_of_a_message_is_heard_whatever_its_type_is_called(
    code: int, expected: Fault, called: bytes
) -> None:
    body = json.dumps({"code": code, "message": "no"}).encode()
    async with (
        peer(STREAM.replace(b"text/event-stream", called) + body) as remote,
        backend(remote.url) as made,
    ):
        assert (await fault_of_message(made)).fault is expected, "JSON is no stream that said nothing"


EVENTS = [{"type": "tool_result", "name": "cut", "result": {}}, {"type": "text", "content": "Done."}]


@pytest.mark.parametrize(
    "body", [EVENTS, {"code": 0, "data": EVENTS}, {"events": EVENTS}, {"code": 0, "data": {"events": EVENTS}}]
)
@pytest.mark.parametrize("blanks", [b"", b"\r\n", b"\xef\xbb\xbf"])
async def test_a_message_that_is_answered_at_once_by_all_its_events_is_heard(body: object, blanks: bytes) -> None:
    written = blanks + json.dumps(body).encode()
    head = STREAM.replace(b"text/event-stream", b"application/json")
    async with peer(head + written) as remote, backend(remote.url) as made:
        assert await said(made) == [ToolResult("cut"), Text("Done.")]


@pytest.mark.parametrize(
    "beside",
    [{"code": 2001}, {"error": {"code": 1002, "message": "gone"}}, {"success": False, "message": "no credits"}],
)
@pytest.mark.parametrize("key", ["events", "data"])
async def test_work_that_json_lists_was_done_whatever_error_stands_beside_it(
    beside: dict[str, object], key: str
) -> None:
    head = STREAM.replace(b"text/event-stream", b"application/json")
    written = json.dumps(beside | {key: EVENTS}).encode()
    async with peer(head + written) as remote, backend(remote.url) as made:
        heard = await said(made)
        assert heard[:2] == [ToolResult("cut"), Text("Done.")]
        assert isinstance(heard[2], StreamError)
        remote.answer = written.join([b"HTTP/1.1 402 X\r\nContent-Length: %d\r\n\r\n" % len(written), b""])
        assert (await fault_of_message(made)).maybe_done


@pytest.mark.parametrize("listed", [[], [{"type": "heartbeat"}], [{"type": "missing", "loc": ["body"]}]])
async def test_a_refusal_that_lists_no_work_is_one(listed: list[object]) -> None:
    answer = answered({"code": 2001, "message": "no credits", "data": listed})
    async with peer(answer) as remote, backend(remote.url) as made:
        assert (await fault_of_message(made)).fault is Fault.NO_CREDITS


async def test_a_stream_that_says_it_is_over_and_stays_open_is_over() -> None:
    text = b'data: {"type":"text","content":"Done."}\n\n'
    over = b"data: [DONE]\n\n"
    async with peer(STREAM + text + over, holds=True) as remote, backend(remote.url) as made:
        assert await said(made, silence_s=2) == [Text("Done."), Heartbeat(last=True)]
        remote.answer = STREAM + over + text
        assert (await fault_of_message(made, silence_s=0.05)).fault is Fault.BROKEN, "it went on"


async def ping_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say that this was all, and stay open with a sign of life now and then."""
    writer.write(STREAM + b'data: {"type":"text","content":"Done."}\n\ndata: [DONE]\n\n')
    with closing(writer), suppress(ConnectionError):
        while not reader.at_eof():
            writer.write(b": ping\n\ndata: ping\n\n")
            await writer.drain()
            await asyncio.sleep(0.02)


async def test_signs_of_life_behind_its_end_keep_no_stream_open() -> None:
    server = await asyncio.start_server(ping_for_ever, "127.0.0.1", 0)
    async with server, backend(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as made:
        assert (await said(made, silence_s=10))[:2] == [Text("Done."), Heartbeat(last=True)]


async def test_a_message_that_is_answered_in_lines_of_json_is_heard() -> None:
    lines = b"".join(json.dumps(event).encode() + b"\n" for event in EVENTS)
    head = STREAM.replace(b"text/event-stream", b"application/x-ndjson")
    async with peer(head + lines) as remote, backend(remote.url) as made:
        assert await said(made) == [ToolResult("cut"), Text("Done.")]
        remote.answer = head + b'{"code": 2001, "message": "no credits"}\n{"type": "end"}\n'
        assert (await fault_of_message(made)).fault is Fault.NO_CREDITS


@pytest.mark.parametrize("blanks", [b"\n\n", b"\xef\xbb\xbf"])
async def test_a_refusal_is_heard_behind_blank_lines_too(blanks: bytes) -> None:
    async with peer(STREAM + blanks + b'{"code": 2001}') as remote, backend(remote.url) as made:
        assert (await fault_of_message(made)).fault is Fault.NO_CREDITS


@pytest.mark.parametrize(("status", "kind"), [(b"201 Created", b"text/event-stream"), (b"200 OK", b"application/json")])
async def test_a_stream_is_heard_under_another_success_and_another_type(status: bytes, kind: bytes) -> None:
    event = b'data: {"type":"text","content":"Done."}\n\n'
    head = STREAM.replace(b"200 OK", status).replace(b"text/event-stream", kind)
    async with peer(head + event) as remote, backend(remote.url) as made:
        assert await said(made) == [Text("Done.")]


async def test_redirects_are_refused_and_not_followed() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with peer(redirect) as remote, backend(remote.url) as made:
        with pytest.raises(BackendFault) as caught:
            await made.read_credits(CALLER)
    assert (caught.value.fault, len(remote.requests)) == (Fault.BROKEN, 1), "it may be a login page of somebody else's"


async def test_an_answer_that_lacks_what_was_asked_for_is_broken() -> None:
    async with peer(answered({"code": 0, "data": {}})) as remote, backend(remote.url) as made:
        for asked in (
            made.read_credits(CALLER),
            made.open_session(CALLER, language=None),
            made.issue_anonymous_token("c", profile="maker-free"),
        ):
            with pytest.raises(BackendFault) as caught:
                await asked
            assert caught.value.fault is Fault.BROKEN


async def test_retry_after_reaches_the_caller() -> None:
    async with peer(answered({}, "429 Too Many Requests", "Retry-After: 30")) as remote, backend(remote.url) as made:
        with pytest.raises(BackendFault) as caught:
            await made.issue_anonymous_token("c", profile="maker-free")
    assert (caught.value.fault, caught.value.retry_after_s) == (Fault.RATE_LIMITED, 30.0)


@pytest.mark.parametrize("token", ["nmv_usr_é", "nmv_usr_a\r\nX-Evil: 1"])
async def test_a_token_that_no_header_can_hold_is_refused_before_sending(token: str) -> None:
    async with peer(answered({})) as remote, backend(remote.url) as made:
        with pytest.raises(BackendFault) as caught:
            await made.read_credits(Credentials(token, "maker-free"))
    assert (caught.value.fault, remote.requests) == (Fault.REFUSED, [])
    assert "nmv_usr" not in repr(caught.value) + str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    assert repr(CALLER) == "Credentials(profile='maker-free')"
    assert list(CALLER.__rich_repr__()) == [("profile", "maker-free")]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_file_is_sent_with_its_length_and_its_name() -> None:
    files = {"files": [{"filename": "a.mp4", "cdn_url": "https://cdn/a.mp4", "duration": 30.5, "width": 1920}]}
    async with peer(answered({"code": 0, "data": files})) as remote, backend(remote.url) as made:
        answer = await made.upload_file(
            CALLER, session_id="s", filename='we "ird\r\n街.mp4', size_bytes=6, chunks=chunks(b"abc", b"", b"def")
        )
    (uploaded,) = answer.files
    assert (uploaded.cdn_url, uploaded.duration_s, uploaded.width, uploaded.hash) == (
        "https://cdn/a.mp4",
        30.5,
        1920,
        None,
    )
    ((line, headers, body),) = remote.requests
    assert line == "POST /api/upload-video/nemo_agent/me/s HTTP/1.1"
    assert int(headers["content-length"]) == len(body)
    head, _, rest = body.partition(b"\r\n\r\n")
    assert 'name="files"; filename="we %22ird%0D%0A街.mp4"\r\nContent-Type: video/mp4'.encode() in head
    assert rest.startswith(b"abcdef\r\n--")
    assert "transfer-encoding" not in headers


@pytest.mark.parametrize("size_bytes", [5, 7])
async def test_a_file_of_another_size_than_said_is_not_sent_whole(size_bytes: int) -> None:
    async with peer(answered({})) as remote, backend(remote.url) as made:
        with pytest.raises(SizeMismatch):
            await made.upload_file(
                CALLER, session_id="s", filename="a.mp4", size_bytes=size_bytes, chunks=chunks(b"abc", b"def")
            )
    assert remote.requests == []


async def fetched(made: Backend, url: str, credentials: Credentials | None = None) -> tuple[int | None, bytes]:
    async with made.open_output(url, credentials) as file:
        return file.size_bytes, b"".join([chunk async for chunk in file.chunks])


FILE = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 5\r\n\r\nmovie"


async def test_an_output_is_opened_without_our_token_unless_it_is_to_be_shown() -> None:
    async with peer(FILE) as remote, backend(remote.url) as made:
        url = remote.url + "/out.mp4?sig=1"
        assert await fetched(made, url) == (5, b"movie")
        assert await fetched(made, url, CALLER) == (5, b"movie")
    (line, without, _), (_, shown, _) = remote.requests
    assert line == "GET /out.mp4?sig=1 HTTP/1.1"
    assert not {name for name in without if name.startswith(("authorization", "x-skill", "cookie", "traceparent"))}
    assert shown["authorization"] == "Bearer nmv_usr_secret"


async def test_an_output_of_another_host_is_not_opened() -> None:
    async with peer(FILE) as cdn, peer(FILE) as remote, backend(remote.url) as made:
        with pytest.raises(BackendFault) as caught:
            await fetched(made, cdn.url + "/out.mp4", CALLER)
    assert (caught.value.fault, cdn.requests) == (Fault.REFUSED, [])


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://api.example/x", True),
        ("https://API.example:443/x", True),
        ("https://api.example:8443/x", False),
        ("http://api.example/x", False),
        ("https://api.example.evil.test/x", False),
        ("https://api.example@evil.test/x", False),
        ("//api.example/x", False),
        ("http://[bad", False),
        ("https://api.example:port/x", False),
        ("file:///etc/passwd", False),
    ],
)
async def test_a_url_is_the_backends_own_by_scheme_host_and_port(url: str, own: bool) -> None:
    async with backend("https://api.example/base") as made:
        assert made.is_own(url) is own


async def test_a_link_without_a_host_is_the_backends() -> None:
    async with backend("https://api.example") as made:
        assert made.absolute("/files/out.mp4") == "https://api.example/files/out.mp4"
        assert made.absolute("https://cdn.example/out.mp4") == "https://cdn.example/out.mp4"
        assert made.absolute("https://例え.jp/ф.mp4#é") == "https://xn--r8jz45g.jp/%D1%84.mp4#%C3%A9"
        assert made.absolute("http://[bad") == "http://[bad"


async def test_the_download_call_shows_the_token() -> None:
    async with peer(FILE) as remote, backend(remote.url) as made, made.open_download(CALLER, "render/1") as file:
        assert b"".join([chunk async for chunk in file.chunks]) == b"movie"
    ((line, headers, _),) = remote.requests
    assert line == "GET /api/render/proxy/render%2F1/download HTTP/1.1"
    assert headers["authorization"] == "Bearer nmv_usr_secret"


async def test_a_film_in_chunks_is_as_long_as_they_are_whatever_length_stands_beside_them() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with (
        peer(head + b"5\r\nmovie\r\n0\r\n\r\n") as remote,
        backend(remote.url) as made,
        made.open_download(CALLER, "render_1") as file,
    ):
        assert file.size_bytes is None
        assert b"".join([chunk async for chunk in file.chunks]) == b"movie"


@pytest.mark.parametrize(
    ("location", "target"),
    [("/b.mp4?sig=1", "{url}/b.mp4?sig=1"), ("https://cdn.example/b.mp4", "https://cdn.example/b.mp4")],
)
async def test_a_file_that_is_elsewhere_is_told_so(location: str, target: str) -> None:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    async with peer(answer) as remote, backend(remote.url) as made:
        with pytest.raises(Redirected) as caught:
            await fetched(made, remote.url + "/a.mp4", CALLER)
        assert caught.value.url == target.format(url=remote.url)


async def test_a_download_that_leads_elsewhere_is_an_answer_and_lets_the_others_ask_again() -> None:
    counted = Counted()
    async with peer(page("503 Service Unavailable")) as remote:
        made = Backend(remote.url, platform="unknown", metrics=counted, first_pause_s=0)
        for job in range(FAILURES_ALLOWED):
            with pytest.raises(BackendFault):
                async with made.open_download(msgspec.structs.replace(CALLER, job_id=f"job_{job}"), "render_1"):
                    pass
        assert made.leaves_alone("download")
        remote.answer = b"HTTP/1.1 302 Found\r\nLocation: /b.mp4\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(Redirected):
            async with made.open_download(CALLER, "render_1"):
                pass
        assert not made.leaves_alone("download")
        await made.aclose()
    assert counted.calls[-1] == ("download", "302")


async def test_whether_a_redirected_message_was_worked_on_nobody_knows() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
    async with peer(answer) as remote, backend(remote.url) as made:
        assert (await fault_of_message(made)).fault is Fault.BROKEN


async def test_an_output_that_is_cut_off_is_broken() -> None:
    async with peer(FILE[:-2]) as remote, backend(remote.url) as made:
        remote.closes = True
        with pytest.raises(BackendFault) as caught:
            await fetched(made, remote.url)
    assert caught.value.fault is Fault.BROKEN


async def test_a_render_that_is_unknown_has_no_output() -> None:
    unknown = answered({"code": 404, "message": "render not found"}, "404 Not Found")
    async with peer(unknown) as remote, backend(remote.url) as made:
        with pytest.raises(BackendFault) as caught:
            async with made.open_download(CALLER, "render_1"):
                pass
    assert caught.value.fault is Fault.RENDER_UNKNOWN
