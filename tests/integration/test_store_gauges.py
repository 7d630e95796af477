"""The gauges over all of Redis: they say what is there, cost the same however much that is, and are counted by one."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from core.errors import WaitReason
from core.events.delivery import DeliveryState
from core.ids import new_id
from core.model import transitions
from core.model.job import Job, Stage, Webhook
from core.store.audit import AuditEntry
from core.store.gauges import Gauges
from core.store.jobs.records import Claim
from core.store.pauses import Pauses
from core.store.redis.functions import FEED_LIFE_MS
from core.store.redis.keys import key
from tests.store_fixture import Core, core, in_hundreds
from tests.until import PATIENCE_S, until

__all__ = ["core"]


def states(found: Gauges) -> dict[str, int]:
    """Say under what jobs are shown."""
    return {str(state): count for state, count in found.jobs.items() if count and state != "-"}


async def begun(core: Core, stage: Stage = Stage.EDITING) -> Claim:
    claim = await core.begin(await core.submit())
    return await core.write(claim, msgspec.structs.replace(claim.job, stage=stage, version=claim.job.version + 1))


async def park(core: Core, claim: Claim, reason: WaitReason) -> Job:
    """Put a job to sleep for an hour."""
    until_ms = core.clock.now_ms() + 3_600_000
    waiting = transitions.waiting(claim.job, reason=reason, until_ms=until_ms)
    waiting = msgspec.structs.replace(waiting, version=claim.job.version + 1)
    return (await core.write(claim, waiting, park_until_ms=until_ms)).job


async def test_five_jobs_that_are_parked_for_a_dead_backend_are_seen(core: Core) -> None:
    await core.slots(10)
    for _ in range(5):
        await park(core, await begun(core), WaitReason.BACKEND_DOWN)
    assert states(await core.gauges()) == {"running": 5, "editing": 5, "backend_down": 5}


async def test_a_job_is_shown_where_it_is_and_nowhere_when_it_has_ended(core: Core) -> None:
    await core.slots(10)
    job = await core.submit()
    assert states(await core.gauges()) == {"queued": 1, "queued_behind": 1}
    claim = await core.begin(job)
    seen = [states(await core.gauges())]
    for stage in (Stage.UPLOADING, Stage.EDITING, Stage.RENDERING):
        new = msgspec.structs.replace(claim.job, stage=stage, version=claim.job.version + 1)
        claim = await core.write(claim, new)
        seen.append(states(await core.gauges()))
    assert [row["running"] for row in seen] == [1] * 4
    assert seen[-1] == {"running": 1, "rendering": 1}
    await core.cancel(claim.job)
    assert states(await core.gauges()) == {"canceling": 1, "rendering": 1}
    now = await core.read(claim.job)
    over = transitions.canceled(now, now_ms=core.clock.now_ms())
    await core.jobs.commit(now, over, owner=claim.owner, event=core.news(now, over))
    assert states(await core.gauges()) == {}


async def waiting_for_all_reasons(core: Core) -> Job:
    """Fill three slots; six more jobs wait: one for its session, three for their tenant's cap, two for a slot. The first."""
    core.with_settings(tenant_running_jobs=2)
    await core.slots(3)
    first = await core.submit()
    await core.submit(session_id=first.session_id, new_session=False)
    for _ in range(4):  # one is let in, three wait for the tenant's cap
        await core.submit()
    for _ in range(3):  # one is let in, two behind it
        await core.submit("other")
    return first


async def test_why_queued_jobs_wait_is_told_for_all_tenants_together(core: Core) -> None:
    first = await waiting_for_all_reasons(core)
    found = await core.gauges()
    assert states(found) == {"queued": 9, "queued_behind": 5, "session_busy": 1, "tenant_cap": 3}
    assert (found.slots, found.slots_used, found.workers) == (3, 3, 1)
    await core.run(first)
    found = await core.gauges()
    assert found.jobs["queued"] == 8
    assert found.jobs["session_busy"] == 0


async def test_due_is_what_more_workers_could_take_up_each_once(core: Core) -> None:
    """Workers are scaled by it."""
    first = await waiting_for_all_reasons(core)
    assert (await core.gauges()).due == 3 + 2
    by = AuditEntry(user="root", host="console", action="pause")
    assert await Pauses(core.store, core.settings, core.clock).pause("other", audit=by)
    assert (await core.gauges()).due == 3
    await core.begin(first)
    assert (await core.gauges()).due == 2
    core.clock.turn(by_s=core.settings.lease_s)
    assert (await core.gauges()).due == 3, "nobody goes on with it"


