"""The loop that runs a job, without a queue and with a backend that is away: what it waits for, and how it ends."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from core.errors import Code, Permanent, WaitReason
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, MediaRef, Render, Sent, Stage, Status
from core.security.encryption import Encryption
from core.store.jobs.orphan_renders import OrphanRender
from core.store.redis.keys import key
from tests.peer_fixture import peer
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S
from tests.worker_fixture import context_over, in_hand
from worker.backend.faults import BackendFault, Fault
from worker.context import WorkerContext
from worker.jobs.fault_handling import handle_error
from worker.jobs.orphan_renders import follow_orphan_renders
from worker.jobs.runner import run_job

__all__ = ["core"]


@pytest.fixture
async def context(core: Core, tmp_path) -> AsyncIterator[WorkerContext]:
    async with context_over(core, tmp_path) as context:
        yield context


async def after_a_run(core: Core, context: WorkerContext, job: Job) -> Job:
    await run_job(context, job.id)
    return await core.read(job)


def code_of(job: Job) -> Code | None:
    return job.error.code if job.error else None


async def test_a_job_that_killed_its_worker_three_times_is_poisoned(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    await core.begin(job)
    for _ in range(2):
        core.clock.turn(by_s=core.settings.lease_s + 1)
        await core.claim(job)
    core.clock.turn(by_s=core.settings.lease_s + 1)
    ended = await after_verdict(core, context, job)
    assert (ended.status, code_of(ended), ended.credits_used) == (Status.FAILED, Code.POISONED, 0)


async def after_verdict(core: Core, context: WorkerContext, job: Job) -> Job:
    """Run a job at which three workers were lost, as long as they may come back and then once more."""
    assert (await after_a_run(core, context, job)).status is Status.RUNNING
    core.clock.turn(by_s=5 * core.settings.lease_s)
    return await after_a_run(core, context, job)


async def test_starved_workers_that_come_back_while_a_job_waits_for_them_were_not_killed_by_it(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    starved = [await core.begin(job)]
    for _ in range(2):
        core.clock.turn(by_s=core.settings.lease_s + 1)
        starved.append(await core.claim(job))
    core.clock.turn(by_s=core.settings.lease_s + 1)
    assert (await after_a_run(core, context, job)).status is Status.RUNNING
    core.clock.turn(by_s=core.settings.lease_s)
    await core.jobs.renew({job.id: starved[1].owner})
    core.clock.turn(by_s=5 * core.settings.lease_s)
    assert (await after_a_run(core, context, job)).status is Status.RUNNING


async def test_a_job_whose_crashes_a_worker_of_the_first_format_has_counted_ends_as_poisoned(core, context):
    """Such a worker says how many there were, and not whose nor when."""
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    claim = await core.begin(job)
    await core.redis.hset(key("job", job.id), "crashes", 3)
    await core.jobs.hand_back({job.id: claim.owner})
    assert code_of(await after_a_run(core, context, job)) is Code.POISONED


async def test_a_message_that_a_poisoned_job_may_have_paid_for_counts_as_the_usual(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    claim = await core.begin(job)
    sending = transitions.sending(claim.job, sent=Sent(at_ms=core.clock.now_ms(), before="d0", cost=50))
    await core.write(claim, transitions.token_taken(sending, token_id=token_id))
    for _ in range(2):
        core.clock.turn(by_s=core.settings.lease_s + 1)
        await core.claim(job)
    core.clock.turn(by_s=core.settings.lease_s + 1)
    ended = await after_verdict(core, context, job)
    assert (code_of(ended), ended.credits_used, ended.credits_exact) == (Code.POISONED, 50, False)
    assert "about 50 credits" in (ended.error.hint if ended.error else "")


async def test_leases_that_ran_out_while_their_processes_lived_poison_nothing(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    starved = await core.begin(job)
    for _ in range(4):
        core.clock.turn(by_s=core.settings.lease_s + 1)
        owner, starved = starved.owner, await core.claim(job)
        assert (await core.jobs.renew({job.id: owner}))[0] == [job.id], "it hears that it has lost the job"
    core.clock.turn(by_s=core.settings.lease_s + 1)
    assert (await after_a_run(core, context, job)).status is Status.RUNNING


async def test_two_crashes_are_forgiven(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    await core.begin(job)
    core.clock.turn(by_s=core.settings.lease_s + 1)
    await core.claim(job)
    core.clock.turn(by_s=core.settings.lease_s + 1)
    assert (await after_a_run(core, context, job)).status is Status.RUNNING


async def test_each_worker_that_was_lost_at_a_job_shows_in_its_attempts(core, context):
    job = await core.submit()
    await core.begin(job)
    core.clock.turn(by_s=core.settings.lease_s + 1)
    assert (await after_a_run(core, context, job)).attempts == 2


async def test_a_worker_that_hands_a_job_back_shows_in_no_attempts(core, context):
    job = await core.submit()
    claim = await core.begin(job)
    await core.jobs.hand_back({job.id: claim.owner})
    assert (await after_a_run(core, context, job)).attempts == 1


async def test_a_lost_worker_shows_in_the_attempts_of_a_job_that_is_canceled_meanwhile(core, context):
    job = await core.submit()
    await core.begin(job)
    core.clock.turn(by_s=core.settings.lease_s + 1)
    async with in_hand(core, context, job) as execution:
        await core.cancel(job)
        await execution.reload()
        assert execution.job.attempts == 2


async def test_a_job_waits_while_the_backend_is_away_and_ends_at_its_deadline(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit(timeout_s=60)
    waiting = await after_a_run(core, context, job)
    assert (waiting.stage, waiting.wait and waiting.wait.reason) == (Stage.PREPARING, WaitReason.BACKEND_DOWN)
    core.clock.turn(by_s=61)
    ended = await after_a_run(core, context, job)
    assert (ended.status, code_of(ended), ended.credits_used) == (Status.FAILED, Code.BACKEND_UNAVAILABLE, 0)
    token = (await core.tokens.all())[0]
    assert (token.reserved, token.in_flight) == (0, 0)


async def test_a_job_that_waits_for_credits_looks_after_pauses_that_grow_to_a_minute(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=0)
    job, pauses_s = await core.submit(), []
    for _ in range(6):
        waiting = await after_a_run(core, context, job)
        assert waiting.wait is not None
        assert waiting.wait.reason is WaitReason.NO_CREDITS
        pauses_s.append((waiting.wait.until_ms - core.clock.now_ms()) / 1000)
        core.clock.turn(by_s=pauses_s[-1])
    assert pauses_s == [5, 10, 20, 40, 60, 60]


async def test_a_silent_backend_holds_up_no_bad_end(core, tmp_path):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit(timeout_s=60)
    sent = Sent(at_ms=core.clock.now_ms(), before="d0", cost=50)
    async with peer(b"", holds=True) as silent, context_over(core, tmp_path, backend=silent.url) as context:
        started = transitions.token_taken(transitions.started(job, now_ms=job.created_at_ms), token_id=token_id)
        async with (
            in_hand(core, context, transitions.sending(started, sent=sent)) as execution,
            asyncio.timeout(PATIENCE_S),
        ):
            result = await handle_error(execution, Permanent(Code.DEADLINE_EXCEEDED))
    assert (result.job.credits_used, result.job.credits_exact) == (50, False)
    assert silent.requests


async def test_a_job_that_comes_too_late_expires(core, context):
    job = await core.submit(start_timeout_s=5)
    core.clock.turn(by_s=6)
    assert (await after_a_run(core, context, job)).status is Status.EXPIRED


async def test_a_job_that_has_waited_for_longer_than_it_may_run_begins_all_the_same(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit(timeout_s=5, start_timeout_s=60)
    core.clock.turn(by_s=6)
    begun = await after_a_run(core, context, job)
    assert (begun.status, begun.deadline_ms > core.clock.now_ms()) == (Status.RUNNING, True)


async def test_a_job_that_comes_far_too_late_expires_also_where_it_could_not_run_for_so_long(core, context):
    job = await core.submit(timeout_s=5, start_timeout_s=5)
    core.clock.turn(by_s=60)
    assert (await after_a_run(core, context, job)).status is Status.EXPIRED


async def test_a_session_that_is_lost_is_told_without_asking_anybody(core, context):
    job = await core.submit()
    session = msgspec.structs.replace(core.submission(job).session, lost=True)
    claim = await core.claim(job)
    await core.write(
        claim, transitions.started(claim.job, now_ms=core.clock.now_ms()), session=session, park_until_ms=0
    )
    assert code_of(await after_a_run(core, context, job)) is Code.SESSION_LOST


async def test_more_credits_than_the_caller_allows_are_not_asked_for(core, context):
    job = await core.submit(max_credits=49)
    assert code_of(await after_a_run(core, context, job)) is Code.BUDGET_EXCEEDED


async def test_nobody_waits_for_credits_longer_than_the_start_timeout(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=0)
    job = await core.submit(start_timeout_s=20)
    waiting = await after_a_run(core, context, job)
    assert waiting.wait is not None
    assert waiting.wait.reason is WaitReason.NO_CREDITS
    core.clock.turn(by_s=21)
    ended = await after_a_run(core, context, job)
    assert code_of(ended) is Code.CREDITS_EXHAUSTED
    assert ended.error is not None
    assert ended.error.hint.startswith("Top up credits")


async def test_a_job_waits_for_credits_for_as_long_as_it_may_start_and_has_all_its_time_then(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=0)
    job = await core.submit(start_timeout_s=100, timeout_s=5)
    while core.clock.now_ms() < job.start_by_ms:
        waiting = await after_a_run(core, context, job)
        assert waiting.wait is not None
        assert waiting.wait.reason is WaitReason.NO_CREDITS
        assert waiting.deadline_ms == waiting.wait.until_ms + 5000
        late_s = 2  # whoever wakes it, and asks for balances again, needs a moment each time
        core.clock.turn(by_s=(waiting.wait.until_ms - core.clock.now_ms()) / 1000 + late_s)
    assert code_of(await after_a_run(core, context, job)) is Code.CREDITS_EXHAUSTED


@pytest.mark.parametrize("late_s", [7, 200])
async def test_a_job_that_is_woken_late_from_its_wait_for_credits_has_waited_for_them_until_then(core, context, late_s):
    """No worker was there, or all had their places taken: it may not be told that it has waited for long enough."""
    await core.tokens.add("nmv_usr_a", kind="operator", available=0)
    job = await core.submit(start_timeout_s=600, timeout_s=6)
    waiting = await after_a_run(core, context, job)
    assert waiting.wait is not None
    core.clock.turn(by_s=(waiting.wait.until_ms - core.clock.now_ms()) / 1000 + late_s)
    woken = await after_a_run(core, context, job)
    assert (woken.status, woken.wait and woken.wait.reason) == (Status.RUNNING, WaitReason.NO_CREDITS)
    await core.tokens.add("nmv_usr_b", kind="operator", available=500)
    core.clock.turn(by_s=(woken.wait.until_ms - core.clock.now_ms()) / 1000 + late_s)
    begun = await after_a_run(core, context, job)
    assert (begun.wait and begun.wait.reason) is WaitReason.BACKEND_DOWN, "it goes on, and nobody answers in this test"
    assert begun.deadline_ms == core.clock.now_ms() + 6000
    assert begun.waited_ms == core.clock.now_ms() - begun.started_at_ms


async def test_a_cancel_before_anything_was_sent_costs_nothing(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    await after_a_run(core, context, job)
    await core.cancel(job)
    ended = await after_a_run(core, context, job)
    assert (ended.status, ended.credits_used, ended.credits_exact) == (Status.CANCELED, 0, True)


async def test_a_refused_message_stays_refused_while_another_worker_renews_the_token(core, context):
    token_id = await core.tokens.add(
        "nmv_usr_a", kind="anonymous", available=100, expires_ms=core.clock.now_ms() - 1, user_id="anon_1"
    )
    identity = await core.identities.read(fresh_client_id="c")
    await core.identities.write(token_id=token_id)
    await core.tokens.mark(token_id, "expired")
    await core.identities.lock(identity.client_id, for_s=30)
    job = transitions.token_taken(
        transitions.started(await core.submit(), now_ms=core.clock.now_ms()), token_id=token_id
    )
    job = transitions.sending(job, sent=Sent(at_ms=core.clock.now_ms(), before="d0"))
    async with in_hand(core, context, job) as execution:
        following = await handle_error(execution, BackendFault(Fault.TOKEN_REFUSED, call="message"))
    assert (following.job.stage, following.job.sent) == (Stage.PREPARING, None)
    assert following.job.wait is not None
    assert following.job.wait.reason is WaitReason.NO_CREDITS


async def test_an_end_with_an_edit_that_may_still_land_lets_the_session_settle(core, context):
    await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit(timeout_s=60)
    claim = await core.begin(job)
    sending = transitions.sending(claim.job, sent=Sent(at_ms=core.clock.now_ms(), before="d0"))
    claim = await core.write(claim, transitions.token_taken(sending, token_id="tok_1"), park_until_ms=0)
    core.clock.turn(by_s=61)
    ended = await after_a_run(core, context, job)
    assert code_of(ended) is Code.DEADLINE_EXCEEDED
    assert (ended.credits_used, ended.credits_exact) == (50, False), "nobody knows, so it counts as the usual"
    follower = await core.submit(session_id=job.session_id, new_session=False)
    assert (await core.claim(follower)).session.settling_until_ms > core.clock.now_ms()


async def test_an_upload_that_a_crash_left_in_doubt_stays_in_doubt_while_the_backend_is_away(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    media = (MediaRef(url="https://media.example/a.mp4", name="a.mp4"),)
    job = await core.submit(media=media)
    session = sessions.opened(
        core.submission(job).session, backend_id="b1", task_id=None, user_id=None, token_id=token_id
    )
    begun = await core.begin(job)
    uploading = transitions.moved(transitions.token_taken(begun.job, token_id=token_id), Stage.UPLOADING)
    await core.write(begun, uploading, session=msgspec.structs.replace(session, media=media, edits=1))
    core.clock.turn(by_s=core.settings.lease_s + 1)
    waiting = await after_a_run(core, context, job)
    assert waiting.wait is not None
    assert (waiting.stage, waiting.upload_in_doubt) == (Stage.UPLOADING, True), "or the file is brought twice"


async def test_a_job_whose_token_no_key_opens_waits_for_the_key_and_ends_in_its_time(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    await core.redis.hset(key("token", token_id), "secret", Encryption(["o" * 40]).lock("nmv_usr_a"))
    job = await core.submit(timeout_s=600)
    await core.slots(9)
    waiting = await after_a_run(core, context, job)
    assert (waiting.status, waiting.wait and waiting.wait.reason) == (Status.RUNNING, WaitReason.BACKEND_DOWN)
    core.clock.turn(by_s=601)
    ended = await after_a_run(core, context, job)
    assert (ended.status, code_of(ended), ended.credits_used) == (Status.FAILED, Code.BACKEND_UNAVAILABLE, 0)


async def test_a_render_whose_token_no_key_opens_is_followed_after_its_jobs_end(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit(timeout_s=600)
    claim = await core.begin(job)
    started = transitions.token_taken(claim.job, token_id=token_id)
    render = Render(id="render_1", attempt=1, started_at_ms=core.clock.now_ms(), asked=True)
    await core.write(claim, transitions.moved(started, Stage.RENDERING, edited=True, render=render))
    await core.redis.hset(key("token", token_id), "secret", Encryption(["o" * 40]).lock("nmv_usr_a"))
    core.clock.turn(by_s=601)
    ended = await after_a_run(core, context, job)
    assert (ended.status, code_of(ended)) == (Status.FAILED, Code.DEADLINE_EXCEEDED)
    assert [orphan.id for orphan in await context.orphan_renders.due()] == ["render_1"]
    await follow_orphan_renders(context)
    core.clock.turn(by_s=7200)
    assert [orphan.id for orphan in await context.orphan_renders.due()] == ["render_1"], "it is not forgotten"


async def test_a_render_of_a_profile_that_only_a_newer_release_knows_keeps_no_other_from_being_followed(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    for number, profile in enumerate(["of-a-newer-release", "free-video-fast"]):
        core.clock.turn(by_s=1)
        orphan = OrphanRender(
            id=f"render_{number}", job_id="job_1", token_id=token_id, profile=profile, left_at_ms=core.clock.now_ms()
        )
        await context.orphan_renders.leave(orphan)
    await follow_orphan_renders(context)
    assert await context.orphan_renders.due() == []
    assert await core.redis.zcard(key("orphan_renders")) == 2, "both are looked at again"
