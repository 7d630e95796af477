"""One job in this worker's hands: its record and session as last written, and the way to write the next ones."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import msgspec

from core.events.event import Event, event, progress_event
from core.logs import get_logger
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Stage
from core.model.session import Session
from core.store.jobs.records import Claim, CommitOptions, DefaultWebhookChanged, TokenShared, new_write_id
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import unpack_json
from core.store.token_work import Answers
from worker.backend import drafts
from worker.backend.client import Credentials
from worker.backend.faults import NO_SUCH_STATE, BackendFault, Fault
from worker.backend.responses import NO_STATE, State
from worker.context import WorkerContext
from worker.jobs.metrics import JobGauge, count_stage
from worker.jobs.retry_policy import tries_of
from worker.jobs.step_result import Handover, StepResult
from worker.leases import Lease
from worker.redis_outage import until_redis_answers

log = get_logger(__name__)

T = TypeVar("T")

#: the fingerprint of a state in which there is nothing
_NOTHING_THERE = drafts.state_fingerprint(NO_STATE.content, uploads=0)
#: after so many answers without a state in them the next one is believed: there is none yet
_NOTHINGS_BELIEVED = 2
#: so it is with pages that say so, for longer: it takes a quarter of a minute
_PAGES_BELIEVED = 4


class CancelAsked(Exception):  # noqa: N818 - it says what happened
    """The job's caller wants it stopped, while a step was under way."""


