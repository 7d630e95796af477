"""Two releases on one store: the mark that moves with who lives, and records that this one cannot read.

A newer release is played by a `Store` that says to be one; a broken record is bytes that are none.
"""

import asyncio
from typing import Any

import msgspec
import pytest

from core.events.batch import Batch, completion
from core.events.delivery import DeliveryState, EndpointOutcome
from core.ids import new_id
from core.metrics import REGISTRY
from core.model.formats import Mark, Release
from core.model.job import Job, MediaRef, Webhook
from core.model.session import Session
from core.model.transitions import succeeded
from core.model.upload import Upload
from core.model.webhook import TenantWebhook
from core.store.formats import Membership, WrongFormat, check_formats
from core.store.jobs.batches import Batches
from core.store.jobs.orphan_renders import OrphanRender, OrphanRenders
from core.store.jobs.removal import JobRemoval
from core.store.jobs.submissions import BatchStart
from core.store.leases import LeaseLost
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable
from core.store.redis.keys import APIS_CHANNEL, EVENTS_CHANNEL, key
from core.store.redis.lists import UNREADABLE_REST_MS
from core.store.secret_keys.use import secret_key_use
from core.store.workers import WorkerFacts
from tests.store_fixture import PUBLIC_URL, Core, core
from tests.until import PATIENCE_S
from tests.worker_fixture import context_over
from worker.jobs.orphan_renders import follow_orphan_renders
from worker.maintenance.sweeper import remove_old, sweep

__all__ = ["core"]

SETTLE_S = 60.0
BROKEN = b"\x81"


def unreadable_count(kind: str) -> float:
    return REGISTRY.get_sample_value("reelgate_unreadable_records_total", {"kind": kind}) or 0.0


class Fleet:
    """Processes of any release over one Redis, that say when asked that they live."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._count = 0

    def process(self, release: Release, kind: Any = "worker") -> Membership:
        self._count += 1
        store = Store(self._core.redis)
        store.release = release
        return Membership(
            store,
            self._core.clock,
            kind=kind,
            process_id=f"p:{self._count}",
            secret_key_names=self._core.vault.key_names,
            lease_s=10,
            settle_s=SETTLE_S,
        )

    async def mark(self) -> Mark:
        return await check_formats_of(self._core, Release(99, 1, 99))


async def check_formats_of(core: Core, release: Release) -> Mark:
    store = Store(core.redis)
    store.release = release
    await check_formats(store)
    return store.mark


@pytest.fixture
def fleet(core: Core) -> Fleet:
    return Fleet(core)


# --- the mark

V1, V2, V3 = Release(1, 1, 1), Release(2, 1, 1), Release(3, 2, 3)


async def test_the_mark_rises_once_nobody_has_lived_for_a_while_who_writes_less(core: Core, fleet: Fleet):
    old, new = fleet.process(V2), fleet.process(V3)
    await core.redis.hset(key("formats"), mapping={"written": 2, "oldest_reader": 1})
    await new.note()
    await old.note()
    for _ in range(3):
        core.clock.turn(by_s=SETTLE_S)
        await old.note()
        await new.note()
        assert await fleet.mark() == Mark(2, 1)
    core.clock.turn(by_s=41)  # the old one has died
    await new.note()
    assert await fleet.mark() == Mark(2, 1), "it has lived a moment ago"
    core.clock.turn(by_s=SETTLE_S)
    await new.note()
    assert await fleet.mark() == Mark(3, 3)


async def test_the_mark_falls_at_once_where_an_older_release_comes_that_reads_all_of_it(core: Core, fleet: Fleet):
    new = fleet.process(V2)
    await new.note()
    core.clock.turn(by_s=SETTLE_S)
    await new.note()
    assert await fleet.mark() == Mark(2, 1)
    await core.redis.hset(key("formats"), "sessions_end", 1)
    await fleet.process(V1).note()
    assert await fleet.mark() == Mark(1, 1)
    assert not await core.redis.hexists(key("formats"), "sessions_end"), "the older one makes some that never end"


async def test_it_never_falls_below_what_somebody_must_read(core: Core, fleet: Fleet):
    await core.redis.hset(key("formats"), mapping={"written": 3, "oldest_reader": 3})
    await fleet.process(V2).note()
    assert await fleet.mark() == Mark(3, 3)


async def test_a_worker_of_a_release_before_formats_keeps_the_mark_down(core: Core, fleet: Fleet):
    new = fleet.process(V2)
    await core.turns.admit(worker="unknown", slots=1, alive_s=SETTLE_S * 9)
    for _ in range(3):
        await new.note()
        core.clock.turn(by_s=SETTLE_S)
    assert await fleet.mark() == Mark(1, 1)


async def test_a_worker_that_is_listed_again_before_it_says_again_what_it_writes_is_none_of_a_release_before_formats(
    core: Core, fleet: Fleet
):
    """Redis was away for longer than a process counts as living without a word."""
    first, second = fleet.process(V2), fleet.process(V2)
    for _ in range(2):
        await first.note()
        core.clock.turn(by_s=SETTLE_S)
    facts = WorkerFacts(host="h", version="1", started_at_ms=0, jobs=0, deliveries=0, lag_ms=0)
    await core.turns.admit(worker="p:1", slots=1, alive_s=12, facts=facts)
    await second.note()
    assert await fleet.mark() == Mark(2, 1)
    assert (await core.tokens.sums("acme")).sure, "no token may have been changed by it without a word"


async def test_an_api_of_a_release_before_formats_keeps_the_mark_down(core: Core, fleet: Fleet):
    new, api = fleet.process(V2), fleet.process(V2, "api")
    async with core.redis.pubsub() as known, core.redis.pubsub() as unknown:
        await known.subscribe(EVENTS_CHANNEL, APIS_CHANNEL)
        await unknown.subscribe(EVENTS_CHANNEL)
        for _ in range(4):
            await api.note()
            await new.note()
            core.clock.turn(by_s=SETTLE_S - 30)
        assert await fleet.mark() == Mark(1, 1)
    for _ in range(4):
        await api.note()
        await new.note()
        core.clock.turn(by_s=SETTLE_S - 30)
    assert await fleet.mark() == Mark(2, 1)


async def test_apis_that_listen_again_before_they_say_again_what_they_write_are_none_of_a_release_before_formats(
    core: Core, fleet: Fleet
):
    """After an outage that was longer than they count as living; or another one's connection is dead, and Redis does not know."""
    api = fleet.process(V2, "api")
    for _ in range(2):
        await api.note()
        core.clock.turn(by_s=SETTLE_S)
    subscriptions = [await core.events.subscribe() for _ in range(3)]
    await api.note()
    assert await fleet.mark() == Mark(2, 1)
    assert not (await secret_key_use(core.store, core.clock)).unknown, "a rewrap may go on"
    for each in subscriptions:
        await each.aclose()


