"""JSON as servers write it: what is not quite JSON is read, and what comes out can be written again."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backend.json_text import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'\xef\xbb\xbf{"code": 0}', {"code": 0}),
        (b'{"fps": NaN, "gain": -Infinity}', {"fps": None, "gain": None}),
        (b'{"name": "clip \\ud83d"}', {"name": "clip �"}),
        (b'{"name": "clip \\ud83d\\ude00", "fps": NaN}', {"name": "clip 😀", "fps": None}),
        (b'{"name": "caf\xe9.mp4"}', {"name": "caf�.mp4"}),
        (b'{"\\udc00": [{"text": "one\ntwo\t"}]}', {"�": [{"text": "one\ntwo\t"}]}),
        ('{"text": "one\ntwo"}', {"text": "one\ntwo"}),
        ('{"text": "\ud83d"}', {"text": "�"}),
    ],
)
def test_what_is_not_quite_json_is_read(text: bytes | str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"cut', b"[" * 200_000, '{"a":' * 5_000, b"{'a': 1}", b"\xff"])
def test_what_is_no_json_is_a_value_error(text: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@given(st.binary() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_whatever_is_read_can_be_written(text: bytes | str) -> None:
    try:
        value = parse(text)
    except ValueError:
        return
    msgspec.json.encode(value)
