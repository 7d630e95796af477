"""Job records in Redis: load, claim, commit, let go. Each write is one operation, so it happens whole or not at all."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Required, TypedDict, Unpack

import msgspec

from core.clock import Clock, month_of
from core.events.event import Event
from core.metrics import JOB_SECONDS, JOB_WAIT_SECONDS, JOBS_FINISHED
from core.model import transitions
from core.model.estimate import counted_outcome
from core.model.job import Job, Status
from core.model.session import Session
from core.model.token import Use
from core.model.webhook import TenantWebhook
from core.security.redacted_repr import redacted_repr
from core.settings import Settings
from core.store.audit import AuditEntry, audit_argument
from core.store.events import event_argument
from core.store.jobs.effects import end_in_batch, lends_place, place_of, time_samples, token_marks, usage_of
from core.store.leases import ClaimedJob, LeaseLost, claim_job, set_aside
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable, raw, raw_record, unpack
from core.store.redis.keys import key
from core.store.redis.results import Nothing
from core.store.token_work import NO_WORK, Answers, TakenToken, TokenWork, untaken_token_id


@redacted_repr("outcome", "token_id")
class _Committed(NamedTuple):
    """`stale`: the record is another one now, and comes along, as does the `webhook`. The others: see `Answers`."""

    outcome: Literal["ok", "again", "lost", "stale", "webhook", "shared"]
    record: bytes = b""
    webhook: bytes = b""
    webhook_fmt: bytes | None = None
    token_id: str | None = None
    secret: bytes | None = None
    sends: int | None = None
    others: int | None = None


class TokenShared(Exception):  # noqa: N818 - it says what happened
    """Another job has used the token, so what a commit was to settle is not certain. Nothing was written."""


class DefaultWebhookChanged(Exception):  # noqa: N818 - it says what happened
    """The tenant's default is `webhook` now, and another one than the event was made for. Nothing was written."""

    def __init__(self, webhook: TenantWebhook | None, stored: bytes) -> None:
        super().__init__()
        self.webhook = webhook
        #: as it is stored, to be compared; empty: there is none
        self.stored = stored


class CommitOptions(TypedDict, total=False):
    """How a commit is made: see `Jobs.commit`."""

    owner: Required[str | None]
    event: Event | None
    #: makes the event of two records anew, where a cancel came between and is written along
    retold: Callable[[Job, Job], Event | None]
    #: the tenant's default webhook as it is stored, where the event was made for it
    default_webhook: bytes | None
    session: Session | None
    park_until_ms: int | None
    fields: Mapping[str, bytes] | None
    write_id: str | None
    audit: AuditEntry | None


class _Renewed(NamedTuple):
    lost: tuple[str, ...]
    canceling: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """What a worker holds while its lease lasts. `taken_over`: the one before stopped in mid-step; `left_behind`: it was
    lost, and handed nothing back.

    `crashes`: processes that were lost at this step and were not heard of since, the last one `suspected_since_ms` ago.
    """

    owner: str
    job: Job
    session: Session
    webhook: TenantWebhook | None
    crashes: int
    taken_over: bool
    left_behind: bool = False
    suspected_since_ms: int | None = None
    #: the webhook as it is stored, to be compared later; empty: there is none
    stored_webhook: bytes = b""


class Holder(NamedTuple):
    """Who holds a job. `owner` is empty where nobody does; `crashes`: processes that were lost at this step."""

    owner: str
    lease_until_ms: int | None
    crashes: int


