"""What must be gone from Redis when all jobs of a lane have ended: reservations, places, leases."""

from core.clock import Clock
from core.security.encryption import Encryption
from core.store.redis.client import Store, connect
from core.store.redis.keys import key
from core.store.tokens.tokens import Tokens
from tests.crash.harness import SECRET_KEY
from tests.crash.lane import Lane
from tests.until import PATIENCE_S


async def left_over(lane: Lane) -> list[str]:
    """Name what is still there, a sentence each."""
    store = Store(connect(lane.harness.redis_url(lane.database), answer_s=PATIENCE_S))
    try:
        tokens = await Tokens(store, Encryption([SECRET_KEY]), Clock()).all()
        counts = {f"credits on {token.id}": token.reserved for token in tokens}
        counts |= {name: await store.redis.zcard(key(name)) for name in ("admitted", "queued_all")}
    finally:
        await store.close()
    return [f"{count} left in {name} of lane {lane.database}" for name, count in counts.items() if count]


async def crashes_of(lane: Lane, job_id: str) -> int:
    """How many deaths of workers are counted against a job."""
    store = Store(connect(lane.harness.redis_url(lane.database), answer_s=PATIENCE_S))
    try:
        return int(await store.redis.hget(key("job", job_id), "crashes") or 0)
    finally:
        await store.close()
