"""When one read is enough, when another is needed, and when nothing can come any more: the decisions, without a backend."""

from types import SimpleNamespace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.model.job import Job, Recovery, Sent
from core.model.plan import Plan
from tests.store_fixture import make_job
from worker.backend.responses import Credits
from worker.jobs.steps.confirm import certain
from worker.jobs.steps.recover import _may_still_come, _too_early_s
from worker.jobs.steps.settlement import CreditReading

WAITS = SimpleNamespace(stream_limit_s=900.0, recover_first_s=30.0)
CREDITS = st.integers(0, 500)
BALANCES = st.none() | st.builds(
    lambda available, frozen: Credits(available=available, frozen=frozen, total=available + frozen), CREDITS, CREDITS
)
WITNESSES = st.builds(CreditReading, BALANCES, CREDITS, st.none() | st.integers(1, 9))
LATER_MS = st.integers(0, 2_000_000)


def sent_job(message: str = "trim", profile: str = "free-video-fast") -> Job:
    job = make_job(profile=profile, plan=Plan(message=message, action="none"))
    return msgspec.structs.replace(job, sent=Sent(at_ms=0, before="d"))


GENERATION = sent_job("generate a video about bread", "free-video-generation-automatic")
JOBS = st.sampled_from([sent_job(), GENERATION])


@given(JOBS, WITNESSES, st.booleans(), st.booleans())
def test_one_read_is_never_enough_while_anything_is_frozen_or_unknown(job, now, changed, spoke):
    if certain(job, now, changed=changed, spoke=spoke):
        assert now.balance is not None
        assert now.balance.frozen == 0
        assert spoke
        assert not (changed and job is GENERATION), "its second stage comes after the stream"


@given(WITNESSES)
def test_what_is_at_rest_does_not_still_work(now):
    assert not (now.at_rest and now.still_works)
    assert now.balance is not None or not (now.at_rest or now.still_works)


@given(JOBS, WITNESSES, LATER_MS, st.booleans())
def test_nothing_is_waited_for_past_the_longest_time_that_a_message_may_take(job, now, later_ms, silent):
    if _may_still_come(job, now, WAITS, later_ms, silent=silent):
        assert later_ms <= 900_000
        assert silent or now.still_works
    elif later_ms <= 900_000:
        assert not now.still_works


@given(WITNESSES, CREDITS)
def test_credits_that_others_have_reserved_are_not_this_jobs(now, more):
    if not now.still_works:
        assert not now._replace(others_reserved=now.others_reserved + more).still_works


@given(LATER_MS)
def test_the_first_look_after_a_drop_waits_and_no_other_does(later_ms):
    dropped = Recovery(since_ms=0)
    assert (_too_early_s(dropped, WAITS, later_ms) > 0) == (later_ms < 30_000)
    for looked in (
        msgspec.structs.replace(dropped, reads=1),
        msgspec.structs.replace(dropped, seen="d2"),
        msgspec.structs.replace(dropped, spoke=True),
    ):
        assert _too_early_s(looked, WAITS, later_ms) <= 0
