"""When a call is made again: pauses that grow, an end, and never past the job's deadline."""

from itertools import pairwise
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import WaitReason
from core.model import transitions
from core.model.job import Job, Sent, Stage, Status
from tests.store_fixture import make_job
from worker.backend.faults import PASSING, BackendFault, Fault
from worker.jobs.retry_policy import (
    LONGEST_PAUSE_S,
    TRIES,
    NextTry,
    name_of,
    next_try,
    tries_after_upload,
)
from worker.tokens.rest import LONGEST_REST_S, LONGEST_TOLD_REST_S, token_rest_s

SETTINGS = SimpleNamespace(backoff_s=1.0, rate_limited_s=30.0)
CALLS = ("open_session", "upload", "message", "state", "render", "render_status", "download", "anonymous_token")
REFUSED = (Fault.REFUSED, Fault.UNSUPPORTED, Fault.TOO_LARGE)


def started(**facts) -> Job:
    return msgspec.structs.replace(transitions.started(make_job(**facts), now_ms=0), stage=Stage.UPLOADING)


def tries(fault: BackendFault, job: Job, *, most: int = 200, elsewhere: bool = False) -> list[tuple[float, NextTry]]:
    """Play it on a clock until it gives up, or its time is over: each try with the moment at which it is made."""
    now_s, made = 0.0, []
    while now_s < job.timeout_s and len(made) < most:
        again = next_try(fault, job, SETTINGS, now_ms=int(now_s * 1000), elsewhere=elsewhere)
        if again is None:
            break
        now_s += again.delay_s
        made.append((now_s, again))
        job = transitions.trying_again(job, after=name_of(fault)) if again.counts else job
    return made


def test_a_403_without_a_scope_is_tried_again_and_every_other_refusal_ends_at_once():
    assert len(tries(BackendFault(Fault.REFUSED, call="upload", status=403), started())) == TRIES
    assert tries(BackendFault(Fault.REFUSED, call="upload", status=400), started()) == []


@given(
    st.sampled_from([fault for fault in Fault if fault is not Fault.HELD_BACK]),
    st.sampled_from(CALLS),
    st.tuples(st.booleans(), st.booleans()),
    st.integers(5, 86_400),
    st.one_of(st.none(), st.floats(0, 1e6)),
)
def test_pauses_grow_end_and_never_lead_past_the_deadline(fault, call, how, timeout_s, retry_after_s):
    paid, elsewhere = how
    job = started(timeout_s=timeout_s)
    job = msgspec.structs.replace(job, sent=Sent(at_ms=0, before="d0")) if paid else job
    made = tries(BackendFault(fault, call=call, retry_after_s=retry_after_s), job, elsewhere=elsewhere)
    pauses = [again.delay_s for _, again in made]
    assert all(at_s <= timeout_s + 0.1 for at_s, _ in made)
    # the last one is cut at the deadline, or to the millisecond before it
    whole = [pause for (at_s, _), pause in zip(made, pauses, strict=True) if at_s < timeout_s - 0.1]
    assert whole == sorted(whole)
    assert all(later >= min(2 * sooner, LONGEST_PAUSE_S) for sooner, later in pairwise(whole))
    assert len(made) <= (TRIES if fault not in PASSING else timeout_s / LONGEST_PAUSE_S + 10)


def test_a_passing_fault_is_waited_out_to_the_deadline_and_asks_seldom():
    made = tries(BackendFault(Fault.BROKEN, call="state"), started(timeout_s=1800))
    assert [again.delay_s for _, again in made[:8]] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert made[-1][0] == 1800
    assert len(made) < 40


def test_whoever_is_canceled_does_not_wait_for_the_backend_to_come_back():
    canceling = transitions.cancel_asked(started(), now_ms=1)
    assert len(tries(BackendFault(Fault.BROKEN, call="cancel_render"), canceling)) == TRIES


def test_what_goes_on_elsewhere_does_so_at_once_the_first_time():
    lost = BackendFault(Fault.SESSION_LOST, call="upload")
    assert [again.delay_s for _, again in tries(lost, started(), elsewhere=True)] == [0, 2, 4, 8, 16]
    assert [again.delay_s for _, again in tries(lost, started())] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("fault", REFUSED)
