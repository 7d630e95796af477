"""Responses of the backend, in every shape that was seen, and in shapes that nobody has seen yet."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backend import responses


def read(body: object) -> dict[str, Any]:
    return responses.open_envelope(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {
                "taskId": "r",
                "status": "completed",
                "progress": 100,
                "output": {"url": "u", "duration": 30.5, "size": 7},
            },
            responses.RenderStatus("completed", 100, "u", 30.5, 7),
        ),
        (
            {"success": True, "data": {"id": "r", "status": "completed", "progress": 100, "outputUrl": "u"}},
            responses.RenderStatus("completed", 100, "u", None, None),
        ),
        (
            {"success": True, "data": {"id": "r", "status": "pending", "progress": 5}},
            responses.RenderStatus("pending", 5, None, None, None),
        ),
        ({"status": "processing", "output": None}, responses.RenderStatus("processing", None, None, None, None)),
        ({"status": "FAILED", "progress": "12.5"}, responses.RenderStatus("failed", 12, None, None, None)),
        ({"status": "canceled", "progress": 900}, responses.RenderStatus("failed", 100, None, None, None)),
        ({"status": "compositing"}, responses.RenderStatus("processing", None, None, None, None)),
        ({"status": "completed", "output": "u"}, responses.RenderStatus("completed", None, "u", None, None)),
        ({"status": "READY"}, responses.RenderStatus("completed", None, None, None, None)),
        ({"status": "timed_out"}, responses.RenderStatus("failed", None, None, None, None)),
        (
            {"status": "published", "progress": 100, "url": "u"},
            responses.RenderStatus("completed", 100, "u", None, None),
        ),
        (
            {"status": "published", "progress": 99, "url": "u"},
            responses.RenderStatus("processing", 99, "u", None, None),
        ),
        (
            {"status": "uploading", "progress": 100, "url": "u"},
            responses.RenderStatus("processing", 100, "u", None, None),
        ),
        ({"status": "render_complete", "url": "u"}, responses.RenderStatus("completed", None, "u", None, None)),
        ({"status": "Finish", "url": "u"}, responses.RenderStatus("completed", None, "u", None, None)),
        ({"status": "incomplete", "url": "u"}, responses.RenderStatus("processing", None, "u", None, None)),
        ({"status": "finishing", "url": "u"}, responses.RenderStatus("processing", None, "u", None, None)),
        ({"status": "Finish"}, responses.RenderStatus("processing", None, None, None, None)),
        ({"status": "published", "progress": 100}, responses.RenderStatus("processing", 100, None, None, None)),
        ({"status": "completed_with_warnings", "url": "u"}, responses.RenderStatus("completed", None, "u", None, None)),
        (
            {"success": True, "data": {"render": {"status": "completed", "output": {"url": "u"}}}},
            responses.RenderStatus("completed", None, "u", None, None),
        ),
        ({"status": " Completed "}, responses.RenderStatus("completed", None, None, None, None)),
        ({"outputUrl": "u"}, responses.RenderStatus("completed", None, "u", None, None)),
        ({"state": "FAILED"}, responses.RenderStatus("failed", None, None, None, None)),
        ({"render": {"state": "Completed"}}, responses.RenderStatus("completed", None, None, None, None)),
        ({"status": "ready", "output": [{"url": "u"}]}, responses.RenderStatus("completed", None, "u", None, None)),
        ({"status": "ready", "output": []}, responses.RenderStatus("completed", None, None, None, None)),
        ({"status": "done", "url": "u"}, responses.RenderStatus("completed", None, "u", None, None)),
        ({"status": "done", "videoUrl": "u"}, responses.RenderStatus("completed", None, "u", None, None)),
        (
            {"status": "done", "output": {"download_url": "u"}},
            responses.RenderStatus("completed", None, "u", None, None),
        ),
        (
            {"status": "Failed", "error": {"message": "no memory"}},
            responses.RenderStatus("failed", None, None, None, None, "no memory"),
        ),
        (
            {"status": "completed", "createdAt": "2026-11-27T00:00:00.500Z", "completedAt": "2026-11-27T00:01:10Z"},
            responses.RenderStatus("completed", None, None, None, None, took_s=69.5),
        ),
        (
            {"status": "completed", "createdAt": 1795737600, "completedAt": "1795737670000"},
            responses.RenderStatus("completed", None, None, None, None, took_s=70),
        ),
        (
            {"status": "completed", "createdAt": "2026-11-27T00:01:10Z", "completedAt": "2026-11-27T00:00:00Z"},
            responses.RenderStatus("completed", None, None, None, None),
        ),
        (
            {"status": "completed", "createdAt": "yesterday", "completedAt": None},
            responses.RenderStatus("completed", None, None, None, None),
        ),
    ],
)
def test_both_shapes_of_a_renders_status_are_read(body: object, expected: responses.RenderStatus) -> None:
    assert responses.parse_render_status(read(body)) == expected


@pytest.mark.parametrize(
    ("written", "percent"),
    [
        (45, 45),
        ("45", 45),
        ("45%", 45),
        ("45.5 %", 45),
        (0.45, 45),
        ("0.45", 45),
        (1.0, 100),
        (1, 1),
        ("0.5%", 0),
        (12.5, 12),
        (-3, 0),
        ("soon", None),
        (True, None),
        (None, None),
    ],
)
def test_progress_is_read_as_a_share_and_in_percent(written: object, percent: int | None) -> None:
    assert responses.parse_render_status({"status": "processing", "progress": written}).progress == percent


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"id": "a"}, ["a"]),
        ({"taskId": 7}, ["7"]),
        ({"id": "a", "task_id": "b"}, ["a", "b"]),
        ({"jobId": "a"}, ["a"]),
        ({"export_id": "a"}, ["a"]),
        ({"render": {"id": "a"}}, ["a"]),
        ({"success": True, "data": "r-1"}, ["r-1"]),
        ({"success": True, "data": "ok"}, []),
        ({"success": True, "data": "Render 1 has started."}, []),
        ({"success": True, "data": True}, []),
        ({"status": "pending"}, []),
    ],
)
def test_a_new_render_has_the_ids_that_the_answer_names(body: dict[str, Any], named: list[str]) -> None:
    assert responses.parse_render_ids(read(body)) == named


@pytest.mark.parametrize(
    ("body", "link"),
    [
        ({"code": 0, "data": {"url": "https://cdn/o.mp4"}}, "https://cdn/o.mp4"),
        ({"downloadUrl": "/o.mp4"}, "/o.mp4"),
        ({"output": {"url": "/o.mp4"}}, "/o.mp4"),
        ({"success": True, "data": "https://cdn/o.mp4"}, "https://cdn/o.mp4"),
        ({"success": True, "data": "not yet"}, None),
        ({"status": "processing"}, None),
        ([], None),
    ],
)
def test_a_link_is_found_in_what_came_in_the_place_of_a_film(body: object, link: str | None) -> None:
    assert responses.link_to_film(json.dumps(body).encode()) == link
    assert responses.link_to_film(b"<html>") is None


@pytest.mark.parametrize(
    "body",
    [
        {"code": 0, "data": {"data": {"session_id": "s"}}},
        {"code": 0, "result": {"session_id": "s"}},
        {"success": True, "data": {"code": 0, "message": "ok", "data": {"session_id": "s"}}},
        {"code": 0, "data": '{"session_id": "s"}'},
        {"code": 0, "session_id": "s", "data": "{no JSON"},
    ],
)
def test_an_answer_may_stand_in_several_envelopes_and_in_one_of_another_name(body: object) -> None:
    assert responses.parse_opened_session(read(body)).session_id == "s"


def test_a_success_that_holds_nothing_but_yes_is_no_answer_to_a_question_and_no_error() -> None:
    assert not responses.parse_upload_answer(read({"code": 0, "data": True})).brought
    with pytest.raises(responses.NothingTold):
        responses.parse_state(read({"code": 0, "data": True}))
    with pytest.raises(responses.UnreadableAnswer):
        read({"code": 0, "data": False})


def test_words_in_the_place_of_a_state_are_no_word_that_there_is_none() -> None:
    with pytest.raises(responses.UnreadableAnswer) as unread:
        responses.parse_state(read({"code": 0, "data": "restarting"}))
    assert not isinstance(unread.value, responses.NothingTold)


def test_a_render_that_is_told_of_at_the_top_is_not_looked_for_in_what_stands_beside_it() -> None:
    told = responses.parse_render_status({"outputUrl": "u", "progress": 100, "task": {"id": "t"}})
    assert (told.status, told.url) == ("completed", "u")


def test_minus_one_is_no_limit_and_any_other_number_a_balance() -> None:
    assert [responses.parse_credits({"available": left}).unlimited for left in (-1, -2, 0, 1)] == [True, *[False] * 3]


def test_a_balance_is_read_with_and_without_its_envelope() -> None:
    balance = {"available": 75, "frozen": "25", "total": 100.0}
    assert responses.parse_credits(read({"code": 0, "data": balance})) == responses.Credits(75, 25, 100)
    assert responses.parse_credits(read(balance)) == responses.Credits(75, 25, 100)
    assert responses.parse_credits(read({"available": 75, "total": 100})) == responses.Credits(
        75, 25, 100, infers_frozen=True
    )
    assert responses.parse_credits(read({"available": 75})) == responses.Credits(75, 0, 75, tells_frozen=False)


@pytest.mark.parametrize("named", [{"user_id": "me"}, {"userId": "me"}, {"user": {"id": "me"}}])
def test_the_name_that_every_caller_has_for_itself_is_no_account(named: dict[str, Any]) -> None:
    """All tokens would be one account's, whose balance is one; and nobody could register by the link."""
    assert responses.parse_opened_session({"session_id": "5"} | named).user_id is None
    assert responses.parse_state({"state": {"draft": None} | named}).user_id is None
    assert responses.parse_opened_session({"session_id": "5", "uid": "7"} | named).user_id == "7"


