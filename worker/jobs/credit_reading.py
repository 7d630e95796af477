"""What a balance says of a message: whether the backend still works on it, and what it has cost. Pure.

What is frozen shows that work goes on; what is gone shows what it has cost. A balance is the token's, not the job's, so
both are said only as far as nobody else used the token.
"""

from typing import Any, NamedTuple

from core.model.job import Job
from worker.backend.responses import Credits
from worker.tokens.estimate import usual_cost


class CreditReading(NamedTuple):
    """A balance as just read (None where the backend does not say), and who else uses the token meanwhile."""

    balance: Credits | None
    #: credits that other jobs have reserved on the token: what is frozen beyond them is frozen for this job
    others_reserved: int
    #: how often the token had been taken when only this job held it, else None
    alone_at: int | None

    @property
    def total(self) -> int | None:
        """Available and frozen together."""
        return self.balance.available + self.balance.frozen if self.balance else None

    @property
    def still_works(self) -> bool:
        """Credits are frozen that can only be this job's: the backend has not finished."""
        return self.balance is not None and self.balance.frozen > self.others_reserved

    @property
    def at_rest(self) -> bool:
        """Nothing is frozen, so nothing can still come."""
        return self.balance is not None and self.balance.frozen == 0


#: what is known where nobody could be asked
NO_READING = CreditReading(balance=None, others_reserved=0, alone_at=None)


def cost_of(job: Job, reading: CreditReading, *, confirmed: bool) -> dict[str, Any]:
    """Say what a job's message has cost: ``{"credits_used": 50, "credits_exact": True}``; empty where nobody can say.

    Two balances are compared where no other job ran on the token in between; else an edit that is `confirmed`, which
    is to say that it was worked on for certain, counts as the usual. Nothing was spent where nothing was sent.
    """
    sent = job.sent
    if sent is None:
        return {"credits_used": 0, "credits_exact": True}
    alone = sent.alone_at is not None and sent.alone_at == reading.alone_at
    if alone and sent.credits_total is not None and reading.total is not None:
        return {"credits_used": max(0, sent.credits_total - reading.total), "credits_exact": reading.at_rest}
    return {"credits_used": usual_cost(job), "credits_exact": False} if confirmed else {}
