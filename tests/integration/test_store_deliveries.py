"""Callback deliveries: written with the event, claimed like jobs, tried again later, dead, sent again, forgotten."""

import msgspec
import pytest

from core.events.delivery import Delivery, DeliveryState
from core.model.job import Webhook
from core.model.webhook import TenantWebhook
from core.store.deliveries import KEPT_MS, BeingSent
from core.store.leases import LeaseLost
from core.store.redis.functions import AHEAD_MS
from core.store.redis.keys import key
from tests.callback_deliveries import claim, ended
from tests.store_fixture import Core, core

__all__ = ["core"]

HOOK = TenantWebhook(url="https://hooks.example.com/all")


@pytest.fixture
async def delivery(core: Core) -> Delivery:
    """The pending callback of a job that has ended."""
    job = await core.submit(webhook=Webhook(url="https://hooks.example.com/one"))
    await core.run(job)
    [(found, _)] = await core.deliveries.of_job(job.id)
    return found


async def page(core: Core, state: DeliveryState) -> list[str]:
    return [d.id for d, _ in await core.deliveries.page("acme", state, after=None, limit=10)]


async def test_a_delivery_is_written_with_the_end_of_its_job_and_rung_for(core: Core, delivery: Delivery) -> None:
    assert delivery.type == "job.succeeded"
    assert delivery.url == "https://hooks.example.com/one"
    assert await core.redis.zscore(key("arq_queue"), delivery.id) == core.clock.now_ms() - AHEAD_MS
    assert await page(core, DeliveryState.PENDING) == [delivery.id]


async def test_a_claim_brings_the_very_event_that_the_feed_has(core: Core, delivery: Delivery) -> None:
    found = await claim(core, delivery)
    feed = (await core.events.of_tenant("acme")).events
    assert found.event == feed[-1]
    assert found.event is not None
    assert found.event.type == "job.succeeded"


async def test_the_tenant_s_default_is_read_when_it_is_claimed(core: Core) -> None:
    await core.webhooks.set_default("acme", HOOK)
    job = await core.submit()
    await core.run(job)
    [(found, _)] = await core.deliveries.of_job(job.id)
    assert found.url is None
    moved = msgspec.structs.replace(HOOK, url="https://hooks.example.com/new")
    await core.webhooks.set_default("acme", moved)
    assert (await claim(core, found)).webhook == moved


async def test_only_one_worker_sends_and_a_dead_one_is_replaced(core: Core, delivery: Delivery) -> None:
    await claim(core, delivery)
    assert await core.deliveries.claim(delivery.id, owner="w:2", lease_ms=12_000) is None
    core.clock.turn(by_s=13)
    assert (await core.turns.repair(0))[0] == 1
    await claim(core, delivery, "w:2")
    with pytest.raises(LeaseLost):
        await core.deliveries.record(ended(delivery, DeliveryState.DELIVERED), owner="w:1")


async def test_a_failed_attempt_sleeps_until_its_time(core: Core, delivery: Delivery) -> None:
    await claim(core, delivery)
    wake_ms = core.clock.now_ms() + 300_000
    await core.deliveries.record(ended(delivery, DeliveryState.PENDING), owner="w:1", wake_ms=wake_ms)
    assert await core.redis.zscore(key("arq_queue"), delivery.id) == wake_ms
    core.clock.turn(by_s=300)
    again = await claim(core, delivery, "w:2")
    assert (again.delivery.round, len(again.delivery.attempts)) == (1, 1)


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
async def test_an_ended_delivery_is_nobody_s_and_goes_after_fourteen_days(
    core: Core, delivery: Delivery, state: DeliveryState
) -> None:
    await claim(core, delivery)
    await core.deliveries.record(ended(delivery, state), owner="w:1")
    assert await core.deliveries.claim(delivery.id, owner="w:2", lease_ms=12_000) is None
    assert await core.redis.zcard(key("arq_queue")) == await core.redis.zcard(key("leases")) == 0
    assert await page(core, state) == [delivery.id]
    core.clock.turn(by_s=KEPT_MS / 1000 - 1)
    assert delivery.id not in await core.turns.to_retire()
    core.clock.turn(by_s=1)
    assert delivery.id in await core.turns.to_retire()
    await core.deliveries.forget(delivery.id)
    assert await page(core, state) == await core.deliveries.of_job(delivery.job_id) == []
    assert [name for name in await core.everything() if "dlv" in name] == []


