"""Events: one order over all writers, ids to go on from, honest about what is gone."""

import asyncio

import pytest

from core.model import transitions
from core.model.job import Job
from core.store.events import StoredEvent, stream_id
from core.store.jobs.removal import JobRemoval
from core.store.redis.functions import FEED_LIFE_MS
from core.store.redis.keys import key
from tests.store_fixture import PUBLIC_URL, Core, core
from tests.until import PATIENCE_S

__all__ = ["core"]


async def feed(core: Core, after: str | None = None, most: int = 1000) -> list[StoredEvent]:
    return (await core.events.of_tenant("acme", after=after, most=most)).events


async def test_ids_only_grow_over_many_parallel_writers_in_one_millisecond(core: Core) -> None:
    await asyncio.gather(*(core.offer(core.new_job()) for _ in range(200)))
    ids = [e.id for e in await feed(core)]
    assert len(set(ids)) == 200
    assert ids == sorted(ids)
    rows = await core.redis.xrange(key("feed", "acme"))
    assert [entry.decode() for entry, _ in rows] == [stream_id(i) for i in ids]


async def test_ids_grow_past_what_one_millisecond_can_count(core: Core) -> None:
    for _ in range(5):
        await core.offer(*(core.new_job() for _ in range(1000)))
    ids = [e.id for e in await feed(core, most=6000)]
    assert len(set(ids)) == 5000
    assert ids == sorted(ids)


async def test_ids_grow_also_when_the_next_writer_s_clock_is_behind(core: Core) -> None:
    await core.submit()
    core.clock.turn(by_s=-3600)
    await core.submit()
    core.clock.turn(by_s=7200)
    await core.submit()
    ids = [e.id for e in await feed(core)]
    assert ids == sorted(ids)
    assert len(ids) == 3


@pytest.mark.parametrize("clock", [None, "no clock", "5-0"], ids=["gone", "garbage", "too small"])
async def test_ids_grow_also_where_a_tenant_s_clock_was_lost_and_the_time_is_behind(
    core: Core, clock: str | None
) -> None:
    job = await core.submit()
    claim = await core.begin(job)
    claim = await core.write(claim, transitions.progress_noted(claim.job, "half"))  # this one is in no feed

    async def lose_the_clock() -> None:
        core.clock.turn(by_s=-3600)
        await core.redis.delete(key("event_clock", "acme"))
        if clock:
            await core.redis.set(key("event_clock", "acme"), clock)

    await lose_the_clock()
    await core.write(claim, transitions.progress_noted(claim.job, "more"))
    await lose_the_clock()
    await core.submit()
    for found in (await feed(core), (await core.events.of_job(job.id)).events):
        ids = [event.id for event in found]
        assert ids == sorted(set(ids))
    assert len(await feed(core)) == 3
    left_ms = [await core.redis.pttl(key(name, "acme")) for name in ("event_clock", "feed")]
    assert min(left_ms) > FEED_LIFE_MS


async def test_reading_on_from_each_id_gives_the_rest_without_gap_or_repeat(core: Core) -> None:
    for _ in range(10):
        await core.submit()
    everything = await feed(core)
    for at, event in enumerate(everything):
        assert await feed(core, after=event.id) == everything[at + 1 :]
    pages, after = [], None
    while page := await feed(core, after=after, most=3):
        pages += page
        after = page[-1].id
    assert pages == everything


async def talk(core: Core, words: int) -> tuple[Job, list[str]]:
    """A job that says so many words; returns the ids of its events."""
    claim = await core.begin(await core.submit())
    for number in range(words):
        claim = await core.write(claim, transitions.progress_noted(claim.job, f"word {number}"))
    await core.finish(claim)
    return claim.job, [e.id for e in (await core.events.of_job(claim.job.id, most=10_000)).events]


async def test_a_job_s_events_have_the_feed_s_ids_but_only_the_feed_s_types_are_in_the_feed(core: Core) -> None:
    job, ids = await talk(core, 3)
    history = await core.events.of_job(job.id)
    assert [e.type for e in history.events] == ["job.queued", "job.started", *["job.progress"] * 3, "job.succeeded"]
    assert [e.id for e in await feed(core)] == [ids[0], ids[1], ids[-1]]
    assert await core.events.last_id(job.id) == ids[-1]


async def test_a_reader_hears_when_what_it_missed_is_gone(core: Core) -> None:
    job, ids = await talk(core, 1000)
    assert len(ids) < 1000
    first = await core.events.of_tenant("acme")
    lost = await core.events.of_job(job.id, after=first.events[0].id)
    assert lost.trimmed
    kept = await core.events.of_job(job.id, after=ids[0])
    assert not kept.trimmed
    assert [e.id for e in kept.events] == ids[1 : 1 + len(kept.events)]


