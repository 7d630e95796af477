"""Places that tenants share: who waits is served tenant by tenant, and nobody holds more than a share."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.until import PATIENCE_S
from worker.outbound.fair_places import FairPlaces


class Crowd:
    """People who ask for a place, and hold it until they are told to go."""

    def __init__(self, places):
        self.places = places
        self.holding = []
        self.tasks = {}

    async def _hold(self, name, go):
        async with self.places.hold(name[0]):
            self.holding.append(name)
            try:
                await go.wait()
            finally:
                self.holding.remove(name)

    async def come(self, *names):
        for name in names:
            go = asyncio.Event()
            self.tasks[name] = (asyncio.create_task(self._hold(name, go)), go)
        await self._settle()

    async def go(self, *names):
        for name in names:
            task, go = self.tasks.pop(name)
            go.set()
            await task
        await self._settle()

    async def give_up(self, name):
        task, _ = self.tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._settle()

    async def _settle(self):
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_tenant_holds_its_share_and_the_rest_is_for_others():
    crowd = Crowd(FairPlaces(in_all=4, per_tenant=2))
    await crowd.come("a1", "a2", "a3", "a4", "b1", "c1")
    assert crowd.holding == ["a1", "a2", "b1", "c1"]
    await crowd.go("b1")
    assert crowd.holding == ["a1", "a2", "c1"], "a free place is no reason for more than a share"
    await crowd.go("a1", "a2", "a3", "a4", "c1")


async def test_those_who_wait_are_served_tenant_by_tenant():
    crowd = Crowd(FairPlaces(in_all=2, per_tenant=2))
    await crowd.come("a1", "a2", "a3", "a4", "a5", "b1", "c1")
    await crowd.go("a1")
    await crowd.go("a2")
    assert crowd.holding == ["a3", "b1"]
    await crowd.go("a3")
    assert crowd.holding == ["b1", "c1"]
    await crowd.go("b1", "c1")
    await crowd.go("a4", "a5")


async def test_who_gives_up_while_waiting_or_just_served_leaves_the_place_to_others():
    crowd = Crowd(FairPlaces(in_all=1, per_tenant=1))
    await crowd.come("a1", "b1", "c1")
    await crowd.give_up("b1")
    await crowd.go("a1")
    assert crowd.holding == ["c1"]
    await crowd.come("d1", "e1")
    crowd.tasks["c1"][1].set()
    await crowd.tasks.pop("c1")[0]  # d1 is served, and has not run yet
    await crowd.give_up("d1")
    assert crowd.holding == ["e1"]
    await crowd.go("e1")


async def test_a_place_is_given_back_whatever_happens_in_it():
    places = FairPlaces(in_all=1, per_tenant=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with places.hold("a"):
                1 / 0  # noqa: B018
    async with AsyncExitStack() as stack:
        await asyncio.wait_for(stack.enter_async_context(places.hold("a")), PATIENCE_S)
