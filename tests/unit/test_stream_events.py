"""Frames into events, in both shapes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backend.events import (
    Heartbeat,
    StreamDecoder,
    StreamError,
    StreamEvent,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    read_frame,
)

#: Streams recorded from an agent server (google-adk 2.13.0), byte for byte.
CAPTURES = sorted((Path(__file__).parent.parent / "captures").glob("*.sse"))
WHOLE = "I cut the silence and added captions. café \u2028 😀"
EXPECTED: dict[str, list[StreamEvent]] = {
    "adk-text": [Text("hello from nemo", "whole")],
    "adk-partial": [
        *(Text(chunk, "chunk") for chunk in ("I cut ", "the silence ", "and added captions. ", "café \u2028 😀")),
        Text(WHOLE, "whole"),
    ],
    "adk-tool_no_text": [ToolCall("start_render"), ToolResult("start_render")],
    "adk-error_exception": [Text("working on it", "whole"), StreamError("RuntimeError: upstream exploded")],
}


def decoded(*chunks: bytes) -> list[StreamEvent]:
    decoder = StreamDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def test_every_capture_is_looked_at() -> None:
    assert {path.stem for path in CAPTURES} == set(EXPECTED)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_captured_stream_cut_at_every_byte_gives_the_same_events(path: Path) -> None:
    stream = path.read_bytes()
    assert decoded(stream) == EXPECTED[path.stem]
    for cut in range(len(stream) + 1):
        assert decoded(stream[:cut], stream[cut:]) == EXPECTED[path.stem]
    assert decoded(*(stream[at : at + 1] for at in range(len(stream)))) == EXPECTED[path.stem]


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        ({"type": "text", "content": "Done."}, Text("Done.")),
        ({"type": "text", "content": ""}, Heartbeat()),
        ({"type": "tool_call", "name": "cut", "args": {"a": 1}}, ToolCall("cut")),
        ({"type": "tool_result", "name": "cut", "result": {}}, ToolResult("cut")),
        ({"type": "tool_call"}, ToolCall("")),
        ({"type": "heartbeat"}, Heartbeat()),
        ({"type": "error", "message": "out of order"}, StreamError("out of order")),
        ({"error": "it broke"}, StreamError("it broke")),
        ({"error": {"code": 2001, "message": "no credits"}}, StreamError("no credits", 2001)),
        ({"code": 1001, "message": "token expired"}, StreamError("token expired", 1001)),
        ({"errorCode": "SAFETY", "errorMessage": "refused"}, StreamError("refused")),
        ({"error_code": "429", "error_message": "slow down"}, StreamError("slow down", 429)),
        ({"errorCode": "MAX_TOKENS"}, StreamError("MAX_TOKENS")),
        ({"code": 0, "message": "ok"}, Unknown()),
        ({"content": {"parts": [{"function_call": {"name": "cut"}}]}, "invocation_id": "e-1"}, ToolCall("cut")),
        ({"content": {"parts": [{"function_response": {"name": "cut"}}]}}, ToolResult("cut")),
        ({"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "partial": False}, Text("ab", "whole")),
        ({"content": {"parts": [{"text": "hm", "thought": True}, {"text": "b"}]}}, Text("b", "whole")),
        ({"type": "mystery"}, Unknown()),
        ({"content": {"parts": "none"}}, Unknown()),
        ({"content": None, "actions": {}}, Unknown()),
        ([1], Unknown()),
        (None, Unknown()),
    ],
)
def test_each_shape_is_read(frame: object, event: StreamEvent) -> None:
    assert read_frame(json.dumps(frame)) == [event]


def test_text_and_a_tool_call_in_one_event_are_two() -> None:
    parts = [{"text": "Cutting."}, {"functionCall": {"name": "cut", "args": {}}}]
    assert read_frame(json.dumps({"content": {"parts": parts}})) == [Text("Cutting.", "whole"), ToolCall("cut")]


@pytest.mark.parametrize("data", ["{", "[DONE]", "nonsense", "[" * 100_000, '{"type":"text","content":"\\ud800"}'])
def test_what_is_no_json_is_counted_and_ignored(data: str) -> None:
    assert read_frame(data) == [Unknown()]


def test_an_error_repeats_no_token_and_no_link() -> None:
    said = "bad token nmv_usr_abc123, Bearer abcdef123456, see https://example.com/x?sig=1"
    (event,) = read_frame(json.dumps({"error": said}))
    assert isinstance(event, StreamError)
    assert event.message == "bad token …, …, see …"


KEYS = st.sampled_from(
    ["type", "content", "parts", "text", "name", "error", "code", "errorCode", "partial", "functionCall", "message"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


@given(JSON)
def test_no_frame_breaks_it(frame: object) -> None:
    assert read_frame(json.dumps(frame))
