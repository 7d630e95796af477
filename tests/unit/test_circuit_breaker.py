"""A circuit breaker opens after failures in a row, lets one probe through at a time, and closes with any answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.breaker import BreakerRule, CircuitBreaker

RULE = BreakerRule(failures_allowed=3, first_pause_s=2.0, longest_pause_s=15.0, probe_s=5.0)


def call(breaker, now_s, *, ok=False):
    breaker.begin(now_s=now_s)
    if ok:
        breaker.succeeded()
    else:
        breaker.failed(now_s=now_s)


@pytest.fixture
def opened():
    breaker = CircuitBreaker(RULE)
    for _ in range(RULE.failures_allowed):
        call(breaker, 0.0)
    return breaker


def test_it_opens_with_the_last_failure_that_is_allowed():
    breaker = CircuitBreaker(RULE)
    for _ in range(RULE.failures_allowed - 1):
        call(breaker, 0.0)
    assert breaker.wait_s(now_s=0.0) == 0
    call(breaker, 0.0)
    assert breaker.wait_s(now_s=0.5) == 1.5


def test_an_answer_in_between_begins_the_count_anew():
    breaker = CircuitBreaker(RULE)
    for _ in range(10):
        for _ in range(RULE.failures_allowed - 1):
            call(breaker, 0.0)
        call(breaker, 0.0, ok=True)
    assert (breaker.failures, breaker.wait_s(now_s=0.0)) == (0, 0)


def test_after_the_pause_one_call_probes_and_the_others_wait(opened):
    assert opened.wait_s(now_s=2.0) == 0
    opened.begin(now_s=2.0)
    assert opened.wait_s(now_s=2.0) == RULE.probe_s


def test_a_probe_whose_end_is_never_told_makes_room_for_the_next(opened):
    opened.begin(now_s=2.0)
    assert opened.wait_s(now_s=2.0 + RULE.probe_s) == 0


def test_a_probe_that_is_answered_closes_it(opened):
    call(opened, 2.0, ok=True)
    assert (opened.failures, opened.wait_s(now_s=2.0)) == (0, 0)


def test_each_probe_that_fails_doubles_the_pause_up_to_the_longest(opened):
    now_s, pauses_s = 2.0, []
    for _ in range(5):
        call(opened, now_s)
        pauses_s.append(opened.wait_s(now_s=now_s))
        now_s += pauses_s[-1]
    assert pauses_s == [4.0, 8.0, 15.0, 15.0, 15.0]


def test_calls_that_were_under_way_when_it_opened_do_not_lengthen_the_pause(opened):
    for _ in range(100):
        opened.failed(now_s=1.0)
    assert opened.wait_s(now_s=1.0) == 1.0


def test_after_it_closed_the_first_pause_is_the_first_again(opened):
    call(opened, 2.0)
    call(opened, 6.0, ok=True)
    for _ in range(RULE.failures_allowed):
        call(opened, 7.0)
    assert opened.wait_s(now_s=7.0) == RULE.first_pause_s


def test_without_a_pause_it_keeps_nobody_away():
    breaker = CircuitBreaker(BreakerRule(failures_allowed=1, first_pause_s=0, longest_pause_s=0, probe_s=0))
    for _ in range(10):
        call(breaker, 1.0)
        assert breaker.wait_s(now_s=1.0) == 0


@given(st.lists(st.tuples(st.sampled_from(["ask", "ok", "fail"]), st.floats(0, 20))))
def test_whatever_happens_it_lets_somebody_call_again_within_the_longest_pause(moves):
    breaker, now_s = CircuitBreaker(RULE), 0.0
    for move, passed_s in moves:
        now_s += passed_s
        if move == "ask" and not breaker.wait_s(now_s=now_s):
            breaker.begin(now_s=now_s)
        elif move == "ok":
            breaker.succeeded()
            assert breaker.wait_s(now_s=now_s) == 0
        elif move == "fail":
            breaker.failed(now_s=now_s)
        assert breaker.wait_s(now_s=now_s) <= max(RULE.longest_pause_s, RULE.probe_s)
        assert not breaker.wait_s(now_s=now_s) or breaker.failures >= RULE.failures_allowed


@given(st.integers(1, 50), st.floats(0, RULE.probe_s, exclude_max=True))
def test_of_many_who_ask_while_it_is_half_open_one_goes(callers, passed_s):
    breaker = CircuitBreaker(RULE)
    for _ in range(RULE.failures_allowed):
        breaker.failed(now_s=0.0)
    went = 0
    for number in range(callers):
        now_s = RULE.first_pause_s + passed_s * number / callers
        if not breaker.wait_s(now_s=now_s):
            breaker.begin(now_s=now_s)
            went += 1
    assert went == 1
