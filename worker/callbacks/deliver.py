"""Runs a callback delivery: prepare, send, decide, record. One attempt per run; in between it sleeps in the queue.

Called by the queue. Where it may be sent to now says `worker.outbound.host_limits`, what a result means `retry_policy`.
"""

import random
from typing import NamedTuple
from zlib import crc32

import msgspec

from core.events.delivery import DeliveryState
from core.ids import made_ms
from core.logs import bind, get_logger, trace_id_of
from core.metrics import (
    CALLBACK_DELAY_SECONDS,
    CALLBACK_SECONDS,
    CALLBACKS,
    CALLBACKS_LATE,
    CALLBACKS_LATE_BY_GROUP,
    TLS_FAILURES,
)
from core.security.encryption import Undecryptable
from core.security.redacted_repr import redacted_repr
from core.security.signed_links import with_link
from core.security.signing import headers
from core.store.deliveries import DefaultUrlChanged, DeliveryClaim
from core.store.events import StoredEvent
from core.store.leases import LeaseLost
from core.store.redis.client import STORE_DOWN
from worker.callbacks.record import DeliveryOutcome, outcome_elsewhere, outcome_of
from worker.callbacks.retry_policy import (
    NO_NEWS,
    AttemptFault,
    AttemptResult,
    Dead,
    Decision,
    decide,
    disable_if_worn_out,
    given_up_waiting,
    is_silence,
    is_stale_progress,
    is_taken,
    outcome_name,
    says_nothing,
    spoilt_pause_s,
)
from worker.callbacks.send import NOT_PUT_TOGETHER, NOT_SIGNED, send
from worker.context import WorkerContext
from worker.outbound.host_limits import Sleeper
from worker.redis_outage import until_redis_answers

log = get_logger(__name__)

#: what has not arrived by then is late, in `CALLBACKS_LATE`
_LATE_MS = 600_000
#: whether one tenant's are late, or many tenants', is seen by so many groups
TENANT_GROUPS = 16


@redacted_repr()
class Prepared(NamedTuple):
    """What goes out: the very bytes, the headers that sign them, and where to."""

    url: str
    body: bytes
    headers: dict[str, str]


async def run_delivery(context: WorkerContext, delivery_id: str, *, only_if_due: bool = False) -> None:
    """Make one attempt at a delivery, if it is ours to make; then at those that sleep though its host has room now."""
    host = await _run(context, delivery_id, only_if_due=only_if_due)
    while host and not context.leases.stopping and (sleeper := context.host_limits.recall(*host)):
        host = await _run(context, sleeper.delivery_id, asleep_until_ms=sleeper.until_ms, called_by=host)


async def _run(
    context: WorkerContext,
    delivery_id: str,
    *,
    only_if_due: bool = False,
    asleep_until_ms: int | None = None,
    called_by: tuple[str, str] | None = None,
) -> tuple[str, str] | None:
    """Make one attempt, or put it off; returns the tenant and the URL where others may sleep for the same host.

    `asleep_until_ms`: it was called before its time, by who had an attempt there, and is left alone where it has come by
    itself meanwhile, or is gone.
    """
    owner = context.leases.new_owner()
    try:
        claim = await context.deliveries.claim(
            delivery_id,
            owner=owner,
            lease_ms=context.leases.lease_ms,
            only_if_due=only_if_due,
            asleep_until_ms=asleep_until_ms,
        )
        if claim is None:
            return called_by
        async with context.leases.hold(delivery_id, owner) as lease:
            lease.streaming = True  # a stopping worker lets an attempt end, so that it is not made twice
            return await _attempt(context, _begun_anew(claim))
    except LeaseLost:
        log.warning("held by another worker now")
    except STORE_DOWN as away:
        log.warning("waiting for Redis", error=type(away).__name__)
    return None


def _begun_anew(claim: DeliveryClaim) -> DeliveryClaim:
    """Begin its schedule anew where the default URL was set, or enabled, after its last attempt."""
    tried = claim.delivery.attempts
    if not tried or tried[-1].at_ms >= (claim.default_set_at_ms or 0):
        return claim
    return claim._replace(delivery=msgspec.structs.replace(claim.delivery, round=0))


