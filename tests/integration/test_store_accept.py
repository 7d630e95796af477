"""Accepting: all of it or nothing, with the limits exact and a repeated call answered once."""

import asyncio
import signal
from contextlib import suppress

import msgspec
import pytest

from core.clock import stopwatch_s
from core.ids import new_id
from core.model.job import MediaRef
from core.model.upload import Upload
from core.store.idempotency import Hold, Idempotency
from core.store.jobs.queries import JobFilter
from core.store.jobs.submissions import Accepted, Rejected, Replayed
from core.store.redis.client import connect
from core.store.redis.functions import NotReplicated
from core.store.redis.keys import key
from tests.redis_fixture import running_redis
from tests.store_fixture import Core, core, make_job, settings_for
from tests.until import PATIENCE_S, until

__all__ = ["core"]

CALL = Idempotency("hash-of-key", "hash-of-body", b"\x00the first answer\xff")


@pytest.mark.quick
async def test_an_accepted_job_stands_in_every_index_and_has_told_its_first_event(core: Core) -> None:
    job = await core.submit()
    assert await core.read(job) == job
    assert [j.id for j in (await core.listing.page("acme")).jobs] == [job.id]
    assert [j.id for j in (await core.listing.page("acme", JobFilter(profile=job.profile))).jobs] == [job.id]
    assert [j.id for j in (await core.listing.page("acme", JobFilter(session_id=job.session_id))).jobs] == [job.id]
    assert [e.type for e in (await core.events.of_job(job.id)).events] == ["job.queued"]
    assert [e.type for e in (await core.events.of_tenant("acme")).events] == ["job.queued"]
    session = await core.sessions.load(job.session_id)
    assert session is not None
    assert session.implicit


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ({"submits_per_minute": 3}, "rate"),
        ({"tenant_queued_jobs": 3}, "queue_full"),
        ({"queue_limit": 3}, "overloaded"),
    ],
)
async def test_a_batch_over_a_limit_leaves_nothing_behind(core: Core, limit: dict[str, int], why: str) -> None:
    await core.submit()
    await core.submit()
    core.with_settings(**limit)
    before = await core.everything()
    refused = await core.offer(core.new_job(), core.new_job(), call=CALL)
    assert isinstance(refused, Rejected)
    assert refused.why == why
    assert await core.everything() == before
    assert isinstance(await core.offer(core.new_job()), Accepted)


async def test_limits_of_one_tenant_or_key_leave_others_alone(core: Core) -> None:
    core.with_settings(submits_per_minute=1, tenant_queued_jobs=1)
    assert isinstance(await core.offer(core.new_job(), key_id="key_1"), Accepted)
    assert isinstance(await core.offer(core.new_job(), key_id="key_2"), Rejected)
    assert isinstance(await core.offer(core.new_job("other"), key_id="key_1"), Rejected)
    assert isinstance(await core.offer(core.new_job("other"), key_id="key_3"), Accepted)


async def test_the_rate_says_what_is_used_and_when_the_window_ends(core: Core) -> None:
    core.with_settings(submits_per_minute=3)
    began_s = stopwatch_s()
    first = await core.offer(core.new_job(), core.new_job())
    assert isinstance(first, Accepted)
    assert first.used == 2
    assert first.reset_ms == 60_000
    refused = await core.offer(core.new_job(), core.new_job())
    assert isinstance(refused, Rejected)
    assert 59_000 - (stopwatch_s() - began_s) * 1000 < refused.retry_ms <= 60_000


async def test_more_at_once_than_a_whole_window_allows_is_refused_without_a_negative_wait(core: Core) -> None:
    core.with_settings(submits_per_minute=1)
    refused = await core.offer(core.new_job(), core.new_job())
    assert refused == Rejected("rate", 0)


async def test_parallel_submits_never_pass_the_rate(core: Core) -> None:
    core.with_settings(submits_per_minute=10)
    answers = await asyncio.gather(*(core.offer(core.new_job()) for _ in range(40)))
    assert sum(isinstance(a, Accepted) for a in answers) == 10


@pytest.mark.parametrize("state", ["unknown", "closed", "foreign"])
async def test_a_session_that_is_not_open_to_the_tenant_refuses_all_of_a_batch(core: Core, state: str) -> None:
    first = await core.submit("other" if state == "foreign" else "acme")
    session = await core.sessions.load(first.session_id)
    assert session is not None
    if state == "closed":
        await core.sessions.close(session)
    before = await core.everything()
    into = core.new_job(session_id=new_id("ses") if state == "unknown" else first.session_id)
    submissions = [core.submission(core.new_job()), core.submission(into, session=False)]
    refused = await core.intake.accept(submissions, key_id="key_1", idempotency=CALL)
    assert refused == Rejected("no_session", gone_id=into.session_id)
    assert await core.everything() == before


