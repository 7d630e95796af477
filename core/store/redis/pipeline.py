"""A pipelined connection to Redis that all short calls of a process share: what is asked in the same moment goes out in one
write, and answers come back in order.

`core.store.redis.client` alone uses it. redis-py opens the connection (address, TLS, password); its way of taking one out
of a pool for each call, with timers around every step, costs several times what the call does. Nothing that blocks or takes turns (BLPOP, WATCH, subscriptions) may go over it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.store.redis.refusals import as_outage

Word = bytes | str | int

#: the loop turns at least once in this time, and so reads what has come
_GRACE_S = 0.05


class PipelinedConnection:
    """Opens the connection when it is needed, and again after it broke."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._pool = client.connection_pool
        self._wire: _Protocol | None = None
        self._opening: asyncio.Task[_Protocol] | None = None

    async def ask(self, *words: Word) -> Any:
        """Send one command. Raises what redis-py raises; while Redis is away nothing is tried twice."""
        return await (await self._open_wire()).ask(*words)

    async def ask_in_a_row(self, *commands: Sequence[Word]) -> list[Any]:
        """Send commands one right behind the other, with nothing of this process in between."""
        wire = await self._open_wire()
        return await asyncio.gather(*[wire.ask(*words) for words in commands])

    async def _open_wire(self) -> "_Protocol":
        if self._wire is None or self._wire.closed:
            return await self._opened()
        return self._wire

    async def _opened(self) -> "_Protocol":
        """Have one try at opening for all who wait: one after the other would each wait for a Redis that is silent."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open(), name="redis connection")
            self._opening.add_done_callback(_heard_of)
        wire = await asyncio.shield(self._opening)
        if wire.closed:  # since it was opened: nobody would answer what is asked on it now
            raise wire.why
        return wire

    async def _open(self) -> "_Protocol":
        await self._give_back()
        connection = cast("AbstractConnection", await self._pool.get_connection())
        self._wire = _Protocol(connection)
        return self._wire

    async def close(self) -> None:
        """Give the connection back to the pool, closed."""
        if self._opening:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        await self._give_back()

    async def _give_back(self) -> None:
        wire, self._wire = self._wire, None
        if wire:
            await wire.connection.disconnect(nowait=True)
            await self._pool.release(wire.connection)


def _packed(words: tuple[Word, ...]) -> bytes:
    """Write a command as it goes over the wire: an array of byte strings."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


def _heard_of(opening: "asyncio.Task[_Protocol]") -> None:
    """Take note of a failure, which is nobody's where all who waited for it have gone."""
    if not opening.cancelled():
        opening.exception()


class _Protocol(asyncio.Protocol):
    """The connection itself, taken over from redis-py once it is open."""

    def __init__(self, connection: AbstractConnection) -> None:
        self.connection = connection
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self.why: RedisError = RedisConnectionError("the connection to Redis broke")
        inside = cast("Any", connection)  # redis-py hands its reader and its transport out nowhere
        self._reader = inside._parser._reader  # noqa: SLF001
        self._transport = inside._writer.transport  # noqa: SLF001
        #: what the reader gives as long as an answer is not whole
        self._nothing = self._reader.gets()
        self._before = self._transport.get_protocol()
        self._answer_s = float(inside.socket_timeout)
        #: it is overdue, and what may have come for it is read before that is held against Redis
        self._overdue: asyncio.Future[Any] | None = None
        self._breaker = inside.breaker
        self._transport.set_protocol(self)
        self._next_look = self._loop.call_later(self._answer_s, self._look)
        if inside._reader.at_eof():  # noqa: SLF001 - Redis has closed it already, and that is not said once more
            self._transport.abort()

    def ask(self, *words: Word) -> asyncio.Future[Any]:
        """Send one command with all the others of this moment."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(_packed(words))
        self._waiting.append((answer, self._loop.time()))
        return answer

    def _flush(self) -> None:
        out, self._out = self._out, []
        if not self.closed:
            self._transport.write(b"".join(out))

    def data_received(self, data: bytes) -> None:
        """Hand out answers in the order in which they were asked for."""
        self._breaker.answered()
        self._reader.feed(data)
        while (answer := self._reader.gets()) is not self._nothing:
            self._hand_out(answer)

    def _hand_out(self, answer: Any) -> None:
        asked, _ = self._waiting.popleft()
        if isinstance(answer, ReadOnlyError):
            self._close_demoted()
        if asked.done():
            return
        if isinstance(answer, RedisError):
            asked.set_exception(as_outage(answer))
        else:
            asked.set_result(answer)

    def _close_demoted(self) -> None:
        """Leave a primary that is none any more, once what came with its word is handed out: the next call finds the other."""
        self.why = RedisConnectionError("this Redis is no primary any more")
        self._loop.call_soon(self._transport.abort)

    def _look(self) -> None:
        """Break off where Redis has been silent for too long: later answers could not be told apart any more.

        A loop that was busy comes to its timers before it comes to what has arrived, so that is read first.
        """
        now_s = self._loop.time()
        oldest, asked_s = self._waiting[0] if self._waiting else (None, now_s)
        due_s = asked_s + self._answer_s
        if now_s < due_s or oldest is not self._overdue:
            self._overdue = oldest if now_s >= due_s else None
            self._next_look = self._loop.call_at(max(due_s, now_s + _GRACE_S), self._look)
            return
        self.why = RedisTimeoutError("Redis did not answer in time")
        self._breaker.unanswered(asked_s=due_s - self._answer_s, answer_s=self._answer_s)
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits, and redis-py, which waits for the end of what it closes."""
        self.closed = True
        self._next_look.cancel()
        waiting, self._waiting = self._waiting, deque()
        for asked, _ in waiting:
            if not asked.done():
                asked.set_exception(self.why)
        self._before.connection_lost(exc)