async def test_a_process_can_say_that_it_lives_to_a_redis_that_is_full(core: Core, fleet: Fleet):
    await fleet.process(V2).note()
    await core.redis.config_set("maxmemory", 1)
    try:
        await fleet.process(V2).note()
    finally:
        await core.redis.config_set("maxmemory", 0)


async def test_whoever_goes_in_order_is_forgotten_at_once(core: Core, fleet: Fleet):
    process = fleet.process(V2)
    await process.note()
    await process.leave()
    assert await core.redis.hgetall(key("processes")) == {}


async def test_a_process_that_is_too_old_or_too_new_is_refused_with_a_sentence(core: Core):
    await core.redis.hset(key("formats"), mapping={"written": 3, "oldest_reader": 3})
    with pytest.raises(WrongFormat, match="too old for this Redis"):
        await check_formats_of(core, V2)
    with pytest.raises(WrongFormat, match="too new for this Redis"):
        await check_formats_of(core, Release(9, 8, 9))


@pytest.mark.parametrize("mark", [{"written": "two"}, {"written": "2", "oldest_reader": "1.5"}])
async def test_a_mark_that_is_no_number_is_refused_with_a_sentence_too(core: Core, mark: dict[str, str]):
    await core.store.redis.hset(key("formats"), mapping=mark)
    with pytest.raises(WrongFormat, match="is no number"):
        await check_formats(core.store)


@pytest.mark.parametrize(
    "mark", [{"written": "two"}, {"written": "2", "oldest_reader": "1.5"}, {"written": "2" * 99}, {"written": ""}]
)
async def test_a_process_that_runs_writes_on_as_before_beside_a_mark_that_is_no_number_and_says_so(
    core: Core, fleet: Fleet, caplog: pytest.LogCaptureFixture, mark: dict[str, str]
):
    process = fleet.process(V2)
    await process.note()
    core.clock.turn(by_s=SETTLE_S)
    await process.note()
    assert process._store.mark == Mark(2, 1)
    await core.redis.hset(key("formats"), mapping=mark)
    await process.note()
    assert process._store.mark == Mark(2, 1)
    assert "is no number" in caplog.text
    assert (await core.redis.hgetall(key("formats"))).items() >= {
        (name.encode(), told.encode()) for name, told in mark.items()
    }
    await process.leave()
    assert await core.redis.hlen(key("processes")) == 0