async def test_a_batch_may_share_the_session_that_its_first_job_brings(core: Core) -> None:
    first = core.new_job()
    second = core.new_job(session_id=first.session_id)
    submissions = [core.submission(first), core.submission(second, session=False)]
    assert isinstance(await core.intake.accept(submissions, key_id="key_1", idempotency=None), Accepted)
    assert await core.sessions.queue_of(first.session_id) == (2, first.id)


async def test_the_same_call_again_gets_the_first_answer_byte_for_byte(core: Core) -> None:
    first = await core.offer(core.new_job(), call=CALL)
    before = await core.everything()
    again = CALL._replace(answer=b"another answer")
    assert await core.offer(core.new_job(), call=again) == Replayed(CALL.answer, first.waits)
    assert await core.everything() == before


async def test_the_same_key_with_another_body_is_refused(core: Core) -> None:
    await core.offer(core.new_job(), call=CALL)
    assert await core.offer(core.new_job(), call=CALL._replace(body_hash="other")) == Rejected("reused")


async def test_a_key_belongs_to_its_tenant(core: Core) -> None:
    await core.offer(core.new_job(), call=CALL)
    assert isinstance(await core.offer(core.new_job("other"), call=CALL), Accepted)


async def test_a_replay_is_answered_also_when_the_rate_is_used_up(core: Core) -> None:
    core.with_settings(submits_per_minute=1)
    first = await core.offer(core.new_job(), call=CALL)
    assert await core.offer(core.new_job(), call=CALL) == Replayed(CALL.answer, first.waits)


@pytest.mark.quick
async def test_a_hundred_parallel_submits_with_one_key_make_one_job(core: Core) -> None:
    answers = await asyncio.gather(*(core.offer(core.new_job(), call=CALL) for _ in range(100)))
    (accepted,) = [a for a in answers if isinstance(a, Accepted)]
    assert {a for a in answers if a is not accepted} == {Replayed(CALL.answer, accepted.waits)}
    assert len((await core.listing.page("acme", limit=200)).jobs) == 1


async def test_an_answer_is_kept_until_its_job_must_have_ended(core: Core) -> None:
    job = core.new_job(start_timeout_s=100_000, timeout_s=50_000)
    await core.offer(job, call=CALL)
    left_ms = await core.redis.pttl(key("idempotency", "acme", CALL.key_hash))
    assert left_ms > 150_000 * 1000


async def test_a_call_of_several_writes_takes_its_key_once(core: Core) -> None:
    holds = [Hold("acme", "k", by=str(number)) for number in range(20)]
    taken = await asyncio.gather(*(core.answers.open(hold, "body") for hold in holds))
    assert sum(taken) == 1
    under_way = await core.answers.find("acme", "k")
    assert under_way is not None
    assert under_way.answer is None
    [holder] = [hold for hold, took in zip(holds, taken, strict=True) if took]
    for other in set(holds) - {holder}:
        await core.answers.let_go(other)
    assert not await core.answers.open(holder, "body")
    await core.answers.let_go(holder)
    assert await core.answers.open(holder, "another body")


async def test_a_key_whose_call_is_through_is_let_go_by_nobody(core: Core) -> None:
    hold = Hold("acme", "k", by="one")
    await core.answers.open(hold, "body")
    await core.answers.keep("acme", "k", "body", b"done")
    await core.answers.let_go(hold)
    assert await core.answers.find("acme", "k") == ("body", b"done", ())


async def test_a_call_that_died_half_way_blocks_its_key_for_two_minutes_only(core: Core) -> None:
    await core.answers.open(Hold("acme", "k", by="one"), "body")
    await core.answers.open(Hold("acme", "k", by="two"), "body")
    assert 0 < await core.redis.pttl(key("idempotency", "acme", "k")) <= 120_000


async def test_submits_that_wait_for_replicas_hold_up_no_other_call(core: Core) -> None:
    await core.submit()  # the connection is open, and Redis knows the operation
    core.with_settings(wait_replicas=1)  # of which there is none

    async def are_overtaken() -> bool:
        submits = [asyncio.create_task(core.offer(core.new_job())) for _ in range(3)]
        await asyncio.wait(submits, timeout=0)
        await core.store.ask("PING")
        await asyncio.wait(submits, timeout=0.01)  # who was answered with it has had its turn
        overtaken = not any(submit.done() for submit in submits)
        assert {type(each) for each in await asyncio.gather(*submits, return_exceptions=True)} == {NotReplicated}
        return overtaken

    for _ in range(20):  # on a busy machine a call may be later than their half second
        if await are_overtaken():
            return
    pytest.fail("each time the call came behind their waits")


