"""Waiting for replies over one connection, however many calls wait: each of its own would keep all else from Redis.

Who waits over a connection holds it, and a pool has a few dozen. A process whose workers are away, or whose backend is slow,
has as many waits as it has callers who ask for their credits.
"""

import asyncio

from core.store.redis.client import STORE_ERROR, Store

#: a wait that comes while others are under way is joined to them when they have lasted so long
_TURN_S = 0.05


class Replies:
    """Hands out what comes in lists that hold one reply each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._awaited: dict[str, asyncio.Future[bytes]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def wait_for(self, name: str, *, within_s: float) -> bytes | None:
        """Take the reply out of a list, as soon as it is there. None: it did not come. Raises one of STORE_ERROR."""
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._awaited[name] = reply
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="replies")
        try:
            async with asyncio.timeout(within_s):
                return await reply
        except TimeoutError:
            return None
        finally:
            del self._awaited[name]

    async def _listen(self) -> None:
        """Listen as long as anybody waits."""
        turn_s = str(min(_TURN_S, self._store.longest_wait_s))
        try:
            while self._awaited:
                if told := await self._store.ask_waiting("BLPOP", *self._awaited, turn_s):
                    self._hand_out(*told)
        except STORE_ERROR as away:
            for reply in self._awaited.values():
                if not reply.done():
                    reply.set_exception(away)
        finally:
            self._listening = None

    def _hand_out(self, name: bytes, told: bytes) -> None:
        reply = self._awaited.get(name.decode())
        if reply and not reply.done():
            reply.set_result(told)
