"""What is remembered of an attempt: in its delivery, and about the tenant's default URL. Pure.

The delivery loop writes both down in one step. A URL that only a job named is nobody's default: what it says counts
for that job alone.
"""

import msgspec

from core.events.delivery import Attempt, Delivery, DeliveryState, EndpointOutcome
from core.model.webhook import TenantWebhook
from worker.callbacks.retry_policy import WORN_OUT, Answer, Dead, Decision, Delivered, DisableUrl, RetryIn, is_failure

#: what a delivery remembers, however often it is sent again
_ATTEMPTS_KEPT = 40


def judged(
    delivery: Delivery, answer: Answer | None, decision: Decision, *, now_ms: int, wake_ms: int | None
) -> Delivery:
    """Write an attempt into a delivery."""
    made = (_made(answer, now_ms),) if answer else ()
    state, why = _outcome(decision)
    return msgspec.structs.replace(
        delivery,
        attempts=(*delivery.attempts, *made)[-_ATTEMPTS_KEPT:],
        round=delivery.round + 1,
        state=state,
        why=why,
        next_at_ms=wake_ms,
    )


def _made(answer: Answer, now_ms: int) -> Attempt:
    error = answer.detail or None if answer.error else None
    return Attempt(
        at_ms=now_ms, status=answer.status, latency_ms=answer.latency_ms, error=error, excerpt=answer.excerpt
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


def default_endpoint_outcome(
    webhook: TenantWebhook | None, answer: Answer | None, decision: Decision
) -> EndpointOutcome | None:
    """Say what an attempt at the tenant's default URL means for that URL, if anything."""
    if answer is None or webhook is None:
        return None
    failed = is_failure(answer)
    if isinstance(decision, DisableUrl):
        worn_since_ms = webhook.failing_since_ms if decision.reason == WORN_OUT else None
        return EndpointOutcome(webhook.url, failed, decision.reason, worn_since_ms)
    return EndpointOutcome(webhook.url, failed) if failed or isinstance(decision, Delivered) else None
