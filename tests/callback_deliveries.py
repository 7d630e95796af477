"""Plays a worker's part with callback deliveries: claims one, and writes an attempt into it."""

import msgspec

from core.events.delivery import Attempt, Delivery, DeliveryState
from core.store.deliveries import DeliveryClaim
from tests.store_fixture import Core


async def claim(core: Core, delivery: Delivery, owner: str = "w:1") -> DeliveryClaim:
    found = await core.deliveries.claim(delivery.id, owner=owner, lease_ms=core.jobs.lease_ms)
    assert found is not None
    return found


def ended(delivery: Delivery, state: DeliveryState) -> Delivery:
    tried = (*delivery.attempts, Attempt(at_ms=1, status=500))
    return msgspec.structs.replace(delivery, state=state, attempts=tried, round=delivery.round + 1)
