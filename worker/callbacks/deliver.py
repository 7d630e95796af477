"""Callbacks: prepare, send, decide, record. One attempt per run; between attempts a delivery sleeps in the queue.

Called by the queue. Who may be sent to now is `callbacks.hosts`' to say, what an answer means `callbacks.schedule`'s.
"""

import asyncio
import logging
import random
from contextlib import suppress
from typing import NamedTuple

import msgspec

from core.events.delivery import Delivery
from core.metrics import CALLBACK_SECONDS, CALLBACKS
from core.redaction import redacted_repr
from core.security.links import with_link
from core.security.signing import headers
from core.store.deliveries import DeliveryClaim
from core.store.events import StoredEvent
from core.store.leases import LeaseLost
from core.store.redis.client import STORE_DOWN
from worker.callbacks.record import default_endpoint_outcome, judged
from worker.callbacks.retry_policy import (
    WORN_OUT,
    Answer,
    Dead,
    Decision,
    DisableUrl,
    RetryIn,
    decide,
    is_failure,
    worn_out,
)
from worker.callbacks.send import attempt
from worker.context import WorkerContext

log = logging.getLogger(__name__)

#: a progress event that could not be sent for so long says nothing any more: the next one is due
_PROGRESS_LIFE_MS = 120_000
#: the pause between two tries to write down an attempt while Redis is away
_AWAY_S = 0.2


@redacted_repr()
class Prepared(NamedTuple):
    """What goes out: the very bytes, and the headers that sign them."""

    body: bytes
    headers: dict[str, str]


async def run_delivery(kit: WorkerContext, delivery_id: str) -> None:
    """Make one attempt at a delivery, if it is ours to make."""
    owner = kit.leases.new_owner()
    try:
        claim = await kit.deliveries.claim(delivery_id, owner=owner, lease_ms=kit.jobs.lease_ms)
        if claim:
            async with kit.leases.hold(delivery_id, owner) as lease:
                lease.streaming = True  # a stopping worker lets an attempt end, so that it is not made twice
                await _advance(kit, claim)
    except LeaseLost:
        log.warning("%s is held by another worker now", delivery_id)
    except STORE_DOWN as away:
        log.warning("%s waits for Redis (%s)", delivery_id, type(away).__name__)


async def _advance(kit: WorkerContext, claim: DeliveryClaim) -> None:
    url, event = _target(claim), claim.event
    if event is None or isinstance(url, Dead):
        await _record(kit, claim, None, url if isinstance(url, Dead) else Dead("The event is older than 14 days."))
        return
    again_ms = kit.hosts.come_again_ms(claim.delivery.tenant, url)
    if again_ms is not None:
        await _put_off(kit, claim, again_ms)
        return
    with kit.hosts.slot(claim.delivery.tenant, url):
        answer = await _attempt(kit, claim.delivery, url, event)
    await _record(kit, claim, answer, _decision(kit, claim, answer))


def _target(claim: DeliveryClaim) -> str | Dead:
    """Say where it goes, or why it goes nowhere."""
    if claim.unwanted:
        return Dead(claim.unwanted)
    if claim.delivery.url:
        return claim.delivery.url
    if claim.webhook is None:
        return Dead("The tenant has no default webhook any more.")
    return Dead("The tenant's default webhook is disabled.") if claim.webhook.state == "disabled" else claim.webhook.url


async def _put_off(kit: WorkerContext, claim: DeliveryClaim, again_ms: int) -> None:
    """Let go of a delivery whose host has all that it can take from us, or is paused; no attempt is used up."""
    delivery = claim.delivery
    if delivery.type == "job.progress" and again_ms > delivery.created_at_ms + _PROGRESS_LIFE_MS:
        await _record(kit, claim, None, Dead("It could not be sent while it was news."))
        return
    waiting = msgspec.structs.replace(delivery, next_at_ms=again_ms)
    await kit.deliveries.record(waiting, owner=claim.owner, wake_ms=again_ms)


async def _attempt(kit: WorkerContext, delivery: Delivery, url: str, event: StoredEvent) -> Answer:
    prepared = await prepare(kit, delivery, event)
    answer = await attempt(
        kit.outside,
        url=url,
        body=prepared.body,
        headers=prepared.headers,
        clock=kit.clock,
        timeout_s=kit.settings.callback_timeout_s,
    )
    kit.hosts.heard(delivery.tenant, url, answer)
    CALLBACK_SECONDS.observe(answer.latency_ms / 1000)
    return answer


async def prepare(kit: WorkerContext, delivery: Delivery, event: StoredEvent) -> Prepared:
    """Put together what goes out now, with a fresh link, time and signature under the event's id."""
    secrets = await kit.webhooks.signing_secrets(delivery.tenant)
    now_ms = kit.clock.now_ms()
    body = with_link(event.body, kit.vault, public_url=kit.settings.public_url, now_ms=now_ms)
    signed = headers(secrets, message_id=event.id, timestamp_s=now_ms // 1000, body=body)
    return Prepared(body, signed | ({"traceparent": delivery.traceparent} if delivery.traceparent else {}))


def _decision(kit: WorkerContext, claim: DeliveryClaim, answer: Answer) -> Decision:
    decision = decide(
        attempt=claim.delivery.round + 1,
        answer=answer,
        retried=claim.delivery.type != "job.progress",
        jitter=random.random(),
        step_scale=kit.settings.callback_step_scale,
    )
    failing_since_ms = claim.webhook.failing_since_ms if claim.webhook and claim.delivery.url is None else None
    if is_failure(answer) and worn_out(failing_since_ms=failing_since_ms, now_ms=kit.clock.now_ms()):
        return decision if isinstance(decision, DisableUrl) else DisableUrl(WORN_OUT)
    return decision


async def _record(kit: WorkerContext, claim: DeliveryClaim, answer: Answer | None, decision: Decision) -> None:
    """Write down what came back and what follows, however long Redis is away. Raises LeaseLost."""
    now_ms = kit.clock.now_ms()
    wake_ms = now_ms + int(decision.delay_s * 1000) if isinstance(decision, RetryIn) else None
    after = judged(claim.delivery, answer, decision, now_ms=now_ms, wake_ms=wake_ms)
    unwanted = decision.reason if claim.delivery.url and isinstance(decision, DisableUrl) else None
    fared = default_endpoint_outcome(claim.webhook, answer, decision) if claim.delivery.url is None else None
    CALLBACKS.labels(after.type, type(decision).__name__.lower()).inc()
    while True:
        with suppress(*STORE_DOWN):
            await kit.deliveries.record(after, owner=claim.owner, wake_ms=wake_ms, outcome=fared, unwanted=unwanted)
            return
        await asyncio.sleep(_AWAY_S)
