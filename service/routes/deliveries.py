"""Callbacks as they were sent: listed, and sent again, one by one or by a time range."""

from functools import partial
from typing import Any

import msgspec
from litestar import Response, post
from litestar.params import FromPath

from core.clock import parse_rfc3339_ms, rfc3339
from core.events.delivery import Attempt, Delivery, DeliveryState
from core.ids import is_id
from service.auth import needs
from service.context import ApiContext, Asked, context_of
from service.http.body import decoded, read_bytes, read_query
from service.http.headers import idempotency_key_of
from service.http.pagination import page_of
from service.jobs.submission import own_job
from service.kept import Kept
from service.once import answered_once, once
from service.openapi.describe import KEYED, About, Answer, about, reads
from service.problems import FieldError, Refused, invalid, not_found
from service.schemas.requests import DeliveriesQuery, RedeliverAsk
from service.schemas.responses import AttemptView, DeliveryPage, DeliveryView, Redelivered

#: so many of a range are sent again by one call
_RANGE_AT_ONCE = 1000
_PAGE = 200


def delivery_view(delivery: Delivery, event_id: str) -> DeliveryView:
    """Show a delivery."""
    of_batch = delivery.job_id.startswith("bat_")
    return DeliveryView(
        id=delivery.id,
        event_id=event_id,
        type=delivery.type,
        job_id=None if of_batch else delivery.job_id,
        batch_id=delivery.job_id if of_batch else None,
        url=delivery.url,
        status=delivery.state,
        why=delivery.why,
        attempts=tuple(_attempt(a) for a in delivery.attempts),
        next_attempt_at=rfc3339(delivery.next_at_ms) if delivery.next_at_ms else None,
        created_at=rfc3339(delivery.created_at_ms),
    )


def _attempt(attempt: Attempt) -> AttemptView:
    return AttemptView(
        at=rfc3339(attempt.at_ms),
        status=attempt.status,
        latency_ms=attempt.latency_ms,
        error=attempt.error,
        answer=attempt.excerpt,
    )


@reads(
    "/v1/jobs/{job_id:str}/deliveries",
    guards=[needs("read")],
    opt=about(
        About(
            "listJobDeliveries",
            "List a job's callbacks, oldest first",
            "Deliveries",
            {200: Answer("All of them.", DeliveryPage)},
            scope="read",
        )
    ),
)
async def list_job_deliveries(request: Asked, job_id: FromPath[str]) -> Response[bytes]:
    """List what was sent for a job."""
    parts = context_of(request)
    job = await own_job(parts, request.user.tenant, job_id)
    rows = [delivery_view(d, event_id) for d, event_id in await parts.deliveries.of_job(job.id)]
    return page_of(request, parts, rows, more=False)


@reads(
    "/v1/deliveries",
    guards=[needs("read")],
    opt=about(
        About(
            "listDeliveries",
            "List callbacks in one state, newest first",
            "Deliveries",
            {200: Answer("A page of them; the dead ones by default.", DeliveryPage, headers=("Link",))},
            scope="read",
            refusals=(*KEYED, 422),
            query=DeliveriesQuery,
        )
    ),
)
async def list_deliveries(request: Asked) -> Response[bytes]:
    """List the tenant's deliveries."""
    parts, query = context_of(request), read_query(request, DeliveriesQuery)
    found = await parts.deliveries.page(request.user.tenant, query.status, after=query.after, limit=query.limit + 1)
    rows = [delivery_view(d, event_id) for d, event_id in found[: query.limit]]
    return page_of(request, parts, rows, more=len(found) > query.limit)


