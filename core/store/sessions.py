"""Sessions in Redis: created, listed, closed, and the queue of jobs that each one has.

The record itself is changed by the job that runs in the session, in the same commit.
"""

from core.model.session import Session
from core.store.redis.client import Store
from core.store.redis.codec import pack, unpack
from core.store.redis.keys import key
from core.store.redis.results import Nothing


class Sessions:
    """Reads, creates and closes sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, tenant: str, *, after: str | None = None, limit: int = 20) -> list[Session]:
        """Read up to `limit` explicit sessions older than `after`, newest first."""
        start = f"({after}" if after else "+"
        found = await self._store.redis.zrevrangebylex(key("sessions", tenant), start, "-", start=0, num=limit)
        return [session for i in found if (session := await self.load(i.decode()))]

    async def load(self, session_id: str) -> Session | None:
        """Read a session, whoever's it is: the caller compares the tenant. None also once it was closed."""
        raw, closed = await self._store.redis.hmget(key("session", session_id), ["rec", "closed"])  # type: ignore[misc]
        return unpack(raw, Session) if raw and not closed else None

    async def create(self, session: Session) -> None:
        """Write an explicit session."""
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.hset(key("session", session.id), mapping={"rec": pack(session), "tenant": session.tenant})
        pipe.zadd(key("sessions", session.tenant), {session.id: 0})
        await pipe.execute()

    async def close(self, session: Session) -> None:
        """Take no more jobs into a session; those that are in it go on."""
        await self._store.run("close_session", {"session": session.id, "tenant": session.tenant}, Nothing)

    async def queue_of(self, session_id: str) -> tuple[int, str | None]:
        """Count the jobs of a session that have not ended, and name the first of them: the one that may run."""
        pipe = self._store.redis.pipeline(transaction=False)
        pipe.llen(key("session_queue", session_id))
        pipe.lindex(key("session_queue", session_id), 0)
        count, first = await pipe.execute()
        return count, first.decode() if first else None
