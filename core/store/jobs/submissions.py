"""Submissions: one operation makes the last checks and writes everything that a 202 stands for, or nothing."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from core.clock import Clock, rfc3339
from core.events.batch import Batch
from core.events.delivery import Delivery
from core.events.event import Event
from core.ids import cell_of, first_id
from core.model.job import Job
from core.model.job_view import UNPLACED
from core.model.session import Session
from core.security.redacted_repr import redacted_repr
from core.settings import Settings
from core.store.audit import AuditEntry, audit_argument
from core.store.events import event_argument
from core.store.idempotency import IDEMPOTENCY_MS, Idempotency, idempotency_argument, waits_of
from core.store.jobs.timings import Pace
from core.store.redis.client import Store
from core.store.redis.codec import raw, raw_record
from core.store.redis.functions import BATCH_LISTED_MS
from core.store.uploads import UPLOAD_LIFE_MS


class Submission(NamedTuple):
    """A job about to be accepted. `session` is None where it goes on in one that exists."""

    job: Job
    session: Session | None
    event: Event


class Preconditions(NamedTuple):
    """What was read earlier, and must still hold: the API key, and the tenant's webhook as it is stored.

    The operation looks whether both still hold, and says ``revoked`` or ``webhook`` where one does not.
    """

    webhook: bytes | None


class BatchStart(NamedTuple):
    """A batch that the submissions make, and the callback that its last end sends, if anybody wants one by then.

    `wanted`: somebody does now, which is what an older release goes by.
    """

    batch: Batch
    delivery: Delivery
    wanted: bool = True


class Accepted(NamedTuple):
    """The jobs are kept. `used` submits of this key's window, which ends in `reset_ms`; `waits`: why each job waits."""

    used: int
    reset_ms: int
    waits: tuple[bytes, ...] = ()


@redacted_repr()
class Replayed(NamedTuple):
    """The same call was accepted before; this is its answer, and why each of its jobs waited."""

    answer: bytes
    waits: tuple[bytes, ...] = ()


RefusalReason = Literal["reused", "rate", "queue_full", "overloaded", "no_session", "no_upload", "revoked", "webhook"]


class Rejected(NamedTuple):
    """Nothing was written. `gone_id`: of the upload or the session that is gone."""

    why: RefusalReason
    retry_ms: int = 0
    gone_id: str = ""


@redacted_repr("outcome", "used", "reset_ms")
class _Answer(NamedTuple):
    outcome: Literal["accepted", "replayed", RefusalReason]
    used: int = 0
    reset_ms: int = 0
    waits: tuple[bytes, ...] = ()
    answer: bytes = b""
    stored_waits: bytes | None = None
    upload: str = ""
    session: str = ""


def rank(job: Job) -> float:
    """Where a job stands in its tenant's backlog, the lowest first: by priority, then by arrival."""
    return -job.priority * 1e13 + job.created_at_ms


class Submissions:
    """Accepts jobs."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._limits = {
            "submits_per_minute": settings.submits_per_minute,
            "tenant_queued_jobs": settings.tenant_queued_jobs,
            "tenant_running_jobs": settings.tenant_running_jobs,
            "queue_limit": settings.queue_limit,
            "session_idle_ms": int(settings.session_idle_s * 1000),
        }

    async def accept(
        self,
        submissions: Sequence[Submission],
        *,
        key_id: str | None,
        idempotency: Idempotency | None,
        batch: BatchStart | None = None,
        preconditions: Preconditions | None = None,
        pace: Pace | None = None,
        audit: AuditEntry | None = None,
    ) -> Accepted | Replayed | Rejected:
        """Keep jobs, all or none. After `Accepted` nothing can lose them but Redis itself.

        `key_id` None: an operator submits, which `audit` says; no API key's limits apply.

        Raises NotReplicated where they are kept, but not by as many replicas as the settings ask for.

        Each job's event tells its position, in the place of `core.model.job_view.UNPLACED`; without `pace` there is no estimate.
        """
        arguments = {
            **self._clock.for_operations(),
            **self._limits,
            "tenant": submissions[0].job.tenant,
            "key_id": key_id,
            "jobs": [_job_argument(each, now_ms=self._clock.now_ms()) for each in submissions],
            "idempotency": idempotency_argument(idempotency, life_ms=max(IDEMPOTENCY_MS, _longest_ms(submissions))),
            "batch": _batch_argument(batch) if batch else None,
            "remembered": {"webhook": raw(preconditions.webhook or b"")} if preconditions else None,
            "pace": pace._asdict() if pace else None,
            "audit": audit_argument(audit),
        }
        return _outcome(await self._store.run("accept_jobs", arguments, _Answer, replicas=self._settings.wait_replicas))


def _outcome(answer: _Answer) -> Accepted | Replayed | Rejected:
    match answer.outcome:
        case "accepted":
            return Accepted(answer.used, answer.reset_ms, answer.waits)
        case "replayed":
            return Replayed(answer.answer, waits_of(answer.stored_waits))
        case refused:
            return Rejected(refused, answer.reset_ms, answer.upload or answer.session)


def _longest_ms(submissions: Sequence[Submission]) -> int:
    return max(1000 * (s.job.start_timeout_s + s.job.timeout_s + 3600) for s in submissions)


def _batch_argument(start: BatchStart) -> dict[str, Any]:
    return {
        "id": start.batch.id,
        "record": raw_record(start.batch),
        "jobs": " ".join(start.batch.job_ids),
        "created_at": rfc3339(start.batch.created_at_ms),
        "delivery": {"id": start.delivery.id, "record": raw_record(start.delivery)},
        "wanted": start.wanted,
        "oldest": first_id("bat", start.batch.created_at_ms - BATCH_LISTED_MS, cell_of(start.batch.id)),
    }


def _job_argument(submission: Submission, *, now_ms: int) -> dict[str, Any]:
    job = submission.job
    return {
        "id": job.id,
        "record": raw_record(job),
        "session": job.session_id,
        "session_record": raw_record(submission.session) if submission.session else None,
        "profile": job.profile,
        "rank": rank(job),
        "start_by_ms": job.start_by_ms,
        "uploads": [m.upload_id for m in job.media if m.upload_id],
        # a job may wait for days, and its file with it
        "uploads_until_ms": max(now_ms + UPLOAD_LIFE_MS, job.start_by_ms + job.timeout_s * 1000),
        "event": _event_argument(submission.event, job),
    }


def _event_argument(event: Event, job: Job) -> dict[str, Any]:
    """Leave out why the job waits, which only the operation knows."""
    before, _, after = event.body.partition(UNPLACED)
    return event_argument(event, job) | {"body": raw(before), "after_wait": raw(after)}
