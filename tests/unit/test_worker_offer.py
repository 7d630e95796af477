"""How many jobs a worker offers to hold, by how late its event loop is."""

import pytest

from worker.offer import ON_TIME_S, TOO_LATE_S, next_offer

PLACES = 1000


def after(*lags_s: float, places: int = PLACES) -> int:
    """What is offered after the loop was so late, time after time."""
    offered = places
    for lag_s in lags_s:
        offered = next_offer(offered, places=places, lag_s=lag_s)
    return offered


def test_a_worker_that_is_on_time_offers_all_its_places() -> None:
    assert after(0.0, 0.01, ON_TIME_S / 2) == PLACES


def test_one_that_is_late_offers_fewer_each_time() -> None:
    assert PLACES > after(2 * TOO_LATE_S) > after(2 * TOO_LATE_S, 2 * TOO_LATE_S)


@pytest.mark.parametrize("places", [1, 7, 1000])
def test_it_offers_some_however_late_it_is(places: int) -> None:
    assert after(*[60.0] * 100, places=places) == max(1, places // 10)


@pytest.mark.parametrize("places", [1, 7, 1000])
def test_once_it_is_on_time_all_are_offered_again(places: int) -> None:
    assert after(*[60.0] * 100, *[0.0] * 10, places=places) == places


def test_between_late_and_on_time_it_stays() -> None:
    assert after(1.0, 0.2) == after(1.0)
