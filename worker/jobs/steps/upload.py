"""Uploads the session's files, one at a time; when all are there, says what comes next.

The backend fetches URLs itself; only where it cannot, or does not say that it has, do we fetch and upload them. A file that
it does not say it has is looked for in the session's state, since one brought twice would stand on the timeline twice; so
is one of which nobody knows after a crash whether it arrived.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import msgspec

from core.errors import Code, Permanent
from core.media.formats import HEAD_BYTES, format_of_content, format_of_name, name_as
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, MediaRef, Stage, Status
from core.profiles import PROFILES
from core.storage.errors import FileMissing, StorageDown
from core.storage.job_files import discard_file, new_fetched_path
from core.store.redis.client import STORE_DOWN
from worker.backend.faults import PASSING, BackendFault, Fault
from worker.backend.responses import UploadAnswer
from worker.jobs.execution import JobExecution
from worker.jobs.retry_policy import MEDIA, TRIES, repeat_s, tries_after_upload, tries_of
from worker.jobs.step_result import StepResult
from worker.jobs.steps.announce import announce_message
from worker.jobs.steps.answer import answer_of
from worker.jobs.steps.file_in_doubt import count_file_in_doubt, is_there
from worker.jobs.steps.new_render import first_render
from worker.outbound.download import Fetched, MediaAway, fetch_media

#: a file whose server is away is fetched so often, a quarter of a minute from first to last
_FETCHES = 4
#: after so many errors of the backend's own at a URL, the next one is taken to be about the URL; and after more pages of a
#: proxy, or silences, which is what becomes of a URL that takes the backend too long, as long as a session can be opened
_ERRORS_AT_URL, _BREAKS_AT_URL = 2, TRIES
#: a silence is 300 s long: six of them are all the time that a job has by default, of which so large a part is left for the bytes
_TIME_FOR_BYTES = 2 / 3
#: what the code beside a file means that was not taken
_FAULTS = {4001: Fault.UNSUPPORTED, 4002: Fault.TOO_LARGE}


async def upload(execution: JobExecution) -> StepResult:
    """Bring the next file; when all are there, answer, or write the intent to send, or go on to the export."""
    job, session = execution.job, execution.session
    if session.uploaded < len(session.media):
        return await _upload_next(execution)
    if answer := answer_of(job):
        return await answer(execution)
    if job.plan.message is None:
        named = first_render(now_ms=execution.now_ms)
        return StepResult(transitions.moved(job, Stage.RENDERING, edited=True, render=named))
    return await announce_message(execution)


async def _upload_next(execution: JobExecution) -> StepResult:
    """Bring the next file, unless it may be there already."""
    if execution.handover.interrupted:
        return _note_in_doubt(execution)
    if execution.job.upload_in_doubt:
        return await _resolve_in_doubt(execution)
    media = execution.session.media[execution.session.uploaded]
    await execution.context.leases.ensure_held(execution.lease)
    try:
        if name := await _name_to_note(execution, media):
            return StepResult(
                transitions.moved(execution.job, Stage.UPLOADING), sessions.next_named(execution.session, name)
            )
        answer = await _bring(execution, media)
    except MediaAway as away:
        return _fetch_later(execution, away)
    if answer.brought or await _has_arrived(execution, media, answer):
        return _count_brought(execution)
    return _bring_otherwise(execution, media, answer)


def _count_brought(execution: JobExecution) -> StepResult:
    job, session = execution.job, sessions.uploaded(execution.session, execution.session.uploaded + 1)
    tries = tries_after_upload(job, last=session.uploaded == len(session.media))
    return StepResult(transitions.moved(job, Stage.UPLOADING, tries=tries), session)


def _fetch_later(execution: JobExecution, away: MediaAway) -> StepResult:
    """Fetch a caller's file again: nothing of it has gone to the backend. Raises MediaAway once that was tried some times."""
    job = execution.job
    if job.status is Status.CANCELING or job.tries.get(MEDIA, 0) >= _FETCHES - 1:
        raise away
    pause_s = repeat_s(job, execution.context.settings, after=MEDIA)
    return StepResult(transitions.trying_again(job, after=MEDIA), park_s=pause_s)


