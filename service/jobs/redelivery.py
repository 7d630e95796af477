"""Sends callbacks again: one, or those that were made in a time range."""

from typing import NamedTuple

from core.events.delivery import Delivery, DeliveryState
from core.store.audit import AuditEntry
from service.context import ApiContext
from service.problems import ApiError

#: so many of a range are sent again by one call
RANGE_AT_ONCE = 1000
_PAGE = 200


class SentAgain(NamedTuple):
    """How many of a range are on their way again, and when the newest of the rest was made; None: there is no rest."""

    sent: int
    rest_until_ms: int | None

    @property
    def has_more(self) -> bool:
        return self.rest_until_ms is not None


async def send_again(context: ApiContext, delivery: Delivery, *, audit: AuditEntry | None = None) -> Delivery:
    """Start a delivery's schedule anew. Raises ApiError (409) while it goes on. `audit`: an operator asks for it."""
    if delivery.state is DeliveryState.PENDING:
        raise ApiError(409, "being_sent", "Send it again when its schedule has ended.")
    return await context.deliveries.send_again(delivery, audit=audit)


async def send_range_again(
    context: ApiContext, tenant: str, state: DeliveryState, *, since_ms: int, until_ms: int
) -> SentAgain:
    """Send again a tenant's deliveries of a time range, both ends included, newest first, up to RANGE_AT_ONCE."""
    found = await _find_in_range(context, tenant, state, since_ms, until_ms)
    chosen, rest = found[:RANGE_AT_ONCE], found[RANGE_AT_ONCE:]
    for delivery in chosen:
        await context.deliveries.send_again(delivery)
    return SentAgain(len(chosen), rest[0].created_at_ms if rest else None)


async def _find_in_range(
    context: ApiContext, tenant: str, state: DeliveryState, since_ms: int, until_ms: int
) -> list[Delivery]:
    """Collect a range's deliveries, at most one more than one call sends again."""
    found: list[Delivery] = []
    after: str | None = None
    while len(found) <= RANGE_AT_ONCE:
        page = await context.deliveries.page(tenant, state, after=after, limit=_PAGE)
        found += [d for d, _ in page if since_ms <= d.created_at_ms <= until_ms]
        if len(page) < _PAGE or page[-1][0].created_at_ms < since_ms:
            break
        after = page[-1][0].id
    return found
