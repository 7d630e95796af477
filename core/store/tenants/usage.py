"""Usage of a tenant in a month: counted by each commit that ends a job, read here."""

from core.store.redis.client import HashRow, Store
from core.store.redis.codec import read_sum
from core.store.redis.keys import key


class Usage:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def of_month(self, tenant: str, month: str) -> dict[str, float]:
        """Read the counts of a month such as ``2026-11``: ``{"jobs_succeeded": 3, "credits": 150, "credits_estimated": 50, "minutes": 1.5}``.

        What was estimated is part of the credits: nobody knows whether it was charged.
        """
        row: HashRow = await self._store.redis.hgetall(key("usage", tenant, month))  # type: ignore[misc]
        return {name.decode(): read_sum(value) for name, value in row.items() if name != b"promised"}
