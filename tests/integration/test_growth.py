"""Growth: every list that a call makes longer has a bound or an end."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from core.cli.api_keys import keys as cli_keys
from core.clock import HandClock
from core.ids import new_id
from core.model.formats import Mark
from core.model.session import Session
from core.model.upload import Upload
from core.store.formats import Membership
from core.store.redis.functions import FEED_LIFE_MS, USAGE_LIFE_MS
from core.store.redis.keys import _SHAPES, BOUNDS, key
from core.store.redis.lists import MEMBERS_AT_ONCE
from core.store.redis.results import Nothing
from core.store.tenants.api_keys import KEYS_PER_TENANT, TooManyKeys
from core.store.tenants.tenants import Tenants
from tests.api_fixture import running_api
from tests.store_fixture import SECRET_KEY, Core, core

__all__ = ["core"]

MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 20_000


def test_every_shape_of_a_key_says_what_bounds_or_ends_it() -> None:
    assert BOUNDS.keys() == _SHAPES.keys()
    assert all(BOUNDS.values())


async def test_a_silent_tenants_feed_and_clock_end_and_so_does_a_months_usage(core: Core) -> None:
    await core.slots(5)
    over = await core.run(await core.submit())
    once_an_hour_ms = 3_600_000
    for name in (key("event_clock", "acme"), key("feed", "acme")):
        assert FEED_LIFE_MS < await core.redis.pttl(name) <= FEED_LIFE_MS + once_an_hour_ms
    months = [name async for name in core.redis.scan_iter(key("usage", over.tenant, "*"))]
    assert months
    assert all([0 < await core.redis.pttl(name) <= USAGE_LIFE_MS for name in months])


async def test_lists_for_an_operator_come_in_pages_and_whole(core: Core) -> None:
    tenants = [f"t{n}" for n in range(600)]
    for start in range(0, len(tenants), 50):
        some = tenants[start : start + 50]
        await asyncio.gather(*(core.tokens.add(tenant, kind="operator", tenant=tenant) for tenant in some))
    issued = [await core.api_keys.create("acme") for _ in range(3)]
    await core.redis.sadd(key("tenants"), *tenants)  # type: ignore[misc]
    await core.redis.config_resetstat()
    found = await core.tokens.all()
    assert {token.tenant for token in found} == set(tenants)
    assert [token.id for token in found] == sorted(token.id for token in found)
    assert await Tenants(core.store).names() == sorted([*tenants, "acme"])
    assert [row.id for row in await core.api_keys.of_tenant("acme")] == [each.id for each in issued]
    asked = await core.redis.info("commandstats")
    assert "cmdstat_smembers" not in asked, "it would hold up everybody else"
    assert asked["cmdstat_sscan"]["calls"] >= 2 * 600 / MEMBERS_AT_ONCE


async def explicit(core: Core) -> Session:
    session = Session(id=new_id("ses"), tenant="acme", profile="free-video-fast", created_at_ms=core.clock.now_ms())
    assert (await core.sessions.create(session, most=2, idle_s=100)).outcome == "opened"
    return session


async def test_a_session_is_closed_when_nobody_has_used_it_for_long(core: Core) -> None:
    core.with_settings(session_idle_s=100)
    await core.slots(5)
    idle, used = await explicit(core), await explicit(core)
    core.clock.turn(by_s=60)
    job = await core.submit(session_id=used.id, new_session=False)
    core.clock.turn(by_s=60)
    await core.sessions.close_idle(idle_s=100)
    assert await core.sessions.load(idle.id) is None
    assert await core.sessions.load(used.id)
    core.clock.turn(by_s=200)
    await core.sessions.close_idle(idle_s=100)
    assert await core.sessions.load(used.id), "its job has not ended"
    await core.run(job)
    core.clock.turn(by_s=101)
    await core.sessions.close_idle(idle_s=100)
    assert await core.sessions.load(used.id) is None
    assert await core.redis.zcard(key("idle_sessions")) == 0


async def test_a_session_that_is_used_while_it_is_about_to_be_closed_stays_open(core: Core) -> None:
    core.with_settings(session_idle_s=100)
    await core.slots(5)
    session = await explicit(core)
    core.clock.turn(by_s=101)
    await core.run(await core.submit(session_id=session.id, new_session=False))
    found = {"session": session.id, "idle_ms": 100_000}
    await core.store.run("close_idle_session", core.clock.for_operations() | found, Nothing)
    assert await core.sessions.load(session.id)


async def test_a_session_of_an_older_version_which_had_no_end_gets_one(core: Core) -> None:
    await core.api_keys.create("acme")
    old, new = await explicit(core), await explicit(core)
    await core.redis.zrem(key("idle_sessions"), old.id)
    core.clock.turn(by_s=60)
    await core.redis.sadd(key("tenants"), *(f"t{n}" for n in range(600)))  # type: ignore[misc]
    await core.sessions.schedule_unscheduled(idle_s=100)
    assert await core.redis.zscore(key("idle_sessions"), old.id) is None, "somebody may make more of them"
    core.store.mark = Mark(core.store.release.format)
    await core.sessions.schedule_unscheduled(idle_s=100)
    core.clock.turn(by_s=50)
    await core.sessions.close_idle(idle_s=100)
    assert (await core.sessions.load(new.id), await core.sessions.load(old.id)) == (None, old), "each by its own time"
    core.clock.turn(by_s=51)
    await core.sessions.close_idle(idle_s=100)
    assert await core.sessions.load(old.id) is None


async def test_after_a_roll_back_and_forward_again_that_never_overlapped_new_endless_ones_get_an_end(
    core: Core,
) -> None:
    def process(name: str) -> Membership:
        return Membership(
            core.store, core.clock, kind="worker", process_id=name, secret_key_names=["k"], lease_s=1, settle_s=60
        )

    await core.api_keys.create("acme")
    first, second = process("first"), process("second")
    await first.note()
    core.clock.turn(by_s=60)
    await first.note()
    await core.sessions.schedule_unscheduled(idle_s=100)
    assert await core.redis.hexists(key("formats"), "sessions_end"), "it is done once"
    await first.leave()
    core.clock.turn(by_s=86400)  # the last release is at work
    old = await explicit(core)
    await core.redis.zrem(key("idle_sessions"), old.id)
    await second.note()
    await core.sessions.schedule_unscheduled(idle_s=100)
    assert await core.redis.zscore(key("idle_sessions"), old.id)


async def test_past_the_cap_of_its_keys_a_tenant_gets_none_until_one_is_revoked(core: Core) -> None:
    issued = await core.api_keys.create("acme")
    others = [f"key_{number}" for number in range(KEYS_PER_TENANT - 1)]
    await core.redis.sadd(key("tenant_keys", "acme"), *others)
    with pytest.raises(TooManyKeys):
        await core.api_keys.create("acme")
    words = ["create", "--tenant", "acme"]
    env = {"REDIS_URL": core.settings.redis_url.get_secret_value(), "REELGATE_SECRET_KEYS": SECRET_KEY}
    refused = await asyncio.to_thread(CliRunner().invoke, cli_keys, words, env=env)
    assert (refused.exit_code, refused.output) == (1, "Error: acme has 10000 keys; revoke some\n")
    assert await core.api_keys.revoke(issued.id)
    assert await core.api_keys.create("acme")


def upload_of(core: Core) -> Upload:
    return Upload(
        id=new_id("upl"), tenant="acme", filename="a.mp4", format="mp4", size_bytes=500, path="a",
        created_at_ms=core.clock.now_ms(),
    )  # fmt: skip


async def test_an_upload_is_counted_once_whoever_keeps_it_and_given_back_once_whoever_drops_it(core: Core) -> None:
    upload, other = upload_of(core), upload_of(core)
    for each in (upload, other):
        await core.uploads.expect(msgspec.structs.replace(each, size_bytes=0))
    await asyncio.gather(*(core.uploads.keep(upload) for _ in range(5)))
    assert await core.uploads.stored_bytes("acme") == 500
    await core.uploads.drop(other)
    assert await core.uploads.stored_bytes("acme") == 500, "one that never came counts nothing"
    await asyncio.gather(*(core.uploads.drop(upload) for _ in range(5)))
    assert await core.redis.exists(key("stored", "acme")) == 0


async def test_files_that_are_deleted_or_forgotten_leave_nothing_counted(redis_url: str, tmp_path: Path) -> None:
    clock = HandClock()
    async with running_api(redis_url, tmp_path, clock=clock) as api:
        uploads = api.context.uploads
        for name in ("deleted", "forgotten"):
            kept = (await api.http.post("/v1/uploads", params={"filename": f"{name}.mp4"}, content=MP4)).json()
            assert await uploads.stored_bytes("acme") == len(MP4)
            if name == "deleted":
                await api.http.delete(f"/v1/uploads/{kept['id']}")
                assert await uploads.stored_bytes("acme") == 0
        clock.turn(by_s=25 * 3600)
        for over in await uploads.due():
            await uploads.drop(over)
        assert await uploads.stored_bytes("acme") == 0
        assert [name async for name in api.context.store.redis.scan_iter("rg:upl*")] == []


async def test_past_its_cap_a_tenant_is_told_to_close_sessions(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, clock=HandClock(), tenant_sessions=1) as api:
        first = (await api.http.post("/v1/sessions")).json()
        refused = await api.http.post("/v1/sessions")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_sessions")
        await api.http.delete(f"/v1/sessions/{first['id']}")
        assert (await api.http.post("/v1/sessions")).status_code == 201
