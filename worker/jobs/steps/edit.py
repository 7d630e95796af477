"""Sends the message, once, and listens until the backend closes the stream.

Only the run that has itself just written the intent may send. Whoever finds an intent reads the state instead.
"""

import asyncio

from core.clock import stopwatch_s
from core.metrics import SILENT_EDITS
from core.model import transitions
from worker.backend.client import Credentials
from worker.backend.events import Heartbeat, StreamEvent
from worker.backend.faults import BackendFault
from worker.backend.transcript import Transcript
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult
from worker.jobs.steps.confirm import confirm, with_reply

_STILL_WORKING = "⏳ Still working..."


async def edit(execution: JobExecution) -> StepResult:
    """Send the message and take in what comes; then find out what it did."""
    if not execution.handover.may_send:
        return StepResult(transitions.confirmation_needed(execution.job, now_ms=execution.now_ms))
    credentials, session_id = await execution.credentials(), execution.backend_session()
    await execution.context.leases.ensure_held(execution.lease)
    execution.give_up_permission()
    execution.lease.streaming = True
    try:
        transcript = await _send(execution, credentials, session_id)
    finally:
        execution.lease.streaming = False
    return await _confirm_or_recover(execution, transcript)


async def _confirm_or_recover(execution: JobExecution, transcript: Transcript | None) -> StepResult:
    """Find out what the message did. From here on a fault of another call must not look like a refused message."""
    if transcript is None or transcript.error:
        return StepResult(transitions.confirmation_needed(execution.job, now_ms=execution.now_ms))
    if not transcript.text:
        SILENT_EDITS.inc()
    try:
        return await confirm(execution, transcript.text)
    except BackendFault:
        job = with_reply(execution.job, transcript.text)
        return StepResult(transitions.confirmation_needed(job, now_ms=execution.now_ms, spoke=job.reply is not None))


async def _send(execution: JobExecution, credentials: Credentials, session_id: str) -> Transcript | None:
    """Send, and listen until the stream closes. None: it said nothing for too long, or would not end."""
    transcript, settings = Transcript(), execution.context.settings
    text = execution.job.plan.message
    assert text is not None
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
    except TimeoutError:
        return None
    return transcript


class _Listener:
    """Keeps the time of one stream: when something was last said, and when the caller last heard of it."""

    def __init__(self, execution: JobExecution, transcript: Transcript) -> None:
        self._execution = execution
        self._transcript = transcript
        self._said_s = self._reported_s = stopwatch_s()

    async def add(self, event: StreamEvent) -> None:
        """Take one event in. Raises TimeoutError after heartbeats alone for too long."""
        if isinstance(event, Heartbeat):
            await self._note_heartbeat(stopwatch_s())
        else:
            self._said_s = stopwatch_s()
            self._transcript.add(event)

    async def _note_heartbeat(self, now_s: float) -> None:
        settings = self._execution.context.settings
        if now_s - self._said_s > settings.stream_quiet_s:
            raise TimeoutError
        if now_s - self._reported_s > settings.still_working_s:
            self._reported_s = now_s
            await self._execution.report_progress(_STILL_WORKING)
