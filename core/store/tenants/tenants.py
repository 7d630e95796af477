"""Tenants by their names. One comes to be with its first API key, and is never removed."""

from core.store.redis.client import Store
from core.store.redis.keys import key
from core.store.redis.lists import pages_of_set


class Tenants:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def names(self) -> list[str]:
        """Name all tenants, by the alphabet. For an operator, who waits."""
        return sorted([name async for page in pages_of_set(self._store, key("tenants")) for name in page])
