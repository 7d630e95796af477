"""The installation's one anonymous identity: its present token, renewed by one worker for all.

`worker.tokens.pool` asks for it where no operator's token serves. More than one identity would only get round the free
allowance, so a refusal to renew is waited out. It must not know jobs.
"""

import asyncio
import logging
import uuid

from core.clock import Clock
from core.errors import Temporary, WaitReason
from core.model.token import Token, TokenState
from core.store.tokens.anonymous_identity import AnonymousIdentities, AnonymousIdentity
from core.store.tokens.tokens import Tokens
from worker.backend.client import Backend
from worker.backend.faults import BackendFault, Fault

log = logging.getLogger(__name__)

#: states in which a token serves nobody any more
OVER = (TokenState.EXPIRED, TokenState.REVOKED)
#: how long a worker that renews keeps the others out, should it die
_LOCK_S = 10.0
#: how soon those who wait for another's renewal look again
_LOOK_AGAIN_S = 0.2
#: a job that waits for the identity's rest looks at least so often; the rest itself has a bound too
_LONGEST_NAP_S = 5.0
_LONGEST_REST_S = 3600.0


class Anonymous:
    """Gives out the token that the installation's client id has now."""

    def __init__(
        self, tokens: Tokens, identities: AnonymousIdentities, backend: Backend, clock: Clock, *, rate_limited_s: float
    ) -> None:
        self._tokens = tokens
        self._identities = identities
        self._backend = backend
        self._clock = clock
        self._rate_limited_s = rate_limited_s
        self._renewals: set[asyncio.Task[str]] = set()

    async def token(self) -> str:
        """Name the identity's present token, renewed where it is over.

        Raises Temporary where another one renews it, or after a 429, and BackendFault.
        """
        identity = await self._identities.read(fresh_client_id=str(uuid.uuid4()))
        if present := await self._present(identity):
            return present
        if not await self._identities.lock(identity.client_id, for_s=_LOCK_S):
            raise Temporary(WaitReason.NO_CREDITS, delay_s=_LOOK_AGAIN_S)
        # there is one token a week: the end of the job that asks for it must not cut the answer off
        renewal = asyncio.create_task(self._renewed(identity.client_id))
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)
        return await asyncio.shield(renewal)

    async def _present(self, identity: AnonymousIdentity) -> str | None:
        """Name the token that the identity has, unless it is over. Raises Temporary while the identity rests."""
        now_ms = self._clock.now_ms()
        token = await self._tokens.get(identity.token_id) if identity.token_id else None
        if token and not is_over(token, now_ms=now_ms):
            return token.id
        if identity.rest_until_ms > now_ms:
            raise _resting((identity.rest_until_ms - now_ms) / 1000)
        return None

    async def _renewed(self, client_id: str) -> str:
        """Renew the identity, which is locked, unless somebody has done so since it was looked at."""
        try:
            identity = await self._identities.read(fresh_client_id=client_id)
            if present := await self._present(identity):
                return present
            token_id = await self._renew(client_id)
            if identity.token_id and identity.token_id != token_id:
                await self._tokens.mark(identity.token_id, TokenState.EXPIRED)
            return token_id
        finally:
            await self._identities.unlock()

    async def _renew(self, client_id: str) -> str:
        try:
            issued = await self._backend.anonymous_token(client_id)
        except BackendFault as fault:
            if fault.fault is not Fault.RATE_LIMITED:
                raise
            rest_s = min(fault.retry_after_s or self._rate_limited_s, _LONGEST_REST_S)
            await self._identities.write(rest_until_ms=self._clock.now_ms() + int(rest_s * 1000))
            raise _resting(rest_s) from None
        token_id = await self._tokens.add(
            issued.token,
            kind="anonymous",
            expires_ms=issued.expires_at_ms,
            available=issued.credits,
            user_id=issued.user_id,
        )
        await self._identities.write(token_id=token_id, rest_until_ms=0)
        log.info("the anonymous identity has a new token %s", token_id)
        return token_id


def is_over(token: Token, *, now_ms: int) -> bool:
    """Whether a token serves nobody any more: it was refused, or its time has passed."""
    return token.state in OVER or (token.expires_ms is not None and token.expires_ms <= now_ms)


def _resting(rest_s: float) -> Temporary:
    return Temporary(WaitReason.NO_CREDITS, delay_s=min(rest_s, _LONGEST_NAP_S))
