"""The delivery loop over a real Redis and a real receiver, with a clock that is turned by hand.

What receivers may do wrong on the wire is `test_callback_attempts`; whole worlds are `flows/test_callbacks`.
"""

import asyncio
import dataclasses
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from core.clock import rfc3339, stopwatch_s
from core.events.delivery import Delivery, DeliveryState, EndpointOutcome
from core.events.event import progress_event
from core.metrics import REGISTRY
from core.model.job import OutputFile, Webhook
from core.model.plan import Plan
from core.model.transitions import succeeded
from core.model.webhook import SigningSecrets, TenantWebhook, WebhookSecret
from core.security.encryption import Encryption
from core.security.signed_links import verify_path
from core.store.jobs.removal import JobRemoval
from core.store.redis.client import connect
from core.store.redis.codec import pack
from core.store.redis.keys import key
from core.store.tenants.webhooks import Webhooks
from tests.bench.redis_meter import Meter
from tests.callback_deliveries import claim, ended
from tests.receiver_fixture import Receiver, running_receiver
from tests.redis_fixture import patient
from tests.store_fixture import Core, core, settings_for
from tests.until import PATIENCE_S
from worker.callbacks.deliver import group_of, run_delivery
from worker.callbacks.retry_policy import NO_TURN, STEPS_S, WORN_OUT, WORN_OUT_S
from worker.context import WorkerContext, build_context
from worker.metrics import preset_metrics
from worker.outbound.host_limits import PER_HOST, RULE, HostLimits

__all__ = ["core"]

DAY_S = 86_400
HOOK_EVENTS = ("job.started", "job.progress", "job.succeeded")


@pytest.fixture
async def receiver():
    async with running_receiver() as running:
        yield running


@asynccontextmanager
async def worker_over(core: Core):
    """What a worker holds, on the test's clock; its leases are not renewed."""
    chosen = {"allow_addresses": "127.0.0.0/8", "allow_http": True, "storage": "memory"}
    settings = settings_for(core.settings.redis_url.get_secret_value(), **chosen)
    async with AsyncExitStack() as stack:
        built = await build_context(settings, core.redis, stack)
        stack.pop_all().push_async_callback(built.outbound.aclose)  # the client is the fixture's
        yield dataclasses.replace(
            built, clock=core.clock, encryption=core.vault, webhooks=core.webhooks, deliveries=core.deliveries,
            jobs=core.jobs, host_limits=HostLimits(core.clock, wait_s=0.1),
        )  # fmt: skip
        await built.outbound.aclose()
        await built.backend.aclose()


@pytest.fixture
async def context(core: Core):
    await core.api_keys.create("acme")
    async with worker_over(core) as built:
        yield built


async def told(core: Core, url: str | None, *, events: tuple[str, ...] = (), **asked) -> list[Delivery]:
    """Take a job to its end; returns its deliveries, to its own URL or to the default."""
    job = await core.submit(webhook=Webhook(url=url, events=events) if url else None, **asked)
    await core.run(job)
    return [delivery for delivery, _ in await core.deliveries.of_job(job.id)]


async def after_attempt(context: WorkerContext, delivery: Delivery) -> Delivery:
    """Let the worker take a delivery up, and read what became of it."""
    await run_delivery(context, delivery.id)
    found = await context.deliveries.load(delivery.id)
    assert found is not None
    return found


async def due_ms(core: Core, delivery: Delivery) -> float | None:
    return await core.redis.zscore(key("arq_queue"), delivery.id)


async def set_default(core: Core, receiver: Receiver, path: str = "") -> None:
    await core.webhooks.set_default("acme", TenantWebhook(url=receiver.hook + path))


@asynccontextmanager
async def metered(core: Core):
    """The same Redis, clock and limits, behind a proxy that counts round trips."""
    meter = Meter(core.settings.redis_url.get_secret_value())
    client = patient(connect(await meter.start(), answer_s=PATIENCE_S))
    try:
        yield meter, Core(client, core.settings, core.clock)
    finally:
        await client.aclose()
        await meter.stop()


async def test_a_callback_asks_redis_twice(core, context, receiver):
    [first, second] = await told(core, receiver.hook, events=("job.started", "job.succeeded"))
    async with metered(core) as (meter, counted), worker_over(counted) as worker:
        await after_attempt(worker, first)  # the connections are open, and Redis has the operations
        meter.turns.clear()
        await run_delivery(worker, second.id)
        assert meter.turns == {"FCALL claim_delivery": 1, "FCALL record_delivery": 1}
    assert (await core.deliveries.load(second.id)).state is DeliveryState.DELIVERED


