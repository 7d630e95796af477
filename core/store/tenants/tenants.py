"""Tenants and their API keys. Only a keyed hash of a key is stored; webhook secrets are encrypted."""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from core.clock import Clock
from core.events.event import TenantWebhook
from core.ids import new_id
from core.model.job import Record
from core.redaction import redacted_repr
from core.security.encryption import Encryption
from core.security.signing import new_secret
from core.store.redis.client import Row, Store
from core.store.redis.codec import pack, unpack
from core.store.redis.keys import key

SCOPES = ("submit", "read", "admin")
#: both secrets sign for so long after a rotation
ROTATION_MS = 24 * 3600 * 1000


class Caller(NamedTuple):
    """Who a request comes from."""

    tenant: str
    key_id: str
    scopes: frozenset[str]


@redacted_repr("id", "tenant", "scopes")
class IssuedKey(NamedTuple):
    """A new API key: the only time that its secret is seen. `webhook_secret` only where the tenant is new."""

    id: str
    secret: str
    tenant: str
    scopes: tuple[str, ...]
    webhook_secret: str | None


class KeyRow(Record, frozen=True, kw_only=True):
    """An API key as it is listed."""

    id: str
    tenant: str
    scopes: tuple[str, ...]
    created_at_ms: int


class WebhookSecret(Record, frozen=True, kw_only=True):
    """A signing secret, encrypted. `until_ms` None: the present one."""

    locked: bytes
    until_ms: int | None = None


class _Secrets(Record, frozen=True, kw_only=True):
    all: tuple[WebhookSecret, ...]


class Tenants:
    """Keys, webhook secrets and the default webhook of each tenant."""

    def __init__(self, store: Store, vault: Encryption, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock

    async def create_key(self, tenant: str, *, scopes: tuple[str, ...] = SCOPES) -> IssuedKey:
        """Make an API key, and the tenant with its webhook secret where it is new."""
        webhook_secret = await self._first_secret(tenant)
        issued = IssuedKey(new_id("key"), f"rg_{secrets.token_urlsafe(32)}", tenant, scopes, webhook_secret)
        digest = self._vault.hashes(issued.secret)[0]
        row = KeyRow(id=issued.id, tenant=tenant, scopes=scopes, created_at_ms=self._clock.now_ms())
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.hset(key("api_key", digest), mapping={"rec": pack(row)})
        pipe.set(key("api_key_hash", issued.id), digest)
        pipe.sadd(key("tenant_keys", tenant), issued.id)
        pipe.sadd(key("tenants"), tenant)
        await pipe.execute()
        return issued

    async def _first_secret(self, tenant: str) -> str | None:
        secret = new_secret()
        kept = _Secrets(all=(WebhookSecret(locked=self._vault.lock(secret)),))
        fresh = await self._store.redis.hsetnx(key("tenant", tenant), "secrets", pack(kept))  # type: ignore[misc, arg-type]
        return secret if fresh else None

    async def find_caller(self, api_key: str) -> Caller | None:
        """Look up an API key by its hashes under all configured keys."""
        for digest in self._vault.hashes(api_key):
            raw = await self._store.ask("HGET", key("api_key", digest), "rec")
            if raw:
                row = unpack(raw, KeyRow)
                return Caller(row.tenant, row.id, frozenset(row.scopes))
        return None

    async def names(self) -> list[str]:
        """Name all tenants."""
        return sorted(name.decode() for name in await self._store.redis.smembers(key("tenants")))  # type: ignore[misc]

    async def list_keys(self, tenant: str) -> list[KeyRow]:
        """List a tenant's keys, oldest first."""
        ids = sorted(i.decode() for i in await self._store.redis.smembers(key("tenant_keys", tenant)))  # type: ignore[misc]
        rows = []
        for key_id in ids:
            digest = await self._store.redis.get(key("api_key_hash", key_id))
            raw = await self._store.redis.hget(key("api_key", digest.decode()), "rec") if digest else None  # type: ignore[misc]
            if raw:
                rows.append(unpack(raw, KeyRow))
        return rows

    async def revoke_key(self, key_id: str) -> bool:
        """Make a key useless from now on. False: there is no such key."""
        digest = await self._store.redis.get(key("api_key_hash", key_id))
        if digest is None:
            return False
        raw = await self._store.redis.hget(key("api_key", digest.decode()), "rec")  # type: ignore[misc]
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.delete(key("api_key", digest.decode()), key("api_key_hash", key_id))
        if raw:
            pipe.srem(key("tenant_keys", unpack(raw, KeyRow).tenant), key_id)
        await pipe.execute()
        return True

    async def signing_secrets(self, tenant: str) -> list[str]:
        """Open the secrets that sign now: the present one, and for a day the one before it."""
        raw = await self._store.ask("HGET", key("tenant", tenant), "secrets")
        now_ms = self._clock.now_ms()
        kept = unpack(raw, _Secrets).all if raw else ()
        return [self._vault.open(s.locked) for s in kept if s.until_ms is None or s.until_ms > now_ms]

    async def rotate_secret(self, tenant: str) -> str:
        """Make a new signing secret and return it, this once; each one before it goes on to the end of its day."""
        secret = new_secret()
        now = WebhookSecret(locked=self._vault.lock(secret))
        name = key("tenant", tenant)

        async def put_first(pipe: Any) -> None:
            raw = await pipe.hget(name, "secrets")
            kept = _Secrets(all=(now, *self._outgoing(unpack(raw, _Secrets).all if raw else ())))
            pipe.multi()
            pipe.hset(name, "secrets", pack(kept))

        # two rotations at once must not lose the secret that one of them has shown
        await self._store.redis.transaction(put_first, name)
        return secret

    def _outgoing(self, before: Sequence[WebhookSecret]) -> list[WebhookSecret]:
        now_ms = self._clock.now_ms()
        kept = [s for s in before if s.until_ms is None or s.until_ms > now_ms]
        return [msgspec.structs.replace(s, until_ms=s.until_ms or now_ms + ROTATION_MS) for s in kept]

    async def webhook(self, tenant: str) -> TenantWebhook | None:
        """Read the default webhook."""
        raw = await self._store.ask("HGET", key("tenant", tenant), "webhook")
        return unpack(raw, TenantWebhook) if raw else None

    async def kept_webhook(self, tenant: str) -> bytes | None:
        """Read the default webhook as it is kept, to compare it later; `core.store.redis.codec.unpack` opens it."""
        return await self._store.redis.hget(key("tenant", tenant), "webhook")  # type: ignore[misc, no-any-return]

    async def set_webhook(self, tenant: str, webhook: TenantWebhook) -> None:
        """Write the default webhook."""
        await self._store.redis.hset(key("tenant", tenant), "webhook", pack(webhook))  # type: ignore[misc, arg-type]

    async def usage(self, tenant: str, month: str) -> dict[str, float]:
        """Read a month's counts: ``{"jobs_succeeded": 3, "credits": 150, "minutes": 1.5}``."""
        row: Row = await self._store.redis.hgetall(key("usage", tenant, month))  # type: ignore[misc]
        return {name.decode(): float(value) for name, value in row.items() if name != b"promised"}