def test_a_plain_refusal_ends_a_job_that_has_paid_for_nothing(fault):
    refused = BackendFault(fault, call="upload")
    assert tries(refused, started()) == []
    paid = msgspec.structs.replace(started(), sent=Sent(at_ms=0, before="d0"))
    assert len(tries(refused, paid)) == TRIES


def test_a_429_is_asked_again_after_30_s_and_then_ever_more_seldom():
    limited = BackendFault(Fault.RATE_LIMITED, call="state")
    pauses = [again.delay_s for _, again in tries(limited, started(timeout_s=86_400), most=6)]
    assert pauses == [30, 60, 120, 240, LONGEST_REST_S, LONGEST_REST_S]
    told = BackendFault(Fault.RATE_LIMITED, call="state", retry_after_s=7)
    pauses = [again.delay_s for _, again in tries(told, started(timeout_s=86_400), most=8)]
    assert pauses == [7, 14, 28, 56, 112, 224, LONGEST_REST_S, LONGEST_REST_S], "and no longer than where nobody says"
    for_days = BackendFault(Fault.RATE_LIMITED, call="state", retry_after_s=7 * 86_400)
    assert token_rest_s(0, for_days.retry_after_s, SETTINGS) == LONGEST_TOLD_REST_S


def test_a_pause_in_which_nothing_was_sent_counts_as_none():
    held_back = BackendFault(Fault.HELD_BACK, call="upload", retry_after_s=2.5)
    made = tries(held_back, started(), most=5)
    assert [(again.delay_s, again.counts) for _, again in made] == [(2.5, False)] * 5


@pytest.mark.parametrize("retry_after_s", [None, 5.0, 30.0, 900.0])
@pytest.mark.parametrize("fault", sorted(PASSING))
def test_who_has_canceled_waits_for_minutes_at_most_whatever_the_backend_asks_for(fault, retry_after_s):
    job = msgspec.structs.replace(started(timeout_s=7200), status=Status.CANCELING)
    made = tries(BackendFault(fault, call="cancel_render", retry_after_s=retry_after_s), job)
    assert len(made) <= TRIES
    assert sum(again.delay_s for _, again in made) <= 150


def test_the_backend_s_own_word_counts_more_where_it_asks_for_longer():
    slow = BackendFault(Fault.BROKEN, call="state", retry_after_s=90)
    assert tries(slow, started(), most=1)[0][1] == NextTry(WaitReason.BACKEND_DOWN, 90.0)


def test_a_page_that_asks_for_an_hour_does_not_cost_a_job_all_its_time():
    maintenance = BackendFault(Fault.BROKEN, call="render_status", status=503, retry_after_s=3600)
    assert [at_s for at_s, _ in tries(maintenance, started(timeout_s=1800))] == [300, 600, 900, 1200, 1500, 1800]
    firewall = BackendFault(Fault.RATE_LIMITED, call="render_status", status=429, retry_after_s=3600)
    assert [at_s for at_s, _ in tries(firewall, started(timeout_s=1800))] == [300, 600, 900, 1200, 1500, 1800]
    own_word = BackendFault(Fault.RATE_LIMITED, call="state", retry_after_s=3600, by_backend=True)
    assert [at_s for at_s, _ in tries(own_word, started(timeout_s=1800))] == [1800]


def test_each_call_and_fault_is_counted_for_itself():
    job = started()
    for _ in range(3):
        job = transitions.trying_again(job, after="upload session_lost")
    again = next_try(BackendFault(Fault.SESSION_LOST, call="message"), job, SETTINGS, now_ms=0)
    assert again is not None
    assert again.delay_s == 1


def test_the_last_file_forgets_what_broke_off_before_and_each_one_what_was_waited_for():
    job = started()
    for name in ("upload broken", "upload session_lost", "state broken", "media", "upload rate_limited"):
        job = transitions.trying_again(job, after=name)
    assert tries_after_upload(job, last=True) == {"upload session_lost": 1, "state broken": 1}
    assert tries_after_upload(job, last=False) == {"upload broken": 1, "upload session_lost": 1, "state broken": 1}