async def test_what_no_process_has_said_of_itself_stops_none_and_is_forgotten(core: Core, fleet: Fleet):
    process = fleet.process(V2)
    for name in ("processes", "workers"):
        await core.redis.hset(key(name), mapping={"a": "rubbish", "b": "", "c": ":::"})
    await core.redis.hset(key("secret_keys_used"), "a", "rubbish")
    await core.redis.hset(key("formats"), mapping={"first_until_ms": "rubbish", "not_before_ms": "rubbish"})
    await process.note()
    await core.slots(3)
    token = await core.tokens.add("a", kind="operator", available=500)
    job = await core.submit()
    asked = {"tenant": "acme", "cost": 1, "until_ms": 0, "needs": [], "only": None, "anonymous": False}
    assert await core.tokens.take(job_id=job.id, **asked) == token
    assert await core.redis.hkeys(key("processes")) == [b"p:1"]
    assert await core.redis.hkeys(key("workers")) == [b"w"]
    assert b"a" not in await core.redis.hkeys(key("secret_keys_used"))


async def test_the_format_stands_beside_every_record(core: Core):
    core.store.mark = Mark(2, 1)
    await core.slots(9)
    webhook = Webhook(url="https://a.example/hook")
    job = await core.submit(webhook=webhook)
    await core.run(job)
    await core.api_keys.create("acme")
    await core.webhooks.set_default("acme", TenantWebhook(url="https://a.example/"))
    token = await core.tokens.add("secret", kind="operator")
    upload = Upload(id=new_id("upl"), tenant="acme", filename="f", format="", size_bytes=1, path="p", created_at_ms=1)
    await core.uploads.keep(upload)
    [(delivery, _)] = await core.deliveries.of_job(job.id)
    beside = [("job", job.id), ("session", job.session_id), ("tenant", "acme"), ("token", token)]
    beside += [("upload", upload.id), ("delivery", delivery.id)]
    assert {shape: await core.redis.hget(key(shape, item), "fmt") for shape, item in beside} == dict.fromkeys(
        (shape for shape, _ in beside), b"2"
    )


async def test_an_rpc_request_has_four_parts_while_a_release_lives_that_reads_no_more(core: Core):
    for mark, parts in ((Mark(1, 1), 4), (Mark(2, 1), 5)):
        core.store.mark = mark
        asked = asyncio.create_task(core.rpc.ask("credits", "acme", b"", wait_s=PATIENCE_S, request_id="req_1"))
        while not (told := await core.redis.lrange(key("rpc_requests"), 0, -1)):
            pass
        assert [len(msgspec.msgpack.decode(raw)) for raw in told] == [parts]
        request = await core.rpc.next(wait_s=PATIENCE_S)
        assert request.tenant == "acme"
        await core.rpc.answer(request, b"read")
        await asked


async def test_an_rpc_request_of_a_newer_release_is_done_without_what_it_says_beyond(core: Core):
    raw = msgspec.msgpack.encode(("evt_1", "credits", "acme", b"x", "req_1", {"newer": 1}))
    await core.redis.rpush(key("rpc_requests"), raw)
    assert (await core.rpc.next(wait_s=1)).body == b"x"


async def test_a_record_that_is_written_again_gets_the_format_of_now(core: Core):
    await core.slots(9)
    job = await core.submit()
    assert await core.redis.hget(key("job", job.id), "fmt") == b"1"
    core.store.mark = Mark(2, 1)
    await core.begin(job)
    assert await core.redis.hget(key("job", job.id), "fmt") == b"2"


async def test_an_older_release_that_writes_a_newer_record_leaves_it_marked(core: Core):
    await core.slots(9)
    job = await core.submit()
    await core.redis.hset(key("formats"), mapping={"written": 3, "oldest_reader": 2})
    await core.redis.hset(key("job", job.id), "fmt", 3)
    core.store.mark = Mark(3, 2)
    await core.run(job)
    assert await core.redis.hget(key("job", job.id), "fmt") == b"3"


# --- a record of a newer release


async def state_of(core: Core, item: str) -> dict[bytes, bytes]:
    return await core.redis.hgetall(item)


