"""Makes a job do with operations of their own what it does with its token in its commits where it can."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.clock import Clock
from core.store.redis.client import Store, connect
from core.store.redis.keys import key
from tests.crash.lane import Lane
from tests.crash.traps import Moment
from tests.until import PATIENCE_S

#: operations that a job asks for where another one's message is being worked on, on the same token
OF_SHARED = ("note_balance", "settle_token")
#: and where the token's balance is not known as it begins
OF_UNREAD = ("take_token",)
_OTHER = "job_of another"


@asynccontextmanager
async def token_used_for(lane: Lane, moment: Moment) -> AsyncIterator[None]:
    """Bring the moment about."""
    store = Store(connect(lane.harness.redis_url(lane.database), answer_s=PATIENCE_S))
    try:
        tokens = [token.decode() for token in await store.redis.smembers(key("tokens"))]  # type: ignore[misc]
        for token in tokens:
            await _arrange(store, token, moment)
        yield
        for token in tokens:
            await store.redis.hdel(key("token_sent", token), _OTHER)  # type: ignore[misc]
        await store.redis.delete(key("job", _OTHER))
    finally:
        await store.close()


async def _arrange(store: Store, token: str, moment: Moment) -> None:
    if moment.name in OF_SHARED:
        await store.redis.hset(key("job", _OTHER), "status", "running")  # type: ignore[misc]
        await store.redis.hset(key("token_sent", token), _OTHER, f"50:{Clock().now_ms()}")  # type: ignore[misc]
    if moment.name in OF_UNREAD:
        await store.redis.hdel(key("token", token), "available")  # type: ignore[misc]
