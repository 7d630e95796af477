"""What the API asks a worker to do outside: read balances, send a test callback. Harmless to do twice or never."""

import asyncio
import logging

import msgspec

from core.clock import rfc3339
from core.ids import new_id
from core.model.webhook import TenantWebhook
from core.security.signing import headers
from core.store.redis.client import STORE_DOWN
from core.store.rpc import RpcRequest
from worker.backend.client import Credentials
from worker.backend.faults import BackendFault
from worker.callbacks.send import attempt
from worker.context import WorkerContext

log = logging.getLogger(__name__)


#: errands that one worker does at a time: a test may take as long as its receiver lets it wait
_AT_ONCE = 32


async def run_errands(kit: WorkerContext) -> None:
    """Do errands for ever, none of them held up by a slow one before it."""
    places = asyncio.Semaphore(_AT_ONCE)
    async with asyncio.TaskGroup() as under_way:
        while True:
            await places.acquire()
            errand = await _next(kit)
            under_way.create_task(_run(kit, errand)).add_done_callback(lambda _: places.release())


async def _next(kit: WorkerContext) -> RpcRequest:
    while True:
        try:
            if errand := await kit.errands.next(wait_s=5):
                return errand
        except STORE_DOWN:
            await asyncio.sleep(0.5)
        except Exception:
            log.exception("an errand could not be read")


async def _run(kit: WorkerContext, errand: RpcRequest) -> None:
    try:
        await kit.errands.answer(errand, await _done(kit, errand))
    except STORE_DOWN:
        return  # whoever asked is told that nobody answered
    except Exception:
        log.exception("an errand broke")


async def _done(kit: WorkerContext, errand: RpcRequest) -> bytes:
    if errand.kind == "credits":
        return await _read_balances(kit, errand.tenant)
    return await _test_webhook(kit, errand)


async def _read_balances(kit: WorkerContext, tenant: str) -> bytes:
    """Read the balance of every token that serves this tenant; the pool keeps what was read."""
    for token in await kit.tokens.serving(tenant):
        secret = await kit.tokens.secret_of(token.id)
        if secret is None:
            continue
        try:
            await kit.pool.balance(Credentials(token=secret, profile=kit.settings.default_profile), token.id)
        except BackendFault:
            continue
    return b"read"


async def _test_webhook(kit: WorkerContext, errand: RpcRequest) -> bytes:
    """Send a signed ``webhook.test`` and tell what the receiver answered."""
    now_ms = kit.clock.now_ms()
    webhook = msgspec.msgpack.decode(errand.body, type=TenantWebhook)
    body = msgspec.json.encode({"type": "webhook.test", "timestamp": rfc3339(now_ms), "data": {}})
    secrets = await kit.webhooks.signing_secrets(errand.tenant)
    signed = headers(secrets, message_id=new_id("evt"), timestamp_s=now_ms // 1000, body=body)
    answer = await attempt(
        kit.outside,
        url=webhook.url,
        body=body,
        headers=signed,
        clock=kit.clock,
        timeout_s=kit.settings.callback_timeout_s,
    )
    return msgspec.json.encode(answer)
