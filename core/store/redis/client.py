"""The connections to Redis, its scripts and its failures: with `core.store.redis.pipeline` what knows redis-py's types."""

import asyncio
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import msgspec
import redis.asyncio
from redis.asyncio.client import PubSub
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    NoScriptError,
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
from core.store.redis.keys import lua_prelude
from core.store.redis.pipeline import PipelinedConnection, Word

Redis = redis.asyncio.Redis
Subscription = PubSub
Row = dict[bytes, bytes]

#: Redis is away, starting, full or a replica: the call may be made again later. Nothing was half done.
STORE_DOWN = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, OutOfMemoryError, ReadOnlyError)

#: whatever Redis or the way to it can say
STORE_ERROR = RedisError

#: refusals that redis-py has no class for, and that pass: its disk is full, a script runs too long, its replicas are gone
_PASSING = ("MISCONF", "BUSY", "NOREPLICAS", "MASTERDOWN")

_NAMES = (
    *("accept", "admit", "claim", "commit", "renew", "hand_back", "repair", "forget"),
    *("close", "tokens", "deliver", "pick"),
)


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
    """Redis and the scripts, as the modules beside this one use them."""

    def __init__(self, client: Redis) -> None:
        self.redis = client
        package = resources.files("core.store") / "lua"
        prelude = lua_prelude() + "\n" + (package / "lib.lua").read_text()
        self._sources = {name: prelude + "\n" + (package / f"{name}.lua").read_text() for name in _NAMES}
        self._digests: dict[str, str] = {}
        self._line: PipelinedConnection | None = None

    async def ask(self, *words: Word) -> Any:
        """Run one short command over the connection that all of them share: ``ask("HGET", name, "rec")``."""
        if self._line is None:
            self._line = PipelinedConnection(self.redis)
        return await self._line.ask(*words)

    async def run(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Run a script in one round trip; None arguments are absent in Lua."""
        packed = msgspec.msgpack.encode({k: _for_lua(v) for k, v in arguments.items() if v is not None})
        if name not in self._digests:
            self._digests[name] = (await self.ask("SCRIPT", "LOAD", self._sources[name])).decode()
        try:
            return await self._evaluate(name, packed)
        except ResponseError as refusal:
            if str(refusal).startswith(_PASSING):
                raise RedisConnectionError(f"Redis refuses for now: {str(refusal).split()[0]}") from None
            raise

    async def _evaluate(self, name: str, packed: bytes) -> Any:
        try:
            return await self.ask("EVALSHA", self._digests[name], 0, packed)
        except NoScriptError:  # Redis was restarted or flushed
            return await self.ask("EVAL", self._sources[name], 0, packed)

    async def close(self) -> None:
        """Close all connections."""
        if self._line:
            await self._line.close()
        await self.redis.aclose()


_PLAIN = frozenset({str, int, float, bool, type(None)})


def _for_lua(value: Any) -> Any:
    """Write bytes as msgpack strings, all through a value: the reader inside Redis knows no binary format."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is bytes:
        return _as_string(value)
    if kind is dict:
        return {name: _for_lua(inner) for name, inner in value.items()}
    return [_for_lua(inner) for inner in value] if kind in (list, tuple) else value


def _as_string(raw: bytes) -> msgspec.Raw:
    size = len(raw)
    if size < 1 << 8:
        return msgspec.Raw(b"\xd9" + size.to_bytes(1, "big") + raw)
    if size < 1 << 16:
        return msgspec.Raw(b"\xda" + size.to_bytes(2, "big") + raw)
    return msgspec.Raw(b"\xdb" + size.to_bytes(4, "big") + raw)
