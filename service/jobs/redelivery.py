"""Sends callbacks again: one, or those that were made in a time range."""

from typing import NamedTuple

from core.events.delivery import Delivery, DeliveryState
from core.ids import first_id
from core.store.audit import AuditEntry
from core.store.deliveries import BeingSent
from service.context import ApiContext
from service.problems import ApiError

#: so many of a range are sent again by one call
RANGE_AT_ONCE = 1000
_PAGE = 200
#: one after another, and none before what others wait for: a range may be sent again and again
_GAP_MS = 5
#: the times of a delivery and of its id come from different clocks, and apart; so much they may differ
_ID_SLACK_MS = 600_000


class SentAgain(NamedTuple):
    """How many of a range are on their way again, and behind which delivery there are more, if there are."""

    sent: int
    last: str | None

    @property
    def has_more(self) -> bool:
        return self.last is not None


async def send_again(context: ApiContext, delivery: Delivery, *, audit: AuditEntry | None = None) -> Delivery:
    """Start a delivery's schedule anew. Raises ApiError (409) while it is being sent. `audit`: an operator asks for it."""
    try:
        return await context.deliveries.send_again(delivery, audit=audit)
    except BeingSent:
        raise ApiError(409, "being_sent", "An attempt is under way, or about to be made.") from None


async def send_range_again(
    context: ApiContext,
    tenant: str,
    state: DeliveryState,
    *,
    since_ms: int,
    until_ms: int,
    after: str | None = None,
) -> SentAgain:
    """Send again a tenant's deliveries of a time range, both ends included, newest first, up to RANGE_AT_ONCE.

    `after`: only what is behind this one. What is sent again may have come to the same end by the next call.
    """
    found = await _find_in_range(context, tenant, state, since_ms=since_ms, until_ms=until_ms, after=after)
    sent = found[:RANGE_AT_ONCE]
    for place, delivery in enumerate(sent, start=1):
        await context.deliveries.send_again(delivery, in_ms=place * _GAP_MS)
    return SentAgain(len(sent), sent[-1].id if len(found) > RANGE_AT_ONCE else None)


async def _find_in_range(
    context: ApiContext, tenant: str, state: DeliveryState, *, since_ms: int, until_ms: int, after: str | None
) -> list[Delivery]:
    """Collect a range's deliveries, at least one more than one call sends again where there are so many."""
    found: list[Delivery] = []
    after = min(filter(None, (after, _before_all_since(context, until_ms + _ID_SLACK_MS))))
    while len(found) <= RANGE_AT_ONCE:
        page = await context.deliveries.page(tenant, state, after=after, limit=_PAGE)
        found += [d for d, _ in page if since_ms <= d.created_at_ms <= until_ms]
        if len(page) < _PAGE or page[-1][0].created_at_ms < since_ms - _ID_SLACK_MS:
            break
        after = page[-1][0].id
    return found


def _before_all_since(context: ApiContext, at_ms: int) -> str:
    """Say where a list goes on behind all deliveries that were made since then, those without the cell's name perhaps left in."""
    return max(first_id("dlv", at_ms, cell) for cell in ("", context.settings.cell))
