"""Uploads the session's files, one at a time, then writes the intent to send the message.

The backend fetches URLs itself; only where it cannot do we fetch and upload them. After a crash nobody knows whether the
last one arrived, and a file brought twice would stand on the timeline twice.
"""

import msgspec

from core.errors import Code, Permanent, Temporary, WaitReason
from core.formats import HEAD_BYTES, format_of_content, may_be_same_file, name_as
from core.model import session as sessions
from core.model import transitions
from core.model.job import MediaRef, Sent, Stage
from core.profiles import PROFILES
from core.storage import FileMissing
from core.store.redis.codec import pack_json
from worker.backend import drafts
from worker.backend.faults import BackendFault, Fault
from worker.jobs.execution import JobExecution
from worker.jobs.settlement import take_credit_reading
from worker.jobs.step_result import StepResult
from worker.jobs.steps.answer import answer_of
from worker.outbound.download import fetch_media

_SETTLING_S = 5.0


async def upload(execution: JobExecution) -> StepResult:
    """Bring the next file; when all are there, answer, or write the intent to send, or go on to the export."""
    job, session = execution.job, execution.session
    if session.uploaded < len(session.media):
        return await _upload_next(execution)
    if answer := answer_of(job):
        return await answer(execution)
    if job.plan.message is None:
        return StepResult(transitions.moved(job, Stage.RENDERING, edited=True))
    return await _announce_message(execution)


async def _upload_next(execution: JobExecution) -> StepResult:
    """Bring the next file, unless it may be there already."""
    if execution.handover.interrupted:
        return _note_doubt(execution)
    if execution.job.upload_doubt:
        return await _resolve_doubt(execution)
    session = execution.session
    await _bring(execution, session.media[session.uploaded])
    moved = transitions.moved(execution.job, Stage.UPLOADING, faults=0)
    return StepResult(moved, sessions.uploaded(session, session.uploaded + 1))


def _note_doubt(execution: JobExecution) -> StepResult:
    """The run before this one may have uploaded the file: write that down, so that no later fault makes us forget it."""
    doubted = transitions.moved(execution.job, Stage.UPLOADING, upload_doubt=True)
    return StepResult(doubted, handover=msgspec.structs.replace(execution.handover, interrupted=False))


async def _resolve_doubt(execution: JobExecution) -> StepResult:
    """Before the first edit a new session settles whether a file is there; later the backend is asked."""
    job, session = execution.job, execution.session
    if not session.edits:
        return StepResult(transitions.restarted(job, upload_doubt=False), sessions.forgotten(session))
    state = await execution.context.backend.read_state(await execution.credentials(), execution.backend_session())
    name = session.media[session.uploaded].name
    seen = sum(
        1 for info in state.video_infos if isinstance(info, dict) and may_be_same_file(str(info.get("filename")), name)
    )
    brought = sum(1 for media in session.media[: session.uploaded] if may_be_same_file(media.name, name))
    there = session.uploaded + (1 if seen > brought else 0)
    return StepResult(transitions.moved(job, Stage.UPLOADING, upload_doubt=False), sessions.uploaded(session, there))


async def _bring(execution: JobExecution, media: MediaRef) -> None:
    if media.upload_id:
        await _send_stored(execution, media)
    else:
        await _send_url(execution, media)


async def _send_stored(execution: JobExecution, media: MediaRef) -> None:
    found = await execution.context.uploads.load(media.upload_id or "")
    if found is None or found[0].tenant != execution.job.tenant:
        raise Permanent(Code.MEDIA_UNREACHABLE, f"The upload {media.upload_id} is gone.")
    await _send_file(execution, media.name, found[0].path)


async def _send_file(execution: JobExecution, name: str, path: str) -> None:
    try:
        file = await execution.context.storage.read(path)
    except FileMissing:
        raise Permanent(Code.MEDIA_UNREACHABLE, f"The file {name} is no longer in our storage.") from None
    await execution.context.backend.upload_file(
        await execution.credentials(),
        session_id=execution.backend_session(),
        filename=name,
        size_bytes=file.size_bytes,
        chunks=file.chunks,
    )


async def _send_url(execution: JobExecution, media: MediaRef) -> None:
    """Let the backend fetch a URL; where it cannot, or does not know the file by its URL, bring it ourselves."""
    assert media.url is not None
    try:
        await execution.context.backend.upload_url(
            await execution.credentials(), session_id=execution.backend_session(), urls=[media.url]
        )
    except BackendFault as fault:
        if fault.fault not in (Fault.REFUSED, Fault.UNSUPPORTED):
            raise
        await _fetch_and_send(execution, media.url)


async def _fetch_and_send(execution: JobExecution, url: str) -> None:
    """Bring a file through our storage."""
    context = execution.context
    path = f"fetched/{execution.job.id}/{execution.session.uploaded}"
    limit = PROFILES[execution.job.profile].max_bytes
    try:
        async with fetch_media(context.outbound, url, max_bytes=limit, tenant=execution.job.tenant) as fetched:
            await context.storage.write(path, fetched.chunks)
        found = format_of_content(await context.storage.head(path, HEAD_BYTES))
        if found is None:
            raise Permanent(Code.UNSUPPORTED_MEDIA, f"The file {fetched.filename} is none of the supported formats.")
        await _send_file(execution, name_as(fetched.filename, found), path)
    finally:
        await context.storage.delete(path)


async def _announce_message(execution: JobExecution) -> StepResult:
    """Write down the draft and the balance as they are, and that the message goes out next."""
    reading = await take_credit_reading(execution)
    if execution.session.settling_until_ms > execution.now_ms and not reading.at_rest:
        raise Temporary(WaitReason.SESSION_BUSY, delay_s=_SETTLING_S)
    state = await execution.context.backend.read_state(await execution.credentials(), execution.backend_session())
    sent = Sent(
        at_ms=execution.now_ms,
        before=drafts.fingerprint(state.draft),
        credits_total=reading.total,
        alone_at=reading.alone_at,
    )
    draft_before = pack_json(state.draft)
    return StepResult(
        transitions.sending(execution.job, sent=sent),
        msgspec.structs.replace(execution.session, settling_until_ms=0),
        fields={"before": draft_before},
        handover=msgspec.structs.replace(execution.handover, draft_before=draft_before),
    )
