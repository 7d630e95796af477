"""What the bench takes off a span of time: the waits for a processor that fell into it."""

import os

import pytest

from tests.bench.waits import Waits, watched


def noted(*pairs):
    waits = Waits([])
    for at_s, waited_s in pairs:
        waits.note_as(at_s, waited_s)
    return waits


def test_waits_within_a_span_are_taken_off_and_those_around_it_are_not():
    waits = noted((0, 5.0), (10, 6.0), (20, 6.5), (30, 9.0))
    assert waits.own_s(10, 20) == 9.5


def test_between_two_notes_waits_are_spread_evenly():
    assert noted((0, 0.0), (10, 5.0)).own_s(2, 4) == pytest.approx(1.0)


def test_before_the_first_note_and_after_the_last_nothing_was_waited():
    assert noted((10, 1.0), (20, 2.0)).own_s(0, 40) == 39.0


def test_several_that_waited_at_once_make_no_span_shorter_than_nothing():
    assert noted((0, 0.0), (10, 25.0)).own_s(0, 10) == 0.0


async def test_a_process_is_watched_as_long_as_the_block_lasts():
    async with watched([os.getpid()]) as waits:
        pass
    assert waits.own_s(1.0, 3.0) == 2.0
