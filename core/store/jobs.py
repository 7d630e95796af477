"""Jobs in Redis: accept, read, claim, commit, let go. Each write is one script, so it happens whole or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from core import verbs
from core.batch import Batch
from core.callback import Delivery, Event, TenantWebhook, random_tail
from core.clock import Clock, month_of, rfc3339
from core.discreet import discreet
from core.job import ENDS, Job, Status
from core.keys import key
from core.queue import DELIVERY_BELL, JOB_BELL
from core.session import Session
from core.settings import Settings
from core.store.connection import Store
from core.wire import pack, unpack

#: an answer is replayed for so long, and in any case until its job has ended
IDEMPOTENCY_MS = 24 * 3600 * 1000
#: an upload is kept for so long after its last use
UPLOAD_LIFE_MS = 24 * 3600 * 1000
_END_NAMES = {str(end): True for end in ENDS} | {"delivered": True, "dead": True}


class LeaseLost(Exception):  # noqa: N818 - it says what happened
    """Another worker holds this job now; whoever gets this must stop, without a further effect."""


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


class BatchStart(NamedTuple):
    """A batch that the submissions make, and the callback that its last end sends, if anybody wants one."""

    batch: Batch
    delivery: Delivery | None


@discreet("key_hash")
class Idempotency(NamedTuple):
    """A caller's key (hashed with its path), the hash of the body's bytes, and the answer to replay."""

    key_hash: str
    body_hash: str
    answer: bytes


class Accepted(NamedTuple):
    """The jobs are kept. `used` submits of this key's window, which ends in `reset_ms`."""

    used: int
    reset_ms: int


@discreet()
class Replayed(NamedTuple):
    """The same call was accepted before; this is its answer."""

    answer: bytes


class Refused(NamedTuple):
    """Nothing was written."""

    why: Literal["reused", "rate", "queue_full", "overloaded", "no_session", "revoked", "webhook"]
    retry_ms: int = 0


@dataclass(frozen=True)
class Claim:
    """What a worker holds while its lease lasts. `taken_over`: the one before stopped in mid-step."""

    owner: str
    job: Job
    session: Session
    webhook: TenantWebhook | None
    crashes: int
    taken_over: bool


def rank(job: Job) -> float:
    """Order within a tenant: the higher priority first, then the earlier arrival."""
    return -job.priority * 1e13 + job.created_at_ms


