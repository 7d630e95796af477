"""A tenant's default webhook, and the secrets that sign its callbacks. Secrets are encrypted, and rotate with a day's overlap."""

from collections.abc import Sequence
from typing import Any

import msgspec

from core.clock import Clock
from core.model.job import Record
from core.model.webhook import TenantWebhook
from core.security.encryption import Encryption
from core.security.signing import new_secret
from core.store.redis.client import Store
from core.store.redis.codec import pack, unpack
from core.store.redis.keys import key

#: both secrets sign for so long after a rotation
ROTATION_MS = 24 * 3600 * 1000


class WebhookSecret(Record, frozen=True, kw_only=True):
    """A signing secret, encrypted. `until_ms` None: the present one."""

    locked: bytes
    until_ms: int | None = None


class _Secrets(Record, frozen=True, kw_only=True):
    all: tuple[WebhookSecret, ...]


def locked_secrets(stored: bytes) -> list[bytes]:
    """List the signing secrets in a tenant's field ``secrets``, as they are stored: encrypted."""
    return [secret.locked for secret in unpack(stored, _Secrets).all]


class Webhooks:
    """Reads and writes the default webhook and the signing secrets of each tenant."""

    def __init__(self, store: Store, encryption: Encryption, clock: Clock) -> None:
        self._store = store
        self._encryption = encryption
        self._clock = clock

    async def default(self, tenant: str) -> TenantWebhook | None:
        """Read the default webhook."""
        raw = await self._store.ask("HGET", key("tenant", tenant), "webhook")
        return unpack(raw, TenantWebhook) if raw else None

    async def stored_default(self, tenant: str) -> bytes | None:
        """Read the default webhook as it is stored, to compare it later; `core.store.redis.codec.unpack` opens it."""
        return await self._store.redis.hget(key("tenant", tenant), "webhook")  # type: ignore[misc, no-any-return]

    async def set_default(self, tenant: str, webhook: TenantWebhook) -> None:
        """Write the default webhook."""
        await self._store.redis.hset(key("tenant", tenant), "webhook", pack(webhook))  # type: ignore[misc, arg-type]

    async def create_secret(self, tenant: str) -> str | None:
        """Make the first signing secret of a tenant and return it, this once. None: it has one."""
        secret = new_secret()
        first = _Secrets(all=(WebhookSecret(locked=self._encryption.lock(secret)),))
        fresh = await self._store.redis.hsetnx(key("tenant", tenant), "secrets", pack(first))  # type: ignore[misc, arg-type]
        return secret if fresh else None

    async def signing_secrets(self, tenant: str) -> list[str]:
        """Open the secrets that sign now: the present one, and for a day the one before it."""
        raw = await self._store.ask("HGET", key("tenant", tenant), "secrets")
        now_ms = self._clock.now_ms()
        stored = unpack(raw, _Secrets).all if raw else ()
        return [self._encryption.open(s.locked) for s in stored if s.until_ms is None or s.until_ms > now_ms]

    async def rotate_secret(self, tenant: str) -> str:
        """Make a new signing secret and return it, this once; the present one goes on for a day, one before that ends."""
        secret = new_secret()
        now = WebhookSecret(locked=self._encryption.lock(secret))
        name = key("tenant", tenant)

        async def put_first(pipe: Any) -> None:
            raw = await pipe.hget(name, "secrets")
            all_of_them = _Secrets(all=(now, *self._outgoing(unpack(raw, _Secrets).all if raw else ())))
            pipe.multi()
            pipe.hset(name, "secrets", pack(all_of_them))

        # of two rotations at once both have shown a secret, and both sign
        await self._store.redis.transaction(put_first, name)
        return secret

    def _outgoing(self, before: Sequence[WebhookSecret]) -> list[WebhookSecret]:
        now_ms = self._clock.now_ms()
        return [msgspec.structs.replace(s, until_ms=now_ms + ROTATION_MS) for s in before if s.until_ms is None]
