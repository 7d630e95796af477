"""When a render is looked at: first when most of its profile are done, never more often than the documents say, not in step."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.render_looks import ENOUGH_RENDERS, MOST_INTERVALS, SPREAD, WORTH_OF_LOOK, first_look_s, spread_s

INTERVAL_S = 30.0
intervals = st.floats(0.01, 120)
times = st.one_of(
    st.lists(st.floats(0, 900), max_size=ENOUGH_RENDERS - 1),
    st.lists(st.floats(0, 900), min_size=ENOUGH_RENDERS, max_size=60),
    st.lists(st.floats(40, 80), min_size=ENOUGH_RENDERS, max_size=60),
)


def looks(took_s: float, *, first_s: float, interval_s: float) -> int:
    return 1 + max(0, math.ceil((took_s - first_s) / interval_s))


def late_s(took_s: float, *, first_s: float, interval_s: float = INTERVAL_S) -> float:
    """How long after its end a render is noticed that is looked at like this."""
    return first_s + (looks(took_s, first_s=first_s, interval_s=interval_s) - 1) * interval_s - took_s


def mean_late_s(took_s: Sequence[float], *, first_s: float, interval_s: float = INTERVAL_S) -> float:
    return fmean(late_s(one, first_s=first_s, interval_s=interval_s) for one in took_s)


def test_as_long_as_few_have_ended_the_first_look_comes_when_the_documents_say() -> None:
    assert first_look_s([], INTERVAL_S) == INTERVAL_S
    assert first_look_s([70.0] * (ENOUGH_RENDERS - 1), INTERVAL_S) == INTERVAL_S


def test_renders_that_take_about_the_same_are_first_looked_at_when_they_are_done() -> None:
    took_s = [70 + n / 10 for n in range(100)]
    first_s = first_look_s(took_s, INTERVAL_S)
    assert 79 <= first_s <= 80 + 2 * SPREAD * INTERVAL_S
    assert mean_late_s(took_s, first_s=first_s) < mean_late_s(took_s, first_s=INTERVAL_S) / 2


def test_looks_that_found_nothing_are_left_out() -> None:
    took_s = [60 + 0.6 * n for n in range(100)]
    first_s = first_look_s(took_s, INTERVAL_S)
    assert first_s > 60
    assert mean_late_s(took_s, first_s=first_s) < mean_late_s(took_s, first_s=INTERVAL_S) + 1


def test_those_that_are_done_before_the_first_look_may_come_are_looked_at_then() -> None:
    assert first_look_s([8 + n / 10 for n in range(100)], INTERVAL_S) == INTERVAL_S


def test_fast_renders_among_slow_ones_do_not_wait_for_these() -> None:
    took_s = [20.0] * 10 + [110.0] * 90
    assert first_look_s(took_s, INTERVAL_S) <= 20 + INTERVAL_S


def test_after_a_hundred_long_films_of_one_tenant_those_of_others_do_not_wait_for_as_long() -> None:
    took_s = [480 + n / 10 for n in range(100)]
    first_s = first_look_s(took_s, INTERVAL_S)
    assert 2 * INTERVAL_S < first_s <= MOST_INTERVALS * INTERVAL_S, "looks that find nothing are left out all the same"
    assert mean_late_s(took_s, first_s=first_s) < mean_late_s(took_s, first_s=INTERVAL_S)


@given(times, intervals)
def test_the_first_look_never_comes_later_than_some_intervals(took_s: list[float], interval_s: float) -> None:
    assert first_look_s(took_s, interval_s) <= MOST_INTERVALS * interval_s


@given(times, intervals)
def test_the_first_look_never_comes_sooner_than_the_documents_say(took_s: list[float], interval_s: float) -> None:
    assert first_look_s(took_s, interval_s) >= interval_s


@given(times, intervals)
def test_renders_are_noticed_later_only_where_looks_are_saved_and_by_a_twentieth_of_an_interval_for_each(
    took_s: list[float], interval_s: float
) -> None:
    first_s = first_look_s(took_s, interval_s)
    later_s, more_looks = (
        sum(
            measure(one, first_s=first_s, interval_s=interval_s)
            - measure(one, first_s=interval_s, interval_s=interval_s)
            for one in took_s
        )
        for measure in (late_s, looks)
    )
    assert later_s <= -more_looks * WORTH_OF_LOOK * interval_s + 1e-6


@given(times, intervals)
def test_nineteen_of_twenty_are_noticed_within_an_interval(took_s: list[float], interval_s: float) -> None:
    first_s = first_look_s(took_s, interval_s)
    late = [one for one in took_s if late_s(one, first_s=first_s, interval_s=interval_s) > interval_s + 1e-6]
    assert len(late) <= len(took_s) / 20


@given(st.floats(0.01, 900), intervals, st.text(max_size=40), st.integers(0, 1000))
def test_a_pause_is_never_shorter_than_it_must_be_and_hardly_longer(
    least_s: float, interval_s: float, job_id: str, nth: int
) -> None:
    pause = spread_s(least_s, interval_s, job_id=job_id, nth=nth)
    assert least_s <= pause <= least_s + SPREAD * interval_s
    assert pause == spread_s(least_s, interval_s, job_id=job_id, nth=nth), "whoever works it out"


@pytest.mark.parametrize("looks", [1, 2, 3, 4])
@pytest.mark.parametrize("first", range(1, 20))
def test_renders_that_were_looked_at_in_the_same_moment_are_not_so_again(first: int, looks: int) -> None:
    """However often: pauses of one job that hang together would bring bunches back."""
    made = random.Random(1)
    jobs = [f"job_{made.randbytes(16).hex()}" for _ in range(1000)]
    wake_s = [sum(spread_s(0, INTERVAL_S, job_id=job, nth=nth) for nth in range(first, first + looks)) for job in jobs]
    in_hundredths = Counter(int(wakes / (SPREAD * INTERVAL_S / 100)) for wakes in wake_s)
    assert max(in_hundredths.values()) < 30


def test_two_that_once_meet_do_not_stay_together() -> None:
    pauses_s = {spread_s(INTERVAL_S, INTERVAL_S, job_id="job_7", nth=nth) for nth in range(20)}
    assert len(pauses_s) == 20
