"""The agent server's shape against streams recorded from such a server: the same keys, in the same places."""

import json
from pathlib import Path

import pytest

from sandbox.backend.clock import Clock
from sandbox.backend.messages.stream import Failure, Text, ToolCall, ToolResult, encoder

CAPTURES = Path(__file__).parents[1] / "captures"


def frames(raw):
    blocks = [block for block in raw.decode().split("\n\n") if block.strip()]
    return [json.loads(block.strip().removeprefix("data: ")) for block in blocks]


def skeleton(value):
    """Keys and types, without what is in them; what a tool is asked and answers is its own affair."""
    if isinstance(value, dict):
        return {key: "any" if key in ("args", "response") else skeleton(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [skeleton(inner) for inner in value]
    return type(value).__name__


def recorded(name):
    return [skeleton(frame) for frame in frames((CAPTURES / f"adk-{name}.sse").read_bytes())]


@pytest.mark.parametrize(
    ("capture", "shape", "events"),
    [
        ("text", "adk", [Text("hello from nemo")]),
        ("tool_no_text", "adk", [ToolCall("adk-1", "start_render", {}), ToolResult("adk-1", "start_render", {})]),
        ("error_exception", "adk", [Text("working on it"), Failure("upstream exploded")]),
        ("partial", "adk-partial", [Text("I cut the silence, added captions: café")]),
    ],
)
def test_frames_look_like_the_recorded_ones(capture, shape, events):
    written = encoder(shape, Clock())
    sent = [skeleton(frame) for frame in frames(b"".join(written.encode(event) for event in events))]

    assert {json.dumps(frame, sort_keys=True) for frame in sent} == {
        json.dumps(frame, sort_keys=True) for frame in recorded(capture)
    }
