"""Injects the faults of a chaos run, and ends them: whoever was killed is started again, whoever was frozen goes on.

It touches the run's own processes alone. One process has one trouble at a time; one that is in trouble is left alone.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterable

import httpx
from redis.asyncio import Redis

from sandbox.chaos.fault_schedule import Kind, Trouble
from sandbox.world.child_process import Child
from sandbox.world.world import World

_FAULTS = "/_sandbox/faults"
_BACKEND: dict[Kind, dict[str, float]] = {
    "backend errors": {"http_500_rate": 0.15, "latency_s": 0.05},
    "dropped streams": {"drop_stream_rate": 0.5},
    "refused tokens": {"refuse_tokens": True},
}


class FaultInjector:
    """Runs troubles against one world."""

    def __init__(self, world: World, redis: Child, backend: httpx.AsyncClient) -> None:
        self._world = world
        self._redis = redis
        self._backend = backend
        self._in_trouble: set[str] = set()
        #: how often each kind came
        self.caused: Counter[str] = Counter()

    async def run(self, planned: Iterable[Trouble]) -> None:
        """Cause each at its time, and return when the last one is over. Raises ChildFailed where one stays away."""
        began_at_s = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for trouble in planned:
                await asyncio.sleep(began_at_s + trouble.at_s - asyncio.get_running_loop().time())
                group.create_task(self._cause(trouble))

    async def _cause(self, trouble: Trouble) -> None:
        child = self._child_of(trouble)
        name = child.name if child else "backend"
        if name in self._in_trouble:
            return
        self._in_trouble.add(name)
        self.caused[trouble.kind] += 1
        try:
            await self._bring_about(trouble, child)
        finally:
            self._in_trouble.discard(name)

    async def _bring_about(self, trouble: Trouble, child: Child | None) -> None:
        if child is None:
            await self._spoil_backend(trouble)
        elif trouble.kind == "fill redis":
            await _fill(child.address, trouble.for_s)
        else:
            await _trouble(child, trouble)

    def _child_of(self, trouble: Trouble) -> Child | None:
        _, _, whom = trouble.kind.partition(" ")
        several = {"worker": self._world.workers, "api": self._world.apis, "redis": [self._redis]}.get(whom)
        return several[trouble.which % len(several)] if several else None

    async def _spoil_backend(self, trouble: Trouble) -> None:
        faults = _BACKEND.get(trouble.kind, {"down_s": trouble.for_s})
        (await self._backend.post(_FAULTS, json=faults)).raise_for_status()
        await asyncio.sleep(trouble.for_s)
        (await self._backend.delete(_FAULTS)).raise_for_status()


async def _fill(redis_url: str, for_s: float) -> None:
    """Leave Redis no memory, so that it refuses every write that takes some."""
    async with Redis.from_url(redis_url) as redis:
        await redis.config_set("maxmemory", 1)
        await asyncio.sleep(for_s)
        await redis.config_set("maxmemory", 0)


async def _trouble(child: Child, trouble: Trouble) -> None:
    if trouble.kind.startswith("freeze"):
        child.signal(signal.SIGSTOP)
        await asyncio.sleep(trouble.for_s)
        child.signal(signal.SIGCONT)
        return
    child.signal(signal.SIGTERM if trouble.kind.startswith("end") else signal.SIGKILL)
    await child.end()
    await asyncio.sleep(trouble.for_s)
    await child.start()