async def test_five_days_of_failure_alone_disable_the_default_url(core, context, receiver):
    await set_default(core, receiver, "/status/500")
    [first] = await told(core, None)
    assert (await after_attempt(context, first)).state is DeliveryState.PENDING
    began_ms = core.clock.now_ms()
    assert (await core.webhooks.default("acme")).failing_since_ms == began_ms
    core.clock.turn(by_s=WORN_OUT_S - 1)
    [second] = await told(core, None)
    assert (await after_attempt(context, second)).state is DeliveryState.PENDING
    core.clock.turn(by_s=1)
    last = await after_attempt(context, first)
    assert (last.state, last.why, len(last.attempts)) == (DeliveryState.DEAD, WORN_OUT, 2)
    webhook = await core.webhooks.default("acme")
    assert (webhook.state, webhook.disabled_why, webhook.disabled_at_ms) == ("disabled", WORN_OUT, core.clock.now_ms())
    waiting = await after_attempt(context, second)
    assert (waiting.state, len(waiting.attempts)) == (DeliveryState.DEAD, 1), "nothing more is sent there"


async def test_one_success_in_five_days_keeps_the_default_url(core, context, receiver):
    await set_default(core, receiver, "/fail/1")
    [first] = await told(core, None)
    await after_attempt(context, first)
    core.clock.turn(by_s=4 * DAY_S)
    assert (await after_attempt(context, first)).state is DeliveryState.DELIVERED
    assert (await core.webhooks.default("acme")).failing_since_ms is None
    core.clock.turn(by_s=4 * DAY_S)
    [second] = await told(core, None)
    assert (await after_attempt(context, second)).state is DeliveryState.PENDING
    assert (await core.webhooks.default("acme")).state == "active"


@asynccontextmanager
async def dead_host():
    """Hold a port at which nobody listens; yields a URL there, and what has it take callbacks from then on."""

    async def take(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async with AsyncExitStack() as stack:
        held = stack.enter_context(socket.socket())
        held.bind(("127.0.0.1", 0))

        async def revive() -> None:
            await stack.enter_async_context(await asyncio.start_server(take, sock=held))

        yield f"http://127.0.0.1:{held.getsockname()[1]}/hook", revive


async def set_anew(core: Core, url: str) -> None:
    """Do what `PUT /v1/webhook` does."""
    await core.webhooks.set_default("acme", TenantWebhook(url=url, set_at_ms=core.clock.now_ms()))
    await core.deliveries.wake_for_default("acme")


async def is_due(core: Core, delivery: Delivery) -> bool:
    return (await due_ms(core, delivery)) <= core.clock.now_ms()


@pytest.mark.parametrize("at_last", ["/hook", "/elsewhere"], ids=["the same URL", "another"])
async def test_callbacks_that_wait_for_a_dead_host_go_out_once_the_url_is_set_anew(core, context, receiver, at_last):
    async with dead_host() as (url, revive):
        await set_anew(core, url)
        waiting = [(await told(core, None))[0] for _ in range(RULE.failures_allowed + 2)]
        asleep = [await after_attempt(context, each) for each in waiting]
        assert [len(each.attempts) for each in asleep] == [1] * RULE.failures_allowed + [0, 0], "its host is paused"
        assert not any([await is_due(core, each) for each in asleep])
        [own] = await told(core, url)
        await after_attempt(context, own)
        core.clock.turn(by_s=0.1)
        await revive()
        await set_anew(core, url if at_last == "/hook" else receiver.hook)
        due = [await due_ms(core, each) - core.clock.now_ms() for each in waiting]
        assert due == [5 * n for n in range(len(waiting))], "one after another"
        core.clock.turn(by_s=1)
        await core.deliveries.wake_for_default("acme")
        assert due == [await due_ms(core, each) - core.clock.now_ms() + 1000 for each in waiting], "none comes later"
        assert await due_ms(core, own) > core.clock.now_ms() + 1000, "what goes to a URL of its own sleeps on"
        after = [await after_attempt(context, each) for each in waiting]
        assert {each.state for each in after} == {DeliveryState.DELIVERED}


async def test_declining_one_message_is_no_failure_of_the_url(core, context, receiver):
    await set_default(core, receiver, "/abort")
    [delivery] = await told(core, None)
    over = await after_attempt(context, delivery)
    assert (over.state, over.attempts[0].status) == (DeliveryState.DEAD, 500)
    assert (await core.webhooks.default("acme")).failing_since_ms is None


@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("/status/410", DeliveryState.DEAD),
        ("/disable", DeliveryState.DEAD),
        ("/disable-taken", DeliveryState.DELIVERED),
    ],
)
async def test_a_default_url_that_wants_no_more_is_disabled(core, context, receiver, path, state):
    await set_default(core, receiver, path)
    [delivery] = await told(core, None)
    assert (await after_attempt(context, delivery)).state is state
    webhook = await core.webhooks.default("acme")
    assert (webhook.state, webhook.disabled_at_ms) == ("disabled", core.clock.now_ms())
    assert await told(core, None) == [], "the next job has nobody to tell"


