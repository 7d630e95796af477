"""How the API reads what came: bodies, headers, ranges."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.body import decode_json, field_error
from service.http.headers import join_field_lines, matches_etag, parse_traceparent, parse_wait_s
from service.http.ranges import ByteRange, RangeNotSatisfiable, parse_range
from service.problems import ApiError, problem_document
from service.schemas.requests import BatchRequest, JobRequest
from tests.growth_in_time import is_linear


@pytest.mark.parametrize(
    ("words", "pointer", "code"),
    [
        ("Expected `int` <= 1 - at `$.media[0].p`", "/media/0/p", "invalid_value"),
        ("Object contains unknown field `a/b~c` - at `$.media[12]`", "/media/12/a~1b~0c", "unknown_field"),
        ("Object missing required field `prompt`", "/prompt", "missing_field"),
        ("Expected `str`, got `int` - at `$.metadata[...]`", "/metadata", "invalid_value"),
        ("Expected `object`, got `array`", "", "invalid_value"),
        ("Invalid enum value 'x - at `$.a.b' - at `$.output.format`", "/output/format", "invalid_value"),
    ],
)
def test_what_is_wrong_gets_a_json_pointer(words: str, pointer: str, code: str) -> None:
    error = field_error(words, JobRequest)
    assert (error.pointer, error.code) == (pointer, code)


def test_of_many_names_the_one_with_the_wrong_value_is_pointed_at() -> None:
    jobs = [{"prompt": "x"}, {"prompt": "x", "metadata": {"": "", "order": "7", "lines": ["a"], "more": 8}}]
    refused = refusal_of(msgspec.json.encode({"jobs": jobs}), BatchRequest)
    assert refused is not None
    assert [error.pointer for error in refused.errors] == ["/jobs/1/metadata/lines"]


LONG_VALUES: list[dict[str, object]] = [
    {"x" * 1_000_000: 1},
    {"output": {"format": "x" * 1_000_000}},
    {"output": {"format": "x - at `$" + ".a" * 500_000}},
    {"metadata": {"x" * 1_000_000: 1}},
]


@pytest.mark.parametrize("ask", LONG_VALUES)
def test_a_refusal_is_short_however_long_what_is_refused(ask: dict[str, object]) -> None:
    refused = refusal_of(msgspec.json.encode({"prompt": "x"} | ask), JobRequest)
    assert refused is not None
    assert len(msgspec.json.encode(problem_document(refused, "/v1/jobs"))) < 2_000


def refusal_of(raw: bytes, kind: type) -> ApiError | None:
    """Read bytes as a body; any error but a refusal is a bug."""
    try:
        assert isinstance(decode_json(raw, kind), kind)
    except ApiError as refused:
        return refused
    return None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_job_or_a_refusal(raw: bytes) -> None:
    for kind in (JobRequest, BatchRequest):
        refused = refusal_of(raw, kind)
        assert refused is None or refused.status in {400, 422}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["prompt", "media", "x"]), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_job_or_pointed_at(value: object) -> None:
    refused = refusal_of(msgspec.json.encode(value), JobRequest)
    assert refused is None or refused.status == 422
    assert all(e.pointer == "" or e.pointer.startswith("/") for e in (refused.errors if refused else ()))


@pytest.mark.parametrize(
    ("prefer", "wanted_s"),
    [
        (None, None),
        ("", None),
        ("wait=30", 30),
        ("respond-async, wait=5", 5),
        ("WAIT = 7", 7),
        ('wait="9"', 9),
        ("wait=600", 60),
        ("wait=-1", None),
        ("wait=x", None),
        ("await=5", None),
        ("wait=0", 0),
        ('for="a, wait=9"', None),
        ('for="a, wait=9", wait=3', 3),
        ("wait=1, wait=50", 1),
        ('wait=2, for="a, wait=9', 2),
    ],
)
def test_prefer_says_how_long_to_wait(prefer: str | None, wanted_s: int | None) -> None:
    assert parse_wait_s(prefer) == wanted_s


@pytest.mark.parametrize("piece", ['\\"', '"', '"\\', "wait=", ",wait =  ", 'a="\\",'])
def test_a_long_prefer_takes_linear_time(piece: str) -> None:
    assert is_linear(lambda text: parse_wait_s('"' + text), piece, most_characters=8_000)


def test_only_a_well_formed_traceparent_is_taken() -> None:
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert parse_traceparent(good) == good
    for bad in (None, "", good.upper(), good[:-1], "ff" + good[2:], "00-" + "0" * 32 + good[35:]):
        assert parse_traceparent(bad) is None


@given(st.integers(0, 50), st.integers(0, 60), st.integers(1, 40))
def test_a_range_lies_inside_of_the_file(start: int, end: int, size_bytes: int) -> None:
    try:
        found = parse_range(f"bytes={start}-{end}", size_bytes=size_bytes)
    except RangeNotSatisfiable:
        assert start >= size_bytes
        return
    if end < start:
        assert found is None
    else:
        assert found == ByteRange(start, min(end + 1, size_bytes))


@given(st.text(max_size=60))
def test_no_header_breaks_the_reading_of_ranges(header: str) -> None:
    try:
        found = parse_range(header, size_bytes=10)
    except RangeNotSatisfiable:
        return
    assert found is None or 0 <= found.start < found.end <= 10


@pytest.mark.parametrize(
    ("if_none_match", "matches"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", W/"a" , "c"', True),
        ('"b","a"', True),
        (" * ", True),
        ('"x,*,y"', False),
        ('"b, a"', False),
        ('"ab"', False),
        ("a", False),
        ("", False),
        (None, False),
    ],
)
def test_a_tag_is_found_in_a_list_of_tags(if_none_match: str | None, matches: bool) -> None:
    assert matches_etag(if_none_match, '"a"') is matches
    assert matches_etag(if_none_match, 'W/"a"') is matches


def test_lines_of_one_field_are_one_list_in_their_order() -> None:
    lines = [(b"prefer", b"return=minimal"), (b"accept", b"*/*"), (b"prefer", b"wait=1"), (b"accept", b"*/*")]
    assert join_field_lines(lines) == [(b"prefer", b"return=minimal, wait=1"), (b"accept", b"*/*")]