async def _has_arrived(execution: JobExecution, media: MediaRef, answer: UploadAnswer) -> bool:
    """Ask the session whether it has a file, of which the upload's answer does not say so."""
    try:
        state = await execution.read_state()
    except BackendFault as fault:
        missing = fault.fault is Fault.NOTHING_TOLD and not execution.session.edits
        if missing or fault.fault in (Fault.REFUSED, Fault.NO_STATE):
            return False
        # who goes on with another token, on this session, must not forget that the file may be there
        raise _unbelieved() if fault.fault in PASSING or fault.fault is Fault.TOKEN_REFUSED else fault from None
    except STORE_DOWN:  # nor who does this step again once Redis answers
        raise _unbelieved() from None
    names = {media.name, *(file.filename for file in answer.files if file.filename)}
    return is_there(execution.session, state, names)


def _bring_otherwise(execution: JobExecution, media: MediaRef, answer: UploadAnswer) -> StepResult:
    """Bring by its bytes what a URL did not bring; in a new session, where the file might yet come by the URL too.

    Raises BackendFault where there is no other way.
    """
    job, session = execution.job, execution.session
    refused = answer.refused
    fault = _FAULTS.get(refused.code or 0, Fault.REFUSED) if refused else Fault.BROKEN
    if media.url is None or media.by_bytes or fault is Fault.TOO_LARGE:
        raise BackendFault(fault, call="upload", detail=refused.error or "") if refused else _unbelieved(answered=True)
    by_bytes = sessions.brought_by_bytes(session)
    if answer.says_no or session.edits:
        return StepResult(transitions.moved(job, Stage.UPLOADING), by_bytes)
    return StepResult(transitions.restarted(job), sessions.forgotten(by_bytes))


def _unbelieved(*, answered: bool = False) -> BackendFault:
    """`answered`: it has all been said, by the upload's answer and by the session's state."""
    words = "The backend took a file, and does not say that it has it."
    return BackendFault(Fault.BROKEN, call="upload", detail=words, says_no_more=answered)


def _note_in_doubt(execution: JobExecution) -> StepResult:
    """The run before this one may have uploaded the file: write that down, so that no later fault makes us forget it."""
    doubted = transitions.moved(execution.job, Stage.UPLOADING, upload_in_doubt=True)
    return StepResult(doubted, handover=msgspec.structs.replace(execution.handover, interrupted=False))


async def _resolve_in_doubt(execution: JobExecution) -> StepResult:
    """Before the first edit a new session settles whether a file is there; later the backend is asked."""
    job, session = execution.job, execution.session
    if not session.edits:
        return StepResult(transitions.restarted(job, upload_in_doubt=False), sessions.forgotten(session))
    return StepResult(
        transitions.moved(job, Stage.UPLOADING, upload_in_doubt=False), await count_file_in_doubt(execution)
    )


async def _name_to_note(execution: JobExecution, media: MediaRef) -> str | None:
    """Ask a file's server for its name where its URL says none; None: it is known, or nobody will look for it by that.

    In a session with an edit a file of which nobody knows whether it came is looked for by its name: that is written down first.
    """
    if not (media.by_bytes and media.url and execution.session.edits) or format_of_name(media.name):
        return None
    async with _fetched(execution, media.url) as fetched:
        return fetched.filename if format_of_name(fetched.filename) else None


async def _bring(execution: JobExecution, media: MediaRef) -> UploadAnswer:
    if media.upload_id:
        return await _send_stored(execution, media)
    assert media.url is not None
    return await (_fetch_and_send(execution, media) if media.by_bytes else _send_url(execution, media.url))