async def test_the_feed_keeps_fourteen_days(core: Core) -> None:
    for _ in range(300):
        await core.submit()
    core.clock.turn(by_s=14 * 86400 + 60)
    newest = await core.submit()
    left = await feed(core)
    assert len(left) < 150
    assert newest.id.encode() in left[-1].body


async def test_a_deleted_job_leaves_nothing_in_the_feed_though_its_api_s_clock_was_ahead(core: Core) -> None:
    """Its own stream has its first events no more, and the feed goes by Redis's clock."""
    core.clock.turn(by_s=60)
    job = core.new_job()
    core.clock.turn(by_s=-60)
    await core.offer(job)
    claim = await core.begin(job)
    for number in range(1000):
        claim = await core.write(claim, transitions.progress_noted(claim.job, f"word {number}"))
    over = await core.finish(claim)
    assert (await core.events.of_job(job.id)).trimmed
    await JobRemoval(core.store, public_url=PUBLIC_URL).remove(over)
    assert await feed(core) == []


async def test_a_reader_of_the_feed_hears_that_it_was_away_for_too_long_and_only_then(core: Core) -> None:
    async def is_cut(after: str) -> bool:
        return (await core.events.of_tenant("acme", after=after)).trimmed

    jobs = [await core.submit() for _ in range(3)]
    first, _, last = [event.id for event in await feed(core)]
    assert not await is_cut(first)
    core.clock.turn(by_s=13 * 86400)
    assert not await is_cut(first)
    assert not await is_cut(last), "nothing has come since"
    for job in jobs:
        await core.cancel(job)
        await JobRemoval(core.store, public_url=PUBLIC_URL).remove(await core.read(job))
    assert await feed(core) == []
    assert not await is_cut(last), "they went with their jobs, since their caller wanted that"
    core.clock.turn(by_s=2 * 86400)
    assert await is_cut(last), "there may have been others"
    await core.redis.delete(key("feed", "acme"))
    await core.submit()
    [newest] = [event.id for event in await feed(core)]
    assert await is_cut(last)
    assert not await is_cut(newest)
    await core.redis.delete(key("feed", "acme"))
    assert await is_cut(newest), "Redis has lost it"


async def test_who_has_an_id_that_redis_has_lost_hears_of_it_until_something_later_comes(core: Core) -> None:
    await core.submit()
    [kept] = await feed(core)
    core.clock.turn(by_s=60)
    await core.submit()
    [_, lost] = [event.id for event in await feed(core)]
    await core.redis.delete(key("feed", "acme"))
    await core.redis.xadd(
        key("feed", "acme"), {"id": kept.id, "type": kept.type, "body": kept.body}, id=stream_id(kept.id)
    )
    assert (await core.events.of_tenant("acme", after=lost)).trimmed
    await core.submit()
    history = await core.events.of_tenant("acme", after=lost)
    assert (len(history.events), history.trimmed) == (1, False)


async def test_a_feed_is_cut_as_fast_as_it_grows_however_fast_that_is(core: Core) -> None:
    """Redis cuts ten thousand entries at once at most."""
    pipe = core.redis.pipeline(transaction=False)
    for seq in range(25_000):
        pipe.xadd(key("feed", "acme"), {"id": "-"}, id=f"{core.clock.now_ms() - 14 * 86_400_000 - 1}-{seq}")
    await pipe.execute()
    for _ in range(3):
        await core.submit()
    assert await core.redis.xlen(key("feed", "acme")) < 150


async def test_a_word_of_each_event_of_a_known_job_goes_out_to_whoever_listens(core: Core) -> None:
    subscription = await core.events.subscribe()
    for _ in ("news", "removals", "apis"):
        await subscription.get_message(timeout=PATIENCE_S)
    job, unknown_yet = await core.submit(), await core.submit()
    await core.begin(job)
    message = await subscription.get_message(ignore_subscribe_messages=True, timeout=PATIENCE_S)
    await subscription.aclose()
    assert message is not None
    assert message["data"].decode() == job.id != unknown_yet.id


@pytest.mark.parametrize("text", ["", "evt_", "evt_zz", "42-1", "evt_019a3c1e-7b2f-7003-8000-00000000000g0"])
def test_what_is_no_event_id_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError):
        stream_id(text)


async def test_events_of_tenants_do_not_mix(core: Core) -> None:
    await core.submit("other")
    await core.submit()
    assert len(await feed(core)) == 1