async def test_a_tenant_that_is_under_its_cap_again_is_no_more_shown_at_it_though_another_gets_the_place(
    core: Core,
) -> None:
    core.with_settings(tenant_running_jobs=2)
    await core.slots(2)
    first, _ = await core.submit(), await core.submit()
    await core.submit("other")
    await core.submit()
    assert states(await core.gauges()) == {"queued": 4, "queued_behind": 3, "tenant_cap": 1}
    await core.run(first)
    assert states(await core.gauges()) == {"queued": 3, "queued_behind": 3}


async def test_the_oldest_queued_job_is_seen_also_where_its_tenant_is_at_its_cap(core: Core) -> None:
    core.with_settings(tenant_running_jobs=1)
    await core.slots(10)
    running, waiting = await core.submit(), await core.submit()
    await core.begin(running)
    core.clock.turn(by_s=50)
    later = await core.submit("other")
    assert (await core.gauges()).oldest_queued_at_ms == waiting.created_at_ms
    await core.cancel(waiting)
    assert (await core.gauges()).oldest_queued_at_ms == later.created_at_ms


async def test_pending_callbacks_and_the_oldest_are_counted_till_they_arrive_or_are_given_up(core: Core) -> None:
    await core.slots(10)
    begun_ms = core.clock.now_ms() + 1
    job = await core.submit(webhook=Webhook(url="https://a.example", events=("job.queued", "job.started")))
    core.clock.turn(by_s=30)
    await core.begin(job)
    found = await core.gauges()
    assert (found.pending, found.oldest_pending_at_ms, found.dead) == (2, begun_ms, 0)
    (first, _), (second, _) = await core.deliveries.of_job(job.id)
    for delivery, state in ((first, DeliveryState.DELIVERED), (second, DeliveryState.DEAD)):
        owner = f"w:{delivery.id}"
        assert await core.deliveries.claim(delivery.id, owner=owner, lease_ms=1000)
        over = msgspec.structs.replace(delivery, state=state)
        await core.deliveries.record(over, owner=owner)
    found = await core.gauges()
    assert (found.pending, found.oldest_pending_at_ms, found.dead) == (0, None, 1)


async def test_the_callback_that_is_due_longest_is_told_until_somebody_takes_it_up(core: Core) -> None:
    await core.slots(10)
    begun_ms = core.clock.now_ms()
    job = await core.submit(webhook=Webhook(url="https://a.example", events=("job.queued", "job.started")))
    core.clock.turn(by_s=30)
    await core.begin(job)
    (first, _), (second, _) = await core.deliveries.of_job(job.id)
    waits = [(await core.gauges()).oldest_due_callback_ms]
    for delivery in (first, second):
        await core.deliveries.claim(delivery.id, owner=f"w:{delivery.id}", lease_ms=60_000)
        waits.append((await core.gauges()).oldest_due_callback_ms)
    assert waits[0] is not None
    assert waits[1] is not None
    assert 0 <= waits[0] - begun_ms < 30_000, "the first one, which nobody has taken"
    assert 0 <= waits[1] - begun_ms - 30_000 < 30_000
    assert waits[2] == 0, "both are held"


async def test_a_callback_that_is_tried_again_later_is_due_from_then_on_behind_whatever_jobs(core: Core) -> None:
    await core.slots(10)
    job = await core.submit(webhook=Webhook(url="https://a.example", events=("job.queued",)))
    [(delivery, _)] = await core.deliveries.of_job(job.id)
    await core.deliveries.claim(delivery.id, owner="w:1", lease_ms=60_000)
    due_ms = core.clock.now_ms() + 300_000
    await core.deliveries.record(delivery, owner="w:1", wake_ms=due_ms)
    await core.redis.zadd(key("arq_queue"), {new_id("job"): due_ms - 1000 - n for n in range(1500)})
    asleep = (await core.gauges()).oldest_due_callback_ms
    core.clock.turn(by_s=400)
    assert (asleep, (await core.gauges()).oldest_due_callback_ms) == (0, due_ms)


async def test_one_worker_counts_for_all_and_another_follows_when_it_is_gone(core: Core) -> None:
    core.with_settings(sweep_s=0.05)
    at_first = await core.gauges("one")
    core.clock.turn(by_s=1)
    await core.submit()
    assert await core.gauges("two") == at_first, "it reads what the other has counted, with its time"
    assert (await core.gauges("one")).counted_at_ms == core.clock.now_ms()
    core.clock.turn(by_s=1)

    async def follows() -> bool:
        return (await core.gauges("two")).counted_at_ms == core.clock.now_ms()

    await until(follows, within_s=PATIENCE_S)


