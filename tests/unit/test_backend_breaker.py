"""The backend is left alone when it fails, and asked by one first when it may be back; one poisonous job is no failure."""

import pytest

from worker.backend.breaker import CROWDED_S, FAILURES_ALLOWED, LEAST_AT_ONCE, MOST_AT_ONCE, PROBE_S, BackendBreaker
from worker.backend.faults import BackendFault, Fault


def call(breaker, fault, now_s=0.0, *, name="state", job_id="job_1"):
    breaker.enter(name, now_s=now_s)
    breaker.leave(name, fault, job_id=job_id, now_s=now_s)


def is_open(breaker, now_s=0.0, *, name="state"):
    try:
        breaker.enter(name, now_s=now_s)
    except BackendFault:
        return True
    breaker.withdraw(name)
    return False


def failing(times=FAILURES_ALLOWED):
    breaker = BackendBreaker(first_pause_s=2.0)
    for _ in range(times):
        call(breaker, Fault.UNREACHABLE)
    return breaker


def test_failures_in_a_row_shut_it_for_the_first_pause():
    with pytest.raises(BackendFault) as refused:
        failing().enter("state", now_s=1.9)
    assert (refused.value.fault, refused.value.maybe_done) == (Fault.HELD_BACK, False)
    assert refused.value.retry_after_s == pytest.approx(0.1)


def test_one_job_s_failures_hold_up_nobody_else():
    breaker = BackendBreaker(first_pause_s=2.0)
    for _ in range(100):
        call(breaker, Fault.BROKEN, name="upload")
    assert not is_open(breaker, name="upload")
    for number in range(FAILURES_ALLOWED - 1):
        call(breaker, Fault.BROKEN, name="upload", job_id=f"other {number}")
    assert is_open(breaker, name="upload")


def test_a_kind_of_call_that_fails_holds_up_no_other_kind():
    breaker = BackendBreaker(first_pause_s=2.0)
    for number in range(FAILURES_ALLOWED):
        call(breaker, Fault.BROKEN, name="upload", job_id=str(number))
    assert [is_open(breaker, name=name) for name in ("upload", "state", "message")] == [True, False, False]


def test_without_a_connection_all_calls_are_held_back_whoever_tried():
    breaker = failing()
    assert all(is_open(breaker, name=name) for name in ("upload", "state", "message"))


def test_answers_to_other_calls_do_not_hide_a_call_that_fails():
    breaker = BackendBreaker(first_pause_s=2.0)
    for number in range(FAILURES_ALLOWED):
        call(breaker, Fault.BROKEN, name="upload", job_id=str(number))
        call(breaker, None, name="state")
    assert is_open(breaker, name="upload")


def test_a_try_that_was_cut_off_from_this_side_doubles_no_pause_and_makes_room_for_the_next():
    breaker = failing()
    breaker.enter("state", now_s=2.0)
    assert is_open(breaker, now_s=2.1)
    breaker.withdraw("state")
    call(breaker, Fault.UNREACHABLE, now_s=2.2)
    assert is_open(breaker, now_s=6.1)
    assert not is_open(breaker, now_s=6.3)


def test_a_poisonous_job_s_second_failure_after_the_pause_still_counts():
    breaker = BackendBreaker(first_pause_s=2.0)
    for number in range(FAILURES_ALLOWED):
        call(breaker, Fault.BROKEN, job_id=str(number))
    call(breaker, Fault.BROKEN, now_s=2.0, job_id="0")
    assert is_open(breaker, now_s=5.9)


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
    breaker.leave("state", None, job_id="job_1", now_s=3.0)
    call(breaker, None, now_s=3.0)


def test_a_failed_try_doubles_the_pause():
    breaker = failing()
    call(breaker, Fault.UNREACHABLE, now_s=2.0)
    with pytest.raises(BackendFault):
        breaker.enter("state", now_s=5.9)
    breaker.enter("state", now_s=6.0)


def test_a_slow_down_halves_what_may_be_under_way_and_successes_bring_it_back():
    breaker = BackendBreaker(first_pause_s=1.0)
    for _ in range(20):
        breaker.enter("message", now_s=0.0)
    for number in range(2):
        breaker.leave("message", Fault.RATE_LIMITED, job_id=str(number), now_s=0.0)
    with pytest.raises(BackendFault) as crowded:
        breaker.enter("message", now_s=0.0)
    assert crowded.value.retry_after_s == CROWDED_S
    for _ in range(18):
        breaker.leave("message", None, job_id="job_1", now_s=0.0)
    for _ in range(200):
        call(breaker, None)
    for _ in range(20):
        breaker.enter("message", now_s=0.0)


def test_a_job_that_alone_is_told_to_slow_down_slows_down_nobody_else():
    breaker = BackendBreaker(first_pause_s=1.0)
    for _ in range(50):
        call(breaker, Fault.RATE_LIMITED)
        call(breaker, Fault.BROKEN, name="upload")
    for _ in range(int(MOST_AT_ONCE)):
        breaker.enter("message", now_s=0.0)


def test_there_is_always_a_little_room_and_never_more_than_the_most():
    breaker = BackendBreaker(first_pause_s=1.0)
    for number in range(50):
        call(breaker, Fault.RATE_LIMITED, job_id=str(number))
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
