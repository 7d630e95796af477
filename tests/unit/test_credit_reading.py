"""What two balances say of a message: whether the backend still works on it, and what it has cost."""

import msgspec
import pytest

from core.model.job import Job, Sent
from core.model.plan import Plan
from core.model.token import SentMessage
from tests.store_fixture import make_job
from worker.backend.responses import Credits
from worker.jobs.credit_reading import (
    NO_READING,
    CreditReading,
    Others,
    Work,
    cost_of,
    is_restless,
    others_of,
    took_credits,
    work_on,
)


def asks(message: str | None) -> Job:
    return make_job(plan=Plan(message=message, action="none"))


def before(*, total: int | None = 500, frozen: int | None = 0, others: int = 0, sends: int | None = 3) -> Sent:
    return Sent(at_ms=0, before="d", credits_total=total, frozen=frozen, others=others, sends=sends)


def after_sending(**facts: int | None) -> Job:
    return msgspec.structs.replace(asks("trim"), sent=before(**facts))  # type: ignore[arg-type]


def balance(available: int, frozen: int = 0) -> Credits:
    return Credits(available=available, frozen=frozen, total=available + frozen)


def alone(available: int, frozen: int = 0) -> CreditReading:
    """A balance after the one message that was sent."""
    return CreditReading(balance(available, frozen), sends=4)


def busy(available: int, frozen: int, *, least: int = 0, most: int) -> CreditReading:
    """A balance while messages of other jobs are being worked on."""
    return CreditReading(balance(available, frozen), Others(least, most))


UNTOLD = CreditReading(Credits(available=450, frozen=0, total=450, tells_frozen=False), sends=4)


@pytest.mark.parametrize(
    ("sent", "reading", "work"),
    [
        (before(), alone(450), Work.OVER),
        (before(), alone(450, 50), Work.GOES_ON),
        # jobs that have reserved credits, and sent nothing, explain nothing
        (before(), CreditReading(balance(450, 50), Others(0, 0), sends=4), Work.GOES_ON),
        # somebody else's credits are frozen all the time, as they were before
        (before(total=1200, frozen=700), alone(450, 700), Work.OVER),
        (before(total=1200, frozen=700), alone(450, 750), Work.GOES_ON),
        (before(total=1200, frozen=700), alone(1150, 0), Work.OVER),
        # it is paid for, so what is frozen now may well be somebody else's
        (before(), alone(400, 50), Work.UNCLEAR),
        # another message was really sent since then, and is surely, or perhaps, still worked on
        (before(), busy(400, 50, least=50, most=50), Work.OVER),
        (before(), busy(400, 50, most=50), Work.UNCLEAR),
        (before(), busy(350, 100, least=50, most=50), Work.GOES_ON),
        # it was there before, and what was frozen then was its own, or somebody else's
        (before(frozen=50, others=50), busy(400, 50, least=50, most=50), Work.OVER),
        (before(frozen=50, others=50), busy(400, 50, most=0), Work.UNCLEAR),
        (before(frozen=50, others=50), busy(400, 150, least=50, most=50), Work.GOES_ON),
        (before(frozen=50, others=50), busy(400, 100, least=50, most=50), Work.UNCLEAR),
        # nobody knows what was frozen before
        (before(frozen=None), alone(450, 50), Work.UNCLEAR),
        (before(frozen=None), alone(450), Work.OVER),
        (before(), UNTOLD, Work.UNTOLD),
        # the total may be all that the account ever had: then what was spent looks frozen for ever
        (before(), CreditReading(Credits(450, 50, 500, infers_frozen=True), sends=4), Work.UNCLEAR),
        (before(), CreditReading(Credits(500, 0, 500, infers_frozen=True), sends=4), Work.OVER),
        (before(frozen=50), CreditReading(Credits(450, 50, 500, infers_frozen=True), sends=4), Work.OVER),
        (before(), NO_READING, Work.UNTOLD),
    ],
)
def test_like_is_compared_with_like(sent, reading, work):
    assert work_on(sent, reading) is work


def test_what_may_be_somebody_else_s_is_not_called_this_job_s():
    assert work_on(before(), alone(450, 50), restless=True) is Work.UNCLEAR
    assert is_restless(50, alone(450, 60))
    assert not is_restless(50, alone(450, 50))
    assert not is_restless(50, alone(500))
    assert not is_restless(None, alone(450, 50))
    assert not is_restless(50, busy(400, 100, most=50)), "another job of ours is at work"


def test_only_what_was_worked_on_before_and_after_the_balance_is_surely_frozen():
    long_ago, just_now, ended = SentMessage(50, 1_000), SentMessage(70, 9_000), SentMessage(90, 0)
    first = {"own": long_ago, "stays": long_ago, "ends": long_ago, "young": just_now, "over": ended}
    then = {"own": long_ago, "stays": long_ago, "ends": SentMessage(50, 0), "young": just_now, "comes": just_now}
    others = others_of(first, then, job_id="own", now_ms=10_000)
    assert others == Others(least=50, most=50 + 50 + 70 + 90 + 70)


@pytest.mark.parametrize(
    ("job", "reading", "used", "exact"),
    [
        (after_sending(), alone(450), 50, True),
        (after_sending(), alone(500), 0, True),
        # somebody has topped up
        (after_sending(), alone(900), 50, False),
        # it may be paid yet
        (after_sending(), alone(450, 50), 50, False),
        # others were at work meanwhile, or a balance is missing: the usual
        (after_sending(), CreditReading(balance(300), sends=5), 50, False),
        (after_sending(), busy(300, 50, least=50, most=50), 50, False),
        (after_sending(sends=None), alone(450), 50, False),
        (after_sending(total=None), alone(450), 50, False),
        (after_sending(), NO_READING, 50, False),
        (after_sending(), UNTOLD, 50, False),
        # somebody else uses the account
        (after_sending(total=1200, frozen=700), alone(495, 700), 5, False),
        # what was frozen for somebody else before has been spent since, or some of it
        (after_sending(total=500, frozen=50), alone(400), 50, False),
        (after_sending(total=500, frozen=50), alone(380), 70, False),
        (after_sending(total=500, frozen=50), alone(470), 30, False),
        # nothing was sent
        (asks("trim"), NO_READING, 0, True),
        (asks(None), NO_READING, 0, True),
    ],
)
def test_the_cost_is_exact_only_where_the_message_was_alone_and_counts_as_the_usual_where_nobody_knows(
    job, reading, used, exact
):
    assert cost_of(job, reading) == {"credits_used": used, "credits_exact": exact}


def test_credits_were_certainly_taken_only_where_nobody_else_can_have():
    assert took_credits(before(), alone(450))
    assert not took_credits(before(), alone(500))
    assert not took_credits(before(), CreditReading(balance(450), sends=5))
    assert not took_credits(before(total=1200, frozen=700), alone(450, 700))
    assert not took_credits(before(), UNTOLD)
