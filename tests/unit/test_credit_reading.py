"""What two balances say that a message has cost."""

import msgspec
import pytest

from core.model.job import Job, Sent
from core.model.plan import Plan
from tests.store_fixture import make_job
from worker.backend.responses import Credits
from worker.jobs.credit_reading import NO_READING, CreditReading, cost_of


def asks(message: str | None) -> Job:
    return make_job(plan=Plan(message=message, action="none"))


def after_sending(*, alone_at: int | None = 3, total: int | None = 500) -> Job:
    return msgspec.structs.replace(asks("trim"), sent=Sent(at_ms=0, before="d", credits_total=total, alone_at=alone_at))


def balance(available: int, frozen: int = 0) -> Credits:
    return Credits(available=available, frozen=frozen, total=available + frozen)


@pytest.mark.parametrize(
    ("job", "reading", "used", "exact"),
    [
        (after_sending(), CreditReading(balance(450), 0, 3), 50, True),
        (after_sending(), CreditReading(balance(500), 0, 3), 0, True),
        (after_sending(), CreditReading(balance(400, 50), 0, 3), 50, False),
        (after_sending(), CreditReading(balance(900), 0, 3), 0, True),
        # others ran meanwhile, or a balance is missing: the usual
        (after_sending(), CreditReading(balance(300), 0, 4), 50, False),
        (after_sending(), CreditReading(balance(300), 50, None), 50, False),
        (after_sending(alone_at=None), CreditReading(balance(450), 0, 3), 50, False),
        (after_sending(total=None), CreditReading(balance(450), 0, 3), 50, False),
        (after_sending(), CreditReading(None, 0, 3), 50, False),
    ],
)
def test_the_cost_is_exact_only_where_the_job_was_alone_on_its_token(job, reading, used, exact):
    assert cost_of(job, reading, confirmed=True) == {"credits_used": used, "credits_exact": exact}


def test_of_an_edit_that_is_not_confirmed_nothing_is_guessed():
    assert cost_of(after_sending(), NO_READING, confirmed=False) == {}
    assert cost_of(after_sending(), CreditReading(balance(500), 0, 3), confirmed=False)["credits_used"] == 0


def test_without_a_message_nothing_was_spent():
    assert cost_of(asks(None), NO_READING, confirmed=True) == {"credits_used": 0, "credits_exact": True}