async def test_a_url_that_only_its_job_named_gets_nothing_more_of_this_job_and_all_of_the_next(core, context, receiver):
    url = f"{receiver.hook}/status/410"
    started, ended = await told(core, url, events=("job.started", "job.succeeded"))
    assert (await after_attempt(context, started)).state is DeliveryState.DEAD
    silent = await after_attempt(context, ended)
    assert (silent.state, silent.attempts) == (DeliveryState.DEAD, ())
    [other] = await told(core, url)
    assert len((await after_attempt(context, other)).attempts) == 1
    again = await core.deliveries.send_again(silent)
    assert len((await after_attempt(context, again)).attempts) == 1, "whoever asks for it gets an attempt"


@pytest.mark.quick
async def test_every_attempt_has_the_same_id_and_a_time_and_signature_of_its_own(core, context, receiver):
    [delivery] = await told(core, f"{receiver.hook}/fail/2")
    for _ in range(3):
        delivery = await after_attempt(context, delivery)
        core.clock.turn(by_s=DAY_S)
    assert delivery.state is DeliveryState.DELIVERED
    assert [attempt.status for attempt in delivery.attempts] == [500, 500, 200]
    assert [attempt.excerpt for attempt in delivery.attempts] == ["not yet", "not yet", '{"received":true}']
    received = await receiver.received(at_least=3)
    sent = [each["headers"] for each in received]
    assert len({headers["webhook-id"] for headers in sent}) == 1
    assert len({headers["webhook-timestamp"] for headers in sent}) == 3
    assert len({headers["webhook-signature"] for headers in sent}) == 3


async def test_each_attempt_carries_a_link_that_is_good_for_a_day_from_then(core, context, receiver):
    file = OutputFile(path="outputs/x.mp4", format="mp4", expires_at_ms=core.clock.now_ms() + 30 * DAY_S * 1000)
    job = await core.submit(webhook=Webhook(url=f"{receiver.hook}/fail/1"))
    begun = await core.begin(job)
    await core.write(begun, succeeded(begun.job, now_ms=core.clock.now_ms(), output=file))
    [(delivery, _)] = await core.deliveries.of_job(job.id)
    for number in range(2):
        await after_attempt(context, delivery)
        body = (await receiver.received(at_least=number + 1))[-1]["body"]
        expires_s = core.clock.now_ms() // 1000 + DAY_S
        assert body["data"]["job"]["output"]["expires_at"] == rfc3339(expires_s * 1000)
        path, _, query = body["data"]["job"]["output"]["url"].partition("?")
        signature = query.partition("signature=")[2]
        assert f"expires={expires_s}" in query
        assert verify_path(
            core.vault.link_keys,
            path=path.removeprefix(context.settings.public_url),
            expires_at_s=expires_s,
            signature=signature,
            now_s=expires_s - 1,
        )
        core.clock.turn(by_s=2 * DAY_S)


async def test_after_a_rotation_two_secrets_sign_for_a_day_and_then_the_new_one(core, context, receiver):
    old = (await core.webhooks.signing_secrets("acme"))[0]
    new = await core.webhooks.rotate_secret("acme")
    counts = []
    for wait_s in (DAY_S - 1, 1):
        core.clock.turn(by_s=wait_s)
        [delivery] = await told(core, receiver.hook)
        await after_attempt(context, delivery)
        headers = (await receiver.received())[-1]["headers"]
        counts.append(len(headers["webhook-signature"].split(" ")))
        assert await core.webhooks.signing_secrets("acme") == ([new, old] if counts == [2] else [new])
    assert counts == [2, 1]


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_retry_after_is_waited_for_up_to_twice_the_step(core, context, receiver, form):
    for asked_s, least_s, most_s in ((8, 6, 8.1), (3600, 9.9, 10)):
        [delivery] = await told(core, f"{receiver.hook}/retry-after/{form}/{asked_s}")
        began_s = stopwatch_s()
        core.clock.turn(by_s=datetime.now(UTC).timestamp() - core.clock.now_ms() / 1000)
        waits_ms = (await after_attempt(context, delivery)).next_at_ms - core.clock.now_ms()
        later_s = stopwatch_s() - began_s if form == "date" else 0.0  # the receiver's clock goes on, ours stands
        assert least_s * 1000 <= waits_ms <= min(most_s + later_s, 10) * 1000
        assert await due_ms(core, delivery) == core.clock.now_ms() + waits_ms


