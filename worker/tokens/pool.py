"""Which token serves a job, and what happens when the backend refuses one.

The pool itself is in Redis (`core.store.tokens.tokens`), shared by all workers. Here is what needs the backend: balances, and
whether a refused token is over. The steps of a job call it; the anonymous identity is `worker.tokens.anonymous`'s.
"""

import uuid
from contextlib import suppress
from urllib.parse import quote

from core.clock import Clock
from core.errors import Code, Permanent, Temporary, WaitReason
from core.model.job import Job
from core.model.session import Session, is_bound
from core.model.token import Scope, Token, TokenState, Use
from core.store.tokens.anonymous_identity import AnonymousIdentities
from core.store.tokens.tokens import OverBudget, Tokens
from worker.backend.client import Backend, Credentials
from worker.backend.faults import BackendFault, Fault
from worker.backend.responses import Credits
from worker.tokens.anonymous import OVER, Anonymous, is_over
from worker.tokens.estimate import estimate
from worker.tokens.scopes import needs_of

#: how long a waiting job sleeps before it asks for a token again; an end of another job does not wake it
_NO_TOKEN_S = 5.0
#: a balance that was read longer ago is read again before a job waits for credits
_STALE_S = 15.0
#: the wait where the backend does not say whether a refused token is over
_UNTOLD_S = 1.0