@pytest.mark.parametrize("newer", ["job", "session", "tenant"])
async def test_a_worker_leaves_a_newer_record_alone_before_it_takes_a_lease(core: Core, newer: str):
    await core.slots(9)
    job = await core.submit()
    item = key(newer, {"job": job.id, "session": job.session_id, "tenant": "acme"}[newer])
    await core.redis.hset(item, "fmt", 3)
    before = await state_of(core, key("job", job.id))
    counted = unreadable_count("job")
    for n in range(5):
        assert await core.jobs.claim(job.id, owner=f"w{n}:1") is None
    assert await state_of(core, key("job", job.id)) == before
    assert not await core.redis.exists(key("leases"), key("arq_in_progress", job.id))
    assert unreadable_count("job") == counted + 5
    due_ms = await core.redis.zscore(key("arq_queue"), job.id)
    assert core.clock.now_ms() < due_ms <= core.clock.now_ms() + 1000
    await core.redis.hset(item, "fmt", 2)  # as a worker of that release sees it
    assert (await core.claim(job)).crashes == 0


@pytest.mark.parametrize("newer", ["delivery", "tenant"])
async def test_a_newer_delivery_is_left_alone_too(core: Core, newer: str):
    job = await core.submit(webhook=Webhook(url="https://a.example/hook", events=("job.queued",)))
    [(delivery, _)] = await core.deliveries.of_job(job.id)
    item = key(newer, {"delivery": delivery.id, "tenant": "acme"}[newer])
    await core.redis.hset(item, "fmt", 3)
    before = await state_of(core, key("delivery", delivery.id))
    assert await core.deliveries.claim(delivery.id, owner="w:1", lease_ms=1000) is None
    assert await state_of(core, key("delivery", delivery.id)) == before


async def test_unknown_fields_survive_every_write_of_a_job_and_its_session(core: Core):
    await core.slots(9)
    job = await core.submit(media=(MediaRef(name="a.mp4", url="https://a.example/a.mp4"),))
    other = await core.submit(session_id=job.session_id, new_session=False)
    await tell(core, key("job", job.id), "rec", future=FUTURE)
    await tell(core, key("session", job.session_id), "rec", future=FUTURE)
    claim = await core.begin(job)
    media = (msgspec.structs.replace(job.media[0], job_id=job.id), MediaRef(name="mine", job_id=other.id))
    session = msgspec.structs.replace(claim.session, media=media, timeline="t", timeline_of=job.id, claim_url="u")
    claim = await core.write(claim, claim.job, session=session)
    await tell(core, key("session", job.session_id), "rec", media=[told | {"codec": 1.5} for told in packed(media)])
    over = await core.write(claim, succeeded(claim.job, now_ms=core.clock.now_ms()))
    assert (await told_of(core, key("job", job.id)))["future"] == FUTURE
    await core.begin(other)
    await JobRemoval(core.store, public_url=PUBLIC_URL).remove(over.job)
    session_now = await told_of(core, key("session", job.session_id))
    assert session_now["future"] == FUTURE
    assert session_now["media"] == [{"name": "mine", "job_id": other.id, "codec": 1.5}]
    assert (await core.sessions.load(job.session_id)).timeline is None


#: what Redis's own reader and writer of msgpack lose: empty maps, whole floats, large numbers, bytes, depth, nulls
FUTURE: Any = {"map": {}, "list": [], "whole": 2.0, "large": 2**63 + 1, "bytes": b"\xff\x00", "null": [None, 1]}
for _depth in range(20):
    FUTURE["deep"] = {"deep": FUTURE.get("deep", 1)}


def packed(records: Any) -> Any:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(records))


async def told_of(core: Core, name: str, field: str = "rec") -> dict[str, Any]:
    return msgspec.msgpack.decode(await core.redis.hget(name, field))


async def tell(core: Core, name: str, field: str, **facts: Any) -> None:
    """Write into a record what this release does not know, or otherwise."""
    told = await told_of(core, name, field) | facts
    await core.redis.hset(name, field, msgspec.msgpack.encode(told))