async def test_ten_attempts_and_then_it_is_dead_until_somebody_sends_it_again(core, context, receiver):
    [delivery] = await told(core, f"{receiver.hook}/status/301")
    while delivery.state is DeliveryState.PENDING:
        delivery = await after_attempt(context, delivery)
        core.clock.turn(by_s=2 * DAY_S)
    assert (len(delivery.attempts), delivery.why) == (10, "All 10 attempts failed.")
    assert len(await receiver.received(path="/hook")) == 0, "a redirect is not followed"
    again = await after_attempt(context, await core.deliveries.send_again(delivery))
    assert (again.state, again.round, len(again.attempts)) == (DeliveryState.PENDING, 1, 11)


def webhooks_under_a_key_that_is_gone(core: Core) -> Webhooks:
    return Webhooks(core.store, Encryption(["a key that went " * 3]), core.clock)


async def test_a_callback_whose_secret_no_key_opens_is_tried_at_the_steps_and_dead_after_them(core, context, receiver):
    await webhooks_under_a_key_that_is_gone(core).rotate_secret("acme")
    await set_default(core, receiver)
    [delivery] = await told(core, None)
    steps_s = []
    while delivery.state is DeliveryState.PENDING:
        delivery = await after_attempt(context, delivery)
        steps_s.append(((delivery.next_at_ms or 0) - core.clock.now_ms()) / 1000)
        core.clock.turn(by_s=2 * DAY_S)
    assert all(0.8 * step_s <= pause_s <= 1.2 * step_s for step_s, pause_s in zip(STEPS_S[1:], steps_s, strict=False))
    assert (len(delivery.attempts), delivery.state) == (len(STEPS_S), DeliveryState.DEAD)
    assert {each.error for each in delivery.attempts} == {delivery.attempts[0].error}
    assert "secret" in delivery.attempts[0].error
    assert delivery.why == f"All 10 attempts failed. {delivery.attempts[0].error}"
    assert await receiver.received() == []
    assert await due_ms(core, delivery) is None
    assert (await core.webhooks.default("acme")).failing_since_ms is None, "the URL has done nothing wrong"


async def test_a_callback_whose_secret_can_be_opened_again_arrives(core, context, receiver):
    [delivery] = await told(core, receiver.hook)
    before = await core.redis.hget(key("tenant", "acme"), "secrets")
    await webhooks_under_a_key_that_is_gone(core).rotate_secret("acme")
    assert (await after_attempt(context, delivery)).state is DeliveryState.PENDING
    await core.redis.hset(key("tenant", "acme"), "secrets", before)
    assert (await after_attempt(context, delivery)).state is DeliveryState.DELIVERED


async def test_a_secret_that_no_key_opens_is_followed_by_one_that_signs_at_once(core, context, receiver):
    await webhooks_under_a_key_that_is_gone(core).rotate_secret("acme")
    [delivery] = await told(core, receiver.hook)
    assert (await after_attempt(context, delivery)).state is DeliveryState.PENDING
    anew = await core.webhooks.rotate_secret("acme")
    assert (await after_attempt(context, delivery)).state is DeliveryState.DELIVERED
    assert await core.webhooks.signing_secrets("acme") == [anew]


async def test_a_callback_that_cannot_be_put_together_ends_as_every_other(core, context, receiver):
    [delivery] = await told(core, receiver.hook)
    damaged = SigningSecrets(all=(WebhookSecret(locked=core.vault.lock("whsec_x")),))
    await core.redis.hset(key("tenant", "acme"), "secrets", pack(damaged))
    while delivery.state is DeliveryState.PENDING:
        delivery = await after_attempt(context, delivery)
        core.clock.turn(by_s=2 * DAY_S)
    assert (len(delivery.attempts), delivery.state) == (len(STEPS_S), DeliveryState.DEAD)
    assert delivery.why.endswith("This service could not put the callback together.")


