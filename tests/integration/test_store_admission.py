"""Who is let in when: fair over tenants, by priority within one, in order within a session."""

import msgspec
import pytest

from core.errors import Code, WaitReason
from core.model import transitions
from core.model.job import Job, Status
from core.store.jobs.queries import QueuePosition
from core.store.jobs.submissions import Accepted
from core.store.jobs.timings import Pace
from core.store.redis.functions import ADMITTED_PER_PLACE
from core.store.redis.keys import key
from tests.store_fixture import Core, core

__all__ = ["core"]

BATCH = 1000


async def fill(core: Core, tenant: str, number: int) -> list[Job]:
    jobs = [core.new_job(tenant) for _ in range(number)]
    for start in range(0, number, BATCH):
        await core.offer(*jobs[start : start + BATCH])
    return jobs


async def test_a_tenant_behind_ten_thousand_jobs_of_another_starts_next_but_one(core: Core) -> None:
    core.with_settings(tenant_running_jobs=10_000)
    await fill(core, "huge", 10_000)
    small = await core.submit("small")
    await core.slots(2)
    assert small.id in await core.admitted()


async def test_tenants_take_turns_however_many_jobs_each_has(core: Core) -> None:
    for tenant, number in (("a", 9), ("b", 2), ("c", 5)):
        await fill(core, tenant, number)
    order = []
    for _ in range(16):
        await core.slots(1)
        job = await load(core, (await core.admitted())[0])
        order.append(job.tenant)
        await core.cancel(job)
    assert "".join(order) == "abcabcacacacaaaa"


async def test_a_tenant_at_its_cap_waits_and_comes_back_when_one_of_its_jobs_ends(core: Core) -> None:
    core.with_settings(tenant_running_jobs=2)
    await core.slots(10)
    jobs = [await core.submit() for _ in range(4)]
    assert set(await core.admitted()) == {jobs[0].id, jobs[1].id}
    place = await core.listing.queue_position(jobs[2])
    assert place.position == 1
    await core.run(jobs[0])
    assert set(await core.admitted()) == {jobs[1].id, jobs[2].id}
    await core.cancel(jobs[1])
    assert set(await core.admitted()) == {jobs[2].id, jobs[3].id}


async def test_a_higher_cap_lets_in_what_waits_also_where_none_of_the_tenant_s_jobs_ends(core: Core) -> None:
    core.with_settings(tenant_running_jobs=1)
    await core.redis.sadd(key("tenants"), "acme")  # type: ignore[misc]
    await core.slots(10)
    first, waiting = await core.submit(), await core.submit()
    await sleep(core, first, WaitReason.NO_CREDITS, for_s=3600)
    core.with_settings(tenant_running_jobs=2)
    await core.gauges()
    await core.slots(10)
    assert waiting.id in await core.admitted()


async def test_a_job_of_which_nothing_is_left_counts_no_longer_against_its_tenant_s_cap(core: Core) -> None:
    core.with_settings(tenant_running_jobs=1)
    await core.redis.sadd(key("tenants"), "acme")  # type: ignore[misc]
    await core.slots(10)
    lost, waiting = await core.submit(), await core.submit()
    await core.redis.delete(key("job", lost.id))
    await core.turns.repair(0)
    await core.gauges()
    await core.slots(10)
    assert await core.admitted() == [waiting.id]


async def test_a_tenant_at_its_cap_does_not_stand_in_the_way_of_others(core: Core) -> None:
    core.with_settings(tenant_running_jobs=1)
    await core.slots(10)
    await fill(core, "capped", 50)
    other = await core.submit("other")
    assert other.id in await core.admitted()


async def test_priority_orders_within_a_tenant_and_arrival_within_a_priority(core: Core) -> None:
    late = await core.submit(priority=0)
    low = await core.submit(priority=-5)
    high = await core.submit(priority=10)
    also_high = await core.submit(priority=10)
    order = []
    for _ in range(4):
        await core.slots(1)
        order += await core.admitted()
        await core.cancel(await load(core, order[-1]))
        core.clock.turn(by_s=0.001)
    assert order == [high.id, also_high.id, late.id, low.id]


async def load(core: Core, job_id: str) -> Job:
    found = await core.jobs.load(job_id)
    assert found is not None
    return found


async def test_priority_does_not_reach_over_tenants(core: Core) -> None:
    first = await core.submit("a", priority=-100)
    await core.submit("b", priority=100)
    await core.slots(1)
    assert await core.admitted() == [first.id]


