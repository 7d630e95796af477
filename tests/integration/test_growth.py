"""Growth: every list that a call makes longer has a bound or an end."""

from pathlib import Path

from core.clock import HandClock
from core.ids import new_id
from core.model.session import Session
from core.store.redis.functions import FEED_LIFE_MS, USAGE_LIFE_MS
from core.store.redis.keys import _SHAPES, BOUNDS, key
from tests.api_fixture import running_api
from tests.store_fixture import Core, core

__all__ = ["core"]


def test_every_shape_of_a_key_says_what_bounds_or_ends_it() -> None:
    assert BOUNDS.keys() == _SHAPES.keys()
    assert all(BOUNDS.values())


async def test_a_silent_tenants_feed_and_clock_end_and_so_does_a_months_usage(core: Core) -> None:
    await core.slots(5)
    over = await core.run(await core.submit())
    for name in (key("feed", "acme"), key("event_clock", "acme")):
        assert 0 < await core.redis.pttl(name) <= FEED_LIFE_MS
    months = [name async for name in core.redis.scan_iter(key("usage", over.tenant, "*"))]
    assert months
    assert all([0 < await core.redis.pttl(name) <= USAGE_LIFE_MS for name in months])


async def explicit(core: Core) -> Session:
    session = Session(id=new_id("ses"), tenant="acme", profile="free-video-fast", created_at_ms=core.clock.now_ms())
    assert await core.sessions.create(session, most=2, idle_s=100)
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


async def test_past_its_cap_a_tenant_is_told_to_close_sessions(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, clock=HandClock(), tenant_sessions=1) as api:
        first = (await api.http.post("/v1/sessions")).json()
        refused = await api.http.post("/v1/sessions")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_sessions")
        await api.http.delete(f"/v1/sessions/{first['id']}")
        assert (await api.http.post("/v1/sessions")).status_code == 201
