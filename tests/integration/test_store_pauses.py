"""Pauses: what is accepted waits, what has begun goes on, and nothing is forgotten when it goes on."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.clock import month_of
from core.errors import WaitReason
from core.model.transitions import succeeded
from core.store.audit import AuditEntry, AuditTrail
from core.store.jobs.timings import Pace
from core.store.pauses import Pauses
from core.store.redis.functions import AUDIT_ENTRIES, AUDIT_LIFE_MS, EVERYBODY
from core.store.redis.keys import key
from core.store.redis.lists import UNREADABLE_REST_MS
from tests.integration.test_store_gauges import commands, states
from tests.store_fixture import Core, core

__all__ = ["core"]

BY = AuditEntry(user="root", host="console", action="pause")


@pytest.fixture
def pauses(core: Core) -> Pauses:
    return Pauses(core.store, core.settings, core.clock)


async def test_a_paused_tenants_jobs_are_accepted_and_none_begins_until_it_is_resumed(
    core: Core, pauses: Pauses
) -> None:
    await core.slots(10)
    assert await pauses.pause("acme", audit=BY)
    waiting = [await core.submit() for _ in range(3)]
    other = await core.submit("other")
    await core.turns.admit()
    assert await core.admitted() == [other.id]
    assert await pauses.resume("acme", audit=BY)
    assert set(await core.admitted()) == {other.id, *(job.id for job in waiting)}
    assert await core.redis.llen(key("wakeup")) == 1, "a worker hears of it at once"


@pytest.mark.parametrize("who", ["acme", EVERYBODY])
async def test_a_full_redis_takes_a_pause_and_its_end(core: Core, pauses: Pauses, who: str) -> None:
    await core.slots(10)
    waiting = await core.submit()
    await core.redis.config_set("maxmemory", 1)
    try:
        assert await pauses.pause(who, audit=BY)
        assert await pauses.resume(who, audit=BY)
    finally:
        await core.redis.config_set("maxmemory", 0)
    assert await core.admitted() == [waiting.id]


async def test_while_everybody_is_paused_nothing_begins_and_turns_stay_as_they_are(core: Core, pauses: Pauses) -> None:
    await core.slots(10)
    await pauses.pause(EVERYBODY, audit=BY)
    jobs = [await core.submit(tenant) for tenant in ("a", "b", "a", "c")]
    turns = await core.redis.zrange(key("tenant_ring"), 0, -1, withscores=True)
    await core.turns.admit()
    assert await core.admitted() == []
    assert await core.redis.zrange(key("tenant_ring"), 0, -1, withscores=True) == turns
    await pauses.resume(EVERYBODY, audit=BY)
    assert set(await core.admitted()) == {job.id for job in jobs}


async def test_a_tenant_that_is_paused_by_itself_stays_so_when_everybody_is_resumed(core: Core, pauses: Pauses) -> None:
    await core.slots(10)
    await pauses.pause("acme", audit=BY)
    await pauses.pause(EVERYBODY, audit=BY)
    mine, other = await core.submit(), await core.submit("other")
    await pauses.resume(EVERYBODY, audit=BY)
    assert await core.admitted() == [other.id]
    await pauses.resume("acme", audit=BY)
    assert set(await core.admitted()) == {other.id, mine.id}


@pytest.mark.parametrize("who", ["acme", EVERYBODY])
async def test_a_job_that_was_let_in_before_the_pause_goes_back_to_its_place(
    core: Core, pauses: Pauses, who: str
) -> None:
    await core.slots(10)
    let_in = await core.submit()
    await pauses.pause(who, audit=BY)
    later = await core.submit()
    assert await core.jobs.claim(let_in.id, owner="w:1") is None
    assert (await core.admitted(), await core.redis.zcard(key("arq_queue"))) == ([], 0)
    assert await core.redis.zrange(key("backlog", "acme"), 0, -1) == [let_in.id.encode(), later.id.encode()]
    assert states(await core.gauges()) == {"queued": 2, "paused": 2}
    await pauses.resume(who, audit=BY)
    assert set(await core.admitted()) == {let_in.id, later.id}
    assert await core.run(let_in)
    assert await core.run(later)
    assert states(await core.gauges()) == {}


async def test_one_that_was_put_back_is_let_in_again_before_a_worker_that_was_frozen_may_have_it(
    core: Core, pauses: Pauses
) -> None:
    core.with_settings(tenant_running_jobs=1)
    pauses = Pauses(core.store, core.settings, core.clock)
    await core.slots(10)
    job = await core.submit()  # a worker has heard of it, and is frozen before it claims it
    await pauses.pause("acme", audit=BY)
    assert await core.jobs.claim(job.id, owner="w:1") is None
    urgent = await core.submit(priority=9)
    await pauses.resume("acme", audit=BY)
    assert await core.admitted() == [urgent.id]
    assert await core.jobs.claim(job.id, owner="frozen:1") is None, "as many of this tenant's run as may"
    assert await core.run(urgent)
    assert await core.admitted() == [job.id]
    assert await core.run(job)


async def test_one_whose_worker_died_before_it_began_goes_back_too(core: Core, pauses: Pauses) -> None:
    await core.slots(10)
    job = await core.submit()
    await core.claim(job)
    core.clock.turn(by_s=13)
    await pauses.pause("acme", audit=BY)
    assert await core.jobs.claim(job.id, owner="w:other") is None
    await pauses.resume("acme", audit=BY)
    assert (await core.claim(job)).crashes == 1


async def test_what_a_worker_that_died_had_reserved_is_free_while_the_pause_lasts(core: Core, pauses: Pauses) -> None:
    await core.slots(10)
    token = await core.tokens.add("a", kind="operator", available=50)
    job = await core.submit()
    await core.claim(job)
    ask: dict[str, Any] = {"cost": 50, "until_ms": core.clock.now_ms(), "needs": (), "only": None, "anonymous": False}
    ask["month_limit"] = 1000
    assert await core.tokens.take(tenant="acme", job_id=job.id, **ask) == token
    core.clock.turn(by_s=13)
    await pauses.pause("acme", audit=BY)
    assert await core.jobs.claim(job.id, owner="w:other") is None
    other = await core.submit("other")
    assert await core.tokens.take(tenant="other", job_id=other.id, **ask) == token
    usage = await core.usage.of_month("acme", month_of(core.clock.now_ms()))
    assert usage.get("promised", 0) == 0


@pytest.mark.parametrize("who", ["acme", EVERYBODY])
async def test_a_job_that_has_begun_goes_on_through_sleep_and_the_death_of_its_worker(
    core: Core, pauses: Pauses, who: str
) -> None:
    await core.slots(10)
    begun = await core.begin(await core.submit())
    await pauses.pause(who, audit=BY)
    core.clock.turn(by_s=13)
    assert (await core.claim(begun.job)).taken_over


async def test_a_job_that_has_begun_and_could_not_be_read_for_a_while_goes_on_through_a_pause(core: Core):
    """It comes to its end, its deadline or its cancel while its tenant is paused, as any other that has begun."""
    core.with_settings(tenant_running_jobs=1)
    await core.slots(9)
    claim = await core.begin(await core.submit())
    await core.jobs.set_aside(claim.job.id, owner=claim.owner)
    await core.begin(await core.submit())
    waiting = await core.submit()
    await Pauses(core.store, core.settings, core.clock).pause("acme", audit=BY)
    core.clock.turn(by_s=UNREADABLE_REST_MS / 1000)
    assert await core.jobs.claim(claim.job.id, owner="w:9") is None, "it is given a new turn"
    assert await core.redis.zrange(key("backlog", "acme"), 0, -1) == [waiting.id.encode()]
    claim = await core.claim(claim.job)
    assert await core.write(claim, succeeded(claim.job, now_ms=1))


async def test_a_job_that_has_begun_and_was_set_aside_waits_in_its_session_only_for_who_has_begun(core: Core):
    await core.slots(9)
    pauses = Pauses(core.store, core.settings, core.clock)
    first = await core.submit()
    second = await core.submit(session_id=first.session_id, new_session=False)
    claim = await core.begin(first)
    await pauses.pause("acme", audit=BY)
    await core.jobs.set_aside(first.id, owner=claim.owner)
    core.clock.turn(by_s=UNREADABLE_REST_MS / 1000)
    assert await core.jobs.claim(first.id, owner="w:9") is None, "it is given a new turn, before the one that is paused"
    claim = await core.claim(first)
    await pauses.resume("acme", audit=BY)
    assert second.id not in await core.admitted()
    await core.jobs.set_aside(first.id, owner=claim.owner)
    await core.turns.admit()
    after = await core.begin(second)
    core.clock.turn(by_s=UNREADABLE_REST_MS / 1000)
    second_again = await core.claim(second)
    assert await core.jobs.claim(first.id, owner="w:9") is None
    assert first.id not in await core.admitted(), "another one is at work there"
    await pauses.pause("acme", audit=BY)
    assert await core.write(second_again, succeeded(after.job, now_ms=1))
    assert (await core.claim(first)).job.id == first.id


async def test_a_job_that_has_begun_and_was_set_aside_goes_before_those_of_its_session_that_have_not(core: Core):
    """As those that stand behind the one that has begun meanwhile: once that ends, they may wait for a pause's end."""
    await core.slots(9)
    first = await core.submit()
    second, third = [await core.submit(session_id=first.session_id, new_session=False) for _ in range(2)]
    claim = await core.begin(first)
    await core.jobs.set_aside(first.id, owner=claim.owner)
    await core.turns.admit()
    await core.begin(second)
    core.clock.turn(by_s=UNREADABLE_REST_MS / 1000)
    second_again = await core.claim(second)
    assert await core.jobs.claim(first.id, owner="w:9") is None, "it is given a new turn"
    await Pauses(core.store, core.settings, core.clock).pause("acme", audit=BY)
    await core.finish(second_again)
    assert await core.finish(await core.claim(first))
    assert await core.redis.zrange(key("backlog", "acme"), 0, -1) == [third.id.encode()]