async def test_no_more_are_let_in_than_all_living_workers_can_hold(core: Core) -> None:
    await core.turns.admit(worker="w1", slots=2, alive_s=10)
    await core.turns.admit(worker="w2", slots=1, alive_s=10)
    jobs = await fill(core, "acme", 10)
    assert len(await core.admitted()) == 3
    core.clock.turn(by_s=11)
    await core.run(jobs[0])
    assert len(await core.admitted()) == 2
    assert await core.redis.hlen(key("workers")) == 0
    await core.turns.admit(worker="w3", slots=5, alive_s=10)
    assert len(await core.admitted()) == 5


async def test_a_batch_is_let_in_as_a_whole_where_there_is_room(core: Core) -> None:
    core.with_settings(tenant_running_jobs=200)
    await core.slots(200)
    jobs = await fill(core, "acme", 150)
    assert set(await core.admitted()) == {job.id for job in jobs}


async def sleep(core: Core, job: Job, reason: WaitReason, *, for_s: float) -> None:
    """What a worker does with a job that has to wait."""
    claim = await core.claim(job)
    job = claim.job if claim.job.started_at_ms else transitions.started(claim.job, now_ms=core.clock.now_ms())
    until_ms = core.clock.now_ms() + int(for_s * 1000)
    await core.write(claim, transitions.waiting(job, reason=reason, until_ms=until_ms), park_until_ms=until_ms)


async def tenants_without_credits(core: Core, number: int, reason: WaitReason) -> list[Job]:
    """Each is at its cap of one, and all together hold every place of the only worker."""
    core.with_settings(tenant_running_jobs=1)
    await core.slots(number)
    jobs = [await core.submit(f"poor{nth}") for nth in range(number)]
    for job in jobs:
        await sleep(core, job, reason, for_s=60)
    return jobs


@pytest.mark.parametrize("reason", [WaitReason.NO_CREDITS, WaitReason.BACKEND_RATE_LIMITED])
async def test_jobs_that_sleep_for_a_token_keep_no_other_tenant_s_from_starting(core: Core, reason: WaitReason) -> None:
    await tenants_without_credits(core, 3, reason)
    rich = await core.submit("rich")
    assert rich.id in await core.admitted()
    assert (await core.gauges()).slots_used == 1


async def test_jobs_that_wait_for_the_backend_itself_keep_their_places(core: Core) -> None:
    await tenants_without_credits(core, 3, WaitReason.BACKEND_DOWN)
    other = await core.submit("other")
    assert other.id not in await core.admitted()
    assert (await core.gauges()).slots_used == 3


async def test_a_job_that_wakes_has_its_place_again_also_where_others_have_taken_all(core: Core) -> None:
    asleep = await tenants_without_credits(core, 2, WaitReason.NO_CREDITS)
    rich = [await core.submit(f"rich{nth}") for nth in range(3)]
    assert {job.id for job in rich[:2]} == set(await core.admitted()) - {job.id for job in asleep}
    core.clock.turn(by_s=60)
    woken = [await core.claim(job) for job in asleep]
    assert (await core.gauges()).slots_used == 4
    await core.run(rich[0])
    assert rich[2].id not in await core.admitted(), "those that have started go before those that have not"
    for claim in woken:
        await core.finish(claim)
    assert rich[2].id in await core.admitted()


async def test_a_tenant_whose_jobs_sleep_for_credits_stays_at_its_cap(core: Core) -> None:
    await tenants_without_credits(core, 1, WaitReason.NO_CREDITS)
    another = await core.submit("poor0")
    assert another.id not in await core.admitted()
    assert (await core.gauges()).jobs[WaitReason.TENANT_CAP] == 1


async def poor_tenant_asleep_in_all_places(core: Core) -> None:
    """One tenant's jobs that sleep for credits, as many as the only worker may have for its place."""
    core.with_settings(tenant_running_jobs=100)
    await core.slots(1)
    for _ in range(ADMITTED_PER_PLACE):
        await sleep(core, await core.submit("poor"), WaitReason.NO_CREDITS, for_s=60)


async def test_no_more_of_a_tenant_sleep_than_the_workers_can_look_at(core: Core) -> None:
    await poor_tenant_asleep_in_all_places(core)
    last = await core.submit("poor")
    await core.slots(1)
    assert last.id not in await core.admitted()


