"""The tenant's default webhook: read, set, unset, its secret rotated, enabled again, tested."""

from functools import partial

import msgspec
from litestar import Response, delete, post, put

from core.clock import rfc3339
from core.model.webhook import TenantWebhook
from core.store.idempotency import StoredResponse
from core.store.redis.codec import pack
from core.store.rpc import TooManyRequests
from core.store.tenants.webhooks import ROTATION_MS
from service.auth import RequireScope
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import decode_json, read_json_body
from service.http.headers import CallOrigin, call_origin_of
from service.http.json_response import encoded_response, json_response
from service.idempotency import IdempotencyKeyHeader, parse_key, run_once
from service.jobs.validation import webhook_url_error
from service.openapi.describe import IDEMPOTENT, JSON_BODY, PUBLIC_URL, ResponseDoc, json_body, problems, reads
from service.problems import ApiError, invalid
from service.schemas.callbacks import NewSecret, TestedWebhook, WebhookView
from service.schemas.requests import WebhookSettings

#: beyond the time that a receiver has, for a worker to take the call
_RPC_MARGIN_S = 5.0
_TESTS_UNDER_WAY = "So many tests are under way already; wait for one to end."


class TestAttempt(msgspec.Struct):
    """What a worker says of a test: the fields that are told to the caller."""

    status: int | None = None
    error: str | None = None
    detail: str = ""
    excerpt: str = ""
    latency_ms: int = 0


def webhook_view(webhook: TenantWebhook | None) -> WebhookView:
    """Show a default webhook, or that there is none."""
    if webhook is None:
        return WebhookView(url=None, events=(), status="unset", failing_since=None, disabled_at=None, disabled_why=None)
    return WebhookView(
        url=webhook.url,
        events=webhook.events,
        status=webhook.state,
        failing_since=rfc3339(webhook.failing_since_ms) if webhook.failing_since_ms else None,
        disabled_at=rfc3339(webhook.disabled_at_ms) if webhook.disabled_at_ms else None,
        disabled_why=webhook.disabled_why,
    )


@reads(
    "/v1/webhook",
    guards=[RequireScope("admin")],
    operation_id="readWebhook",
    summary="Read the default webhook",
    tags=["Webhook"],
    responses={
        200: ResponseDoc(
            "The target and its state; `unset` where there is none.", WebhookView, example="WebhookView, disabled"
        )
    }
    | problems(),
)
async def read_webhook(request: ApiRequest) -> Response[bytes]:
    """Give the default callback target, what it hears of, and whether it was disabled.

    When: callbacks stay away.
    Cost: nothing.
    """
    return json_response(webhook_view(await context_of(request).webhooks.default(request.user.tenant)))


@put(
    "/v1/webhook",
    guards=[RequireScope("admin")],
    operation_id="setWebhook",
    summary="Set the default webhook",
    tags=["Webhook"],
    responses={200: ResponseDoc("It is set, and active.", WebhookView)} | problems(JSON_BODY, PUBLIC_URL),
    opt=json_body(
        WebhookSettings, example={"url": "https://example.com/hook", "events": ["job.succeeded", "job.failed"]}
    ),
)
async def set_webhook(request: ApiRequest) -> Response[bytes]:
    """Set where callbacks of jobs without a webhook of their own go, and which.

    When: once, before the first job, or when your receiver moves or works again. Callbacks under way go to the new URL at
    once, whatever they waited for, and their schedule begins anew. Safe to repeat.
    Cost: nothing. A URL that cannot be called fails later, not here: try it with `POST /v1/webhook:test`.
    """
    context, tenant = context_of(request), request.user.tenant
    ask = decode_json(await read_json_body(request), WebhookSettings)
    if error := webhook_url_error(ask.url, context.settings, at="/url"):
        raise invalid([error])
    events = tuple(dict.fromkeys(ask.events))
    webhook = TenantWebhook(url=ask.url, events=events, set_at_ms=context.clock.now_ms())
    await context.webhooks.set_default(tenant, webhook)
    await context.deliveries.wake_for_default(tenant)
    return json_response(webhook_view(webhook))


@delete(
    "/v1/webhook",
    guards=[RequireScope("admin")],
    status_code=204,
    operation_id="unsetWebhook",
    summary="Unset the default webhook",
    tags=["Webhook"],
    responses={204: ResponseDoc("There is none.")} | problems(),
)
async def unset_webhook(request: ApiRequest) -> None:
    """Have no default callback target any more. The signing secret stays.

    When: no receiver is there any more, or each job names its own. Callbacks under way to the target are given up (`dead`);
    what happens from now on is read from `GET /v1/events`. Safe to repeat.
    Cost: nothing.
    """
    context, tenant = context_of(request), request.user.tenant
    await context.webhooks.unset_default(tenant)
    await context.deliveries.wake_for_default(tenant)


