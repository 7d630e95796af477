"""The session's files, one at a time, then the intent to send.

The backend fetches URLs itself; only where it cannot do we fetch and upload them. After a crash nobody knows whether the
last one arrived, and a file brought twice would stand on the timeline twice.
"""

import msgspec

from core.errors import Code, Permanent, Temporary, WaitReason
from core.formats import format_of_content
from core.model import session as sessions
from core.model import transitions
from core.model.job import MediaRef, Sent, Stage
from core.profiles import PROFILES
from core.storage import FileMissing
from core.store.redis.codec import pack_json
from worker.backend import drafts
from worker.backend.faults import BackendFault, Fault
from worker.jobs.execution import JobExecution, StepResult
from worker.jobs.steps.answer import answer_of
from worker.jobs.steps.settlement import witness
from worker.outbound.download import fetch_media

_HEAD_BYTES = 4096
_SETTLING_S = 5.0


async def upload(work: JobExecution) -> StepResult:
    """Bring the next file; when all are there, answer, or write the intent to send, or go on to the export."""
    job, session = work.job, work.session
    if session.uploaded < len(session.media):
        if work.doubt or job.upload_doubt:
            return await _begin_again(work)
        return await _bring(work, session.media[session.uploaded])
    if answer := answer_of(job):
        return await answer(work)
    if job.plan.message is None:
        return StepResult(transitions.moved(job, Stage.RENDERING, edited=True))
    return await _intend(work)


async def _begin_again(work: JobExecution) -> StepResult:
    """An upload may be there or not. Before the first edit a new session settles it; later the backend is asked."""
    work.doubt = False
    job, session = work.job, work.session
    if not session.edits:
        return StepResult(transitions.restarted(job, upload_doubt=False), sessions.forgotten(session))
    state = await work.kit.backend.state(await work.caller(), work.backend_session())
    name = session.media[session.uploaded].name
    seen = sum(1 for info in state.video_infos if isinstance(info, dict) and info.get("filename") == name)
    brought = sum(1 for media in session.media[: session.uploaded] if media.name == name)
    there = session.uploaded + (1 if seen > brought else 0)
    return StepResult(transitions.moved(job, Stage.UPLOADING, upload_doubt=False), sessions.uploaded(session, there))


async def _bring(work: JobExecution, media: MediaRef) -> StepResult:
    if media.upload_id:
        await _send_stored(work, media)
    else:
        await _send_url(work, media)
    brought = sessions.uploaded(work.session, work.session.uploaded + 1)
    return StepResult(transitions.moved(work.job, Stage.UPLOADING, faults=0), brought)


async def _send_stored(work: JobExecution, media: MediaRef) -> None:
    found = await work.kit.uploads.load(media.upload_id or "")
    if found is None or found[0].tenant != work.job.tenant:
        raise Permanent(Code.MEDIA_UNREACHABLE, f"The upload {media.upload_id} is gone.")
    await _send_file(work, media.name, found[0].path)


async def _send_file(work: JobExecution, name: str, path: str) -> None:
    try:
        file = await work.kit.storage.read(path)
    except FileMissing:
        raise Permanent(Code.MEDIA_UNREACHABLE, f"The file {name} is no longer in our storage.") from None
    await work.kit.backend.upload_file(
        await work.caller(),
        session_id=work.backend_session(),
        filename=name,
        size_bytes=file.size_bytes,
        chunks=file.chunks,
    )


async def _send_url(work: JobExecution, media: MediaRef) -> None:
    assert media.url is not None
    try:
        await work.kit.backend.upload_url(await work.caller(), session_id=work.backend_session(), urls=[media.url])
    except BackendFault as fault:
        if fault.fault not in (Fault.REFUSED, Fault.UNSUPPORTED):
            raise
        await _fetch_and_send(work, media)


async def _fetch_and_send(work: JobExecution, media: MediaRef) -> None:
    """Bring a file through our storage: the backend could not fetch it, or did not know it by its URL."""
    assert media.url is not None
    path = f"fetched/{work.job.id}/{work.session.uploaded}"
    limit = PROFILES[work.job.profile].max_bytes
    try:
        async with fetch_media(work.kit.outside, media.url, max_bytes=limit) as fetched:
            await work.kit.storage.write(path, fetched.chunks)
        if format_of_content(await work.kit.storage.head(path, _HEAD_BYTES)) is None:
            raise Permanent(Code.UNSUPPORTED_MEDIA, f"The file {fetched.filename} is none of the supported formats.")
        await _send_file(work, fetched.filename, path)
    finally:
        await work.kit.storage.delete(path)


async def _intend(work: JobExecution) -> StepResult:
    """Write down the draft and the balance as they are, and that the message goes out next."""
    now = await witness(work)
    if work.session.settling_until_ms > work.now_ms and not now.at_rest:
        raise Temporary(WaitReason.SESSION_BUSY, delay_s=_SETTLING_S)
    state = await work.kit.backend.state(await work.caller(), work.backend_session())
    sent = Sent(
        at_ms=work.now_ms, before=drafts.fingerprint(state.draft), credits_total=now.total, alone_at=now.alone_at
    )
    work.may_send = True
    work.before = pack_json(state.draft)
    session = msgspec.structs.replace(work.session, settling_until_ms=0)
    return StepResult(transitions.sending(work.job, sent=sent), session, fields={"before": work.before})