async def _send_stored(execution: JobExecution, media: MediaRef) -> UploadAnswer:
    found = await execution.context.uploads.load(media.upload_id or "")
    if found is None or found[0].tenant != execution.job.tenant:
        raise Permanent(Code.MEDIA_UNREACHABLE, f"The upload {media.upload_id} is gone.")
    try:
        return await _send_file(execution, media.name, found[0].path, found[0].size_bytes)
    except FileMissing:
        words = f"The file {media.name} is no longer in our storage, or not all of it."
        raise Permanent(Code.MEDIA_UNREACHABLE, words) from None


async def _send_file(execution: JobExecution, name: str, path: str, size_bytes: int) -> UploadAnswer:
    """Send a file once its tenant has a place for it. Raises FileMissing, also where it goes in the middle, and StorageDown.

    One that is not as large as it was is missing, too: an edit of a half of it would be paid for.
    """
    async with AsyncExitStack() as place:
        await place.enter_async_context(execution.context.outbound.sending_places.hold(execution.job.tenant))
        await execution.context.leases.ensure_held(execution.lease)  # to fetch it, and to get a place, may take minutes
        file = await execution.context.storage.read(path)
        if file.size_bytes != size_bytes:
            raise FileMissing(path)
        return await execution.context.backend.upload_file(
            await execution.credentials(),
            session_id=execution.backend_session(),
            filename=name,
            size_bytes=size_bytes,
            chunks=_then(file.chunks, place.aclose),
        )


async def _then(chunks: AsyncIterator[bytes], at_end: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    """Pass chunks on, and say when the last one is taken: what the backend does with them may take it minutes."""
    async for chunk in chunks:
        yield chunk
    await at_end()


async def _send_url(execution: JobExecution, url: str) -> UploadAnswer:
    """Let the backend fetch a URL. That it cannot, or does not know the file by its URL, is an answer.

    So is an error that comes each time: it may be what becomes of an address that it cannot reach.
    """
    try:
        return await execution.context.backend.upload_url(
            await execution.credentials(), session_id=execution.backend_session(), urls=[url]
        )
    except BackendFault as fault:
        if fault.fault in (Fault.REFUSED, Fault.UNSUPPORTED):
            return UploadAnswer([])
        if fault.maybe_done and _is_about_url(fault, execution.job, now_ms=execution.now_ms):
            return UploadAnswer([], listed=False)
        raise


def _is_about_url(fault: BackendFault, job: Job, *, now_ms: int) -> bool:
    """Whether what breaks each time is taken to be about the URL; sooner where it takes long, since bytes need time as well."""
    left = (job.deadline_ms - now_ms) / (job.timeout_s * 1000)
    is_soon = fault.by_backend or left < _TIME_FOR_BYTES
    return tries_of(fault, job) >= (_ERRORS_AT_URL if is_soon else _BREAKS_AT_URL)


def _fetched(execution: JobExecution, url: str) -> AbstractAsyncContextManager[Fetched]:
    limit_bytes = PROFILES[execution.job.profile].max_bytes
    return fetch_media(execution.context.outbound, url, max_bytes=limit_bytes, tenant=execution.job.tenant)


async def _fetch_and_send(execution: JobExecution, media: MediaRef) -> UploadAnswer:
    """Bring a file through our storage. Raises StorageDown where it goes there by another hand: it is fetched again."""
    context = execution.context
    path = new_fetched_path(execution.job)
    try:
        async with _fetched(execution, media.url or "") as fetched:
            size_bytes = await context.storage.write(path, fetched.chunks, lasting=False)
        found = format_of_content(await context.storage.head(path, HEAD_BYTES))
        if found is None:
            raise Permanent(Code.UNSUPPORTED_MEDIA, f"The file {fetched.filename} is none of the supported formats.")
        name = media.name if execution.session.edits else fetched.filename
        return await _send_file(execution, name_as(name, found), path, size_bytes)
    except FileMissing:  # by who removes all that the job has
        raise StorageDown("what was fetched is gone") from None
    finally:
        await discard_file(context.storage, context.uploads, path)
