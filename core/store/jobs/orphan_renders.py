"""Orphan renders: their job has ended, and the backend may still be working on them. Followed until they have an end too."""

from core.clock import Clock
from core.model.job import Record, known_ids
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable, pack, unpack
from core.store.redis.keys import key
from core.store.redis.lists import postpone

#: no render is followed for longer than this
_LONGEST_MS = 24 * 3600 * 1000


class OrphanRender(Record, frozen=True, kw_only=True):
    """What it takes to ask after a render: whose it was, and the token that began it.

    Its bytes are its place in the list, so whoever writes them again must write them as they came.
    """

    id: str
    job_id: str
    token_id: str
    profile: str
    left_at_ms: int
    #: its name at the backend, where that is not ours
    backend_id: str | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """Names to ask after it by."""
        return known_ids(self.id, self.backend_id)


class OrphanRenders:
    """A list in the order in which they are to be looked at. To look twice, or by two at once, does no harm."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def leave(self, render: OrphanRender) -> None:
        """Put a render on the list, to be looked at at once. Done before the commit that ends its job, so none is lost."""
        await self._store.redis.zadd(key("orphan_renders"), {pack(render): self._clock.now_ms()}, nx=True)

    async def due(self, *, most: int = 100) -> list[OrphanRender]:
        """Name those that are to be looked at now. One that cannot be read is looked at again later."""
        now_ms = self._clock.now_ms()
        found = await self._store.redis.zrangebyscore(key("orphan_renders"), "-inf", now_ms, start=0, num=most)
        return [render for raw in found if (render := await self._read_or_postpone(raw))]

    async def _read_or_postpone(self, raw: bytes) -> OrphanRender | None:
        try:
            return unpack(raw, OrphanRender)
        except Unreadable:
            await postpone(self._store, self._clock, "orphan_renders", raw)
            return None

    async def look_again(self, render: OrphanRender, *, in_s: float) -> None:
        """Put off the next look, or forget a render that was followed for a day."""
        now_ms = self._clock.now_ms()
        if now_ms - render.left_at_ms > _LONGEST_MS:
            await self.forget(render)
        else:
            await self._store.redis.zadd(key("orphan_renders"), {pack(render): now_ms + int(in_s * 1000)}, xx=True)

    async def forget(self, render: OrphanRender) -> None:
        """It has an end."""
        await self._store.redis.zrem(key("orphan_renders"), pack(render))