@pytest.mark.parametrize("has_ended_again", [False, True])
async def test_one_that_is_sent_again_in_the_moment_of_its_removal_stays(
    core: Core, delivery: Delivery, has_ended_again: bool
) -> None:
    await claim(core, delivery)
    dead = ended(delivery, DeliveryState.DEAD)
    await core.deliveries.record(dead, owner="w:1")
    core.clock.turn(by_s=KEPT_MS / 1000)
    assert delivery.id in await core.turns.to_retire()
    state = DeliveryState.PENDING
    again = await core.deliveries.send_again(dead)
    if has_ended_again:
        state = DeliveryState.DELIVERED
        await claim(core, again, "w:2")
        await core.deliveries.record(ended(again, state), owner="w:2")
    await core.deliveries.forget(delivery.id)
    assert await page(core, state) == [delivery.id]
    assert delivery.id not in await core.turns.to_retire()


async def test_a_dead_delivery_can_be_sent_again_under_the_same_event(core: Core, delivery: Delivery) -> None:
    first = await claim(core, delivery)
    await core.deliveries.record(ended(delivery, DeliveryState.DEAD), owner="w:1")
    await core.api_keys.create("acme")
    assert (await core.gauges()).dead == 1
    dead = await core.deliveries.load(delivery.id)
    assert dead is not None
    again = await core.deliveries.send_again(dead)
    assert (again.state, again.round, len(again.attempts)) == (DeliveryState.PENDING, 0, 1)
    assert await page(core, DeliveryState.DEAD) == []
    assert (await core.gauges()).dead == 0
    core.clock.turn(by_s=KEPT_MS / 1000 + 1)
    assert delivery.id not in await core.turns.to_retire()
    second = await claim(core, delivery, "w:2")
    assert first.event is not None
    assert second.event == first.event


async def test_one_that_sleeps_begins_its_schedule_anew_and_one_that_is_at_work_or_due_is_left_alone(
    core: Core, delivery: Delivery
) -> None:
    with pytest.raises(BeingSent):
        await core.deliveries.send_again(delivery)
    await claim(core, delivery)
    with pytest.raises(BeingSent):
        await core.deliveries.send_again(delivery)
    asleep = await put_to_sleep(core, delivery)
    again = await core.deliveries.send_again(asleep)
    assert (again.round, again.next_at_ms, again.attempts) == (0, None, asleep.attempts)
    assert (await claim(core, again, "w:2")).delivery == again


async def test_whoever_saw_one_asleep_that_was_tried_again_meanwhile_undoes_nothing(
    core: Core, delivery: Delivery
) -> None:
    await claim(core, delivery)
    seen = await put_to_sleep(core, delivery)
    core.clock.turn(by_s=400)
    await claim(core, delivery, "w:2")
    later = await put_to_sleep(core, seen, "w:2")
    with pytest.raises(BeingSent):
        await core.deliveries.send_again(seen)
    assert await core.deliveries.load(delivery.id) == later


async def put_to_sleep(core: Core, delivery: Delivery, owner: str = "w:1") -> Delivery:
    """End an attempt, as one that failed, for five minutes."""
    wake_ms = core.clock.now_ms() + 300_000
    tried = ended(delivery, DeliveryState.PENDING)
    asleep = msgspec.structs.replace(tried, next_at_ms=wake_ms)
    await core.deliveries.record(asleep, owner=owner, wake_ms=wake_ms)
    return asleep


async def test_deliveries_that_were_never_there_cannot_be_recorded(core: Core, delivery: Delivery) -> None:
    ghost = msgspec.structs.replace(delivery, id="dlv_ghost")
    with pytest.raises(LeaseLost):
        await core.deliveries.record(ghost, owner=None)


async def test_a_delivery_handed_back_by_a_stopping_worker_goes_on_at_once(core: Core, delivery: Delivery) -> None:
    await claim(core, delivery)
    assert await core.jobs.renew({delivery.id: "w:1"}) == ([], [])
    await core.jobs.hand_back({delivery.id: "w:1"})
    await claim(core, delivery, "w:2")


async def test_repair_hangs_up_the_bell_of_a_delivery_that_arq_lost(core: Core, delivery: Delivery) -> None:
    await core.redis.delete(key("arq_job", delivery.id))
    assert (await core.turns.repair(0))[0] == 1
    assert await core.redis.exists(key("arq_job", delivery.id)) == 1


async def test_an_event_that_left_the_feed_is_found_at_its_job(core: Core, delivery: Delivery) -> None:
    await core.redis.delete(key("feed", "acme"))
    found = await claim(core, delivery)
    assert found.event is not None
    assert found.event.type == "job.succeeded"


async def test_an_event_that_is_gone_for_good_is_none(core: Core, delivery: Delivery) -> None:
    await core.redis.delete(key("feed", "acme"), key("events", delivery.job_id))
    assert (await claim(core, delivery)).event is None
