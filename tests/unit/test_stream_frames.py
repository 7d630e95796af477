"""Bytes into frames, by the rules of server-sent events."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backend.sse import Frame, FrameDecoder


def frames(*chunks: bytes, max_event_bytes: int = 4 * 1024 * 1024) -> list[Frame]:
    decoder = FrameDecoder(max_event_bytes=max_event_bytes)
    return [frame for chunk in chunks for frame in decoder.feed(chunk)]


def decoded(*chunks: bytes) -> list[str | None]:
    return [frame.data for frame in frames(*chunks)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_end_at_lf_cr_and_crlf(end: bytes) -> None:
    assert decoded(b"data: one" + end + b"data: two" + end + end) == ["one\ntwo"]


def test_line_separators_of_unicode_are_text() -> None:
    words = "one\u2028two\u2029three\x85four\x0bfive\x0csix"
    assert decoded(f"data: {words}\n\n".encode()) == [words]


def test_crlf_cut_in_two_is_one_line_end() -> None:
    assert decoded(b"data: one\r", b"\ndata: two\r", b"", b"\n\r", b"\n") == ["one\ntwo"]


def test_a_carriage_return_ends_an_event_without_waiting_for_more() -> None:
    assert decoded(b"data: one\r\r") == ["one"]


def test_a_byte_order_mark_is_dropped_at_the_start_alone() -> None:
    bom = b"\xef\xbb\xbf"
    assert decoded(bom[:1], bom[1:] + b"data: one\n\n") == ["one"]
    assert decoded(b"data: one\n\n" + bom + b"data: two\n\n") == ["one"]


def test_comments_and_empty_data_say_that_the_other_side_lives() -> None:
    assert decoded(b": keep-alive\n\ndata:\n\ndata\n\n:\n") == ["", "", "", ""]


def test_other_fields_and_events_without_data_or_name_say_nothing() -> None:
    assert decoded(b"id: 7\nretry: 10\n\nid: 8\ndata: one\n\nid\n\nevent\n\n") == ["one"]


def test_an_events_name_is_told_with_its_data_and_for_it_alone() -> None:
    stream = b"event: heartbeat\n\nevent: error\ndata: one\n\ndata: two\n\n"
    assert frames(stream) == [Frame("", "heartbeat"), Frame("one", "error"), Frame("two")]


def test_a_line_of_an_error_outside_of_an_event_is_told_at_once() -> None:
    assert frames(b"error: engine failed\n") == [Frame("engine failed", "error")]
    assert decoded(b"data: one\nerror: a line of its text\n\n") == ["one"]


def test_one_space_after_the_colon_is_dropped_and_no_more() -> None:
    assert decoded(b"data:  one\ndata:two \n\n") == [" one\ntwo "]


def test_an_event_that_the_end_cuts_off_is_dropped() -> None:
    assert decoded(b"data: one\n\ndata: two\n") == ["one"]


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert decoded(b"data: a\xffb\n\n") == ["a\ufffdb"]


FLOODS = [
    b"data: " + b"x" * 200 + b"\n",
    b"data: x\n" * 200,
    b"data: x\n" + b"data: " + b"x" * 200 + b"\ndata: y\n",
    b"x" * 200 + b"\n",
    b"event: y\ndata: " + b"x" * 200 + b"\r\n",
]


@pytest.mark.parametrize("flood", FLOODS)
def test_an_event_above_the_cap_costs_itself_and_no_other(flood: bytes) -> None:
    stream = b"data: one\n\n" + flood + b"\ndata: two\n\n"
    told = [frame.data for frame in frames(stream, max_event_bytes=100)]
    assert told == ["one", None, "two"]
    for cut in range(len(stream) + 1):
        assert [frame.data for frame in frames(stream[:cut], stream[cut:], max_event_bytes=100)] == told
    single = (stream[at : at + 1] for at in range(len(stream)))
    assert [frame.data for frame in frames(*single, max_event_bytes=100)] == told


def test_a_comment_above_the_cap_is_a_sign_of_life_and_costs_nothing() -> None:
    stream = b"data: one\n: " + b"x" * 200 + b"\ndata: two\n\n"
    assert [frame.data for frame in frames(stream, max_event_bytes=100)] == ["", "one\ntwo"]


def test_a_line_without_an_end_holds_no_memory() -> None:
    decoder = FrameDecoder(max_event_bytes=1000)
    tracemalloc.start()
    try:
        told = [frame for _ in range(1000) for frame in decoder.feed(b"x" * 10_000)]
        assert told == [Frame(None)]
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


def test_the_cap_is_per_event_and_comments_do_not_count() -> None:
    decoder = FrameDecoder(max_event_bytes=100)
    for _ in range(50):
        said = decoder.feed(b": still here, still working\ndata: 0123456789\n\n")
        assert [frame.data for frame in said] == ["", "0123456789"]


LINES = st.lists(
    st.sampled_from(
        [
            b"data: one",
            b"data:",
            b"data: \xe2\x80\xa8",
            b": c",
            b"event: e",
            b"error: e",
            b"",
            b"",
            b"\xef\xbb\xbfdata: x",
        ]
    )
)


@given(
    lines=LINES, ends=st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=1), cuts=st.sets(st.integers(0, 200))
)
def test_where_the_stream_is_cut_makes_no_difference(lines: list[bytes], ends: list[bytes], cuts: set[int]) -> None:
    whole = b"".join(line + ends[place % len(ends)] for place, line in enumerate(lines))
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(places)]
    assert frames(*pieces) == frames(whole)
    assert frames(*pieces, max_event_bytes=9) == frames(whole, max_event_bytes=9)


@given(st.lists(st.binary()))
def test_no_bytes_break_it(chunks: list[bytes]) -> None:
    assert decoded(*chunks) == decoded(b"".join(chunks))
