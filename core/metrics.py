"""Metrics: every number that both processes show to Prometheus. No label is an id, a URL or a prompt.

Counters and histograms are raised where a thing happens; the gauges over all of Redis are set by the worker's sweep.
"""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()

_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1200)


def _counter(name: str, words: str, *labels: str) -> Counter:
    return Counter(f"reelgate_{name}", words, labels, registry=REGISTRY)


def _gauge(name: str, words: str, *labels: str) -> Gauge:
    return Gauge(f"reelgate_{name}", words, labels, registry=REGISTRY)


def _histogram(name: str, words: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(f"reelgate_{name}", words, labels, registry=REGISTRY, buckets=buckets)


JOBS_ACCEPTED = _counter("jobs_accepted_total", "Jobs that got a 202.", "profile")
JOBS_FINISHED = _counter("jobs_finished_total", "Jobs that came to an end.", "profile", "status", "code")
JOBS_IN_FLIGHT = _gauge("jobs_in_flight", "Jobs that this process works on.", "stage")
STAGE_SECONDS = _histogram("stage_seconds", "Time that a job spent in a stage.", "stage", buckets=_SLOW_S)
QUEUE_DUE_JOBS = _gauge("queue_due_jobs", "Jobs that could run now, backlogs included.")
QUEUE_OLDEST_SECONDS = _gauge("queue_oldest_seconds", "How long the oldest queued job has waited.")

BACKEND_REQUESTS = _counter("backend_requests_total", "Calls to the backend, by what came back.", "call", "code")
BACKEND_REQUEST_SECONDS = _histogram(
    "backend_request_seconds", "Time of a call to the backend.", "call", buckets=_SLOW_S
)
BACKEND_SURPRISES = _counter(
    "backend_surprises_total", "Answers of the backend in a shape that the contract does not know.", "call", "kind"
)
STREAM_EVENTS = _counter("stream_events_total", "Events of message streams.", "kind")
SILENT_EDITS = _counter("silent_edits_total", "Messages whose stream closed without a word.")
RECOVERIES = _counter("recoveries_total", "Edits confirmed or given up by reading the state.", "outcome")
TOKENS = _gauge("tokens", "Backend tokens in the pool.", "state")
CREDITS = _gauge("credits", "Credits of the pool as last read.", "kind")

CALLBACKS = _counter("callbacks_total", "Callback attempts.", "type", "outcome")
CALLBACK_SECONDS = _histogram("callback_seconds", "Time of a callback attempt.", buckets=_FAST_S)
CALLBACKS_DEAD = _gauge("callbacks_dead", "Deliveries that were given up.")

HTTP_REQUESTS = _counter("http_requests_total", "Requests to the API.", "method", "route", "status")
HTTP_REQUEST_SECONDS = _histogram("http_request_seconds", "Time of a request to the API.", "route", buckets=_FAST_S)

UNREADABLE_RECORDS = _counter(
    "unreadable_records_total", "Records that this release cannot read; each was left as it is.", "kind"
)


def exposition() -> tuple[bytes, str]:
    """Write all metrics as Prometheus reads them, with their content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