async def _attempt(context: WorkerContext, claim: DeliveryClaim) -> tuple[str, str] | None:
    delivery = claim.delivery
    bind(
        delivery_id=delivery.id,
        job_id=delivery.job_id,
        tenant=delivery.tenant,
        trace_id=trace_id_of(delivery.traceparent),
        request_id=delivery.request_id,
    )
    target = target_of(claim, now_ms=context.clock.now_ms())
    if isinstance(target, Dead):
        await _record(context, claim, None, target)
        known = delivery.url or (claim.webhook and claim.webhook.url)
        return (delivery.tenant, known) if known else None
    url, event = target
    tenant = delivery.tenant
    if (turn_ms := await context.host_limits.turn_ms(tenant, url, set_at_ms=claim.default_set_at_ms or 0)) is not None:
        await _postpone(context, claim, turn_ms)
        context.host_limits.note_sleeper(tenant, url, Sleeper(claim.delivery.id, turn_ms))
        return tenant, url
    with context.host_limits.hold(tenant, url):
        result = await _make_attempt(context, claim, url, event)
    if (pause_s := spoilt_pause_s(claim.delivery, result)) is not None:
        await _make_anew(context, claim, result, pause_s)
        return None
    await _record(context, claim, result, _decide(context, claim, result))
    return tenant, url


def target_of(claim: DeliveryClaim, *, now_ms: int) -> tuple[str, StoredEvent] | Dead:
    """Say what goes where, or why nothing goes anywhere."""
    url = _url_of(claim)
    if isinstance(url, Dead):
        return url
    if is_stale_progress(claim.delivery, at_ms=now_ms):
        return NO_NEWS
    return (url, claim.event) if claim.event else Dead("The event is older than 14 days.")


def _url_of(claim: DeliveryClaim) -> str | Dead:
    if claim.unwanted:
        return Dead(claim.unwanted)
    if claim.delivery.url:
        return claim.delivery.url
    if claim.webhook is None:
        return Dead("The tenant has no default webhook any more.")
    return Dead("The tenant's default webhook is disabled.") if claim.webhook.state == "disabled" else claim.webhook.url


async def _postpone(context: WorkerContext, claim: DeliveryClaim, turn_ms: int) -> None:
    """Let go of a delivery that can't be sent now; no attempt is used up."""
    if over := given_up_waiting(claim.delivery, since_ms=_since_ms(claim), at_ms=turn_ms):
        return await _record(context, claim, None, over)
    waiting = DeliveryOutcome(msgspec.structs.replace(claim.delivery, next_at_ms=turn_ms), turn_ms, None, None)
    written = await _write(context, claim, None, waiting)
    return _count_lateness(claim, written.wake_ms or turn_ms)


async def _make_anew(context: WorkerContext, claim: DeliveryClaim, result: AttemptResult, pause_s: float) -> None:
    """Put off an attempt that we spoilt; it is not used up."""
    log_failure(claim.delivery.type, result, attempt=claim.delivery.round + 1, follows="anew")
    spoilt = msgspec.structs.replace(claim.delivery, spoilt=claim.delivery.spoilt + 1)
    await _postpone(context, claim._replace(delivery=spoilt), context.clock.now_ms() + int(pause_s * 1000))


