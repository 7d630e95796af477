"""Workers by what each says of itself with every beat, and whether it lives."""

import re
from typing import NamedTuple

import msgspec

from core.clock import Clock
from core.store.redis.client import Store
from core.store.redis.keys import key

_BEAT = re.compile(rb"([0-9]{1,14}):([0-9]{1,9})")


class WorkerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself."""

    host: str
    version: str
    started_at_ms: int
    #: jobs and deliveries that it holds
    jobs: int
    deliveries: int
    #: how late its event loop came to the last timer that was looked at
    lag_ms: int


class Beat(NamedTuple):
    """What each worker says with its beat, as all releases do."""

    alive_until_ms: int
    slots: int


def read_beat(told: bytes) -> Beat | None:
    """Read ``1795213575346:8``. None: it is no worker's word."""
    found = _BEAT.match(told)
    return Beat(int(found[1]), int(found[2])) if found else None


class LivingWorker(NamedTuple):
    """A worker that has said lately that it lives. `facts` None: an older release's, which says no more."""

    id: str
    slots: int
    alive_until_ms: int
    facts: WorkerFacts | None


class Workers:
    """Reads who lives."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def living(self) -> list[LivingWorker]:
        """List them by their names."""
        found: dict[bytes, bytes] = await self._store.redis.hgetall(key("workers"))  # type: ignore[misc]
        beats = {name.decode(errors="replace"): read_beat(value) for name, value in sorted(found.items())}
        now_ms = await self._store.now_ms(self._clock)
        lives = {name: beat for name, beat in beats.items() if beat and beat.alive_until_ms > now_ms}
        told = await self._store.redis.mget([key("worker", name) for name in lives]) if lives else []
        return [
            LivingWorker(name, beat.slots, beat.alive_until_ms, _facts(raw))
            for (name, beat), raw in zip(lives.items(), told, strict=True)
        ]


def _facts(raw: bytes | None) -> WorkerFacts | None:
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=WorkerFacts)
    except msgspec.DecodeError:  # of a newer release, which says it otherwise
        return None
