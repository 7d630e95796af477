"""The installation's one anonymous identity: its present token, renewed by one worker for all.

`worker.tokens.pool` asks for it where no operator's token serves, and writes the tokens that come of it. More than one
identity would only get round the free allowance, so a refusal to renew is waited out. It must not know jobs.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from core.clock import Clock
from core.errors import Temporary, WaitReason
from core.logs import get_logger
from core.model.token import Token
from core.store.redis.client import STORE_DOWN
from core.store.tokens.anonymous_identity import AnonymousIdentities, AnonymousIdentity
from worker.backend.client import Backend
from worker.backend.faults import PASSING, BackendFault, Fault
from worker.backend.responses import IssuedToken
from worker.redis_outage import until_redis_answers
from worker.single_flight import SingleFlight
from worker.tokens.availability import is_over
from worker.tokens.rest import identity_rest_s

log = get_logger(__name__)

#: how long a worker that renews keeps the others out, should it die. As long as it lives it holds on: the backend may take a
#: minute, and a second call would be one of the few that an address has in a week
_LOCK_S = 10.0
#: how soon those who wait for another worker's renewal look again
_LOOK_AGAIN_S = 1.0
#: a job that waits for the identity's rest looks at least so often: it may have got a token of another kind
_LONGEST_NAP_S = 5.0
#: what is nobody's refusal: whoever asked waits by itself, and the identity does not rest
_NO_REFUSALS = PASSING - {Fault.RATE_LIMITED}
#: refusals that a registration would help against; after any other one the backend does not give what it should
_FOR_WANT_OF_CREDITS = (Fault.RATE_LIMITED, Fault.NO_CREDITS)


class IdentityTokens(Protocol):
    """What the pool does for the identity."""

    async def find(self, token_id: str) -> Token | None:
        """Read a token's facts."""

    async def add_issued(self, issued: IssuedToken) -> str:
        """Put a token that the backend has just issued into the pool; its id comes back."""

    async def expire(self, token_id: str) -> None:
        """Let a token serve nobody any more."""

    async def revive(self, token_id: str, *, profile: str) -> bool:
        """Let a token serve again that was given up, and tells its balance after all."""


class AnonymousTokenSource:
    """Gives out the token that the installation's client id has now."""

    def __init__(
        self,
        tokens: IdentityTokens,
        identities: AnonymousIdentities,
        backend: Backend,
        clock: Clock,
        *,
        rate_limited_s: float,
    ) -> None:
        self._tokens = tokens
        self._identities = identities
        self._backend = backend
        self._clock = clock
        self._rate_limited_s = rate_limited_s
        self._renewals = SingleFlight[str]()

    async def get_present_token(self, *, profile: str) -> str:
        """Name the identity's present token, renewed where it is over; `profile`: the skill that it is wanted for.

        Raises Temporary while another worker renews it, or after a 429, and BackendFault.
        """
        identity = await self._identities.read(fresh_client_id=str(uuid.uuid4()))
        if usable := await self._usable_token(identity):
            return usable
        # there is one token a week: the end of the job that asks for it must not cut the answer off
        return await self._renewals.run(identity.client_id, lambda: self._renew(identity.client_id, profile))

    async def finish_renewal(self) -> None:
        """Wait for a renewal that is under way: the backend gives one token a week, and tells it once."""
        await self._renewals.wait_until_over()

    async def get_account(self) -> tuple[str | None, str | None]:
        """Name the identity's present token, and the account that it has at the backend, where that told."""
        identity = await self._identities.read(fresh_client_id=str(uuid.uuid4()))
        token = await self._tokens.find(identity.token_id) if identity.token_id else None
        return (token.id, token.user_id or identity.user_id) if token else (None, None)

    async def note_user_id(self, user_id: str) -> None:
        """Remember the account that a session on its token has told of."""
        await self._identities.write(user_id=user_id)

    async def _usable_token(self, identity: AnonymousIdentity) -> str | None:
        """Name the token that the identity has, unless it is over. Raises Temporary while the identity rests."""
        now_ms = self._clock.now_ms()
        token = await self._tokens.find(identity.token_id) if identity.token_id else None
        if token and not is_over(token, now_ms=now_ms):
            return token.id
        if identity.rest_until_ms > now_ms:
            raise _resting(identity.rest_reason, (identity.rest_until_ms - now_ms) / 1000)
        return None

    async def _renew(self, client_id: str, profile: str) -> str:
        """Renew the identity under the lock of all workers, unless somebody has done so since it was looked at."""
        async with self._locked():
            identity = await self._identities.read(fresh_client_id=client_id)
            return await self._usable_token(identity) or await self._replace(identity, profile)

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Keep all others out meanwhile. Raises Temporary where another one does."""
        owner = str(uuid.uuid4())
        if not await self._identities.lock(owner, for_s=_LOCK_S):
            raise Temporary(WaitReason.NO_CREDITS, delay_s=_LOOK_AGAIN_S)
        holding = asyncio.create_task(self._hold(owner), name="hold the anonymous identity")
        try:
            yield
        finally:
            holding.cancel()
            await asyncio.wait([holding])
            await self._identities.hold(owner, for_s=0)

    async def _hold(self, owner: str) -> None:
        """Hold the lock for as long as this process lives. While Redis is away nobody else can take it."""
        while True:
            await asyncio.sleep(_LOCK_S / 4)
            with suppress(*STORE_DOWN):
                await self._identities.hold(owner, for_s=_LOCK_S)

    async def _replace(self, identity: AnonymousIdentity, profile: str) -> str:
        """Get the identity its next token. It is kept however long Redis is away: the backend gives one a week.

        Where it gives none the last one may serve yet: it was refused for a moment, or is over by our clock alone. Else the
        identity rests, for everybody.
        """
        try:
            issued = await self._backend.issue_anonymous_token(identity.client_id, profile=profile)
        except BackendFault as fault:
            if fault.fault in _NO_REFUSALS or not fault.by_backend:
                raise
            if identity.token_id and await self._tokens.revive(identity.token_id, profile=profile):
                return identity.token_id
            raise await self._rest_after(fault, identity) from None
        return await until_redis_answers(lambda: self._keep(issued, identity))

    async def _keep(self, issued: IssuedToken, identity: AnonymousIdentity) -> str:
        """Write down the new token before the old one is given up, so that a crash in between loses none."""
        token_id = await self._tokens.add_issued(issued)
        await self._identities.write(token_id=token_id, user_id="", rest_until_ms=0, refusals=0)
        log.info("the anonymous identity has a new token", token_id=token_id)
        if identity.token_id and identity.token_id != token_id:
            await self._tokens.expire(identity.token_id)
        return token_id

    async def _rest_after(self, fault: BackendFault, identity: AnonymousIdentity) -> Temporary:
        reason = WaitReason.NO_CREDITS if fault.fault in _FOR_WANT_OF_CREDITS else WaitReason.BACKEND_DOWN
        pause_s = identity_rest_s(identity.refusals, fault.retry_after_s, first_s=self._rate_limited_s)
        rest_until_ms = self._clock.now_ms() + int(pause_s * 1000)
        refusals = identity.refusals + 1
        await self._identities.write(rest_until_ms=rest_until_ms, rest_reason=reason, refusals=refusals)
        log.warning("the anonymous identity gets no token, and rests", fault=str(fault.fault), rest_s=round(pause_s))
        return _resting(reason, pause_s)


def _resting(reason: WaitReason, pause_s: float) -> Temporary:
    return Temporary(reason, delay_s=min(pause_s, _LONGEST_NAP_S))