async def test_unknown_fields_of_the_default_webhook_survive_its_outcomes_and_a_new_url(core: Core):
    await core.webhooks.set_default("acme", TenantWebhook(url="https://a.example/"))
    await tell(core, key("tenant", "acme"), "webhook", future=FUTURE)
    await core.webhooks.set_default("acme", TenantWebhook(url="https://b.example/"))
    for failed in (True, False):
        await note_outcome(core, "https://b.example/", failed=failed)
        told = await told_of(core, key("tenant", "acme"), "webhook")
        assert told["future"] == FUTURE
        assert ("failing_since_ms" in told) is failed
    await note_outcome(core, "https://b.example/", failed=True, disabled_why="gone")
    assert (await core.webhooks.default("acme")).state == "disabled"
    assert (await told_of(core, key("tenant", "acme"), "webhook"))["future"] == FUTURE


async def note_outcome(core: Core, url: str, *, failed: bool, disabled_why: str | None = None) -> None:
    """Record what an attempt at the default URL came to."""
    webhook = await core.webhooks.default("acme")
    job = core.new_job()
    submission = core.submission(job, webhook=msgspec.structs.replace(webhook, events=("job.queued",)))
    await core.intake.accept([submission], key_id="key_1", idempotency=None)
    [(delivery, _)] = await core.deliveries.of_job(job.id)
    outcome = EndpointOutcome(url, failed, disabled_why)
    await core.deliveries.record(delivery, owner=None, wake_ms=1, outcome=outcome)


async def test_unknown_fields_survive_rotations_deliveries_and_uploads(core: Core):
    await core.webhooks.create_secret("acme")
    await tell(core, key("tenant", "acme"), "secrets", future=FUTURE)
    await core.webhooks.rotate_secret("acme")
    assert (await told_of(core, key("tenant", "acme"), "secrets"))["future"] == FUTURE
    job = await core.submit(webhook=Webhook(url="https://a.example/hook", events=("job.queued",)))
    [(delivery, _)] = await core.deliveries.of_job(job.id)
    await tell(core, key("delivery", delivery.id), "rec", future=FUTURE)
    claim = await core.deliveries.claim(delivery.id, owner="w:1", lease_ms=1000)
    dead = msgspec.structs.replace(claim.delivery, state=DeliveryState.DEAD)
    await core.deliveries.record(dead, owner="w:1")
    await core.deliveries.send_again(await core.deliveries.load(delivery.id))
    assert (await told_of(core, key("delivery", delivery.id)))["future"] == FUTURE
    upload = Upload(id=new_id("upl"), tenant="acme", filename="f", format="", size_bytes=0, path="p", created_at_ms=1)
    await core.uploads.expect(upload)
    await tell(core, key("upload", upload.id), "rec", future=FUTURE)
    expected = await core.uploads.expected(upload.id)
    await core.uploads.keep(msgspec.structs.replace(expected, size_bytes=5))
    assert (await told_of(core, key("upload", upload.id)))["future"] == FUTURE


async def test_unknown_fields_of_an_orphan_render_keep_its_place_in_the_list(core: Core):
    renders = OrphanRenders(core.store, core.clock)
    await renders.leave(OrphanRender(id="r", job_id="j", token_id="t", profile="p", left_at_ms=core.clock.now_ms()))
    [raw] = await core.redis.zrange(key("orphan_renders"), 0, -1)
    newer = msgspec.msgpack.encode(msgspec.msgpack.decode(raw) | {"future": 1})
    await core.redis.delete(key("orphan_renders"))
    await core.redis.zadd(key("orphan_renders"), {newer: 0})
    [found] = await renders.due()
    await renders.look_again(found, in_s=5)
    assert await renders.due() == []
    await renders.forget(found)
    assert not await core.redis.exists(key("orphan_renders"))


# --- a record that nobody can read


async def broken(core: Core, **chosen: Any) -> Job:
    job = await core.submit(**chosen)
    await core.redis.hset(key("job", job.id), "rec", BROKEN)
    return job


async def test_a_broken_record_counts_no_crash_and_holds_no_place(core: Core):
    core.with_settings(tenant_running_jobs=1)
    await core.slots(1)
    bad, good = await broken(core), await core.submit()
    assert await core.admitted() == [bad.id]
    assert await core.jobs.claim(bad.id, owner="w1:1") is None
    await core.slots(1)
    assert await core.admitted() == [good.id]
    await core.run(good)
    for n in range(4):
        core.clock.turn(by_s=UNREADABLE_REST_MS / 1000)
        assert await core.jobs.claim(bad.id, owner=f"w{n}:2") is None, "it takes its turn again"
        await core.slots(1)
        assert await core.jobs.claim(bad.id, owner=f"w{n}:3") is None
        assert await core.admitted() == []
    assert await core.jobs.holder(bad.id) == ("", None, 0)
    assert not await core.redis.exists(key("leases"))


