"""Tenants by their names. One comes to be with its first API key, and is never removed."""

from collections.abc import Sequence
from typing import NamedTuple

from core.model.job import Status
from core.store.redis.client import Store
from core.store.redis.keys import key
from core.store.redis.lists import pages_of_set


class TenantCounts(NamedTuple):
    """What a tenant has right now. `running` includes what is being cancelled."""

    name: str
    queued: int
    running: int
    keys: int
    #: credits of the month
    credits: float


class Tenants:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def names(self) -> list[str]:
        """Name all tenants, by the alphabet. For an operator, who waits."""
        return sorted([name async for page in pages_of_set(self._store, key("tenants")) for name in page])

    async def known(self, name: str) -> bool:
        """Tell whether there is a tenant of this name."""
        return bool(await self._store.ask("SISMEMBER", key("tenants"), name))

    async def counts(self, names: Sequence[str], *, month: str) -> list[TenantCounts]:
        """Count what these have, in one round trip."""
        pipe = self._store.redis.pipeline(transaction=False)
        for name in names:
            pipe.zcard(key("queued", name))
            for status in (Status.RUNNING, Status.CANCELING):
                pipe.zcard(key("jobs_status", name, str(status)))
            pipe.scard(key("tenant_keys", name))
            pipe.hget(key("usage", name, month), "credits")
        found = await pipe.execute()
        rows = zip(names, *(found[place::5] for place in range(5)), strict=True)
        return [
            TenantCounts(name, queued, running + canceling, keys, float(credits_ or 0))
            for name, queued, running, canceling, keys, credits_ in rows
        ]
