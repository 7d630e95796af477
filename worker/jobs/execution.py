"""One job in this worker's hands: its record and session as last written, and the way to write the next ones."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from core.events.event import Event, event, progress_event
from core.metrics import JOBS_FINISHED, JOBS_IN_FLIGHT, STAGE_SECONDS
from core.model import transitions
from core.model.job import Job, Stage
from core.model.session import Session
from core.redaction import redacted_repr
from core.store.jobs.records import Claim
from core.store.redis.client import STORE_DOWN
from worker.backend.client import Credentials
from worker.backend.faults import BackendFault, Fault
from worker.context import WorkerContext
from worker.leases import Lease

log = logging.getLogger(__name__)

#: the pause between two tries to write while Redis is away
_AWAY_S = 0.2


@redacted_repr("job", "park_s")
class StepResult(NamedTuple):
    """What a step returns: the record to write, and whether to let go of the job until later."""

    job: Job
    session: Session | None = None
    park_s: float | None = None
    fields: Mapping[str, bytes] = MappingProxyType({})


class CancelAsked(Exception):  # noqa: N818 - it says what happened
    """The job's caller wants it stopped, while a step was under way."""


class JobExecution:
    """A claimed job. Steps read `job` and `session`; only the loop in `worker.jobs.runner` calls `commit`."""

    def __init__(self, kit: WorkerContext, claim: Claim, lease: Lease) -> None:
        self.kit = kit
        self.lease = lease
        self.job = claim.job
        self.session = claim.session
        self.webhook = claim.webhook
        self.crashes = claim.crashes
        #: the worker before us stopped in the middle of a step: what it did last is not known
        self.doubt = claim.taken_over
        #: the intent to send was written by this very run, so the message has not been sent
        self.may_send = False
        #: the token that this very run has reserved for the job
        self.token_held: str | None = None
        #: the draft before the message, as JSON, where this very run has read it
        self.before: bytes | None = None
        self.parked = False
        self._shown: Stage | None = None

    @property
    def now_ms(self) -> int:
        return self.kit.clock.now_ms()

    async def commit(self, following: StepResult) -> None:
        """Write the next record, however long Redis is away; then it is what steps see. Raises LeaseLost."""
        old, new = self.job, self._timed(following.job)
        park_until_ms = None if following.park_s is None else self._wake_ms(new, following.park_s)
        while True:
            try:
                self.job = await self.kit.jobs.commit(
                    old,
                    new,
                    owner=self.lease.owner,
                    event=self._event(old, new),
                    session=following.session,
                    park_until_ms=park_until_ms,
                    fields=following.fields,
                )
                break
            except STORE_DOWN:
                await asyncio.sleep(_AWAY_S)
        self.session = following.session or self.session
        self.parked = park_until_ms is not None
        self._count(old, self.job)

    def _timed(self, new: Job) -> Job:
        if new.stage == self.job.stage:
            return new
        return msgspec.structs.replace(new, stage_since_ms=self.now_ms if new.stage else None)

    def _wake_ms(self, new: Job, park_s: float) -> int:
        """A sleeping job wakes for its deadline."""
        return min(self.now_ms + int(park_s * 1000), max(new.deadline_ms, self.now_ms))

    def _event(self, old: Job, new: Job) -> Event | None:
        """Sleeping and counting is no news; a new stage, a new word and an end are."""
        told = (old.status, old.stage, old.message, old.wait and old.wait.reason)
        if told == (new.status, new.stage, new.message, new.wait and new.wait.reason) and old.percent == new.percent:
            return None
        return event(old, new, webhook=self.webhook, public_url=self.kit.settings.public_url, now_ms=self.now_ms)

    def _count(self, old: Job, new: Job) -> None:
        if old.stage != new.stage:
            self._show_stage(new)
        if old.stage and old.stage != new.stage and old.stage_since_ms:
            STAGE_SECONDS.labels(old.stage).observe((self.now_ms - old.stage_since_ms) / 1000)
        if new.ended:
            code = new.error.code if new.error else ""
            JOBS_FINISHED.labels(new.profile, new.status, code).inc()
            log.info("%s ended %s %s", new.id, new.status, code)

    def _show_stage(self, job: Job | None) -> None:
        """Count this job under the stage that it is in, while this process works on it."""
        if self._shown:
            JOBS_IN_FLIGHT.labels(self._shown).dec()
        self._shown = job.stage if job else None
        if self._shown:
            JOBS_IN_FLIGHT.labels(self._shown).inc()

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count the job as being worked on by this process."""
        self._show_stage(self.job)
        try:
            yield
        finally:
            self._show_stage(None)

    async def tell(self, message: str) -> None:
        """Let the caller hear, also by callback, that a long edit still works. While Redis is away nobody hears it."""
        new = transitions.progress_noted(self.job, message)
        news = progress_event(new, webhook=self.webhook, public_url=self.kit.settings.public_url, now_ms=self.now_ms)
        try:
            self.job = await self.kit.jobs.commit(self.job, new, owner=self.lease.owner, event=news)
        except STORE_DOWN:
            return

    async def refresh(self) -> None:
        """Read the record again, after its caller has written a cancel."""
        stored = await self.kit.jobs.load(self.job.id)
        self.job = stored or self.job

    async def caller_if_any(self) -> Credentials | None:
        """Open the job's token for a call. None: an operator has removed it."""
        return await self.kit.pool.caller(self.job, self.job.token_id) if self.job.token_id else None

    async def caller(self) -> Credentials:
        """Open the job's token for a call. Raises BackendFault(TOKEN_REFUSED) where an operator has removed it."""
        found = await self.caller_if_any()
        if found is None:
            raise BackendFault(Fault.TOKEN_REFUSED, call="token", detail="the token is no longer in the pool")
        return found

    def backend_session(self) -> str:
        """Name the backend's session. Raises BackendFault(SESSION_LOST) where there is none."""
        if self.session.backend_id is None:
            raise BackendFault(Fault.SESSION_LOST, call="session", detail="no session is open")
        return self.session.backend_id

    async def unless_canceled(self, step: Coroutine[Any, Any, StepResult]) -> StepResult:
        """Run a step; close whatever it has open when the caller wants the job stopped. Raises CancelAsked."""
        running = asyncio.ensure_future(step)
        asked = asyncio.ensure_future(self.lease.cancel_asked.wait())
        try:
            await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
            raise CancelAsked
        finally:
            asked.cancel()
            running.cancel()
            await asyncio.gather(running, asked, return_exceptions=True)