@post(
    "/v1/deliveries/{delivery_id:str}/redeliver",
    guards=[needs("submit")],
    status_code=202,
    opt=about(
        About(
            "redeliver",
            "Send a callback again",
            "Deliveries",
            {202: Answer("Its schedule starts anew.", DeliveryView, headers=("Idempotency-Replayed",))},
            scope="submit",
            refusals=(*KEYED, 409, 422),
            headers=("Idempotency-Key",),
        )
    ),
)
async def redeliver(request: Asked, delivery_id: FromPath[str]) -> Response[bytes]:
    """Send a callback again, under the same event id, whatever came of it before."""
    parts, tenant = context_of(request), request.user.tenant
    call = idempotency_key_of(
        request.headers.get("idempotency-key"), path=f"/v1/deliveries/{delivery_id}/redeliver", body=b""
    )
    done = await once(parts, tenant, call, partial(_sent_again, parts, tenant, delivery_id))
    return answered_once(done, status=202)


async def _sent_again(parts: ApiContext, tenant: str, delivery_id: str) -> Kept:
    delivery = await parts.deliveries.load(delivery_id) if is_id(delivery_id, "dlv") else None
    if delivery is None or delivery.tenant != tenant:
        raise not_found("delivery")
    if delivery.state is DeliveryState.PENDING:
        raise Refused(409, "being_sent", "Send it again when its schedule has ended.")
    again = await parts.deliveries.send_again(delivery)
    _, event_id = (await parts.deliveries.load_many([again.id]))[0]
    return Kept(again.id, {}, msgspec.json.encode(delivery_view(again, event_id)))


@post(
    "/v1/deliveries:redeliver",
    guards=[needs("submit")],
    status_code=202,
    opt=about(
        About(
            "redeliverRange",
            "Send the callbacks of a time range again",
            "Deliveries",
            {202: Answer("So many are sent again.", Redelivered, headers=("Idempotency-Replayed",))},
            scope="submit",
            refusals=(*KEYED, 408, 409, 413, 415, 422),
            headers=("Idempotency-Key",),
            body=RedeliverAsk,
            example={"since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z"},
        )
    ),
)
async def redeliver_range(request: Asked) -> Response[bytes]:
    """Send again what ended in a time range, the newest first."""
    parts, tenant, raw = context_of(request), request.user.tenant, await read_bytes(request)
    call = idempotency_key_of(request.headers.get("idempotency-key"), path="/v1/deliveries:redeliver", body=raw)
    done = await once(parts, tenant, call, partial(_range_sent_again, parts, tenant, raw))
    return answered_once(done, status=202)


async def _range_sent_again(parts: ApiContext, tenant: str, raw: bytes) -> Kept:
    ask = decoded(raw, RedeliverAsk)
    since_ms = _time(ask.since, "/since")
    until_ms = _time(ask.until, "/until") if ask.until is not None else parts.clock.now_ms()
    found = await _in_range(parts, tenant, DeliveryState(ask.status), since_ms, until_ms)
    for delivery in found[:_RANGE_AT_ONCE]:
        await parts.deliveries.send_again(delivery)
    count = min(len(found), _RANGE_AT_ONCE)
    return Kept("", {}, msgspec.json.encode(Redelivered(count=count, has_more=len(found) > _RANGE_AT_ONCE)))


def _time(text: str, at: str) -> int:
    try:
        return parse_rfc3339_ms(text)
    except (ValueError, OverflowError):
        words = "Write a time like 2026-11-20T00:00:00Z."
        raise invalid([FieldError(pointer=at, code="invalid_value", detail=words)]) from None


async def _in_range(
    parts: ApiContext, tenant: str, state: DeliveryState, since_ms: int, until_ms: int
) -> list[Delivery]:
    """Collect a range's deliveries, at most one more than one call sends again."""
    found: list[Delivery] = []
    after: str | None = None
    while len(found) <= _RANGE_AT_ONCE:
        page: list[Any] = await parts.deliveries.page(tenant, state, after=after, limit=_PAGE)
        found += [d for d, _ in page if since_ms <= d.created_at_ms <= until_ms]
        if len(page) < _PAGE or page[-1][0].created_at_ms < since_ms:
            break
        after = page[-1][0].id
    return found


HANDLERS = (list_job_deliveries, list_deliveries, redeliver, redeliver_range)
