"""What jobs do on tokens: messages that were sent and are not settled, what they have cost, and the balances around them.

Where it can, a job's commit does the same (`core.store.token_work`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from core.clock import Clock
from core.model.token import SentMessage, Use
from core.store.redis.client import HashRow, Store
from core.store.redis.keys import key
from core.store.redis.results import Nothing


class Settled(NamedTuple):
    """Who uses a token at the moment in which a job lets go of it."""

    #: jobs that still hold credits on it
    others: int
    #: messages ever sent on it, where none of another job is being worked on, else None
    sends: int | None = None


class _Noted(NamedTuple):
    known: bool = False
    sends: int = 0
    others: int = 0


class TokenUse:
    """Writes balances and costs, and tells who uses a token."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def settle(
        self,
        token_id: str,
        *,
        job_id: str,
        available: int | None,
        frozen: int | None,
        kind: str = "",
        learned: int | None = None,
        learned_at: int | None = None,
    ) -> Settled:
        """Release a job's reservation, with the balance as just read, and say who else uses the token.

        `learned`: what a message of this `kind` has certainly cost; with `learned_at` only if so many messages were ever
        sent on the token, and none of another job is being worked on.
        """
        balance = None if available is None else {"available": available, "frozen": frozen or 0}
        arguments = self._clock.for_operations() | {
            "token": token_id,
            "job": job_id,
            "balance": balance,
            "kind": kind,
            "learned": learned,
            "learned_at": learned_at,
        }
        return await self._store.run("settle_token", arguments, Settled)

    async def note_credits_refused(self, kind: str, credits_: int) -> None:
        """Write that so many credits were refused as too few for a message of this kind."""
        arguments = self._clock.for_operations() | {"kind": kind, "credits": credits_}
        await self._store.run("note_credits_refused", arguments, Nothing)

    async def note_late_message(self, token_id: str, *, job_id: str) -> None:
        """Count a message that was sent by a run which had lost its job: it may have been settled before it was sent."""
        arguments = self._clock.for_operations() | {"token": token_id, "job": job_id}
        await self._store.run("note_late_message", arguments, Nothing)

    async def note_balance(
        self, token_id: str, *, available: int, frozen: int, job_id: str | None = None
    ) -> Use | None:
        """Write a balance as just read; with credits in it an exhausted token serves again. None: it was removed."""
        return await self._note(token_id, {"available": available, "frozen": frozen}, job_id)

    async def note_no_limit(self, token_id: str, *, job_id: str | None = None) -> Use | None:
        """Write that the account has no limit, in the place of a balance of before. An exhausted token serves again."""
        return await self._note(token_id, {"unlimited": True}, job_id)

    async def use_of(self, token_id: str, *, job_id: str | None = None) -> Use | None:
        """Say who but this job has messages on a token. None: it was removed."""
        return await self._note(token_id, None, job_id)

    async def sent_on(self, token_id: str) -> dict[str, SentMessage]:
        """List the messages that were sent on a token, or on others of its account, and whose cost is not settled yet, by job."""
        account = await self._store.ask("HGET", key("token", token_id), "account")
        known = await self._store.ask("SMEMBERS", key("account_tokens", account.decode())) if account else ()
        tokens = {token_id, *(token.decode() for token in known)}
        pipe = self._store.redis.pipeline(transaction=False)
        for token in tokens:
            pipe.hgetall(key("token_sent", token))
        rows: list[HashRow] = await pipe.execute()
        return {job.decode(): _sent_message(value.decode()) for row in rows for job, value in row.items()}

    async def now_ms(self) -> int:
        """Tell the time by which it is written down when messages were sent."""
        return await self._store.now_ms(self._clock)

    async def _note(self, token_id: str, balance: Mapping[str, int] | None, job_id: str | None) -> Use | None:
        arguments = self._clock.for_operations() | {"token": token_id, "balance": balance, "job": job_id}
        found = await self._store.run("note_balance", arguments, _Noted)
        return Use(found.sends, found.others) if found.known else None


def _sent_message(value: str) -> SentMessage:
    """Read ``50:1795000000000``: its cost, and since when it is listened to."""
    cost, _, open_since_ms = value.partition(":")
    return SentMessage(int(cost), int(open_since_ms))
