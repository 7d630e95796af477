"""When a job may be expected to end, and when it is worth another look."""

import msgspec
import pytest

from core.model.job import MediaRef, Stage
from core.model.plan import Plan
from core.model.transitions import credits_awaited, started
from core.store.jobs.timings import Pace, Quantiles, TimingStats
from service.jobs.eta import look_again_s, pace_of
from tests.store_fixture import make_job

NOW_MS = 1_795_000_000_000
CLIP = MediaRef(url="https://x.example/a.mp4", name="a.mp4")
KNOWN = TimingStats(p50_s=40, p90_s=90, places=4, known=True)


def test_where_nothing_is_known_there_is_no_pace_to_estimate_by() -> None:
    assert pace_of(KNOWN, tenant_places=100) == Pace(40, 90, at_once=4)
    assert pace_of(KNOWN, tenant_places=2) == Pace(40, 90, at_once=2)
    assert pace_of(TimingStats(0, 0, 4, known=False), tenant_places=100) is None


def test_a_caller_is_asked_to_come_back_half_way_to_the_end() -> None:
    job = make_job(media=(CLIP,))
    assert look_again_s(job, KNOWN, 40, now_ms=NOW_MS) == 20
    assert look_again_s(job, KNOWN, 4000, now_ms=NOW_MS) == 60
    now = started(job, now_ms=NOW_MS)
    assert look_again_s(now, KNOWN, None, now_ms=NOW_MS + 30_000) == 5
    assert look_again_s(now, KNOWN, None, now_ms=NOW_MS + 300_000) == 2


def test_what_a_job_has_waited_for_credits_brings_its_end_no_nearer() -> None:
    now = started(make_job(created_at_ms=NOW_MS), now_ms=NOW_MS)
    slept = credits_awaited(now, from_ms=NOW_MS, until_ms=NOW_MS + 300_000)
    assert look_again_s(slept, KNOWN, None, now_ms=NOW_MS + 330_000) == 5


STAGES = {Stage.EDITING: Quantiles(40, 100), Stage.RENDERING: Quantiles(30, 60), Stage.STORING: Quantiles(2, 4)}


@pytest.mark.parametrize(
    ("stage", "been_s", "wanted_s"),
    [
        (Stage.EDITING, 0, 36),  # half of 40 + 30 + 2
        (Stage.EDITING, 20, 26),
        (Stage.EDITING, 60, 36),  # past the median: 100 is what counts now
        (Stage.RENDERING, 10, 11),
        (Stage.STORING, 1, 1),
        (Stage.STORING, 9, 1),  # longer than nine tenths of all: nothing is known
        (Stage.PREPARING, 0, 20),  # not measured: by whole runs
    ],
)
def test_a_running_job_s_next_look_comes_from_what_its_stages_take(stage: Stage, been_s: int, wanted_s: int) -> None:
    job = started(make_job(media=(CLIP,)), now_ms=NOW_MS)
    now = msgspec.structs.replace(job, stage=stage, stage_since_ms=NOW_MS)
    assert look_again_s(now, KNOWN._replace(stages=STAGES), None, now_ms=NOW_MS + been_s * 1000) == wanted_s


def test_a_job_without_an_export_has_no_stages_after_its_edit() -> None:
    job = started(make_job(media=(CLIP,), plan=Plan(message="trim", action="none")), now_ms=NOW_MS)
    now = msgspec.structs.replace(job, stage=Stage.EDITING, stage_since_ms=NOW_MS)
    assert look_again_s(now, KNOWN._replace(stages=STAGES), None, now_ms=NOW_MS) == 20