async def test_in_its_session_the_next_one_goes_on_and_once_it_can_be_read_it_waits_for_its_turn(core: Core):
    await core.slots(9)
    bad = await core.submit()
    after = await core.submit(session_id=bad.session_id, new_session=False)
    whole = await core.redis.hget(key("job", bad.id), "rec")
    await core.redis.hset(key("job", bad.id), "rec", BROKEN)
    assert await core.jobs.claim(bad.id, owner="w1:1") is None
    await core.slots(9)
    running = await core.begin(after)
    await core.redis.hset(key("job", bad.id), "rec", whole)
    core.clock.turn(by_s=UNREADABLE_REST_MS / 1000)
    assert await core.jobs.claim(bad.id, owner="w1:2") is None, "another one runs in its session"
    assert bad.id not in await core.admitted()
    await core.finish(running)
    assert bad.id in await core.admitted()
    assert (await core.claim(bad)).crashes == 0


async def test_a_broken_delivery_is_put_off_and_the_others_go_out(core: Core):
    jobs = [await core.submit(webhook=Webhook(url="https://a.example/", events=("job.queued",))) for _ in range(2)]
    bad, good = [(await core.deliveries.of_job(job.id))[0][0] for job in jobs]
    await core.redis.hset(key("delivery", bad.id), "rec", BROKEN)
    assert await core.deliveries.claim(bad.id, owner="w:1", lease_ms=1000) is None
    assert await core.deliveries.claim(good.id, owner="w:2", lease_ms=1000)
    assert await core.redis.hget(key("delivery", bad.id), "owner") == b""
    assert await core.redis.zscore(key("arq_queue"), bad.id) == core.clock.now_ms() + UNREADABLE_REST_MS


@pytest.mark.parametrize("field", ["webhook", "secrets"])
async def test_deliveries_of_a_tenant_of_whom_something_is_broken_are_put_off_and_another_s_go_out(
    core: Core, field: str
):
    webhook = Webhook(url="https://a.example/", events=("job.queued",))
    jobs = [await core.submit(tenant, webhook=webhook) for tenant in ("acme", "other")]
    bad, good = [(await core.deliveries.of_job(job.id))[0][0] for job in jobs]
    await core.api_keys.create("acme")
    whole = await core.redis.hget(key("tenant", "acme"), "secrets")
    await core.redis.hset(key("tenant", "acme"), field, BROKEN)
    assert await core.deliveries.claim(bad.id, owner="w:1", lease_ms=1000) is None
    assert await core.deliveries.claim(good.id, owner="w:2", lease_ms=1000)
    assert await core.redis.hget(key("delivery", bad.id), "owner") == b""
    assert await core.redis.zscore(key("arq_queue"), bad.id) == core.clock.now_ms() + UNREADABLE_REST_MS
    await core.redis.hdel(key("tenant", "acme"), "webhook")
    await core.redis.hset(key("tenant", "acme"), "secrets", whole)
    core.clock.turn(by_s=UNREADABLE_REST_MS / 1000)
    assert await core.deliveries.claim(bad.id, owner="w:3", lease_ms=1000)


@pytest.mark.parametrize("event", [None, "", "evt_", "evt_x", "019a3c1e", "evt_019a3c1e-7b2f-7003-zzzz-019a3c1e7b2f"])
async def test_a_delivery_that_names_no_event_is_one_whose_event_is_gone(core: Core, event: str | None):
    job = await core.submit(webhook=Webhook(url="https://a.example/", events=("job.queued",)))
    [(delivery, _)] = await core.deliveries.of_job(job.id)
    await core.redis.hdel(key("delivery", delivery.id), "event")
    if event is not None:
        await core.redis.hset(key("delivery", delivery.id), "event", event)
    claim = await core.deliveries.claim(delivery.id, owner="w:1", lease_ms=1000)
    assert claim is not None
    assert claim.event is None


async def test_a_record_that_breaks_under_its_worker_is_let_go(core: Core):
    await core.slots(9)
    claim = await core.begin(await core.submit())
    await core.redis.hset(key("job", claim.job.id), mapping={"rec": BROKEN, "ver": 99})
    with pytest.raises(Unreadable):
        await core.write(claim, succeeded(claim.job, now_ms=1))
    await core.jobs.set_aside(claim.job.id, owner=claim.owner)
    with pytest.raises(LeaseLost):
        await core.write(claim, succeeded(claim.job, now_ms=1))


