"""For machines that run us: probes, and metrics. None of them needs a key."""

from typing import Any

from litestar import Request, Response

from core.metrics import exposition
from core.store.redis.client import STORE_DOWN
from core.store.redis.durability import durability_warnings
from service.context import ApiContext, context_of
from service.http.responses import json_response
from service.openapi.describe import About, Answer, about, reads
from service.schemas.responses import Probe

Anyone = Request[Any, Any, Any]


def _probe(name: str, words: str) -> dict[str, Any]:
    answers = {200: Answer("Yes.", Probe), 503: Answer("Not now.", Probe, headers=("Retry-After",))}
    return about(About(name, words, "Operation", answers, refusals=()))


@reads("/livez", opt=_probe("livez", "Is the process alive?"))
async def livez() -> Response[bytes]:
    """Say that the process runs, whatever Redis does: a restart would not help."""
    return json_response(Probe(status="ok"))


@reads("/readyz", opt=_probe("readyz", "May requests come here?"))
async def readyz(request: Anyone) -> Response[bytes]:
    """Look at Redis, and warn where it might forget what was accepted."""
    return await _probe_redis(context_of(request))


@reads("/startupz", opt=_probe("startupz", "Has the process started?"))
async def startupz(request: Anyone) -> Response[bytes]:
    """Look at Redis once more: the process has started when it reached it."""
    return await _probe_redis(context_of(request))


async def _probe_redis(context: ApiContext) -> Response[bytes]:
    if context.subscriptions.closing:
        return json_response(Probe(status="unavailable"), status=503)
    try:
        warnings = await durability_warnings(context.store)
    except STORE_DOWN:
        return json_response(Probe(status="unavailable"), status=503, headers={"Retry-After": "1"})
    return json_response(Probe(status="ok", warnings=tuple(warnings)))


@reads(
    "/metrics",
    opt=about(
        About(
            "metrics", "Metrics for Prometheus", "Operation", {200: Answer("All.", media=("text/plain",))}, refusals=()
        )
    ),
)
async def metrics() -> Response[bytes]:
    """Show this process's metrics."""
    body, media_type = exposition()
    return Response(body, media_type=media_type.removesuffix("; charset=utf-8"))


PROBES = (livez, readyz, startupz)
METRICS = (metrics,)