class Pool:
    """Takes tokens for jobs and learns from refusals."""

    def __init__(
        self,
        tokens: Tokens,
        identities: AnonymousIdentities,
        backend: Backend,
        clock: Clock,
        *,
        rate_limited_s: float,
        web_url: str,
        month_limit: int,
    ) -> None:
        self._tokens = tokens
        self._identities = identities
        self._backend = backend
        self._clock = clock
        self._web_url = web_url
        self._month_limit = month_limit
        self._anonymous = Anonymous(tokens, identities, backend, clock, rate_limited_s=rate_limited_s)

    async def take(self, job: Job, session: Session) -> str:
        """Reserve a token for a job: the session's own, or before its first edit the best.

        Raises Temporary(no_credits) where none fits, and BackendFault(TOKEN_REFUSED) where an edited session's token is
        over. A balance that was never read is read first, so that many jobs at once do not all try their luck. Before a
        job waits, balances that were read long ago are read again: somebody may have topped up.
        """
        if is_bound(session):
            await self._check_own(session)
        try:
            token_id = await self._reserve(job, session, anonymous=False, unread=False) or await self._second_choice(
                job, session
            )
        except OverBudget:
            words = f"The month's budget of {self._month_limit} credits would be exceeded."
            raise Permanent(Code.BUDGET_EXCEEDED, words) from None
        if token_id is None:
            raise await self._nothing_fits(job, session)
        return token_id

    async def _second_choice(self, job: Job, session: Session) -> str | None:
        """Look again where none of the operator's and the tenant's own tokens is known to fit, or there is none."""
        serving = await self._tokens.serving(job.tenant)
        anonymous = all(token.kind == "anonymous" for token in serving)
        if anonymous and not is_bound(session):
            await self._anonymous.token()
        await self._read_all(job, [t for t in serving if t.available is None and t.state not in OVER])
        if token_id := await self._reserve(job, session, anonymous=anonymous, unread=True):
            return token_id
        stale = await self._read_stale_balances(job)
        return await self._reserve(job, session, anonymous=anonymous, unread=True) if stale else None

    async def _check_own(self, session: Session) -> None:
        token = await self._tokens.get(session.token_id or "")
        if token is None or is_over(token, now_ms=self._clock.now_ms()):
            raise BackendFault(Fault.TOKEN_REFUSED, call="token", detail="the session's token is over")

    async def _may_serve(self, job: Job, session: Session) -> list[Token]:
        serving = await self._tokens.serving(job.tenant)
        return [t for t in serving if t.id == session.token_id] if is_bound(session) else serving

    async def _nothing_fits(self, job: Job, session: Session) -> Exception:
        """Say why a job has no token: every token's plan or scope forbids what it wants, or it waits for one."""
        serving = await self._may_serve(job, session)
        able = [token for token in serving if token.may(needs_of(job, session))]
        if serving and not able:
            return Permanent(Code.SCOPE_MISSING)
        if able and job.plan.action == "export" and all(t.state is TokenState.EXPORT_BLOCKED for t in able):
            return Permanent(Code.EXPORT_BLOCKED)
        return self._waits_for(able)

    def _waits_for(self, able: list[Token]) -> Temporary:
        """Wait for the first token that rests after a 429, or else for credits."""
        rests_ms = [t.rest_until_ms - self._clock.now_ms() for t in able if t.state is TokenState.RATE_LIMITED]
        if rests_ms:
            return Temporary(WaitReason.BACKEND_RATE_LIMITED, delay_s=max(0, min(rests_ms)) / 1000)
        return Temporary(WaitReason.NO_CREDITS, delay_s=_NO_TOKEN_S)

    async def _reserve(self, job: Job, session: Session, *, anonymous: bool, unread: bool) -> str | None:
        """Reserve the session's own token, else another one as long as no edit ties the session to its own."""
        own = session.token_id if session.backend_id else None
        needs = needs_of(job, session)
        taken = await self._reserve_on(job, own, needs, anonymous=anonymous, unread=unread)
        if taken or own is None or is_bound(session):
            return taken
        return await self._reserve_on(job, None, needs, anonymous=anonymous, unread=unread)

    async def _reserve_on(
        self, job: Job, only: str | None, needs: frozenset[Scope], *, anonymous: bool, unread: bool
    ) -> str | None:
        return await self._tokens.take(
            tenant=job.tenant,
            job_id=job.id,
            cost=estimate(job),
            # the anonymous identity is renewed under the same client id, so it need not outlive the job
            until_ms=self._clock.now_ms() if anonymous or only else job.deadline_ms,
            needs=needs,
            only=only,
            anonymous=anonymous,
            unread=unread,
            month_limit=self._month_limit,
        )

    async def _read_stale_balances(self, job: Job) -> bool:
        """Read the balances that are old, of the tokens that may serve a job. Says whether any was."""
        old_ms = self._clock.now_ms() - int(_STALE_S * 1000)
        serving = await self._tokens.serving(job.tenant)
        stale = [t for t in serving if (t.read_at_ms or 0) < old_ms and t.state not in OVER]
        await self._read_all(job, stale)
        return bool(stale)

    async def _read_all(self, job: Job, tokens: list[Token]) -> None:
        for token in tokens:
            await self._is_taken(job, token)

    async def read(self, job: Job, token_id: str) -> Credits | None:
        """Read a token's balance for a job that does not hold it. Raises BackendFault(TOKEN_REFUSED)."""
        caller = await self.caller(job, token_id)
        return await self.balance(caller, token_id) if caller else None

    async def caller(self, job: Job, token_id: str) -> Credentials | None:
        """Open a token for the calls of a job. None: an operator removed it."""
        secret = await self._tokens.secret_of(token_id)
        return Credentials(token=secret, profile=job.profile, traceparent=job.traceparent) if secret else None

    async def refused(self, job: Job, token_id: str) -> str | None:
        """The backend refused this very token (1001): hand it back, and get the one to go on with, if there is one.

        A token that tells its balance is good after all, and goes on. Only an anonymous token has a successor: the same
        client id gets a new one, where no operator's token serves instead. Fifty jobs that hand back one token cause
        one renewal. Raises Temporary where the backend does not say now.
        """
        token = await self._tokens.get(token_id)
        if token is None:
            return None
        if token.state not in OVER:
            taken = await self._is_taken(job, token)
            if taken is None:
                raise Temporary(WaitReason.BACKEND_DOWN, delay_s=_UNTOLD_S)
            if taken:
                return token_id
        if token.kind != "anonymous" or await self._tokens.serves(job.tenant):
            return None
        return await self._anonymous.token()

    async def _is_taken(self, job: Job, token: Token) -> bool | None:
        """Ask the backend whether it takes a token at all, by reading its balance; None: it does not say now."""
        try:
            return True if await self.read(job, token.id) else None
        except BackendFault:
            over = TokenState.EXPIRED if token.kind == "anonymous" else TokenState.REVOKED
            await self._tokens.mark(token.id, over)
            return False

    async def rate_limited(self, token_id: str, *, rest_s: float) -> None:
        """The backend said 429: whoever has yet to take a token takes another one meanwhile."""
        rest_until_ms = self._clock.now_ms() + int(rest_s * 1000)
        await self._tokens.mark(token_id, TokenState.RATE_LIMITED, rest_until_ms=rest_until_ms)

    async def exhausted(self, job: Job, token_id: str) -> Credits | None:
        """The backend said 2001: the token rests until its balance says that it has credits. Returns the balance."""
        await self._tokens.mark(token_id, TokenState.EXHAUSTED)
        with suppress(BackendFault):
            return await self.read(job, token_id)
        return None

    async def advice(self, job: Job) -> str | None:
        """Say what a caller without credits can do: register the anonymous account, or else top up."""
        if await self._tokens.serves(job.tenant):
            return None
        identity = await self._identities.read(fresh_client_id=str(uuid.uuid4()))
        token = await self._tokens.get(identity.token_id) if identity.token_id else None
        if token is None or token.user_id is None:
            return None
        return f"Register at {self._web_url}/register?bind={quote(token.user_id, safe='')} to get more credits."

    async def balance(self, caller: Credentials, token_id: str) -> Credits | None:
        """Read a token's balance. None where the backend does not say: a witness less, not an error."""
        return (await self.balance_and_use(caller, token_id))[0]

    async def balance_and_use(self, caller: Credentials, token_id: str) -> tuple[Credits | None, Use | None]:
        """Read a token's balance, and who uses it at that moment. None: the backend does not say; it was removed."""
        try:
            read = await self._backend.credits(caller)
        except BackendFault as fault:
            if fault.fault is Fault.TOKEN_REFUSED:
                raise
            return None, await self._tokens.use_of(token_id)
        return read, await self._tokens.note_balance(token_id, available=read.available, frozen=read.frozen)
