"""What the API shows to Prometheus before anything has happened: every label set that its code knows, at 0."""

import re
from collections.abc import Iterable

from litestar.handlers import HTTPRouteHandler

from core.metrics import (
    HTTP_REQUEST_SECONDS,
    HTTP_REQUESTS,
    JOB_SECONDS,
    JOBS_ACCEPTED,
    JOBS_FINISHED,
    OPEN_STREAMS,
    REFUSALS,
    UNREADABLE_RECORDS,
    Shows,
    show_metrics_of,
)
from core.model.job import Status
from core.profiles import PROFILES
from core.store.redis.codec import RECORD_KINDS
from service.problems import PROBLEM_CODES

_PARAMETER = re.compile(r"\{(\w+):\w+\}")


def show_api_metrics(handlers: Iterable[HTTPRouteHandler]) -> None:
    """Show the API's metrics, those of each route among them. Safe to repeat."""
    show_metrics_of(Shows.API)
    OPEN_STREAMS.labels("events")
    for profile in PROFILES:
        JOBS_ACCEPTED.labels(profile)
        JOBS_FINISHED.labels(profile, str(Status.CANCELED), "")
    JOB_SECONDS.labels(str(Status.CANCELED), "")
    for code in PROBLEM_CODES:
        REFUSALS.labels(code)
    for kind in RECORD_KINDS:
        UNREADABLE_RECORDS.labels(kind)
    for handler in handlers:
        _preset_route(handler)


def _preset_route(handler: HTTPRouteHandler) -> None:
    statuses = {handler.status_code, *(handler.responses or {})}
    for path in (_PARAMETER.sub(r"{\1}", path) for path in handler.paths):
        for method in handler.http_methods:
            HTTP_REQUEST_SECONDS.labels(str(method), path)
            for status in statuses:
                HTTP_REQUESTS.labels(str(method), path, str(status))
