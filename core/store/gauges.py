"""The gauges over all of Redis: counted by one worker at a time, read by all, in one operation that costs the same however
many jobs, tenants, tokens and deliveries there are.
"""

from collections import Counter
from typing import NamedTuple

from core.clock import Clock
from core.errors import WaitReason
from core.model.job import Status
from core.model.token import TokenState
from core.settings import Settings
from core.store.jobs.effects import PLACES
from core.store.redis.client import Store
from core.store.redis.keys import key

#: of each kind so many are looked at to mend what a process of another version has not kept
_SOME = 8
#: a worker that counts, and is not heard of for so many sweeps, is followed by another one
_SWEEPS = 4


class _Read(NamedTuple):
    gauges: tuple[str, ...] = ()


class Gauges(NamedTuple):
    """What was counted, and when. A time is None where there is nothing of its kind."""

    counted_at_ms: int
    #: by status, stage and reason to wait: a job counts under each that it has
    jobs: dict[str, int]
    due: int
    oldest_queued_at_ms: int | None
    workers: int
    slots: int
    slots_used: int
    tokens: dict[str, int]
    #: available, frozen and reserved
    credits: dict[str, int]
    pending: int
    oldest_pending_at_ms: int | None
    #: since when that callback is due which has waited longest for a worker to take it up. 0: none waits; None: an older release
    #: has counted, which does not tell
    oldest_due_callback_ms: int | None
    dead: int
    tenants_paused: int
    everybody_paused: bool
    #: None: they were not counted, which is done where is mended, and by no older release
    tenants: int | None


class GaugeStore:
    """Counts, where it is this worker's turn, and reads."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    async def are_anothers(self, worker: str) -> bool:
        """Whether another worker counts at present, and does with that what one is enough for."""
        return await self._store.redis.get(key("gauges_holder")) not in (None, worker.encode())

    async def read(self, *, worker: str, mend: bool = True) -> Gauges | None:
        """Read what was counted last, by this worker as long as it holds the lease. None: nobody has counted yet.

        `mend`: look as well, before it counts, for what a process of another version has changed and not kept.
        """
        arguments = self._clock.for_operations() | {
            "worker": worker,
            "lease_ms": int(_SWEEPS * self._settings.sweep_s * 1000),
            "places": list(PLACES),
            "tenant_running_jobs": self._settings.tenant_running_jobs,
            "some": _SOME if mend else 0,
        }
        found = (await self._store.run("read_gauges", arguments, _Read)).gauges
        numbers = dict(zip(found[::2], map(int, found[1::2]), strict=True))
        return _gauges_of(numbers) if numbers else None


def _gauges_of(numbers: dict[str, int]) -> Gauges:
    return Gauges(
        counted_at_ms=numbers["counted_ms"],
        jobs=_jobs_of(numbers),
        due=numbers["due"],
        oldest_queued_at_ms=numbers["oldest_queued_ms"] or None,
        workers=numbers["workers"],
        slots=numbers["slots"],
        slots_used=numbers["slots_used"],
        tokens={state: numbers.get(f"token {state}", 0) for state in TokenState},
        credits={kind: numbers.get(f"token {kind}", 0) for kind in ("available", "frozen", "reserved")},
        pending=numbers["pending"],
        oldest_pending_at_ms=numbers["oldest_pending_ms"] or None,
        oldest_due_callback_ms=numbers.get("oldest_due_callback_ms"),
        dead=numbers["dead"],
        # a worker of an older release, which knows no pauses, may have counted
        tenants_paused=numbers.get("tenants_paused", 0),
        everybody_paused=bool(numbers.get("everybody_paused", 0)),
        tenants=numbers.get("tenants"),
    )


def _jobs_of(numbers: dict[str, int]) -> dict[str, int]:
    """Add up the places, each under its status, its stage and its reason to wait."""
    jobs = Counter[str]({str(state): numbers.get(state, 0) for state in (Status.QUEUED, *_QUEUED_WAITS)})
    for place, states in PLACES.items():
        for state in states:
            jobs[state] += numbers.get(place, 0)
    return dict(jobs)


#: why a job waits that has not started
_QUEUED_WAITS = (WaitReason.QUEUED_BEHIND, WaitReason.SESSION_BUSY, WaitReason.TENANT_CAP, WaitReason.PAUSED)
