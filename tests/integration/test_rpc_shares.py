"""What the API asks workers for is shared out: one tenant's hanging tests hold up nobody else's."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from core.clock import Clock
from core.model.webhook import TenantWebhook
from core.security.encryption import Encryption
from core.store.redis.client import Store, connect
from core.store.redis.codec import pack
from core.store.redis.keys import key
from core.store.rpc import PER_TENANT, RpcQueue, TooManyRequests
from core.store.tenants.webhooks import Webhooks
from service.context import REDIS_CONNECTIONS
from tests.api_fixture import running_api
from tests.lossy_redis import breaking
from tests.receiver_fixture import running_receiver
from tests.scripted_backend import said, scripted_backend
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S
from tests.worker_fixture import context_over
from worker.rpc import run_rpc_server

__all__ = ["core"]


@pytest.fixture
async def receiver():
    async with running_receiver() as running:
        yield running


@asynccontextmanager
async def serving(core: Core, folder):
    """One worker that serves requests."""
    async with context_over(core, folder) as context:
        server = asyncio.create_task(run_rpc_server(context, asyncio.Event()))
        try:
            yield
        finally:
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)


def asked_for_a_test(core: Core, tenant: str, url: str) -> asyncio.Task:
    return asyncio.create_task(core.rpc.ask("webhook_test", tenant, pack(TenantWebhook(url=url)), wait_s=PATIENCE_S))


async def test_tenants_whose_receivers_hang_hold_up_no_other_tenant(core, receiver, tmp_path):
    for tenant in (*(f"greedy{number}" for number in range(5)), "modest"):
        await core.api_keys.create(tenant)
    async with serving(core, tmp_path):
        hanging = [
            asked_for_a_test(core, f"greedy{number}", f"{receiver.hook}/hang")
            for number in range(5)
            for _ in range(PER_TENANT)
        ]
        await receiver.received(at_least=5 * PER_TENANT)
        answer = await asyncio.wait_for(asked_for_a_test(core, "modest", receiver.hook), PATIENCE_S)
        assert answer is not None
        assert b'"status":200' in answer
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_tenant_whose_receiver_hangs_has_its_credits_read(core, receiver, tmp_path):
    await core.api_keys.create("acme")
    async with serving(core, tmp_path):
        hanging = [asked_for_a_test(core, "acme", f"{receiver.hook}/hang") for _ in range(PER_TENANT)]
        await receiver.received(at_least=PER_TENANT)
        reading = asyncio.create_task(core.rpc.ask("credits", "acme", b"", wait_s=PATIENCE_S))
        await asyncio.wait([reading, *hanging], return_when=asyncio.FIRST_COMPLETED)
        assert reading.done(), "a hanging test was over first"
        assert await reading == b"read"
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_tenant_that_floods_is_refused_and_its_other_calls_are_not(core):
    asked = [
        asyncio.create_task(core.rpc.ask("webhook_test", "acme", b"", wait_s=PATIENCE_S)) for _ in range(PER_TENANT)
    ]
    taken = [await core.rpc.next(wait_s=PATIENCE_S) for _ in asked]
    with pytest.raises(TooManyRequests):
        await core.rpc.ask("webhook_test", "acme", b"", wait_s=PATIENCE_S)
    assert await core.rpc.ask("credits", "acme", b"", wait_s=0.01) is None, "of another kind"
    assert await core.rpc.ask("webhook_test", "other", b"", wait_s=0.01) is None, "of another tenant"
    for request in taken:
        await core.rpc.answer(request, b"sent")
    assert await asyncio.gather(*asked) == [b"sent"] * PER_TENANT
    assert await core.rpc.ask("webhook_test", "acme", b"", wait_s=0.01) is None, "one that is over counts no more"


async def test_a_worker_that_is_told_to_stop_answers_what_it_has_taken_and_takes_no_more(core, tmp_path):
    """The caller would wait for the whole of the test's time, and hear that no worker is there to send it."""
    stop = asyncio.Event()
    await core.api_keys.create("acme")
    async with scripted_backend() as receiver, context_over(core, tmp_path) as context:
        receiver.says("/hook", said({}))
        receiver.meanwhile["/hook"] = stop.set
        server = asyncio.create_task(run_rpc_server(context, stop))
        answer = await asked_for_a_test(core, "acme", f"{receiver.url}/hook")
        assert answer is not None
        assert b'"status":200' in answer
        await asyncio.wait_for(server, PATIENCE_S)
        late = asked_for_a_test(core, "acme", f"{receiver.url}/hook")
        assert await core.rpc.next(wait_s=PATIENCE_S), "another one has it"
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)


