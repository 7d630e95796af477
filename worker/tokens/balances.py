"""Tokens' balances, as the backend tells them, and what jobs' messages have cost of them.

A balance with credits in it makes an exhausted token serve again; every other change of a token's state is the pool's
(`worker.tokens.pool`).
"""

from core.model.job import Job
from core.model.message_cost import message_kind
from core.model.token import SentMessage, Use
from core.store.tokens.use import TokenUse
from worker.backend.client import Backend, Credentials
from worker.backend.faults import BackendFault, Fault
from worker.backend.responses import Credits


class TokenBalances:
    """Asks for balances, and writes them and who uses the tokens."""

    def __init__(self, use: TokenUse, backend: Backend) -> None:
        self._use = use
        self._backend = backend

    async def read(
        self, credentials: Credentials, token_id: str, *, job_id: str | None = None
    ) -> tuple[Credits | None, Use | None]:
        """Read a token's balance, write it down, and say who but this job has messages on the token at that moment.

        None: the backend does not say, which is no error; the token was removed. Raises BackendFault(TOKEN_REFUSED).
        """
        balance = await self._told(credentials)
        return balance, await self.note(token_id, balance, job_id=job_id)

    async def ask(self, credentials: Credentials) -> Credits | None:
        """Ask the backend for a token's balance, and write nothing down. None: it does not say, or there is no limit.

        Raises BackendFault(TOKEN_REFUSED).
        """
        balance = await self._told(credentials)
        return None if balance and balance.unlimited else balance

    async def _told(self, credentials: Credentials) -> Credits | None:
        try:
            return await self._backend.read_credits(credentials)
        except BackendFault as fault:
            if fault.fault is Fault.TOKEN_REFUSED:
                raise
            return None

    async def note(self, token_id: str, balance: Credits | None, *, job_id: str | None = None) -> Use | None:
        """Write a balance where one was just read, and say who but this job has messages on the token. None: removed."""
        if balance is None:
            return await self._use.use_of(token_id, job_id=job_id)
        if balance.unlimited:
            return await self._use.note_no_limit(token_id, job_id=job_id)
        return await self._use.note_balance(token_id, available=balance.available, frozen=balance.frozen, job_id=job_id)

    async def sent_on(self, token_id: str) -> dict[str, SentMessage]:
        """List the messages that were sent on a token and whose cost is not settled yet, by job."""
        return await self._use.sent_on(token_id)

    async def now_ms(self) -> int:
        """Tell the time by which it is written down when messages were sent."""
        return await self._use.now_ms()

    async def release(
        self,
        job: Job,
        token_id: str,
        *,
        balance: Credits | None = None,
        cost: int | None = None,
        cost_at_sends: int | None = None,
    ) -> int | None:
        """Free what a job has reserved on a token, and write the balance where it was just read. Safe to repeat.

        `cost`: what the job's message has certainly cost, from which the next ones learn; with `cost_at_sends` only where
        so many messages were ever sent on the token. Returns how many were, or None where another job's is worked on.
        """
        settled = await self._use.settle(
            token_id,
            job_id=job.id,
            available=balance.available if balance else None,
            frozen=balance.frozen if balance else None,
            kind=message_kind(job),
            learned=cost,
            learned_at=cost_at_sends,
        )
        return settled.sends

    async def note_late_message(self, job: Job, token_id: str) -> None:
        """A run has sent the job's message, and had lost the job: whoever reads a balance now may find its cost in it."""
        await self._use.note_late_message(token_id, job_id=job.id)

    async def note_too_few(self, job: Job, balance: Credits) -> None:
        """So many credits were refused as too few for a message like the job's."""
        await self._use.note_credits_refused(message_kind(job), balance.available)
