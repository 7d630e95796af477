"""The table of faults: what the backend refuses, and how, as data."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backend.events import StreamError
from worker.backend.faults import BackendFault, Fault, fault_of, fault_of_stream


def found(
    call: str = "state", status: int = 200, body: object = None, headers: dict[str, str] | None = None
) -> BackendFault | None:
    return fault_of(call, status, json.dumps(body).encode(), headers or {})


def fault(call: str = "state", status: int = 200, body: object = None) -> Fault | None:
    seen = found(call, status, body)
    return seen.fault if seen else None


@pytest.mark.parametrize(
    "body",
    [
        {"code": 0, "data": {}},
        {"code": 200},
        {"code": "0"},
        {"success": True, "data": {"id": "render_1", "status": "pending"}},
        {"taskId": "1", "status": "failed"},
        {"available": 1},
        {"message": "an export is in progress"},
        {"code": "SUCCESS", "message": "taken back"},
        {"code": 0, "message": "ok", "error": None, "data": {"id": "render_1"}},
        {"success": True, "data": {"id": "render_1"}, "error": "the resolution was lowered"},
        {"status": "pending"},
        {},
        [],
        None,
    ],
)
def test_a_success_is_no_fault(body: object) -> None:
    assert found(body=body) is None


ENGINE_DOWN = "the engine is down"


@pytest.mark.parametrize(
    "body",
    [
        {"error": ENGINE_DOWN},
        {"error": {"message": ENGINE_DOWN}},
        {"error": ENGINE_DOWN, "timestamp": 1795213575.9, "path": "/api"},
        {"ok": False, "error": ENGINE_DOWN},
        {"success": "false", "message": ENGINE_DOWN},
        {"success": 0, "message": ENGINE_DOWN},
        {"status": "error", "message": ENGINE_DOWN},
        {"code": -1, "message": ENGINE_DOWN},
        {"code": "-1", "message": ENGINE_DOWN},
        {"code": "ENGINE_DOWN", "message": ENGINE_DOWN},
        {"errors": [{"path": "id"}], "message": ENGINE_DOWN},
        {"code": 0, "message": "success", "data": {"error": {"message": ENGINE_DOWN}}},
        {"success": True, "data": {"success": False, "error": ENGINE_DOWN}},
    ],
)
@pytest.mark.parametrize("call", ["open_session", "claim_token", "credits", "state", "render", "cancel_render"])
def test_an_error_inside_a_success_is_a_refusal_however_it_is_written(call: str, body: object) -> None:
    seen = found(call, 200, body)
    assert seen is not None
    assert (seen.fault, seen.detail, seen.by_backend) == (Fault.REFUSED, ENGINE_DOWN, True)


def test_an_error_without_a_code_may_pass_where_it_says_so() -> None:
    assert fault("state", body={"error": "Internal server error"}) is Fault.BROKEN
    assert fault("render", body={"success": False, "message": "temporarily unavailable"}) is Fault.BROKEN
    assert fault("render", 400, {"message": "no such internal track"}) is Fault.REFUSED


@pytest.mark.parametrize("words", ["internal error", "Internal Server Error", "service unavailable", "try again later"])
@pytest.mark.parametrize("call", ["open_session", "upload", "state", "render"])
def test_an_error_under_a_code_that_no_page_knows_may_pass_where_it_says_so(call: str, words: str) -> None:
    assert fault(call, body={"code": 5000, "message": words}) is Fault.BROKEN
    assert fault(call, body={"code": 5000, "message": "the draft is not valid"}) is Fault.REFUSED


def test_an_error_in_a_renders_status_is_how_it_stands_and_one_of_a_message_no_word_that_nothing_was_done() -> None:
    assert fault("render_status", body={"status": "failed", "error": "out of memory"}) is None
    assert fault("render_status", body={"success": True, "data": {"status": "failed", "error": "oom"}}) is None
    assert fault("message", body={"error": "the engine is down"}) is None, "JSON where a stream was asked for is BROKEN"


def test_an_empty_answer_and_a_stream_are_no_fault() -> None:
    assert fault_of("cancel_render", 204, b"", {}) is None
    assert fault_of("message", 200, None, {}) is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1001, Fault.TOKEN_REFUSED),
        (1010, Fault.TOKEN_REFUSED),
        (1011, Fault.TOKEN_REFUSED),
        (1002, Fault.SESSION_LOST),
        (2001, Fault.NO_CREDITS),
        (4001, Fault.UNSUPPORTED),
        (4002, Fault.TOO_LARGE),
        (402, Fault.EXPORT_BLOCKED),
        (429, Fault.RATE_LIMITED),
        (500, Fault.BROKEN),
        (7777, Fault.REFUSED),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_business_code_counts_with_status_200(code: int, *, as_text: bool, expected: Fault) -> None:
    seen = found(body={"code": str(code) if as_text else code, "message": "no"})
    assert seen is not None
    assert (seen.fault, seen.code, seen.status, seen.call, seen.detail) == (expected, code, 200, "state", "no")


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 500])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1001, Fault.TOKEN_REFUSED),
        ("TOKEN_EXPIRED", Fault.TOKEN_REFUSED),
        ("1002", Fault.SESSION_LOST),
        ("SESSION_NOT_FOUND", Fault.SESSION_LOST),
        ("SessionNotFoundError", Fault.SESSION_LOST),
        (2001, Fault.NO_CREDITS),
        ("insufficient_credits", Fault.NO_CREDITS),
        ("UNSUPPORTED_FILE_TYPE", Fault.UNSUPPORTED),
        ("ERR_FILE_TOO_LARGE", Fault.TOO_LARGE),
    ],
)
def test_a_code_counts_in_words_and_wherever_a_framework_puts_it(status: int, code: int | str, expected: Fault) -> None:
    told = {"code": code, "message": "no"}
    for body in (told, {"error": told}, {"detail": told}):
        for call in ("state", "message"):
            seen = found(call, status, body)
            assert seen is not None
            assert (seen.fault, seen.detail, seen.maybe_done) == (expected, "no", False)


@pytest.mark.parametrize(
    "code",
    [
        *("RATE_LIMITED", "UNAUTHENTICATED", "SESSION_LIMIT", "CREDITS_FROZEN", "TOKEN_LIMIT"),
        *("ExpiredToken", "InvalidToken", "ACCESS_TOKEN_EXPIRED", "INSUFFICIENT_BALANCE"),
    ],
)
def test_words_that_may_be_of_the_backends_own_troubles_are_no_code_of_the_contract(code: str) -> None:
    assert fault("message", body={"code": code, "message": "no"}) is None
    assert fault_of_stream(StreamError("no", None), work_began=False).maybe_done


def test_what_a_code_says_in_words_counts_where_the_message_does_not_say() -> None:
    assert fault("message", 402, {"code": "CREDITS_TOO_LOW", "message": "top up"}) is Fault.NO_CREDITS
    assert fault("message", 404, {"code": "SESSION_MISSING", "message": "nope"}) is Fault.SESSION_LOST
    assert fault("render", 400, {"error": {"code": "DUPLICATE_RENDER", "message": "no"}}) is Fault.RENDER_DUPLICATE


@pytest.mark.parametrize(
    ("status", "frames", "expected"),
    [
        (401, 'data: {"code": 1001, "message": "no"}\n\n', Fault.TOKEN_REFUSED),
        (400, 'event: error\r\ndata: {"code": 2001, "message": "no"}\r\n\r\n', Fault.NO_CREDITS),
        (401, ': hi\n\ndata: {"error": "no"}', Fault.TOKEN_REFUSED),
        (404, 'data: {"error": {"code": "1002", "message": "no"}}\n', Fault.SESSION_LOST),
        (503, 'data: {"error": "no"}\n\n', Fault.BROKEN),
        (401, 'data: {"type": "text", "content": "Done."}\n\ndata: {"code": 1001}\n\n', Fault.BROKEN),
        (401, "<html>no</html>", Fault.BROKEN),
    ],
)
def test_a_refusal_that_comes_as_a_stream_is_one(status: int, frames: str, expected: Fault) -> None:
    seen = fault_of("message", status, frames.encode(), {"Content-Type": "text/event-stream; charset=utf-8"})
    assert seen is not None
    assert (seen.fault, seen.maybe_done) == (expected, expected is Fault.BROKEN)


def test_a_business_code_counts_more_than_the_status_beside_it() -> None:
    assert fault(status=401, body={"code": 1002}) is Fault.SESSION_LOST
    assert fault(status=500, body={"code": 2001}) is Fault.NO_CREDITS
    assert fault(status=429, body={"code": 7777}) is Fault.RATE_LIMITED


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, Fault.REFUSED),
        (400, Fault.REFUSED),
        (401, Fault.TOKEN_REFUSED),
        (402, Fault.EXPORT_BLOCKED),
        (403, Fault.REFUSED),
        (404, Fault.REFUSED),
        (408, Fault.BROKEN),
        (413, Fault.TOO_LARGE),
        (415, Fault.UNSUPPORTED),
        (422, Fault.REFUSED),
        (429, Fault.RATE_LIMITED),
        (500, Fault.BROKEN),
        (503, Fault.BROKEN),
        (599, Fault.BROKEN),
    ],
)
def test_a_status_without_a_code_counts(status: int, expected: Fault) -> None:
    assert fault("credits", status, {"detail": "no"}) is expected


@pytest.mark.parametrize(
    ("call", "status", "body", "expected"),
    [
        ("render", 409, {"success": False, "error": "conflict"}, Fault.BUSY),
        ("render", 400, {"error": {"message": "Duplicate render id"}}, Fault.RENDER_DUPLICATE),
        ("render", 400, {"message": "the id render_17 is taken"}, Fault.RENDER_DUPLICATE),
        ("render", 422, {"detail": "render id is already in use"}, Fault.RENDER_DUPLICATE),
        ("render", 400, {"message": "the id is invalid"}, Fault.REFUSED),
        ("render", 404, {"message": "a session with this id no longer exists"}, Fault.SESSION_LOST),
        ("render", 410, {"message": "no session of that id exists"}, Fault.SESSION_LOST),
        ("render", 409, {"message": "the session is already in use"}, Fault.BUSY),
        ("render", 409, {"message": "the session with the id 5 is in use"}, Fault.BUSY),
        ("render", 400, {"message": "no asset with the id 5 exists"}, Fault.REFUSED),
        ("render", 200, {"success": False, "error": "a render with this id already exists"}, Fault.RENDER_DUPLICATE),
        ("render", 409, {"message": "another export is in progress"}, Fault.BUSY),
        ("render", 200, {"success": False, "message": "active export"}, Fault.BUSY),
        ("render", 409, {"message": "another export is active in this session"}, Fault.BUSY),
        ("render", 409, {"message": "only one export at a time"}, Fault.BUSY),
        ("render", 402, {"message": "already existing plan: free"}, Fault.EXPORT_BLOCKED),
        ("render", 402, {"message": "this is no matter of credits"}, Fault.EXPORT_BLOCKED),
        ("message", 402, {"message": "Payment required: insufficient credits"}, Fault.NO_CREDITS),
        ("upload", 200, {"code": 402, "message": "积分不足"}, Fault.NO_CREDITS),
        ("message", 402, {"message": "upgrade your plan"}, Fault.EXPORT_BLOCKED),
        ("render", 200, {"success": False}, Fault.REFUSED),
        ("message", 409, {}, Fault.BUSY),
        ("message", 200, {"code": 1003, "message": "session is busy"}, Fault.BUSY),
        ("message", 404, {"detail": "Session not found"}, Fault.SESSION_LOST),
        ("state", 404, {"detail": "Not Found"}, Fault.NO_STATE),
        ("state", 200, {"code": 404, "message": "not found"}, Fault.NO_STATE),
        ("state", 400, {"code": 400, "message": "bad request"}, Fault.NO_STATE),
        ("state", 200, {"code": 400, "message": "bad request"}, Fault.NO_STATE),
        ("state", 422, {"detail": "no"}, Fault.REFUSED),
        ("upload", 404, {"detail": "Not Found"}, Fault.REFUSED),
        ("render_status", 404, {}, Fault.RENDER_UNKNOWN),
        ("cancel_render", 404, {}, Fault.RENDER_UNKNOWN),
        ("download", 404, {}, Fault.RENDER_UNKNOWN),
        ("render_status", 200, {"code": 404, "message": "render not found"}, Fault.RENDER_UNKNOWN),
        ("render_status", 503, {"message": "busy"}, Fault.BROKEN),
    ],
)
def test_some_refusals_mean_what_their_call_makes_of_them(
    call: str, status: int, body: object, expected: Fault
) -> None:
    assert fault(call, status, body) is expected


@pytest.mark.parametrize("words", ["token lacks the scope", "Permission denied", "Forbidden", "没有权限"])
def test_a_403_is_about_scopes_where_it_says_so(words: str) -> None:
    assert fault(status=403, body={"code": 403, "message": words}) is Fault.SCOPE_MISSING
    assert fault(status=200, body={"code": 403, "message": words}) is Fault.SCOPE_MISSING


CALLS = (
    "anonymous_token",
    "open_session",
    "claim_token",
    "upload",
    "message",
    "credits",
    "state",
    "render",
    "render_status",
    "cancel_render",
    "download",
)
PAGES = {
    "firewall": b"<html><head><title>403 Forbidden</title></head><body>permission, scope, session</body></html>",
    "words": b"upstream connect error or disconnect/reset before headers",
    "nothing": b"",
    "list": b"[]",
    "cut": b'{"code":1001,"mess',
}

#: "an HTTP status with or without a code" (BACKEND.md, "Errors"): these two say enough by themselves
STATUSES_ALONE = {401: Fault.TOKEN_REFUSED, 402: Fault.EXPORT_BLOCKED}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 405, 409, 410, 422, 500, 502, 503, 520])
@pytest.mark.parametrize("call", CALLS)
def test_a_page_of_somebody_before_the_backend_is_a_passing_fault_whatever_its_status(call, status, page) -> None:
    seen = fault_of(call, status, PAGES[page], {})
    assert seen is not None
    alone = STATUSES_ALONE.get(status, Fault.BROKEN) if page == "nothing" else Fault.BROKEN
    assert (seen.fault, seen.by_backend, seen.detail) == (alone, False, f"HTTP {status}")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("page", PAGES)
def test_a_401_that_asks_for_a_bearer_token_refuses_the_token_and_another_one_does_not(call, page) -> None:
    for asks, expected in {
        "Bearer": Fault.TOKEN_REFUSED,
        'bearer error="invalid_token"': Fault.TOKEN_REFUSED,
        'Basic realm="staging"': STATUSES_ALONE[401] if page == "nothing" else Fault.BROKEN,
    }.items():
        seen = fault_of(call, 401, PAGES[page], {"WWW-Authenticate": asks})
        assert seen is not None
        assert (seen.fault, seen.maybe_done) == (expected, expected is Fault.BROKEN)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_say_too_often_and_too_large(page) -> None:
    limited, large = (fault_of("upload", status, PAGES[page], {}) for status in (429, 413))
    assert limited is not None
    assert large is not None
    assert (limited.fault, limited.by_backend, large.fault) == (Fault.RATE_LIMITED, False, Fault.TOO_LARGE)


def test_what_the_backend_says_itself_is_told_apart() -> None:
    seen = found(status=429, body={"code": 429})
    assert seen is not None
    assert seen.by_backend


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({"Retry-After": "30"}, 30.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"Retry-After": "Fri, 20 Nov 2026 23:00:30 GMT", "Date": "Fri, 20 Nov 2026 23:00:00 GMT"}, 30.0),
        ({"Retry-After": "Fri, 20 Nov 2026 22:00:00 GMT", "Date": "Fri, 20 Nov 2026 23:00:00 GMT"}, 0.0),
        ({"Retry-After": "Fri, 20 Nov 2026 23:00:30 GMT"}, None),
        ({"Retry-After": "soon", "Date": "today"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], expected_s: float | None) -> None:
    seen = found(status=429, headers=headers)
    assert seen is not None
    assert seen.retry_after_s == expected_s


@pytest.mark.parametrize("call", ["render_status", "cancel_render", "download"])
@pytest.mark.parametrize("body", [b"<html><h1>404 Not Found</h1></html>", b"", b"not found"])
def test_only_the_backend_itself_says_that_a_render_is_unknown(call: str, body: bytes) -> None:
    seen = fault_of(call, 404, body, {})
    assert seen is not None
    assert seen.fault is Fault.BROKEN


@pytest.mark.parametrize("code", [None, 2001])
def test_a_fault_as_a_text_which_logs_hold_repeats_nothing_that_the_backend_says(code: int | None) -> None:
    words = "I cannot do 'cut the scene with the merger'"
    seen = found("message", 400, {"code": code, "message": words})
    assert seen is not None
    streamed = fault_of_stream(StreamError(words, code), work_began=False)
    assert (seen.detail, streamed.detail) == (words, words), "for the caller"
    assert "merger" not in f"{seen} {streamed} {seen!r} {streamed!r}"
    assert (f"code {code}" in str(seen)) == (f"code {code}" in str(streamed)) == (code is not None)
    assert str(fault_of("state", 502, b"", {})) == "state: broken (HTTP 502)"


def test_only_what_may_have_arrived_is_maybe_done() -> None:
    assert {each for each in Fault if BackendFault(each, call="message").maybe_done} == {Fault.BROKEN}


@pytest.mark.parametrize(
    ("status", "body", "maybe_done"),
    [
        (200, {"code": 7777, "message": "the agent gave up"}, True),
        (200, {"success": False, "message": "the agent gave up"}, True),
        (200, {"code": 500, "message": "the agent gave up"}, True),
        (200, {"code": 2001}, False),
        (200, {"code": 400, "message": "no text"}, False),
        (200, {"code": 1003, "message": "session is busy"}, False),
        (200, {"code": 1003, "message": "another generation is in progress"}, False),
        (200, {"code": 1003, "message": "a generation is already running"}, False),
        (200, {"code": 7777, "message": "Your video is in progress."}, True),
        (200, {"code": 7777, "message": "This request was already processed."}, True),
        (200, {"code": 7777, "message": "The edit failed. Please try another prompt."}, True),
        (200, {"success": False, "message": "I can only work on one clip at a time."}, True),
        (200, {"code": 7777, "message": "The background is too busy to be cut out."}, True),
        (200, {"code": 7777, "message": "only one generation at a time"}, False),
        (200, {"code": 7777, "message": "There is another message running in this session."}, False),
        (200, {"code": 7777, "message": "The server is busy, try again later"}, False),
        (200, {"code": 7777, "message": "busy"}, False),
        (409, {"message": "a message is in progress"}, False),
        (422, {"code": 7777, "message": "no text"}, False),
    ],
)
def test_a_success_that_complains_of_a_message_in_words_of_its_own_says_not_that_nothing_was_done(
    status, body, maybe_done
):
    of_message, of_render = (fault_of(call, status, json.dumps(body).encode(), {}) for call in ("message", "render"))
    assert of_message is not None
    assert of_render is not None
    assert of_message.maybe_done == maybe_done
    assert of_render.maybe_done == (of_render.fault is Fault.BROKEN)


def test_a_fault_repeats_no_token_no_link_and_no_raw_answer() -> None:
    words = "refused nmv_usr_abc for https://cdn.example/x?sig=1 \x00\u2028" + "a b" * 500
    seen = found("credits", status=400, body={"message": words})
    assert seen is not None
    assert seen.detail.startswith("refused … for … a ba ba")
    assert len(seen.detail) <= 160
    assert str(seen) == "credits: refused (HTTP 400)"
    page = fault_of("state", 502, b"<html>Bad gateway</html>", {})
    assert page is not None
    assert page.detail == "HTTP 502"


@pytest.mark.parametrize(
    ("code", "work_began", "expected"),
    [
        (2001, False, Fault.NO_CREDITS),
        (1002, False, Fault.SESSION_LOST),
        (429, False, Fault.RATE_LIMITED),
        (2001, True, Fault.BROKEN),
        (500, False, Fault.BROKEN),
        (77, False, Fault.BROKEN),
        (None, False, Fault.BROKEN),
    ],
)
def test_an_error_frame_refuses_only_while_nothing_was_begun(
    code: int | None, *, work_began: bool, expected: Fault
) -> None:
    assert fault_of_stream(StreamError("no", code), work_began=work_began).fault is expected


@given(st.sampled_from(["message", "render", "render_status"]), st.integers(100, 999), st.binary(), st.text())
def test_no_answer_breaks_it(call: str, status: int, body: bytes, header: str) -> None:
    seen = fault_of(call, status, body, {"Retry-After": header, "Date": header})
    assert seen is None or isinstance(seen.fault, Fault)


@pytest.mark.parametrize("call", ["open_session", "upload", "message", "render"])
@pytest.mark.parametrize(("status", "code"), [(201, 201), (200, "202"), (200, 0), (200, 200)])
def test_a_code_that_repeats_the_status_of_a_success_is_one(call: str, status: int, code: object) -> None:
    assert fault_of(call, status, json.dumps({"code": code, "data": {"id": "1"}}).encode(), {}) is None