def _prepare(context: WorkerContext, claim: DeliveryClaim, url: str, event: StoredEvent) -> Prepared:
    """Put together what goes out now, with a fresh link, time and signature under the event's id."""
    traceparent, now_ms = claim.delivery.traceparent, context.clock.now_ms()
    body = with_link(event.body, context.encryption, public_url=context.settings.public_url, now_ms=now_ms)
    secrets = context.webhooks.open(claim.secrets)
    signed = headers(secrets, message_id=event.id, timestamp_s=now_ms // 1000, body=body)
    return Prepared(url, body, signed | ({"traceparent": traceparent} if traceparent else {}))


async def _make_attempt(context: WorkerContext, claim: DeliveryClaim, url: str, event: StoredEvent) -> AttemptResult:
    """Put a callback together and send it. What stands in the way of the first is tried again as what comes of the other."""
    try:
        prepared = _prepare(context, claim, url, event)
    except Undecryptable:
        log.warning("no callback can be signed: is a key missing in REELGATE_SECRET_KEYS?")
        return NOT_SIGNED
    except Exception:
        log.exception("a callback could not be put together")
        return NOT_PUT_TOGETHER
    return await _send(context, claim.delivery.tenant, prepared)


async def _send(context: WorkerContext, tenant: str, prepared: Prepared) -> AttemptResult:
    result = await send(
        context.outbound,
        url=prepared.url,
        body=prepared.body,
        headers=prepared.headers,
        clock=context.clock,
        timeout_s=context.settings.callback_timeout_s,
    )
    if not says_nothing(result):
        context.host_limits.record(tenant, prepared.url, silent=is_silence(result), latency_ms=result.latency_ms)
    CALLBACK_SECONDS.observe(result.latency_ms / 1000)
    if result.error is AttemptFault.TLS:
        TLS_FAILURES.labels("receiver").inc()
    return result


def _decide(context: WorkerContext, claim: DeliveryClaim, result: AttemptResult) -> Decision:
    decision = decide(
        attempt=claim.delivery.round + 1,
        result=result,
        retried=claim.delivery.type != "job.progress",
        jitter=random.random(),
        step_scale=context.settings.callback_step_scale,
    )
    if claim.delivery.url or claim.webhook is None:
        return decision
    failing_since_ms = claim.webhook.failing_since_ms
    return disable_if_worn_out(decision, result, failing_since_ms=failing_since_ms, now_ms=context.clock.now_ms())


async def _record(
    context: WorkerContext, claim: DeliveryClaim, result: AttemptResult | None, decision: Decision
) -> None:
    """Write down what came back and what follows, however long Redis is away. Raises LeaseLost."""
    follows = outcome_name(decision)
    if result and not is_taken(result):
        log_failure(claim.delivery.type, result, attempt=claim.delivery.round + 1, follows=follows)
    CALLBACKS.labels(claim.delivery.type, follows).inc()
    outcome = outcome_of(claim, result, decision, now_ms=context.clock.now_ms())
    outcome = await _write(context, claim, result, outcome)
    if outcome.delivery.state is DeliveryState.DELIVERED:
        _observe_delay(claim, context.clock.now_ms())
    if outcome.wake_ms is not None:
        _count_lateness(claim, outcome.wake_ms)


async def _write(
    context: WorkerContext, claim: DeliveryClaim, result: AttemptResult | None, outcome: DeliveryOutcome
) -> DeliveryOutcome:
    """Write what an attempt leaves behind, and return that. Raises LeaseLost.

    Where the default URL was set anew meanwhile, or worked when this was about to say that it is worn out, what did not
    arrive goes out at once, as if for the first time; not so progress, which is sent once.
    """
    try:
        await _write_once(context, claim, outcome, claim.default_set_at_ms if _may_go_out(claim, outcome) else None)
    except DefaultUrlChanged:
        outcome = outcome_elsewhere(claim, result, now_ms=context.clock.now_ms())
        await _write_once(context, claim, outcome, None)
    return outcome


def _may_go_out(claim: DeliveryClaim, outcome: DeliveryOutcome) -> bool:
    arrived = outcome.delivery.state is DeliveryState.DELIVERED
    return claim.event is not None and not arrived and claim.delivery.type != "job.progress"


async def _write_once(
    context: WorkerContext, claim: DeliveryClaim, outcome: DeliveryOutcome, default_set_at_ms: int | None
) -> None:
    await until_redis_answers(
        lambda: context.deliveries.record(
            outcome.delivery,
            owner=claim.owner,
            wake_ms=outcome.wake_ms,
            outcome=outcome.endpoint,
            unwanted=outcome.unwanted,
            default_set_at_ms=default_set_at_ms,
        )
    )


def _observe_delay(claim: DeliveryClaim, now_ms: int) -> None:
    """Count how long a receiver had to wait for what it has now; what came late by surprise is late, too."""
    delay_ms = max(0, now_ms - _since_ms(claim))
    CALLBACK_DELAY_SECONDS.labels(claim.delivery.type).observe(delay_ms / 1000)
    _count_lateness(claim, now_ms)


def _count_lateness(claim: DeliveryClaim, at_ms: int) -> None:
    """Count a delivery once, when it is late or will be: it arrives, or is tried again, at `at_ms`."""
    late_ms = _since_ms(claim) + _LATE_MS
    if at_ms > late_ms >= (claim.delivery.next_at_ms or 0):
        CALLBACKS_LATE.labels(claim.delivery.type).inc()
        if claim.delivery.type != "job.progress":
            CALLBACKS_LATE_BY_GROUP.labels(group_of(claim.delivery.tenant)).inc()


def group_of(tenant: str) -> str:
    """Name the group of tenants that one belongs to, in every process alike: no label is a tenant's name."""
    return str(crc32(tenant.encode()) % TENANT_GROUPS)


def _since_ms(claim: DeliveryClaim) -> int:
    """Since when a receiver waits: from the event on, or from the wish to send it again."""
    assert claim.event is not None
    return claim.delivery.again_at_ms or made_ms(claim.event.id)


def log_failure(event_type: str, result: AttemptResult, *, attempt: int, follows: str) -> None:
    """Log an attempt that was not taken; `follows`: what is done about it, e.g. ``retryin``."""
    log.info(
        "callback attempt failed",
        type=event_type,
        attempt=attempt,
        status=result.status,
        error=str(result.error) if result.error else None,
        ms=result.latency_ms,
        follows=follows,
    )
