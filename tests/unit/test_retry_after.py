"""Retry-After is read in both of its forms, never trusted beyond a month, and written in whole seconds."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.http.retry_after import LONGEST_S, format_retry_after, parse_retry_after_s

NOW_MS = 1_795_000_000_000
SOON = format_datetime(datetime.fromtimestamp(NOW_MS / 1000 + 120, UTC), usegmt=True)


@pytest.mark.parametrize("text", ["120", " 120 ", SOON, SOON.replace("GMT", "-0000")])
def test_it_is_read_in_both_forms(text):
    assert parse_retry_after_s(text, now_ms=NOW_MS) == 120


def test_a_time_is_measured_from_the_answers_own_date():
    later, now = "Fri, 20 Nov 2026 23:00:30 GMT", "Fri, 20 Nov 2026 23:00:00 GMT"
    assert parse_retry_after_s(later, date=now) == 30
    assert parse_retry_after_s(later, date=now, now_ms=NOW_MS) == 30


def test_a_time_that_can_be_measured_from_nothing_says_nothing():
    assert parse_retry_after_s(SOON) is None
    assert parse_retry_after_s(SOON, date="today") is None


def test_a_time_that_has_passed_means_now():
    assert parse_retry_after_s("Sun, 06 Nov 1994 08:49:37 GMT", now_ms=NOW_MS) == 0


def test_a_month_is_the_longest_that_anybody_waits():
    assert parse_retry_after_s("999999999") == LONGEST_S
    assert parse_retry_after_s("Fri, 31 Dec 9999 23:59:59 GMT", now_ms=NOW_MS) == LONGEST_S


@pytest.mark.parametrize("text", [None, "", "soon", "-5", "1.5", "٣", "9" * 400, "Mon, 99 Xxx 2026 00:00:00 GMT"])
def test_what_says_nothing_sensible_is_none(text):
    assert parse_retry_after_s(text, now_ms=NOW_MS) is None


@given(st.text(), st.text())
def test_nothing_breaks_the_reading(text, date):
    seconds = parse_retry_after_s(text, date=date, now_ms=NOW_MS)
    assert seconds is None or 0 <= seconds <= LONGEST_S


@pytest.mark.parametrize(("delay_s", "text"), [(0, "1"), (0.2, "1"), (1, "1"), (1.001, "2"), (30, "30"), (30.0, "30")])
def test_it_is_written_in_whole_seconds_and_never_too_early(delay_s, text):
    assert format_retry_after(delay_s) == text


@given(st.floats(0, LONGEST_S))
def test_what_is_written_is_read_again(delay_s):
    assert 0 <= parse_retry_after_s(format_retry_after(delay_s)) - delay_s <= 1
