"""Planned failover: the primary moves, and nothing that was accepted is lost.

Sentinels alone promote a replica while the old primary goes on accepting for some ten seconds, and all of that is lost.
So writes are paused first, and go on only once the old primary is a replica itself: whoever writes meanwhile waits, finds
the new primary once its call has timed out, or is refused with a 503; nobody is accepted and forgotten.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import redis.asyncio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.clock import stopwatch_s
from core.sentinel_url import SentinelUrl
from core.store.redis.keys import key
from core.store.redis.sentinel import NodeAddress, Sentinels

#: writes are paused for no longer than this, also where this process dies in between
PAUSE_S = 60.0
#: how long a replica may take to have everything that was written before this began; nobody is paused meanwhile
CATCH_UP_S = 10.0
#: and what was written since then. A primary whose writes are paused for longer looks dead to Sentinels that look every
#: second, and they promote whom they like
LAST_BIT_S = 1.0
#: how long Sentinels may take to promote one
PROMOTION_S = 25.0
#: how long, after that, the old primary may take to hear that it is a replica, and the new one to say what it has
ANSWER_S = 10.0
_LOOK_S = 0.05


class FailoverFailed(Exception):  # noqa: N818 - it says what happened
    """The primary is where it was, and writes go on, unless the words say otherwise. They are for the operator."""


class Moved(NamedTuple):
    """The primary has moved. `paused_s`: how long nobody could write. `offset`: what was written before, in bytes."""

    old: NodeAddress
    new: NodeAddress
    paused_s: float
    offset: int


class PlannedFailover:
    """One failover, from the address of the Sentinels."""

    def __init__(self, url: SentinelUrl, *, promotion_s: float = PROMOTION_S) -> None:
        self._url = url
        self._sentinels = Sentinels(url)
        self._promotion_s = promotion_s

    async def run(self) -> Moved:
        """Pause writes, wait for a replica, let the Sentinels promote it, and look. Raises FailoverFailed."""
        old = await self._sentinels.primary()
        replicas = await self._healthy_replicas()
        async with self._client(old) as primary:
            await self._wait_until_caught_up(replicas, await _offset(primary), CATCH_UP_S)
            await _claim(primary)
            began_s = stopwatch_s()
            try:
                await _command(primary, "CLIENT", "PAUSE", int(PAUSE_S * 1000), "WRITE")
                offset = await _offset(primary)
                await self._wait_until_caught_up(replicas, offset, LAST_BIT_S)
            except BaseException:
                await _give_up(primary, old)
                raise
            new = await _whatever_comes(self._move(primary, old, replicas))
        paused_s = stopwatch_s() - began_s
        await self._look(new, offset)
        return Moved(old, new, paused_s, offset)

    async def _move(self, primary: Redis, old: NodeAddress, replicas: list[NodeAddress]) -> NodeAddress:
        try:
            new = await self._promote(old)
        except BaseException:
            late = await self._call_off(primary, old, replicas)
            if late is None:
                raise
            new = late
        await self._demote(old, new)
        async with self._client(new) as promoted:
            await _release(promoted)
        return new

    async def _call_off(self, primary: Redis, old: NodeAddress, replicas: list[NodeAddress]) -> NodeAddress | None:
        """Have nobody promoted any more, and writes go on; or name who was promoted at the last moment, which is to be seen through.

        Sentinels that are reset find replicas by their primary alone: where that is dead they are left to it. Raises FailoverFailed.
        """
        with _told_where_dead(old), suppress(ResponseError):  # an answer, whatever it says, is one
            await _command(primary, "PING")
        named = await self._sentinels.call_off(old)
        for new in set(named.values()) - {old, None}:
            if new and await self._is_primary(new):
                return new
        await asyncio.gather(*(self._take_back(each, old) for each in replicas))
        await _give_up(primary, old)
        if untold := [each for each, who in named.items() if who != old]:
            raise FailoverFailed(_may_move_yet(untold))
        return None

    async def _is_primary(self, at: NodeAddress) -> bool:
        return await _is(partial(self._has_role, at, b"master"))

    async def _take_back(self, replica: NodeAddress, old: NodeAddress) -> None:
        """Make a replica one again that was promoted before its Sentinel was reset: nobody else would, since none names it."""
        with suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(LAST_BIT_S):
                if await self._has_role(replica, b"master"):
                    async with self._client(replica) as client:
                        await _command(client, "REPLICAOF", *old)

    async def _healthy_replicas(self) -> list[NodeAddress]:
        """Find those that a Sentinel would promote."""
        rows = await self._sentinels.replicas()
        healthy = [row for row in rows if row["flags"] == "slave" and row["master-link-status"] == "ok"]
        if not healthy:
            raise FailoverFailed("No replica is in touch with the primary; nothing was done.")
        return [(row["ip"], int(row["port"])) for row in healthy if row.get("slave-priority") != "0"]

    async def _wait_until_caught_up(self, replicas: list[NodeAddress], offset: int, within_s: float) -> None:
        """Wait until each of them has all: which one is promoted is the Sentinels' to choose."""

        async def caught_up(replica: NodeAddress) -> bool:
            async with self._client(replica) as client:
                return await _offset(client) >= offset

        async def all_caught_up() -> bool:
            return all(await asyncio.gather(*(caught_up(each) for each in replicas)))

        await _until(all_caught_up, within_s, "A replica did not catch up in time; the primary is where it was.")

    async def _promote(self, old: NodeAddress) -> NodeAddress:
        try:
            await self._sentinels.command("SENTINEL", "FAILOVER", self._sentinels.service)
        except ResponseError as refusal:
            if not str(refusal).startswith("INPROG"):  # a primary whose writes are paused looks ill to them
                raise FailoverFailed(f"The Sentinels refuse: {refusal}. The primary is where it was.") from None

        promoted: list[NodeAddress] = []  # the one that was looked at: asked again, a Sentinel that lags names the old

        async def moved() -> bool:
            new = await self._sentinels.agreed_primary()
            if new and new != old and await self._has_role(new, b"master"):
                promoted.append(new)
            return bool(promoted)

        await _until(moved, self._promotion_s, "The Sentinels promoted nobody in time; look at their log.")
        return promoted[0]

    async def _has_role(self, at: NodeAddress, role: bytes) -> bool:
        async with self._client(at) as client:
            return bool((await _command(client, "ROLE"))[0] == role)

    async def _look(self, new: NodeAddress, offset: int) -> None:
        async def has_all() -> bool:
            async with self._client(new) as client:
                if await _offset(client) < offset:
                    raise FailoverFailed(f"{_named(new)} was promoted and lacks some of what was written last.")
            return True

        await _until(has_all, ANSWER_S, f"{_named(new)} was promoted, and does not answer: what it has is not known.")

    async def _demote(self, old: NodeAddress, new: NodeAddress) -> None:
        """Make the old primary a replica: what was paused is refused as READONLY, and its callers are sent on.

        The Sentinels would do so themselves, but the pause keeps their words from it too. It may break the connection
        meanwhile, or be gone: then the primary has moved all the same.
        """

        async def demoted() -> bool:
            async with self._client(old) as client:
                await _command(client, "REPLICAOF", *new)
                await _command(client, "CLIENT", "UNPAUSE")
                for kind in ("normal", "pubsub"):
                    await _command(client, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            return True

        await _until(
            demoted,
            ANSWER_S,
            f"{_named(new)} was promoted, and writes go on there. {_named(old)} does not answer, and could not be told: see that "
            "it comes back as a replica, or not at all.",
        )

    @asynccontextmanager
    async def _client(self, at: NodeAddress) -> AsyncIterator[Redis]:
        client: Redis = redis.asyncio.Redis.from_url(self._url.redis_url, retry=Retry(NoBackoff(), 0), socket_timeout=5)
        client.connection_pool.connection_kwargs |= {"host": at[0], "port": at[1]}
        try:
            yield client
        finally:
            with suppress(RedisTimeoutError):  # TLS waits for a goodbye, and what came of the failover is what counts
                await client.aclose()


def _named(at: NodeAddress) -> str:
    return f"{at[0]}:{at[1]}"


def _may_move_yet(untold: list[NodeAddress]) -> str:
    return (
        f"Nobody was promoted in time, and {', '.join(map(_named, untold))} could not be told to give it up. Where that one "
        "promotes another one yet, or did just now, what is accepted until that is primary is lost: look at its log, and stop it."
    )


async def _claim(primary: Redis) -> None:
    """Be the only one: who gives up lets writes go on, and that may be in the middle of another one's promotion."""
    with suppress(ReadOnlyError):  # the other one was faster than the Sentinels' word of where the primary is
        under_way = await primary.exists(key("failover"))  # that is answered also where writes are paused
        if not under_way and await primary.set(key("failover"), "", nx=True, px=int(PAUSE_S * 1000)):
            return
    raise FailoverFailed("Another failover is under way, or one was killed within a minute; nothing was done.")


async def _give_up(primary: Redis, at: NodeAddress) -> None:
    # who may not let go on could not pause either, and is told what that was refused with
    with _told_where_dead(at), suppress(ResponseError):
        await _command(primary, "CLIENT", "UNPAUSE")
    await _release(primary)


@contextmanager
def _told_where_dead(primary: NodeAddress) -> Iterator[None]:
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError):
        words = "does not answer any more: it may take no writes for a minute. `SENTINEL GET-MASTER-ADDR-BY-NAME` says who is primary."
        raise FailoverFailed(f"{_named(primary)} {words}") from None


async def _release(primary: Redis) -> None:
    with suppress(RedisError):  # it goes by itself, and what became of the primary is what counts
        await primary.delete(key("failover"))


async def _whatever_comes(moving: Coroutine[Any, Any, NodeAddress]) -> NodeAddress:
    """See it through although whoever waits is told to end: half a move is what loses something."""
    task = asyncio.create_task(moving)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _command(client: Redis, *words: str | int) -> Any:
    return await client.execute_command(*words)  # type: ignore[no-untyped-call]


async def _offset(client: Redis) -> int:
    """Read how much of the history a server has, in bytes: as a primary or as a replica."""
    found = await client.info("replication")
    return int(found.get("slave_repl_offset", found["master_repl_offset"]))


async def _until(so: Callable[[], Awaitable[bool]], within_s: float, else_words: str) -> None:
    """Look until it is so; a server that does not answer in between is looked at again. Raises FailoverFailed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while True:
                if await _is(so):
                    return
                await asyncio.sleep(_LOOK_S)
    raise FailoverFailed(else_words)


async def _is(so: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await so()
    except (RedisError, OSError):
        return False