class Jobs:
    """All that happens to job records. `rules` of a script are its caps, which come from the settings."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    def _common(self) -> dict[str, Any]:
        return {
            "now_ms": self._clock.now_ms(),
            "tenant_running_jobs": self._settings.tenant_running_jobs,
            "job_bell": JOB_BELL,
            "delivery_bell": DELIVERY_BELL,
        }

    async def accept(
        self,
        submissions: Sequence[Submission],
        *,
        key_id: str,
        idempotency: Idempotency | None,
        batch: BatchStart | None = None,
        remembered: Remembered | None = None,
    ) -> Accepted | Replayed | Refused:
        """Keep jobs, all or none. After `Accepted` nothing can lose them but Redis itself."""
        tenant = submissions[0].job.tenant
        now_ms = self._clock.now_ms()
        longest_ms = max(1000 * (s.job.start_timeout_s + s.job.timeout_s + 3600) for s in submissions)
        answer = await self._store.run(
            "accept",
            self._common()
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
            },
        )
        match answer[0]:
            case b"ok":
                return Accepted(int(answer[1]), int(answer[2]))
            case b"replay":
                return Replayed(answer[1])
            case why:
                return Refused(why.decode(), int(answer[1]) if len(answer) > 1 else 0)

    async def load(self, job_id: str) -> Job | None:
        """Read a job, whoever's it is: the caller compares the tenant."""
        raw = await self._store.ask("HGET", key("job", job_id), "rec")
        return unpack(raw, Job) if raw else None

    async def load_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Read jobs in one round trip, in this order; those that are gone are left out."""
        pipe = self._store.redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipe.hget(key("job", job_id), "rec")
        return [unpack(raw, Job) for raw in await pipe.execute() if raw]

    async def claim(self, job_id: str, *, owner: str) -> Claim | None:
        """Take a job for the length of a lease. None: it has ended, or another holds it; then leave it alone."""
        answer = await self._store.run(
            "claim", self._common() | {"id": job_id, "owner": owner, "lease_ms": self.lease_ms, "ends": _END_NAMES}
        )
        if answer[0] != b"yours":
            return None
        webhook = unpack(answer[5], TenantWebhook) if answer[5] else None
        return Claim(
            owner=owner,
            job=unpack(answer[1], Job),
            session=unpack(answer[4], Session),
            webhook=webhook,
            crashes=int(answer[3]),
            taken_over=bool(answer[6]),
        )

    @property
    def lease_ms(self) -> int:
        """How long a claim lasts without a heartbeat."""
        return int(self._settings.lease_s * 1000)

    async def commit(
        self,
        old: Job,
        new: Job,
        *,
        owner: str | None,
        event: Event | None = None,
        session: Session | None = None,
        park_until_ms: int | None = None,
        fields: Mapping[str, bytes] | None = None,
    ) -> Job:
        """Write `new` over `old` and return what is stored now: `new`, perhaps with a caller's cancel added.

        Raises LeaseLost where another worker holds the job; then nothing was written. `park_until_ms` lets go of
        the job until then; an ended job is let go for good. `owner` None writes for the API and the sweeper, who
        hold no lease: they may only cancel or expire, and get LeaseLost where the version has moved on.
        """
        while True:
            arguments = self._commit_arguments(
                old, new, owner=owner, event=event, session=session, park_until_ms=park_until_ms, fields=fields or {}
            )
            answer = await self._store.run("commit", arguments)
            if answer[0] == b"ok":
                return new
            if answer[0] == b"lost" or owner is None:
                raise LeaseLost(new.id)
            old = unpack(answer[1], Job)
            new = verbs.rebased(new, old)
            if park_until_ms is not None and new.status is Status.CANCELING:
                park_until_ms = self._clock.now_ms()  # the cancel came while it was about to sleep

    def _commit_arguments(
        self,
        old: Job,
        new: Job,
        *,
        owner: str | None,
        event: Event | None,
        session: Session | None,
        park_until_ms: int | None,
        fields: Mapping[str, bytes],
    ) -> dict[str, Any]:
        now_ms = self._clock.now_ms()
        mode = "end" if new.ended else "go" if park_until_ms is None else "park"
        return self._common() | {
            "id": new.id,
            "owner": owner,
            "version": old.version,
            "new_version": new.version,
            "rec": pack(new),
            "status": str(new.status),
            "tenant": new.tenant,
            "session": new.session_id,
            "session_rec": pack(session) if session else None,
            # a step came through, or the job was put to sleep in good order: whatever killed a worker before is over
            "survived": new.stage != old.stage or mode == "park",
            "fields": dict(fields),
            "events": [event.for_script(new)] if event else [],
            "mode": mode,
            "wake_ms": park_until_ms,
            "wake": True if owner is None else None,
            "retire_ms": now_ms + new.retention_s * 1000,
            "month": month_of(now_ms),
            "usage": _usage(new),
            "batch": _in_batch(new, now_ms),
            "sample_ms": new.finished_at_ms - new.started_at_ms if new.finished_at_ms and new.started_at_ms else None,
        }

    async def field(self, job_id: str, name: Literal["before", "tracks"]) -> bytes | None:
        """Read what is kept beside the record: the draft before the message, or the tracks after it."""
        return await self._store.redis.hget(key("job", job_id), name)  # type: ignore[misc, no-any-return]

    async def renew(self, owners: dict[str, str]) -> tuple[list[str], list[str]]:
        """Heartbeat of ids held, each with its owner. Returns those that were lost and those to be canceled."""
        lost, canceling = await self._store.run(
            "renew", self._common() | {"ids": list(owners), "owners": owners, "lease_ms": self.lease_ms}
        )
        return [i.decode() for i in lost], [i.decode() for i in canceling]

    async def hand_back(self, owners: dict[str, str]) -> None:
        """Let go of ids held, so that another worker goes on at once."""
        await self._store.run("hand_back", self._common() | {"owners": owners})

    async def admit(self, *, worker: str | None = None, slots: int = 0, alive_s: float = 0, most: int = 256) -> int:
        """Move jobs from backlogs into arq, round the tenants; say that a worker lives (slots) or goes (0)."""
        alive_until_ms = self._clock.now_ms() + int(alive_s * 1000)
        beat = {"worker": worker, "slots": slots, "alive_until_ms": alive_until_ms, "most": most}
        return int(await self._store.run("admit", self._common() | beat))

    async def repair(self, cursor: int, *, most: int = 500) -> tuple[int, int]:
        """Ring again for what a dead worker or arq left behind. Returns how many, and the next cursor."""
        rung, after = await self._store.run("repair", self._common() | {"cursor": cursor, "most": most})
        return int(rung), int(after)

    async def due(self) -> int:
        """Count the jobs that could run now: those in backlogs, and those in arq that are due."""
        pipe = self._store.redis.pipeline(transaction=False)
        pipe.zcard(key("queued_all"))
        pipe.zcount(key("arq_queue"), "-inf", self._clock.now_ms())
        return sum(await pipe.execute())

    async def oldest_queued_ms(self) -> int | None:
        """Say when the oldest queued job was accepted, over all tenants that wait."""
        waiting = await self._store.redis.zrange(key("ring"), 0, -1)
        pipe = self._store.redis.pipeline(transaction=False)
        for tenant in waiting:
            pipe.zrange(key("queued", tenant.decode()), 0, 0, withscores=True)
        firsts = [found[0][1] for found in (await pipe.execute() if waiting else []) if found]
        return int(min(firsts)) if firsts else None

    async def to_retire(self, *, most: int = 100) -> list[str]:
        """Name ended jobs and deliveries whose time is over."""
        now_ms = self._clock.now_ms()
        found = await self._store.redis.zrangebyscore(key("retire"), "-inf", now_ms, start=0, num=most)
        return [i.decode() for i in found]

    async def forget(self, job_id: str) -> None:
        """Remove an ended job with all its traces; its file is to be deleted first."""
        await self._store.run("forget", {"id": job_id})

    async def not_started_in_time(self, *, most: int = 100) -> list[str]:
        """Name the queued jobs that should have expired by now."""
        now_ms = self._clock.now_ms()
        found = await self._store.redis.zrangebyscore(key("queued_all"), "-inf", now_ms, start=0, num=most)
        return [i.decode() for i in found]


def _started(start: BatchStart) -> dict[str, Any]:
    told = start.delivery
    facts = {
        "id": start.batch.id,
        "rec": pack(start.batch),
        "jobs": " ".join(start.batch.job_ids),
        "created_at": rfc3339(start.batch.created_at_ms),
    }
    return facts | ({"delivery": pack(told), "delivery_id": told.id} if told else {})


def _in_batch(job: Job, now_ms: int) -> dict[str, str] | None:
    if job.batch_id is None or not job.ended:
        return None
    return {"id": job.batch_id, "now": rfc3339(now_ms), "random": random_tail()}


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


def _usage(job: Job) -> dict[str, float]:
    minutes = (job.output.duration_s or 0) / 60 if job.output else 0
    counted = {f"jobs_{job.status}": 1.0, "credits": float(job.credits_used or 0), "minutes": minutes}
    return {name: by for name, by in counted.items() if by}
