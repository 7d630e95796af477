"""RPC from the API to a worker, as request and reply over Redis: outside calls, since the API itself calls nobody.

A request that nobody took in time is forgotten; it must be harmless to do twice or never.
"""

from typing import Literal, NamedTuple

import msgspec

from core.ids import new_id
from core.redaction import redacted_repr
from core.store.redis.client import Store
from core.store.redis.keys import key

RpcKind = Literal["credits", "webhook_test"]

#: of more requests than this the oldest are forgotten, so that a fleet without workers does not fill Redis
_MOST = 1000

#: a request waits for a worker, and its reply for the API, no longer than this
_LIFE_S = 30

#: Redis lets go of who waits up to 0.1 s late, and the API takes one that is silent for 0.7 s for away
_STEP_S = 0.2


@redacted_repr("id", "kind", "tenant")
class RpcRequest(NamedTuple):
    """What a worker is asked to do: ``("credits", "acme", b"")``."""

    id: str
    kind: RpcKind
    tenant: str
    body: bytes


class RpcQueue:
    """Asks, takes and answers requests."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ask(self, kind: RpcKind, tenant: str, body: bytes, *, wait_s: float) -> bytes | None:
        """Have a worker do it, and wait for its reply. None: nobody answered in time."""
        request = RpcRequest(new_id("evt"), kind, tenant, body)
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.rpush(key("rpc_requests"), msgspec.msgpack.encode(request))
        pipe.ltrim(key("rpc_requests"), -_MOST, -1)
        pipe.expire(key("rpc_requests"), _LIFE_S)
        await pipe.execute()
        return await self._blocking_pop(key("rpc_reply", request.id), wait_s)

    async def next(self, *, wait_s: float) -> RpcRequest | None:
        """Wait for a request."""
        raw = await self._blocking_pop(key("rpc_requests"), wait_s)
        return msgspec.msgpack.decode(raw, type=RpcRequest) if raw else None

    async def answer(self, request: RpcRequest, body: bytes) -> None:
        """Reply to a request."""
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.rpush(key("rpc_reply", request.id), body)
        pipe.expire(key("rpc_reply", request.id), _LIFE_S)
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