async def test_an_event_that_nobody_keeps_any_more_cannot_be_sent(core, context, receiver):
    [delivery] = await told(core, receiver.hook)
    await core.redis.delete(key("feed", "acme"), key("events", delivery.job_id))
    gone = await after_attempt(context, delivery)
    assert (gone.state, gone.why) == (DeliveryState.DEAD, "The event is older than 14 days.")


async def test_a_delivery_remembers_its_latest_attempts_however_often_it_is_sent_again(core, context, receiver):
    [delivery] = await told(core, receiver.hook)
    for _ in range(41):
        delivery = await after_attempt(
            context, await core.deliveries.send_again(delivery) if delivery.attempts else delivery
        )
    assert len(delivery.attempts) == 40
    assert len(await receiver.received(at_least=41)) == 41


async def progress_of(core: Core, url: str) -> Delivery:
    """Let a running job say that it still works."""
    job = await core.submit(webhook=Webhook(url=url, events=("job.progress",)))
    begun = await core.begin(job)
    news = progress_event(begun.job, webhook=None, public_url="", now_ms=core.clock.now_ms())
    await core.jobs.commit(begun.job, msgspec.structs.replace(begun.job, version=begun.job.version + 1),
                           owner=begun.owner, event=news)  # fmt: skip
    [(delivery, _)] = await core.deliveries.of_job(job.id)
    return delivery


async def test_progress_is_sent_once_and_not_again(core, context, receiver):
    over = await after_attempt(context, await progress_of(core, f"{receiver.hook}/status/500"))
    assert (over.type, over.state, len(over.attempts)) == ("job.progress", DeliveryState.DEAD, 1)
    assert await due_ms(core, over) is None


async def test_progress_that_no_worker_could_send_while_it_was_news_is_sent_only_to_who_asks_for_it(
    core, context, receiver
):
    late = await progress_of(core, receiver.hook)
    core.clock.turn(by_s=121)
    over = await after_attempt(context, late)
    assert (over.state, over.attempts) == (DeliveryState.DEAD, ())
    assert await receiver.received() == []
    again = await core.deliveries.send_again(over)
    core.clock.turn(by_s=1)
    assert (await after_attempt(context, again)).state is DeliveryState.DELIVERED


def hasty(context: WorkerContext) -> WorkerContext:
    """Give up an attempt after a second."""
    settings = context.settings.model_copy(update={"callback_timeout_s": 1.0})
    return dataclasses.replace(context, settings=settings)


@asynccontextmanager
async def hanging(context: WorkerContext, receiver: Receiver, deliveries: list[Delivery], *, give_up: bool = False):
    """Have so many attempts under way at a receiver that says nothing; `give_up`: afterwards they are cut off."""
    before = len(await receiver.received(path="/hook/hang"))
    attempts = [asyncio.create_task(run_delivery(context, delivery.id)) for delivery in deliveries]
    await receiver.received(at_least=before + len(deliveries), path="/hook/hang")
    try:
        yield
    finally:
        for attempt in attempts if give_up else ():
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=give_up)


def hold_the_process() -> None:
    """Let nothing else run, past the end of an attempt that is under way."""
    until_s = stopwatch_s() + 1.2
    while stopwatch_s() < until_s:
        pass


async def test_who_finds_no_place_sleeps_without_using_up_an_attempt_and_others_pass_by(core, context, receiver):
    taken = [(await told(core, f"{receiver.hook}/hang"))[0] for _ in range(PER_HOST)]
    waiting = [(await told(core, f"{receiver.hook}/hang"))[0] for _ in range(20)]
    late = await progress_of(core, f"{receiver.hook}/hang")
    await core.api_keys.create("other")
    [stranger] = await told(core, receiver.hook, tenant="other")
    async with hanging(context, receiver, taken, give_up=True):
        after = await asyncio.gather(*(after_attempt(context, each) for each in waiting))
        assert {(each.state, each.round, each.attempts) for each in after} == {(DeliveryState.PENDING, 0, ())}
        wakes = [await due_ms(core, each) for each in waiting]
        assert len(set(wakes)) == len(waiting), "each at a time of its own"
        assert wakes == [each.next_at_ms for each in after]
        core.clock.turn(by_s=125)
        stale = await after_attempt(context, late)
        assert (stale.state, stale.attempts) == (DeliveryState.DEAD, ())
        assert (await after_attempt(context, stranger)).state is DeliveryState.DELIVERED, "though it is the same host"
        assert len(await receiver.received(path="/hook/hang")) == PER_HOST


