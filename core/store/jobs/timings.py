"""Timing statistics: how long jobs, each of their stages and their renders take, by the last ones, and how many run at once."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from core.clock import Clock
from core.model.job import Stage
from core.model.render_looks import first_look_s
from core.profiles import PROFILES
from core.store.redis.client import Store
from core.store.redis.keys import key
from core.store.redis.remembered import Remembered
from core.store.workers import read_beat

#: as any release writes a time; what else may stand there is nobody's time
_MS = re.compile(rb"[0-9]{1,12}(\.[0-9]*)?")
#: fewer ends than this say nothing yet
_ENOUGH = 3
#: read anew after so long
_FRESH_MS = 2000
#: for first looks: what a hundred renders took moves slowly
_FIRST_LOOKS_FRESH_MS = 30_000


class Quantiles(NamedTuple):
    """How long something takes, in seconds: one half of the times, and nine tenths."""

    p50_s: float
    p90_s: float


class TimingStats(NamedTuple):
    """Running times in seconds, and the slots that all workers have together. `known`: enough jobs have ended.

    `stages`: those that enough jobs have come through.
    """

    p50_s: float
    p90_s: float
    places: int
    known: bool
    stages: Mapping[Stage, Quantiles] = MappingProxyType({})


class Pace(NamedTuple):
    """How long jobs take, and how many of a tenant's run at once: what a queued job's estimate is made of."""

    p50_s: float
    p90_s: float
    at_once: int


class Timings(Remembered[TimingStats]):
    """The statistics, read at most every two seconds in a process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(self._measure, TimingStats(0, 0, 0, known=False), clock, fresh_ms=_FRESH_MS)
        self._store = store

    async def _measure(self) -> TimingStats:
        now_ms = await self._store.now_ms(self._clock)
        pipe = self._store.redis.pipeline(transaction=False)
        pipe.lrange(key("run_samples"), 0, -1)
        pipe.hvals(key("workers"))
        for stage in Stage:
            pipe.lrange(key("stage_samples", stage), 0, -1)
        samples, workers, *staged = await pipe.execute()
        beats = [beat for told in workers if (beat := read_beat(told))]
        places = sum(beat.slots for beat in beats if beat.alive_until_ms > now_ms)
        runs = _span(samples)
        stages = {stage: span for stage, times in zip(Stage, staged, strict=True) if (span := _span(times))}
        if runs is None:
            return TimingStats(0, 0, places, known=False, stages=stages)
        return TimingStats(runs.p50_s, runs.p90_s, places, known=True, stages=stages)


class FirstLooks(Remembered[Mapping[str, float]]):
    """How long after it was asked for a render is first looked at, in seconds, by profile; read twice a minute at most.

    It goes by what the backend says that its renders took. When we looked says less: no render would ever be known to be done
    before the first look at it, which would come later and later.
    """

    def __init__(self, store: Store, clock: Clock, *, interval_s: float) -> None:
        super().__init__(self._measure, MappingProxyType({}), clock, fresh_ms=_FIRST_LOOKS_FRESH_MS)
        self._store = store
        self._interval_s = interval_s

    async def _measure(self) -> Mapping[str, float]:
        pipe = self._store.redis.pipeline(transaction=False)
        for profile in PROFILES:
            pipe.lrange(key("render_samples", profile), 0, -1)
        took_ms = zip(PROFILES, await pipe.execute(), strict=True)
        return {
            profile: first_look_s([ms / 1000 for ms in _times_ms(each)], self._interval_s) for profile, each in took_ms
        }


def _times_ms(samples: Sequence[bytes]) -> list[float]:
    return [float(ms) for ms in samples if _MS.fullmatch(ms)]


def _span(samples: list[bytes]) -> Quantiles | None:
    times = sorted(int(ms) for ms in _times_ms(samples))
    return Quantiles(_at(times, 0.5), _at(times, 0.9)) if len(times) >= _ENOUGH else None


def _at(ended_ms: list[int], share: float) -> float:
    """Take a quantile, in seconds."""
    return ended_ms[min(len(ended_ms) - 1, int(share * len(ended_ms)))] / 1000