async def test_those_that_have_begun_and_were_set_aside_go_before_one_of_their_session_that_a_pause_puts_back(
    core: Core,
):
    await core.slots(9)
    first = await core.submit()
    second, third, fourth = [await core.submit(session_id=first.session_id, new_session=False) for _ in range(3)]
    for job in (first, second):
        claim = await core.begin(job)
        await core.jobs.set_aside(job.id, owner=claim.owner)
        await core.turns.admit()
    assert third.id in await core.admitted()
    core.clock.turn(by_s=UNREADABLE_REST_MS / 1000)
    for job in (second, first):
        assert await core.jobs.claim(job.id, owner="w:9") is None, "it is given a new turn, behind who was let in"
    await Pauses(core.store, core.settings, core.clock).pause("acme", audit=BY)
    assert await core.jobs.claim(third.id, owner="w:9") is None, "it is put back"
    for job in (first, second):
        assert await core.finish(await core.claim(job))
    assert await core.redis.lrange(key("session_queue", first.session_id), 0, -1) == [
        third.id.encode(),
        fourth.id.encode(),
    ]
    assert await core.redis.zrange(key("backlog", "acme"), 0, -1) == [third.id.encode()]


async def test_a_paused_job_says_so_and_gives_no_estimate(core: Core, pauses: Pauses) -> None:
    pace = Pace(p50_s=40, p90_s=60, at_once=1)
    first = await core.submit()
    second = await core.submit(session_id=first.session_id, new_session=False)
    await pauses.pause("acme", audit=BY)
    found = [await core.listing.queue_position(job, pace) for job in (first, second)]
    assert [(each.paused, each.behind, each.eta_p90_s) for each in found] == [
        (True, None, None),
        (True, first.id, None),
    ]
    await pauses.resume("acme", audit=BY)
    assert (await core.listing.queue_position(first, pace)).paused is False