@pytest.mark.parametrize("named", [{"user_id": 7}, {"userId": "7"}, {"user": {"id": 7}}, {"uid": "7"}])
def test_the_account_is_found_however_it_is_named(named: dict[str, Any]) -> None:
    opened = responses.parse_opened_session({"session_id": "s"} | named)
    issued = responses.parse_issued_token({"token": "t"} | named)
    seen = responses.parse_state({"state": {"draft": None}} | named)
    within = responses.parse_state({"state": {"draft": None} | named})
    assert [told.user_id for told in (opened, issued, seen, within)] == ["7"] * 4


def test_a_state_is_read_with_all_or_nothing_in_it() -> None:
    data = {
        "state": {"draft": {"t": []}, "video_infos": [1], "generated_media": None},
        "task_id": 7,
        "user_id": "anon_1",
    }
    seen = responses.parse_state(read({"code": 0, "data": data}))
    assert seen == responses.State({"t": []}, [1], [], "7", "anon_1", content=data["state"])
    empty = responses.parse_state(read({"data": {"state": {"draft": "?"}}}))
    assert empty == responses.State(None, [], [], None, None, content={"draft": "?"})


def test_what_is_told_of_the_timeline_beside_a_state_is_part_of_it() -> None:
    beside = {"canvas_config": {"ratio": "9:16"}, "user": {"plan": "free"}, "task_name": "project", "links": ["x"]}
    seen = responses.parse_state(read({"code": 0, "data": {"state": {"draft": {"t": []}}} | beside}))
    assert seen.content == {"draft": {"t": []}, "canvas_config": {"ratio": "9:16"}}
    elsewhere = responses.parse_state(read({"data": {"state": {"video_infos": []}, "draft": {"t": [{"sg": []}]}}}))
    assert elsewhere.draft == {"t": [{"sg": []}]}