async def test_what_gets_no_turn_at_its_host_for_a_week_is_given_up_and_can_be_sent_again(core, context, receiver):
    """Nobody disables a URL that jobs name: thousands of callbacks would come again every few minutes, for as long as jobs are kept."""
    [waiting] = await told(core, f"{receiver.hook}/hang")
    found = []
    for days in (6, 2):
        core.clock.turn(by_s=days * DAY_S)
        taken = [(await told(core, f"{receiver.hook}/hang"))[0] for _ in range(PER_HOST)]
        async with hanging(context, receiver, taken, give_up=True):
            found.append(await after_attempt(context, waiting))
    assert [(each.state, each.why) for each in found] == [
        (DeliveryState.PENDING, None),
        (DeliveryState.DEAD, NO_TURN.reason),
    ]
    taken = [(await told(core, f"{receiver.hook}/hang"))[0] for _ in range(PER_HOST)]
    async with hanging(context, receiver, taken, give_up=True):
        await core.deliveries.send_again(found[-1])
        assert (await after_attempt(context, waiting)).state is DeliveryState.PENDING, "it is asked for since now"


async def test_those_who_sleep_are_called_before_their_time_once_their_host_has_room(core, context, receiver):
    limits = HostLimits(core.clock, wait_s=0.0)
    context = dataclasses.replace(context, host_limits=limits)
    deliveries = [(await told(core, receiver.hook))[0] for _ in range(PER_HOST + 20)]
    await asyncio.gather(*(run_delivery(context, each.id) for each in deliveries))
    after = [await context.deliveries.load(each.id) for each in deliveries]
    assert {each.state for each in after} == {DeliveryState.DELIVERED}
    assert len(await receiver.received(at_least=len(deliveries))) == len(deliveries), "each of them once"


async def test_who_has_come_by_itself_at_its_turn_is_not_called_before_its_next_one(core, context, receiver):
    taken = [(await told(core, f"{receiver.hook}/hang"))[0] for _ in range(PER_HOST)]
    [delivery] = await told(core, f"{receiver.hook}/status/301")
    async with hanging(context, receiver, taken, give_up=True):
        sleeper = await after_attempt(context, delivery)
    assert sleeper.attempts == ()
    core.clock.turn(by_s=(sleeper.next_at_ms - core.clock.now_ms()) / 1000)
    assert len((await after_attempt(context, delivery)).attempts) == 1


async def test_those_who_have_come_by_themselves_keep_nobody_from_being_called(core, context, receiver):
    taken = [(await told(core, f"{receiver.hook}/hang"))[0] for _ in range(PER_HOST)]
    waiting = [(await told(core, receiver.hook))[0] for _ in range(5)]
    async with hanging(context, receiver, taken, give_up=True):
        asleep = await asyncio.gather(*(after_attempt(context, each) for each in waiting))
    first, *_, last = sorted(asleep, key=lambda each: each.next_at_ms)
    core.clock.turn(by_s=(first.next_at_ms - core.clock.now_ms()) / 1000)
    assert last.next_at_ms > core.clock.now_ms()
    await run_delivery(context, first.id)
    after = [await core.deliveries.load(each.id) for each in waiting]
    assert {each.state for each in after} == {DeliveryState.DELIVERED}


@pytest.mark.parametrize("over", ["deleted with its job", "wanted no more"])
async def test_a_sleeper_that_is_over_keeps_none_behind_it_from_being_called(core, context, receiver, over):
    taken = [(await told(core, f"{receiver.hook}/hang"))[0] for _ in range(PER_HOST)]
    waiting = [(await told(core, receiver.hook))[0] for _ in range(5)]
    async with hanging(context, receiver, taken, give_up=True):
        asleep = [await after_attempt(context, each) for each in waiting]
    assert all(each.next_at_ms > core.clock.now_ms() for each in asleep)
    if over == "wanted no more":
        await core.redis.hset(key("job", waiting[0].job_id), "unwanted", "410")
    else:
        await JobRemoval(core.store, public_url="").remove(await core.jobs.load(waiting[0].job_id))
    [fresh] = await told(core, receiver.hook)
    await run_delivery(context, fresh.id)
    after = [await core.deliveries.load(each.id) for each in waiting[1:]]
    assert {each.state for each in after} == {DeliveryState.DELIVERED}


async def test_an_attempt_that_we_spoilt_is_made_again_and_counts_nowhere(core, context, receiver):
    [delivery] = await told(core, f"{receiver.hook}/hang")
    async with hanging(hasty(context), receiver, [delivery]):
        hold_the_process()
    after = await core.deliveries.load(delivery.id)
    assert (after.state, after.round, after.attempts) == (DeliveryState.PENDING, 0, ())
    assert await due_ms(core, delivery) == after.next_at_ms > core.clock.now_ms()


