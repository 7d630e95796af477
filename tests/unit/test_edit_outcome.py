"""What an edit amounts to: when one read is enough, when another is needed, and when nothing can come any more."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.job import Job, Recovery, Sent
from core.model.plan import Plan
from tests.store_fixture import make_job
from worker.backend.responses import Credits
from worker.jobs.credit_reading import NO_READING, CreditReading, Others, Work, work_on
from worker.jobs.edit_outcome import (
    EditOutcome,
    first_read_in_s,
    may_still_come,
    next_read_in_s,
    outcome_after_read,
    outcome_after_stream,
)

SETTINGS: Any = SimpleNamespace(
    stream_limit_s=900.0,
    recover_first_s=30.0,
    recover_every_s=60.0,
    recover_reads=5,
    settle_s=3.0,
    unseen_edit_s=60.0,
)
CREDITS = st.integers(0, 500)
BALANCES = st.none() | st.builds(
    lambda available, frozen: Credits(available=available, frozen=frozen, total=available + frozen), CREDITS, CREDITS
)
OTHERS = st.builds(lambda least, more: Others(least, least + more), CREDITS, CREDITS)
READINGS = st.builds(CreditReading, BALANCES, OTHERS, st.none() | st.integers(1, 9))
LATER_MS = st.integers(0, 2_000_000)


def sent_job(message: str = "trim", profile: str = "free-video-fast", *, reply: str | None = None) -> Job:
    job = make_job(profile=profile, plan=Plan(message=message, action="none"))
    sent = Sent(at_ms=0, before="old draft", state="d", credits_total=500, frozen=0, sends=3)
    return msgspec.structs.replace(job, sent=sent, reply=reply)


GENERATION = sent_job("generate a video about bread", "free-video-generation-automatic")
QUESTION = sent_job(reply="Which part shall I cut?")
JOBS = st.sampled_from([sent_job(), GENERATION, QUESTION])


@given(JOBS, READINGS, st.booleans(), st.booleans(), st.booleans())
def test_one_read_is_enough_only_for_a_visible_edit_or_a_question_while_nothing_is_frozen_for_it(
    job, reading, changed, spoke, tools_ran
):
    outcome = outcome_after_stream(job, reading, changed=changed, spoke=spoke, tools_ran=tools_ran)
    if outcome is not EditOutcome.UNCERTAIN:
        assert work_on(job.sent, reading) is Work.OVER
        assert spoke or job is QUESTION
        assert not (changed and job is GENERATION), "its second stage comes after the stream"
        assert changed or (job is QUESTION and not tools_ran), "talk and silence are looked after"
        assert outcome is (EditOutcome.CONFIRMED if changed else EditOutcome.NOTHING_DONE)


@given(JOBS, READINGS, LATER_MS, st.booleans(), st.booleans())
def test_nothing_is_waited_for_past_the_longest_time_that_a_message_may_take(job, reading, later_ms, spoke, restless):
    recovering = msgspec.structs.replace(job, recovery=Recovery(since_ms=0, spoke=spoke, restless=restless))
    if may_still_come(recovering, reading, SETTINGS, later_ms):
        assert later_ms <= 900_000
        work = work_on(job.sent, reading, restless=restless)
        assert work is not Work.OVER
        assert work is not Work.UNCLEAR or later_ms <= (60_000 if spoke and job is not GENERATION else 300_000)


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


AT_REST, AT_WORK = CreditReading(balance(500), sends=4), CreditReading(balance(450, 50), sends=4)
INFERRED = CreditReading(msgspec.structs.replace(balance(450, 50), infers_frozen=True), sends=4)
PAID, UNCLEAR = CreditReading(balance(450), sends=4), CreditReading(balance(400, 50), Others(0, 50))
SPOKE = Recovery(since_ms=0, spoke=True)


def with_(recovery: Recovery, **facts: object) -> Recovery:
    return msgspec.structs.replace(recovery, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recovery", "reading", "seen", "later_s", "outcome"),
    [
        # a changed state counts when two reads agree, and nothing can come any more
        (Recovery(since_ms=0), AT_REST, "new", 60, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, seen="other"), AT_REST, "new", 60, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, seen="new"), AT_WORK, "new", 60, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, seen="new"), AT_WORK, "new", 901, EditOutcome.CONFIRMED),
        (Recovery(since_ms=0, seen="new"), AT_REST, "new", 60, EditOutcome.CONFIRMED),
        (Recovery(since_ms=0, seen="new"), NO_READING, "new", 60, EditOutcome.CONFIRMED),
        # what may be frozen for somebody else is waited for as long as a change may show late
        (Recovery(since_ms=0, seen="new"), UNCLEAR, "new", 50, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, seen="new"), UNCLEAR, "new", 61, EditOutcome.CONFIRMED),
        # one that is another at each read has changed, and never agrees
        (Recovery(since_ms=0, seen="other"), AT_REST, "new", 61, EditOutcome.CONFIRMED),
        # after a drop, an unchanged one after five reads, while nothing is frozen
        (Recovery(since_ms=0, reads=3), AT_REST, "d", 600, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4), AT_WORK, "d", 600, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4), AT_WORK, "d", 901, EditOutcome.UNCONFIRMED),
        (Recovery(since_ms=0, reads=4), AT_REST, "d", 600, EditOutcome.UNCONFIRMED),
        # what may as well be frozen for somebody else, for as long as a generation takes
        (Recovery(since_ms=0, reads=4), UNCLEAR, "d", 299, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4), UNCLEAR, "d", 301, EditOutcome.UNCONFIRMED),
        # what follows from the total alone may as well be spent: it counts while no change was seen
        (Recovery(since_ms=0, seen="new"), INFERRED, "new", 50, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, seen="new"), INFERRED, "new", 61, EditOutcome.CONFIRMED),
        (Recovery(since_ms=0, reads=4), INFERRED, "d", 600, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4), INFERRED, "d", 901, EditOutcome.UNCONFIRMED),
        # a backend that does not tell what is frozen may still be at work
        (Recovery(since_ms=0, reads=4), NO_READING, "d", 600, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4), NO_READING, "d", 901, EditOutcome.UNCONFIRMED),
        # where the stream has closed by itself, with words, a change may show for a minute
        (SPOKE, AT_REST, "d", 5, EditOutcome.UNCERTAIN),
        (with_(SPOKE, reads=9), AT_REST, "d", 59, EditOutcome.UNCERTAIN),
        (with_(SPOKE, reads=9), AT_REST, "d", 61, EditOutcome.NOTHING_DONE),
        (with_(SPOKE, reads=9), NO_READING, "d", 61, EditOutcome.NOTHING_DONE),
        (with_(SPOKE, reads=9), AT_WORK, "d", 61, EditOutcome.UNCERTAIN),
        # a tool ran, or the message was paid for: something was done, whether it can be seen or not
        (with_(SPOKE, tools_ran=True), AT_REST, "d", 59, EditOutcome.UNCERTAIN),
        (with_(SPOKE, reads=2, tools_ran=True), AT_REST, "d", 61, EditOutcome.UNSEEN),
        (with_(SPOKE, reads=2), PAID, "d", 59, EditOutcome.UNCERTAIN),
        (with_(SPOKE, reads=2), PAID, "d", 61, EditOutcome.UNSEEN),
        # where those words were an error's, the prompt is not to blame, and an untouched film is no edit's
        (with_(SPOKE, reads=9, complained=True), AT_REST, "d", 59, EditOutcome.UNCERTAIN),
        (with_(SPOKE, reads=9, complained=True), AT_REST, "d", 61, EditOutcome.UNCONFIRMED),
        (with_(SPOKE, reads=9, complained=True), PAID, "d", 61, EditOutcome.UNCONFIRMED),
        # and not by the clock alone: somebody must have looked
        (with_(SPOKE, reads=1, tools_ran=True), AT_REST, "d", 61, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4, tools_ran=True), AT_REST, "d", 300, EditOutcome.UNSEEN),
        # also where the stream said nothing at all, as so many do
        (Recovery(since_ms=0, reads=3, closed=True), PAID, "d", 300, EditOutcome.UNCERTAIN),
        (Recovery(since_ms=0, reads=4, closed=True), PAID, "d", 300, EditOutcome.UNSEEN),
        (Recovery(since_ms=0, reads=4, closed=True), AT_REST, "d", 300, EditOutcome.UNCONFIRMED),
        # but for a message that may never have arrived: somebody else may have paid for something
        (Recovery(since_ms=0, reads=4), PAID, "d", 300, EditOutcome.UNCONFIRMED),
    ],
)
def test_a_later_look_at_the_state_has_one_meaning(recovery, reading, seen, later_s, outcome):
    job = msgspec.structs.replace(sent_job(), recovery=recovery)
    assert outcome_after_read(job, reading, seen=seen, settings=SETTINGS, now_ms=later_s * 1000) is outcome


@pytest.mark.parametrize(
    ("reply", "facts", "outcome"),
    [
        ("I can't remove the watermark.", {}, EditOutcome.NOTHING_DONE),
        ("I can't remove the watermark.", {"tools_ran": True}, EditOutcome.UNSEEN),
        ("Here is your video.", {}, EditOutcome.UNSEEN),
    ],
)
def test_a_refusal_in_words_that_was_paid_for_is_no_edit_unless_a_tool_ran(reply, facts, outcome):
    job = msgspec.structs.replace(sent_job(reply=reply), recovery=with_(SPOKE, reads=2, **facts))
    assert outcome_after_read(job, PAID, seen="d", settings=SETTINGS, now_ms=61_000) is outcome


UNHEARD = st.builds(Recovery, since_ms=st.just(0), seen=st.none() | st.just("new"), reads=st.integers(0, 9))


@given(JOBS, UNHEARD, READINGS, st.sampled_from(["d", "new"]), LATER_MS)
def test_a_message_whose_stream_nobody_heard_to_its_end_is_never_talk_alone(job, recovery, reading, seen, later_ms):
    """Its worker was killed amid it, and what it had heard is gone with it."""
    job = msgspec.structs.replace(job, recovery=recovery)
    outcome = outcome_after_read(job, reading, seen=seen, settings=SETTINGS, now_ms=later_ms)
    assert outcome is not EditOutcome.NOTHING_DONE


@pytest.mark.parametrize("later_s", [61, 299])
def test_a_generation_may_show_for_five_minutes(later_s):
    job = msgspec.structs.replace(GENERATION, recovery=with_(SPOKE, reads=2, tools_ran=True))
    judge = lambda now_s: outcome_after_read(job, AT_REST, seen="d", settings=SETTINGS, now_ms=now_s * 1000)  # noqa: E731
    assert (judge(later_s), judge(301)) == (EditOutcome.UNCERTAIN, EditOutcome.UNSEEN)


def test_a_question_without_tools_needs_one_look_and_one_after_tools_is_no_question():
    asks_again = msgspec.structs.replace(QUESTION, recovery=SPOKE)
    assert outcome_after_stream(QUESTION, PAID, changed=False, spoke=True) is EditOutcome.NOTHING_DONE
    assert outcome_after_stream(QUESTION, AT_WORK, changed=False, spoke=True) is EditOutcome.UNCERTAIN
    assert (
        outcome_after_read(asks_again, UNCLEAR, seen="d", settings=SETTINGS, now_ms=61_000) is EditOutcome.NOTHING_DONE
    )
    worked = {"changed": False, "spoke": True, "tools_ran": True}
    assert outcome_after_stream(QUESTION, AT_REST, **worked) is EditOutcome.UNCERTAIN


def test_a_change_beside_the_draft_waits_for_the_draft_which_is_what_is_rendered():
    assert outcome_after_stream(sent_job(), PAID, changed=True, spoke=True) is EditOutcome.CONFIRMED
    beside = outcome_after_stream(sent_job(), PAID, changed=True, spoke=True, elsewhere=True)
    assert beside is EditOutcome.UNCERTAIN
    job = msgspec.structs.replace(sent_job(), recovery=with_(SPOKE, seen="new"))

    def judge(later_s: int) -> EditOutcome:
        return outcome_after_read(job, PAID, seen="new", settings=SETTINGS, now_ms=later_s * 1000, elsewhere=True)

    assert (judge(29), judge(31)) == (EditOutcome.UNCERTAIN, EditOutcome.CONFIRMED)


def test_a_record_of_an_older_version_is_compared_by_its_draft_alone():
    job = msgspec.structs.replace(
        sent_job(), sent=Sent(at_ms=0, before="old draft"), recovery=Recovery(since_ms=0, reads=4)
    )
    judge = lambda seen: outcome_after_read(job, AT_REST, seen=seen, settings=SETTINGS, now_ms=300_000)  # noqa: E731
    assert (judge("old draft"), judge("new")) == (EditOutcome.UNCONFIRMED, EditOutcome.UNCERTAIN)


def test_an_unchanged_state_is_looked_at_in_growing_pauses_and_when_its_time_is_over():
    job, now_ms, pauses = msgspec.structs.replace(sent_job(), recovery=SPOKE), 0, []
    while now_ms <= 60_000:
        pauses.append(next_read_in_s(job, SETTINGS, now_ms, changed=False))
        now_ms += int(pauses[-1] * 1000)
        job = msgspec.structs.replace(job, recovery=with_(SPOKE, reads=len(pauses)))
    assert pauses == [3, 6, 12, 24, pytest.approx(15, abs=0.1)]
    assert next_read_in_s(job, SETTINGS, 0, changed=True) == 3
