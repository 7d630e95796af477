"""The worker's HTTP pages: `/livez`, `/readyz` and `/metrics`, answered by the event loop that runs the jobs."""

import msgspec

from core.process.pages import Page, Pages, metrics_page
from core.process.readiness import Readiness, ReadinessReport


def pages_of(readiness: Readiness) -> Pages:
    """Say what is shown at which path; any other is 404."""

    async def livez() -> Page:
        return Page(200, b'{"status":"ok"}')

    async def readyz() -> Page:
        return _readiness_page(await readiness.report())

    return {"/livez": livez, "/readyz": readyz, "/metrics": metrics_page}


def _readiness_page(report: ReadinessReport) -> Page:
    body = msgspec.json.encode({"status": report.condition.value, "warnings": report.warnings})
    return Page(200 if report.ready else 503, body)
