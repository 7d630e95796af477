"""Revoked tokens that are good after all: the backend's login was out of order, and refused every one (DECISIONS 11)."""

import asyncio
from collections.abc import Awaitable, Callable

from core.logs import get_logger
from core.model.token import TokenState
from core.store.tokens.tokens import Tokens
from worker.backend.client import Credentials
from worker.backend.faults import BackendFault, Fault
from worker.tokens.balances import TokenBalances

log = get_logger(__name__)


class RevokedTokens:
    """Asks for their balances; one that is told lets its token serve again."""

    def __init__(
        self, tokens: Tokens, balances: TokenBalances, open_token: Callable[[str], Awaitable[Credentials | None]]
    ) -> None:
        self._tokens = tokens
        self._balances = balances
        self._open_token = open_token

    async def ask_for_due(self) -> None:
        """Ask for those whose turn it is: each again when it has been revoked for twice as long, by one worker of all."""
        await asyncio.gather(*map(self._ask_in_turn, await self._tokens.revoked_to_ask_for()))

    async def may_come_back(self, token_id: str) -> bool:
        """Ask for a token that serves nobody, and tell whether it may serve soon. False: it is over for another reason.

        For whoever has no other one: its next turn may be as far off as the mishap took.
        """
        token = await self._tokens.get(token_id)
        if token is None or token.state is not TokenState.REVOKED:
            return False
        await self._ask_for(token_id)
        return True

    async def _ask_in_turn(self, token_id: str) -> None:
        if await self._ask_for(token_id) is False:
            await self._tokens.note_still_revoked(token_id)

    async def _ask_for(self, token_id: str) -> bool | None:
        """Tell whether a token is good, and let it serve then. None: nobody could say."""
        try:
            credentials = await self._open_token(token_id)
            told = credentials and (await self._balances.read(credentials, token_id))[0]
        except BackendFault as fault:
            return False if fault.fault is Fault.TOKEN_REFUSED else None
        if not told:
            return None
        await self._tokens.mark(token_id, TokenState.ACTIVE)
        log.info("a revoked token is good after all", token_id=token_id)
        return True
