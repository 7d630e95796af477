"""Credit readings: whether the backend still works on a message, and what it has cost, by the balances around it. Pure.

What is frozen shows that work goes on; what is gone shows what it has cost. A balance is the account's, not the job's, so
like is compared with like: what was frozen before the message with what is after it, less what messages of other jobs
explain that were really sent. What can't be told is said to be so.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from core.model.job import Job, Sent
from core.model.message_cost import usual_cost
from core.model.token import SentMessage
from worker.backend.responses import Credits

#: a message whose intent was written less long ago may not have reached the backend yet
_ON_ITS_WAY_MS = 2_000


class Work(Enum):
    """Whether the backend still works on a message."""

    #: credits are frozen that can only be for it
    GOES_ON = auto()
    #: nothing is frozen for it, so nothing can still come
    OVER = auto()
    #: something is frozen, for it or for somebody else
    UNCLEAR = auto()
    #: the backend does not say what is frozen
    UNTOLD = auto()


class Others(NamedTuple):
    """Credits that are frozen for messages of other jobs, at least and at most."""

    least: int = 0
    most: int = 0


class CreditReading(NamedTuple):
    """A balance as just read (None where the backend does not say), and who else uses the token meanwhile."""

    balance: Credits | None
    others: Others = Others()
    #: messages ever sent on the token, where none of another job is being worked on, else None
    sends: int | None = None
    #: who else uses the token was not asked: it is when the cost is settled, and until then the balance says enough
    asked_on_settling: bool = False
    #: the pool has not heard of this balance yet: the next commit tells it
    unwritten: bool = False

    @property
    def total(self) -> int | None:
        """Available and frozen together."""
        return self.balance.available + self.balance.frozen if self.balance else None

    @property
    def frozen(self) -> int | None:
        """What is frozen, for whomever; None where the backend does not say."""
        return self.balance.frozen if self.balance and self.balance.tells_frozen else None

    @property
    def infers_frozen(self) -> bool:
        """Whether what is missing of the total may be frozen, or spent long ago."""
        return self.balance is not None and self.balance.infers_frozen


#: what is known where nobody could be asked
NO_READING = CreditReading(balance=None)
#: the cost of a job that has sent nothing
NOTHING_SPENT: dict[str, Any] = {"credits_used": 0, "credits_exact": True}


def others_of(
    before: Mapping[str, SentMessage], after: Mapping[str, SentMessage], *, job_id: str, now_ms: int
) -> Others:
    """Bound what other jobs' messages explain of a balance that was read between two looks at who had sent.

    Surely frozen is what was being worked on at both looks, and long enough to have reached the backend.
    """
    known = {**after, **before}
    known.pop(job_id, None)
    surely = [
        message.cost
        for name, message in known.items()
        if before.get(name) == after.get(name) and 0 < message.open_since_ms <= now_ms - _ON_ITS_WAY_MS
    ]
    return Others(least=sum(surely), most=sum(message.cost for message in known.values()))


def work_on(sent: Sent, reading: CreditReading, *, restless: bool = False) -> Work:
    """Say whether the backend still works on a message. `restless`: somebody else's credits come and go."""
    frozen = reading.frozen
    if frozen is None:
        return Work.UNTOLD
    if frozen == 0:
        return Work.OVER
    if sent.frozen is None:
        return Work.UNCLEAR
    # what was frozen before the message, less what was for other messages by then, is somebody else's for good
    if frozen <= max(0, sent.frozen - sent.others) + reading.others.least:
        return Work.OVER
    surely = frozen > sent.frozen + reading.others.most and not reading.infers_frozen
    return Work.GOES_ON if surely and not restless and not _is_paid(sent, reading) else Work.UNCLEAR


def is_restless(last: int | None, reading: CreditReading) -> bool:
    """Tell somebody else's credits by their moving from one look to the next, though no other job of ours is at work."""
    frozen = reading.frozen
    return last is not None and frozen is not None and 0 < frozen != last and reading.sends is not None


def took_credits(sent: Sent, reading: CreditReading) -> bool:
    """Whether the message has certainly cost something: only this job used the token, and nobody else the account."""
    return sent.frozen == 0 == reading.frozen and _is_paid(sent, reading)


def took_nothing(sent: Sent, reading: CreditReading) -> bool:
    """Whether the balance is what it was before the message: it cost nothing, or is charged in a moment."""
    return reading.total is not None and reading.total == sent.credits_total


def _is_paid(sent: Sent, reading: CreditReading) -> bool:
    spent = _spent(sent, reading)
    return spent is not None and spent > 0


def _spent(sent: Sent, reading: CreditReading) -> int | None:
    """Compare two balances, where no other job's message was worked on in between; None: nobody can say.

    Nor where there is more than before: somebody has topped up, and what the message took of that does not show.
    """
    alone = sent.sends is not None and reading.sends == sent.sends + 1
    if not alone or sent.credits_total is None or reading.total is None or reading.total > sent.credits_total:
        return None
    return sent.credits_total - reading.total


def as_if_alone(sent: Sent, reading: CreditReading) -> CreditReading:
    """Take a reading to be of a token on which nobody has sent anything since the intent to send this message."""
    return reading._replace(sends=None if sent.sends is None else sent.sends + 1)


def cost_of(job: Job, reading: CreditReading) -> dict[str, Any]:
    """Say what a job's message has cost: ``{"credits_used": 50, "credits_exact": True}``.

    Two balances are compared where no other message was worked on in between. What is not known counts as the usual, so
    that no budget is overrun by what nobody could tell. Nothing was spent where nothing was sent. What was frozen before the
    message was somebody else's, who may have spent it since.
    """
    sent = job.sent
    if sent is None:
        return NOTHING_SPENT
    spent, work, usual = _spent(sent, reading), work_on(sent, reading), sent.cost or usual_cost(job)
    if spent is not None and (work is Work.OVER or (work is Work.UNTOLD and spent)):
        if sent.frozen == 0 == reading.frozen:
            return {"credits_used": spent, "credits_exact": True}
        return {"credits_used": min(spent, max(usual, spent - (sent.frozen or 0))), "credits_exact": False}
    return {"credits_used": max(spent or 0, usual), "credits_exact": False}
