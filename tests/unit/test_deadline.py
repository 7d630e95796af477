"""Whether a job may go on, and why one that comes too late does not."""

import msgspec
import pytest

from core.errors import Code, Permanent, WaitReason
from core.model import transitions
from core.model.job import Sent
from core.model.plan import Plan
from tests.store_fixture import make_job
from worker.jobs.deadline import end_of_late, require_time, require_time_to_edit, verdict_in_s
from worker.jobs.retry_policy import MEDIA, STORAGE, SURPRISE, UNSEEN


def test_a_job_may_go_on_until_its_deadline():
    job = transitions.started(make_job(timeout_s=60), now_ms=0)
    require_time(job, crashes=0, now_ms=59_999)
    with pytest.raises(Permanent) as late:
        require_time(job, crashes=0, now_ms=60_000)
    assert late.value.code is Code.DEADLINE_EXCEEDED


_GENERATION = "generate a 30-second promotional video from my text: Fresh bread"


@pytest.mark.parametrize(
    ("message", "timeout_s", "least_ms"),
    [
        ("trim the first 2 seconds", 1800, 5000),
        (_GENERATION, 1800, 60_000),
        ("trim the first 2 seconds", 20, 5000),
        # who gives a job less time than the backend needs has it tried, unless most of it is gone
        ("trim the first 2 seconds", 4, 1000),
        (_GENERATION, 60, 15_000),
        (None, 60, 0),
    ],
)
def test_a_message_is_sent_as_long_as_an_edit_can_end_in_time(message, timeout_s, least_ms):
    plan = Plan(message=message, action="export")
    job = transitions.started(msgspec.structs.replace(make_job(timeout_s=timeout_s), plan=plan), now_ms=0)
    require_time_to_edit(job, now_ms=job.deadline_ms - least_ms)
    if message:
        with pytest.raises(Permanent) as late:
            require_time_to_edit(job, now_ms=job.deadline_ms - least_ms + 1)
        assert (late.value.code, "not sent" in late.value.detail) == (Code.DEADLINE_EXCEEDED, True)


def test_a_job_whose_message_comes_too_late_is_told_what_kept_it():
    job = transitions.trying_again(transitions.started(make_job(), now_ms=0), after="session broken")
    with pytest.raises(Permanent) as late:
        require_time_to_edit(job, now_ms=job.deadline_ms - 1)
    assert late.value.code is Code.BACKEND_UNAVAILABLE
    assert "timeout" not in late.value.detail


def test_nobody_is_poisoned_before_those_who_were_lost_had_time_to_come_back():
    assert verdict_in_s(crashes=2, lost_since_s=0, lease_s=12) == 0
    assert verdict_in_s(crashes=3, lost_since_s=10, lease_s=12) == 50
    assert verdict_in_s(crashes=3, lost_since_s=60, lease_s=12) == 0


def test_two_crashes_at_one_stage_are_forgiven_and_three_are_not():
    job = transitions.started(make_job(), now_ms=0)
    require_time(job, crashes=2, now_ms=1)
    with pytest.raises(Permanent) as poisoned:
        require_time(job, crashes=3, now_ms=1)
    assert poisoned.value.code is Code.POISONED


@pytest.mark.parametrize(
    ("reason", "sent", "code"),
    [
        (None, False, Code.DEADLINE_EXCEEDED),
        (WaitReason.NO_CREDITS, False, Code.CREDITS_EXHAUSTED),
        (WaitReason.BACKEND_DOWN, False, Code.BACKEND_UNAVAILABLE),
        (WaitReason.BACKEND_RATE_LIMITED, False, Code.BACKEND_UNAVAILABLE),
        (WaitReason.SESSION_BUSY, False, Code.DEADLINE_EXCEEDED),
        (WaitReason.BACKEND_DOWN, True, Code.DEADLINE_EXCEEDED),
    ],
)
def test_a_late_job_is_told_what_it_waited_for(reason, sent, code):
    job = make_job()
    if reason:
        job = transitions.waiting(job, reason=reason, until_ms=1)
    if sent:
        job = msgspec.structs.replace(job, sent=Sent(at_ms=0, before="d0"))
    assert end_of_late(job).code is code


def test_a_job_that_was_trying_to_the_end_was_kept_by_the_backend_though_it_did_not_wait_just_then():
    tried = transitions.trying_again(transitions.started(make_job(), now_ms=0), after="upload broken")
    assert end_of_late(tried).code is Code.BACKEND_UNAVAILABLE


def test_an_edit_that_nobody_saw_come_or_fail_by_the_deadline_is_unconfirmed():
    sending = transitions.sending(transitions.started(make_job(), now_ms=0), sent=Sent(at_ms=0, before="d0"))
    assert end_of_late(sending).code is Code.DEADLINE_EXCEEDED
    assert end_of_late(transitions.confirmation_needed(sending, now_ms=1)).code is Code.EDIT_UNCONFIRMED


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({}, "The connection broke during the edit"),
        ({"closed": True}, "The backend ended without a word"),
        ({"closed": True, "complained": True}, "The backend answered with an error"),
        ({"closed": True, "spoke": True}, "The backend answered, "),
    ],
)
def test_an_edit_that_is_looked_for_until_the_deadline_is_told_by_how_its_answer_ended(shown, words):
    sending = transitions.sending(transitions.started(make_job(), now_ms=0), sent=Sent(at_ms=0, before="d0"))
    late = end_of_late(transitions.confirmation_needed(sending, now_ms=1, **shown))
    assert late.code is Code.EDIT_UNCONFIRMED
    assert late.detail.startswith(words)


def test_a_job_that_our_storage_kept_to_the_end_blames_neither_the_backend_nor_its_caller():
    kept = transitions.trying_again(transitions.started(make_job(), now_ms=0), after=STORAGE)
    assert end_of_late(kept).code is Code.INTERNAL
    assert "storage" in end_of_late(kept).detail
    blamed = transitions.waiting(kept, reason=WaitReason.BACKEND_DOWN, until_ms=1)
    assert end_of_late(blamed).code is Code.BACKEND_UNAVAILABLE, "that is what it waited for last"


@pytest.mark.parametrize("after", [SURPRISE, MEDIA, UNSEEN])
def test_a_step_that_broke_once_or_a_file_that_was_late_is_no_refusal_of_the_backend(after):
    broke = transitions.trying_again(transitions.started(make_job(), now_ms=0), after=after)
    assert end_of_late(broke).code is Code.DEADLINE_EXCEEDED