async def test_a_job_that_nobody_could_read_twice_goes_on_all_the_same(core: Core):
    await core.slots(9)
    claim = await core.begin(await core.submit())
    for _ in range(2):
        await core.jobs.set_aside(claim.job.id, owner=claim.owner)
        core.clock.turn(by_s=UNREADABLE_REST_MS / 1000)
        assert await core.jobs.claim(claim.job.id, owner="w:9") is None, "it is given a new turn"
        await core.turns.admit()
        claim = await core.claim(claim.job)
    assert await core.write(claim, succeeded(claim.job, now_ms=1))


async def test_lists_and_pages_go_on_behind_what_cannot_be_read(core: Core):
    jobs = [await core.submit(webhook=Webhook(url="https://a.example/", events=("job.queued",))) for _ in range(7)]
    for job in jobs[2:6]:
        await core.redis.hset(key("job", job.id), "rec", BROKEN)
        [(delivery, _)] = await core.deliveries.of_job(job.id)
        await core.redis.hset(key("delivery", delivery.id), "rec", BROKEN)
    assert [job.id for job in (await core.listing.page("acme", limit=2)).jobs] == [jobs[6].id, jobs[1].id]
    page = await core.deliveries.page("acme", DeliveryState.PENDING, after=None, limit=3)
    assert [delivery.job_id for delivery, _ in page] == [jobs[6].id, jobs[1].id, jobs[0].id]
    sessions = [Session(id=new_id("ses"), tenant="acme", profile="p", created_at_ms=n) for n in range(5)]
    for session in sessions:
        await core.sessions.create(session, most=9, idle_s=60)
    for session in sessions[1:4]:
        await core.redis.hset(key("session", session.id), "rec", BROKEN)
    assert [session.id for session in await core.sessions.page("acme", limit=2)] == [sessions[4].id, sessions[0].id]
    with pytest.raises(Unreadable):
        await core.jobs.load(jobs[3].id)


async def test_a_sweep_goes_on_behind_what_cannot_be_read(core: Core, tmp_path: Any, caplog: pytest.LogCaptureFixture):
    await core.slots(500)
    late = [await core.submit(start_timeout_s=1, session_id=f"ses_{n % 2}") for n in range(102)]
    ended = [await core.run(await core.submit(retention_s=60)) for _ in range(3)]
    uploads = [
        Upload(id=new_id("upl"), tenant="acme", filename="f", format="", size_bytes=1, path="p", created_at_ms=1)
        for _ in range(3)
    ]
    for upload in uploads:
        await core.uploads.keep(upload)
    for item in (*late[:101], *ended[:2]):
        await core.redis.hset(key("job", item.id), "rec", BROKEN)
    await core.redis.hset(key("upload", uploads[0].id), "rec", BROKEN)
    await core.redis.hset(key("token", "tok_1"), mapping={"state": "of a newer release"})
    await core.redis.sadd(key("tokens"), "tok_1")
    core.clock.turn(by_s=100)
    async with context_over(core, tmp_path) as context:
        for _ in range(2):
            await sweep(context, 0)
            await remove_old(context)
    assert (await core.read(late[101])).status == "expired"
    assert await core.redis.exists(key("job", ended[2].id), key("upload", uploads[2].id)) == 0
    assert await core.redis.exists(key("job", ended[0].id), key("upload", uploads[0].id)) == 2
    assert not [each for each in caplog.records if "periodic task broke" in str(each.msg)]


async def test_a_sweep_goes_on_behind_a_tenant_s_webhook_that_cannot_be_read(core: Core, tmp_path: Any):
    late = [await core.submit(tenant, start_timeout_s=1) for tenant in ("acme", "other")]
    await core.redis.hset(key("tenant", "acme"), "webhook", BROKEN)
    core.clock.turn(by_s=100)
    async with context_over(core, tmp_path) as context:
        await sweep(context, 0)
        assert [(await core.read(job)).status for job in late] == ["queued", "expired"]
        await core.redis.hdel(key("tenant", "acme"), "webhook")
        core.clock.turn(by_s=UNREADABLE_REST_MS / 1000 + 1)
        await sweep(context, 0)
    assert (await core.read(late[0])).status == "expired"