async def test_what_an_older_version_wrote_or_ended_is_mended(core: Core) -> None:
    """An older process writes the records and queues, and none of what gauges are read off."""
    await core.slots(10)
    await core.api_keys.create("acme")
    job = await core.submit(webhook=Webhook(url="https://a.example", events=("job.queued",)))
    parked = await park(core, await begun(core), WaitReason.NO_CREDITS)
    await core.redis.delete(key("queued_since"), key("backlog_counts"), key("backlog_sums"), key("deliveries_pending"))
    await core.redis.hset(key("job", parked.id), "status", "failed")  # type: ignore[misc]
    await core.redis.zrem(key("admitted"), parked.id)
    found = await core.gauges()
    assert states(found) == {"queued": 1, "queued_behind": 1}
    assert abs((found.oldest_queued_at_ms or 0) - int(job.id[4:].replace("-", "")[:12], 16)) < 2
    assert found.pending == 1


async def test_a_redis_that_has_lost_all_knows_fewer_tenants_than_it_did(core: Core) -> None:
    for tenant in ("acme", "other"):
        await core.api_keys.create(tenant)
    assert (await core.gauges()).tenants == 2
    await core.redis.flushdb()
    assert (await core.gauges()).tenants == 0


async def test_what_somebody_has_written_over_the_counts_keeps_nobody_from_counting(core: Core) -> None:
    await core.slots(10)
    await core.api_keys.create("acme")
    await core.submit()
    await core.gauges()
    await core.redis.hset(key("backlog_counts"), mapping={"acme": "rubbish", "other": "more"})  # type: ignore[misc]
    await core.redis.hset(key("backlog_sums"), "queued_behind", "rubbish")  # type: ignore[misc]
    await core.redis.hset(key("token_sums"), "active", "rubbish")  # type: ignore[misc]
    assert states(await core.gauges()) == {"queued": 1, "queued_behind": 1}


async def test_a_feed_and_a_clock_that_an_older_version_left_without_an_end_get_one(core: Core) -> None:
    await core.api_keys.create("acme")
    await core.submit()
    kept = (key("feed", "acme"), key("event_clock", "acme"))
    for name in kept:
        await core.redis.persist(name)
    await core.submit()
    await core.gauges()
    assert all([FEED_LIFE_MS < await core.redis.pttl(name) <= FEED_LIFE_MS + 3_600_000 for name in kept])


async def commands(core: Core, act: Callable[[], Awaitable[object]]) -> dict[str, int]:
    """Count what Redis runs for something, inside operations too."""
    await core.redis.config_resetstat()
    await act()
    stats = await core.redis.info("commandstats")
    ours = {"cmdstat_config|resetstat", "cmdstat_info"}
    return {name: row["calls"] for name, row in stats.items() if name not in ours}


@pytest.mark.parametrize("kind", ["tenants", "tokens", "jobs"])
async def test_counting_costs_the_same_with_10_and_with_5_000(core: Core, kind: str) -> None:
    async def some(number: int) -> None:
        await in_hundreds(one(n, number) for n in range(number))

    async def one(n: int, number: int) -> None:
        if kind == "tenants":
            await core.redis.sadd(key("tenants"), new_id("key"))  # type: ignore[misc]
        elif kind == "tokens":
            await core.tokens.add(f"secret {n} of {number}", kind="operator", available=100 + n)
        else:
            await core.submit()

    await core.gauges()  # the first call of all may have to load the library
    await some(10)
    few = await commands(core, core.gauges)
    await some({"tenants": 4990, "tokens": 4990, "jobs": 490}[kind])
    many = await commands(core, core.gauges)
    assert sum(many.values()) <= 1.05 * sum(few.values()), (few, many)
    assert many["cmdstat_fcall"] == few["cmdstat_fcall"] == 1


async def test_a_token_that_was_refused_one_export_is_counted_as_one_that_serves_and_after_the_second_it_is_not(
    core: Core,
):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=100)
    seen = []
    for _ in range(3):
        seen.append((await core.gauges()).tokens)
        await core.tokens.note_export_refused(token_id)
    assert [(found.get("active", 0), found.get("export_blocked", 0)) for found in seen] == [(1, 0), (1, 0), (0, 1)]