async def test_a_paused_job_can_be_cancelled_and_expires_in_its_time(core: Core, pauses: Pauses) -> None:
    await core.slots(10)
    await pauses.pause("acme", audit=BY)
    canceled, late = await core.submit(), await core.submit(start_timeout_s=60)
    assert (await core.cancel(canceled)).ended
    core.clock.turn(by_s=61)
    assert await core.turns.not_started_in_time() == [late.id]


async def test_pauses_are_counted_and_so_is_what_waits_for_them(core: Core, pauses: Pauses) -> None:
    await core.slots(10)
    await pauses.pause("acme", audit=BY)
    await core.submit()
    await core.submit("other")
    found = await core.gauges()
    assert (found.tenants_paused, found.everybody_paused) == (1, False)
    assert found.jobs[WaitReason.PAUSED] == 1
    await core.submit("third")
    await pauses.pause(EVERYBODY, audit=BY)
    await core.submit("third")
    found = await core.gauges()
    assert (found.tenants_paused, found.everybody_paused) == (1, True)
    assert found.jobs[WaitReason.PAUSED] == 2
    for who in (EVERYBODY, "acme"):
        await pauses.resume(who, audit=BY)
    found = await core.gauges()
    assert (found.tenants_paused, found.everybody_paused, found.jobs[WaitReason.PAUSED]) == (0, False, 0)


