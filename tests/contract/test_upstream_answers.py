"""StoredResponses as they were seen, in every shape, and as nobody has seen them yet."""

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
    ],
)
def test_both_shapes_of_a_renders_status_are_read(body: object, expected: responses.RenderStatus) -> None:
    assert responses.parse_render_status(read(body)) == expected


def test_a_balance_is_read_with_and_without_its_envelope() -> None:
    balance = {"available": 75, "frozen": "25", "total": 100.0}
    assert responses.parse_credits(read({"code": 0, "data": balance})) == responses.Credits(75, 25, 100)
    assert responses.parse_credits(read(balance)) == responses.Credits(75, 25, 100)
    assert responses.parse_credits(read({"available": 75})) == responses.Credits(75, 0, 75, tells_frozen=False)
    assert responses.parse_credits(read({"available": 75, "total": 100})) == responses.Credits(75, 25, 100)


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


def test_uploads_are_read_as_a_list_or_by_name() -> None:
    infos = {"h1": {"filename": "a.mp4"}, "h2": {"filename": "b.mp4"}}
    state = responses.parse_state(read({"state": {"video_infos": infos}}))
    assert state.video_infos == [{"filename": "a.mp4"}, {"filename": "b.mp4"}]


@pytest.mark.parametrize("body", [{"code": 0, "data": None}, {"data": {}}, {"success": True}, {"data": {"state": 7}}])
def test_an_answer_without_a_state_was_not_read_and_is_no_empty_timeline(body: object) -> None:
    with pytest.raises(responses.Unreadable):
        responses.parse_state(read(body))


@pytest.mark.parametrize(
    "body", [{"code": 0, "data": {"files": [{"url": "u"}]}}, {"data": [{"url": "u"}]}, [{"url": "u"}], {"cdn_url": "u"}]
)
def test_uploaded_files_are_read_however_they_are_wrapped(body: object) -> None:
    assert [file.cdn_url for file in responses.parse_uploaded_files(read(body))] == ["u"]


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
    with pytest.raises(responses.Unreadable):
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
        responses.parse_uploaded_files,
        responses.parse_credits,
        responses.parse_state,
        responses.parse_render_status,
    ):
        with contextlib.suppress(responses.Unreadable):
            reader(read(body))
