"""Metrics: every number that a process shows to Prometheus. No label is an id, a URL, a prompt or a tenant's.

Counters and histograms are raised where a thing happens. The gauges over all of Redis are counted by one worker at a time
and shown by all of them (`worker.maintenance.gauges`). A process shows what is its own to say and what both say: the API
no queue, a worker no routes. The rooms know the values that labels can have, and preset them to 0 (`service.metrics`,
`worker.metrics`), so that the first event of a kind is an increase, and a missing series a fault.
"""

import math
from enum import StrEnum
from importlib.metadata import version
from platform import python_version
from typing import TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)


class Shows(StrEnum):
    """Which process shows a metric."""

    API = "api"
    WORKER = "worker"
    BOTH = "both"


disable_created_metrics()  # type: ignore[no-untyped-call]  # half as many lines; Prometheus sees by itself that a counter began anew

#: what this process shows
REGISTRY = CollectorRegistry()

Metric = TypeVar("Metric", Counter, Gauge, Histogram)

_OF: dict[Shows, list[Counter | Gauge | Histogram]] = {Shows.API: [], Shows.WORKER: []}

#: a call of the API: a read takes milliseconds, a `Prefer: wait` a minute, an upload or a stream of events up to hours
_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
#: a call of the backend: 10 ms to the 15 minutes that a message may take
_BACKEND_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 900)
_STAGE_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 900, 1200)
#: a receiver has 15 s, what was our own lateness may make it more
_ATTEMPT_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20)
#: by the schedule of callbacks: attempts at once, after 5 s, 5 min, 35 min, 2.6 h, 7.6 h … 76 h
_DELAY_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 1800, 3600, 14_400, 43_200, 86_400, 259_200)
#: from acceptance: milliseconds on an idle gateway, an hour by default until a job expires, a day at most
_WAIT_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 1800, 3600, 14_400, 86_400)
#: from acceptance to the end; 1,800 s is what "in time" means in deploy/chart/monitoring/rules.yaml
_JOB_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 900, 1800, 3600, 7200, 14_400, 86_400)
_ROUND_TRIP_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def _counter(name: str, words: str, *labels: str, by: Shows = Shows.BOTH) -> Counter:
    return _kept(Counter(f"reelgate_{name}", words, labels, registry=None), by)


def _gauge(name: str, words: str, *labels: str, by: Shows = Shows.BOTH) -> Gauge:
    return _kept(Gauge(f"reelgate_{name}", words, labels, registry=None), by)


def _histogram(name: str, words: str, *labels: str, buckets: tuple[float, ...], by: Shows = Shows.BOTH) -> Histogram:
    return _kept(Histogram(f"reelgate_{name}", words, labels, registry=None, buckets=buckets), by)


def _kept(metric: Metric, by: Shows) -> Metric:
    if by is Shows.BOTH:
        REGISTRY.register(metric)
    else:
        _OF[by].append(metric)
    return metric


# Jobs.
JOBS_ACCEPTED = _counter("jobs_accepted_total", "Jobs that got a 202.", "profile", by=Shows.API)
JOBS_FINISHED = _counter("jobs_finished_total", "Jobs that came to an end.", "profile", "status", "code")
JOB_SECONDS = _histogram(
    "job_seconds", "Time from a job's acceptance to its end, by that end.", "status", "code", buckets=_JOB_S
)
JOB_WAIT_SECONDS = _histogram(
    "job_wait_seconds", "Time from a job's acceptance to its start.", buckets=_WAIT_S, by=Shows.WORKER
)
JOBS = _gauge(
    "jobs",
    "Jobs that have not ended, parked ones included, each under its status and, where it has them, also under its stage"
    " and under the reason why it waits: do not add these up.",
    "state",
    by=Shows.WORKER,
)
JOBS_IN_FLIGHT = _gauge("jobs_in_flight", "Jobs that this process works on.", "stage", by=Shows.WORKER)
STAGE_SECONDS = _histogram(
    "stage_seconds", "Time that a job spent in a stage.", "stage", buckets=_STAGE_S, by=Shows.WORKER
)
QUEUE_DUE_JOBS = _gauge(
    "queue_due_jobs", "What could run now: jobs, backlogs included, looks at renders, and callbacks.", by=Shows.WORKER
)
QUEUE_OLDEST_SECONDS = _gauge("queue_oldest_seconds", "How long the oldest queued job has waited.", by=Shows.WORKER)

