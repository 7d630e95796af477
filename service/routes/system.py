"""Health probes and Prometheus metrics. None of them needs a key."""

from litestar import Response
from litestar.openapi import ResponseSpec

from core.metrics import exposition
from core.process.readiness import ReadinessReport
from service.context import AnyRequest, context_of
from service.http.json_response import json_response
from service.openapi.describe import ResponseDoc, reads
from service.schemas.responses import Probe

ANSWERS: dict[int, ResponseSpec] = {
    200: ResponseDoc("Yes.", Probe),
    503: ResponseDoc("Not now.", Probe, headers=("Retry-After",), example="Probe, draining"),
}


@reads("/livez", operation_id="livez", summary="Is the process alive?", tags=["Operation"], responses=ANSWERS)
async def livez() -> Response[bytes]:
    """Say that the process runs, whatever Redis does: a restart would not help.

    When: as a liveness probe.
    Cost: nothing; Redis is not asked.
    """
    return json_response(Probe(status="ok"))


@reads("/readyz", operation_id="readyz", summary="May requests come here?", tags=["Operation"], responses=ANSWERS)
async def readyz(request: AnyRequest) -> Response[bytes]:
    """Look at Redis, and warn where it might forget what was accepted.

    200 also while Redis is away (`degraded`): calls are answered with 503 then, in our words. 503 before Redis was ever
    reached (`starting`), and once this process has been told to end (`draining`).

    When: as a readiness probe, and as the check of a balancer.
    Cost: one question to Redis, shared by all who ask at once.
    """
    return _probe_response(await context_of(request).readiness.report())


@reads("/startupz", operation_id="startupz", summary="Has the process started?", tags=["Operation"], responses=ANSWERS)
async def startupz(request: AnyRequest) -> Response[bytes]:
    """Say whether Redis was reached for the first time: the process has started then, and stays so.

    When: as a startup probe.
    Cost: one question to Redis, until it was reached.
    """
    return _probe_response(await context_of(request).readiness.started())


def _probe_response(report: ReadinessReport) -> Response[bytes]:
    probe = Probe(status=report.condition.value, warnings=report.warnings)
    if report.ready:
        return json_response(probe)
    return json_response(probe, status=503, headers={"Retry-After": "1"})


@reads(
    "/metrics",
    operation_id="metrics",
    summary="Metrics for Prometheus",
    tags=["Operation"],
    responses={200: ResponseDoc("All metrics of this process.", media=("text/plain",), example="metrics")},
)
async def metrics() -> Response[bytes]:
    """Show this process's metrics, in the text format of Prometheus.

    When: scraped by Prometheus, every 15 s or so. It may be on a port of its own.
    Cost: nothing.
    """
    body, media_type = exposition()
    return Response(body, media_type=media_type.removesuffix("; charset=utf-8"))
