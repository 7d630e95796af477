"""The two shapes of the stream, byte for byte where bytes matter."""

import json

import pytest

from sandbox.backend.clock import Clock
from sandbox.backend.messages.stream import Failure, Heartbeat, Text, ToolCall, ToolResult, encoder


def frames(raw):
    blocks = raw.decode().removesuffix("\n\n").split("\n\n")
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def test_vendor_events_carry_a_type():
    shape = encoder("vendor", Clock())

    assert frames(shape.encode(Text("hi"))) == [{"type": "text", "content": "hi"}]
    assert frames(shape.encode(ToolCall("1", "cut", {"a": 1}))) == [
        {"type": "tool_call", "name": "cut", "args": {"a": 1}}
    ]
    assert frames(shape.encode(ToolResult("1", "cut", {"ok": True}))) == [
        {"type": "tool_result", "name": "cut", "result": {"ok": True}}
    ]


def test_vendor_heartbeats_take_turns_between_event_comment_and_empty_data():
    shape = encoder("vendor", Clock())

    assert [shape.encode(Heartbeat()) for _ in range(3)] == [
        b'data: {"type":"heartbeat"}\n\n',
        b": keep-alive\n\n",
        b"data:\n\n",
    ]


def test_the_agent_server_writes_camel_case_events_with_content_parts():
    shape = encoder("adk", Clock())

    (event,) = frames(shape.encode(Text("hello")))

    assert event["content"] == {"parts": [{"text": "hello"}], "role": "model"}
    assert event["author"] == "nemo_agent"
    assert "partial" not in event
    assert {"invocationId", "actions", "id", "timestamp"} < event.keys()


def test_all_events_of_a_run_share_the_invocation_and_have_ids_of_their_own():
    shape = encoder("adk", Clock())

    events = frames(shape.encode(ToolCall("adk-1", "cut", {})) + shape.encode(ToolResult("adk-1", "cut", {})))

    assert len({event["invocationId"] for event in events}) == 1
    assert len({event["id"] for event in events}) == 2
    assert events[0]["content"]["parts"] == [{"functionCall": {"id": "adk-1", "args": {}, "name": "cut"}}]
    assert events[1]["content"]["role"] == "user"


def test_partial_chunks_are_followed_by_the_whole_text():
    *chunks, whole = frames(encoder("adk-partial", Clock()).encode(Text("I cut the silence and added captions.")))

    assert all(chunk["partial"] for chunk in chunks)
    assert "".join(chunk["content"]["parts"][0]["text"] for chunk in chunks) == whole["content"]["parts"][0]["text"]
    assert "partial" not in whole


def test_the_line_separator_is_sent_raw():
    assert "a\u2028b".encode() in encoder("adk", Clock()).encode(Text("a\u2028b"))


@pytest.mark.parametrize("shape", ["vendor", "adk"])
def test_a_broken_run_ends_in_an_error_frame_or_an_event_with_an_error_code(shape):
    (bare,) = frames(encoder(shape, Clock()).encode(Failure("exploded")))
    (modelled,) = frames(encoder(shape, Clock()).encode(Failure("exploded", modelled=True)))

    assert bare["error"].endswith("exploded")
    assert modelled["errorMessage"] == "exploded"
