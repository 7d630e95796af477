"""Bytes into frames, by the rules of server-sent events."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backend.sse import EventTooLarge, FrameDecoder


def decoded(*chunks: bytes) -> list[str]:
    decoder = FrameDecoder()
    return [data for chunk in chunks for data in decoder.feed(chunk)]


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


def test_other_fields_and_events_without_data_say_nothing() -> None:
    assert decoded(b"event: ping\nid: 7\nretry: 10\n\nevent: x\ndata: one\n\nid\n\n") == ["one"]


def test_one_space_after_the_colon_is_dropped_and_no_more() -> None:
    assert decoded(b"data:  one\ndata:two \n\n") == [" one\ntwo "]


def test_an_event_that_the_end_cuts_off_is_dropped() -> None:
    assert decoded(b"data: one\n\ndata: two\n") == ["one"]


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert decoded(b"data: a\xffb\n\n") == ["a\ufffdb"]


@pytest.mark.parametrize("flood", [b"data: " + b"x" * 200, b"data: x\n" * 200, b"x" * 200])
def test_an_event_above_the_cap_is_an_error(flood: bytes) -> None:
    with pytest.raises(EventTooLarge):
        FrameDecoder(max_event_bytes=100).feed(flood)


def test_the_cap_is_per_event_and_comments_do_not_count() -> None:
    decoder = FrameDecoder(max_event_bytes=100)
    for _ in range(50):
        assert decoder.feed(b": still here, still working\ndata: 0123456789\n\n") == ["", "0123456789"]


LINES = st.lists(
    st.sampled_from(
        [b"data: one", b"data:", b"data: \xe2\x80\xa8", b": c", b"event: e", b"", b"", b"\xef\xbb\xbfdata: x"]
    )
)


@given(
    lines=LINES, ends=st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=1), cuts=st.sets(st.integers(0, 200))
)
def test_where_the_stream_is_cut_makes_no_difference(lines: list[bytes], ends: list[bytes], cuts: set[int]) -> None:
    whole = b"".join(line + ends[place % len(ends)] for place, line in enumerate(lines))
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(places)]
    assert decoded(*pieces) == decoded(whole)


@given(st.lists(st.binary()))
def test_no_bytes_break_it(chunks: list[bytes]) -> None:
    assert decoded(*chunks) == decoded(b"".join(chunks))
