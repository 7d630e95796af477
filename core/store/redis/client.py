"""The Redis client: connections, failures, and how operations are run. Nobody outside this folder knows redis-py's types."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar, cast

import msgspec
import redis.asyncio
from redis.asyncio.client import PubSub
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
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

from core.clock import Clock
from core.model.formats import FIRST_FORMAT, THIS_RELEASE, Mark, format_to_write, is_readable, read_format
from core.model.job import Record
from core.sentinel_url import is_sentinel_url, parse_sentinel_url
from core.store.redis.breaker import RedisBreaker
from core.store.redis.codec import Unreadable, record_kind, unpack, unreadable
from core.store.redis.functions import Functions, Library, library
from core.store.redis.pipeline import PipelinedConnection, Word
from core.store.redis.refusals import PassingRefusal, as_outage
from core.store.redis.results import R, read_result
from core.store.redis.sentinel import Sentinels

#: of the time that an answer may take, a wait for something takes so much at a time
_SHARE_OF_SILENCE = 0.3
#: others may come between what is read and what is written so often
_TRIES = 10

Redis = redis.asyncio.Redis
Subscription = PubSub
HashRow = dict[bytes, bytes]
Stored = TypeVar("Stored", bound=Record)

#: Redis is away, starting, full or a replica: the call may be made again later. Nothing was half done.
STORE_DOWN = (
    *(RedisConnectionError, RedisTimeoutError, BusyLoadingError),
    *(OutOfMemoryError, ReadOnlyError, PassingRefusal),
)

#: of these: it is full, and takes nothing that needs room
STORE_FULL = OutOfMemoryError

#: whatever Redis or the way to it can say
STORE_ERROR = RedisError


def why_away(away: Exception) -> str:
    """Say in a sentence for the operator why Redis is one of STORE_DOWN: one that refuses a password is not silent."""
    if isinstance(away, AuthenticationError):
        return "Redis refuses the user or the password in REDIS_URL."
    if isinstance(away, OutOfMemoryError | ReadOnlyError):
        return "Redis takes no writes at REDIS_URL."
    if isinstance(away, PassingRefusal):
        return f"Redis refuses for now at REDIS_URL: {away.why}."
    cause = away.__cause__ or away.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message.partition(",")[0]  # behind a comma is its address
        return f"Redis's certificate at REDIS_URL is not believed: {reason}."
    return "Redis does not answer at REDIS_URL."


def why_refused(refusal: Exception) -> str:
    """Say in a sentence for the operator why Redis refuses what it was asked, and nothing of what it was sent, which it may quote."""
    words = str(refusal).partition(", with args")[0]
    is_old = words.startswith("unknown command")
    return f"{words}. It must be Redis 7.0 or newer, or Valkey." if is_old else f"{words}."


class _Connection(AbstractConnection):
    """A connection that heeds cancels, and notes where Redis is away.

    redis-py sends within `asyncio.wait_for`, which before Python 3.12 loses a cancel that comes just as the bytes are
    out: a worker that shall stop, or has lost its lease, would go on. Here `asyncio.timeout` keeps the limit.
    """

    #: shared by all connections of a client
    breaker: RedisBreaker
    #: it was the primary, and is none any more
    demoted = False

    async def connect(self) -> None:
        self.demoted = False
        asked_s = asyncio.get_running_loop().time()
        try:
            await super().connect()  # type: ignore[no-untyped-call]
        except (RedisConnectionError, RedisTimeoutError) as away:
            self.breaker.locked_out = isinstance(away, AuthenticationError)
            self._unanswered(asked_s)
            raise

    async def disconnect(self, nowait: bool = False) -> None:
        """Close it. A server that does not say goodbye in time, which TLS asks for, is left: nobody waits for a word of it."""
        writer = self._writer
        try:
            await super().disconnect(nowait)
        except RedisTimeoutError:
            cast("asyncio.StreamWriter", writer).transport.abort()

    async def read_response(self, *args: Any, **named: Any) -> Any:
        asked_s = asyncio.get_running_loop().time()
        try:
            answer = await super().read_response(*args, **named)
        except RedisTimeoutError:
            self._unanswered(asked_s)
            raise
        except ReadOnlyError:
            self.demoted = True
            raise
        except ResponseError as refusal:
            raise as_outage(refusal) from None
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


class _SentinelConnection(_Connection):
    """A connection to whatever the Sentinels call the primary when it is opened."""

    sentinels: Sentinels
    host: str
    port: int

    async def _connect(self) -> None:
        self.host, self.port = await self.sentinels.primary()
        await super()._connect()  # type: ignore[no-untyped-call,safe-super]  # TCP or TLS is mixed in

    async def on_connect(self) -> None:
        """Believe the server itself: a Sentinel hears late that its primary was demoted."""
        await super().on_connect()
        await self.send_command("ROLE")
        role, *_ = await self.read_response()
        if role != b"master":
            raise RedisConnectionError("this Redis is no primary any more")


class _Pool(redis.asyncio.BlockingConnectionPool):
    """Gives out connections, but for a try now and then none while Redis is away: not to who has queued either."""

    breaker: RedisBreaker

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        if not self.breaker.may_call():
            refused = AuthenticationError if self.breaker.locked_out else RedisConnectionError
            raise refused("Redis was away a moment ago")
        await super().ensure_connection(connection)

    async def release(self, connection: AbstractConnection) -> None:
        """Leave a primary that was demoted, so that the next look finds the other.

        No sooner: to redis-py's transactions a connection that goes in the middle is a reason to try again, without end.
        """
        if cast("_Connection", connection).demoted:
            await connection.disconnect(nowait=True)
        await super().release(connection)


def connect(
    url: str, *, answer_s: float, connections: int = 64, queue_s: float | None = None, rest_s: float = 0
) -> Redis:
    """Make a client. A call that Redis does not answer within `answer_s` raises one of STORE_DOWN.

    `queue_s`: how long a call may wait for a free connection before that; as long as for an answer by default.
    `rest_s`: between two tries while Redis is away; callers in between are refused without asking.
    """
    kind, sentinels = _Connection, None
    if is_sentinel_url(url):
        where = parse_sentinel_url(url)
        kind, sentinels, url = _SentinelConnection, Sentinels(where), where.redis_url
    pool = _Pool.from_url(
        url,
        **_host_check(url, named=sentinels is None),
        max_connections=connections,
        timeout=queue_s or answer_s,
        socket_timeout=answer_s,
        socket_connect_timeout=min(answer_s, 2.0),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    pool.breaker = RedisBreaker(rest_s)
    facts = {"breaker": pool.breaker, "sentinels": sentinels}
    pool.connection_class = type("Connection", (kind, pool.connection_class), facts)
    return redis.asyncio.Redis.from_pool(pool)


def _host_check(url: str, *, named: bool) -> dict[str, bool]:
    """Have the certificate checked for the host that an address names, which redis-py does not; the address may say no.

    Sentinels tell numbers, which certificates seldom hold.
    """
    wanted = named and url.lower().startswith("rediss:") and parse_url(url).get("ssl_cert_reqs") != "none"
    return {"ssl_check_hostname": True} if wanted else {}


class Store:
    """Redis and the operations, as the modules above this one use them."""

    def __init__(self, client: Redis, *, functions: Library | None = None) -> None:
        self.redis = client
        self.release = THIS_RELEASE
        #: what may be written now, as last heard; `core.store.formats` listens
        self.mark = Mark()
        self._functions = Functions(self.ask, self.ask_apart, functions or library())
        self._connection: PipelinedConnection | None = None
        self._waiting: PipelinedConnection | None = None

    async def ask(self, *words: Word) -> Any:
        """Run one short command over the connection that all of them share: ``ask("HGET", name, "rec")``."""
        return await self._pipelined().ask(*words)

    async def ask_in_a_row(self, *commands: Sequence[Word]) -> list[Any]:
        """Run short commands over it, one right behind the other."""
        return await self._pipelined().ask_in_a_row(*commands)

    async def now_ms(self, clock: Clock) -> int:
        """Tell the time by which operations write, which is no host's: whoever looks from elsewhere has another."""
        if told := clock.for_operations():
            return told["now_ms"]
        seconds, microseconds = await self.ask("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def change(self, name: str, changing: Callable[[Any], Awaitable[None]]) -> None:
        """Read and write what hangs together, anew where another writes to `name` meanwhile. Raises one of STORE_DOWN.

        `changing` reads from the pipeline that it is given, says `multi`, and writes. To redis-py a connection that goes
        in the middle is a reason to try again, too, and it tries without end.
        """
        tries = count(1)

        async def one_try(pipe: Any) -> None:
            if next(tries) > _TRIES:
                raise RedisConnectionError("what was read could not be written")
            await changing(pipe)

        await self.redis.transaction(one_try, name)

    async def ask_apart(self, *commands: Sequence[Word]) -> list[Any]:
        """Run them over a connection that is theirs alone meanwhile: on the shared one a WAIT would hold up everybody."""
        pipe = self.redis.pipeline(transaction=False)
        for words in commands:
            pipe.execute_command(*words)
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        for refusal in answers:
            if isinstance(refusal, RedisError):
                raise refusal
        return answers

    def _pipelined(self) -> PipelinedConnection:
        if self._connection is None:
            self._connection = PipelinedConnection(self.redis)
        return self._connection

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

    async def run(self, operation: str, arguments: Mapping[str, Any], result: type[R], *, replicas: int = 0) -> R:
        """Run an operation of `core/store/lua/` in one round trip, and read its named results.

        None arguments are absent in Lua; bytes go as `core.store.redis.codec.raw`. Raises NotReplicated where what it
        wrote is not with so many `replicas`.
        """
        told = {name: value for name, value in arguments.items() if value is not None}
        told["fmt"] = self.fmt
        packed = msgspec.msgpack.encode(told)
        return read_result(await self._functions.call(operation, packed, replicas=replicas), result)

    async def wait_for_replicas(self, replicas: int) -> None:
        """Wait until so many have all that was written until now, whoever wrote it. Raises NotReplicated."""
        await self._functions.ask_replicated(replicas)

    @property
    def fmt(self) -> int:
        """The format in which records are written now; it stands beside each."""
        return format_to_write(self.release, self.mark)

    def fmt_over(self, before: bytes | None) -> int:
        """The format of a record that is written over one of format `before`: never below it."""
        return max(self.fmt, int(before or FIRST_FORMAT))

    def read(self, kind: type[Stored], raw: bytes, fmt: bytes | None, *, item_id: str) -> Stored:
        """Read a record with the format that stands beside it. Raises Unreadable."""
        told = read_format(fmt)
        if not is_readable(self.release, self.mark, told):
            raise unreadable(record_kind(kind), item_id, f"its format is {told}")
        return unpack(raw, kind, item_id=item_id)

    def read_all(self, kind: type[Stored], rows: Iterable[tuple[str, bytes | None, bytes | None]]) -> list[Stored]:
        """Read records, each with its id and its format; those that are gone or cannot be read are left out."""
        found = []
        for item_id, raw, fmt in rows:
            with suppress(Unreadable):
                found += [self.read(kind, raw, fmt, item_id=item_id)] if raw else []
        return found

    async def close(self) -> None:
        """Close all connections."""
        for connection in (self._connection, self._waiting):
            if connection:
                await connection.close()
        await self.redis.aclose()