DRAFT = {"d": 1000, "t": [{"id": "t1", "tt": 0, "sg": [{"d": 1000}]}]}


@pytest.mark.parametrize(
    "state",
    [
        {"draft": DRAFT},
        {"draft": json.dumps(DRAFT)},
        {"draft": {"schema": 3, "draft": DRAFT}},
        {"draft": json.dumps({"schema": 3, "draft": json.dumps(DRAFT)})},
        {"draft": {"document": {"timeline": DRAFT}}},
        {"project_timeline": DRAFT},
        {"project": json.dumps({"timeline": DRAFT}), "video_infos": [{"t": "x"}]},
        {"draft": None, "editor": {"draft": DRAFT}},
    ],
)
def test_a_draft_is_known_by_its_shape_wherever_it_stands(state: dict[str, Any]) -> None:
    assert responses.parse_state(read({"code": 0, "data": {"state": state}})).draft == DRAFT
    assert responses.parse_state(read(state)).draft == DRAFT


def test_a_draft_that_is_nothing_but_its_tracks_goes_back_as_it_came() -> None:
    for told in (DRAFT["t"], json.dumps(DRAFT["t"])):
        assert responses.parse_state(read({"data": {"state": {"draft": told}}})).draft == DRAFT["t"]
    assert responses.parse_state(read({"data": {"state": {"draft": []}}})).draft is None
    assert responses.parse_state(read({"data": {"state": {"draft": [{"name": "x"}]}}})).draft is None


