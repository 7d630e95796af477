"""In-process cache of API keys and default webhooks, so that a submit takes one round trip to Redis.

The operation that accepts checks that both still hold, so only submits may use it: a read that trusted a cached key would go on
after the key was revoked. A stream, which goes on for days, asks here at each of its reads whether its key still holds; there are
thousands of streams, and few keys.
"""

import hashlib
import secrets
from typing import Any

from core.clock import Clock
from core.store.tenants.api_keys import ApiKeys, Caller
from core.store.tenants.webhooks import Webhooks

_TTL_MS = 10_000
_MAX_ENTRIES = 10_000


class Cache:
    """Callers by a hash of their API key, and tenants' default webhooks as they are kept in Redis."""

    def __init__(self, api_keys: ApiKeys, webhooks: Webhooks, clock: Clock) -> None:
        self._api_keys = api_keys
        self._default_webhooks = webhooks
        self._clock = clock
        #: no other process needs these hashes, and BLAKE2 takes a tenth of the time of the HMAC that Redis knows a key by
        self._hash_key = secrets.token_bytes(32)
        self._callers: dict[bytes, tuple[Caller, int]] = {}
        self._webhooks: dict[str, tuple[bytes | None, int]] = {}
        #: until when a key is taken to hold
        self._held_until_ms: dict[str, int] = {}

    async def caller(self, api_key: str) -> Caller | None:
        """Look up an API key; an unknown one is never remembered."""
        digest, now_ms = hashlib.blake2b(api_key.encode(), key=self._hash_key).digest(), self._clock.now_ms()
        known = self._callers.get(digest)
        if known and now_ms < known[1]:
            return known[0]
        caller = await self._api_keys.find_caller(api_key)
        if caller:
            _make_room(self._callers)
            self._callers[digest] = (caller, now_ms + _TTL_MS)
        return caller

    async def holds(self, key_id: str) -> bool:
        """Tell whether a key that was found before holds, or has been revoked: Redis is asked once in so long for each key."""
        now_ms = self._clock.steady_ms()
        if now_ms < self._held_until_ms.get(key_id, now_ms):
            return True
        if not await self._api_keys.holds(key_id):
            return False
        _make_room(self._held_until_ms)
        self._held_until_ms[key_id] = now_ms + _TTL_MS
        return True

    async def webhook(self, tenant: str) -> bytes | None:
        """Read a tenant's default webhook as it is kept."""
        now_ms = self._clock.now_ms()
        known = self._webhooks.get(tenant)
        if known and now_ms < known[1]:
            return known[0]
        stored = await self._default_webhooks.stored_default(tenant)
        _make_room(self._webhooks)
        self._webhooks[tenant] = (stored, now_ms + _TTL_MS)
        return stored

    def forget_webhook(self, tenant: str) -> None:
        """It has changed."""
        self._webhooks.pop(tenant, None)

    def forget_callers(self) -> None:
        """One of them was revoked."""
        self._callers.clear()
        self._held_until_ms.clear()


def _make_room(rows: dict[Any, Any]) -> None:
    if len(rows) >= _MAX_ENTRIES:
        rows.clear()
