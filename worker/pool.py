"""Which token serves a job, and what happens when the backend refuses one.

The pool itself is in Redis (`core.store.tokens`), shared by all workers. Here is what needs the backend: the
installation's anonymous identity, which is renewed by one worker for all, and balances.
"""

import logging
import uuid
from contextlib import suppress
from urllib.parse import quote

from core.clock import Clock
from core.errors import Code, Permanent, Temporary, WaitReason
from core.job import Job
from core.session import Session
from core.store.tokens import OverBudget, Tokens, TokenState, may_render
from worker.cost import estimate
from worker.upstream.client import Backend, Caller
from worker.upstream.faults import BackendFault, Fault
from worker.upstream.wire import Credits

log = logging.getLogger(__name__)

#: how long a waiting job sleeps before it asks for a token again; an end of another job does not wake it
_NO_TOKEN_S = 5.0
#: a balance that was read longer ago is read again before a job waits for credits
_STALE_S = 15.0
_LOCK_S = 30.0
_IDENTITY_RESTS_S = 3600.0


class Pool:
    """Takes tokens for jobs and learns from refusals."""

    def __init__(
        self, tokens: Tokens, backend: Backend, clock: Clock, *, rate_limited_s: float, web_url: str, month_limit: int
    ) -> None:
        self._tokens = tokens
        self._backend = backend
        self._clock = clock
        self._rate_limited_s = rate_limited_s
        self._web_url = web_url
        self._month_limit = month_limit

    async def take(self, job: Job, session: Session) -> str:
        """Reserve a token for a job: the session's own, or the best. Raises Temporary(no_credits) where none fits.

        Before a job waits, balances that were read long ago are read again: somebody may have topped up.
        """
        anonymous = not await self._tokens.serves(job.tenant)
        if anonymous and session.backend_id is None:
            await self._anonymous_token()
        try:
            token_id = await self._reserve(job, session, anonymous=anonymous)
            if token_id is None and await self._read_stale_balances(job):
                token_id = await self._reserve(job, session, anonymous=anonymous)
        except OverBudget:
            words = f"The month's budget of {self._month_limit} credits would be exceeded."
            raise Permanent(Code.BUDGET_EXCEEDED, words) from None
        if token_id is None:
            raise await self._nothing_fits(job)
        return token_id

    async def _nothing_fits(self, job: Job) -> Exception:
        """Say why a job has no token: it waits for credits, unless every token's plan or scope forbids what it wants."""
        serving = await self._tokens.serving(job.tenant)
        if job.plan.action == "export" and serving:
            if all(token.state is TokenState.EXPORT_BLOCKED for token in serving):
                return Permanent(Code.EXPORT_BLOCKED)
            if not any(may_render(token.scopes) for token in serving):
                return Permanent(Code.SCOPE_MISSING)
        return Temporary(WaitReason.NO_CREDITS, delay_s=_NO_TOKEN_S)

    async def _reserve(self, job: Job, session: Session, *, anonymous: bool) -> str | None:
        only = session.token_id if session.backend_id else None
        return await self._tokens.take(
            tenant=job.tenant,
            job_id=job.id,
            cost=estimate(job),
            # the anonymous identity is renewed under the same client id, so it need not outlive the job
            until_ms=self._clock.now_ms() if anonymous or only else job.deadline_ms,
            export=job.plan.action == "export",
            only=only,
            anonymous=anonymous,
            month_limit=self._month_limit,
        )

    async def _read_stale_balances(self, job: Job) -> bool:
        """Read the balances that are old, of the tokens that may serve a job. Says whether any was."""
        old_ms = self._clock.now_ms() - int(_STALE_S * 1000)
        stale = [t for t in await self._tokens.serving(job.tenant) if (t.read_at_ms or 0) < old_ms]
        for token in stale:
            with suppress(BackendFault):
                await self.read(job, token.id)
        return bool(stale)

    async def read(self, job: Job, token_id: str) -> Credits | None:
        """Read a token's balance for a job that does not hold it. Raises BackendFault(TOKEN_REFUSED)."""
        caller = await self.caller(job, token_id)
        return await self.balance(caller, token_id) if caller else None

    async def caller(self, job: Job, token_id: str) -> Caller | None:
        """Open a token for the calls of a job. None: an operator removed it."""
        secret = await self._tokens.secret_of(token_id)
        return Caller(token=secret, profile=job.profile, traceparent=job.traceparent) if secret else None

    async def refused(self, job: Job, token_id: str) -> str | None:
        """The backend refused this very token (1001): hand it back, and get the one to go on with, if there is one.

        A token that tells its balance is good after all, and goes on. Only an anonymous token has a successor: the same
        client id gets a new one. Fifty jobs that hand back one token cause one renewal.
        """
        token = await self._tokens.get(token_id)
        if token is None:
            return None
        try:
            if token.state is not TokenState.EXPIRED and await self.read(job, token_id):
                return token_id
        except BackendFault:
            gone = TokenState.EXPIRED if token.kind == "anonymous" else TokenState.REVOKED
            await self._tokens.mark(token_id, gone)
        return await self._anonymous_token() if token.kind == "anonymous" else None

    async def _anonymous_token(self) -> str:
        """The identity's present token, renewed where it has expired. Raises Temporary where another one does that."""
        identity = await self._tokens.identity(fresh_client_id=str(uuid.uuid4()))
        now_ms = self._clock.now_ms()
        if identity.token_id:
            token = await self._tokens.get(identity.token_id)
            if token and token.state is not TokenState.EXPIRED and (token.expires_ms or now_ms + 1) > now_ms:
                return identity.token_id
        if identity.rest_until_ms > now_ms:
            raise Temporary(WaitReason.NO_CREDITS, delay_s=min(_NO_TOKEN_S, (identity.rest_until_ms - now_ms) / 1000))
        if not await self._tokens.lock_identity(identity.client_id, for_s=_LOCK_S):
            raise Temporary(WaitReason.NO_CREDITS, delay_s=0.2)
        try:
            return await self._renew(identity.client_id)
        finally:
            await self._tokens.unlock_identity()

    async def _renew(self, client_id: str) -> str:
        try:
            issued = await self._backend.anonymous_token(client_id)
        except BackendFault as fault:
            if fault.fault is not Fault.RATE_LIMITED:
                raise
            rest_s = fault.retry_after_s or self._rate_limited_s
            rest_until_ms = self._clock.now_ms() + int(min(rest_s, _IDENTITY_RESTS_S) * 1000)
            await self._tokens.set_identity(rest_until_ms=rest_until_ms)
            raise Temporary(WaitReason.NO_CREDITS, delay_s=min(rest_s, _NO_TOKEN_S)) from None
        token_id = await self._tokens.add(
            issued.token,
            kind="anonymous",
            expires_ms=issued.expires_at_ms,
            available=issued.credits,
            user_id=issued.user_id,
        )
        await self._tokens.set_identity(token_id=token_id, rest_until_ms=0)
        log.info("the anonymous identity has a new token %s", token_id)
        return token_id

    async def exhausted(self, job: Job, token_id: str) -> None:
        """The backend said 2001: the token rests until its balance says that it has credits."""
        await self._tokens.mark(token_id, TokenState.EXHAUSTED)
        with suppress(BackendFault):
            await self.read(job, token_id)

    async def advice(self, job: Job) -> str | None:
        """Say what a caller without credits can do: register the anonymous account, or else top up."""
        if await self._tokens.serves(job.tenant):
            return None
        identity = await self._tokens.identity(fresh_client_id=str(uuid.uuid4()))
        token = await self._tokens.get(identity.token_id) if identity.token_id else None
        if token is None or token.user_id is None:
            return None
        return f"Register at {self._web_url}/register?bind={quote(token.user_id, safe='')} to get more credits."

    async def balance(self, caller: Caller, token_id: str) -> Credits | None:
        """Read a token's balance. None where the backend does not say: a witness less, not an error."""
        try:
            read = await self._backend.credits(caller)
        except BackendFault as fault:
            if fault.fault is Fault.TOKEN_REFUSED:
                raise
            return None
        await self._tokens.note_balance(token_id, available=read.available, frozen=read.frozen)
        return read
