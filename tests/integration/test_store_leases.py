"""Who holds a job: claims, writes that are fenced, heartbeats, handing over, and what is left behind."""

import asyncio
from typing import Any

import msgspec
import pytest

from core.clock import Clock
from core.errors import Code, WaitReason
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Stage, Status, Webhook
from core.model.token import Scope
from core.model.webhook import TenantWebhook
from core.store.jobs.queries import JobFilter
from core.store.jobs.records import Claim
from core.store.leases import LeaseLost
from core.store.redis.client import connect
from core.store.redis.functions import AHEAD_MS
from core.store.redis.keys import CANCEL_CHANNEL, key
from tests.store_fixture import Core, core, settings_for
from tests.until import PATIENCE_S

__all__ = ["core"]


@pytest.fixture
async def job(core: Core) -> Job:
    """A job that is admitted and that nobody holds yet."""
    await core.slots(100)
    return await core.submit()


async def score(core: Core, job: Job) -> float | None:
    return await core.redis.zscore(key("arq_queue"), job.id)


async def park(core: Core, claim: Claim, *, for_s: float) -> Claim:
    until_ms = core.clock.now_ms() + int(for_s * 1000)
    asleep = transitions.waiting(claim.job, reason=WaitReason.BACKEND_DOWN, until_ms=until_ms)
    return await core.write(claim, asleep, park_until_ms=until_ms)


async def test_a_claim_brings_the_record_the_session_and_the_tenant_s_webhook(core: Core, job: Job) -> None:
    hook = TenantWebhook(url="https://hooks.example.com")
    await core.webhooks.set_default("acme", hook)
    claim = await core.claim(job)
    assert claim.job == job
    assert claim.session.id == job.session_id
    assert claim.webhook == hook
    assert (claim.crashes, claim.taken_over) == (0, False)


async def test_only_one_of_many_who_claim_a_job_gets_it(core: Core, job: Job) -> None:
    claims = await asyncio.gather(*(core.jobs.claim(job.id, owner=f"w{n}:1") for n in range(20)))
    assert sum(claim is not None for claim in claims) == 1


async def test_a_held_job_is_due_again_when_its_lease_ends(core: Core, job: Job) -> None:
    await core.claim(job)
    assert await core.jobs.claim(job.id, owner="w:other") is None
    assert await score(core, job) == core.clock.now_ms() + core.jobs.lease_ms
    left_ms = await core.redis.pttl(key("arq_in_progress", job.id))
    assert 0 < left_ms <= core.jobs.lease_ms


async def test_a_job_whose_lease_ran_out_is_taken_over_and_the_crash_is_counted(core: Core, job: Job) -> None:
    await core.begin(job)
    core.clock.turn(by_s=13)
    second = await core.claim(job)
    assert (second.crashes, second.taken_over) == (1, True)
    core.clock.turn(by_s=13)
    assert (await core.claim(job)).crashes == 2


async def test_a_finished_step_forgets_crashes(core: Core, job: Job) -> None:
    await core.begin(job)
    core.clock.turn(by_s=13)
    second = await core.claim(job)
    await core.write(second, transitions.moved(second.job, Stage.UPLOADING))
    core.clock.turn(by_s=13)
    assert (await core.claim(job)).crashes == 1


async def test_a_sleep_in_good_order_forgets_crashes(core: Core, job: Job) -> None:
    await core.begin(job)
    core.clock.turn(by_s=13)
    await park(core, await core.claim(job), for_s=30)
    core.clock.turn(by_s=30)
    third = await core.claim(job)
    assert (third.crashes, third.taken_over) == (0, False)


async def test_an_ended_or_unknown_job_is_nobody_s_and_its_bell_goes(core: Core, job: Job) -> None:
    await core.run(job)
    for job_id in (job.id, "job_unknown"):
        await core.redis.zadd(key("arq_queue"), {job_id: 0})
        await core.redis.set(key("arq_job", job_id), b"entry")
        assert await core.jobs.claim(job_id, owner="w:9") is None
        assert await core.redis.exists(key("arq_job", job_id)) == 0
    assert await core.redis.zcard(key("arq_queue")) == 0


