"""What is remembered of an attempt: in its delivery, and about the URL that it went to. Pure.

`deliver` writes all of it down in one step. A URL that only a job named is nobody's default: what it says counts for
that job alone.
"""

from typing import NamedTuple

import msgspec

from core.events.delivery import Attempt, Delivery, DeliveryState, EndpointOutcome
from core.model.webhook import TenantWebhook
from core.security.redacted_repr import redacted_repr
from core.store.deliveries import DeliveryClaim
from worker.callbacks.retry_policy import (
    WORN_OUT,
    AttemptResult,
    Dead,
    Decision,
    Delivered,
    DisableUrl,
    RetryIn,
    is_failure,
)

#: what a delivery remembers, however often it is sent again
_ATTEMPTS_KEPT = 40


@redacted_repr("wake_ms")
class DeliveryOutcome(NamedTuple):
    """What an attempt leaves behind, to be written in one step."""

    delivery: Delivery
    #: when a delivery that is not over is tried again
    wake_ms: int | None
    #: what it says about the tenant's default URL, if it went there
    endpoint: EndpointOutcome | None
    #: why the URL that the job named gets nothing more of this job
    unwanted: str | None


def outcome_of(
    claim: DeliveryClaim, result: AttemptResult | None, decision: Decision, *, now_ms: int
) -> DeliveryOutcome:
    """Say what an attempt leaves behind; `result` None: none was made."""
    wake_ms = now_ms + int(decision.delay_s * 1000) if isinstance(decision, RetryIn) else None
    delivery = with_attempt(claim.delivery, result, decision, now_ms=now_ms, wake_ms=wake_ms)
    if claim.delivery.url:
        unwanted = decision.reason if isinstance(decision, DisableUrl) else None
        return DeliveryOutcome(delivery, wake_ms, None, unwanted)
    return DeliveryOutcome(delivery, wake_ms, _default_url_outcome(claim.webhook, result, decision), None)


def outcome_elsewhere(claim: DeliveryClaim, result: AttemptResult | None, *, now_ms: int) -> DeliveryOutcome:
    """Say what an attempt leaves behind while which the default URL was set anew, or worked: its schedule begins at once."""
    delivery = with_attempt(claim.delivery, result, RetryIn(delay_s=0.0), now_ms=now_ms, wake_ms=now_ms)
    return DeliveryOutcome(msgspec.structs.replace(delivery, round=0), now_ms, None, None)


def with_attempt(
    delivery: Delivery, result: AttemptResult | None, decision: Decision, *, now_ms: int, wake_ms: int | None
) -> Delivery:
    """Write an attempt into a delivery."""
    made = (_attempt_record(result, now_ms),) if result else ()
    state, why = _state_after(decision)
    return msgspec.structs.replace(
        delivery,
        attempts=(*delivery.attempts, *made)[-_ATTEMPTS_KEPT:],
        round=delivery.round + 1,
        spoilt=0,
        state=state,
        why=why,
        next_at_ms=wake_ms,
    )


def _attempt_record(result: AttemptResult, now_ms: int) -> Attempt:
    error = result.detail or None if result.error else None
    return Attempt(
        at_ms=now_ms, status=result.status, latency_ms=result.latency_ms, error=error, excerpt=result.excerpt
    )


def _state_after(decision: Decision) -> tuple[DeliveryState, str | None]:
    match decision:
        case Delivered():
            return DeliveryState.DELIVERED, None
        case RetryIn():
            return DeliveryState.PENDING, None
        case DisableUrl(reason=reason, delivered=delivered):
            return (DeliveryState.DELIVERED if delivered else DeliveryState.DEAD), reason
        case Dead(reason=reason):
            return DeliveryState.DEAD, reason


def _default_url_outcome(
    webhook: TenantWebhook | None, result: AttemptResult | None, decision: Decision
) -> EndpointOutcome | None:
    """Say what an attempt at the tenant's default URL means for that URL, if anything."""
    if result is None or webhook is None:
        return None
    outcome = EndpointOutcome(webhook.url, is_failure(result), set_at_ms=webhook.set_at_ms or 0)
    if isinstance(decision, DisableUrl):
        worn_since_ms = webhook.failing_since_ms if decision.reason == WORN_OUT else None
        return outcome._replace(disabled_why=decision.reason, worn_since_ms=worn_since_ms)
    return outcome if outcome.failed or isinstance(decision, Delivered) else None
