"""Health probes and Prometheus metrics. None of them needs a key."""

from litestar import Response
from litestar.openapi import ResponseSpec

from core.errors import StartRefused
from core.logs import get_logger
from core.metrics import exposition
from core.store.formats import check_formats
from core.store.redis.client import STORE_DOWN
from core.store.redis.durability import durability_warnings
from core.store.secret_key_check import check_secret_keys
from service.context import AnyRequest, ApiContext, context_of
from service.http.json_response import json_response
from service.openapi.describe import ResponseDoc, reads
from service.schemas.responses import Probe

log = get_logger(__name__)

ANSWERS: dict[int, ResponseSpec] = {
    200: ResponseDoc("Yes.", Probe),
    503: ResponseDoc("Not now.", Probe, headers=("Retry-After",)),
}


@reads("/livez", operation_id="livez", summary="Is the process alive?", tags=["Operation"], responses=ANSWERS)
async def livez() -> Response[bytes]:
    """Say that the process runs, whatever Redis does: a restart would not help."""
    return json_response(Probe(status="ok"))


@reads("/readyz", operation_id="readyz", summary="May requests come here?", tags=["Operation"], responses=ANSWERS)
async def readyz(request: AnyRequest) -> Response[bytes]:
    """Look at Redis, and warn where it might forget what was accepted."""
    return await _probe_redis(context_of(request))


@reads("/startupz", operation_id="startupz", summary="Has the process started?", tags=["Operation"], responses=ANSWERS)
async def startupz(request: AnyRequest) -> Response[bytes]:
    """Look at Redis once more: the process has started when it reached it."""
    return await _probe_redis(context_of(request))


async def _probe_redis(context: ApiContext) -> Response[bytes]:
    if context.subscriptions.closing:
        return json_response(Probe(status="unavailable"), status=503)
    try:
        await check_formats(context.store)
        warnings = await check_secret_keys(context.store, context.encryption) + await durability_warnings(context.store)
    except STORE_DOWN:
        return json_response(Probe(status="unavailable"), status=503, headers={"Retry-After": "1"})
    except StartRefused as refused:
        log.error(str(refused))  # noqa: TRY400 - where it was found says nothing
        return json_response(Probe(status="unavailable", warnings=(str(refused),)), status=503)
    return json_response(Probe(status="ok", warnings=tuple(warnings)))


@reads(
    "/metrics",
    operation_id="metrics",
    summary="Metrics for Prometheus",
    tags=["Operation"],
    responses={200: ResponseDoc("All.", media=("text/plain",))},
)
async def metrics() -> Response[bytes]:
    """Show this process's metrics."""
    body, media_type = exposition()
    return Response(body, media_type=media_type.removesuffix("; charset=utf-8"))
