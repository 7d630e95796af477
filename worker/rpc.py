"""RPC server: what the API has a worker do outside (read balances, send a test callback). Harmless to do twice or never.

Requests and replies go over Redis (`core.store.rpc`).
"""

import asyncio
from collections.abc import Sequence
from typing import get_args

import msgspec

from core.clock import rfc3339
from core.ids import new_id
from core.logs import bind, get_logger
from core.model.webhook import TenantWebhook
from core.security.encryption import Undecryptable
from core.security.signing import headers
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import unpack
from core.store.rpc import PER_TENANT, RpcKind, RpcRequest
from worker import redis_outage
from worker.callbacks.deliver import log_failure
from worker.callbacks.retry_policy import AttemptResult, is_taken
from worker.callbacks.send import NOT_SIGNED, send
from worker.context import WorkerContext
from worker.outbound.fair_places import FairPlaces

log = get_logger(__name__)

#: Requests of one kind that one worker serves at a time, `PER_TENANT` of them one tenant's: a test may take as long as its
#: receiver lets it wait. Whoever has to wait does it here, so that nobody stands before others in Redis.
_AT_ONCE = 128
#: Requests that one worker takes from Redis before some of them are over.
_MOST_TAKEN = 1000
_WAIT_S = 5.0


async def run_rpc_server(context: WorkerContext, stop: asyncio.Event) -> None:
    """Serve requests until told to stop: then take no more, and return once those that were taken are answered."""
    async with asyncio.TaskGroup() as under_way:
        taking = under_way.create_task(_take_requests(context, under_way))
        await stop.wait()
        taking.cancel()


async def _take_requests(context: WorkerContext, under_way: asyncio.TaskGroup) -> None:
    """Take requests for ever, none of them held up by a slow one before it or by another tenant's many."""
    taken = asyncio.Semaphore(_MOST_TAKEN)
    places = {kind: FairPlaces(in_all=_AT_ONCE, per_tenant=PER_TENANT) for kind in get_args(RpcKind)}
    while True:
        await taken.acquire()
        request = await _next_request(context)
        serving = under_way.create_task(_serve(context, request, places[request.kind]))
        serving.add_done_callback(lambda _: taken.release())


async def _next_request(context: WorkerContext) -> RpcRequest:
    while True:
        try:
            if request := await context.rpc_queue.next(wait_s=_WAIT_S):
                return request
        except STORE_DOWN:
            await redis_outage.pause()
        except Exception:
            log.exception("an RPC request could not be read")
            await redis_outage.pause()


async def _serve(context: WorkerContext, request: RpcRequest, places: FairPlaces) -> None:
    bind(tenant=request.tenant, request_id=request.request_id)
    try:
        async with places.hold(request.tenant):
            reply = await _handle(context, request)
        await context.rpc_queue.answer(request, reply)
    except STORE_DOWN:
        return  # whoever asked is told that nobody answered
    except Exception:
        log.exception("an RPC request broke")


async def _handle(context: WorkerContext, request: RpcRequest) -> bytes:
    if request.kind == "credits":
        await context.token_pool.read_balances(request.tenant, profile=context.settings.default_profile)
        return b"read"
    return await _test_webhook(context, request)


async def _test_webhook(context: WorkerContext, request: RpcRequest) -> bytes:
    """Send a signed ``webhook.test`` and tell what the receiver answered."""
    try:
        secrets = await context.webhooks.signing_secrets(request.tenant)
    except Undecryptable:
        result = NOT_SIGNED
    else:
        result = await _send_test(context, request, secrets)
    if not is_taken(result):
        log_failure("webhook.test", result, attempt=1, follows="nothing")
    return msgspec.json.encode(result)


async def _send_test(context: WorkerContext, request: RpcRequest, secrets: Sequence[str]) -> AttemptResult:
    now_ms = context.clock.now_ms()
    webhook = unpack(request.body, TenantWebhook, item_id=request.tenant)
    body = msgspec.json.encode({"type": "webhook.test", "timestamp": rfc3339(now_ms), "data": {}})
    signed = headers(secrets, message_id=new_id("evt", context.settings.cell), timestamp_s=now_ms // 1000, body=body)
    return await send(
        context.outbound,
        url=webhook.url,
        body=body,
        headers=signed,
        clock=context.clock,
        timeout_s=context.settings.callback_timeout_s,
    )
