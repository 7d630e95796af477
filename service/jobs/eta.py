"""Estimates of when a job ends, and when it is worth looking again. Pure: how long jobs take is handed in."""

import math

from core.model.job import Job, Stage
from core.store.jobs.timings import Pace, TimingStats

#: nobody is told to come back later than this
_LONGEST_S = 60
#: a guess where too few jobs have ended to know
_LOOK_AGAIN_S: dict[Stage | None, int] = {
    None: 2,
    Stage.PREPARING: 2,
    Stage.UPLOADING: 2,
    Stage.EDITING: 5,
    Stage.RECOVERING: 10,
    Stage.RENDERING: 5,
    Stage.STORING: 1,
}


def concurrency_of(timings: TimingStats, *, tenant_places: int) -> int:
    """Say how many jobs of a tenant run at the same time."""
    return max(1, min(timings.places, tenant_places))


def pace_of(timings: TimingStats, *, tenant_places: int) -> Pace | None:
    """Say what a queued job's estimate is made of. None where nothing is known."""
    if not timings.known:
        return None
    return Pace(timings.p50_s, timings.p90_s, concurrency_of(timings, tenant_places=tenant_places))


def look_again_s(job: Job, timings: TimingStats, eta_p50_s: float | None, *, now_ms: int) -> int:
    """Say in how many seconds a job that has not ended is worth another look: half-way to its expected end."""
    if eta_p50_s is not None:
        return _half_way(eta_p50_s)
    if (left_s := left_in_stages_s(job, timings, now_ms=now_ms)) is not None:
        return _half_way(left_s) if left_s else _LOOK_AGAIN_S[job.stage]
    if not timings.known or job.started_at_ms is None:
        return _LOOK_AGAIN_S[job.stage]
    left_s = timings.p50_s - (now_ms - job.started_at_ms - job.waited_ms) / 1000
    return _half_way(left_s) if left_s > 0 else _LOOK_AGAIN_S[job.stage]


def left_in_stages_s(job: Job, timings: TimingStats, *, now_ms: int) -> float | None:
    """Add up what is left of a job's stage, as most are in it, and the stages that it has yet to come through.

    None where its stage was not measured yet; 0 where it takes longer than nine tenths of all: nothing is known then.
    """
    stage_s = timings.stages.get(job.stage) if job.stage else None
    if stage_s is None or job.stage is None or job.stage_since_ms is None:
        return None
    spent_s = (now_ms - job.stage_since_ms) / 1000
    left_s = (stage_s.p50_s if spent_s < stage_s.p50_s else stage_s.p90_s) - spent_s
    if left_s <= 0:
        return 0
    return left_s + sum(timings.stages[s].p50_s for s in _stages_ahead(job, job.stage) if s in timings.stages)


def _stages_ahead(job: Job, stage: Stage) -> list[Stage]:
    """Name the stages after this one that a job comes through when all goes well."""
    skipped = {Stage.RECOVERING}
    if not job.media:
        skipped.add(Stage.UPLOADING)
    if job.plan.message is None or job.edited:
        skipped.add(Stage.EDITING)
    if job.plan.action != "export":
        skipped |= {Stage.RENDERING, Stage.STORING}
    order = list(Stage)
    return [s for s in order[order.index(stage) + 1 :] if s not in skipped]


def _half_way(left_s: float) -> int:
    return max(1, min(_LONGEST_S, math.ceil(left_s / 2)))
