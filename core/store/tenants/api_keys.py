"""API keys: who a request comes from, and what it may do. Only a keyed hash of a key is stored."""

import asyncio
import re
import secrets
from typing import NamedTuple

from core.clock import Clock
from core.ids import CELL_NAME, new_id
from core.model.job import Record
from core.security.encryption import Encryption
from core.security.redacted_repr import redacted_repr
from core.store.redis.client import Store
from core.store.redis.codec import pack
from core.store.redis.keys import key
from core.store.redis.lists import pages_of_set
from core.store.retired_hash_keys import hashes_under_retired_keys
from core.store.tenants.webhooks import Webhooks

#: more keys than this nobody can keep apart
KEYS_PER_TENANT = 10_000

SCOPES = ("submit", "read", "admin")

_NAMED = re.compile(rf"rg_({CELL_NAME})\.")


class TooManyKeys(Exception):  # noqa: N818 - says what the tenant has
    """The tenant has KEYS_PER_TENANT keys; revoke some."""


def cell_of_key(api_key: str) -> str:
    """Name the cell that an API key was made in, ``eu1`` of ``rg_eu1.…``; empty where it names none."""
    found = _NAMED.match(api_key)
    return found[1] if found else ""


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


class ApiKeys:
    """Creates, finds, lists and revokes API keys."""

    def __init__(self, store: Store, encryption: Encryption, clock: Clock, *, cell: str = "") -> None:
        self._store = store
        self._prefix = f"rg_{cell}." if cell else "rg_"
        self._encryption = encryption
        self._webhooks = Webhooks(store, encryption, clock)
        self._clock = clock

    async def create(self, tenant: str, *, scopes: tuple[str, ...] = SCOPES) -> IssuedKey:
        """Make an API key, and the tenant with its webhook secret where it is new. Raises TooManyKeys."""
        if await self._store.redis.scard(key("tenant_keys", tenant)) >= KEYS_PER_TENANT:  # type: ignore[misc]
            raise TooManyKeys(tenant)
        webhook_secret = await self._webhooks.create_secret(tenant) or await self._never_shown(tenant)
        issued = IssuedKey(new_id("key"), f"{self._prefix}{secrets.token_urlsafe(32)}", tenant, scopes, webhook_secret)
        digest = self._encryption.hashes(issued.secret)[0]
        row = KeyRow(id=issued.id, tenant=tenant, scopes=scopes, created_at_ms=self._clock.now_ms())
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.hset(key("api_key", digest), mapping={"rec": pack(row), "fmt": self._store.fmt})
        pipe.set(key("api_key_hash", issued.id), digest)
        pipe.sadd(key("tenant_keys", tenant), issued.id)
        pipe.sadd(key("tenants"), tenant)
        await pipe.execute()
        return issued

    async def _never_shown(self, tenant: str) -> str | None:
        """Read the webhook secret of a tenant whose making broke off behind it: there is no tenant without a key."""
        if await self._store.ask("SISMEMBER", key("tenants"), tenant):
            return None
        return next(iter(await self._webhooks.signing_secrets(tenant)), None)

    async def find_caller(self, api_key: str) -> Caller | None:
        """Look up an API key by its hashes under all configured keys, and those that were rotated away. Raises Unreadable."""
        found = await self._find_by(self._encryption.hashes(api_key))
        return found or await self._find_by(await hashes_under_retired_keys(self._store, self._encryption, api_key))

    async def _find_by(self, digests: list[str]) -> Caller | None:
        for digest in digests:
            raw, fmt = await self._store.ask("HMGET", key("api_key", digest), "rec", "fmt")
            if raw:
                row = self._store.read(KeyRow, raw, fmt, item_id="")
                return Caller(row.tenant, row.id, frozenset(row.scopes))
        return None

    async def of_tenant(self, tenant: str) -> list[KeyRow]:
        """List a tenant's keys, oldest first; those that cannot be read are left out."""
        found: list[KeyRow] = []
        async for page in pages_of_set(self._store, key("tenant_keys", tenant)):
            rows = await asyncio.gather(*map(self._find, page))
            found += [row for _, row in rows if row]
        return sorted(found, key=lambda row: row.id)

    async def revoke(self, key_id: str) -> bool:
        """Make a key useless from now on. False: there is no such key."""
        digest, row = await self._find(key_id)
        if digest is None:
            return False
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.delete(key("api_key", digest), key("api_key_hash", key_id))
        if row:
            pipe.srem(key("tenant_keys", row.tenant), key_id)
        await pipe.execute()
        return True

    async def holds(self, key_id: str) -> bool:
        """Tell whether a key that was found before has not been revoked since."""
        return bool(await self._store.ask("EXISTS", key("api_key_hash", key_id)))

    async def _find(self, key_id: str) -> tuple[str | None, KeyRow | None]:
        """Read the hash of a key, and what is stored under it."""
        digest = await self._store.ask("GET", key("api_key_hash", key_id))
        if digest is None:
            return None, None
        raw, fmt = await self._store.ask("HMGET", key("api_key", digest.decode()), "rec", "fmt")
        rows = self._store.read_all(KeyRow, [(key_id, raw, fmt)])
        return digest.decode(), rows[0] if rows else None
