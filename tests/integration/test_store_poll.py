"""What one question for work hands out: what somebody waits for first, then looks, and neither stands behind the other for ever."""

from typing import NamedTuple

from core.model.job import Job, Webhook
from core.store.redis.functions import AHEAD_MS
from core.store.redis.keys import key
from tests.store_fixture import Core, core

__all__ = ["core"]

MANY = 100
LEFT_MS = 1000


class Due(NamedTuple):
    ahead: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()
    more_looks: bool = False
    next_in_ms: int = 0


async def poll(core: Core, **limits: int) -> Due:
    """Ask for work, with plenty of room where nothing else is said."""
    room = {"most": MANY, "most_ahead": MANY, "most_looks": MANY, "kept_looks": 0}
    asked = core.clock.for_operations() | room | {"left_ms": LEFT_MS, "lease_ms": 12_000} | limits
    return await core.store.run("poll_queue", asked, Due)


async def overdue_looks(core: Core, number: int) -> list[str]:
    """Let jobs sleep and oversleep; they are named in the order in which they were due."""
    jobs = await admitted(core, number)
    for n, job in enumerate(jobs):
        await core.write(claim := await core.begin(job), claim.job, park_until_ms=core.clock.now_ms() + 1000 + n)
    core.clock.turn(by_s=600)
    return [job.id for job in jobs]


async def admitted(core: Core, number: int) -> list[Job]:
    await core.slots(10 * MANY)
    return [await core.submit() for _ in range(number)]


async def test_new_work_passes_looks_that_are_overdue(core: Core) -> None:
    looks = await overdue_looks(core, 5)
    new = [job.id for job in await admitted(core, 3)]
    assert await poll(core, most=4) == Due(tuple(new), tuple(looks[:1]), more_looks=False, next_in_ms=12_000)


async def test_new_work_comes_in_the_order_in_which_it_was_let_in(core: Core) -> None:
    new = []
    for _ in range(5):
        new += [job.id for job in await admitted(core, 1)]
        core.clock.turn(by_s=1)
    assert (await poll(core)).ahead == tuple(new)


async def test_a_cancel_of_what_sleeps_passes_looks(core: Core) -> None:
    looks = await overdue_looks(core, 3)
    [sleeper] = await admitted(core, 1)
    await core.write(claim := await core.begin(sleeper), claim.job, park_until_ms=core.clock.now_ms() + 600_000)
    await core.cancel(sleeper)
    due = await poll(core)
    assert (due.ahead, due.looks) == ((sleeper.id,), tuple(looks))


async def test_a_cancel_of_what_is_being_handed_out_stands_in_nobodys_way(core: Core) -> None:
    """Whoever was handed it comes for it, or has died: until the lease ends nobody else gets it."""
    [look] = await overdue_looks(core, 1)
    assert (await poll(core)).looks == (look,)
    due_ms = await core.redis.zscore(key("arq_queue"), look)
    await core.cancel(await core.jobs.load(look))
    [new] = await admitted(core, 1)
    assert (await poll(core, most=1)).ahead == (new.id,)
    assert await core.redis.zscore(key("arq_queue"), look) == due_ms


async def test_a_first_callback_passes_looks(core: Core) -> None:
    looks = await overdue_looks(core, 3)
    job = await core.submit(webhook=Webhook(url="https://hooks.example.com/one"))
    await core.run(job)
    [(callback, _)] = await core.deliveries.of_job(job.id)
    due = await poll(core)
    assert (due.ahead, due.looks) == ((callback.id,), tuple(looks))


async def test_what_a_stopping_worker_hands_back_passes_looks(core: Core) -> None:
    looks = await overdue_looks(core, 2)
    [held] = await admitted(core, 1)
    claim = await core.begin(held)
    await core.jobs.hand_back({held.id: claim.owner})
    due = await poll(core)
    assert (due.ahead, due.looks) == ((held.id,), tuple(looks))


async def test_looks_that_are_kept_come_before_any_new_work(core: Core) -> None:
    looks = await overdue_looks(core, 5)
    await admitted(core, 10)
    due = await poll(core, most=8, kept_looks=2)
    assert (len(due.ahead), due.looks) == (6, tuple(looks[:2]))


async def test_where_few_looks_are_due_new_work_has_the_places_that_were_kept(core: Core) -> None:
    looks = await overdue_looks(core, 1)
    await admitted(core, 10)
    due = await poll(core, most=8, kept_looks=4)
    assert (len(due.ahead), due.looks) == (7, tuple(looks))


async def test_all_that_is_due_comes_in_time_however_much_new_work_there_is(core: Core) -> None:
    looks = await overdue_looks(core, 5)
    seen: list[str] = []
    for _ in range(len(looks)):
        await admitted(core, 4)
        seen += (await poll(core, most=4, kept_looks=1)).looks
    assert seen == looks


async def test_it_says_when_there_may_be_more_looks_than_there_was_room_for(core: Core) -> None:
    await overdue_looks(core, 5)
    assert (await poll(core, most_looks=4)).more_looks
    assert not (await poll(core, most_looks=4)).more_looks
    assert not (await poll(core, most_looks=4)).looks


