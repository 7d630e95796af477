"""Counts what the backend is asked and what it answers, for the client, which knows no metrics."""

from core.metrics import BACKEND_REQUEST_SECONDS, BACKEND_REQUESTS, STREAM_EVENTS


class CallCounts:
    """The client's `CallMetrics`, in Prometheus."""

    def request(self, call: str, code: str, seconds: float) -> None:
        """Count one call and its time."""
        BACKEND_REQUESTS.labels(call, code).inc()
        BACKEND_REQUEST_SECONDS.labels(call).observe(seconds)

    def stream_event(self, kind: str) -> None:
        """Count one event of a message stream."""
        STREAM_EVENTS.labels(kind).inc()
