"""Frames into events, in both shapes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.growth_in_time import is_linear
from worker.backend.events import (
    Heartbeat,
    StreamDecoder,
    StreamError,
    StreamEvent,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    as_stream,
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
        ({"type": "text", "content": "half a \ud83d"}, Text("half a �")),
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
        ({"errorCode": "STOP", "finishReason": "STOP", "author": "nemo_agent", "actions": {}}, Heartbeat()),
        ({"error_code": "STOP", "error_message": None, "invocation_id": "e-1"}, Heartbeat()),
        ({"errorCode": "STOP", "errorMessage": "it broke"}, StreamError("it broke")),
        ({"errorCode": "STOP", "error": "it broke"}, StreamError("it broke")),
        ({"code": 0, "message": "ok"}, Unknown()),
        ({"content": {"parts": [{"function_call": {"name": "cut"}}]}, "invocation_id": "e-1"}, ToolCall("cut")),
        ({"content": {"parts": [{"function_response": {"name": "cut"}}]}}, ToolResult("cut")),
        ({"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "partial": False}, Text("ab", "whole")),
        ({"content": {"parts": [{"text": "hm", "thought": True}, {"text": "b"}]}}, Text("b", "whole")),
        (
            {"content": {"parts": [{"text": "hm", "thought": "true"}, {"text": "b"}]}, "partial": "false"},
            Text("b", "whole"),
        ),
        ({"content": {"parts": [{"text": "b"}]}, "partial": "true"}, Text("b", "chunk")),
        ({"content": {"role": "user", "parts": [{"text": "trim it"}]}, "author": "user"}, Heartbeat()),
        ({"content": {"role": "user", "parts": [{"text": "trim it"}]}}, Heartbeat()),
        ({"content": {"role": "user", "parts": [{"text": "b"}]}, "author": "nemo_agent"}, Text("b", "whole")),
        ({"type": "TEXT", "content": "Done."}, Text("Done.")),
        ({"type": "toolCall", "name": "cut"}, ToolCall("cut")),
        ({"type": "tool-result", "name": "cut", "result": {"error": "no"}}, ToolResult("cut", failed=True)),
        ({"code": 0, "data": {"type": "text", "content": "Done."}}, Text("Done.")),
        ({"code": 0, "data": {"content": {"parts": [{"text": "Done."}]}}}, Text("Done.", "whole")),
        ({"data": {"type": "error", "code": 2001, "message": "no credits"}}, StreamError("no credits", 2001)),
        ({"event": "text", "data": {"content": "Done."}}, Text("Done.")),
        ({"type": "text", "data": {"text": "Done."}}, Text("Done.")),
        ({"type": "text", "data": "Done."}, Text("Done.")),
        ({"type": "text", "data": '{"content": "Done."}'}, Text("Done.")),
        ({"type": "text", "content": {"text": "Done."}}, Text("Done.")),
        ({"type": "text", "content": [{"type": "text", "text": "Do"}, "ne."]}, Text("Done.")),
        ({"type": "text", "delta": "Done."}, Text("Done.")),
        ({"type": "text", "content": 7}, Unknown()),
        ({"type": "text", "content": {"parts": [{"text": "Done."}]}}, Text("Done.", "whole")),
        ({"type": "tool_error", "name": "cut", "code": 1002, "error": "no session"}, ToolResult("cut", failed=True)),
        ({"type": "text", "content": "Do", "partial": True}, Text("Do", "chunk")),
        ({"type": "text", "content": "Done.", "partial": False}, Text("Done.", "whole")),
        ({"event": "tool_result", "data": {"name": "cut", "result": {"error": "no"}}}, ToolResult("cut", failed=True)),
        ({"type": "error", "data": {"code": 2001, "message": "no credits"}}, StreamError("no credits", 2001)),
        ({"event": "error", "data": "it broke"}, StreamError("it broke")),
        ({"detail": {"code": 1001, "message": "token expired"}}, StreamError("token expired", 1001)),
        ({"type": "error", "code": "SESSION_NOT_FOUND", "message": "gone"}, StreamError("gone", 1002)),
        ({"errorCode": "RESOURCE_EXHAUSTED"}, StreamError("RESOURCE_EXHAUSTED")),
        ({}, Heartbeat()),
        ({"type": "mystery"}, Unknown()),
        ({"content": {"parts": "none"}}, Unknown()),
        ({"content": None, "actions": {}}, Unknown()),
        ([1], Unknown()),
        (None, Unknown()),
    ],
)
def test_each_shape_is_read(frame: object, event: StreamEvent) -> None:
    assert read_frame(json.dumps(frame)) == [event]


@pytest.mark.parametrize(
    ("name", "frame", "event"),
    [
        ("text", {"content": "Done."}, Text("Done.")),
        ("tool_call", {"name": "cut"}, ToolCall("cut")),
        ("tool_result", {"type": "text", "content": "Done."}, Text("Done.")),
        ("message", {"content": "Done."}, Unknown()),
        ("heartbeat", {"content": {"parts": [{"text": "Done."}]}}, Text("Done.", "whole")),
        ("heartbeat", {"data": {"type": "text", "content": "Done."}}, Text("Done.")),
    ],
)
def test_what_an_event_is_called_counts_where_its_data_does_not_say(name, frame, event) -> None:
    assert read_frame(json.dumps(frame), name=name) == [event]


def test_text_and_a_tool_call_in_one_event_are_two() -> None:
    parts = [{"text": "Cutting."}, {"functionCall": {"name": "cut", "args": {}}}]
    assert read_frame(json.dumps({"content": {"parts": parts}})) == [Text("Cutting.", "whole"), ToolCall("cut")]


@pytest.mark.parametrize("end", ["\n", "\n\n"])
@pytest.mark.parametrize(
    "stream",
    [
        'data: {"type":"heartbeat"}\ndata: {"type":"text","content":"A."}\ndata: [DONE]\ndata: {"error":"it broke"}',
        'data: data: {"type":"heartbeat"}\ndata: \ndata: data: {"type":"text","content":"A."}\ndata: {"error":"it broke"}',
        'data: [{"type":"heartbeat"},{"type":"text","content":"A."},{"error":"it broke"}]',
    ],
)
def test_events_that_no_blank_line_parts_are_several(stream: str, end: str) -> None:
    decoder = StreamDecoder()
    told = [*decoder.feed((stream + end).encode()), *decoder.end()]
    assert told == [Heartbeat(), Text("A."), StreamError("it broke")]


@pytest.mark.parametrize("form", ["[%s]", '{"events": [%s]}', "%s"])
def test_far_more_events_at_once_than_a_message_has_are_not_read(form: str) -> None:
    events = ['{"type":"text","content":"A."}', *["{}"] * 20_000]
    told = form % ("\n" if form == "%s" else ",").join(events)
    assert as_stream(told.encode()) == b""
    assert read_frame(told) == [Unknown()]


@pytest.mark.parametrize("data", ["{", "DONE!?x", "nonsense", "[" * 100_000])
def test_what_is_no_json_is_counted_and_ignored(data: str) -> None:
    assert read_frame(data) == [Unknown()]


@pytest.mark.parametrize(
    "stream",
    ["data: [DONE]\n\n", 'data: {"type":"done"}\n\n', "event: done\ndata: {}\n\n", "data: <EOS>\n\n", "event: eof\n\n"],
)
def test_what_says_that_the_stream_is_over_is_told_from_a_heartbeat(stream: str) -> None:
    assert decoded(stream.encode()) == [Heartbeat(last=True)]


@pytest.mark.parametrize("words", ["Done", "ping", "Error: none was left", "  I cut it.", '"I cut it."'])
def test_words_in_an_event_that_is_named_a_text_are_one(words: str) -> None:
    told = decoded(f"event: text\ndata: {words}\n\nevent: text\ndata: [DONE]\n\nevent: text\ndata:\n\n".encode())
    assert told == [Text(words.strip('"')), Heartbeat(last=True), Heartbeat()]


@pytest.mark.parametrize(
    "stream",
    [
        "event: heartbeat\n\n",
        "event: ping\ndata: {}\n\n",
        'event: heartbeat\ndata: {"at": 1795213575}\n\n',
        "event: keep-alive\ndata: \n\n",
        *(
            f"data: {word}\n\n"
            for word in (
                "heartbeat",
                "ping",
                "keepalive",
                "keep-alive",
                "KEEP_ALIVE",
                '"heartbeat"',
                "<ping>",
            )
        ),
        'event: open\ndata: {"session_id":"s"}\n\n',
        'data: {"type":"connected","session_id":"s"}\n\n',
        'data: {"type":"ping"}\n\n',
        'data: {"type":"keep-alive"}\n\n',
        'data: {"event":"heartbeat"}\n\n',
        'data: {"type":"end"}\n\n',
    ],
)
def test_a_heartbeat_in_any_dress_is_one(stream: str) -> None:
    assert decoded(stream.encode()) == [Heartbeat()]


def test_a_text_in_an_event_that_is_named_a_heartbeat_is_a_text() -> None:
    assert decoded(b'event: ping\ndata: {"type":"text","content":"Done."}\n\n') == [Text("Done.")]


def test_what_is_too_large_is_counted_as_unknown_and_the_reply_goes_on() -> None:
    decoder = StreamDecoder(max_event_bytes=100)
    large = b'data: {"type":"text","content":"' + b"x" * 200 + b'"}\n\n'
    assert decoder.feed(large + b'data: {"type":"text","content":"Done."}\n\n') == [
        Unknown(),
        Text("Done."),
    ]


@pytest.mark.parametrize("end", ["", "\n", "\r", "\r\n"])
@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ('data: {"type":"text","content":"Done."}', [Text("Done.")]),
        ('data: {"error":"it broke"}', [StreamError("it broke")]),
        ('event: error\ndata: {"code":1001,"message":"expired"}', [StreamError("expired", 1001)]),
        ('data: {"type":"text","content":"Do', []),
        ("data: Error: eng", []),
        ("event: error", []),
        (": alive", []),
    ],
)
def test_a_last_event_without_a_blank_line_counts_if_all_of_it_is_there(
    frame: str, end: str, told: list[StreamEvent]
) -> None:
    decoder = StreamDecoder()
    assert [*decoder.feed(b"data: heartbeat\n\n"), *decoder.feed(f"{frame}{end}".encode())][:1] == [Heartbeat()]
    assert decoder.end() == told


#: Error frames as agent servers write that put them together by hand, and what a caller may read of them.
BY_HAND = [
    ('data: {"error": "Tool "cut" failed"}', 'Tool "cut" failed'),
    ('data: {"error": "first line\nsecond line"}', "first line"),
    ('data: {"error": "first line\r\n\r\nsecond line"}', "first line"),
    ('data: {"error": "first\ndata: second"}', "first second"),
    ('data: {"error": "it\'s C:\\path"}', "it's C:\\path"),
    ("data: {'error': 'it broke'}", "it broke"),
    ('data: {"error": it broke}', "it broke"),
    ('data: {"error":"cut off in the midd', "cut off in the midd"),
    ('data: {"type": "error", "message": "Tool "cut" failed"}', None),
    ('data: {"code": 500, "message": "Tool "cut" failed"}', None),
    ('data: {"invocationId": "e-1", "errorCode": "X", "errorMessage": "Tool "cut" failed"}', None),
    ("data: error: engine failed", "error: engine failed"),
    ("data: Error: engine failed", "Error: engine failed"),
    ("data: [ERROR] engine failed", None),
    ("data: RuntimeError: upstream exploded", "RuntimeError: upstream exploded"),
    ("data: google.genai.errors.ServerError: 503", None),
    ("data: Internal Server Error", "Internal Server Error"),
    ("data: Traceback (most recent call last):\ndata:   File", None),
    ('data: "error: engine failed"', "error: engine failed"),
    ("error: engine failed", "engine failed"),
    ("event: error\ndata: engine failed", "engine failed"),
    ('event: error\ndata: {"message": "engine failed"}', "engine failed"),
    ("event: error\n", "the backend reported an error"),
    ('data: {"status": "error", "message": "engine failed"}', "engine failed"),
    ('data: {"success": false, "message": "engine failed"}', "engine failed"),
]


@pytest.mark.parametrize(("frame", "message"), BY_HAND)
def test_an_error_that_was_put_together_by_hand_is_a_fault(frame: str, message: str | None) -> None:
    stream = f"{frame}\n\n".encode()
    (event,) = decoded(stream)
    assert isinstance(event, StreamError)
    assert message in (None, event.message)
    for cut in range(len(stream) + 1):
        assert decoded(stream[:cut], stream[cut:]) == [event]


@pytest.mark.parametrize(
    "said",
    [
        "error: this is what the title says now",
        '{"error": "shown on the screen"}',
        "Error card added at 0:03.",
        "I fixed the error in the captions. Internal Server Error is gone.",
        "event: error",
    ],
)
def test_a_reply_that_mentions_an_error_is_a_text(said: str) -> None:
    vendor, agent = {"type": "text", "content": said}, {"content": {"parts": [{"text": said}]}, "error": None}
    assert read_frame(json.dumps(vendor)) == [Text(said)]
    assert read_frame(json.dumps(agent)) == [Text(said, "whole")]


@pytest.mark.parametrize(
    "data",
    [
        '{"type":"text","content":"She said "error: no" twice"}',
        '{"type":"text","error":null,"content":"She said "no""}',
        '{"content":{"parts":[{"text":"the "error": card"}]}}',
        "No error: all is well",
        "terror: a film",
    ],
)
def test_a_broken_text_is_no_fault_and_no_reply(data: str) -> None:
    assert read_frame(data) == [Unknown()]


@pytest.mark.parametrize(
    ("result", "failed"),
    [
        ({"ok": True}, False),
        ({"render_id": "r-123", "status": "queued"}, False),
        ({"status": "success", "error": None}, False),
        ({"code": 0, "errors": []}, False),
        ("Added the error card.", False),
        (None, False),
        ([1], False),
        ({"error": "no such clip"}, True),
        ({"error": {"message": "no such clip"}}, True),
        ({"status": "error", "error_message": "no such clip"}, True),
        ({"status": "FAILED"}, True),
        ({"success": False}, True),
        ({"isError": True, "content": [{"type": "text", "text": "no"}]}, True),
        ({"result": {"status": "error"}}, True),
        ({"result": "Error: no such clip"}, True),
        ({"code": 4001}, True),
        ({"success": "false"}, True),
        ({"content": "Error: no such clip"}, True),
        ("Error: no such clip", True),
        ("Failed to cut", True),
        ('{"error": "no such clip"}', True),
    ],
)
def test_a_tools_result_tells_whether_it_failed_in_both_shapes(result: object, *, failed: bool) -> None:
    vendor = {"type": "tool_result", "name": "cut", "result": result}
    assert read_frame(json.dumps(vendor)) == [ToolResult("cut", failed)]
    for key in ("functionResponse", "function_response"):
        agent = {"content": {"parts": [{key: {"name": "cut", "response": result}}]}}
        assert read_frame(json.dumps(agent)) == [ToolResult("cut", failed)]


def test_a_result_may_say_beside_itself_that_it_failed() -> None:
    frame = {"type": "tool_result", "name": "cut", "result": "no such clip", "is_error": True}
    assert read_frame(json.dumps(frame)) == [ToolResult("cut", failed=True)]


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
    assert read_frame(json.dumps(frame)[:-1])


@given(
    st.text() | st.lists(st.sampled_from([*"{}\"':, 0", "error", "code", "type", "null", "data", "\n"])).map("".join)
)
def test_no_words_break_it(words: str) -> None:
    assert read_frame(words)
    assert read_frame(words, name="error")


@pytest.mark.parametrize(
    "piece", ["{", "'", '"', " ", "error", "error ", "a.", '{"a":', '"a":1,', "internal ", "[", "{ "]
)
def test_long_words_take_linear_time(piece: str) -> None:
    def read(words: str) -> None:
        for data in (words, "{" + words, '{"error": "' + words, "error: " + words):
            assert read_frame(data)

    assert is_linear(read, piece, most_characters=1_000_000)