@pytest.mark.parametrize("tried_at_another_url", [False, True])
async def test_an_attempt_that_is_spoilt_again_and_again_counts_in_the_end_and_never_against_the_url(
    core, context, receiver, tried_at_another_url
):
    await set_default(core, receiver, "/status/500" if tried_at_another_url else "/hang")
    [delivery] = await told(core, None)
    if tried_at_another_url:
        delivery = await after_attempt(context, delivery)
        core.clock.turn(by_s=10)
        await set_anew(core, f"{receiver.hook}/hang")
    pauses_s, tried = [], len(delivery.attempts)
    while len(delivery.attempts) == tried and len(pauses_s) < 10:
        before, began_ms = delivery, core.clock.now_ms()
        async with hanging(hasty(context), receiver, [delivery]):
            hold_the_process()
        delivery = await core.deliveries.load(before.id)
        pauses_s.append((delivery.next_at_ms - began_ms) / 1000)
        core.clock.turn(by_s=300)
    assert pauses_s[:-1] == [2, 4, 8, 16, 32, 64]
    assert (delivery.state, delivery.round, delivery.spoilt) == (DeliveryState.PENDING, 1, 0)
    assert delivery.attempts[-1].error == "This service was too busy to hear the answer in time."
    assert (await core.webhooks.default("acme")).failing_since_ms is None