class AheadClock(Clock):
    def now_ms(self) -> int:
        return super().now_ms() + 60_000


async def test_a_tenant_that_floods_one_api_is_refused_by_another_whose_clock_is_ahead(core):
    asked = [asyncio.create_task(core.rpc.ask("credits", "acme", b"", wait_s=PATIENCE_S)) for _ in range(PER_TENANT)]
    for _ in asked:
        await core.rpc.next(wait_s=PATIENCE_S)
    with pytest.raises(TooManyRequests):
        await RpcQueue(core.store, AheadClock()).ask("credits", "acme", b"", wait_s=0.01)
    for call in asked:
        call.cancel()
    await asyncio.gather(*asked, return_exceptions=True)


async def test_more_calls_than_there_are_connections_wait_for_replies_and_hold_up_nothing_else(redis_url, tmp_path):
    async with running_api(redis_url, tmp_path) as api:
        tenants = [f"tenant{number}" for number in range(2 * REDIS_CONNECTIONS)]
        asked = [asyncio.create_task(api.context.rpc.ask("credits", t, b"", wait_s=PATIENCE_S)) for t in tenants]
        taken = [await api.context.rpc.next(wait_s=PATIENCE_S) for _ in asked]
        assert (await api.http.get("/v1/uploads")).status_code == 200
        await api.submit()
        assert not any(call.done() for call in asked)
        for request in taken:
            await api.context.rpc.answer(request, request.tenant.encode())
        assert await asyncio.gather(*asked) == [tenant.encode() for tenant in tenants]


async def test_what_nobody_waits_for_any_more_is_done_by_no_worker_that_comes_later(core):
    """A test would reach a receiver minutes after its owner was told that no worker was there."""
    assert await core.rpc.ask("webhook_test", "acme", b"", wait_s=0.01) is None
    gone = asyncio.create_task(core.rpc.ask("webhook_test", "acme", b"", wait_s=PATIENCE_S))
    while not await core.redis.llen(key("rpc_requests")):
        pass
    gone.cancel()
    await asyncio.wait([gone])
    waiting = asyncio.create_task(core.rpc.ask("credits", "acme", b"", wait_s=PATIENCE_S))
    request = await core.rpc.next(wait_s=PATIENCE_S)
    assert request.kind == "credits"
    await core.rpc.answer(request, b"read")
    assert await waiting == b"read"


async def test_a_reply_that_has_come_is_given_although_redis_goes_away_behind_it(core, redis_url):
    def says_that_it_is_over(asked: bytes) -> bool:
        return b"ZREM\r\n" in asked

    async with breaking(redis_url, says_that_it_is_over, arrives=False) as way:
        store = Store(connect(way, answer_s=PATIENCE_S))
        asked = asyncio.create_task(RpcQueue(store).ask("webhook_test", "acme", b"", wait_s=PATIENCE_S))
        await core.rpc.answer(await core.rpc.next(wait_s=PATIENCE_S), b"sent")
        assert await asked == b"sent"
        await store.close()


async def test_requests_of_an_api_process_that_died_are_over_with_their_life(core):
    for number in range(PER_TENANT):
        await core.redis.zadd("rg:errands:webhook_test:acme", {f"dead{number}": 1})
    assert await core.rpc.ask("webhook_test", "acme", b"", wait_s=0.01) is None


async def test_a_test_whose_secret_no_key_opens_is_answered_with_that(core, receiver, tmp_path):
    await core.api_keys.create("acme")
    await Webhooks(core.store, Encryption(["a key that went " * 3]), core.clock).rotate_secret("acme")
    async with serving(core, tmp_path):
        answer = await asyncio.wait_for(asked_for_a_test(core, "acme", receiver.hook), PATIENCE_S)
    assert "secret" in msgspec.json.decode(answer)["detail"]
    assert await receiver.received() == []