async def test_a_sweep_goes_on_behind_what_should_not_be_due(core: Core, tmp_path: Any):
    await core.slots(9)
    at_work, ended = await core.begin(await core.submit()), await core.run(await core.submit(retention_s=60))
    late = await core.submit(start_timeout_s=1)
    unused = Upload(id=new_id("upl"), tenant="acme", filename="f", format="", size_bytes=1, path="p", created_at_ms=2)
    await core.uploads.keep(unused)
    await core.redis.zadd(key("retire"), {at_work.job.id: 1})
    await core.redis.zadd(key("queued_all"), {at_work.job.id: 1})
    await core.redis.zadd(key("uploads"), {new_id("upl"): 1 for _ in range(101)})
    core.clock.turn(by_s=100)
    async with context_over(core, tmp_path) as context:
        for _ in range(2):
            await sweep(context, 0)
            await remove_old(context)
    assert (await core.read(late)).status == "expired"
    assert await core.redis.exists(key("job", ended.id), key("upload", unused.id)) == 0
    assert (await core.read(at_work.job)).status == "running"
    assert await core.redis.zscore(key("queued_all"), at_work.job.id) > core.clock.now_ms()


async def test_a_session_goes_on_behind_a_job_whose_record_is_gone(core: Core):
    await core.slots(9)
    first = await core.submit()
    gone, last = [await core.submit(new_session=False, session_id=first.session_id) for _ in range(2)]
    begun = await core.begin(first)
    await core.redis.delete(key("job", gone.id))
    assert (await core.finish(begun)).ended
    assert await core.admitted() == [last.id]
    assert (await core.run(last)).ended
    assert await core.redis.llen(key("session_queue", first.session_id)) == 0


async def test_orphan_renders_behind_a_broken_one_or_of_a_broken_job_are_followed(core: Core, tmp_path: Any):
    renders = OrphanRenders(core.store, core.clock)
    await core.redis.zadd(key("orphan_renders"), {b"x": 0})
    bad = await broken(core)
    for job_id in (bad.id, new_id("job")):
        await renders.leave(
            OrphanRender(id=job_id, job_id=job_id, token_id="t", profile="p", left_at_ms=core.clock.now_ms())
        )
    async with context_over(core, tmp_path) as context:
        await follow_orphan_renders(context)
    left = await core.redis.zrange(key("orphan_renders"), 0, -1)
    assert [raw == b"x" or bad.id.encode() in raw for raw in left] == [True, True], (
        "the third is over: its token is gone"
    )
    assert await core.redis.zscore(key("orphan_renders"), b"x") == core.clock.now_ms() + UNREADABLE_REST_MS


async def test_an_end_of_a_batch_s_job_that_only_a_newer_release_knows_keeps_no_other_from_its_end(core: Core):
    await core.slots(9)
    jobs = [core.new_job(batch_id="bat_1") for _ in range(2)]
    batch = Batch(id="bat_1", tenant="acme", job_ids=tuple(job.id for job in jobs), created_at_ms=1)
    submissions = [core.submission(job) for job in jobs]
    await core.intake.accept(
        submissions, key_id="key_1", idempotency=None, batch=BatchStart(batch, completion(batch, url=None))
    )
    await core.redis.hset(key("batch", "bat_1"), mapping={f"end:{jobs[0].id}": "skipped", "left": 1})
    await core.run(jobs[1])
    assert (await Batches(core.store).load("bat_1")).finished_at_ms is not None


async def test_a_token_keeps_what_a_newer_release_says_of_it_and_one_that_cannot_be_read_is_passed_over(core: Core):
    good, bad = [await core.tokens.add(secret, kind="operator", available=500) for secret in ("a", "b")]
    await core.redis.hset(key("token", good), "future", "1")
    await core.redis.hset(key("token", bad), "state", "of a newer release")
    job = await core.submit()
    needs = {"cost": 50, "until_ms": 0, "needs": [], "only": None, "anonymous": False}
    assert await core.tokens.take(tenant="acme", job_id=job.id, **needs) == good
    await core.token_use.settle(good, job_id=job.id, available=400, frozen=0)
    await core.tokens.add("a", kind="operator", anew=True)
    assert await core.redis.hget(key("token", good), "future") == b"1"
    assert [token.id for token in await core.tokens.all()] == [good]


async def test_a_session_that_cannot_be_read_keeps_no_job_from_its_removal(core: Core):
    await core.slots(9)
    over = await core.run(await core.submit())
    await core.redis.hset(key("session", over.session_id), "rec", BROKEN)
    await JobRemoval(core.store, public_url=PUBLIC_URL).remove(over)
    await core.jobs.forget(over.id)
    assert not await core.redis.exists(key("job", over.id))