@pytest.mark.parametrize("words", ["[2026]", "{}", '["a", "b"]', "[]", '{"x": 1}'])
def test_a_draft_goes_back_as_it_came_whatever_its_words_look_like(words: str) -> None:
    draft = DRAFT | {"m": {"title": words}, "note": words}
    for told in (draft, json.dumps(draft), {"schema": 3, "draft": draft}):
        assert responses.parse_state(read({"data": {"state": {"draft": told}}})).draft == draft


def test_uploads_are_read_as_a_list_or_by_name() -> None:
    infos = {"h1": {"filename": "a.mp4"}, "h2": {"filename": "b.mp4"}}
    state = responses.parse_state(read({"state": {"video_infos": infos}}))
    assert state.video_infos == [{"filename": "a.mp4"}, {"filename": "b.mp4"}]


@pytest.mark.parametrize(
    "body",
    [{"code": 0, "data": None}, {"data": {}}, {"success": True}, {"data": {"state": 7}}, {"detail": "Not Found"}],
)
def test_an_answer_without_a_state_was_not_read_and_is_no_empty_timeline(body: object) -> None:
    with pytest.raises(responses.UnreadableAnswer):
        responses.parse_state(read(body))


@pytest.mark.parametrize(
    "body", [{"code": 0, "data": {"files": [{"url": "u"}]}}, {"data": [{"url": "u"}]}, [{"url": "u"}], {"cdn_url": "u"}]
)
def test_uploaded_files_are_read_however_they_are_wrapped(body: object) -> None:
    answer = responses.parse_upload_answer(read(body))
    assert ([file.cdn_url for file in answer.files], answer.brought) == (["u"], True)


FILE = {"filename": "a.mp4", "cdn_url": "u"}


@pytest.mark.parametrize(
    ("body", "brought", "says_no"),
    [
        ({"files": [FILE], "session_state_applied": True}, True, False),
        ({"files": [FILE], "session_state_applied": "true"}, True, False),
        ({"files": [{**FILE, "error": None, "code": 0, "success": True, "status": "ok"}]}, True, False),
        ({"files": [FILE], "session_state_applied": False}, False, False),
        ({"files": [FILE], "session_state_applied": "false"}, False, False),
        ({"files": [FILE], "sessionStateApplied": 0}, False, False),
        ({"files": []}, False, True),
        ({"files": [None]}, False, True),
        ({"files": [{}]}, False, True),
        ({"files": [FILE, {"filename": "b.mp4", "error": "not reachable"}]}, False, True),
        ({"files": [FILE | {"status": "download_failed"}]}, False, True),
        ({"files": [FILE | {"ok": False}]}, False, True),
        ({"files": [FILE | {"session_state_applied": False}]}, False, True),
        ({"files": [FILE | {"error_message": "fetch failed"}]}, False, True),
        ({"files": [FILE | {"errorCode": "4003"}]}, False, True),
        ({"files": [FILE], "errors": ["b.mp4 is not reachable"]}, False, True),
        ({"files": [], "failed": [{"url": "b.mp4", "reason": "403"}]}, False, True),
        ({"files": [FILE], "errors": [], "failed": None}, True, False),
        ({"files": [FILE | {"cdn_url": None}]}, False, False),
        ({"files": [{"filename": "a.mp4", "success": False}]}, False, True),
        ({"files": [{"filename": "a.mp4", "status": "failed"}]}, False, True),
        ({"files": [{"filename": "a.mp4", "code": 4001}]}, False, True),
        ({"files": [{"error": {"code": "4002", "message": "too large"}}]}, False, True),
        ({"files": ["a.mp4"]}, True, False),
        ({"files": ["https://cdn.example/1f"], "session_state_applied": True}, True, False),
        (["https://cdn.example/1f"], True, False),
        ({"code": 0, "data": {"urls": ["https://cdn.example/1f"]}}, True, False),
        ({"files": [], "urls": ["https://cdn.example/1f"]}, True, False),
        ({"urls": ["https://cdn.example/1f"], "session_state_applied": False}, False, False),
        ({"urls": ["https://cdn.example/1f"], "failed": ["a.mp4"]}, False, True),
        ({"urls": ["https://cdn.example/1f"], "error": "it broke"}, False, True),
        ({"files": {"a.mp4": {"cdn_url": "u"}}}, True, False),
        ({"code": 0, "data": {"a.mp4": "https://cdn.example/1f"}}, True, False),
        ({"files": {"a.mp4": {"error": "unsupported"}}}, False, True),
        ({"files": {"a.mp4": "could not be fetched"}}, False, False),
        ({"code": 0, "data": {"a.mp4": "queued"}}, False, False),
        ({"files": ["a.mp4: unsupported"]}, False, True),
        ({"files": ["ok"]}, False, True),
        ({"uploaded": True, **FILE}, True, False),
        ({"uploaded": True}, False, False),
        ({"urls": []}, False, False),
        ({"files": None}, False, False),
        ({"message": "ok"}, False, False),
        ({"code": 0, "data": None}, False, False),
        ({}, False, False),
    ],
)
def test_an_upload_is_believed_only_where_it_says_so(body: object, brought: bool, says_no: bool) -> None:
    answer = responses.parse_upload_answer(read(body))
    assert (answer.brought, answer.says_no) == (brought, says_no)


