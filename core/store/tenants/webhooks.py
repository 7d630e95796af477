"""A tenant's default webhook, and the secrets that sign its callbacks. Secrets are encrypted, and rotate with a day's overlap."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from core.clock import Clock
from core.model.webhook import SigningSecrets, TenantWebhook, WebhookSecret
from core.security.encryption import Encryption
from core.security.signing import new_secret
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable, pack, raw, raw_record, unpack
from core.store.redis.keys import key

#: both secrets sign for so long after a rotation
ROTATION_MS = 24 * 3600 * 1000


def locked_secrets(stored: bytes) -> list[bytes]:
    """List the signing secrets in a tenant's field ``secrets``, as they are stored: encrypted."""
    with suppress(Unreadable):
        return [secret.locked for secret in unpack(stored, SigningSecrets).all]
    return []


def map_locked(stored: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change each signing secret in a tenant's field ``secrets``; all else stays. Raises Unreadable."""
    before = unpack(stored, SigningSecrets)
    after = tuple(msgspec.structs.replace(secret, locked=change(secret.locked)) for secret in before.all)
    return pack(msgspec.structs.replace(before, all=after))


class _Replaced(NamedTuple):
    done: bool = False


def _enabled(webhook: TenantWebhook, now_ms: int) -> TenantWebhook:
    return msgspec.structs.replace(
        webhook, state="active", failing_since_ms=None, disabled_at_ms=None, disabled_why=None, set_at_ms=now_ms
    )


class Webhooks:
    """Reads and writes the default webhook and the signing secrets of each tenant."""

    def __init__(self, store: Store, encryption: Encryption, clock: Clock) -> None:
        self._store = store
        self._encryption = encryption
        self._clock = clock

    async def default(self, tenant: str) -> TenantWebhook | None:
        """Read the default webhook. Raises Unreadable."""
        return (await self.default_with_stored(tenant))[0]

    async def default_with_stored(self, tenant: str) -> tuple[TenantWebhook | None, bytes]:
        """Read the default webhook, and as it is stored, to compare it later; empty: there is none. Raises Unreadable."""
        raw, fmt = await self._stored(tenant)
        return (self._store.read(TenantWebhook, raw, fmt, item_id=tenant) if raw else None), raw or b""

    async def _stored(self, tenant: str) -> tuple[bytes | None, bytes | None]:
        raw, fmt = await self._store.ask("HMGET", key("tenant", tenant), "webhook", "fmt")
        return raw, fmt

    async def stored_default(self, tenant: str) -> bytes | None:
        """Read the default webhook as it is stored, to compare it later; `core.store.redis.codec.unpack` opens it."""
        return await self._store.redis.hget(key("tenant", tenant), "webhook")  # type: ignore[misc, no-any-return]

    async def set_default(self, tenant: str, webhook: TenantWebhook) -> None:
        """Write the default webhook; what a newer release keeps beside it stays."""
        raw, fmt = await self._stored(tenant)
        before = self._store.read(TenantWebhook, raw, fmt, item_id=tenant) if raw else webhook
        kept = msgspec.structs.replace(webhook, beyond=before.beyond)
        row = {"webhook": pack(kept), "fmt": self._store.fmt_over(fmt)}
        await self._store.redis.hset(key("tenant", tenant), mapping=row)  # type: ignore[misc]

    async def enable(self, tenant: str) -> TenantWebhook | None:
        """Switch the default webhook on, whichever it is by then, and return it. None: there is none. Raises Unreadable."""
        name, enabled = key("tenant", tenant), None

        async def switch_on(pipe: Any) -> None:
            nonlocal enabled
            raw, fmt = await pipe.hmget(name, ["webhook", "fmt"])
            before = self._store.read(TenantWebhook, raw, fmt, item_id=tenant) if raw else None
            enabled = _enabled(before, self._clock.now_ms()) if before else None
            pipe.multi()
            if enabled:
                pipe.hset(name, mapping={"webhook": pack(enabled), "fmt": self._store.fmt_over(fmt)})

        await self._store.change(name, switch_on)
        return enabled

    async def unset_default(self, tenant: str) -> None:
        """Have no default webhook any more. Safe to repeat."""
        await self._store.ask("HDEL", key("tenant", tenant), "webhook")

    async def create_secret(self, tenant: str) -> str | None:
        """Make the first signing secret of a tenant and return it, this once. None: it has one."""
        secret = new_secret()
        first = SigningSecrets(all=(WebhookSecret(locked=self._encryption.lock(secret)),))
        fresh = await self._store.redis.hsetnx(key("tenant", tenant), "secrets", pack(first))  # type: ignore[misc, arg-type]
        if fresh:
            await self._store.redis.hset(key("tenant", tenant), "fmt", self._store.fmt)  # type: ignore[misc, arg-type]
        return secret if fresh else None

    async def signing_secrets(self, tenant: str) -> list[str]:
        """Read and open the secrets that sign now. Raises Unreadable."""
        raw, fmt = await self._store.ask("HMGET", key("tenant", tenant), "secrets", "fmt")
        return self.open(self._store.read(SigningSecrets, raw, fmt, item_id=tenant) if raw else None)

    def open(self, secrets: SigningSecrets | None) -> list[str]:
        """Open those secrets of a tenant that sign now: none where it has none. Raises Undecryptable.

        One on its way out that no key opens is left out: who rotates it for that gets callbacks again at once.
        """
        present, outgoing = secrets.signing(self._clock.now_ms()) if secrets else ([], [])
        readable = [locked for locked in outgoing if self._encryption.can_open(locked)]
        return [self._encryption.open(locked) for locked in (*present, *readable)]

    async def rotate_secret(self, tenant: str) -> str:
        """Make a new signing secret and return it, this once; the present one goes on for a day, one before that ends.

        Of two rotations at once both have shown a secret, and both sign. redis-py's transaction is none for this: where the
        answer is lost it begins anew, and the secret that receivers have would end with the second rotation.
        """
        secret = new_secret()
        now = WebhookSecret(locked=self._encryption.lock(secret))
        while not await self._put_first(tenant, now):
            pass
        return secret

    async def _put_first(self, tenant: str, now: WebhookSecret) -> bool:
        stored, fmt = await self._store.ask("HMGET", key("tenant", tenant), "secrets", "fmt")
        before = self._store.read(SigningSecrets, stored, fmt, item_id=tenant) if stored else SigningSecrets(all=())
        after = msgspec.structs.replace(before, all=(now, *self._outgoing(before.all)))
        facts = {"tenant": tenant, "before": raw(stored) if stored is not None else None, "after": raw_record(after)}
        return (await self._store.run("replace_signing_secrets", facts, _Replaced)).done

    def _outgoing(self, before: Sequence[WebhookSecret]) -> list[WebhookSecret]:
        now_ms = self._clock.now_ms()
        return [msgspec.structs.replace(s, until_ms=now_ms + ROTATION_MS) for s in before if s.until_ms is None]
