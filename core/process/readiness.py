"""Readiness of a process: what its probes say. API and worker answer `/readyz` and `/startupz` from here.

A Redis that is away is no reason to leave: every process would leave at once, and callers would hear of it from the
balancer instead of from us. So a process is unready only before it reached Redis for the first time, and once it has
been told to end.
"""

import asyncio
from enum import StrEnum
from typing import NamedTuple

from core.errors import StartRefused
from core.logs import get_logger
from core.security.encryption import Encryption
from core.store.redis.client import STORE_ERROR, Store, why_away
from core.store.redis.durability import durability_warnings
from core.store.start_check import check_start

log = get_logger(__name__)

#: a probe is answered within this, also where Redis hangs: those who probe wait for a second
LOOK_S = 0.5
#: what a look may end in where Redis does not answer as it should
_AWAY = (STORE_ERROR, TimeoutError)


class Condition(StrEnum):
    """How a process is."""

    #: Redis answers, and what is in it can be read
    OK = "ok"
    #: Redis was reached once, and does not answer now, or holds what cannot be read here
    DEGRADED = "degraded"
    #: Redis was never reached
    STARTING = "starting"
    #: told to end
    DRAINING = "draining"


class ReadinessReport(NamedTuple):
    """What a probe hears. `warnings`: what an operator should mend, each a sentence."""

    condition: Condition
    warnings: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether work may come here."""
        return self.condition in (Condition.OK, Condition.DEGRADED)


class Readiness:
    """Looks at Redis for those who probe, once for all who ask at the same time."""

    def __init__(self, store: Store, encryption: Encryption, *, cell: str = "") -> None:
        self._store = store
        self._encryption = encryption
        self._cell = cell
        self._look: asyncio.Task[list[str]] | None = None
        #: the process has been told to end
        self.draining = False
        #: Redis has answered once, and its data is ours to read
        self.redis_reached = False

    async def look(self) -> list[str]:
        """Look at Redis and name what is wrong with it, each in a sentence. Raises STORE_DOWN, StartRefused."""
        warnings = await check_start(self._store, self._encryption, cell=self._cell)
        warnings += await durability_warnings(self._store)
        self.redis_reached = True
        return warnings

    async def report(self) -> ReadinessReport:
        """Say whether work may come here. Answers within LOOK_S whatever Redis does."""
        if self.draining:
            return ReadinessReport(Condition.DRAINING)
        try:
            return ReadinessReport(Condition.OK, tuple(await self._look_in_time()))
        except (*_AWAY, StartRefused) as wrong:
            return ReadinessReport(self._condition_without_redis(), _sentences(wrong))

    async def started(self) -> ReadinessReport:
        """Say whether Redis was reached for the first time; once that is so, nobody is asked any more."""
        if self.redis_reached:
            return ReadinessReport(Condition.OK)
        return await self.report()

    def _condition_without_redis(self) -> Condition:
        return Condition.DEGRADED if self.redis_reached else Condition.STARTING

    async def _look_in_time(self) -> list[str]:
        if self._look is None:
            self._look = asyncio.create_task(self.look(), name="look at Redis")
            self._look.add_done_callback(self._forget)
        async with asyncio.timeout(LOOK_S):
            return await asyncio.shield(self._look)

    def _forget(self, look: asyncio.Task[list[str]]) -> None:
        self._look = None
        if not look.cancelled():
            look.exception()  # those who asked may have gone; nobody else is to hear of it


def _sentences(wrong: Exception) -> tuple[str, ...]:
    if isinstance(wrong, StartRefused):
        log.error(str(wrong))
        return (str(wrong),)
    return (why_away(wrong),)
