"""Jobs come in: one script makes the last checks and writes everything that a 202 promises, or nothing."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from core.clock import Clock, rfc3339
from core.events.batch import Batch
from core.events.delivery import Delivery
from core.events.event import Event
from core.model.job import Job
from core.model.job_view import UNPLACED
from core.model.session import Session
from core.redaction import redacted_repr
from core.settings import Settings
from core.store.idempotency import IDEMPOTENCY_MS, waits_of
from core.store.redis.client import Store
from core.store.redis.codec import pack
from core.store.redis.script_rules import script_rules
from core.store.uploads import UPLOAD_LIFE_MS


class Submission(NamedTuple):
    """A job about to be accepted. `session` is None where it goes on in one that exists."""

    job: Job
    session: Session | None
    event: Event


class Remembered(NamedTuple):
    """What a caller remembers instead of reading it anew: the key, and the tenant's webhook as it is kept.

    The script looks whether both still hold, and says ``revoked`` or ``webhook`` where one does not.
    """

    webhook: bytes | None


class Pace(NamedTuple):
    """How long jobs take, and how many of the tenant's run at once: what the script makes estimates of."""

    p50_s: float
    p90_s: float
    at_once: int


class BatchStart(NamedTuple):
    """A batch that the submissions make, and the callback that its last end sends, if anybody wants one."""

    batch: Batch
    delivery: Delivery | None


@redacted_repr("key_hash")
class Idempotency(NamedTuple):
    """A caller's key (hashed with its path), the hash of the body's bytes, and the answer to replay."""

    key_hash: str
    body_hash: str
    answer: bytes


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


class Rejected(NamedTuple):
    """Nothing was written."""

    why: Literal["reused", "rate", "queue_full", "overloaded", "no_session", "revoked", "webhook"]
    retry_ms: int = 0


def rank(job: Job) -> float:
    """Order within a tenant: the higher priority first, then the earlier arrival."""
    return -job.priority * 1e13 + job.created_at_ms


class Submissions:
    """Accepts jobs."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    async def accept(
        self,
        submissions: Sequence[Submission],
        *,
        key_id: str,
        idempotency: Idempotency | None,
        batch: BatchStart | None = None,
        remembered: Remembered | None = None,
        pace: Pace | None = None,
    ) -> Accepted | Replayed | Rejected:
        """Keep jobs, all or none. After `Accepted` nothing can lose them but Redis itself.

        Each job's event is told with its place, written over `core.model.job_view.UNPLACED`; without `pace` there is no estimate.
        """
        tenant = submissions[0].job.tenant
        now_ms = self._clock.now_ms()
        longest_ms = max(1000 * (s.job.start_timeout_s + s.job.timeout_s + 3600) for s in submissions)
        answer = await self._store.run(
            "accept",
            script_rules(self._settings, self._clock)
            | {
                "tenant": tenant,
                "key_id": key_id,
                "jobs": [_submitted(s) for s in submissions],
                "submits_per_minute": self._settings.submits_per_minute,
                "tenant_queued_jobs": self._settings.tenant_queued_jobs,
                "queue_limit": self._settings.queue_limit,
                "upload_until_ms": now_ms + UPLOAD_LIFE_MS,
                "idempotency": idempotency.key_hash if idempotency else None,
                "body_hash": idempotency.body_hash if idempotency else None,
                "answer": idempotency.answer if idempotency else None,
                "idempotency_ms": max(IDEMPOTENCY_MS, longest_ms),
                "batch": _started(batch) if batch else None,
                "remembered": {"webhook": remembered.webhook or b""} if remembered else None,
                "unplaced": UNPLACED,
                "pace": pace._asdict() if pace else None,
            },
        )
        match answer[0]:
            case b"ok":
                return Accepted(int(answer[1]), int(answer[2]), tuple(answer[3]))
            case b"replay":
                return Replayed(answer[1], waits_of(answer[2]))
            case why:
                return Rejected(why.decode(), int(answer[1]) if len(answer) > 1 else 0)


def _started(start: BatchStart) -> dict[str, Any]:
    told = start.delivery
    facts = {
        "id": start.batch.id,
        "rec": pack(start.batch),
        "jobs": " ".join(start.batch.job_ids),
        "created_at": rfc3339(start.batch.created_at_ms),
    }
    return facts | ({"delivery": pack(told), "delivery_id": told.id} if told else {})


def _submitted(submission: Submission) -> dict[str, Any]:
    job = submission.job
    return {
        "id": job.id,
        "rec": pack(job),
        "session": job.session_id,
        "session_rec": pack(submission.session) if submission.session else None,
        "profile": job.profile,
        "rank": rank(job),
        "start_by_ms": job.start_by_ms,
        "uploads": [m.upload_id for m in job.media if m.upload_id],
        "events": [submission.event.for_script(job)],
    }
