"""What an edit amounts to: when one read is enough, when another is needed, and when nothing can come any more."""

from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.job import Job, Recovery, Sent
from core.model.plan import Plan
from tests.store_fixture import make_job
from worker.backend.responses import Credits
from worker.jobs.credit_reading import CreditReading
from worker.jobs.edit_outcome import (
    EditOutcome,
    first_read_in_s,
    may_still_come,
    outcome_after_read,
    outcome_after_stream,
)

SETTINGS = SimpleNamespace(stream_limit_s=900.0, recover_first_s=30.0, recover_reads=5)
CREDITS = st.integers(0, 500)
BALANCES = st.none() | st.builds(
    lambda available, frozen: Credits(available=available, frozen=frozen, total=available + frozen), CREDITS, CREDITS
)
READINGS = st.builds(CreditReading, BALANCES, CREDITS, st.none() | st.integers(1, 9))
LATER_MS = st.integers(0, 2_000_000)


def sent_job(message: str = "trim", profile: str = "free-video-fast") -> Job:
    job = make_job(profile=profile, plan=Plan(message=message, action="none"))
    return msgspec.structs.replace(job, sent=Sent(at_ms=0, before="d"))


GENERATION = sent_job("generate a video about bread", "free-video-generation-automatic")
JOBS = st.sampled_from([sent_job(), GENERATION])


@given(JOBS, READINGS, st.booleans(), st.booleans())
def test_one_read_is_never_enough_while_anything_is_frozen_or_unknown(job, reading, changed, spoke):
    outcome = outcome_after_stream(job, reading, changed=changed, spoke=spoke)
    if outcome is not EditOutcome.UNCERTAIN:
        assert reading.balance is not None
        assert reading.balance.frozen == 0
        assert spoke
        assert not (changed and job is GENERATION), "its second stage comes after the stream"
        assert outcome is (EditOutcome.CONFIRMED if changed else EditOutcome.NOTHING_DONE)


@given(READINGS)
def test_what_is_at_rest_does_not_still_work(reading):
    assert not (reading.at_rest and reading.still_works)
    assert reading.balance is not None or not (reading.at_rest or reading.still_works)


@given(JOBS, READINGS, LATER_MS, st.booleans())
def test_nothing_is_waited_for_past_the_longest_time_that_a_message_may_take(job, reading, later_ms, untold):
    if may_still_come(job.sent, reading, SETTINGS, later_ms, untold=untold):
        assert later_ms <= 900_000
        assert untold or reading.still_works
    elif later_ms <= 900_000:
        assert not reading.still_works


@given(READINGS, CREDITS)
def test_credits_that_others_have_reserved_are_not_this_jobs(reading, more):
    if not reading.still_works:
        assert not reading._replace(others_reserved=reading.others_reserved + more).still_works


@given(LATER_MS)
def test_the_first_look_after_a_drop_waits_and_no_other_does(later_ms):
    dropped = Recovery(since_ms=0)
    assert (first_read_in_s(dropped, SETTINGS, later_ms) > 0) == (later_ms < 30_000)
    for looked in (
        msgspec.structs.replace(dropped, reads=1),
        msgspec.structs.replace(dropped, seen="d2"),
        msgspec.structs.replace(dropped, spoke=True),
    ):
        assert first_read_in_s(looked, SETTINGS, later_ms) <= 0


def balance(available: int, frozen: int = 0) -> Credits:
    return Credits(available=available, frozen=frozen, total=available + frozen)


AT_REST, AT_WORK, UNTOLD = (CreditReading(each, 0, 3) for each in (balance(450), balance(400, 50), None))


@pytest.mark.parametrize(
    ("recovery", "reading", "seen", "later_s", "outcome"),
    [
        # a changed draft counts when two reads agree, and nothing can come any more
        (Recovery(since_ms=0), AT_REST, "new", 60, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, seen="other"), AT_REST, "new", 60, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, seen="new"), AT_WORK, "new", 60, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, seen="new"), AT_WORK, "new", 901, EditOutcome.CONFIRMED),
        (Recovery(since_ms=0, seen="new"), AT_REST, "new", 60, EditOutcome.CONFIRMED),
        (Recovery(since_ms=0, seen="new"), UNTOLD, "new", 60, EditOutcome.CONFIRMED),
        # an unchanged one after five reads, while nothing is frozen
        (Recovery(since_ms=0, reads=3), AT_REST, "d", 600, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4), AT_WORK, "d", 600, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4), AT_WORK, "d", 901, EditOutcome.UNCONFIRMED),
        (Recovery(since_ms=0, reads=4), AT_REST, "d", 600, EditOutcome.UNCONFIRMED),
        # a backend that does not tell what is frozen may still be at work
        (Recovery(since_ms=0, reads=4), UNTOLD, "d", 600, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4), UNTOLD, "d", 901, EditOutcome.UNCONFIRMED),
        # two reads are enough where the stream has closed by itself, with words
        (Recovery(since_ms=0, spoke=True), AT_REST, "d", 5, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, spoke=True, reads=1), AT_REST, "d", 5, EditOutcome.NOTHING_DONE),
        (Recovery(since_ms=0, spoke=True, reads=1), UNTOLD, "d", 5, EditOutcome.NOTHING_DONE),
        (Recovery(since_ms=0, spoke=True, reads=1), AT_WORK, "d", 5, EditOutcome.UNCERTAIN),
    ],
)
def test_a_later_look_at_the_draft_has_one_meaning(recovery, reading, seen, later_s, outcome):
    job = msgspec.structs.replace(sent_job(), recovery=recovery)
    assert outcome_after_read(job, reading, seen=seen, settings=SETTINGS, now_ms=later_s * 1000) is outcome