TENANTS = _gauge(
    "tenants",
    "Tenants that Redis knows, NaN until they were counted. None is ever removed: fewer than before is a Redis that has"
    " lost what it was told.",
    by=Shows.WORKER,
)
PAUSED = _gauge(
    "paused",
    "Pauses by an operator: how many `tenants` are paused, and whether `everybody` is (1). No job of theirs begins.",
    "who",
    by=Shows.WORKER,
)

# Workers: the first three are over all of Redis, the others this process's own.
WORKERS = _gauge(
    "workers", "Workers that have said lately that they take up jobs: one that stops is none.", by=Shows.WORKER
)
SLOTS = _gauge("slots", "Jobs that all living workers together may hold.", by=Shows.WORKER)
SLOTS_USED = _gauge(
    "slots_used",
    "Jobs that were let in and have not ended, parked ones included, but for those that sleep until they may have a token.",
    by=Shows.WORKER,
)
WORKER_SLOTS = _gauge(
    "worker_slots",
    "Jobs that this worker offers to hold: fewer than it may while its event loop is late.",
    by=Shows.WORKER,
)
WORKER_SLOTS_USED = _gauge("worker_slots_used", "Jobs that this worker holds now.", by=Shows.WORKER)
OPEN_STREAMS = _gauge(
    "open_streams", "Streams that are open: of events to callers (API), of messages from the backend (worker).", "kind"
)
LEASES_LOST = _counter("leases_lost_total", "Leases that this worker lost to another one.", "kind", by=Shows.WORKER)
LEASES_TAKEN_OVER = _counter(
    "leases_taken_over_total", "Leases that had run out at another worker.", "kind", by=Shows.WORKER
)
GAUGES_TIMESTAMP = _gauge(
    "gauges_timestamp_seconds",
    "When the gauges over all of Redis were last counted, in Unix time; 0: not yet.",
    by=Shows.WORKER,
)

# The backend.
BACKEND_REQUESTS = _counter(
    "backend_requests_total", "Calls to the backend, by what came back.", "call", "code", by=Shows.WORKER
)
BACKEND_REQUEST_SECONDS = _histogram(
    "backend_request_seconds", "Time of a call to the backend.", "call", buckets=_BACKEND_S, by=Shows.WORKER
)
BACKEND_BREAKER = _gauge(
    "backend_breaker_open",
    "1 while this worker leaves the backend alone, by kind of call; `connections` holds back all calls.",
    "call",
    by=Shows.WORKER,
)
BACKEND_SURPRISES = _counter(
    "backend_surprises_total",
    "Answers of the backend in a shape that the contract does not know.",
    "call",
    "kind",
    by=Shows.WORKER,
)
STREAM_EVENTS = _counter("stream_events_total", "Events of message streams.", "kind", by=Shows.WORKER)
SILENT_EDITS = _counter("silent_edits_total", "Messages whose stream closed without a word.", by=Shows.WORKER)
RECOVERIES = _counter(
    "recoveries_total", "Edits confirmed or given up by reading the state.", "outcome", by=Shows.WORKER
)
TOKENS = _gauge("tokens", "Backend tokens in the pool.", "state", by=Shows.WORKER)
CREDITS = _gauge("credits", "Credits of the pool as last read.", "kind", by=Shows.WORKER)

