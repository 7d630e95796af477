"""What a worker shows to Prometheus before anything has happened: every label set that its code knows, at 0; and what it
shows of itself whenever it is asked.
"""

from itertools import product
from typing import get_args

from core.errors import Code, WaitReason
from core.events.event import TENANT_EVENTS
from core.metrics import (
    BACKEND_BREAKER,
    BACKEND_REQUEST_SECONDS,
    BACKEND_REQUESTS,
    BACKEND_SURPRISES,
    CALLBACK_DELAY_SECONDS,
    CALLBACKS,
    CALLBACKS_LATE,
    CALLBACKS_LATE_BY_GROUP,
    CREDITS,
    JOB_SECONDS,
    JOBS,
    JOBS_FINISHED,
    JOBS_IN_FLIGHT,
    LEASES_LOST,
    LEASES_TAKEN_OVER,
    OPEN_STREAMS,
    PAUSED,
    RECOVERIES,
    STAGE_SECONDS,
    STREAM_EVENTS,
    TLS_FAILURES,
    TOKENS,
    UNREADABLE_RECORDS,
    WORKER_SLOTS,
    WORKER_SLOTS_USED,
    Shows,
    show_metrics_of,
)
from core.model.job import Stage, Status
from core.model.token import TokenState
from core.profiles import PROFILES
from core.store.leases import LeaseKind
from core.store.redis.codec import RECORD_KINDS
from worker.backend.breaker import CONNECTIONS
from worker.backend.events import KINDS
from worker.backend.faults import USUAL_LABELS
from worker.backend.requests import CALLS
from worker.backend.surprises import Surprise
from worker.callbacks.deliver import TENANT_GROUPS
from worker.callbacks.retry_policy import OUTCOMES
from worker.context import WorkerContext

#: how a job can end: its status, and of a failed one the code
_ENDS = (
    *((str(status), "") for status in (Status.SUCCEEDED, Status.CANCELED, Status.EXPIRED)),
    *((str(Status.FAILED), str(code)) for code in Code),
)
#: what a job that has not ended is shown under: see `JOBS`
JOB_STATES = (Status.QUEUED, Status.RUNNING, Status.CANCELING, *Stage, *WaitReason)


def show_worker_metrics(context: WorkerContext) -> None:
    """Show a worker's metrics, and what this one is about. Safe to repeat."""
    preset_metrics()
    _show_itself(context)


def preset_metrics() -> None:
    """Show every label set of a worker that its code knows. Safe to repeat."""
    show_metrics_of(Shows.WORKER)
    _preset_jobs()
    _preset_backend()
    _preset_callbacks()


def _preset_jobs() -> None:
    for profile, end in product(PROFILES, _ENDS):
        JOBS_FINISHED.labels(profile, *end)
    for end in _ENDS:
        JOB_SECONDS.labels(*end)
    for state in JOB_STATES:
        JOBS.labels(str(state))
    for who in ("tenants", "everybody"):
        PAUSED.labels(who)
    for stage in Stage:
        JOBS_IN_FLIGHT.labels(str(stage))
        STAGE_SECONDS.labels(str(stage))
    for kind in RECORD_KINDS:
        UNREADABLE_RECORDS.labels(kind)
    for kind in get_args(LeaseKind):
        LEASES_LOST.labels(kind)
        LEASES_TAKEN_OVER.labels(kind)


def _preset_backend() -> None:
    for call in (CONNECTIONS, *CALLS):
        BACKEND_BREAKER.labels(call)
    for call in CALLS:
        BACKEND_REQUEST_SECONDS.labels(call)
    for call, code in product(CALLS, USUAL_LABELS):
        BACKEND_REQUESTS.labels(call, str(code))
    for call, surprise in product(CALLS, Surprise):
        BACKEND_SURPRISES.labels(call, str(surprise))
    for kind in KINDS:
        STREAM_EVENTS.labels(kind)
    for outcome in ("confirmed", "unseen", "unconfirmed"):
        RECOVERIES.labels(outcome)
    for state in TokenState:
        TOKENS.labels(str(state))
    for kind in ("available", "frozen", "reserved"):
        CREDITS.labels(kind)
    OPEN_STREAMS.labels("messages")
    for to in ("backend", "receiver", "media"):
        TLS_FAILURES.labels(to)


def _preset_callbacks() -> None:
    for type_, outcome in product(TENANT_EVENTS, OUTCOMES):
        CALLBACKS.labels(type_, outcome)
    for type_ in TENANT_EVENTS:
        CALLBACKS_LATE.labels(type_)
        CALLBACK_DELAY_SECONDS.labels(type_)
    for group in range(TENANT_GROUPS):
        CALLBACKS_LATE_BY_GROUP.labels(str(group))


def _show_itself(context: WorkerContext) -> None:
    """What is read whenever somebody asks, so that it is true then."""
    leases, backend = context.leases, context.backend
    WORKER_SLOTS.set(context.settings.worker_jobs)
    WORKER_SLOTS_USED.set_function(lambda: leases.count("job"))
    OPEN_STREAMS.labels("messages").set_function(lambda: leases.open_streams)
    for call in (CONNECTIONS, *CALLS):
        BACKEND_BREAKER.labels(call).set_function(lambda call=call: float(backend.leaves_alone(call)))  # type: ignore[misc]
