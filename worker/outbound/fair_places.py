"""Fair semaphore: so many places in all, so many per tenant, and whoever waits is served tenant by tenant."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairPlaces:
    """A semaphore whose line is one line per tenant, taken from in turn."""

    def __init__(self, *, in_all: int, per_tenant: int) -> None:
        self._free = in_all
        self._per_tenant = per_tenant
        self._held: Counter[str] = Counter()
        #: those who wait, by tenant; whose turn is next stands first
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def hold(self, tenant: str) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        await self._take(tenant)
        try:
            yield
        finally:
            self._give_back(tenant)

    async def _take(self, tenant: str) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(place)
        self._hand_out()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._give_back(tenant)  # it was handed over just now
            raise

    def _give_back(self, tenant: str) -> None:
        self._free += 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
        self._hand_out()

    def _hand_out(self) -> None:
        """Give free places to those who wait; a tenant that got one goes to the end of the row."""
        for tenant in list(self._waiting):
            if not self._free:
                return
            if self._held[tenant] < self._per_tenant:
                self._serve(tenant)

    def _serve(self, tenant: str) -> None:
        line = self._waiting.pop(tenant)
        while line and line[0].done():  # given up
            line.popleft()
        if line:
            line.popleft().set_result(None)
            self._free -= 1
            self._held[tenant] += 1
        if line:
            self._waiting[tenant] = line