# Callbacks.
CALLBACKS = _counter(
    "callbacks_total",
    "Callback attempts by what followed, and deliveries that were given up without one.",
    "type",
    "outcome",
    by=Shows.WORKER,
)
CALLBACK_SECONDS = _histogram("callback_seconds", "Time of a callback attempt.", buckets=_ATTEMPT_S, by=Shows.WORKER)
CALLBACK_DELAY_SECONDS = _histogram(
    "callback_delay_seconds",
    "Time from an event, or from the wish to send it again, to the receiver's 2xx.",
    "type",
    buckets=_DELAY_S,
    by=Shows.WORKER,
)
CALLBACKS_LATE = _counter(
    "callbacks_late_total",
    "Deliveries of which it became certain that they will not have arrived within 10 minutes.",
    "type",
    by=Shows.WORKER,
)
CALLBACKS_LATE_BY_GROUP = _counter(
    "callbacks_late_by_group_total",
    "The late ones but for progress, by the group of their tenant, of which there are 16: one tenant's are in one of them.",
    "group",
    by=Shows.WORKER,
)
CALLBACKS_PENDING = _gauge(
    "callbacks_pending", "Deliveries that are still to arrive, those between two attempts included.", by=Shows.WORKER
)
CALLBACKS_OLDEST_SECONDS = _gauge(
    "callbacks_oldest_seconds", "How long the oldest pending delivery has been under way.", by=Shows.WORKER
)
CALLBACKS_OVERDUE_SECONDS = _gauge(
    "callbacks_overdue_seconds",
    "For how long that callback has been due, first or again, which no worker has taken up for longest; 0: none is.",
    by=Shows.WORKER,
)
CALLBACKS_DEAD = _gauge("callbacks_dead", "Deliveries that were given up.", by=Shows.WORKER)
TLS_FAILURES = _counter(
    "tls_failures_total",
    "Connections to the outside that failed at their TLS handshake, mostly for a certificate, by whom they led to.",
    "to",
    by=Shows.WORKER,
)

# The API.
HTTP_REQUESTS = _counter("http_requests_total", "Requests to the API.", "method", "route", "status", by=Shows.API)
HTTP_REQUEST_SECONDS = _histogram(
    "http_request_seconds", "Time of a request to the API.", "method", "route", buckets=_REQUEST_S, by=Shows.API
)
REFUSALS = _counter(
    "refusals_total", "Requests that were answered with a problem document, by its code.", "reason", by=Shows.API
)

# The storage, which both call.
STORAGE_FAILURES = _counter(
    "storage_failures_total", "Calls of the storage that it did not answer, refused, or had no room for."
)

# The process, and its way to Redis.
BUILD_INFO = _gauge("build_info", "1, with the version that runs here.", "version", "python", "process")
EVENT_LOOP_LAG_SECONDS = _histogram(
    "event_loop_lag_seconds", "How late the event loop came to a timer, looked at every half second.", buckets=_LAG_S
)
REDIS_ROUND_TRIP_SECONDS = _histogram(
    "redis_round_trip_seconds", "Time of a PING over the connection that all calls share.", buckets=_ROUND_TRIP_S
)
REDIS_AWAY = _gauge("redis_away", "1 while Redis does not answer this process.")
REDIS_DURABLE = _gauge(
    "redis_durable",
    "1 where Redis keeps what it is told, 0 where it may lose it or takes no writes, NaN where it does not tell.",
)
REDIS_MEMORY_USED_BYTES = _gauge(
    "redis_memory_used_bytes", "Memory of Redis that counts against its maxmemory, NaN where it does not tell."
)
REDIS_MEMORY_LIMIT_BYTES = _gauge(
    "redis_memory_limit_bytes",
    "Redis's maxmemory, beyond which it takes no job, NaN where it has none or does not tell.",
)
for _redis_tells in (TENANTS, REDIS_DURABLE, REDIS_MEMORY_USED_BYTES, REDIS_MEMORY_LIMIT_BYTES):
    _redis_tells.set(math.nan)  # until it was asked: one that is away at the start is no reason to say that it forgets

ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


def show_metrics_of(process: Shows) -> None:
    """Show from now on what is this process's to say, beside what both say. Safe to repeat."""
    shown = _OF[process]
    while shown:
        REGISTRY.register(shown.pop())
    BUILD_INFO.labels(version("reelgate"), python_version(), str(process)).set(1)


UNREADABLE_RECORDS = _counter(
    "unreadable_records_total", "Records that this release cannot read; each was left as it is.", "kind"
)


def exposition() -> tuple[bytes, str]:
    """Write all metrics as Prometheus reads them, with their content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
