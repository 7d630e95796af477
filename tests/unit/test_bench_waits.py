"""What the bench takes off a span of time: the waits for a processor that fell into it."""

import os

import pytest

from tests.bench.waits import Waits, watched


def noted(*notes, taken_off=sum):
    """Notes of a time, and of what each process had waited by then."""
    waits = Waits([], taken_off)
    for at_s, *each_waited_s in notes:
        waits.note_as(at_s, each_waited_s)
    return waits


def test_waits_within_a_span_are_taken_off_and_those_around_it_are_not():
    waits = noted((0, 5.0), (10, 6.0), (20, 6.5), (30, 9.0))
    assert waits.own_s(10, 20) == 9.5


def test_between_two_notes_waits_are_spread_evenly():
    assert noted((0, 0.0), (10, 5.0)).own_s(2, 4) == pytest.approx(1.0)


def test_before_the_first_note_and_after_the_last_nothing_was_waited():
    assert noted((10, 1.0), (20, 2.0)).own_s(0, 40) == 39.0


def test_what_waits_for_one_after_the_other_waits_for_their_sum_but_never_longer_than_the_span():
    assert noted((0, 1.0, 0.0), (10, 3.0, 4.0)).own_s(0, 10) == 4.0
    assert noted((0, 0.0, 0.0), (10, 9.0, 9.0)).own_s(0, 10) == 0.0


def test_of_several_that_wait_at_once_the_longest_alone_counts_each_time():
    waits = noted((0, 1.0, 0.0), (10, 3.0, 4.0), (20, 8.0, 5.0), taken_off=max)
    assert waits.own_s(0, 20) == 20 - 4.0 - 5.0


async def test_a_process_is_watched_as_long_as_the_block_lasts():
    async with watched([os.getpid()], sum) as waits:
        pass
    assert waits.own_s(1.0, 3.0) == 2.0
