"""RPC from the API to a worker, as request and reply over Redis: outside calls, since the API itself calls nobody.

A request that nobody took in time is forgotten; it must be harmless to do twice or never. Of each kind a tenant has a
few under way at a time, so that none of them keeps the workers from the others.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

import msgspec

from core.clock import Clock
from core.ids import new_id
from core.model.formats import FIRST_FORMAT
from core.security.redacted_repr import redacted_repr
from core.store.redis.client import STORE_DOWN, Store
from core.store.redis.codec import decode
from core.store.redis.keys import key
from core.store.replies import Replies

RpcKind = Literal["credits", "webhook_test"]

#: of more requests than this the oldest are forgotten, so that a fleet without workers does not fill Redis
_MOST = 1000

#: requests of one kind that one tenant may have under way, over all processes
PER_TENANT = 8

#: a request waits for a worker, and its reply for the API, no longer than this
_LIFE_S = 30


class TooManyRequests(Exception):  # noqa: N818 - says what was asked for
    """The tenant has as many requests of this kind under way as it may have; ask again when one is over."""


@redacted_repr("id", "kind", "tenant")
class RpcRequest(msgspec.Struct, frozen=True, array_like=True):
    """What a worker is asked to do: ``("credits", "acme", b"")``. What a newer release says beyond it is not read."""

    id: str
    kind: RpcKind
    tenant: str
    body: bytes
    #: of the call that asks, for the logs
    request_id: str | None = None


class RpcQueue:
    """Asks, takes and answers requests."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self._store = store
        self._replies = Replies(store)
        self._clock = clock or Clock()

    async def ask(
        self, kind: RpcKind, tenant: str, body: bytes, *, wait_s: float, request_id: str | None = None
    ) -> bytes | None:
        """Have a worker do it, and wait for its reply. None: nobody answered in time. Raises TooManyRequests."""
        request = RpcRequest(new_id("evt"), kind, tenant, body, request_id)
        told = msgspec.msgpack.encode(request if self._store.fmt > FIRST_FORMAT else _as_first_told(request))
        async with self._under_way(request, told):
            await self._push(told)
            return await self._replies.wait_for(key("rpc_reply", request.id), within_s=wait_s)

    @asynccontextmanager
    async def _under_way(self, request: RpcRequest, told: bytes) -> AsyncIterator[None]:
        """Count a request as under way; of an API process that died they are over with the life of a request.

        What no worker has taken is taken back: done later, a test would reach the receiver of somebody who was told that none did.
        """
        counted, now_ms = key("rpc_under_way", request.kind, request.tenant), await self._store.now_ms(self._clock)
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.zremrangebyscore(counted, 0, now_ms)
        pipe.zadd(counted, {request.id: now_ms + _LIFE_S * 1000})
        pipe.zcard(counted)
        pipe.expire(counted, _LIFE_S)
        under_way = (await pipe.execute())[2]
        try:
            if under_way > PER_TENANT:
                raise TooManyRequests
            yield
        finally:
            with suppress(*STORE_DOWN):  # a reply that has come is no worse for it
                await self._forget(request, told)

    async def _forget(self, request: RpcRequest, told: bytes) -> None:
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.zrem(key("rpc_under_way", request.kind, request.tenant), request.id)
        pipe.lrem(key("rpc_requests"), 1, told)  # type: ignore[arg-type]
        await pipe.execute()

    async def _push(self, told: bytes) -> None:
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.rpush(key("rpc_requests"), told)
        pipe.ltrim(key("rpc_requests"), -_MOST, -1)
        pipe.expire(key("rpc_requests"), _LIFE_S)
        await pipe.execute()

    async def next(self, *, wait_s: float) -> RpcRequest | None:
        """Wait for a request. Raises Unreadable for one that a release has made that asks for more; it is gone then."""
        raw = await self._store.wait_for(key("rpc_requests"), within_s=wait_s)
        return decode(raw, RpcRequest) if raw else None

    async def answer(self, request: RpcRequest, body: bytes) -> None:
        """Reply to a request."""
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.rpush(key("rpc_reply", request.id), body)
        pipe.expire(key("rpc_reply", request.id), _LIFE_S)
        await pipe.execute()


def _as_first_told(request: RpcRequest) -> tuple[str, RpcKind, str, bytes]:
    """Say it in the four parts that releases before formats read, which refuse a fifth."""
    return request.id, request.kind, request.tenant, request.body