async def test_whoever_finds_an_answer_waits_for_the_replicas_too() -> None:
    with running_redis() as primary, running_redis() as replica:
        follower = connect(replica.url, answer_s=PATIENCE_S)
        await follower.config_set("masterauth", primary.password)
        await follower.replicaof("127.0.0.1", str(primary.port))

        async def in_touch() -> bool:
            return bool((await follower.info("replication"))["master_link_status"] == "up")

        await until(in_touch, within_s=PATIENCE_S)
        core = Core(connect(primary.url, answer_s=PATIENCE_S), settings_for(primary.url, wait_replicas=1))
        call, job = Idempotency("k", "body", b"answer"), core.new_job()
        replica.process.send_signal(signal.SIGSTOP)
        for _ in range(2):
            with pytest.raises(NotReplicated):
                await core.offer(job, call=call)
        with pytest.raises(NotReplicated):
            await core.store.wait_for_replicas(1)
        replica.process.send_signal(signal.SIGCONT)

        async def has_it() -> bool:
            with suppress(NotReplicated):
                return isinstance(await core.offer(job, call=call), Replayed)
            return False

        await until(has_it, within_s=PATIENCE_S)
        await core.store.wait_for_replicas(1)
        await core.store.close()
        await follower.aclose()


async def test_a_submit_counts_as_a_use_of_its_uploads(core: Core) -> None:
    upload = Upload(
        id=new_id("upl"), tenant="acme", filename="a.mp4", format="mp4", size_bytes=9, path="a", created_at_ms=0
    )
    await core.uploads.keep(upload)
    core.clock.turn(by_s=23 * 3600)
    await core.submit(media=(MediaRef(upload_id=upload.id, name="a.mp4"),))
    core.clock.turn(by_s=23 * 3600)
    assert await core.uploads.due() == []
    core.clock.turn(by_s=2 * 3600)
    assert await core.uploads.due() == [upload]


async def test_an_upload_is_there_as_long_as_a_job_that_waits_may_need_it_whatever_others_name_it(core: Core) -> None:
    upload = Upload(
        id=new_id("upl"), tenant="acme", filename="a.mp4", format="mp4", size_bytes=9, path="a", created_at_ms=0
    )
    await core.uploads.keep(upload)
    media = (MediaRef(upload_id=upload.id, name="a.mp4"),)
    await core.submit(media=media, start_timeout_s=3 * 86_400, timeout_s=3600)
    await core.submit(media=media)
    core.clock.turn(by_s=3 * 86_400 + 3500)
    assert await core.uploads.due() == []
    core.clock.turn(by_s=200)
    assert await core.uploads.due() == [upload]


async def test_bytes_of_uploads_are_counted_per_tenant_and_given_back_once(core: Core) -> None:
    upload = Upload(
        id=new_id("upl"), tenant="acme", filename="a.mp4", format="mp4", size_bytes=500, path="a", created_at_ms=0
    )
    assert await core.uploads.keep(upload) == 500
    await asyncio.gather(core.uploads.drop(upload), core.uploads.drop(upload))
    assert await core.uploads.stored_bytes("acme") == 0
    assert await core.uploads.load(upload.id) is None
    assert await core.uploads.due() == []


@pytest.mark.parametrize("state", ["removed", "withdrawn", "expected again"])
async def test_a_job_whose_upload_went_after_it_was_looked_up_is_accepted_in_no_part(core: Core, state: str) -> None:
    upload = Upload(
        id=new_id("upl"), tenant="acme", filename="a.mp4", format="mp4", size_bytes=9, path="a", created_at_ms=0
    )
    await core.uploads.keep(upload)
    going = {"removed": core.uploads.drop, "withdrawn": core.uploads.withdraw, "expected again": core.uploads.expect}
    await going[state](upload)
    before = {name: await core.redis.dump(name) for name in await core.redis.keys("rg:*")}
    there = core.submission(make_job())
    names_it = core.submission(make_job(media=(MediaRef(upload_id=upload.id, name="a.mp4"),)))
    refused = await core.intake.accept([there, names_it], key_id="key_1", idempotency=CALL)
    assert refused == Rejected("no_upload", gone_id=upload.id)
    assert {name: await core.redis.dump(name) for name in await core.redis.keys("rg:*")} == before


async def test_a_record_with_fields_of_a_newer_version_is_read(core: Core) -> None:
    job = make_job()
    raw = msgspec.msgpack.decode(msgspec.msgpack.encode(job)) | {"new_field": 1}
    await core.redis.hset(key("job", job.id), "rec", msgspec.msgpack.encode(raw))
    assert await core.read(job) == msgspec.structs.replace(job, beyond={"new_field": 1})