async def test_without_a_pause_it_costs_a_claim_one_look_at_most(core: Core) -> None:
    await core.slots(10)
    job, begun = await core.submit(), await core.begin(await core.submit())
    await core.jobs.hand_back({begun.job.id: begun.owner})

    def claiming(job_id: str) -> Callable[[], Awaitable[object]]:
        return lambda: core.jobs.claim(job_id, owner="w:1")

    first = await commands(core, claiming(job.id))
    again = await commands(core, claiming(begun.job.id))
    assert first["cmdstat_exists"] == 1
    assert "cmdstat_exists" not in again
    assert first["cmdstat_fcall"] == again["cmdstat_fcall"] == 1


async def test_a_pause_and_its_audit_are_one_step_and_a_vain_one_says_so(core: Core, pauses: Pauses) -> None:
    trail = AuditTrail(core.store)
    assert await pauses.pause("acme", audit=BY._replace(tenant="acme"))
    assert not await pauses.pause("acme", audit=BY._replace(tenant="acme"))
    vain, done = await trail.page(before=None, limit=10)
    assert (done.entry, done.outcome) == (BY._replace(tenant="acme"), "done")
    assert vain.outcome == "unchanged"
    assert await trail.page(before=vain.id, limit=10) == [done]


async def test_the_trail_is_bounded_in_number_and_in_age(core: Core) -> None:
    trail = AuditTrail(core.store)
    pipe = core.redis.pipeline()
    for number in range(1, AUDIT_ENTRIES + 2001):
        pipe.xadd(key("audit"), {"action": "cancel"}, id=f"{number}-0")
    await pipe.execute()
    assert await core.redis.xlen(key("audit")) > AUDIT_ENTRIES
    for _ in range(3):  # Redis drops some thousands at a time
        await trail.append(BY, "done")
    assert await core.redis.xlen(key("audit")) < 200, "those of 1970 went, but for some that stand beside later ones"
    assert 0 < await core.redis.pttl(key("audit")) <= AUDIT_LIFE_MS


async def test_an_entry_that_is_too_long_or_of_no_text_costs_nothing_but_itself(core: Core) -> None:
    trail = AuditTrail(core.store)
    no_text = b"\xff".decode(errors="surrogateescape")  # as Python reads names and arguments
    await trail.append(BY._replace(user="u" * 10_000, host=no_text, ids=("\x1b[2J", no_text)), "x")
    [row] = await trail.page(before=None, limit=1)
    assert (len(row.entry.user), row.entry.host, row.entry.ids) == (400, "?", ("\x1b[2J", "?"))