@asynccontextmanager
async def held_receiver(status: int = 500):
    """Run a receiver that answers so once it is let; yields its URL, and events that say it was asked, and let it answer."""
    asked, let = asyncio.Event(), asyncio.Event()

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await let.wait()
        writer.write(f"HTTP/1.1 {status} Later\r\n".encode() + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", asked, let


@pytest.mark.parametrize("answer", [500, 410])
@pytest.mark.parametrize("moves", [True, False])
async def test_what_is_under_way_as_the_url_is_set_anew_goes_there_at_once(core, context, receiver, answer, moves):
    async with held_receiver(answer) as (url, asked, let):
        await set_anew(core, url)
        [delivery] = await told(core, None)
        attempt = asyncio.create_task(run_delivery(context, delivery.id))
        await asked.wait()
        core.clock.turn(by_s=1)
        await set_anew(core, receiver.hook if moves else url)
        let.set()
        await attempt
        after = await core.deliveries.load(delivery.id)
        assert (after.state, after.round, after.attempts[0].status) == (DeliveryState.PENDING, 0, answer)
        assert await is_due(core, after)
        webhook = await core.webhooks.default("acme")
        assert (webhook.state, webhook.failing_since_ms) == ("active", None), "that answer is older"
    if moves:
        assert (await after_attempt(context, after)).state is DeliveryState.DELIVERED


async def test_who_fails_while_the_url_takes_another_callback_is_not_given_up_for_five_days_of_failure(core, context):
    async with held_receiver(503) as (url, asked, let):
        failing = TenantWebhook(url=url, set_at_ms=core.clock.now_ms(), failing_since_ms=core.clock.now_ms())
        await core.webhooks.set_default("acme", failing)
        core.clock.turn(by_s=WORN_OUT_S)
        [late], [other] = await told(core, None), await told(core, None)
        attempt = asyncio.create_task(run_delivery(context, late.id))
        await asked.wait()
        taken = EndpointOutcome(url, failed=False, set_at_ms=failing.set_at_ms)
        await core.deliveries.record(
            ended((await claim(core, other)).delivery, DeliveryState.DELIVERED), owner="w:1", outcome=taken
        )
        let.set()
        await attempt
    after = await core.deliveries.load(late.id)
    assert (after.state, after.why) == (DeliveryState.PENDING, None)
    assert await is_due(core, after)
    webhook = await core.webhooks.default("acme")
    assert (webhook.state, webhook.failing_since_ms) == ("active", None)


async def test_a_schedule_begins_anew_with_the_url_and_one_that_was_not_set_again_goes_on(core, context, receiver):
    await set_anew(core, f"{receiver.hook}/status/500")
    [delivery] = await told(core, None)
    for _ in range(5):
        delivery = await after_attempt(context, delivery)
        core.clock.turn(by_s=DAY_S / 2)
    assert delivery.round == 5
    await set_anew(core, f"{receiver.hook}/status/503")
    rounds = []
    for _ in range(3):
        core.clock.turn(by_s=1)
        delivery = await after_attempt(context, delivery)
        rounds.append(delivery.round)
    assert (rounds, [each.status for each in delivery.attempts[-3:]]) == ([1, 2, 3], [503] * 3)


async def test_once_the_url_is_unset_what_waits_for_it_is_over_at_once_and_can_be_sent_when_there_is_one(
    core, context, receiver
):
    await set_anew(core, f"{receiver.hook}/status/500")
    [delivery] = await told(core, None)
    await after_attempt(context, delivery)
    await core.webhooks.unset_default("acme")
    await core.deliveries.wake_for_default("acme")
    assert await is_due(core, delivery)
    over = await after_attempt(context, delivery)
    assert (over.state, len(over.attempts)) == (DeliveryState.DEAD, 1)
    await set_anew(core, receiver.hook)
    again = await core.deliveries.send_again(over)
    assert (await after_attempt(context, again)).state is DeliveryState.DELIVERED


async def test_a_stopping_worker_lets_an_attempt_end_so_that_it_is_made_once(core, context):
    async with held_receiver() as (url, asked, let):
        [delivery] = await told(core, url)
        attempt = asyncio.create_task(run_delivery(context, delivery.id))
        await asked.wait()
        await context.leases.hand_back_all(streams_too=False, patience_s=PATIENCE_S)
        let.set()
        await attempt
    after = await core.deliveries.load(delivery.id)
    assert (after.round, after.attempts[0].status) == (1, 500)


async def test_a_prompt_of_any_length_goes_out_as_less_than_20_kb(core, context, receiver):
    prompt = "剪" * 10_000
    asked = {"prompt": prompt, "plan": Plan(message=prompt, action="export"), "metadata": {"k": "m" * 4_080}}
    [delivery] = await told(core, receiver.hook, **asked)
    assert (await after_attempt(context, delivery)).state is DeliveryState.DELIVERED
    [received] = await receiver.received(at_least=1)
    assert len(received["text"].encode()) < 20_000
    assert received["body"]["data"]["truncated"] == ["plan.message"]
    assert received["body"]["data"]["job"]["metadata"] == asked["metadata"]


class Counted:
    """What was counted since now."""

    def __init__(self) -> None:
        preset_metrics()
        self._before = {name: self._now(name) for name in self._names}

    _names = ("callback_delay_seconds_count", "callback_delay_seconds_sum", "callbacks_late_total")

    def _now(self, name: str) -> float:
        return REGISTRY.get_sample_value(f"reelgate_{name}", {"type": "job.succeeded"}) or 0.0

    @property
    def since(self) -> tuple[float, ...]:
        """How many arrived, after how many seconds together, and how many are late."""
        return tuple(round(self._now(name) - self._before[name], 3) for name in self._names)


async def test_how_long_a_receiver_waited_is_counted_from_the_event_to_its_2xx(core, context, receiver):
    await set_default(core, receiver, "/fail/1")
    [delivery] = await told(core, None)
    counted = Counted()
    await after_attempt(context, delivery)
    assert counted.since == (0, 0, 0)
    core.clock.turn(by_s=5)
    assert (await after_attempt(context, delivery)).state is DeliveryState.DELIVERED
    assert counted.since == (1, 5, 0)


async def test_a_callback_is_late_once_it_is_certain_and_once_only(core, context, receiver):
    await set_default(core, receiver, "/status/500")
    [delivery] = await told(core, None)
    counted, late, before = Counted(), [], late_of(delivery.tenant)
    for _ in range(6):
        pending = await after_attempt(context, delivery)
        late.append(counted.since[2])
        core.clock.turn(by_s=(pending.next_at_ms - core.clock.now_ms()) / 1000)
    assert late == [0, 0, 1, 1, 1, 1], "the fourth attempt, half an hour after the third, is beyond ten minutes"
    assert late_of(pending.tenant) == before + 1


def late_of(tenant: str) -> float:
    labels = {"group": group_of(tenant)}
    return REGISTRY.get_sample_value("reelgate_callbacks_late_by_group_total", labels) or 0.0


async def test_one_that_is_asked_for_again_days_later_waits_from_then_on(core, context, receiver):
    await set_default(core, receiver)
    [delivery] = await told(core, None)
    await after_attempt(context, delivery)
    core.clock.turn(by_s=2 * DAY_S)
    again = await core.deliveries.send_again(await core.deliveries.load(delivery.id))
    counted = Counted()
    core.clock.turn(by_s=3)
    await after_attempt(context, again)
    assert counted.since == (1, 3, 0)
