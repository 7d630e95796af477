"""Stored responses: what was answered under a caller's Idempotency-Key. Those of submits are written as the job is accepted.

A call of several writes opens its key first, and stores its response when it is through: meanwhile the key is taken.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from core.redaction import redacted_repr
from core.store.redis.client import Store
from core.store.redis.keys import key

#: an answer is replayed for so long, and in any case until its job has ended
IDEMPOTENCY_MS = 24 * 3600 * 1000
#: a call that died half-way blocks its key no longer than this
OPEN_MS = 120_000


@redacted_repr("body_hash")
class StoredAnswer(NamedTuple):
    """What is known of a key. `answer` None: its call is under way. `waits`: why each job of the answer waited."""

    body_hash: str
    answer: bytes | None
    waits: tuple[bytes, ...] = ()


class StoredResponses:
    """Finds, opens and stores responses."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, tenant: str, key_hash: str) -> StoredAnswer | None:
        """Read what was answered under a key."""
        name = key("idempotency", tenant, key_hash)
        body, answer, waits = await self._store.ask("HMGET", name, "body", "answer", "waits")
        return StoredAnswer(body.decode(), answer or None, waits_of(waits)) if body else None

    async def open(self, tenant: str, key_hash: str, body_hash: str) -> bool:
        """Take a key for a call of several writes. False: it is taken."""
        name = key("idempotency", tenant, key_hash)
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.hsetnx(name, "body", body_hash)
        pipe.pexpire(name, OPEN_MS, nx=True)
        fresh, _ = await pipe.execute()
        return bool(fresh)

    async def stay_open(self, tenant: str, key_hash: str) -> None:
        """Hold a key for a call that still goes on; one that has its answer by now is kept as long as before."""
        await self._store.redis.pexpire(key("idempotency", tenant, key_hash), OPEN_MS, gt=True)

    async def keep(self, tenant: str, key_hash: str, body_hash: str, answer: bytes) -> None:
        """Store the response of a call that is through."""
        name = key("idempotency", tenant, key_hash)
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.hset(name, mapping={"body": body_hash, "answer": answer})
        pipe.pexpire(name, IDEMPOTENCY_MS)
        await pipe.execute()

    async def change(self, tenant: str, key_hash: str, changed: Callable[[bytes, tuple[bytes, ...]], bytes]) -> None:
        """Write a stored response anew, made of it and of its waits, for as long as it would have been stored."""
        name = key("idempotency", tenant, key_hash)

        async def write(pipe: Any) -> None:
            answer, waits = await pipe.hmget(name, ["answer", "waits"])
            pipe.multi()
            if answer:
                pipe.hset(name, "answer", changed(answer, waits_of(waits)))
                pipe.hdel(name, "waits")

        await self._store.redis.transaction(write, name)

    async def drop(self, tenant: str, key_hash: str) -> None:
        """Let a key go whose call was rejected: a rejected request does not use it up."""
        await self._store.redis.delete(key("idempotency", tenant, key_hash))


def waits_of(joined: bytes | None) -> tuple[bytes, ...]:
    """Read why jobs waited, as it is stored beside their answer."""
    return tuple(joined.split(b"\n")) if joined else ()
