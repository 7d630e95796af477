"""Tenants, their keys and secrets, RPC, and what is said of a Redis that does not keep things."""

import asyncio

import pytest
from redis import Redis

from core.model.webhook import TenantWebhook
from core.security.encryption import Encryption
from core.store.redis.client import STORE_DOWN, Store, connect
from core.store.redis.durability import durability_warnings, is_durable
from core.store.redis.keys import key
from core.store.tenants.webhooks import Webhooks
from tests.lossy_redis import breaking
from tests.redis_fixture import running_redis
from tests.store_fixture import SECRET_KEY, Core, core
from tests.until import PATIENCE_S

__all__ = ["core"]


async def test_only_hashes_of_api_keys_and_locked_webhook_secrets_are_in_redis(core: Core) -> None:
    issued = await core.api_keys.create("acme")
    rotated = await core.webhooks.rotate_secret("acme")
    assert issued.webhook_secret is not None
    dump = repr(await core.everything())
    for secret in (issued.secret, issued.webhook_secret, rotated):
        assert secret not in dump
        assert secret[6:30] not in dump


async def test_a_key_finds_its_tenant_until_it_is_revoked(core: Core) -> None:
    issued = await core.api_keys.create("acme", scopes=("read",))
    caller = await core.api_keys.find_caller(issued.secret)
    assert caller is not None
    assert (caller.tenant, caller.key_id, caller.scopes) == ("acme", issued.id, {"read"})
    assert [row.id for row in await core.api_keys.of_tenant("acme")] == [issued.id]
    assert await core.api_keys.revoke(issued.id)
    assert await core.api_keys.find_caller(issued.secret) is None
    assert not await core.api_keys.revoke(issued.id)
    assert await core.api_keys.of_tenant("acme") == []


async def test_a_key_is_found_after_the_secret_key_was_rotated(core: Core) -> None:
    issued = await core.api_keys.create("acme")
    core.api_keys._encryption = Encryption(["n" * 40, SECRET_KEY])
    assert await core.api_keys.find_caller(issued.secret) is not None
    core.api_keys._encryption = Encryption(["n" * 40])
    assert await core.api_keys.find_caller(issued.secret) is None


async def test_the_webhook_secret_is_shown_with_the_first_key_only(core: Core) -> None:
    first, second = await core.api_keys.create("acme"), await core.api_keys.create("acme")
    assert await core.webhooks.signing_secrets("acme") == [first.webhook_secret]
    assert second.webhook_secret is None


async def test_a_rotated_secret_goes_on_for_a_day_unless_another_one_follows_it(core: Core) -> None:
    first = (await core.api_keys.create("acme")).webhook_secret
    second = await core.webhooks.rotate_secret("acme")
    assert await core.webhooks.signing_secrets("acme") == [second, first]
    core.clock.turn(by_s=3600)
    third = await core.webhooks.rotate_secret("acme")
    assert await core.webhooks.signing_secrets("acme") == [third, second], "two at most"
    core.clock.turn(by_s=23 * 3600)
    assert await core.webhooks.signing_secrets("acme") == [third, second]
    core.clock.turn(by_s=3600)
    assert await core.webhooks.signing_secrets("acme") == [third]


async def test_a_rotation_whose_answer_was_lost_is_made_once_and_what_receivers_have_goes_on(core: Core) -> None:
    await core.submit()  # Redis knows the operations
    first = (await core.api_keys.create("acme")).webhook_secret

    def is_write(asked: bytes) -> bool:
        return b"EXEC" in asked or b"FCALL" in asked

    async with breaking(core.settings.redis_url.get_secret_value(), is_write, arrives=True) as url:
        store = Store(connect(url, answer_s=PATIENCE_S))
        with pytest.raises(STORE_DOWN):
            await Webhooks(store, core.vault, core.clock).rotate_secret("acme")
        await store.close()
    _, before = await core.webhooks.signing_secrets("acme")
    assert before == first


async def test_a_redis_that_reads_and_does_not_write_ends_a_change_as_an_outage(core: Core) -> None:
    """To redis-py each connection that goes in the middle is a write by another, to be waited out without end."""
    await core.webhooks.set_default("acme", TenantWebhook(url="https://a.example/"))
    address = core.settings.redis_url.get_secret_value()
    async with breaking(address, lambda asked: b"EXEC" in asked, arrives=False, once=False) as url:
        store = Store(connect(url, answer_s=PATIENCE_S))
        with pytest.raises(STORE_DOWN):
            await Webhooks(store, core.vault, core.clock).enable("acme")
        await store.close()