async def test_however_many_sleep_of_one_tenant_another_one_s_jobs_begin(core: Core) -> None:
    await poor_tenant_asleep_in_all_places(core)
    await core.submit("poor")
    for job in [await core.submit("rich") for _ in range(2)]:
        assert job.id in await core.admitted()
        await core.run(job)


async def test_where_too_many_sleep_each_tenant_adds_one_more(core: Core) -> None:
    await poor_tenant_asleep_in_all_places(core)
    one, *others = [await core.submit("also poor") for _ in range(3)]
    await sleep(core, one, WaitReason.NO_CREDITS, for_s=60)
    await core.slots(1)
    assert {job.id for job in others}.isdisjoint(await core.admitted())


async def test_whose_turn_passed_since_too_many_slept_is_let_in_once_fewer_do(core: Core) -> None:
    await poor_tenant_asleep_in_all_places(core)
    next_one = await core.submit("poor")
    await core.slots(1)
    asleep = await load(core, (await core.admitted())[0])
    await core.cancel(asleep)
    await core.finish(await core.claim(asleep))
    assert next_one.id in await core.admitted()


async def test_what_sleeps_is_counted_as_no_job_that_is_let_in_and_has_not_begun(core: Core) -> None:
    await tenants_without_credits(core, 2, WaitReason.NO_CREDITS)
    await core.submit("rich")
    found = await core.gauges()
    assert (found.jobs[WaitReason.QUEUED_BEHIND], found.jobs[Status.QUEUED]) == (1, 1)


async def test_an_end_in_its_sleep_leaves_nothing_behind(core: Core) -> None:
    [job] = await tenants_without_credits(core, 1, WaitReason.NO_CREDITS)
    await core.cancel(job)
    await core.finish(await core.claim(job))
    assert await core.redis.zcard(key("asleep")) == 0
    await core.submit("a")
    late = await core.submit("b")
    assert late.id not in await core.admitted(), "its place is not given away twice"


async def test_a_job_that_a_cancel_wakes_has_its_place_again_at_once(core: Core) -> None:
    """It may have a while to go: the backend is asked what became of its message, or of its render."""
    [job] = await tenants_without_credits(core, 1, WaitReason.NO_CREDITS)
    await core.cancel(job)
    other = await core.submit("other")
    assert other.id not in await core.admitted()
    assert (await core.gauges()).slots_used == 1


async def test_a_job_of_which_nothing_is_left_has_lent_no_place(core: Core) -> None:
    [job] = await tenants_without_credits(core, 1, WaitReason.NO_CREDITS)
    await core.redis.delete(key("job", job.id))
    await core.redis.zrem(key("arq_queue"), job.id)
    await core.turns.repair(0)
    first, second = await core.submit("a"), await core.submit("b")
    assert await core.admitted() == [first.id], f"{second.id} has to wait"


async def test_what_another_release_leaves_of_a_job_that_slept_is_over_by_itself(core: Core) -> None:
    """One that knows of no places that are lent ends the job."""
    [job] = await tenants_without_credits(core, 1, WaitReason.NO_CREDITS)
    await core.redis.zrem(key("admitted"), job.id)
    core.clock.turn(by_s=60)
    first, late = await core.submit("a"), await core.submit("b")
    assert await core.admitted() == [first.id]
    await sleep(core, first, WaitReason.NO_CREDITS, for_s=60)
    assert await core.redis.zrange(key("asleep"), 0, -1) == [first.id.encode()]
    await core.slots(1)
    assert late.id in await core.admitted()


async def test_one_that_comes_behind_others_of_its_tenant_does_not_pass_them(core: Core) -> None:
    await core.slots(1)
    jobs = [await core.submit() for _ in range(3)]
    await core.submit("other")
    await core.slots(3)
    admitted = await core.admitted()
    assert (len(admitted), admitted[0], jobs[2].id in admitted) == (3, jobs[0].id, False)


async def test_a_worker_that_goes_takes_its_places_along(core: Core) -> None:
    await core.slots(5)
    await core.turns.admit(worker="w", slots=0)
    await core.submit()
    assert await core.admitted() == []


