"""How many looks run at once: as many as leave the event loop on time, and of what becomes free never less than their share."""

import pytest

from core.looks import LATE_S, LEAST, Looks, next_bound

MOST = 1_000
ON_TIME_S, LATE = 0.0, 2 * LATE_S


def settled(*lags_s: float, more_due: bool = True, running: int | None = None) -> int:
    """The bound after the loop was so late, time after time; all places of looks are taken unless it is said otherwise."""
    bound = LEAST
    for lag_s in lags_s:
        bound = next_bound(
            bound, running=bound if running is None else running, more_due=more_due, lag_s=lag_s, most=MOST
        )
    return bound


def test_more_run_while_more_are_due_and_the_loop_is_on_time() -> None:
    assert LEAST < settled(ON_TIME_S) < settled(ON_TIME_S, ON_TIME_S) <= MOST
    assert settled(*[ON_TIME_S] * 100) == MOST


def test_fewer_run_once_the_loop_is_late() -> None:
    grown = [ON_TIME_S] * 5
    assert settled(*grown, LATE) < settled(*grown)


def test_it_shrinks_from_what_runs_and_not_from_what_might() -> None:
    grown = next_bound(MOST, running=100, more_due=True, lag_s=LATE, most=MOST)
    assert LEAST < grown < 100


def test_some_run_however_late_the_loop_is() -> None:
    assert settled(*[ON_TIME_S] * 9, *[60.0] * 100) == LEAST
    assert next_bound(LEAST, running=0, more_due=True, lag_s=60.0, most=MOST) == LEAST


def test_it_stays_while_they_are_enough_or_the_loop_is_just_on_time() -> None:
    assert settled(ON_TIME_S, ON_TIME_S, more_due=False) == LEAST
    assert settled(LATE_S * 0.9) == LEAST


def test_what_has_run_for_a_second_waits_for_somebody_else_and_counts_no_longer() -> None:
    looks = Looks(MOST)
    for n in range(LEAST):
        looks.begin(f"job_{n}", now_s=0.0)
    assert looks.room(now_s=0.9) == 0
    assert looks.room(now_s=1.0) == LEAST


def test_an_end_makes_room_and_that_of_what_is_no_look_does_not() -> None:
    looks = Looks(MOST)
    looks.begin("job_1", now_s=0.0)
    looks.end("job_2")
    assert looks.room(now_s=0.0) == LEAST - 1
    looks.end("job_1")
    assert looks.room(now_s=0.0) == LEAST


def test_more_are_asked_for_when_half_have_ended() -> None:
    looks = Looks(MOST)
    looks.more_due = True
    for n in range(LEAST):
        looks.begin(f"job_{n}", now_s=0.0)
    asked = []
    for n in range(LEAST):
        looks.end(f"job_{n}")
        asked.append(looks.is_worth_asking(now_s=0.0))
    assert asked == [n + 1 >= LEAST / 2 for n in range(LEAST)]
    looks.more_due = False
    assert not looks.is_worth_asking(now_s=0.0)


@pytest.mark.parametrize("free", [1, 2, 3, 4, 100])
def test_of_the_places_that_become_free_a_quarter_is_kept_for_looks(free: int) -> None:
    looks, asked = Looks(MOST), 40
    kept = [looks.kept_of(free) for _ in range(asked)]
    assert sum(kept) == asked * free // 4
    assert max(kept) <= free / 4 + 1