async def test_of_rotations_at_once_the_last_two_sign(core: Core) -> None:
    shown = await asyncio.gather(*(core.webhooks.rotate_secret("acme") for _ in range(5)))
    signing = await core.webhooks.signing_secrets("acme")
    assert len(signing) == len(set(signing) & set(shown)) == 2


async def test_the_default_webhook_is_read_as_it_was_written(core: Core) -> None:
    assert await core.webhooks.default("acme") is None
    hook = TenantWebhook(url="https://hooks.example.com", events=("job.failed",), state="disabled", disabled_at_ms=5)
    await core.webhooks.set_default("acme", hook)
    assert await core.webhooks.default("acme") == hook
    assert await core.webhooks.default("other") is None


async def test_an_rpc_request_is_done_by_one_worker_and_answered(core: Core) -> None:
    asked = asyncio.create_task(core.rpc.ask("credits", "acme", b"x", wait_s=PATIENCE_S))
    request = await core.rpc.next(wait_s=PATIENCE_S)
    assert request is not None
    assert (request.kind, request.tenant, request.body) == ("credits", "acme", b"x")
    assert await core.rpc.next(wait_s=0.01) is None
    await core.rpc.answer(request, b"read")
    assert await asked == b"read"


async def test_rpc_requests_that_nobody_takes_are_answered_by_nothing_and_do_not_pile_up(core: Core) -> None:
    await core.redis.rpush(key("rpc_requests"), *(b"old" for _ in range(2000)))
    assert await core.rpc.ask("credits", "acme", b"", wait_s=0.01) is None
    assert await core.redis.llen(key("rpc_requests")) == 999, "that which was just asked is taken back"
    assert 0 < await core.redis.ttl(key("rpc_requests")) <= 30


async def test_a_durable_redis_earns_no_warning(core: Core) -> None:
    assert await durability_warnings(core.store) == []


async def test_a_redis_that_takes_nothing_since_it_is_a_replica_is_named() -> None:
    with running_redis() as server, Redis.from_url(server.url) as client:
        store = Store(connect(server.url, answer_s=PATIENCE_S))
        client.replicaof("127.0.0.1", "1")
        [replica] = await durability_warnings(store)
        assert "replica" in replica
        assert await is_durable(store) is False
        client.replicaof("NO", "ONE")
        assert await durability_warnings(store) == []
        await store.close()


async def test_a_redis_that_forgets_or_evicts_is_named(core: Core) -> None:
    await core.redis.config_set("appendonly", "no")
    await core.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        aof, evicts = await durability_warnings(core.store)
    finally:
        await core.redis.config_set("appendonly", "yes")
        await core.redis.config_set("maxmemory-policy", "noeviction")
    assert "AOF" in aof
    assert "evict" in evicts


@pytest.mark.parametrize(("refused", "tells"), [("-config", True), ("-@dangerous", False), ("-persist", True)])
async def test_a_hosted_redis_that_refuses_a_question_is_named_by_what_it_says_otherwise(
    refused: str, tells: bool
) -> None:
    with running_redis() as server, Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "some", "reset", "on", "nopass", "~*", "&*", "+@all", refused)
        store = Store(connect(server.url.replace("redis://:", "redis://some:"), answer_s=PATIENCE_S))
        told = True if refused == "-persist" else None
        assert (await durability_warnings(store), await is_durable(store)) == ([], told)
        client.config_set("maxmemory-policy", "volatile-lru")
        client.replicaof("127.0.0.1", "1")
        *evicts, replica = await durability_warnings(store)
        assert ["evict" in each for each in evicts] == [True] * tells
        assert "replica" in replica
        assert await is_durable(store) is False
        await store.close()


async def test_a_redis_that_takes_nothing_for_now_is_named_and_is_not_durable(core: Core) -> None:
    """With `min-replicas-to-write`, which deploy/README.md recommends, one whose replicas are gone answers all but writes."""
    await core.redis.config_set("min-replicas-to-write", 1)
    try:
        assert await durability_warnings(core.store) == ["Redis takes nothing for now: too few replicas are there."]
        assert await is_durable(core.store) is False
    finally:
        await core.redis.config_set("min-replicas-to-write", 0)
    assert await is_durable(core.store) is True


async def test_a_redis_that_is_full_forgets_nothing_and_is_named_otherwise(core: Core) -> None:
    await core.redis.config_set("maxmemory", 1)
    try:
        assert (await durability_warnings(core.store), await is_durable(core.store)) == ([], True)
    finally:
        await core.redis.config_set("maxmemory", 0)
