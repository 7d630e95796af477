"""What a job will cost and take: by jobs like it that have ended, as far as there are enough of them."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Code
from core.model import transitions
from core.model.estimate import ENOUGH_JOBS, counted_outcome, estimate_of, job_kind_of, measurements_of
from core.model.job import Job, MediaRef, Stage
from core.model.plan import Plan
from core.profiles import PROFILES
from core.store.jobs.effects import time_samples
from tests.store_fixture import make_job

NOW_MS = 1_795_000_000_000
#: how much wider than the truth a class of time may be
CLASS = 10 ** (1 / 20)
MB = 1_000_000


def an_edit(*, mb: float | None = 5, **facts) -> Job:
    size_bytes = None if mb is None else int(mb * MB)
    media = (MediaRef(name="a.mp4", upload_id=None if mb is None else "upl_1", size_bytes=size_bytes),)
    return make_job(**({"media": media, "plan": Plan(message="trim", action="export")} | facts))


def ended_well(job: Job, *, took_s: float, cost: int | None = 50, exact: bool = True):
    """Give what is counted of a job that took so long."""
    now = transitions.started(job, now_ms=NOW_MS)
    done = transitions.succeeded(now, now_ms=NOW_MS + round(took_s * 1000))
    return counted_outcome(now, msgspec.structs.replace(done, credits_used=cost, credits_exact=exact))


def measured(outcomes: Iterable):
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        counted[outcome.group].update(outcome.classes)
    return measurements_of(counted)


def truth(values: list[float], share: float) -> float:
    """Give the smallest of all values that this share of them does not exceed."""
    return next(v for v in sorted(values) if sum(each <= v for each in values) >= share * len(values))


def test_what_a_job_has_waited_for_credits_is_no_time_that_others_will_take():
    now = transitions.started(an_edit(created_at_ms=NOW_MS), now_ms=NOW_MS)
    slept = transitions.credits_awaited(now, from_ms=NOW_MS, until_ms=NOW_MS + 1_200_000)
    done = transitions.succeeded(slept, now_ms=NOW_MS + 1_240_000)
    assert counted_outcome(slept, done) == ended_well(an_edit(), took_s=40, cost=None)


def test_a_stage_in_which_a_job_has_waited_for_credits_does_not_tell_how_long_others_are_in_it():
    now = transitions.started(an_edit(created_at_ms=NOW_MS), now_ms=NOW_MS)
    now = msgspec.structs.replace(now, stage_since_ms=NOW_MS)
    slept = transitions.credits_awaited(now, from_ms=NOW_MS, until_ms=NOW_MS + 1_200_000)
    for begun, sample in ((now, {"stage": "preparing", "ms": 1_200_500}), (slept, None)):
        moved = transitions.moved(begun, Stage.UPLOADING)
        assert time_samples(begun, moved, NOW_MS + 1_200_500)["stage_sample"] == sample


def test_a_job_that_was_canceled_while_it_had_no_credits_does_not_tell_how_long_others_take():
    now = transitions.started(an_edit(created_at_ms=NOW_MS), now_ms=NOW_MS)
    slept = transitions.credits_awaited(now, from_ms=NOW_MS, until_ms=NOW_MS + 1_200_000)
    canceled = transitions.canceled(transitions.cancel_asked(slept, now_ms=NOW_MS), now_ms=NOW_MS + 600_000)
    assert canceled.took_ms is None


@pytest.mark.parametrize("seed", range(5))
def test_the_quantiles_of_two_hundred_jobs_are_within_a_class_of_the_truth(seed):
    chance = random.Random(seed)
    took_s = [chance.lognormvariate(3.5, 0.8) for _ in range(200)]
    told = estimate_of(an_edit(), measured(ended_well(an_edit(), took_s=each) for each in took_s))
    assert (told.time_basis, told.time_jobs) == ("measured", 200)
    for shown_s, true_s in ((told.p50_s, truth(took_s, 0.5)), (told.p90_s, truth(took_s, 0.9))):
        assert true_s - 0.001 <= shown_s <= true_s * CLASS * 1.01, "rounded up, to three digits"


def test_credits_are_told_as_they_were_charged():
    costs = [40] * 3 + [50] * 40 + [120] * 40 + [900] * 3
    told = estimate_of(an_edit(), measured(ended_well(an_edit(), took_s=9, cost=each) for each in costs))
    assert (told.credits, told.credits_typical) == ((50, 120), 50)
    assert (told.credits_basis, told.credits_jobs) == ("measured", 86)


def test_what_was_not_read_exactly_is_no_measure_of_credits():
    told = estimate_of(an_edit(), measured(ended_well(an_edit(), took_s=9, cost=70, exact=False) for _ in range(50)))
    assert (told.credits, told.credits_basis, told.time_basis) == ((50, 100), "contract", "measured")


@pytest.mark.parametrize(("jobs", "basis"), [(ENOUGH_JOBS - 1, "contract"), (ENOUGH_JOBS, "measured")])
def test_too_few_jobs_say_nothing(jobs, basis):
    told = estimate_of(an_edit(), measured(ended_well(an_edit(), took_s=9) for _ in range(jobs)))
    assert (told.time_basis, told.credits_basis) == (basis, basis)
    assert told.time_jobs == (jobs if basis == "measured" else 0)


@pytest.mark.parametrize(
    ("lengths_s", "size"),
    [
        *(((4.0,), "10 s"), ((10.0,), "10 s"), ((10.2,), "30 s"), ((6.0, 6.0), "30 s"), ((3600.0,), "more s")),
        *(((1.7e308, 1.7e308), "more s"), ((4.0, None), "10000000")),
    ],
)
def test_an_edit_is_as_long_as_its_uploads_together_or_as_large_where_one_has_no_length(lengths_s, size: str):
    media = tuple(MediaRef(name="a", upload_id="upl_1", size_bytes=MB, duration_s=each) for each in lengths_s)
    assert job_kind_of(an_edit(media=media)).group == f"free-video-fast/edit/export/{size}"


def test_where_jobs_of_its_size_are_too_few_those_of_any_size_speak():
    small = [ended_well(an_edit(mb=5), took_s=10) for _ in range(30)]
    large = [ended_well(an_edit(mb=150), took_s=100) for _ in range(ENOUGH_JOBS)]
    found = measured(small + large)
    assert estimate_of(an_edit(mb=4), found).p90_s == pytest.approx(10, rel=0.14)
    assert estimate_of(an_edit(mb=120), found).p50_s == pytest.approx(100, rel=0.14)
    of_all = estimate_of(an_edit(mb=None), found)
    assert (of_all.time_jobs, of_all.p50_s, of_all.p90_s) == (50, *map(pytest.approx, (11.3, 113)))


def test_only_what_is_alike_is_compared():
    asks = [
        *(an_edit(mb=mb) for mb in (0.5, 1.5, 11, 51, 201, None)),
        an_edit(media=()),
        an_edit(profile="trimmer-exe"),
        an_edit(plan=Plan(message="trim", action="none")),
        an_edit(plan=Plan(message=None, action="export")),
        *(
            an_edit(media=(), plan=Plan(message=f"create {what}", action="export"))
            for what in ("an ad", "a 10-second ad", "a 30 s ad", "a 2 min ad", "a 3-minute ad")
        ),
    ]
    assert len({job_kind_of(job).group for job in asks}) == len(asks)
    assert job_kind_of(an_edit(mb=2)) == job_kind_of(an_edit(mb=9, prompt="other words", tenant="beta"))


@pytest.mark.parametrize("length", ["0.5 min", "0,5 minutes", "12.50 s"])
def test_a_length_is_read_with_its_fraction(length: str):
    asks = [Plan(message=f"create an ad, {each} long", action="export") for each in (length, "30 s")]
    assert len({job_kind_of(an_edit(media=(), plan=plan)) for plan in asks}) == 1


@pytest.mark.parametrize("profile", PROFILES)
def test_where_nothing_is_measured_the_contract_is_told(profile):
    told = estimate_of(an_edit(profile=profile), {})
    from_s, to_s = PROFILES[profile].typical_time_s
    assert from_s < told.p50_s < told.p90_s == to_s <= 120
    assert (told.credits, told.credits_typical, told.credits_basis, told.time_basis) == (
        *((50, 100), 50),
        *("contract", "contract"),
    )


def test_the_contract_knows_no_time_of_a_render_alone_which_is_free():
    told = estimate_of(an_edit(plan=Plan(message=None, action="export")), {})
    assert (told.credits, told.credits_typical, told.p50_s, told.p90_s) == ((0, 0), 0, None, None)


def test_a_generation_may_cost_its_price_for_each_file():
    pictures = tuple(MediaRef(name=f"{n}.png", url="https://x") for n in range(3))
    plan = Plan(message="create a 30-second ad", action="export")
    assert estimate_of(an_edit(media=pictures, plan=plan), {}).credits == (100, 300)
    assert estimate_of(an_edit(media=(), plan=plan), {}).credits == (100, 100)


def test_a_job_that_did_not_succeed_is_not_counted():
    now = transitions.started(an_edit(), now_ms=NOW_MS)
    assert counted_outcome(now, transitions.failed(now, now_ms=NOW_MS + 5, code=Code.INTERNAL)) is None
    assert counted_outcome(now, transitions.canceled(transitions.cancel_asked(now, now_ms=1), now_ms=NOW_MS)) is None
    assert counted_outcome(an_edit(), now) is None


def test_classes_of_a_newer_release_are_left_out():
    group = job_kind_of(an_edit()).group
    found = measurements_of({group: {"t90": ENOUGH_JOBS, "x7": 900, "t!": 3, "": 4}})
    assert estimate_of(an_edit(), found).time_jobs == ENOUGH_JOBS


@given(st.lists(st.tuples(st.floats(0, 90_000), st.integers(0, 10**9)), min_size=ENOUGH_JOBS, max_size=60))
def test_an_estimate_is_in_order_and_within_what_was_seen(seen):
    told = estimate_of(an_edit(), measured(ended_well(an_edit(), took_s=s, cost=cost) for s, cost in seen))
    assert told.p50_s <= told.p90_s
    assert told.credits[0] <= told.credits_typical <= told.credits[1]
    assert told.p90_s <= max(0.002, *(s for s, _ in seen)) * CLASS * 1.01
    costs = [cost for _, cost in seen]
    assert min(costs) * 0.994 <= told.credits[0] <= told.credits[1] <= max(costs) * 1.006