async def test_the_end_frees_everything_that_the_job_held(core: Core, job: Job) -> None:
    token = await core.tokens.add("nmv_usr_1", kind="operator", available=100)
    claim = await core.begin(job)
    await core.tokens.take(
        tenant="acme", job_id=job.id, cost=60, until_ms=0, needs=[Scope.RENDER], only=None, anonymous=False
    )
    ended = await core.finish(claim)
    names = set(await core.everything())
    gone = ("arq_job", "arq_in_progress", "arq_retry", "session_queue")
    assert names.isdisjoint({key(n, job.id if n != "session_queue" else job.session_id) for n in gone})
    assert names.isdisjoint({key(n) for n in ("arq_queue", "leases", "admitted", "queued_all", "tenant_ring")})
    assert names.isdisjoint({key(n, "acme") for n in ("running", "queued", "backlog")})
    assert names.isdisjoint({key("jobs_status", "acme", s) for s in ("queued", "running")})
    balance = await core.tokens.get(token)
    assert balance is not None
    assert (balance.reserved, balance.in_flight) == (0, 0)
    assert [j.id for j in (await core.listing.page("acme", JobFilter(status=Status.SUCCEEDED))).jobs] == [ended.id]


async def test_the_end_counts_in_the_month_s_usage(core: Core) -> None:
    await core.slots(10)
    for credits_used, code in ((50, None), (None, Code.NOTHING_CHANGED)):
        claim = await core.begin(await core.submit())
        now_ms = core.clock.now_ms()
        over = (
            transitions.failed(claim.job, now_ms=now_ms, code=code)
            if code
            else transitions.succeeded(claim.job, now_ms=now_ms)
        )
        await core.write(claim, transitions.with_cost(over, credits_used=credits_used, credits_exact=True))
    assert await core.usage.of_month("acme", "2026-11") == {"jobs_succeeded": 1, "credits": 50, "jobs_failed": 1}


async def test_credits_that_nobody_knows_to_be_spent_are_marked_in_the_month_s_usage(core: Core) -> None:
    await core.slots(10)
    for is_exact in (True, False):
        claim = await core.begin(await core.submit())
        over = transitions.failed(claim.job, now_ms=core.clock.now_ms(), code=Code.EDIT_UNCONFIRMED)
        await core.write(claim, transitions.with_cost(over, credits_used=50, credits_exact=is_exact))
    usage = await core.usage.of_month("acme", "2026-11")
    assert (usage["credits"], usage["credits_estimated"]) == (100, 50)


async def test_a_write_of_someone_who_lost_the_job_changes_nothing(core: Core, job: Job) -> None:
    frozen = await core.begin(job)
    core.clock.turn(by_s=13)
    await core.claim(job)
    before = await core.everything()
    for new in (transitions.progress_noted(frozen.job, "late"), transitions.succeeded(frozen.job, now_ms=1)):
        with pytest.raises(LeaseLost):
            await core.write(frozen, new)
    cleared = {b"crashes": b"0", b"suspects": b""}
    before[key("job", job.id)] |= cleared
    assert await core.everything() == before, "nothing but that its process lives"


async def lapse(core: Core, job: Job, *owners: str) -> Claim:
    """Let these take the job, one when the lease of the one before has run out."""
    for owner in owners:
        core.clock.turn(by_s=13)
        claim = await core.jobs.claim(job.id, owner=owner)
        assert claim is not None
    return claim


async def test_a_process_that_never_comes_back_counts_as_a_crash_and_each_of_them_counts(core: Core, job: Job) -> None:
    assert (await lapse(core, job, "a:1", "b:1", "c:1", "d:1")).crashes == 3


async def test_a_process_that_hears_of_its_lost_lease_was_not_killed(core: Core, job: Job) -> None:
    await lapse(core, job, "a:1", "b:1", "c:1")
    assert await core.jobs.renew({job.id: "a:1"}) == ([job.id], [])
    await core.jobs.hand_back({job.id: "b:1"})
    assert (await lapse(core, job, "d:1")).crashes == 1


async def test_a_process_that_says_that_it_lives_after_it_lost_the_lease_was_not_killed(core: Core, job: Job) -> None:
    for owner in ("a:1", "b:1", "c:1"):
        await lapse(core, job, owner)
        process = owner.partition(":")[0]
        await core.turns.admit(worker=process, slots=1, alive_s=core.settings.lease_s)
    assert (await lapse(core, job, "d:1")).crashes == 3, "each last spoke before it lost the lease"
    await core.turns.admit(worker="a", slots=1, alive_s=core.settings.lease_s)
    assert (await lapse(core, job, "e:1")).crashes == 3, "b, c and d"


async def test_a_process_that_takes_its_own_job_over_was_not_killed(core: Core, job: Job) -> None:
    claim = await lapse(core, job, "a:1", "a:2", "a:3", "a:4")
    assert (claim.crashes, claim.taken_over) == (0, True)


