"""What each answer means, and when the next attempt is due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.callbacks.retry_policy import (
    STEPS_S,
    AttemptFault,
    AttemptResult,
    Dead,
    Delivered,
    DisableUrl,
    RetryIn,
    decide,
    is_failure,
    worn_out,
)

NOW_MS = 1_795_000_000_000
FAILED = AttemptResult(status=500)


def after(attempt=1, result=FAILED, *, retried=True, jitter=0.5, step_scale=1.0):
    return decide(attempt=attempt, result=result, retried=retried, jitter=jitter, step_scale=step_scale)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success(status):
    assert after(result=AttemptResult(status=status)) == Delivered()


@pytest.mark.parametrize("status", [100, 301, 302, 304, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_tried_again(status):
    assert after(result=AttemptResult(status=status)) == RetryIn(5)


@pytest.mark.parametrize("fault", list(AttemptFault))
def test_every_kind_of_fault_is_tried_again(fault):
    assert after(result=AttemptResult(error=fault)) == RetryIn(5)


def test_ten_attempts_come_at_the_promised_steps_and_then_the_delivery_is_dead():
    decisions = [after(attempt) for attempt in range(1, 11)]
    hours = 3600
    steps_s = [5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours]
    assert decisions[:9] == [RetryIn(step_s) for step_s in steps_s]
    assert isinstance(decisions[9], Dead)


@given(st.integers(1, 9), st.floats(0, 1))
def test_jitter_moves_a_step_by_a_fifth_at_most(attempt, jitter):
    decision = after(attempt, jitter=jitter)
    assert 0.8 * STEPS_S[attempt] <= decision.delay_s <= 1.2 * STEPS_S[attempt] + 1e-6


@pytest.mark.parametrize(("asked_s", "delay_s"), [(1.0, 5), (8.0, 8), (10.0, 10), (3600.0, 10)])
def test_retry_after_lengthens_a_step_up_to_twice_its_length(asked_s, delay_s):
    assert after(result=AttemptResult(status=429, retry_after_s=asked_s)) == RetryIn(delay_s)


def test_a_scale_shrinks_the_steps():
    assert after(2, step_scale=0.01) == RetryIn(3.0)


def test_410_and_the_disable_header_switch_the_url_off():
    assert isinstance(after(result=AttemptResult(status=410)), DisableUrl)
    assert isinstance(after(result=AttemptResult(status=500, disable=True)), DisableUrl)
    assert isinstance(after(result=AttemptResult(status=410), retried=False), DisableUrl)


def test_a_receiver_that_takes_one_and_wants_no_more_has_both_recorded():
    decision = after(result=AttemptResult(status=200, disable=True))
    assert isinstance(decision, DisableUrl)
    assert decision.delivered


def test_abort_message_ends_this_delivery_alone():
    assert isinstance(after(result=AttemptResult(status=500, abort=True)), Dead)
    assert after(result=AttemptResult(status=200, abort=True)) == Delivered()


def test_a_progress_event_is_not_sent_again():
    assert isinstance(after(retried=False), Dead)


def test_a_url_is_worn_out_after_five_days_of_failure_alone():
    five_days_ms = 5 * 86_400_000
    assert worn_out(failing_since_ms=NOW_MS - five_days_ms, now_ms=NOW_MS)
    assert not worn_out(failing_since_ms=NOW_MS - five_days_ms + 1, now_ms=NOW_MS)
    assert not worn_out(failing_since_ms=None, now_ms=NOW_MS)


def test_a_failure_is_what_speaks_against_the_url():
    assert is_failure(AttemptResult(status=500))
    assert is_failure(AttemptResult(status=301))
    assert is_failure(AttemptResult(error=AttemptFault.TIMEOUT))
    assert not is_failure(AttemptResult(status=204))
    assert not is_failure(AttemptResult(status=500, abort=True))
