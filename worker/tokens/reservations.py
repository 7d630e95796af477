"""Reserves tokens for jobs: which one a job runs on, and what it waits for, or ends with, where none serves.

The tokens are in Redis, shared by all workers, and it is Redis that finds the best (`core/store/lua/shared/tokens/taking.lua`).
Here is decided in what order it is asked, and whose balance is read before that. What refusals teach of tokens is the
pool's (`worker.tokens.pool`).
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from core.clock import Clock
from core.errors import Code, Permanent, Temporary
from core.model.job import Job
from core.model.message_cost import cost_to_reserve, exceeds_limit, message_kind
from core.model.session import Session, is_bound
from core.model.token import Scope, Token, TokenState
from core.store.token_work import TakenToken
from core.store.tokens.tokens import OverBudget, Serving, TokenRequest, Tokens
from worker.backend.faults import BackendFault, Fault
from worker.tokens.anonymous import AnonymousTokenSource
from worker.tokens.availability import (
    TOKENS_LOOKED_AT,
    goes_on_with_timeline,
    needs_of,
    wait_for_one_of,
    why_none_ever_fits,
    why_none_fits,
    with_stale_balance,
    with_unread_balance,
)

#: hardly a job takes longer, however much time its caller gives it
_LONG_MS = 3_600_000

_ReadBalances = Callable[[Job, Sequence[Token]], Awaitable[None]]


class TokenReservations:
    """Gives each job a token with its credits reserved on it."""

    def __init__(
        self,
        tokens: Tokens,
        anonymous: AnonymousTokenSource,
        read_balances: _ReadBalances,
        clock: Clock,
        *,
        month_limit: int,
    ) -> None:
        self._tokens = tokens
        self._anonymous = anonymous
        self._read_balances = read_balances
        self._clock = clock
        self._month_limit = month_limit

    async def reserve(self, job: Job, session: Session) -> str:
        """Reserve a token for a job: the session's own, or before its first edit the best. Safe to repeat.

        One that has fewer credits than the message will probably cost is the last choice: a refusal costs nothing.
        Raises Temporary(no_credits) where none fits, and BackendFault(TOKEN_REFUSED) where an edited session's token is
        over. A balance that was never read is read first, so that many jobs at once do not all try their luck. Before a
        job waits, balances that were read long ago are read again: somebody may have topped up. So they are for one that was
        refused for want of credits: where its token had less than was known others may, too, and it would bring its files to
        one after the other.
        """
        if is_bound(session):
            await self._require_own(job, session)
        if job.cost_at_least:
            await self._read_stale(job, await self._some_that_may_serve(job, session))
        try:
            token_id = await self._reserve_known(job, session) or await self._reserve_after_reading(job, session)
        except OverBudget:
            words = f"The month's budget of {self._month_limit} credits would be exceeded."
            raise Permanent(Code.BUDGET_EXCEEDED, words) from None
        if token_id is None:
            raise await self._why_none_fits(job, session)
        return token_id

    def reserving(self, job: Job, session: Session) -> dict[str, Any] | None:
        """Say how the commit of a job that begins reserves a token, where that finds one. None: `reserve` has to look.

        It is one of the operator's and the tenant's own whose balance was read once.
        """
        if session.backend_id or exceeds_limit(job):
            return None
        return self._tokens.taking(
            **self._request(job, session, None, needs_of(job, session), anonymous=False, unread=False)
        )

    def note_taken(self, taken: TakenToken) -> None:
        """A commit has taken this token: the job's calls come next."""
        self._tokens.note_taken(taken)

    async def _require_own(self, job: Job, session: Session) -> None:
        token = await self._tokens.get(session.token_id or "")
        if token is None or not goes_on_with_timeline(token, job, now_ms=self._clock.now_ms()):
            raise BackendFault(Fault.TOKEN_REFUSED, call="token", detail="the session's token is over")

    async def _reserve_known(self, job: Job, session: Session) -> str | None:
        """Reserve one of the operator's and the tenant's own tokens whose balance was read once."""
        return await self._reserve_best(job, session, anonymous=False, unread=False)

    async def _reserve_after_reading(self, job: Job, session: Session) -> str | None:
        """Look again where none is known to fit, or there is none but the anonymous identity's."""
        serving = await self._some_that_may_serve(job, session)
        anonymous = not serving.named
        if anonymous and not is_bound(session):
            await self._anonymous.get_present_token(profile=job.profile)
        await self._read_balances(job, with_unread_balance(serving.tokens))
        if token_id := await self._reserve_best(job, session, anonymous=anonymous, unread=True):
            return token_id
        serving = await self._some_that_may_serve(job, session)
        stale = await self._read_stale(job, serving)
        if stale and (token_id := await self._reserve_best(job, session, anonymous=anonymous, unread=True)):
            return token_id
        last_choice = await self._reserve_best(job, session, anonymous=anonymous, unread=True, last_choice=True)
        return last_choice or await self._reserve_exhausted(job, session, serving.tokens)

    async def _read_stale(self, job: Job, serving: Serving) -> bool:
        """Read the balances that were read long ago, and tell whether there were any."""
        stale = with_stale_balance(serving.tokens, now_ms=self._clock.now_ms())
        await self._read_balances(job, stale)
        return bool(stale)

    async def _reserve_exhausted(self, job: Job, session: Session, tokens: Sequence[Token]) -> str | None:
        """Reserve one without credits for a job that needs none, such as a question for them."""
        needs = needs_of(job, session)
        able = [each for each in tokens if each.state is TokenState.EXHAUSTED and each.may(needs)]
        if cost_to_reserve(job) or not able:
            return None
        return await self._tokens.take(**self._request(job, session, able[0].id, needs, anonymous=False, unread=True))

    async def _why_none_fits(self, job: Job, session: Session) -> Permanent | Temporary:
        """Say why a job has no token. What would end it is said of all tokens, not of those that it has looked at."""
        looked_at, now_ms = (await self._some_that_may_serve(job, session)).tokens, self._clock.now_ms()
        if is_bound(session):
            return why_none_fits(job, session, looked_at, now_ms=now_ms)
        sums = await self._tokens.sums(job.tenant)
        end = why_none_ever_fits(job, session, sums.kinds) if sums.sure else None
        return end or wait_for_one_of(job, session, looked_at, now_ms=now_ms)

    async def _some_that_may_serve(self, job: Job, session: Session) -> Serving:
        """Read the session's own token, where an edit ties it to that, else some of those that serve the tenant.

        A job that waits comes back every few seconds, and others wait beside it, so all are looked at in time.
        """
        if not is_bound(session):
            return await self._tokens.serving(job.tenant, most=TOKENS_LOOKED_AT)
        own = await self._tokens.get(session.token_id or "")
        return Serving(own is not None and own.kind != "anonymous", [own] if own else [])

    async def _reserve_best(
        self, job: Job, session: Session, *, anonymous: bool, unread: bool, last_choice: bool = False
    ) -> str | None:
        """Reserve the session's own token, else another one as long as no edit ties the session to its own."""
        own = session.token_id if session.backend_id else None
        needs = needs_of(job, session)
        how = {"anonymous": anonymous, "unread": unread, "last_choice": last_choice}
        reserved = await self._tokens.take(**self._request(job, session, own, needs, **how))
        if reserved or own is None or is_bound(session):
            return reserved
        return await self._tokens.take(**self._request(job, session, None, needs, **how))

    def _request(
        self,
        job: Job,
        session: Session,
        only: str | None,
        needs: frozenset[Scope],
        *,
        anonymous: bool,
        unread: bool,
        last_choice: bool = False,
    ) -> TokenRequest:
        return {
            "tenant": job.tenant,
            "job_id": job.id,
            "cost": cost_to_reserve(job),
            "until_ms": self._until_ms(job, session, renewed=anonymous or only is not None, last_choice=last_choice),
            "needs": needs,
            "only": only,
            "anonymous": anonymous,
            "unread": unread,
            "kind": message_kind(job),
            "least": job.cost_at_least,
            "last_choice": last_choice,
            "month_limit": self._month_limit,
        }

    def _until_ms(self, job: Job, session: Session, *, renewed: bool, last_choice: bool) -> int:
        """Say until when a job's token must live: the job's deadline, or as the last choice for longer than a job takes.

        The anonymous identity is renewed under the same client id, so it need not outlive the job; a session has its own. Of
        one on which a timeline lives the backend says itself when it is over.
        """
        if is_bound(session):
            return 0
        if renewed:
            return self._clock.now_ms()
        return min(job.deadline_ms, self._clock.now_ms() + _LONG_MS) if last_choice else job.deadline_ms
