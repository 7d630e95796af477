"""Callbacks: prepare, send, decide, record. One attempt per run; between attempts a delivery sleeps in the queue."""

import logging
import random
from typing import NamedTuple

import msgspec

from core.callback import Attempt, Delivery, DeliveryState, TenantWebhook
from core.discreet import discreet
from core.links import with_link
from core.metrics import CALLBACK_SECONDS, CALLBACKS
from core.signing import headers
from core.store.connection import STORE_DOWN
from core.store.deliveries import DeliveryClaim
from core.store.jobs import LeaseLost
from worker.callbacks.attempt import attempt
from worker.callbacks.schedule import Answer, Dead, Decision, Delivered, DisableUrl, RetryIn, decide
from worker.kit import Kit

log = logging.getLogger(__name__)

#: how long a delivery sleeps while its host's few places are taken
_HOST_BUSY_S = 0.5


@discreet()
class Prepared(NamedTuple):
    """What goes out: where to, the very bytes, and the headers that sign them."""

    url: str
    body: bytes
    headers: dict[str, str]


async def run_delivery(kit: Kit, delivery_id: str) -> None:
    """Make one attempt at a delivery, if it is ours to make."""
    owner = kit.leases.new_owner()
    try:
        claim = await kit.deliveries.claim(delivery_id, owner=owner, lease_ms=kit.jobs.lease_ms)
        if claim:
            async with kit.leases.hold(delivery_id, owner):
                await _attempt(kit, claim)
    except LeaseLost:
        log.warning("%s is held by another worker now", delivery_id)
    except STORE_DOWN as away:
        log.warning("%s waits for Redis (%s)", delivery_id, type(away).__name__)


async def _attempt(kit: Kit, claim: DeliveryClaim) -> None:
    prepared = await prepare(kit, claim)
    if isinstance(prepared, str):
        await _record(kit, claim, None, Dead(prepared))
        return
    if (busy_s := _host_busy_s(kit, prepared.url)) > 0:
        wake_ms = kit.clock.now_ms() + int(busy_s * 1000)
        await kit.deliveries.record(claim.delivery, owner=claim.owner, wake_ms=wake_ms)
        return
    async with kit.hosts.slot(prepared.url):
        answer = await attempt(
            kit.outside,
            url=prepared.url,
            body=prepared.body,
            headers=prepared.headers,
            clock=kit.clock,
            timeout_s=kit.settings.callback_timeout_s,
        )
        kit.hosts.heard(prepared.url, answer)
    await _record(kit, claim, answer, _decision(kit, claim.delivery, answer))


async def prepare(kit: Kit, claim: DeliveryClaim) -> Prepared | str:
    """Put together what goes out now, with a fresh link and signature; or say why nothing can."""
    delivery, webhook = claim.delivery, claim.webhook
    url = delivery.url or (webhook.url if webhook else None)
    if url is None:
        return "The tenant has no default webhook any more."
    if delivery.url is None and webhook and webhook.state == "disabled":
        return "The tenant's default webhook is disabled."
    if claim.event is None:
        return "The event is older than 14 days."
    secrets = await kit.tenants.signing_secrets(delivery.tenant)
    now_ms = kit.clock.now_ms()
    body = with_link(claim.event.body, kit.vault, public_url=kit.settings.public_url, now_ms=now_ms)
    signed = headers(secrets, message_id=claim.event.id, timestamp_s=now_ms // 1000, body=body)
    return Prepared(url, body, signed)


def _host_busy_s(kit: Kit, url: str) -> float:
    """A host that is silent, or has all it can take from us, must not hold up other hosts."""
    paused_until_ms = kit.hosts.retry_at_ms(url)
    if paused_until_ms is not None:
        return max(_HOST_BUSY_S, (paused_until_ms - kit.clock.now_ms()) / 1000)
    return _HOST_BUSY_S if kit.hosts.busy(url) else 0.0


def _decision(kit: Kit, delivery: Delivery, answer: Answer) -> Decision:
    return decide(
        attempt=delivery.round + 1,
        answer=answer,
        retried=delivery.type != "job.progress",
        jitter=random.random(),
        step_scale=kit.settings.callback_step_scale,
    )


async def _record(kit: Kit, claim: DeliveryClaim, answer: Answer | None, decision: Decision) -> None:
    """Write down what came back and what follows; a URL that wants no more is switched off in the same step."""
    now_ms = kit.clock.now_ms()
    wake_ms = now_ms + int(decision.delay_s * 1000) if isinstance(decision, RetryIn) else None
    after = judged(claim.delivery, answer, decision, now_ms=now_ms, wake_ms=wake_ms)
    disable = _disabled(claim.webhook, claim.delivery, decision, now_ms)
    CALLBACKS.labels(after.type, type(decision).__name__.lower()).inc()
    if answer:
        CALLBACK_SECONDS.observe(answer.latency_ms / 1000)
    await kit.deliveries.record(after, owner=claim.owner, wake_ms=wake_ms, disable=disable)


def judged(
    delivery: Delivery, answer: Answer | None, decision: Decision, *, now_ms: int, wake_ms: int | None
) -> Delivery:
    """Write an attempt into a delivery."""
    attempts = delivery.attempts
    if answer:
        error = answer.detail or None if answer.error else None
        attempts += (
            Attempt(
                at_ms=now_ms, status=answer.status, latency_ms=answer.latency_ms, error=error, excerpt=answer.excerpt
            ),
        )
    state, why = _outcome(decision)
    return msgspec.structs.replace(
        delivery, attempts=attempts, round=delivery.round + 1, state=state, why=why, next_at_ms=wake_ms
    )


def _outcome(decision: Decision) -> tuple[DeliveryState, str | None]:
    match decision:
        case Delivered():
            return DeliveryState.DELIVERED, None
        case RetryIn():
            return DeliveryState.PENDING, None
        case DisableUrl(reason=reason, delivered=delivered):
            return (DeliveryState.DELIVERED if delivered else DeliveryState.DEAD), reason
        case Dead(reason=reason):
            return DeliveryState.DEAD, reason


def _disabled(
    webhook: TenantWebhook | None, delivery: Delivery, decision: Decision, now_ms: int
) -> tuple[TenantWebhook, TenantWebhook] | None:
    if not isinstance(decision, DisableUrl) or delivery.url or webhook is None:
        return None
    off = msgspec.structs.replace(webhook, state="disabled", disabled_at_ms=now_ms, disabled_why=decision.reason)
    return webhook, off
