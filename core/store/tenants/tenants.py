"""Tenants by their names. One comes to be with its first API key, and is never removed."""

from core.store.redis.client import Store
from core.store.redis.keys import key


class Tenants:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def names(self) -> list[str]:
        """Name all tenants, by the alphabet."""
        return sorted(name.decode() for name in await self._store.redis.smembers(key("tenants")))  # type: ignore[misc]
