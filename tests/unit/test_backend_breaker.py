"""The backend is left alone when it fails, and asked by one first when it may be back."""

import pytest

from worker.backend.breaker import CROWDED_S, FAILURES_ALLOWED, LEAST_AT_ONCE, MOST_AT_ONCE, PROBE_S, BackendBreaker
from worker.backend.faults import BackendFault, Fault


def call(breaker, fault, now_s=0.0):
    breaker.enter("state", now_s=now_s)
    breaker.leave(fault, now_s=now_s)


def failing(times=FAILURES_ALLOWED):
    breaker = BackendBreaker(first_pause_s=2.0)
    for _ in range(times):
        call(breaker, Fault.UNREACHABLE)
    return breaker


def test_failures_in_a_row_shut_it_for_the_first_pause():
    with pytest.raises(BackendFault) as refused:
        failing().enter("state", now_s=1.9)
    assert (refused.value.fault, refused.value.maybe_done) == (Fault.UNREACHABLE, False)
    assert refused.value.retry_after_s == pytest.approx(0.1)


def test_one_answer_in_between_keeps_it_open():
    breaker = failing(FAILURES_ALLOWED - 1)
    call(breaker, None)
    call(breaker, Fault.UNREACHABLE)
    call(breaker, None)


def test_a_refusal_is_an_answer():
    breaker = failing(FAILURES_ALLOWED - 1)
    call(breaker, Fault.NO_CREDITS)
    call(breaker, Fault.UNREACHABLE)
    call(breaker, None)


def test_after_the_pause_one_call_tries_and_the_others_wait():
    breaker = failing()
    breaker.enter("state", now_s=2.0)
    with pytest.raises(BackendFault):
        breaker.enter("state", now_s=2.0 + PROBE_S / 2)
    breaker.leave(None, now_s=3.0)
    call(breaker, None, now_s=3.0)


def test_a_failed_try_doubles_the_pause():
    breaker = failing()
    call(breaker, Fault.BROKEN, now_s=2.0)
    with pytest.raises(BackendFault):
        breaker.enter("state", now_s=5.9)
    breaker.enter("state", now_s=6.0)


def test_a_slow_down_halves_what_may_be_under_way_and_successes_bring_it_back():
    breaker = BackendBreaker(first_pause_s=1.0)
    for _ in range(20):
        breaker.enter("message", now_s=0.0)
    breaker.leave(Fault.RATE_LIMITED, now_s=0.0)
    with pytest.raises(BackendFault) as crowded:
        breaker.enter("message", now_s=0.0)
    assert crowded.value.retry_after_s == CROWDED_S
    for _ in range(19):
        breaker.leave(None, now_s=0.0)
    for _ in range(200):
        call(breaker, None)
    for _ in range(20):
        breaker.enter("message", now_s=0.0)


def test_there_is_always_a_little_room_and_never_more_than_the_most():
    breaker = BackendBreaker(first_pause_s=1.0)
    for _ in range(50):
        call(breaker, Fault.RATE_LIMITED)
    for _ in range(int(LEAST_AT_ONCE)):
        breaker.enter("state", now_s=0.0)
    with pytest.raises(BackendFault):
        breaker.enter("state", now_s=0.0)
    roomy = BackendBreaker(first_pause_s=1.0)
    call(roomy, None)
    for _ in range(int(MOST_AT_ONCE)):
        roomy.enter("state", now_s=0.0)
    with pytest.raises(BackendFault):
        roomy.enter("state", now_s=0.0)
