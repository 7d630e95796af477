"""The message: sent once, listened to until the backend closes the stream.

Only a run that has itself just written the intent may send. Whoever finds an intent reads the state instead.
"""

import asyncio

from core.clock import stopwatch_s
from core.metrics import SILENT_EDITS
from core.model import transitions
from worker.backend.client import Credentials
from worker.backend.events import Heartbeat, StreamEvent
from worker.backend.faults import BackendFault
from worker.backend.transcript import Transcript
from worker.jobs.execution import JobExecution, StepResult
from worker.jobs.steps.confirm import confirm, with_reply

STILL_WORKING = "⏳ Still working..."


async def edit(work: JobExecution) -> StepResult:
    """Send the message and take in what comes; then find out what it did."""
    if not work.may_send:
        return StepResult(transitions.confirmation_needed(work.job, now_ms=work.now_ms))
    caller, session_id = await work.caller(), work.backend_session()
    await work.kit.leases.assure(work.lease)
    work.may_send = False
    work.lease.streaming = True
    try:
        transcript = await _conversation(work, caller, session_id)
    finally:
        work.lease.streaming = False
    return await _understood(work, transcript)


async def _understood(work: JobExecution, transcript: Transcript | None) -> StepResult:
    """Find out what the message did. From here on a fault of another call must not look like a refused message."""
    if transcript is None or transcript.error:
        return StepResult(transitions.confirmation_needed(work.job, now_ms=work.now_ms))
    if not transcript.text:
        SILENT_EDITS.inc()
    try:
        return await confirm(work, transcript.text)
    except BackendFault:
        job = with_reply(work.job, transcript.text)
        return StepResult(transitions.confirmation_needed(job, now_ms=work.now_ms, spoke=job.reply is not None))


async def _conversation(work: JobExecution, caller: Credentials, session_id: str) -> Transcript | None:
    """Listen until the stream closes. None: it said nothing for too long, or would not end."""
    transcript, settings = Transcript(), work.kit.settings
    text = work.job.plan.message
    assert text is not None
    try:
        async with (
            asyncio.timeout(settings.stream_limit_s),
            work.kit.backend.message(
                caller, session_id=session_id, text=text, silence_s=settings.stream_quiet_s
            ) as events,
        ):
            listener = _Listener(work, transcript)
            async for event in events:
                if not await listener.hears(event):
                    return None
    except TimeoutError:
        return None
    return transcript


class _Listener:
    """Keeps the time of one stream: when something was last said, and when the caller last heard of it."""

    def __init__(self, work: JobExecution, transcript: Transcript) -> None:
        self._work = work
        self._transcript = transcript
        self._said_s = self._told_s = stopwatch_s()

    async def hears(self, event: StreamEvent) -> bool:
        """Take one event in. False: heartbeats alone for too long."""
        now_s, settings = stopwatch_s(), self._work.kit.settings
        if isinstance(event, Heartbeat):
            if now_s - self._said_s > settings.stream_quiet_s:
                return False
            if now_s - self._told_s > settings.still_working_s:
                self._told_s = now_s
                await self._work.tell(STILL_WORKING)
            return True
        self._said_s = now_s
        self._transcript.add(event)
        return True
