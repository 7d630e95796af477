"""Sessions in Redis: created, listed, closed, and the queue of jobs that each one has.

The record itself is changed by the job that runs in the session, in the same commit.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from core.clock import Clock
from core.model.session import Session
from core.security.redacted_repr import redacted_repr
from core.store.idempotency import Idempotency, idempotency_argument
from core.store.redis.client import Store
from core.store.redis.codec import raw_record
from core.store.redis.keys import key
from core.store.redis.lists import page_of, pages_of_set, readable
from core.store.redis.results import Nothing

#: sessions that one command names
_AT_ONCE = 500


@redacted_repr("outcome")
class Opened(NamedTuple):
    """What came of making a session; `replayed`: the same call did so before, and got this answer. None: it is under way."""

    outcome: Literal["opened", "too_many", "reused", "replayed"]
    answer: bytes | None = None


class Sessions:
    """Reads, creates and closes sessions."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def page(self, tenant: str, *, after: str | None = None, limit: int = 20) -> list[Session]:
        """Read up to `limit` explicit sessions older than `after`, newest first."""
        load = partial(readable, self.load)
        return await page_of(self._store, [key("sessions", tenant)], load, after=after, limit=limit)

    async def load(self, session_id: str) -> Session | None:
        """Read a session, whoever's it is: the caller compares the tenant. None also once it was closed.

        Raises Unreadable.
        """
        found = await self._store.redis.hmget(key("session", session_id), ["rec", "fmt", "closed"])  # type: ignore[misc]
        raw, fmt, closed = found
        return self._store.read(Session, raw, fmt, item_id=session_id) if raw and not closed else None

    async def create(
        self, session: Session, *, most: int, idle_s: float, idempotency: Idempotency | None = None
    ) -> Opened:
        """Write an explicit session, which goes `idle_s` after its last use, unless its tenant has `most` already."""
        arguments = self._clock.for_operations() | {
            "session": session.id,
            "tenant": session.tenant,
            "record": raw_record(session),
            "most": most,
            "idle_ms": int(idle_s * 1000),
            "idempotency": idempotency_argument(idempotency),
        }
        return await self._store.run("open_session", arguments, Opened)

    async def schedule_unscheduled(self, *, idle_s: float) -> None:
        """Let explicit sessions of older releases, which end by no time, go `idle_s` from now unless they are used.

        Done once, and when nobody makes such sessions any more: what it costs grows with the tenants. It is done again
        where an older release may have been at work since.
        """
        settled = self._store.mark.written >= self._store.release.format
        if not settled or await self._store.ask("HGET", key("formats"), "sessions_end"):
            return
        async for tenants in pages_of_set(self._store, key("tenants")):
            await self._schedule(tenants, self._clock.now_ms() + int(idle_s * 1000))
        await self._store.ask("HSET", key("formats"), "sessions_end", 1)

    async def _schedule(self, tenants: Sequence[str], goes_ms: int) -> None:
        pipe = self._store.redis.pipeline(transaction=False)
        for tenant in tenants:
            pipe.zrange(key("sessions", tenant), 0, -1)
        ids = [session_id for some in await pipe.execute() for session_id in some]
        for start in range(0, len(ids), _AT_ONCE):
            chunk = dict.fromkeys(ids[start : start + _AT_ONCE], goes_ms)
            await self._store.redis.zadd(key("idle_sessions"), chunk, nx=True)

    async def close_idle(self, *, idle_s: float, most: int = 100) -> int:
        """Close explicit sessions that nobody has used for so long; tells how many had to be looked at."""
        now_ms = self._clock.now_ms()
        due = await self._store.redis.zrangebyscore(key("idle_sessions"), "-inf", now_ms, start=0, num=most)
        for session_id in due:
            arguments = {"session": session_id.decode(), "idle_ms": int(idle_s * 1000)}
            await self._store.run("close_idle_session", self._clock.for_operations() | arguments, Nothing)
        return len(due)

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
