"""Deliveries of callbacks: listed, and redelivered one by one or by a time range."""

from functools import partial

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from core.clock import rfc3339
from core.events.delivery import Attempt, Delivery, DeliveryState
from core.model.webhook import without_query
from core.store.idempotency import StoredResponse
from service.auth import RequireScope
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import decode_json, read_json_body
from service.http.json_response import encoded_response
from service.http.pagination import page_response
from service.http.query import query_params
from service.http.times import parse_time_ms
from service.idempotency import IdempotencyKeyHeader, parse_key, run_once
from service.jobs.redelivery import send_again, send_range_again
from service.lookup import own_delivery, own_job, require_cursor
from service.openapi.describe import IDEMPOTENT, JSON_BODY, QUERY, ResponseDoc, json_body, problems, reads
from service.problems import not_found
from service.schemas.callbacks import AttemptView, DeliveryPage, DeliveryView, Redelivered
from service.schemas.requests import DeliveriesQuery, RedeliveryRange


def delivery_view(delivery: Delivery, event_id: str) -> DeliveryView:
    of_batch = delivery.job_id.startswith("bat_")
    return DeliveryView(
        id=delivery.id,
        event_id=event_id,
        type=delivery.type,
        job_id=None if of_batch else delivery.job_id,
        batch_id=delivery.job_id if of_batch else None,
        url=without_query(delivery.url) if delivery.url else None,
        status=delivery.state,
        why=delivery.why,
        attempts=tuple(_attempt_view(a) for a in delivery.attempts),
        next_attempt_at=rfc3339(delivery.next_at_ms) if delivery.next_at_ms else None,
        created_at=rfc3339(delivery.created_at_ms),
    )


def _attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        at=rfc3339(attempt.at_ms),
        status=attempt.status,
        latency_ms=attempt.latency_ms,
        error=attempt.error,
        answer=attempt.excerpt,
    )


@reads(
    "/v1/jobs/{job_id:str}/deliveries",
    guards=[RequireScope("read")],
    operation_id="listJobDeliveries",
    summary="List a job's callbacks, oldest first",
    tags=["Deliveries"],
    responses={200: ResponseDoc("All of them, on one page.", DeliveryPage)} | problems(),
)
async def list_job_deliveries(request: ApiRequest, job_id: FromPath[str]) -> Response[bytes]:
    """List the callbacks of a job, each with its attempts and the start of what the receiver answered.

    When: a callback did not arrive, or arrived twice.
    Cost: nothing.
    """
    context = context_of(request)
    job = await own_job(context, request.user.tenant, job_id)
    rows = [delivery_view(d, event_id) for d, event_id in await context.deliveries.of_job(job.id)]
    return page_response(request, rows, public_url=context.settings.public_url, more=False)


@reads(
    "/v1/deliveries",
    guards=[RequireScope("read")],
    operation_id="listDeliveries",
    summary="List callbacks in one state, newest first",
    tags=["Deliveries"],
    responses={200: ResponseDoc("A page of them; the dead ones by default.", DeliveryPage, headers=("Link",))}
    | problems(QUERY),
    dependencies={"params": query_params(DeliveriesQuery)},
)
async def list_deliveries(request: ApiRequest, params: NamedDependency[DeliveriesQuery]) -> Response[bytes]:
    """List the tenant's callbacks in one state, by default those that were given up.

    When: after an outage of your receiver, to see what to send again.
    Cost: nothing.
    """
    context = context_of(request)
    require_cursor(context, params.after, "dlv")
    found = await context.deliveries.page(
        request.user.tenant, params.status, after=params.after, limit=params.limit + 1
    )
    rows = [delivery_view(d, event_id) for d, event_id in found[: params.limit]]
    return page_response(request, rows, public_url=context.settings.public_url, more=len(found) > params.limit)


@post(
    "/v1/deliveries/{delivery_id:str}/redeliver",
    guards=[RequireScope("submit")],
    status_code=202,
    operation_id="redeliver",
    summary="Send a callback again",
    tags=["Deliveries"],
    responses={202: ResponseDoc("Its schedule starts anew.", DeliveryView, headers=("Idempotency-Replayed",))}
    | problems(IDEMPOTENT, {409: ("being_sent",)}),
)
async def redeliver(
    request: ApiRequest, delivery_id: FromPath[str], idempotency_key: IdempotencyKeyHeader = None
) -> Response[bytes]:
    """Send a callback again, under the same event id, whatever came of it before. One that waits for its next attempt goes out
    at once, and its schedule begins anew.

    When: your receiver missed it, or lost what it got, or works again. One that remembers ids takes it once all the same.
    Cost: nothing; up to ten calls of your receiver.
    """
    context, tenant = context_of(request), request.user.tenant
    sent = await run_once(
        context,
        tenant,
        parse_key(idempotency_key, path=request.scope["path"]),
        partial(_redeliver, context, tenant, delivery_id),
    )
    return encoded_response(sent.body, status=202, headers=sent.headers)


async def _redeliver(context: ApiContext, tenant: str, delivery_id: str) -> StoredResponse:
    again = await send_again(context, await own_delivery(context, tenant, delivery_id))
    found = await context.deliveries.load_many([again.id])
    if not found:
        raise not_found("delivery")  # it went with its job, in this very moment
    [(_, event_id)] = found
    return StoredResponse(again.id, {}, msgspec.json.encode(delivery_view(again, event_id)))


@post(
    "/v1/deliveries:redeliver",
    guards=[RequireScope("submit")],
    status_code=202,
    operation_id="redeliverRange",
    summary="Send the callbacks of a time range again",
    tags=["Deliveries"],
    responses={202: ResponseDoc("They are on their way again.", Redelivered, headers=("Idempotency-Replayed",))}
    | problems(JSON_BODY, IDEMPOTENT),
    opt=json_body(RedeliveryRange, example={"since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z"}),
)
async def redeliver_range(request: ApiRequest, idempotency_key: IdempotencyKeyHeader = None) -> Response[bytes]:
    """Send again the callbacks that were made in a time range, newest first, up to 1,000 at a time.

    When: your receiver was down for long enough that deliveries died. Where there are more, call again with `next_cursor` as
    `after`. To catch up by reading there is `GET /v1/events`.
    Cost: nothing; up to ten calls of your receiver for each.
    """
    context, tenant, raw = context_of(request), request.user.tenant, await read_json_body(request)
    sent = await run_once(
        context,
        tenant,
        parse_key(idempotency_key, path=request.scope["path"], body=raw),
        partial(_redeliver_range, context, tenant, raw),
    )
    return encoded_response(sent.body, status=202, headers=sent.headers)


async def _redeliver_range(context: ApiContext, tenant: str, raw: bytes) -> StoredResponse:
    ask = decode_json(raw, RedeliveryRange)
    since_ms = parse_time_ms(ask.since, "/since")
    until_ms = parse_time_ms(ask.until, "/until") if ask.until is not None else context.clock.now_ms()
    require_cursor(context, ask.after, "dlv")
    again = await send_range_again(
        context, tenant, DeliveryState(ask.status), since_ms=since_ms, until_ms=until_ms, after=ask.after
    )
    told = Redelivered(count=again.sent, has_more=again.has_more, next_cursor=again.last)
    return StoredResponse("", {}, msgspec.json.encode(told))
