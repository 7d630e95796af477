"""Deliveries in Redis: claimed and parked like jobs, forgotten 14 days after their end."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from core.clock import Clock
from core.events.delivery import Delivery, DeliveryState, EndpointOutcome
from core.model.webhook import SigningSecrets, TenantWebhook
from core.security.redacted_repr import redacted_repr
from core.store.audit import AuditEntry, audit_argument
from core.store.events import StoredEvent
from core.store.leases import ClaimedDelivery, LeaseLost, claim_delivery, set_aside
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable, raw_record, unpack
from core.store.redis.functions import FEED_LIFE_MS
from core.store.redis.keys import key
from core.store.redis.lists import page_of
from core.store.redis.results import Nothing

#: an ended delivery can be sent again as long as the tenant's feed has its event
KEPT_MS = FEED_LIFE_MS


#: so many are looked at in one step, to hold up nobody else in Redis
_WOKEN_AT_ONCE = 50


class _Written(NamedTuple):
    written: bool = False
    default_changed: bool = False


class _Repeated(NamedTuple):
    written: bool = False
    being_sent: bool = False


class _Woken(NamedTuple):
    #: the last one that was looked at, where there may be more
    last: str | None = None


class DefaultUrlChanged(Exception):  # noqa: N818 - it says what happened
    """The tenant has set or enabled its default URL since the claim, or it has taken something: this is not the last word."""


class BeingSent(Exception):  # noqa: N818 - it says what happens
    """An attempt at this delivery is under way, or about to be made."""


@redacted_repr("owner", "delivery", "event")
class DeliveryClaim(NamedTuple):
    """A delivery that this worker may attempt now, with all that an attempt needs."""

    owner: str
    delivery: Delivery
    event: StoredEvent | None
    webhook: TenantWebhook | None
    #: what signs it, encrypted; None where its tenant has none
    secrets: SigningSecrets | None
    #: the URL that its job named wants nothing more of this job, and why
    unwanted: str | None

    @property
    def default_set_at_ms(self) -> int | None:
        """When the default URL was set to which it goes, 0 where nobody knows. None: it goes to another."""
        return None if self.delivery.url else (self.webhook and self.webhook.set_at_ms) or 0


class Deliveries:
    """Claims, records, lists and repeats deliveries."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def claim(
        self,
        delivery_id: str,
        *,
        owner: str,
        lease_ms: int,
        only_if_due: bool = False,
        asleep_until_ms: int | None = None,
    ) -> DeliveryClaim | None:
        """Take a delivery for one attempt. None: it is over, another worker holds it, or it cannot be read.

        `only_if_due`: nor, where it sleeps. `asleep_until_ms`: nor, where it does not sleep until then any more.
        """
        found = await claim_delivery(
            self._store,
            self._clock,
            delivery_id,
            owner=owner,
            lease_ms=lease_ms,
            only_if_due=only_if_due,
            asleep_until_ms=asleep_until_ms,
        )
        if found is None:
            return None
        try:
            return _claim_of(found, delivery_id, owner)
        except Unreadable:
            await set_aside(self._store, self._clock, delivery_id, owner=owner)
            return None

    async def record(
        self,
        delivery: Delivery,
        *,
        owner: str | None,
        wake_ms: int | None = None,
        outcome: EndpointOutcome | None = None,
        unwanted: str | None = None,
        default_set_at_ms: int | None = None,
    ) -> None:
        """Write a delivery; pending ones wake at `wake_ms`.

        `outcome`: what this says about the tenant's default URL. `unwanted`: why the URL that the job named gets
        nothing more of this job. `default_set_at_ms`: when the default URL was set for which this holds. Raises LeaseLost
        where another worker holds it, DefaultUrlChanged where it was set anew since, or is not worn out; then nothing was written.
        """
        now_ms = self._clock.now_ms()
        arguments = self._arguments(delivery) | {
            "owner": owner,
            "wake_in_ms": max(0, (wake_ms or now_ms) - now_ms),
            "retire_at_ms": now_ms + KEPT_MS,
            "outcome": outcome._asdict() if outcome else None,
            "unwanted": unwanted,
            "default_set_at_ms": default_set_at_ms,
        }
        found = await self._store.run("record_delivery", arguments, _Written)
        if found.default_changed:
            raise DefaultUrlChanged(delivery.id)
        if not found.written:
            raise LeaseLost(delivery.id)

    def _arguments(self, delivery: Delivery) -> dict[str, Any]:
        return self._clock.for_operations() | {
            "id": delivery.id,
            "job": delivery.job_id,
            "record": raw_record(delivery),
            "status": str(delivery.state),
        }

    async def send_again(self, delivery: Delivery, *, in_ms: int = 0, audit: AuditEntry | None = None) -> Delivery:
        """Start a delivery's schedule anew, whatever came of it before, and return it as it is now. Raises BeingSent.

        `in_ms`: not at once, before all else, but then, as what has slept. Where somebody else has just done so, that stays
        as it is. `audit`: an operator asked for it, which is written in the same step.
        """
        again = msgspec.structs.replace(
            delivery,
            state=DeliveryState.PENDING,
            round=0,
            why=None,
            next_at_ms=None,
            again_at_ms=self._clock.now_ms(),
        )
        before = {"status_before": str(delivery.state), "next_at_ms": delivery.next_at_ms}
        arguments = self._arguments(again) | before | {"in_ms": in_ms, "audit": audit_argument(audit)}
        found = await self._store.run("repeat_delivery", arguments, _Repeated)
        if found.being_sent:
            raise BeingSent(delivery.id)
        return again if found.written else await self.load(delivery.id) or again

    async def wake_for_default(self, tenant: str) -> None:
        """Have a tenant's callbacks to its default URL come soon: it was set, enabled or unset. Safe to repeat."""
        arguments = self._clock.for_operations() | {"tenant": tenant, "most": _WOKEN_AT_ONCE}
        after: str | None = ""
        place = 0
        while after is not None:
            found = await self._store.run("wake_deliveries", arguments | {"after": after, "place": place}, _Woken)
            after, place = found.last, place + _WOKEN_AT_ONCE

    async def forget(self, delivery_id: str) -> None:
        """Remove an ended delivery whose time is over; one that was sent again meanwhile stays."""
        await self._store.run("forget_delivery", {"id": delivery_id, "due_ms": self._clock.now_ms()}, Nothing)

    async def load(self, delivery_id: str) -> Delivery | None:
        """Read a delivery, whoever's it is: the caller compares the tenant. Raises Unreadable."""
        raw, fmt = await self._store.redis.hmget(key("delivery", delivery_id), ["rec", "fmt"])  # type: ignore[misc]
        return self._store.read(Delivery, raw, fmt, item_id=delivery_id) if raw else None

    async def load_many(self, delivery_ids: Sequence[str]) -> list[tuple[Delivery, str]]:
        """Read deliveries, each with the id of its event, in this order; those that cannot be read are left out."""
        pipe = self._store.redis.pipeline(transaction=False)
        for delivery_id in delivery_ids:
            pipe.hmget(key("delivery", delivery_id), ["rec", "fmt", "event"])
        rows = list(zip(delivery_ids, await pipe.execute(), strict=True))
        events = {delivery_id: event.decode() for delivery_id, (_, _, event) in rows if event}
        found = self._store.read_all(Delivery, ((delivery_id, raw, fmt) for delivery_id, (raw, fmt, _) in rows))
        return [(delivery, events[delivery.id]) for delivery in found if delivery.id in events]

    async def of_job(self, job_id: str) -> list[tuple[Delivery, str]]:
        """List a job's deliveries, oldest first."""
        found = await self._store.redis.zrange(key("job_deliveries", job_id), 0, -1)
        return await self.load_many([i.decode() for i in found])

    async def page(
        self, tenant: str, state: DeliveryState, *, after: str | None, limit: int
    ) -> list[tuple[Delivery, str]]:
        """List a tenant's deliveries in one state, newest first, beginning after an id."""
        return await self.page_of_all([tenant], state, after=after, limit=limit)

    async def page_of_all(
        self, tenants: Sequence[str], state: DeliveryState, *, after: str | None, limit: int
    ) -> list[tuple[Delivery, str]]:
        """List these tenants' deliveries in one state together. It costs one small read for each tenant."""
        names = [key("deliveries", tenant, str(state)) for tenant in tenants]
        return await page_of(self._store, names, self.load_many, after=after, limit=limit)


def _claim_of(found: ClaimedDelivery, delivery_id: str, owner: str) -> DeliveryClaim:
    """Read what was claimed. Raises Unreadable."""
    delivery = unpack(found.record, Delivery, item_id=delivery_id)
    return DeliveryClaim(
        owner=owner,
        delivery=delivery,
        event=_event_of(found),
        webhook=unpack(found.webhook, TenantWebhook, item_id=delivery.tenant) if found.webhook else None,
        secrets=unpack(found.secrets, SigningSecrets, item_id=delivery.tenant) if found.secrets else None,
        unwanted=found.unwanted if delivery.url else None,
    )


def _event_of(found: ClaimedDelivery) -> StoredEvent | None:
    if found.event_type is None or found.event_body is None:
        return None
    return StoredEvent(found.event_id, found.event_type, found.event_body)