class JobExecution:
    """A claimed job. Steps read `job`, `session` and `handover`; only the loop in `worker.jobs.runner` calls `commit`."""

    def __init__(self, context: WorkerContext, claim: Claim, lease: Lease) -> None:
        self.context = context
        self.lease = lease
        self._attempts = claim.job.attempts + (claim.left_behind and claim.job.attempts > 0)
        self.job = transitions.waited_until_now(self._counted(claim.job), now_ms=self.now_ms)
        self.session = claim.session
        self._webhook, self._stored_webhook = claim.webhook, claim.stored_webhook
        self.crashes = claim.crashes
        self.handover = Handover(interrupted=claim.taken_over)
        self.parked = False
        #: the message's bytes went out in this run, or may have
        self.has_sent = False
        self._gauge = JobGauge()

    @property
    def now_ms(self) -> int:
        return self.context.clock.now_ms()

    async def commit(self, result: StepResult) -> None:
        """Write the next record, however long Redis is away; then it is what steps see. Raises LeaseLost.

        Where another job has used the token, from which the record says what the message has cost, nothing is written, and
        the step is done again, which asks first.
        """
        old, new = self.job, transitions.moved_on(self.job, self._with_stage_time(result.job))
        result = result._replace(session=self._session_after(new, result.session))
        self.lease.streaming |= _is_intent(old, new)
        try:
            self.job, answers = await self._by_present_webhook(lambda: self._write(old, new, result))
        except TokenShared:
            self.handover = msgspec.structs.replace(self.handover, use=None)
            return
        self.session = result.session or self.session
        self.parked = result.park_s is not None
        self.handover = self._handed_over(old, result, answers)
        self.lease.streaming = self.handover.may_send
        self._count(old)

    def _session_after(self, new: Job, changed: Session | None) -> Session | None:
        """Say how the session stands behind this record. None: as it stood."""
        session = changed or self.session
        left = sessions.left(session, new) if new.ended else session
        return changed if left is session else left

    async def _write(self, old: Job, new: Job, result: StepResult) -> tuple[Job, Answers]:
        """Write a record with what belongs beside it, all of it made once, however often it has to be sent."""
        work = result.token_work._replace(use_of=_token_to_watch(old, new, result.session or self.session))
        news = self._event(old, new)
        options: CommitOptions = {
            "owner": self.lease.owner,
            "event": news,
            "retold": self._event,
            # a stage is told to readers alone
            "default_webhook": self._default_relied_on if news and news.type != "job.progress" else None,
            "session": result.session,
            "park_until_ms": None if result.park_s is None else self._wake_ms(new, result.park_s),
            "fields": result.fields,
            "write_id": new_write_id(),
        }
        return await until_redis_answers(lambda: self.context.jobs.commit_with_token(old, new, work, **options))

    async def _by_present_webhook(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write what tells of the job; again where the tenant has another default webhook than is known here."""
        while True:
            try:
                return await write()
            except DefaultWebhookChanged as changed:
                self._webhook, self._stored_webhook = changed.webhook, changed.stored

    @property
    def _default_relied_on(self) -> bytes | None:
        """The default webhook that callbacks are made for. None: the job has one of its own."""
        return None if self.job.webhook else self._stored_webhook

    def _handed_over(self, old: Job, result: StepResult, answers: Answers) -> Handover:
        """Say what the next step knows of this one, and of what the commit was told."""
        handover = result.handover or self.handover
        if answers.taken:
            self.context.token_pool.reservations.note_taken(answers.taken)
            handover = msgspec.structs.replace(handover, reserved_token_id=answers.taken.token_id)
        return msgspec.structs.replace(handover, may_send=_is_intent(old, self.job), use=answers.use)

    @property
    def job_without_unsent(self) -> Job:
        """The record without a message that was announced and not sent: of that nobody is to think that it may be out."""
        return transitions.message_withheld(self.job) if self.handover.may_send else self.job

    def give_up_permission(self) -> None:
        """The message's bytes go out now: nobody may send them again, whatever comes of it."""
        self.handover, self.has_sent = msgspec.structs.replace(self.handover, may_send=False), True

    def _counted(self, job: Job) -> Job:
        """Count in a record as it was read, where the worker before was lost at it, that it is begun once more: the next write says so."""
        return msgspec.structs.replace(job, attempts=max(job.attempts, self._attempts))

    def _with_stage_time(self, new: Job) -> Job:
        if new.stage == self.job.stage:
            return new
        return msgspec.structs.replace(new, stage_since_ms=self.now_ms if new.stage else None)

    def _wake_ms(self, new: Job, park_s: float) -> int:
        """A sleeping job wakes for its deadline."""
        return min(self.now_ms + int(park_s * 1000), max(new.deadline_ms, self.now_ms))

    def _event(self, old: Job, new: Job) -> Event | None:
        """Sleeping and counting is no news; a new stage, a new word and an end are."""
        if _shown(old) == _shown(new):
            return None
        public_url = self.context.settings.public_url
        return event(old, new, webhook=self._webhook, public_url=public_url, now_ms=self.now_ms)

    def _count(self, old: Job) -> None:
        if old.stage != self.job.stage:
            self._gauge.show(self.job.stage)
        count_stage(old, self.job, now_ms=self.now_ms)
        if self.job.ended:
            code = str(self.job.error.code) if self.job.error else None
            log.info("job ended", status=str(self.job.status), code=code)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count the job as being worked on by this process."""
        self._gauge.show(self.job.stage)
        try:
            yield
        finally:
            self._gauge.show(None)

    async def report_progress(self, message: str) -> None:
        """Let the caller hear, also by callback, that a long edit still works. While Redis is away nobody hears it."""
        with suppress(*STORE_DOWN):
            await self._by_present_webhook(lambda: self._write_progress(message))

    async def _write_progress(self, message: str) -> None:
        new = transitions.progress_noted(self.job, message)
        options: CommitOptions = {
            "owner": self.lease.owner,
            "event": self._progress_event(self.job, new),
            "retold": self._progress_event,
            "default_webhook": self._default_relied_on,
        }
        self.job = await self.context.jobs.commit(self.job, new, **options)

    def _progress_event(self, _: Job, new: Job) -> Event:
        public_url = self.context.settings.public_url
        return progress_event(new, webhook=self._webhook, public_url=public_url, now_ms=self.now_ms)

    async def reload(self) -> None:
        """Read the record again, after its caller has written a cancel."""
        stored = await self.context.jobs.load(self.job.id)
        self.job = self._counted(stored or self.job)

    def note_cut_step(self) -> None:
        """A step of the job was cut off: a file that it was bringing may be there or not."""
        if self.job.stage is Stage.UPLOADING and self.session.uploaded < len(self.session.media):
            self.job = transitions.upload_interrupted(self.job)

    async def find_credentials(self) -> Credentials | None:
        """Open the job's token for a call. None: it has none, or an operator has removed it."""
        job = self.job
        if job.token_id is None:
            return None
        return await self.context.token_pool.credentials(
            job.token_id, profile=job.profile, traceparent=job.traceparent, job_id=job.id
        )

    async def credentials(self) -> Credentials:
        """Open the job's token for a call. Raises BackendFault(TOKEN_REFUSED) where an operator has removed it."""
        found = await self.find_credentials()
        if found is None:
            raise BackendFault(Fault.TOKEN_REFUSED, call="token", detail="the token is no longer in the pool")
        return found

    def backend_session(self) -> str:
        """Name the backend's session. Raises BackendFault(SESSION_LOST) where there is none."""
        if self.session.backend_id is None:
            raise BackendFault(Fault.SESSION_LOST, call="session", detail="no session is open")
        return self.session.backend_id

    async def read_state(self) -> State:
        """Read the session's state; a session in which nothing can be seen yet may have none. Raises BackendFault."""
        credentials = await self.credentials()
        try:
            state = await self.context.backend.read_state(credentials, self.backend_session())
        except BackendFault as fault:
            if not self._may_lack_state or not self._says_no_state(fault):
                raise
            if fault.fault is Fault.BROKEN:  # where other calls get such a page as well, it says nothing of the state
                await self.context.backend.read_credits(credentials)
            state = NO_STATE
        self.session = sessions.of_task(sessions.of_user(self.session, state.user_id), state.task_id)
        return state

    async def draft_before(self) -> Any:
        """The draft before the message, from this run's own hand or as the run that sent it wrote it down."""
        return unpack_json(self.handover.draft_before or await self.context.jobs.field(self.job.id, "before"))

    @property
    def _may_lack_state(self) -> bool:
        """Whether a state that is missing is an empty one: no edit was seen, and there was nothing before the message."""
        job, sent = self.job, self.job.sent
        if sent is None:
            return not self.session.edits
        is_unseen = job.edited and not job.changes
        return sent.state == _NOTHING_THERE and (is_unseen or not self.session.edits)

    def _says_no_state(self, fault: BackendFault) -> bool:
        """Whether a fault may be a fresh session's: where the session itself is gone, the next call says so.

        An answer that holds nothing may be a slip, and what is in the session is what the edit is told by: before the
        message it must come again and again. So it is with a code for a session that is gone: it comes of a third new one.
        A page may be of somebody before the backend, who lets the next call through: it must come for longer, and for
        the state alone.
        """
        tries = tries_of(fault, self.job)
        again = tries >= _NOTHINGS_BELIEVED
        if fault.fault is Fault.NOTHING_TOLD:
            return self.job.sent is not None or again
        if fault.fault is Fault.BROKEN:
            return fault.status in NO_SUCH_STATE and tries >= _PAGES_BELIEVED
        if fault.fault is Fault.SESSION_LOST and self.job.sent is None and again:
            return True
        return fault.fault is Fault.NO_STATE or (fault.fault is Fault.SESSION_LOST and fault.code in (None, 404))

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


def _is_intent(old: Job, new: Job) -> bool:
    """Whether this very commit announced the message, so that the run which made it, and no other, may send it."""
    return new.stage is Stage.EDITING and new.sent is not None and old.sent is None


def _token_to_watch(old: Job, new: Job, session: Session) -> str | None:
    """Name the token of which the next step must know who uses it: it reads a balance, before the message or after it."""
    sends_next = new.stage is Stage.UPLOADING and session.uploaded == len(session.media)
    confirms_next = new.stage is Stage.EDITING and not _is_intent(old, new)
    return new.token_id if (sends_next or confirms_next) and not new.ended else None


def _shown(job: Job) -> tuple[object, ...]:
    """What callers would hear of."""
    return job.status, job.stage, job.message, job.wait and job.wait.reason, job.percent
