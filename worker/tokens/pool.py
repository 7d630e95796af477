"""The token pool of a worker: learns from refusals and from balances, and writes what a token's state is; so does `revoked`, and nobody else.

The pool itself is in Redis (`core.store.tokens.tokens`), shared by all workers. Whoever was refused hands back the very
token that failed (`invalidate`): of fifty that do so at once, one asks the backend and one renews. Which token a job runs on
say the `reservations`.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from urllib.parse import quote

from core.clock import Clock
from core.logs import get_logger
from core.model.job import Job
from core.model.message_cost import cost_of_kind
from core.model.session import Session
from core.model.token import OVER, Scope, Token, TokenState
from core.security.encryption import Undecryptable
from core.store.tokens.anonymous_identity import AnonymousIdentities
from core.store.tokens.tokens import Tokens
from worker.backend.client import Backend, Credentials
from worker.backend.faults import BackendFault, Fault
from worker.backend.responses import Credits, IssuedToken
from worker.single_flight import SingleFlight
from worker.tokens.anonymous import AnonymousTokenSource
from worker.tokens.availability import BALANCES_READ_ANEW, is_over, needs_of, scope_of, to_read_anew
from worker.tokens.balances import TokenBalances
from worker.tokens.reservations import TokenReservations
from worker.tokens.revoked import RevokedTokens

log = get_logger(__name__)

#: jobs may still name an expired anonymous token for so long after the last session that does
_ANONYMOUS_KEPT_S = 24 * 3600
#: a job whose token cannot be opened here is looked at again so soon
_KEYS_S = 15.0
#: a job that ends waits so long to hear where its caller can register
_ACCOUNT_S = 5.0
#: what only the operator can do
_ADD_A_TOKEN = "have the operator of this service add your account's token."  # noqa: S105 - words
_NONE_IS_GOOD = (
    "No token that serves you is good any more, and credits do not help: the operator of this service has to add one."
)


class TokenPool:
    """Every change of a token's state by this worker is a method here, or of `revoked`."""

    def __init__(
        self,
        tokens: Tokens,
        balances: TokenBalances,
        identities: AnonymousIdentities,
        backend: Backend,
        clock: Clock,
        *,
        rate_limited_s: float,
        web_url: str,
        default_profile: str,
        month_limit: int,
        session_idle_s: float,
    ) -> None:
        self._tokens = tokens
        self._balances = balances
        self._backend = backend
        self._clock = clock
        self._web_url = web_url
        self._anonymous_kept_ms = int((session_idle_s + _ANONYMOUS_KEPT_S) * 1000)
        self._anonymous = AnonymousTokenSource(self, identities, backend, clock, rate_limited_s=rate_limited_s)
        #: which token a job runs on
        self.reservations = TokenReservations(tokens, self._anonymous, self._refresh, clock, month_limit=month_limit)
        #: those that were refused, and may be good after all
        self.revoked = RevokedTokens(tokens, balances, partial(self.credentials, profile=default_profile))
        self._checks = SingleFlight[bool]()
        self._dice = random.Random()

    # Who is in the pool.

    async def add_operator_token(self, secret: str) -> None:
        """Put a token of the operator's settings into the pool. Safe to repeat."""
        await self._tokens.add(secret, kind="operator")

    async def add_issued(self, issued: IssuedToken) -> str:
        """Put the anonymous identity's new token into the pool, or the same one for a new time; its id comes back.

        One that was over when it was made has a time that nobody can read: the backend says itself when it is over.
        """
        told_ms = issued.expires_at_ms
        return await self._tokens.add(
            issued.token,
            kind="anonymous",
            expires_ms=told_ms if told_ms and told_ms > self._clock.now_ms() else None,
            available=issued.credits,
            user_id=issued.user_id,
            anew=True,
        )

    async def finish_renewal(self) -> None:
        """Wait until the anonymous identity's next token, if this process has asked for it, is in the pool."""
        await self._anonymous.finish_renewal()

    async def find(self, token_id: str) -> Token | None:
        """Read a token's facts. None: it was removed."""
        return await self._tokens.get(token_id)

    async def remove_old_anonymous(self) -> None:
        """Remove expired anonymous tokens that neither a session nor a job can name any more: there is a new one a week.

        Who finds one in a session knows that it has a successor, which is tried there.
        """
        over_ms = self._clock.now_ms() - self._anonymous_kept_ms
        await self._tokens.remove_old_anonymous(before_ms=over_ms)

    async def credentials(
        self, token_id: str, *, profile: str, traceparent: str | None = None, job_id: str = ""
    ) -> Credentials | None:
        """Open a token for calls, a job's or (without `job_id`) nobody's. None: an operator removed it.

        Raises BackendFault(HELD_BACK) where this process's secret keys do not open it: another's may, or ours when the
        operator has given the missing one back.
        """
        try:
            secret = await self._tokens.secret_of(token_id)
        except Undecryptable as why:
            log.warning("a token cannot be opened: is a key missing in REELGATE_SECRET_KEYS?", token_id=token_id)
            raise BackendFault(Fault.HELD_BACK, call="token", retry_after_s=_KEYS_S, detail=str(why)) from None
        if secret is None:
            return None
        return Credentials(token=secret, profile=profile, traceparent=traceparent, job_id=job_id)

    # What refusals teach.

    async def invalidate(self, job: Job, token_id: str, *, call: str) -> str | None:
        """The backend refused this very token (1001) in a call: get the one to go on with, which may be the same.

        One refusal takes no token from everybody: its balance must be refused as well. A token that tells its balance
        is good after all, and one whose balance nobody tells now may be. Where it was the balance that was refused, the
        same must be said once more, later. Only an anonymous token has a successor: the same client id gets a new one,
        where no operator's token serves instead. One that was given to another tenant is over for this one. Raises
        Temporary and BackendFault as `get_present_token` does.
        """
        token = await self._tokens.get(token_id)
        if token is None or not token.is_for(job.tenant):
            return None
        if not await self._retire_if_over(job, token_id, call=call):
            if token.kind == "anonymous" and is_over(token, now_ms=self._clock.now_ms()):
                await self.revive(token_id, profile=job.profile)  # by our clock alone, by which nobody would take it
            return token_id
        if token.kind != "anonymous" or await self._tokens.serves(job.tenant):
            return None
        return await self._anonymous.get_present_token(profile=job.profile)

    async def find_other_of_account(self, job: Job, session: Session) -> str | None:
        """Name a token of the account that has a session, beside the one that it goes by: perhaps one took the other's place.

        None: of no other one it is known. The backend says whether the session is its as well.
        """
        needs, now_ms = needs_of(job, session), self._clock.now_ms()
        tokens = await self._tokens.of_account(session.user_id) if session.user_id else []
        others = (t for t in tokens if t.id != session.token_id and t.is_for(job.tenant) and t.may(needs))
        return next((token.id for token in others if not is_over(token, now_ms=now_ms)), None)

    async def rest(self, token_id: str, *, rest_s: float) -> None:
        """The backend said 429: whoever has yet to reserve a token gets another one meanwhile."""
        rest_until_ms = self._clock.now_ms() + int(rest_s * 1000)
        await self._tokens.mark(token_id, TokenState.RATE_LIMITED, rest_until_ms=rest_until_ms)

    async def exhaust(self, job: Job, token_id: str) -> Credits | None:
        """The backend said 2001: the job lets go of the token, which rests until its balance says that it has credits.

        Returns the balance, where the backend tells it.
        """
        await self._tokens.mark(token_id, TokenState.EXHAUSTED)
        balance = None
        with suppress(BackendFault):
            balance = await self._read_for(job, token_id)
        if balance and balance.unlimited:  # which of both is true is asked when somebody waits
            await self._tokens.mark(token_id, TokenState.EXHAUSTED)
            balance = None
        if balance and balance.available < cost_of_kind(job):
            await self._balances.note_too_few(job, balance)
        await self._balances.release(job, token_id)
        return balance

    async def note_export_refused(self, job: Job, token_id: str) -> None:
        """Remember that the backend let a token export nothing: one refusal may be a passing fault, two jobs' are a plan."""
        await self._tokens.note_export_refused(token_id, by=job.id)

    async def deny(self, job: Job, token_id: str, *, call: str) -> None:
        """Remember that a token may not make a call, which shows only by its refusals.

        Refused once, it is the last resort of whoever needs the scope; when another job is refused it later, it is closed to
        them: what one asks for may be what a firewall refuses. So may all calls be, where not even the balance is told.
        Renders go by the token's plan: it may go on serving a job that does not export.
        """
        scope = scope_of(call)
        if scope is Scope.RENDER:
            await self.note_export_refused(job, token_id)
        if scope in (None, Scope.RENDER):
            return
        refused_before = await self._tokens.note_refusal(token_id, f"scope {scope}", by=job.id)
        if refused_before and await self._tells_balance(job, token_id):
            await self._tokens.note_denied(token_id, scope)

    async def _tells_balance(self, job: Job, token_id: str) -> bool:
        with suppress(BackendFault):
            return await self._read_for(job, token_id) is not None
        return False

    async def expire(self, token_id: str) -> None:
        """Let a token serve nobody any more, since another one has taken its place."""
        await self._tokens.mark(token_id, TokenState.EXPIRED)

    async def revive(self, token_id: str, *, profile: str) -> bool:
        """Let the anonymous identity's token serve again where it tells its balance; nobody knows until when."""
        try:
            credentials = await self.credentials(token_id, profile=profile)
            balance = await self._balances.ask(credentials) if credentials else None
        except BackendFault:
            return False
        if credentials is None or balance is None:
            return False
        await self._tokens.add(credentials.token, kind="anonymous", available=balance.available, anew=True)
        log.info("the anonymous identity's token is good after all", token_id=token_id)
        return True

    async def _retire_if_over(self, job: Job, token_id: str, *, call: str) -> bool:
        """Retire a token that was refused in a call if it is refused its balance too, and tell whether it is over.

        The balance is asked for once for all who ask at once.
        """
        once = call != "credits"
        return await self._checks.run(
            f"{token_id} {once}", lambda: self._ask_and_retire(job, token_id, once_is_enough=once)
        )

    async def _ask_and_retire(self, job: Job, token_id: str, *, once_is_enough: bool) -> bool:
        """Read the token anew, since who asks may know it from before another's answer was written."""
        token = await self._tokens.get(token_id)
        if token is None or token.state in OVER:
            return True
        if not await self._is_refused(job, token_id):
            return False
        if not once_is_enough and not await self._tokens.note_refusal(token_id, "refused"):
            return False
        await self._tokens.mark(token_id, TokenState.EXPIRED if token.kind == "anonymous" else TokenState.REVOKED)
        return True

    async def _is_refused(self, job: Job, token_id: str) -> bool:
        """Ask the backend whether it refuses a token, by reading its balance; of one that cannot be asked now nobody knows."""
        try:
            await self._read_for(job, token_id)
        except BackendFault as fault:
            return fault.fault is Fault.TOKEN_REFUSED
        return False

    # What tokens are worth.

    async def read_balances(self, tenant: str, *, profile: str) -> None:
        """Read some balances of the tokens that serve a tenant: of all where they are few, else the oldest first."""
        serving = await self._tokens.serving(tenant, most=BALANCES_READ_ANEW)
        chosen = to_read_anew(serving.tokens, self._dice, now_ms=self._clock.now_ms())
        await asyncio.gather(*(self._read_balance(token.id, profile=profile) for token in chosen))

    async def credits_of(self, tenant: str, *, profile: str) -> Credits | None:
        """Add up what the tokens that serve a tenant have, read anew as above. None: no balance was ever told."""
        await self.read_balances(tenant, profile=profile)
        sums = await self._tokens.sums(tenant)
        return Credits(sums.available, sums.frozen, sums.available + sums.frozen) if sums.known else None

    async def _read_balance(self, token_id: str, *, profile: str) -> None:
        with suppress(BackendFault):
            if credentials := await self.credentials(token_id, profile=profile):
                await self._balances.read(credentials, token_id)

    async def credits_hint(self, job: Job, session: Session) -> str | None:
        """Say what a job without credits needs besides a top-up; None: nothing is known that would help more.

        Where nobody has a token of his own, that is to register the anonymous account. Its id is in the answer that brought
        the token, or else in a session's or a state's.
        """
        serving, now_ms = await self._tokens.serving(job.tenant, most=BALANCES_READ_ANEW), self._clock.now_ms()
        if serving.named:
            return _NONE_IS_GOOD if all(is_over(token, now_ms=now_ms) for token in serving.tokens) else None
        token_id, user_id = await self._anonymous.get_account()
        user_id = user_id or session.user_id or (token_id and await self._ask_for_account(job, token_id))
        if user_id:
            return f"Register at {self._web_url}/register?bind={quote(user_id, safe='')} to get more credits."
        return None if token_id else f"Register at {self._web_url}/register, and {_ADD_A_TOKEN}"

    async def _ask_for_account(self, job: Job, token_id: str) -> str | None:
        """Open a session, which costs nothing, for the account that its answer names; an end waits no longer for that."""
        with suppress(BackendFault, TimeoutError):
            async with asyncio.timeout(_ACCOUNT_S):
                if credentials := await self.credentials(token_id, profile=job.profile, job_id=job.id):
                    opened = await self._backend.open_session(credentials, language=None)
                    await self._anonymous.note_user_id(opened.user_id or "")
                    return opened.user_id
        return None

    async def _refresh(self, job: Job, tokens: Sequence[Token]) -> None:
        """Read the balances of tokens that may serve a job; one that is refused its balance again and again is over.

        All at once: one after the other, a backend that is slow to tell would hold the job here for minutes.
        """
        await asyncio.gather(*(self._retire_if_over(job, token.id, call="credits") for token in tokens))

    async def _read_for(self, job: Job, token_id: str) -> Credits | None:
        """Read a token's balance for a job that need not hold it. Raises BackendFault(TOKEN_REFUSED)."""
        credentials = await self.credentials(token_id, profile=job.profile, traceparent=job.traceparent, job_id=job.id)
        return (await self._balances.read(credentials, token_id))[0] if credentials else None
