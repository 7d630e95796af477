"""How the API reads what came: bodies, headers, ranges."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.body import decoded, field_error
from service.http.headers import idempotency_key_of, traceparent, wait_s
from service.http.ranges import Span, Unsatisfiable, span_of
from service.problems import Refused
from service.schemas.requests import BatchAsk, JobAsk


@pytest.mark.parametrize(
    ("words", "pointer", "code"),
    [
        ("Expected `int` <= 1 - at `$.media[0].p`", "/media/0/p", "invalid_value"),
        ("Object contains unknown field `a/b~c` - at `$.media[12]`", "/media/12/a~1b~0c", "unknown_field"),
        ("Object missing required field `prompt`", "/prompt", "missing_field"),
        ("Expected `str`, got `int` - at `$.metadata[...]`", "/metadata", "invalid_value"),
        ("Expected `object`, got `array`", "", "invalid_value"),
    ],
)
def test_what_is_wrong_gets_a_json_pointer(words: str, pointer: str, code: str) -> None:
    error = field_error(words)
    assert (error.pointer, error.code) == (pointer, code)


def refusal_of(raw: bytes, kind: type) -> Refused | None:
    """Read bytes as a body; any error but a refusal is a bug."""
    try:
        assert isinstance(decoded(raw, kind), kind)
    except Refused as refused:
        return refused
    return None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_job_or_a_refusal(raw: bytes) -> None:
    for kind in (JobAsk, BatchAsk):
        refused = refusal_of(raw, kind)
        assert refused is None or refused.status in {400, 422}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["prompt", "media", "x"]), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_job_or_pointed_at(value: object) -> None:
    refused = refusal_of(msgspec.json.encode(value), JobAsk)
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
    ],
)
def test_prefer_says_how_long_to_wait(prefer: str | None, wanted_s: int | None) -> None:
    assert wait_s(prefer) == wanted_s


def test_a_quoted_key_is_the_bare_one_and_another_path_has_its_own() -> None:
    bare = idempotency_key_of("4f1c", path="/v1/jobs", body=b"x")
    assert idempotency_key_of('"4f1c"', path="/v1/jobs", body=b"x") == bare
    assert idempotency_key_of("4f1c", path="/v1/batches", body=b"x").key_hash != bare.key_hash
    assert idempotency_key_of("4f1c", path="/v1/jobs", body=b"y").body_hash != bare.body_hash
    assert idempotency_key_of(None, path="/v1/jobs", body=b"x") is None


@pytest.mark.parametrize("key", ["", '""', "a b", "\x7f", "é", "x" * 256])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(Refused):
        idempotency_key_of(key, path="/v1/jobs", body=b"")


def test_only_a_well_formed_traceparent_is_taken() -> None:
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert traceparent(good) == good
    for bad in (None, "", good.upper(), good[:-1], "ff" + good[2:], "00-" + "0" * 32 + good[35:]):
        assert traceparent(bad) is None


@given(st.integers(0, 50), st.integers(0, 60), st.integers(1, 40))
def test_a_range_lies_inside_of_the_file(start: int, end: int, size_bytes: int) -> None:
    try:
        span = span_of(f"bytes={start}-{end}", size_bytes=size_bytes)
    except Unsatisfiable:
        assert start >= size_bytes
        return
    if end < start:
        assert span is None
    else:
        assert span == Span(start, min(end + 1, size_bytes))


@given(st.text(max_size=60))
def test_no_header_breaks_the_reading_of_ranges(header: str) -> None:
    try:
        span = span_of(header, size_bytes=10)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span.start < span.end <= 10
