"""The shape of an answer: keys and types, and of values nothing but what says how it stands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backend.transport import RecordedAnswer
from worker.doctor.shapes import describe, shape_of

HOST = "api.example.com"


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"code": 0, "data": {"session_id": "5529798706024415232"}}, {"code": 0, "data": {"session_id": "digits"}}),
        ({"code": "0", "success": True, "data": None}, {"code": "text 0", "success": True, "data": None}),
        ({"available": 4900.5, "name": "Ann"}, {"available": "number", "name": "text"}),
        ({"status": "Completed", "progress": "45%"}, {"status": "Completed", "progress": "text 45%"}),
        ({"status": "my prompt"}, {"status": "text"}),
        ({"url": f"https://{HOST}/a?sig=1"}, {"url": "url on the backend's host"}),
        ({"url": "https://cdn.example.net/a"}, {"url": "url on another host"}),
        ({"url": "/files/a.mp4"}, {"url": "url relative"}),
        ({"at": "2026-11-27T00:00:00Z", "empty": ""}, {"at": "time", "empty": "empty text"}),
        ({"render_1700000000000": {}, "user 7": 1}, {"<id>": "number"}),
        ([{"a": 1}, {"a": 2}], [{"a": "number"}, "2 items"]),
        ([], []),
    ],
)
def test_values_become_types(value, shape):
    assert shape_of(value, host=HOST) == shape


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_any_json_has_a_shape_and_no_text_of_it_is_in_there(value):
    marked = json.dumps({"name": "MARK 1", "list": ["MARK 2", {"MARK 3": value}], "status": "MARK 4"})
    answer = RecordedAnswer("GET", "/MARK", 200, {"content-type": "application/json"}, marked.encode())
    assert "MARK" not in describe(answer, host=HOST)


@pytest.mark.parametrize(
    ("status", "headers", "body", "told"),
    [
        (403, {"content-type": "text/html; charset=x", "server": "cloudflare"}, b"<html>", "403 text/html, server cloudflare 6 bytes"),
        (302, {"location": "https://cdn.example.net/x?sig=1"}, b"", "302 no content-type, leads to a url on another host 0 bytes"),
        (200, {"content-type": "application/json"}, b"{", "200 application/json 1 bytes that are no JSON"),
        (200, {"content-type": "text/event-stream"}, b'data: {"type":"text","content":"hi"}\n\n: beat\n\ndata: ping\n\n',
         '200 text/event-stream 1 times {"type":"text","content":"text"}, 1 times no JSON'),
        (200, {"content-type": "a secret, really"}, b"", "200 odd content-type 0 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_told_by_its_kind_and_size(status, headers, body, told):
    assert describe(RecordedAnswer("GET", "/", status, headers, body), host=HOST) == told
