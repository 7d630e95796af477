"""Sends the message, once, and listens until the backend closes the stream; what it said is written down, then looked after.

Only the run that has itself just written the intent may send. Whoever finds an intent reads the state instead, and whoever
finds what a stream has shown goes on from there.
"""

import asyncio
from typing import NamedTuple

from core.clock import stopwatch_s
from core.logs import get_logger
from core.metrics import SILENT_EDITS
from core.model import transitions
from core.model.job import Job
from core.security.redacted_repr import redacted_repr
from core.store.redis.client import STORE_DOWN
from worker.backend import gui_talk
from worker.backend.client import Credentials
from worker.backend.events import Heartbeat, StreamEvent
from worker.backend.faults import BackendFault, Fault
from worker.backend.transcript import Transcript
from worker.jobs.deadline import require_time_to_edit
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult
from worker.jobs.steps.confirm import confirm

log = get_logger(__name__)

_STILL_WORKING = "⏳ Still working..."


@redacted_repr("tools_ran", "closed", "complained")
class StreamOutcome(NamedTuple):
    """What a message's stream has shown. `text`: all that the backend said."""

    text: str
    #: a tool gave a result that is no error
    tools_ran: bool
    #: the stream closed by itself, and told of no fault
    closed: bool
    #: tools were called, and of none it was told what it gave
    kept_results_back: bool = False
    #: its answer was an error, or its stream told of one
    complained: bool = False


async def edit(execution: JobExecution) -> StepResult:
    """Send the message and take in what comes, or find out what it did."""
    if execution.job.recovery:
        return await _confirm_or_recover(execution)
    if not execution.handover.may_send:
        return StepResult(transitions.confirmation_needed(execution.job, now_ms=execution.now_ms))
    credentials, session_id = await execution.credentials(), execution.backend_session()
    await execution.context.leases.ensure_held(execution.lease)
    # to write the intent may have taken as long as Redis was away
    require_time_to_edit(execution.job, now_ms=execution.now_ms)
    execution.give_up_permission()
    heard = await _send(execution, credentials, session_id)
    return StepResult(_written_down(execution.job, heard, now_ms=execution.now_ms))


def _written_down(job: Job, heard: StreamOutcome, *, now_ms: int) -> Job:
    """Keep what a stream has shown: of one that broke off that tools ran, of one that closed what it said as well."""
    if not heard.closed:
        return transitions.confirmation_needed(
            job, now_ms=now_ms, tools_ran=heard.tools_ran, complained=heard.complained
        )
    if not heard.text:
        SILENT_EDITS.inc()
    said = gui_talk.translate(heard.text)
    answered = transitions.answered(job, reply=said.text) if said.text else job
    # a tool without a result may be the one that asks
    ran = heard.tools_ran or (heard.kept_results_back and not gui_talk.is_question(said.text))
    return transitions.stream_closed(
        answered,
        now_ms=now_ms,
        spoke=bool(heard.text) or ran,
        tools_ran=ran,
        asked_for_credits="credits" in said.actions,
        complained=heard.complained,
    )


async def _confirm_or_recover(execution: JobExecution) -> StepResult:
    """Find out what the message did. From here on a fault of another call must not look like a refused message."""
    try:
        return await confirm(execution)
    except (BackendFault, *STORE_DOWN):
        unsure = transitions.confirmation_needed(execution.job, now_ms=execution.now_ms)
        return StepResult(unsure, park_s=execution.context.settings.backoff_s)


async def _send(execution: JobExecution, credentials: Credentials, session_id: str) -> StreamOutcome:
    """Send, and listen until the stream closes, or says nothing for too long, or would not end."""
    transcript, settings = Transcript(), execution.context.settings
    text = execution.job.plan.message
    assert text is not None
    closed = complained = False
    try:
        async with (
            asyncio.timeout(settings.stream_limit_s),
            execution.context.backend.send_message(
                credentials, session_id=session_id, text=text, silence_s=settings.stream_quiet_s
            ) as events,
        ):
            listener = _Listener(execution, transcript)
            async for event in events:
                await listener.add(event)
        closed = transcript.error is None
    except TimeoutError:
        pass
    except BackendFault as fault:
        if not fault.maybe_done:
            raise
        log.info("the message's stream broke off", fault=str(fault))
        if fault.fault is Fault.REFUSED:  # what it says may be all that comes, as a stream's words may
            return StreamOutcome(fault.detail, tools_ran=False, closed=True, complained=True)
        complained = fault.by_backend
    ran, complained = bool(transcript.tools_ran), complained or transcript.error is not None
    return StreamOutcome(transcript.text, ran, closed, transcript.kept_results_back, complained)


class _Listener:
    """Keeps the time of one stream: when something was last said, and when the caller last heard of it."""

    def __init__(self, execution: JobExecution, transcript: Transcript) -> None:
        self._execution = execution
        self._transcript = transcript
        self._said_s = self._reported_s = stopwatch_s()

    async def add(self, event: StreamEvent) -> None:
        """Take one event in. Raises TimeoutError after heartbeats alone for too long."""
        settings, now_s = self._execution.context.settings, stopwatch_s()
        if not isinstance(event, Heartbeat):
            self._said_s = now_s
            self._transcript.add(event)
        elif now_s - self._said_s > settings.stream_quiet_s:
            raise TimeoutError
        await self._report(now_s)

    async def _report(self, now_s: float) -> None:
        settings = self._execution.context.settings
        if now_s - self._reported_s > settings.still_working_s:
            self._reported_s = now_s
            await self._execution.report_progress(_STILL_WORKING)