@pytest.mark.parametrize("end", ["succeeded", "failed", "canceled while running", "canceled while queued", "expired"])
async def test_the_end_of_a_job_rings_the_next_of_its_session(core: Core, end: str) -> None:
    first = await core.submit()
    second = await core.submit(session_id=first.session_id, new_session=False)
    third = await core.submit(session_id=first.session_id, new_session=False)
    if end not in ("canceled while queued", "expired"):
        await core.slots(10)
        assert await core.admitted() == [first.id]
    await finish(core, first, end)
    await core.slots(10)
    assert await core.admitted() == [second.id]
    await core.run(second)
    assert await core.admitted() == [third.id]


async def finish(core: Core, job: Job, end: str) -> None:
    match end:
        case "succeeded":
            await core.run(job)
        case "failed":
            await core.run(job, Code.NOTHING_CHANGED)
        case "canceled while running":
            claim = await core.begin(job)
            await core.cancel(job)
            await core.write(claim, transitions.canceled(await core.read(job), now_ms=core.clock.now_ms()))
        case "canceled while queued":
            await core.cancel(job)
        case "expired":
            over = transitions.expired(job, now_ms=core.clock.now_ms())
            await core.jobs.commit(job, over, owner=None, event=core.news(job, over))


async def test_a_job_canceled_in_the_middle_of_its_session_s_queue_holds_up_nobody(core: Core) -> None:
    first = await core.submit()
    middle = await core.submit(session_id=first.session_id, new_session=False)
    last = await core.submit(session_id=first.session_id, new_session=False)
    assert (await core.listing.queue_position(last)).behind == middle.id
    await core.slots(10)
    await core.cancel(middle)
    assert await core.admitted() == [first.id]
    await core.run(first)
    assert await core.admitted() == [last.id]


async def test_waiting_in_a_session_takes_no_place_of_the_tenant(core: Core) -> None:
    core.with_settings(tenant_running_jobs=2)
    await core.slots(10)
    first = await core.submit()
    await core.submit(session_id=first.session_id, new_session=False)
    alone = await core.submit()
    assert set(await core.admitted()) == {first.id, alone.id}


async def test_a_queued_job_is_named_when_its_time_to_start_is_over(core: Core) -> None:
    job = await core.submit(start_timeout_s=60)
    assert await core.turns.not_started_in_time() == []
    core.clock.turn(by_s=60)
    assert await core.turns.not_started_in_time() == [job.id]
    await finish(core, job, "expired")
    assert await core.turns.not_started_in_time() == []
    assert (await core.read(job)).status is Status.EXPIRED


FORTY = Pace(p50_s=40, p90_s=90, at_once=4)


@pytest.mark.parametrize(("before", "eta"), [(0, (40, 90)), (3, (40, 90)), (4, (80, 130)), (8, (120, 170))])
async def test_an_estimate_counts_rounds_of_the_median(core: Core, before: int, eta: tuple[float, float]) -> None:
    await fill(core, "acme", before)
    found = await core.listing.queue_position(await core.submit(), FORTY)
    assert (found.position, found.eta_p50_s, found.eta_p90_s) == (before + 1, *eta)


async def test_in_a_session_one_runs_at_a_time(core: Core) -> None:
    first = await core.submit()
    second = await core.submit(session_id=first.session_id, new_session=False)
    third = await core.submit(session_id=first.session_id, new_session=False)
    assert await core.listing.queue_position(third, FORTY) == QueuePosition(second.id, 3, False, 120, 170)


async def test_one_that_is_about_to_be_taken_has_no_position_but_an_estimate(core: Core) -> None:
    await core.slots(1)
    assert await core.listing.queue_position(await core.submit(), FORTY) == QueuePosition(eta_p50_s=40, eta_p90_s=90)


async def test_without_a_pace_there_is_no_estimate(core: Core) -> None:
    assert await core.listing.queue_position(await core.submit()) == QueuePosition(position=1)


async def test_the_event_of_a_submit_says_what_a_reader_is_told_right_after(core: Core) -> None:
    core.with_settings(tenant_running_jobs=1)
    await fill(core, "acme", 5)
    job = core.new_job()
    accepted = await core.intake.accept([core.submission(job)], key_id="key_1", idempotency=None, pace=FORTY)
    assert isinstance(accepted, Accepted)
    found = await core.listing.queue_position(job, FORTY)
    (event,) = (await core.events.of_job(job.id)).events
    told = msgspec.json.decode(event.body)["data"]["job"]["wait"]
    assert told == msgspec.json.decode(accepted.waits[0])
    assert (told["position"], told["eta_p50_s"], told["eta_p90_s"]) == (6, found.eta_p50_s, found.eta_p90_s)