@post(
    "/v1/webhook:rotate-secret",
    guards=[RequireScope("admin")],
    status_code=200,
    operation_id="rotateSecret",
    summary="Make a new signing secret",
    tags=["Webhook"],
    responses={
        200: ResponseDoc(
            "The new secret, this once. The one before it goes on for a day; one before that ends.",
            NewSecret,
            headers=("Cache-Control",),
        )
    }
    | problems(),
)
async def rotate_secret(request: ApiRequest) -> Response[bytes]:
    """Make a new signing secret and show it this once; for a day both it and the last one sign.

    When: the secret may be known to somebody, or regularly. Put the new one into your receiver within the day.
    Cost: nothing. A second rotation within the day ends the oldest secret at once: calls that a receiver checks by it fail.
    """
    context = context_of(request)
    secret = await context.webhooks.rotate_secret(request.user.tenant)
    until = rfc3339(context.clock.now_ms() + ROTATION_MS)
    return json_response(NewSecret(secret=secret, previous_valid_until=until), headers={"Cache-Control": "no-store"})


@post(
    "/v1/webhook:enable",
    guards=[RequireScope("admin")],
    status_code=200,
    operation_id="enableWebhook",
    summary="Switch the default webhook on again",
    tags=["Webhook"],
    responses={200: ResponseDoc("It is active.", WebhookView)} | problems(),
)
async def enable_webhook(request: ApiRequest) -> Response[bytes]:
    """Send again to the default target after it was disabled.

    When: your receiver works again. Callbacks under way go out at once, and their schedule begins anew. What died when it was
    disabled is sent by `POST /v1/deliveries:redeliver`; what happened since then has no delivery, and is read from
    `GET /v1/events`. Safe to repeat.
    Cost: nothing.
    """
    context, tenant = context_of(request), request.user.tenant
    webhook = _require(await context.webhooks.enable(tenant))
    await context.deliveries.wake_for_default(tenant)
    return json_response(webhook_view(webhook))


def _require(webhook: TenantWebhook | None) -> TenantWebhook:
    if webhook is None:
        raise ApiError(404, "not_found", "No default webhook is set: PUT /v1/webhook.")
    return webhook


@post(
    "/v1/webhook:test",
    guards=[RequireScope("admin")],
    status_code=200,
    operation_id="testWebhook",
    summary="Send a signed test",
    tags=["Webhook"],
    responses={200: ResponseDoc("What the receiver answered.", TestedWebhook, headers=("Idempotency-Replayed",))}
    | problems(IDEMPOTENT, {429: ("rate_limited",)}),
)
async def send_test(request: ApiRequest, idempotency_key: IdempotencyKeyHeader = None) -> Response[bytes]:
    """Have a worker send a signed ``webhook.test`` to the default target, and tell what came back.

    When: a receiver is new or has changed. It goes out once, and is not tried again.
    Cost: nothing. The call waits for your receiver, up to 20 s; eight may be under way at once.
    """
    context, tenant = context_of(request), request.user.tenant
    key = parse_key(idempotency_key, path=request.scope["path"])
    tested = await run_once(context, tenant, key, partial(_test, context, tenant, call_origin_of(request.scope)))
    return encoded_response(tested.body, status=200, headers=tested.headers)


async def _test(context: ApiContext, tenant: str, origin: CallOrigin) -> StoredResponse:
    webhook = _require(await context.webhooks.default(tenant))
    patience_s = context.settings.callback_timeout_s + _RPC_MARGIN_S
    try:
        raw = await context.rpc.ask(
            "webhook_test", tenant, pack(webhook), wait_s=patience_s, request_id=origin.request_id
        )
    except TooManyRequests:
        raise ApiError(429, "rate_limited", _TESTS_UNDER_WAY, headers={"Retry-After": "5"}) from None
    if raw is None:
        raise ApiError(503, "unavailable", "No worker is there to send it.", headers={"Retry-After": "10"})
    return StoredResponse("", {}, msgspec.json.encode(_test_view(msgspec.json.decode(raw, type=TestAttempt))))


def _test_view(attempt: TestAttempt) -> TestedWebhook:
    """Say what a test came to; 2xx alone is success."""
    good = attempt.status is not None and 200 <= attempt.status < 300  # noqa: PLR2004 - the 2xx
    return TestedWebhook(
        delivered=good,
        status=attempt.status,
        error=attempt.detail or None,
        answer=attempt.excerpt,
        latency_ms=attempt.latency_ms,
    )
