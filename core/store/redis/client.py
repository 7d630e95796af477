"""The Redis client: connections, failures, and how operations are run. With `core.store.redis.pipeline` what knows redis-py's types."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import redis.asyncio
from redis.asyncio.client import PubSub
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from core.store.redis.breaker import RedisBreaker
from core.store.redis.functions import Functions, Library, library
from core.store.redis.pipeline import PipelinedConnection, Word
from core.store.redis.results import R, read_result

#: of the time that an answer may take, a wait for something takes so much at a time
_SHARE_OF_SILENCE = 0.3

Redis = redis.asyncio.Redis
Subscription = PubSub
HashRow = dict[bytes, bytes]

#: Redis is away, starting, full or a replica: the call may be made again later. Nothing was half done.
STORE_DOWN = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, OutOfMemoryError, ReadOnlyError)

#: whatever Redis or the way to it can say
STORE_ERROR = RedisError

#: refusals that redis-py has no class for, and that pass: its disk is full, an operation runs too long, its replicas are gone
_PASSING = ("MISCONF", "BUSY", "NOREPLICAS", "MASTERDOWN")


class _Connection(AbstractConnection):
    """A connection that heeds cancels, and notes where Redis is away.

    redis-py sends within `asyncio.wait_for`, which before Python 3.12 loses a cancel that comes just as the bytes are
    out: a worker that shall stop, or has lost its lease, would go on. Here `asyncio.timeout` keeps the limit.
    """

    #: shared by all connections of a client
    breaker: RedisBreaker

    async def connect(self) -> None:
        asked_s = asyncio.get_running_loop().time()
        try:
            await super().connect()  # type: ignore[no-untyped-call]
        except (RedisConnectionError, RedisTimeoutError):
            self._unanswered(asked_s)
            raise

    async def read_response(self, *args: Any, **named: Any) -> Any:
        asked_s = asyncio.get_running_loop().time()
        try:
            answer = await super().read_response(*args, **named)
        except RedisTimeoutError:
            self._unanswered(asked_s)
            raise
        self.breaker.answered()
        return answer

    def _unanswered(self, asked_s: float) -> None:
        self.breaker.unanswered(asked_s=asked_s, answer_s=self.socket_timeout or 0)

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        limit_s, self.socket_timeout = self.socket_timeout, None
        try:
            async with asyncio.timeout(limit_s):
                await super().send_packed_command(command, check_health)
        except TimeoutError:
            raise RedisTimeoutError("Redis took too long to take a command") from None
        finally:
            self.socket_timeout = limit_s


class _Pool(redis.asyncio.BlockingConnectionPool):
    """Gives out connections, but for a try now and then none while Redis is away: not to who has queued either."""

    breaker: RedisBreaker

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        if not self.breaker.may_call():
            raise RedisConnectionError("Redis was away a moment ago")
        await super().ensure_connection(connection)


def connect(
    url: str, *, answer_s: float, connections: int = 64, queue_s: float | None = None, rest_s: float = 0
) -> Redis:
    """Make a client. A call that Redis does not answer within `answer_s` raises one of STORE_DOWN.

    `queue_s`: how long a call may wait for a free connection before that; as long as for an answer by default.
    `rest_s`: between two tries while Redis is away; callers in between are refused without asking.
    """
    pool = _Pool.from_url(
        url,
        max_connections=connections,
        timeout=queue_s or answer_s,
        socket_timeout=answer_s,
        socket_connect_timeout=min(answer_s, 2.0),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    pool.breaker = RedisBreaker(rest_s)
    facts = {"breaker": pool.breaker}
    pool.connection_class = type("Connection", (_Connection, pool.connection_class), facts)
    return redis.asyncio.Redis.from_pool(pool)


class Store:
    """Redis and the operations, as the modules above this one use them."""

    def __init__(self, client: Redis, *, functions: Library | None = None) -> None:
        self.redis = client
        self._functions = Functions(self.ask, functions or library())
        self._connection: PipelinedConnection | None = None
        self._waiting: PipelinedConnection | None = None

    async def ask(self, *words: Word) -> Any:
        """Run one short command over the connection that all of them share: ``ask("HGET", name, "rec")``."""
        if self._connection is None:
            self._connection = PipelinedConnection(self.redis)
        return await self._connection.ask(*words)

    async def wait_for(self, name: str, *, within_s: float) -> bytes | None:
        """Take the first of a list, as soon as there is one. It has a connection of its own meanwhile."""
        while within_s > 0:
            wait_s = min(self.longest_wait_s, within_s)
            if found := await self.redis.blpop([name], timeout=wait_s):  # type: ignore[misc, arg-type]
                return bytes(found[1])
            within_s -= wait_s
        return None

    @property
    def longest_wait_s(self) -> float:
        """Say how long Redis may hold a wait: it lets go up to 0.1 s late, and one that is silent counts as away."""
        answer_s: float = self.redis.connection_pool.connection_kwargs["socket_timeout"]
        return answer_s * _SHARE_OF_SILENCE

    async def ask_waiting(self, *words: Word) -> Any:
        """Run a command that Redis may hold for `longest_wait_s`, over a connection for the one task that does so."""
        if self._waiting is None:
            self._waiting = PipelinedConnection(self.redis)
        return await self._waiting.ask(*words)

    async def run(self, operation: str, arguments: Mapping[str, Any], result: type[R]) -> R:
        """Run an operation of `core/store/lua/` in one round trip, and read its named results.

        None arguments are absent in Lua; bytes go as `core.store.redis.codec.raw`.
        """
        try:
            answer = await self._functions.call(operation, msgspec.msgpack.encode(arguments))
        except ResponseError as refusal:
            if str(refusal).startswith(_PASSING):
                raise RedisConnectionError(f"Redis refuses for now: {str(refusal).split()[0]}") from None
            raise
        return read_result(answer, result)

    async def close(self) -> None:
        """Close all connections."""
        for connection in (self._connection, self._waiting):
            if connection:
                await connection.close()
        await self.redis.aclose()
