"""The tenant's default callback target: read, set, its secret changed, switched on again, tried out."""

from functools import partial

import msgspec
from litestar import Response, post, put

from core.clock import rfc3339
from core.model.webhook import TenantWebhook
from core.store.redis.codec import pack
from core.store.rpc import TooManyRequests
from core.store.tenants.webhooks import ROTATION_MS
from service.auth import needs
from service.context import ApiContext, Asked, context_of
from service.http.body import decoded, read_bytes
from service.http.headers import idempotency_key_of
from service.jobs.validation import webhook_refusal
from service.jobs.views import answer
from service.kept import Kept
from service.once import answered_once, once
from service.openapi.describe import KEYED, About, Answer, about, reads
from service.problems import Refused, invalid
from service.schemas.requests import WebhookSettings
from service.schemas.responses import NewSecret, TestedWebhook, WebhookView

#: beyond the time that a receiver has, for a worker to take the errand
_ERRAND_S = 5.0
_TESTS_UNDER_WAY = "So many tests are under way already; wait for one to end."


class Heard(msgspec.Struct):
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
    guards=[needs("admin")],
    opt=about(
        About("readWebhook", "Read the default webhook", "Webhook", {200: Answer("It.", WebhookView)}, scope="admin")
    ),
)
async def read_webhook(request: Asked) -> Response[bytes]:
    """Read the default webhook and its state."""
    return answer(webhook_view(await context_of(request).webhooks.default(request.user.tenant)))


@put(
    "/v1/webhook",
    guards=[needs("admin")],
    opt=about(
        About(
            "setWebhook",
            "Set the default webhook",
            "Webhook",
            {200: Answer("It is set, and active.", WebhookView)},
            scope="admin",
            refusals=(*KEYED, 408, 413, 415, 422),
            body=WebhookSettings,
            example={"url": "https://example.com/hook", "events": ["job.succeeded", "job.failed"]},
        )
    ),
)
async def set_webhook(request: Asked) -> Response[bytes]:
    """Set where callbacks go by default, and which."""
    parts = context_of(request)
    ask = decoded(await read_bytes(request), WebhookSettings)
    if refusal := webhook_refusal(ask.url, parts.settings, at="/url"):
        raise invalid([refusal])
    webhook = TenantWebhook(url=ask.url, events=tuple(dict.fromkeys(ask.events)))
    await parts.webhooks.set_default(request.user.tenant, webhook)
    return answer(webhook_view(webhook))


@post(
    "/v1/webhook:rotate-secret",
    guards=[needs("admin")],
    status_code=200,
    opt=about(
        About(
            "rotateSecret",
            "Make a new signing secret",
            "Webhook",
            {
                200: Answer(
                    "The new secret, this once. Ask again where the answer was lost: the ones before go on.",
                    NewSecret,
                    headers=("Cache-Control",),
                )
            },
            scope="admin",
        )
    ),
)
async def rotate_secret(request: Asked) -> Response[bytes]:
    """Make a new secret; for a day both sign."""
    parts = context_of(request)
    secret = await parts.webhooks.rotate_secret(request.user.tenant)
    until = rfc3339(parts.clock.now_ms() + ROTATION_MS)
    return answer(NewSecret(secret=secret, previous_valid_until=until), headers={"Cache-Control": "no-store"})


@post(
    "/v1/webhook:enable",
    guards=[needs("admin")],
    status_code=200,
    opt=about(
        About(
            "enableWebhook",
            "Switch the default webhook on again",
            "Webhook",
            {200: Answer("It is active.", WebhookView)},
            scope="admin",
        )
    ),
)
async def enable_webhook(request: Asked) -> Response[bytes]:
    """Send again to a URL that was disabled."""
    parts, tenant = context_of(request), request.user.tenant
    webhook = await _set(parts, tenant)
    active = TenantWebhook(url=webhook.url, events=webhook.events)
    await parts.webhooks.set_default(tenant, active)
    return answer(webhook_view(active))


async def _set(parts: ApiContext, tenant: str) -> TenantWebhook:
    webhook = await parts.webhooks.default(tenant)
    if webhook is None:
        raise Refused(404, "not_found", "No default webhook is set: PUT /v1/webhook.")
    return webhook


@post(
    "/v1/webhook:test",
    guards=[needs("admin")],
    status_code=200,
    opt=about(
        About(
            "testWebhook",
            "Send a signed test",
            "Webhook",
            {200: Answer("What the receiver answered.", TestedWebhook, headers=("Idempotency-Replayed",))},
            scope="admin",
            refusals=(*KEYED, 409, 422, 429),
            headers=("Idempotency-Key",),
        )
    ),
)
async def test_webhook(request: Asked) -> Response[bytes]:
    """Have a worker send a signed ``webhook.test``, and tell what came back."""
    parts, tenant = context_of(request), request.user.tenant
    call = idempotency_key_of(request.headers.get("idempotency-key"), path="/v1/webhook:test", body=b"")
    return answered_once(await once(parts, tenant, call, partial(_tested, parts, tenant)), status=200)


async def _tested(parts: ApiContext, tenant: str) -> Kept:
    webhook = await _set(parts, tenant)
    patience_s = parts.settings.callback_timeout_s + _ERRAND_S
    try:
        raw = await parts.errands.ask("webhook_test", tenant, pack(webhook), wait_s=patience_s)
    except TooManyRequests:
        raise Refused(429, "rate_limited", _TESTS_UNDER_WAY, headers={"Retry-After": "5"}) from None
    if raw is None:
        raise Refused(503, "unavailable", "No worker is there to send it.", headers={"Retry-After": "10"})
    return Kept("", {}, msgspec.json.encode(tested(msgspec.json.decode(raw, type=Heard))))


def tested(heard: Heard) -> TestedWebhook:
    """Say what a test came to; 2xx alone is success."""
    good = heard.status is not None and 200 <= heard.status < 300  # noqa: PLR2004 - the 2xx
    return TestedWebhook(
        delivered=good,
        status=heard.status,
        error=heard.detail or None,
        answer=heard.excerpt,
        latency_ms=heard.latency_ms,
    )


HANDLERS = (read_webhook, set_webhook, rotate_secret, enable_webhook, test_webhook)
