"""RpcQueue: outside calls that the API needs an answer to, done by a worker, since the API calls nobody.

An errand that nobody did in time is forgotten; it must be harmless to do twice or never.
"""

from typing import Literal, NamedTuple

import msgspec

from core.ids import new_id
from core.redaction import redacted_repr
from core.store.redis.client import Store
from core.store.redis.keys import key

Kind = Literal["credits", "webhook_test"]

#: of more errands than this the oldest are forgotten, so that a fleet without workers does not fill Redis
_MOST = 1000

#: an errand waits for a worker, and its answer for the API, no longer than this
_LIFE_S = 30

#: Redis lets go of who waits up to 0.1 s late, and the API takes one that is silent for 0.7 s for away
_STEP_S = 0.2


@redacted_repr("id", "kind", "tenant")
class RpcRequest(NamedTuple):
    """What a worker is asked to do: ``("credits", "acme", b"")``."""

    id: str
    kind: Kind
    tenant: str
    body: bytes


class RpcQueue:
    """Ask, take and answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ask(self, kind: Kind, tenant: str, body: bytes, *, wait_s: float) -> bytes | None:
        """Have a worker do it, and wait for its answer. None: nobody answered in time."""
        errand = RpcRequest(new_id("evt"), kind, tenant, body)
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.rpush(key("rpc_requests"), msgspec.msgpack.encode(errand))
        pipe.ltrim(key("rpc_requests"), -_MOST, -1)
        pipe.expire(key("rpc_requests"), _LIFE_S)
        await pipe.execute()
        return await self._blocking_pop(key("rpc_reply", errand.id), wait_s)

    async def next(self, *, wait_s: float) -> RpcRequest | None:
        """Wait for something to do."""
        raw = await self._blocking_pop(key("rpc_requests"), wait_s)
        return msgspec.msgpack.decode(raw, type=RpcRequest) if raw else None

    async def answer(self, errand: RpcRequest, body: bytes) -> None:
        """Say what came of it."""
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.rpush(key("rpc_reply", errand.id), body)
        pipe.expire(key("rpc_reply", errand.id), _LIFE_S)
        await pipe.execute()

    async def _blocking_pop(self, name: str, wait_s: float) -> bytes | None:
        """Pop in short waits, each well within the time that an answer of Redis may take."""
        while True:
            found = await self._store.redis.blpop([name], timeout=min(_STEP_S, wait_s))  # type: ignore[misc, arg-type]
            if found:
                return bytes(found[1])
            wait_s -= _STEP_S
            if wait_s <= 0:
                return None
