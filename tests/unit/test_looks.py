"""How many looks run at once: as many as leave the event loop on time and have Redis answer soon, and of what becomes free
never less than their share.
"""

from collections import deque
from collections.abc import Sequence
from itertools import count, islice

import pytest

from core.looks import LATE_S, LEAST, SLOW_S, Looks, next_bound

MOST = 1_000
ON_TIME, LATE = 0.0, 2.0


def settled(*strains: float, wanted: bool = True, running: int | None = None) -> int:
    """The bound after so much strain, time after time; all places of looks are taken unless it is said otherwise."""
    bound = LEAST
    for strain in strains:
        bound = next_bound(
            bound, running=bound if running is None else running, wanted=wanted, strain=strain, most=MOST
        )
    return bound


def test_more_run_while_more_are_due_and_nothing_is_late() -> None:
    assert LEAST < settled(ON_TIME) < settled(ON_TIME, ON_TIME) <= MOST
    assert settled(*[ON_TIME] * 100) == MOST


def test_fewer_run_once_something_is_late() -> None:
    grown = [ON_TIME] * 5
    assert settled(*grown, LATE) < settled(*grown)


def test_it_shrinks_from_what_runs_and_not_from_what_might() -> None:
    grown = next_bound(MOST, running=100, wanted=True, strain=LATE, most=MOST)
    assert LEAST < grown < 100


def test_some_run_however_late_everything_is() -> None:
    assert settled(*[ON_TIME] * 9, *[60.0] * 100) == LEAST
    assert next_bound(LEAST, running=0, wanted=True, strain=60.0, most=MOST) == LEAST


def test_it_stays_while_they_are_enough_or_everything_is_just_on_time() -> None:
    assert settled(ON_TIME, ON_TIME, wanted=False) == LEAST
    assert settled(0.9) == LEAST


def begun(looks: Looks, number: int) -> list[str]:
    """So many looks that run, with more due behind them."""
    looks.more_due = True
    ids = [f"job_{n}" for n in range(number)]
    for item_id in ids:
        looks.begin(item_id, now_s=0.0)
    return ids


def test_those_that_run_have_to_pass_before_there_may_be_more() -> None:
    """They may all wait in one place, and then make nobody late before they come back from there."""
    looks = Looks(MOST)
    *others, last = begun(looks, LEAST)
    for item_id in others:
        looks.end(item_id)
        looks.note_answer(0.0)
    assert looks.bound == LEAST
    looks.end(last)
    looks.note_answer(0.0)
    grown = looks.bound
    assert grown > LEAST
    looks.note_answer(0.0)
    assert looks.bound == grown


def grown_looks() -> Looks:
    """As many run as may."""
    looks = Looks(MOST)
    while looks.bound < MOST:
        for item_id in begun(looks, looks.bound):
            looks.end(item_id)
        looks.note_answer(0.0)
    begun(looks, MOST)
    return looks


def test_fewer_run_after_a_late_timer_and_after_a_late_answer() -> None:
    looks = grown_looks()
    looks.note_lateness(2 * LATE_S)
    after_timer = looks.bound
    looks.note_answer(2 * SLOW_S)
    assert LEAST < looks.bound < after_timer < MOST


#: the step of the imagined Redis below
STEP_S = 0.025


class SlowestOfAll:
    """A Redis that everything waits for, while there is no end of looks: nothing else holds one up."""

    def __init__(self) -> None:
        self.looks = Looks(MOST)
        self.looks.more_due = True
        self._ids = count()
        self._now_s = 0.0
        #: looks by their ids, and the question for more as the time at which it was asked and the room there was
        self._queue = deque[int | tuple[float, int]]()
        self._asks = False

    def step(self, answers: int) -> int:
        """Give so many answers in one step, and tell how much waits then."""
        self._now_s += STEP_S
        for _ in range(min(answers, len(self._queue))):
            self._answer(self._queue.popleft())
        if not self._asks and self.looks.is_worth_asking(now_s=self._now_s):
            self._asks = True
            self._queue.append((self._now_s, self.looks.room(now_s=self._now_s)))
        return len(self._queue)

    def _answer(self, asked: int | tuple[float, int]) -> None:
        if isinstance(asked, int):
            return self.looks.end(str(asked))
        asked_s, room = asked
        self._asks = False
        self.looks.note_answer(self._now_s - asked_s)
        for item in islice(self._ids, room):
            self.looks.begin(str(item), now_s=self._now_s)
            self._queue.append(item)
        return None


def longest_queue(answers: Sequence[int]) -> int:
    """How much waits at most at a Redis that gives so many answers in each step, one step after the other."""
    slow = SlowestOfAll()
    return max(slow.step(number) for number in answers)


def in_time(each_step: int) -> int:
    """As many as such a Redis answers before it is late."""
    return max(LEAST, int(each_step * SLOW_S / STEP_S))


@pytest.mark.parametrize("each_step", [1, 10, 50])
def test_looks_do_not_pile_up_at_a_redis_that_is_the_slowest_of_all(each_step: int) -> None:
    """So what is new waits there hardly longer than what counts as late."""
    assert longest_queue([each_step] * 2_000) <= 2 * in_time(each_step)


def test_a_redis_that_stands_still_gets_no_more_looks_meanwhile() -> None:
    well = [50] * 200
    assert longest_queue([*well, *[0] * 30, *well]) <= 2 * in_time(50)


def test_what_has_run_for_a_quarter_of_a_second_waits_for_somebody_else_and_counts_no_longer() -> None:
    looks = Looks(MOST)
    for n in range(LEAST):
        looks.begin(f"job_{n}", now_s=0.0)
    assert looks.room(now_s=0.24) == 0
    assert looks.room(now_s=0.25) == LEAST


def looks_per_s(*, backend_s: float, late_every_s: float) -> float:
    """How many looks are had of a backend that takes so long, while a timer is late now and then, whoever's fault that is."""
    looks, ids, waiting, steps = Looks(MOST), count(), deque[tuple[float, str]](), 4_000
    looks.more_due, had = True, 0
    for step in range(1, steps + 1):
        now_s = step * STEP_S
        while waiting and waiting[0][0] <= now_s:
            looks.end(waiting.popleft()[1])
            had += 1
        looks.note_lateness(2 * LATE_S if step % round(late_every_s / STEP_S) == 0 else 0.0)
        if looks.is_worth_asking(now_s=now_s):
            room = looks.room(now_s=now_s)
            looks.note_answer(SLOW_S / 10)
            for item in islice(ids, room):
                looks.begin(str(item), now_s=now_s)
                waiting.append((now_s + backend_s, str(item)))
    return had / (steps * STEP_S)


@pytest.mark.parametrize("backend_s", [0.1, 0.4, 0.8, 1.5, 5.0])
def test_a_backend_that_is_slow_throttles_nobody_though_a_timer_is_late_now_and_then(backend_s: float) -> None:
    """Ten thousand renders are looked at 333 times a second; where every timer is late, four thousand are, nearly."""
    assert looks_per_s(backend_s=backend_s, late_every_s=1.0) > 333
    assert looks_per_s(backend_s=backend_s, late_every_s=STEP_S) > 100


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