@pytest.mark.parametrize(
    ("body", "brought"),
    [
        ({"urls": ["https://a.example/a.mp4"]}, False),
        ({"files": [{"url": "https://a.example/a.mp4"}]}, False),
        ({"urls": ["https://a.example/a.mp4"], "session_state_applied": True}, True),
        ({"files": [{"url": "https://a.example/a.mp4", "duration": 30.5}]}, True),
        ({"urls": ["https://cdn.example/a.mp4"]}, True),
    ],
)
def test_an_answer_that_repeats_the_url_does_not_say_that_it_was_fetched(body: object, brought: bool) -> None:
    answer = responses.parse_upload_answer(read(body)).without_echo(["https://a.example/a.mp4"])
    assert (answer.brought, answer.says_no) == (brought, False), "it may yet come"


@pytest.mark.parametrize(
    "infos",
    [
        [{"filename": "a.mp4"}],
        [{"name": "a.mp4"}],
        [{"file_name": "a.mp4", "cdn_url": "https://cdn.example/1f"}],
        ["a.mp4"],
        ["https://cdn.example/x/a.mp4?sig=1"],
        {"a.mp4": {"duration": 30.5}},
        {"h1": {"filename": "a.mp4"}},
        [{"cdn_url": "https://cdn.example/x/a.mp4?path=/b.mp4#c"}],
    ],
)
def test_a_sessions_videos_are_known_however_they_are_named(infos: object) -> None:
    state = responses.parse_state(read({"state": {"video_infos": infos}}))
    assert [state.count_named(names) for names in ({"a.mp4"}, {"b.mp4"}, {"1f"})] == [1, 0, 0]


def test_a_file_that_was_not_taken_says_why() -> None:
    files = [FILE, {"filename": "b.mp4", "error": {"code": "4002", "message": "file too large"}}]
    refused = responses.parse_upload_answer({"files": files}).refused
    assert refused is not None
    assert (refused.filename, refused.code, refused.error) == ("b.mp4", 4002, "file too large")


@pytest.mark.parametrize(
    ("stamp", "at_ms"),
    [
        ("2026-11-27T00:00:00Z", 1_795_737_600_000),
        (1_795_737_600, 1_795_737_600_000),
        (1_795_737_600_000, 1_795_737_600_000),
        (float("inf"), None),
        ("soon", None),
        ("2026-11-27", None),
        (None, None),
    ],
)
def test_a_tokens_expiry_is_read_in_every_form(stamp: object, at_ms: int | None) -> None:
    issued = responses.parse_issued_token({"token": "nmv_usr_1", "expires_at": stamp})
    assert issued.expires_at_ms == at_ms
    assert "nmv_usr" not in repr(issued)


@pytest.mark.parametrize("body", [b"<html>", b"[1", b"7", b'"ok"'])
def test_what_is_no_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(responses.UnreadableAnswer):
        responses.open_envelope(body)


KEYS = st.sampled_from(
    ["data", "state", "draft", "files", "status", "output", "url", "size", "available", "token", "code"]
)
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
ANSWERS = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


@given(ANSWERS)
def test_any_answer_is_read_or_unreadable(body: object) -> None:
    for reader in (
        responses.parse_issued_token,
        responses.parse_opened_session,
        responses.parse_claim_token,
        responses.parse_upload_answer,
        responses.parse_credits,
        responses.parse_state,
        responses.parse_render_status,
    ):
        with contextlib.suppress(responses.UnreadableAnswer):
            reader(read(body))
