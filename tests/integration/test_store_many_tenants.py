"""Lists of many tenants together: in order, whole, and at a cost of one look for each tenant."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.ids import new_id
from core.store.redis.client import connect
from core.store.redis.keys import key
from core.store.redis.lists import newest_of
from tests.integration.test_store_gauges import commands
from tests.store_fixture import Core, core, settings_for
from tests.until import PATIENCE_S

__all__ = ["core"]


def names(number: int) -> list[str]:
    return [key("jobs", f"t{place}") for place in range(number)]


async def fill(core: Core, lists: list[list[str]]) -> list[str]:
    pipe = core.redis.pipeline(transaction=False)
    for name, ids in zip(names(len(lists)), lists, strict=True):
        pipe.delete(name)
        if ids:
            pipe.zadd(name, dict.fromkeys(ids, 0))
    await pipe.execute()
    return sorted((each for ids in lists for each in ids), reverse=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    owners=st.lists(st.integers(min_value=0, max_value=6), max_size=40),
    most=st.integers(min_value=1, max_value=9),
)
def test_pages_of_many_lists_are_all_of_them_in_order_without_gap_or_double(
    redis_url: str, owners: list[int], most: int
) -> None:
    async def read() -> None:
        async with asyncio.timeout(60):
            core = await _core(redis_url)
            lists: list[list[str]] = [[] for _ in range(7)]
            for owner in owners:
                lists[owner].append(new_id("job"))
            everything = await fill(core, lists)
            found: list[str] = []
            while page := await newest_of(core.store, names(7), None, found[-1] if found else None, most):
                assert len(page) <= most
                found += page
            assert found == everything
            if everything:
                oldest, before = everything[-1], everything[0]
                some = await newest_of(core.store, names(7), oldest, before, 100)
                assert some == everything[1:]
            await core.redis.aclose()

    asyncio.run(read())


async def _core(redis_url: str) -> Core:
    return Core(connect(redis_url, answer_s=PATIENCE_S), settings_for(redis_url))


async def test_no_list_is_as_good_as_empty_ones(core: Core) -> None:
    assert await newest_of(core.store, [], None, None, 5) == []
    assert await newest_of(core.store, names(3), None, None, 5) == []


async def test_a_page_costs_a_look_for_each_list_and_some_more_however_long_they_are(core: Core) -> None:
    async def cost() -> int:
        found = await commands(core, lambda: newest_of(core.store, names(1200), None, None, 20))
        return found["cmdstat_zrevrangebylex"]

    await fill(core, [[new_id("job")] for _ in range(1200)])
    few = await cost()
    await fill(core, [[new_id("job") for _ in range(20)] for _ in range(1200)])
    assert await cost() == few == 1200 + 20
