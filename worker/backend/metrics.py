"""Counts what the backend is asked and what it answers, for the client, which knows no metrics."""

from core.logs import get_logger
from core.metrics import BACKEND_REQUEST_SECONDS, BACKEND_REQUESTS, BACKEND_SURPRISES, STREAM_EVENTS, TLS_FAILURES

log = get_logger(__name__)


class CallCounts:
    """The client's `CallMetrics`, in Prometheus."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def request(self, call: str, code: str, seconds: float) -> None:
        """Count one call and its time."""
        BACKEND_REQUESTS.labels(call, code).inc()
        BACKEND_REQUEST_SECONDS.labels(call).observe(seconds)

    def stream_event(self, kind: str) -> None:
        """Count one event of a message stream."""
        STREAM_EVENTS.labels(kind).inc()

    def surprise(self, call: str, kind: str) -> None:
        """Count an answer of a shape that the contract does not know; each kind is logged once, without content."""
        BACKEND_SURPRISES.labels(call, kind).inc()
        if (call, kind) not in self._logged:
            self._logged.add((call, kind))
            log.warning("the backend's answer has a shape that the contract does not know", call=call, kind=kind)

    def tls_failure(self) -> None:
        """Count a connection that failed at its TLS handshake."""
        TLS_FAILURES.labels("backend").inc()
