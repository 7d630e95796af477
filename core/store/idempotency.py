"""Stored responses: what was answered under a caller's Idempotency-Key. Those of submits, and of sessions, are written with them.

A call of several writes opens its key first, and stores its response when it is through: meanwhile the key is taken.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from core.model.job_view import UNPLACED, JobView
from core.security.redacted_repr import redacted_repr
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable, decode, raw
from core.store.redis.keys import key
from core.store.redis.results import Nothing

#: an answer is replayed for so long, and in any case until its job has ended
IDEMPOTENCY_MS = 24 * 3600 * 1000
#: a call that died half-way blocks its key no longer than this
OPEN_MS = 120_000


@redacted_repr("id")
class StoredResponse(msgspec.Struct, frozen=True):
    """A response as it is kept: its bytes, the headers that depend on what was made, and that one's id."""

    id: str
    headers: dict[str, str]
    body: bytes


def encode_response(response: StoredResponse) -> bytes:
    """Write a response as it is kept."""
    return msgspec.msgpack.encode(response)


def decode_response(stored: bytes) -> StoredResponse:
    """Read a kept response. Raises Unreadable."""
    return decode(stored, StoredResponse)


def with_waits(response: StoredResponse, waits: Sequence[bytes]) -> StoredResponse:
    """Write into a response why each of its jobs waits, which is known only when they are accepted.

    No caller's words can be taken for the bytes that are replaced: a quote inside of a JSON string is escaped.
    """
    body = response.body
    for wait in waits:
        body = body.replace(UNPLACED, wait, 1)
    return msgspec.structs.replace(response, body=body)


@redacted_repr("body_hash")
class StoredAnswer(NamedTuple):
    """What is known of a key. `answer` None: its call is under way. `waits`: why each job of the answer waited."""

    body_hash: str
    answer: bytes | None
    waits: tuple[bytes, ...] = ()


@redacted_repr("key_hash")
class Idempotency(NamedTuple):
    """A caller's key (hashed with its path), the hash of the body's bytes, and the answer to replay."""

    key_hash: str
    body_hash: str
    answer: bytes


def idempotency_argument(call: Idempotency | None, *, life_ms: int = IDEMPOTENCY_MS) -> dict[str, Any] | None:
    """Tell an operation what to answer the same call again, for so long."""
    return call and {
        "key_hash": call.key_hash,
        "body_hash": call.body_hash,
        "answer": raw(call.answer),
        "life_ms": life_ms,
    }


class Hold(NamedTuple):
    """A key that a call of several writes has taken, or may have: `by` names that very call."""

    tenant: str
    key_hash: str
    by: str


class _Held(NamedTuple):
    held: bool = False


class _Replaced(NamedTuple):
    done: bool = False


class StoredResponses:
    """Finds, opens and stores responses."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, tenant: str, key_hash: str) -> StoredAnswer | None:
        """Read what was answered under a key."""
        name = key("idempotency", tenant, key_hash)
        body, answer, waits = await self._store.ask("HMGET", name, "body", "answer", "waits")
        return StoredAnswer(body.decode(), answer or None, waits_of(waits)) if body else None

    async def open(self, hold: Hold, body_hash: str) -> bool:
        """Take a key for a call of several writes. False: it is taken."""
        arguments = hold._asdict() | {"body_hash": body_hash, "hold_ms": OPEN_MS}
        return (await self._store.run("hold_key", arguments, _Held)).held

    async def stay_open(self, hold: Hold) -> None:
        """Hold a key for a call that still goes on; one that has its answer by now is kept as long as before."""
        await self._store.redis.pexpire(key("idempotency", hold.tenant, hold.key_hash), OPEN_MS, gt=True)

    async def keep(self, tenant: str, key_hash: str, body_hash: str, answer: bytes) -> None:
        """Store the response of a call that is through."""
        name = key("idempotency", tenant, key_hash)
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.hset(name, mapping={"body": body_hash, "answer": answer, "fmt": self._store.fmt})
        pipe.hdel(name, "by")
        pipe.pexpire(name, IDEMPOTENCY_MS)
        await pipe.execute()

    async def forget_job(self, tenant: str, key_hash: str, tombstone: JobView) -> None:
        """Put a tombstone where a stored response shows the job; its key stays used, for as long as it would have been."""
        name, done = key("idempotency", tenant, key_hash), False
        while not done:
            answer, waits = await self._store.ask("HMGET", name, "answer", "waits")
            if not answer:
                return
            after = _without_job(answer, waits_of(waits), tombstone)
            facts = {"tenant": tenant, "key_hash": key_hash, "before": raw(answer), "after": after and raw(after)}
            done = (await self._store.run("replace_answer", facts, _Replaced)).done

    async def let_go(self, hold: Hold) -> None:
        """Let a key go whose call failed, if that call has it: a rejected request does not use it up."""
        await self._store.run("let_go_of_key", hold._asdict(), Nothing)


def waits_of(joined: bytes | None) -> tuple[bytes, ...]:
    """Read why jobs waited, as it is stored beside their answer."""
    return tuple(joined.split(b"\n")) if joined else ()


def _without_job(stored: bytes, waits: Sequence[bytes], tombstone: JobView) -> bytes | None:
    """Take a job's words out of an answer; None where nobody can tell them from the rest: then all of it goes."""
    try:
        return _with_tombstone(stored, waits, tombstone)
    except Unreadable:
        return None


def _with_tombstone(stored: bytes, waits: Sequence[bytes], tombstone: JobView) -> bytes:
    """Replace the job: it is the response as a whole, or one of a batch's items."""
    response = with_waits(decode_response(stored), waits)
    shown: dict[str, Any] = msgspec.json.decode(response.body)
    for item in shown.get("items", ()):
        if item["job"] and item["job"]["id"] == tombstone.id:
            item["job"] = tombstone
    now = tombstone if response.id == tombstone.id else shown
    return encode_response(msgspec.structs.replace(response, body=msgspec.json.encode(now)))