class Jobs:
    """All that happens to the records of accepted jobs."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    async def load(self, job_id: str) -> Job | None:
        """Read a job, whoever's it is: the caller compares the tenant. Raises Unreadable."""
        raw, fmt = await self._store.ask("HMGET", key("job", job_id), "rec", "fmt")
        return self._store.read(Job, raw, fmt, item_id=job_id) if raw else None

    async def load_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Read jobs in one round trip, in this order; those that are gone or cannot be read are left out."""
        pipe = self._store.redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipe.hmget(key("job", job_id), ["rec", "fmt"])
        rows = zip(job_ids, await pipe.execute(), strict=True)
        return self._store.read_all(Job, ((job_id, raw, fmt) for job_id, (raw, fmt) in rows))

    async def claim(self, job_id: str, *, owner: str, only_if_due: bool = False) -> Claim | None:
        """Take a job for the length of a lease. None: it has ended, another holds it, or it cannot be read.

        `only_if_due`: nor, where it sleeps.
        """
        found = await claim_job(
            self._store, self._clock, job_id, owner=owner, lease_ms=self.lease_ms, only_if_due=only_if_due
        )
        if found is None:
            return None
        try:
            return _claim_of(found, job_id, owner)
        except Unreadable:
            await set_aside(self._store, self._clock, job_id, owner=owner)
            return None

    async def set_aside(self, job_id: str, *, owner: str) -> None:
        """Let go of a job whose record has become one that cannot be read."""
        await set_aside(self._store, self._clock, job_id, owner=owner)

    @property
    def lease_ms(self) -> int:
        """How long a claim lasts without a heartbeat."""
        return int(self._settings.lease_s * 1000)

    async def commit(
        self,
        old: Job,
        new: Job,
        **options: Unpack[CommitOptions],
    ) -> Job:
        """Write `new` over `old` and return what is stored now: `new`, perhaps with a caller's cancel added.

        Raises LeaseLost where another worker holds the job, and Unreadable where somebody has written what this release
        cannot read, and DefaultWebhookChanged where `default_webhook` says so; then nothing was written. `park_until_ms` lets go of
        the job until then; an ended job is let go for good. `owner` None writes for the API and the sweeper, who
        hold no lease: they may only cancel or expire, and get LeaseLost where the version has moved on.
        `write_id` names this write: under the same one it can be repeated when the answer was lost, and happens once.
        `audit`: an operator asked for it, which is written in the same step.
        """
        return (await self.commit_with_token(old, new, NO_WORK, **options))[0]

    async def commit_with_token(
        self, old: Job, new: Job, work: TokenWork, **options: Unpack[CommitOptions]
    ) -> tuple[Job, Answers]:
        """Commit as above, and do in the same operation what there is to do with the job's token.

        A token that is taken stands in the record that comes back. Raises TokenShared, DefaultWebhookChanged too.
        """
        options = options.copy()
        options["write_id"] = options.get("write_id") or new_write_id()
        while True:
            found = await self._store.run("commit_job", self._commit_arguments(old, new, work, options), _Committed)
            if found.outcome in ("ok", "again"):
                written = _with_token(new, work, found) if found.outcome == "ok" else unpack(found.record, Job)
                _count(old, written)
                return written, _answers(found)
            if found.outcome == "shared":
                raise TokenShared(new.id)
            if found.outcome == "webhook":
                raise self._other_default(found, new.tenant)
            if found.outcome == "lost" or options["owner"] is None:
                raise LeaseLost(new.id)
            old = unpack(found.record, Job)
            new = transitions.rebased(new, old)
            if retold := options.get("retold"):
                options["event"] = retold(old, new)
            if options.get("park_until_ms") is not None and new.status is Status.CANCELING:
                options["park_until_ms"] = self._clock.now_ms()  # the cancel came while it was about to sleep

    def _other_default(self, found: _Committed, tenant: str) -> DefaultWebhookChanged:
        if not found.webhook:
            return DefaultWebhookChanged(None, b"")
        webhook = self._store.read(TenantWebhook, found.webhook, found.webhook_fmt, item_id=tenant)
        return DefaultWebhookChanged(webhook, found.webhook)

    def _commit_arguments(self, old: Job, new: Job, work: TokenWork, options: CommitOptions) -> dict[str, Any]:
        now_ms = self._clock.now_ms()
        event, session, park_until_ms = options.get("event"), options.get("session"), options.get("park_until_ms")
        untaken = untaken_token_id() if work.take else None
        mode = "end" if new.ended else "hold" if park_until_ms is None else "park"
        arguments = self._clock.for_operations() | {
            "id": new.id,
            "owner": options["owner"],
            "write": options.get("write_id"),
            "audit": audit_argument(options.get("audit")),
            "version": old.version,
            "new_version": new.version,
            "record": raw_record(msgspec.structs.replace(new, token_id=untaken) if untaken else new),
            "untaken": raw(msgspec.msgpack.encode(untaken)) if untaken else None,
            "status": str(new.status),
            "at": place_of(new),
            "tenant": new.tenant,
            "session": new.session_id,
            "session_record": raw_record(session) if session else None,
            # a step came through, or the job was put to sleep in good order: whatever killed a worker before is over
            "reset_crashes": new.stage != old.stage or mode == "park",
            "fields": {name: raw(value) for name, value in (options.get("fields") or {}).items()},
            "event": event_argument(event, new) if event else None,
            "default_webhook": None if (default := options.get("default_webhook")) is None else raw(default),
            "mode": mode,
            "lends_place": lends_place(new),
            # by Redis's own clock, as leases are: a host whose clock is behind would wake its jobs at once, again and again
            "wake_in_ms": None if park_until_ms is None else max(0, park_until_ms - now_ms),
        }
        arguments |= token_marks(old, new, session) | time_samples(old, new, now_ms) | work.arguments()
        return arguments | self._end_arguments(old, new, now_ms) if new.ended else arguments

    def _end_arguments(self, old: Job, new: Job, now_ms: int) -> dict[str, Any]:
        return {
            "tenant_running_jobs": self._settings.tenant_running_jobs,
            "retire_at_ms": now_ms + new.retention_s * 1000,
            "session_idle_ms": int(self._settings.session_idle_s * 1000),
            "month": month_of(now_ms),
            "usage": usage_of(new),
            "batch": end_in_batch(new, now_ms),
            "outcome": outcome._asdict() if (outcome := counted_outcome(old, new)) else None,
            "run_ms": new.took_ms,
        }

    async def field(self, job_id: str, name: Literal["before", "tracks", "answered"]) -> bytes | None:
        """Read what is stored beside the record: the draft before the message, the tracks after it, or the
        Idempotency-Key (hashed) under which the answer to its submit is stored.
        """
        found: bytes | None = await self._store.ask("HGET", key("job", job_id), name)
        return found

    async def holder(self, job_id: str) -> Holder:
        """Tell who holds a job, and until when if it is not heard of."""
        (owner, crashes), until_ms = await self._store.ask_in_a_row(
            ("HMGET", key("job", job_id), "owner", "crashes"), ("ZSCORE", key("leases"), job_id)
        )
        return Holder((owner or b"").decode(), int(float(until_ms)) if until_ms else None, int(crashes or 0))

    async def renew(self, owners: dict[str, str]) -> tuple[list[str], list[str]]:
        """Heartbeat of ids held, each with its owner. Returns those that were lost and those to be canceled."""
        arguments = self._clock.for_operations() | {"owners": owners, "lease_ms": self.lease_ms}
        found = await self._store.run("renew_leases", arguments, _Renewed)
        return list(found.lost), list(found.canceling)

    async def hand_back(self, owners: dict[str, str], *, in_s: float = 0) -> None:
        """Let go of ids held, so that another worker goes on at once, or in so many seconds."""
        arguments = {"owners": owners, "in_ms": int(in_s * 1000)}
        await self._store.run("hand_back", self._clock.for_operations() | arguments, Nothing)

    async def forget(self, job_id: str) -> None:
        """Remove an ended job with all its traces; its file is to be deleted first."""
        await self._store.run("forget_job", {"id": job_id}, Nothing)


def _claim_of(found: ClaimedJob, job_id: str, owner: str) -> Claim:
    job = unpack(found.record, Job, item_id=job_id)
    return Claim(
        owner=owner,
        job=job,
        session=unpack(found.session_record or b"", Session, item_id=job.session_id),
        webhook=unpack(found.webhook, TenantWebhook, item_id=job.tenant) if found.webhook else None,
        crashes=found.crashes,
        taken_over=found.taken_over,
        left_behind=found.left_behind,
        suspected_since_ms=found.suspected_since_ms,
        stored_webhook=found.webhook or b"",
    )


def _with_token(new: Job, work: TokenWork, found: _Committed) -> Job:
    return msgspec.structs.replace(new, token_id=found.token_id) if work.take else new


def _answers(found: _Committed) -> Answers:
    taken = TakenToken(found.token_id, found.secret) if found.token_id and found.secret else None
    use = Use(found.sends, found.others) if found.sends is not None and found.others is not None else None
    return Answers(taken, use)


def _count(old: Job, new: Job) -> None:
    """Count a start or an end that was written, by whomever: a worker, an API's cancel, the sweeper."""
    if old.started_at_ms is None and new.started_at_ms is not None:
        JOB_WAIT_SECONDS.observe(max(0, new.started_at_ms - new.created_at_ms) / 1000)
    if new.ended and not old.ended:
        code = str(new.error.code) if new.error else ""
        JOBS_FINISHED.labels(new.profile, str(new.status), code).inc()
        over_ms = (new.finished_at_ms or new.created_at_ms) - new.created_at_ms
        JOB_SECONDS.labels(str(new.status), code).observe(max(0, over_ms) / 1000)


def new_write_id() -> str:
    return secrets.token_hex(8)