async def test_a_worker_without_room_for_new_work_leaves_it_and_the_token_to_others(core: Core) -> None:
    looks = await overdue_looks(core, 2)
    [new] = await admitted(core, 1)
    due = await poll(core, most_ahead=0)
    assert (due.ahead, due.looks) == ((), tuple(looks))
    assert await core.redis.llen(key("wakeup")) == 1
    assert (await poll(core)).ahead == (new.id,)
    assert await core.redis.llen(key("wakeup")) == 0


async def test_a_worker_without_room_for_new_work_takes_what_nobody_else_has_taken_for_a_while(core: Core) -> None:
    """New jobs, first callbacks and cancels wait for no worker that never comes to be on time."""
    [new] = await admitted(core, 1)
    core.clock.turn(by_s=(LEFT_MS - 1) / 1000)
    assert (await poll(core, most_ahead=0)).ahead == ()
    core.clock.turn(by_s=0.001)
    assert (await poll(core, most_ahead=0)).ahead == (new.id,)


async def test_a_worker_that_has_taken_the_token_and_keeps_its_last_place_for_a_look_wakes_another(core: Core) -> None:
    await overdue_looks(core, 1)
    await admitted(core, 1)
    assert await core.redis.lpop(key("wakeup"))
    await poll(core, most=1, most_ahead=1, kept_looks=1)
    assert await core.redis.llen(key("wakeup")) == 1


async def test_a_worker_whose_last_place_is_kept_for_a_look_leaves_new_work_and_the_token_to_others(core: Core) -> None:
    [look] = await overdue_looks(core, 1)
    await admitted(core, 1)
    assert await poll(core, most=1, most_ahead=1, kept_looks=1) == Due((), (look,), more_looks=False, next_in_ms=12_000)
    assert await core.redis.llen(key("wakeup")) == 1


async def test_another_is_woken_where_new_work_is_left_and_not_for_looks(core: Core) -> None:
    await overdue_looks(core, 5)
    await poll(core, most_looks=2)
    assert await core.redis.llen(key("wakeup")) == 0
    await admitted(core, 3)
    await poll(core, most_ahead=2)
    assert await core.redis.llen(key("wakeup")) == 1


async def test_what_an_older_release_has_queued_is_handed_out_too(core: Core) -> None:
    """It writes no score before all times, and takes what is due in the order of scores."""
    [job] = await admitted(core, 1)
    assert await core.redis.zscore(key("arq_queue"), job.id) == core.clock.now_ms() - AHEAD_MS
    await core.redis.zadd(key("arq_queue"), {job.id: core.clock.now_ms()})
    assert (await poll(core)).looks == (job.id,)


async def test_what_was_handed_out_is_due_again_when_nobody_claims_it(core: Core) -> None:
    [job] = await admitted(core, 1)
    assert (await poll(core)).ahead == (job.id,)
    assert await poll(core) == Due(next_in_ms=12_000)
    assert await core.redis.zscore(key("arq_queue"), job.id) == core.clock.now_ms() + 12_000


async def test_the_token_names_what_goes_ahead(core: Core) -> None:
    [job] = await admitted(core, 1)
    assert await core.redis.lrange(key("wakeup"), 0, -1) == [job.id.encode()]


async def test_whoever_comes_for_a_job_by_name_gets_it_when_it_is_due_and_not_while_it_sleeps(core: Core) -> None:
    [job] = await admitted(core, 1)
    claim = await core.jobs.claim(job.id, owner="w1:1", only_if_due=True)
    assert claim
    await core.write(claim, claim.job, park_until_ms=core.clock.now_ms() + 1000)
    assert await core.jobs.claim(job.id, owner="w1:2", only_if_due=True) is None
    core.clock.turn(by_s=1)
    assert await core.jobs.claim(job.id, owner="w1:3", only_if_due=True)


async def test_whoever_comes_by_name_and_whoever_was_handed_it_are_told_apart(core: Core) -> None:
    [job] = await admitted(core, 1)
    assert (await poll(core)).ahead == (job.id,)
    assert await core.jobs.claim(job.id, owner="w1:1", only_if_due=True)
    assert await core.jobs.claim(job.id, owner="w2:1") is None


async def test_what_somebody_holds_may_be_spared_after_its_lease_and_nothing_that_sleeps_is(core: Core) -> None:
    [sleeper] = await overdue_looks(core, 1)
    [held] = await admitted(core, 1)
    await core.begin(held)
    core.clock.turn(by_s=core.settings.lease_s)
    await core.redis.delete(key("arq_in_progress", held.id))  # it goes by another clock
    assert (await poll(core, spare_ms=4000)).looks == (sleeper,)
    core.clock.turn(by_s=3.999)
    assert (await poll(core)).looks == ()
    core.clock.turn(by_s=0.001)
    assert (await poll(core)).looks == (held.id,)