async def test_a_cancel_between_read_and_write_is_carried_along(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    await core.cancel(job)
    after = await core.write(claim, transitions.moved(claim.job, Stage.UPLOADING))
    assert (after.job.status, after.job.stage) == (Status.CANCELING, Stage.UPLOADING)
    assert after.job.version == (await core.read(job)).version == claim.job.version + 2


async def test_an_end_that_was_reached_wins_over_a_cancel(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    await core.cancel(job)
    assert (await core.finish(claim)).status is Status.SUCCEEDED
    assert (await core.read(job)).status is Status.SUCCEEDED


async def test_a_job_canceled_while_it_lies_down_does_not_sleep(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    await core.cancel(job)
    after = await park(core, claim, for_s=600)
    assert after.job.status is Status.CANCELING
    assert await score(core, job) == core.clock.now_ms() - AHEAD_MS


async def test_a_cancel_wakes_a_sleeping_job(core: Core, job: Job) -> None:
    await park(core, await core.begin(job), for_s=600)
    assert await score(core, job) == core.clock.now_ms() + 600_000
    await core.cancel(job)
    assert await score(core, job) == core.clock.now_ms() - AHEAD_MS


async def test_a_cancel_is_told_to_the_holder_at_once_and_by_the_next_heartbeat(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    async with core.redis.pubsub() as heard:
        await heard.subscribe(CANCEL_CHANNEL)
        await heard.get_message(timeout=PATIENCE_S)
        await core.cancel(job)
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=PATIENCE_S)
    assert message is not None
    assert message["data"].decode() == job.id
    assert await core.jobs.renew({job.id: claim.owner}) == ([], [job.id])


async def test_a_cancel_of_an_admitted_job_that_nobody_started_ends_it(core: Core, job: Job) -> None:
    claim = await core.claim(job)
    assert (await core.cancel(job)).status is Status.CANCELED
    with pytest.raises(LeaseLost):
        await core.write(claim, transitions.started(claim.job, now_ms=1))
    assert await core.admitted() == []


async def test_a_cancel_over_a_newer_record_is_refused_so_that_its_writer_reads_again(core: Core, job: Job) -> None:
    await core.begin(job)
    stale = transitions.cancel_asked(job, now_ms=1)
    with pytest.raises(LeaseLost):
        await core.jobs.commit(job, stale, owner=None)
    assert (await core.read(job)).status is Status.RUNNING


@pytest.mark.parametrize("mode", ["goes on", "sleeps", "ends"])
async def test_a_write_whose_answer_was_lost_is_made_once(core: Core, job: Job, mode: str) -> None:
    claim = await core.begin(job)
    now_ms = core.clock.now_ms()
    new = (
        transitions.succeeded(claim.job, now_ms=now_ms)
        if mode == "ends"
        else transitions.progress_noted(claim.job, "word")
    )
    how: dict[str, Any] = {"park_until_ms": now_ms + 60_000} if mode == "sleeps" else {}
    how["write_id"] = "w1"
    first = await core.write(claim, new, **how)
    before = await core.everything()
    again = await core.write(claim, new, **how)
    assert again.job == first.job == new
    assert await core.everything() == before


async def test_a_lost_answer_does_not_let_a_former_holder_go_on(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    new = transitions.progress_noted(claim.job, "word")
    await core.write(claim, new, write_id="w1")
    core.clock.turn(by_s=13)
    await core.claim(job)
    with pytest.raises(LeaseLost):
        await core.write(claim, new, write_id="w1")


async def test_a_repeated_write_that_a_cancel_had_joined_tells_what_it_wrote(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    await core.cancel(job)
    new = transitions.progress_noted(claim.job, "word")
    first = await core.write(claim, new, write_id="w1")
    again = await core.write(claim, new, write_id="w1")
    assert again.job == first.job
    assert again.job.status is Status.CANCELING


async def test_a_sleep_that_changes_nothing_in_the_record_puts_the_job_back_all_the_same(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    until_ms = core.clock.now_ms() + 30_000
    await core.write(claim, claim.job, park_until_ms=until_ms)
    assert await score(core, job) == until_ms
    core.clock.turn(by_s=30)
    woken = await core.claim(job)
    assert (woken.job, woken.crashes, woken.taken_over) == (claim.job, 0, False)


async def test_a_session_and_what_lies_beside_the_record_are_written_with_it(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    opened = sessions.opened(claim.session, backend_id="b", task_id="t", user_id=None, token_id="tok_1")
    await core.write(claim, transitions.moved(claim.job, Stage.UPLOADING), session=opened, fields={"before": b"draft"})
    assert await core.sessions.load(job.session_id) == opened
    assert await core.jobs.field(job.id, "before") == b"draft"
    core.clock.turn(by_s=13)
    await core.finish(await core.claim(job))
    assert await core.jobs.field(job.id, "before") is None


async def test_a_heartbeat_moves_the_lease_in_all_its_places(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    core.clock.turn(by_s=5)
    assert await core.jobs.renew({job.id: claim.owner}) == ([], [])
    until_ms = core.clock.now_ms() + core.jobs.lease_ms
    assert await core.redis.zscore(key("leases"), job.id) == until_ms
    assert await score(core, job) == until_ms
    core.clock.turn(by_s=11)
    assert await core.jobs.claim(job.id, owner="w:other") is None


async def test_a_heartbeat_names_what_was_lost(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    ended = await core.submit()
    past = await core.begin(ended)
    await core.finish(past)
    core.clock.turn(by_s=13)
    await core.claim(job)
    lost, _ = await core.jobs.renew({job.id: claim.owner, ended.id: past.owner})
    assert set(lost) == {job.id, ended.id}


async def test_what_is_handed_back_goes_on_at_once_with_no_crash_counted_and_a_doubt(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    await core.jobs.hand_back({job.id: claim.owner})
    assert await score(core, job) == core.clock.now_ms() - AHEAD_MS
    assert await core.redis.exists(key("arq_in_progress", job.id)) == 0
    second = await core.claim(job)
    assert (second.crashes, second.taken_over) == (0, True)
    with pytest.raises(LeaseLost):
        await core.write(claim, transitions.progress_noted(claim.job, "late"))
    await park(core, second, for_s=1)
    assert (await core.claim(job)).taken_over is False


async def test_nobody_hands_back_what_another_holds(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    core.clock.turn(by_s=13)
    second = await core.claim(job)
    await core.jobs.hand_back({job.id: claim.owner})
    assert await core.jobs.renew({job.id: second.owner}) == ([], [])


async def test_repair_rings_for_what_a_dead_worker_held(core: Core, job: Job) -> None:
    await core.begin(job)
    assert await core.turns.repair(0) == (0, 0)
    core.clock.turn(by_s=12)
    assert await core.turns.repair(0) == (1, 0)
    assert await score(core, job) == core.clock.now_ms()
    assert await core.redis.exists(key("arq_in_progress", job.id)) == 0
    assert await core.turns.repair(0) == (0, 0)
    assert (await core.claim(job)).crashes == 1


async def test_a_worker_that_comes_back_after_the_repair_keeps_what_nobody_took(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    core.clock.turn(by_s=12)
    await core.turns.repair(0)
    assert await core.jobs.renew({job.id: claim.owner}) == ([], [])
    assert await core.jobs.claim(job.id, owner="w:other") is None
    await core.finish(claim)


@pytest.mark.parametrize("lost", ["due time", "entry", "both"])
@pytest.mark.parametrize("state", ["admitted", "asleep"])
async def test_repair_enqueues_again_what_arq_lost(core: Core, job: Job, lost: str, state: str) -> None:
    if state == "asleep":
        await park(core, await core.begin(job), for_s=1)
        core.clock.turn(by_s=2)
    if lost in ("due time", "both"):
        await core.redis.zrem(key("arq_queue"), job.id)
    if lost in ("entry", "both"):
        await core.redis.delete(key("arq_job", job.id))
    assert (await core.turns.repair(0))[0] == 1
    assert await score(core, job) == core.clock.now_ms()
    assert await core.redis.exists(key("arq_job", job.id)) == 1


async def test_repair_dequeues_an_id_that_has_no_record(core: Core) -> None:
    await core.redis.zadd(key("arq_queue"), {"job_gone": 1})
    assert await core.turns.repair(0) == (0, 0)
    assert await core.redis.zcard(key("arq_queue")) == 0


async def test_letting_go_writes_the_queue_entry_that_arq_lost_meanwhile(core: Core, job: Job) -> None:
    claim = await core.begin(job)
    await core.redis.delete(key("arq_queue"), key("arq_job", job.id))
    await park(core, claim, for_s=1)
    assert await score(core, job) == core.clock.now_ms() + 1000
    assert await core.redis.exists(key("arq_job", job.id)) == 1


async def test_repair_walks_over_all_that_is_admitted_in_slices(core: Core) -> None:
    await core.slots(1000)
    await core.offer(*(core.new_job() for _ in range(90)))
    core.with_settings(tenant_running_jobs=1000)
    await core.offer(*(core.new_job() for _ in range(400)))
    await core.slots(1000)
    admitted = len(await core.admitted())
    await core.redis.delete(key("arq_queue"))
    rung, cursor = await core.turns.repair(0, most=50)
    while cursor:
        more, cursor = await core.turns.repair(cursor, most=50)
        rung += more
    assert rung == admitted == await core.redis.zcard(key("arq_queue"))


async def test_a_forgotten_job_leaves_nothing_but_the_tenant_s_feed_and_counts(core: Core, job: Job) -> None:
    await core.run(job)
    assert await core.turns.to_retire() == []
    core.clock.turn(by_s=job.retention_s)
    assert await core.turns.to_retire() == [job.id]
    await core.jobs.forget(job.id)
    kept = {key("feed", "acme"), key("event_clock", "acme"), key("usage", "acme", "2026-11")}
    left = set(await core.everything()) - kept
    counts = {
        key(name) for name in ("workers", "tenant_turn", "run_samples", "job_groups", "wakeup", "backlogs_changed")
    }
    assert left <= {key("rate", "key_1"), key("job_outcomes", "free-video-fast/edit/export/none"), *counts}


async def test_a_session_outlives_the_first_of_its_jobs_and_goes_with_the_last(core: Core, job: Job) -> None:
    second = await core.submit(session_id=job.session_id, new_session=False)
    await core.run(job)
    await core.run(second)
    await core.jobs.forget(job.id)
    assert await core.sessions.load(job.session_id) is not None
    await core.jobs.forget(second.id)
    assert await core.redis.exists(key("session", job.session_id)) == 0


async def test_an_explicit_session_stays_without_jobs_until_it_is_closed(core: Core) -> None:
    job = core.new_job()
    session = msgspec.structs.replace(core.submission(job).session, implicit=False)
    await core.sessions.create(session, most=9, idle_s=60)
    await core.offer(job, new_session=False)
    await core.cancel(job)
    await core.jobs.forget(job.id)
    assert await core.sessions.page("acme") == [session]
    await core.sessions.close(session)
    assert await core.sessions.page("acme") == []
    assert await core.redis.exists(key("session", session.id)) == 0


async def test_a_closed_session_stays_for_the_jobs_that_are_in_it(core: Core, job: Job) -> None:
    session = await core.sessions.load(job.session_id)
    assert session is not None
    await core.sessions.close(session)
    assert (await core.claim(job)).session == session


class Wrong(Clock):
    """The clock of a host that is ahead of the others, or behind them."""

    def __init__(self, by_s: float) -> None:
        self._by_ms = int(by_s * 1000)

    def now_ms(self) -> int:
        return super().now_ms() + self._by_ms


async def test_a_host_whose_clock_is_ahead_takes_over_nothing_that_another_one_holds(redis_url: str) -> None:
    client = connect(redis_url, answer_s=PATIENCE_S)
    here, ahead = (Core(client, settings_for(redis_url), clock) for clock in (Clock(), Wrong(60)))
    job = here.new_job()
    await here.slots(10)
    await here.offer(job)
    claim = await here.claim(job)
    assert await ahead.jobs.claim(job.id, owner="ahead:1") is None
    assert (await ahead.turns.repair(0))[0] == 0
    assert await here.jobs.renew({job.id: claim.owner}) == ([], [])
    await client.aclose()


@pytest.mark.parametrize("by_s", [-60, 0, 60])
async def test_what_sleeps_does_so_as_long_as_it_shall_whatever_clock_its_host_has(redis_url: str, by_s: float) -> None:
    client = connect(redis_url, answer_s=PATIENCE_S)
    core = Core(client, settings_for(redis_url), Wrong(by_s))
    await core.slots(10)
    job = core.new_job(webhook=Webhook(url="https://hooks.example.com/", events=("job.queued",)))
    await core.offer(job)
    claim = await core.claim(job)
    before_ms = Clock().now_ms()
    await core.write(claim, claim.job, park_until_ms=core.clock.now_ms() + 30_000)
    [(callback, _)] = await core.deliveries.of_job(job.id)
    await core.deliveries.record(callback, owner=None, wake_ms=core.clock.now_ms() + 30_000)
    for item_id in (job.id, callback.id):
        due_ms = await core.redis.zscore(key("arq_queue"), item_id)
        assert before_ms + 29_999 <= due_ms <= Clock().now_ms() + 30_001
    await client.aclose()
