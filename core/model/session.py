"""The session record: our lasting name for a backend session, which may be made again before its first edit.

Only the worker that holds the lease of the session's running job changes it, in the same commit as the job.
"""

from typing import Any

import msgspec

from core.model.job import Job, MediaRef, Record, Sent, Status


class Session(Record, frozen=True, kw_only=True):
    """A timeline at the backend that jobs refine. Its jobs run one at a time, in order."""

    id: str
    tenant: str
    profile: str
    language: str | None = None
    created_at_ms: int
    #: made for one job alone, so `GET /v1/sessions` does not list it
    implicit: bool = False
    #: the backend's names; None until the first job opens it
    backend_id: str | None = None
    task_id: str | None = None
    user_id: str | None = None
    token_id: str | None = None
    #: how often it was opened at the backend
    generation: int = 0
    #: every file that its jobs brought, in order; `uploaded` of them stand in the present generation
    media: tuple[MediaRef, ...] = ()
    uploaded: int = 0
    #: edits that were confirmed; with one, the timeline lives at the backend alone
    edits: int = 0
    lost: bool = False
    #: late effects of a cancelled or dropped message may come until then
    settling_until_ms: int = 0
    #: the message that these would be effects of
    settling: Sent | None = None
    claim_url: str | None = None
    #: until when that link is good; 0: nobody wrote it down
    claim_expires_ms: int = 0
    timeline: str | None = None
    #: the job whose edit left that timeline; None where nobody wrote it down, "" where it went with a deleted job's data
    timeline_of: str | None = None


def is_bound(session: Session) -> bool:
    """Whether a timeline, which lives at the backend alone, ties the session to its token."""
    return session.backend_id is not None and session.edits > 0


def opened(session: Session, *, backend_id: str, task_id: str | None, user_id: str | None, token_id: str) -> Session:
    """The backend has a session for us, on this token; nothing is uploaded in it yet."""
    return msgspec.structs.replace(
        session,
        backend_id=backend_id,
        task_id=task_id,
        user_id=user_id or session.user_id,
        token_id=token_id,
        generation=session.generation + 1,
        uploaded=0,
        media=_to_bring(session),
        claim_url=None,
        claim_expires_ms=0,
    )


def forgotten(session: Session) -> Session:
    """The backend lost it, or its token refused everything, before an edit: it can be opened again."""
    return msgspec.structs.replace(
        session, backend_id=None, task_id=None, user_id=None, token_id=None, uploaded=0, media=_to_bring(session)
    )


def _to_bring(session: Session) -> tuple[MediaRef, ...]:
    """List the files that a new generation can have; of those of a deleted job nobody knows any more where they were."""
    return tuple(media for media in session.media if not media.removed)


def given_up(session: Session) -> Session:
    """It is gone, and with it a timeline that lived nowhere else."""
    return msgspec.structs.replace(session, lost=True)


def moved_to(session: Session, token_id: str) -> Session:
    """The successor of its token goes on with it, if the backend lets it."""
    return msgspec.structs.replace(session, token_id=token_id)


def of_user(session: Session, user_id: str | None) -> Session:
    """The backend has named the account that the session belongs to; None: it did not."""
    return msgspec.structs.replace(session, user_id=user_id or session.user_id)


def of_task(session: Session, task_id: str | None) -> Session:
    """The backend has named the task that the session belongs to; None: it did not."""
    return msgspec.structs.replace(session, task_id=session.task_id or task_id)


def claimable(session: Session, *, claim_url: str, expires_ms: int) -> Session:
    """It can be opened in a browser, for so long."""
    return msgspec.structs.replace(session, claim_url=claim_url, claim_expires_ms=expires_ms)


def claim_url_at(session: Session, *, now_ms: int) -> str | None:
    """Give the link that opens it in a browser, unless its time is over."""
    return None if 0 < session.claim_expires_ms <= now_ms else session.claim_url


def settled(session: Session) -> Session:
    """No late effect can come any more."""
    return msgspec.structs.replace(session, settling_until_ms=0, settling=None)


def uploaded(session: Session, count: int) -> Session:
    """So many of its files stand in the present generation."""
    return msgspec.structs.replace(session, uploaded=count)


def brought_by_bytes(session: Session) -> Session:
    """The backend did not fetch the next file by its URL: we do."""
    return _with_next(session, by_bytes=True)


def next_named(session: Session, name: str) -> Session:
    """The next file has this name, by which the backend will show it."""
    return _with_next(session, name=name)


def _with_next(session: Session, **facts: Any) -> Session:
    at = session.uploaded
    next_one = msgspec.structs.replace(session.media[at], **facts)
    return msgspec.structs.replace(session, media=(*session.media[:at], next_one, *session.media[at + 1 :]))


def left(session: Session, job: Job) -> Session:
    """Its job is over: what that has not brought goes with it, so that no later job of the timeline fails for it, or begins anew.

    Where there is no timeline it stays, so that no message is paid for that has nothing to work on. Files that no message
    has used wait for a replay. What may have arrived uncounted is left behind, with the backend's session that it is in.
    """
    if job.upload_in_doubt and not session.edits:
        session = forgotten(session)
    media = session.media[: session.uploaded] if session.edits else session.media
    media = tuple(msgspec.structs.replace(each, unused=_is_unused(each, job)) for each in media)
    return session if media == session.media else msgspec.structs.replace(session, media=media)


def _is_unused(each: MediaRef, job: Job) -> bool:
    """Whether no message has used a file, after this job; its message uses all that are there, also those of others."""
    if job.sent is not None:
        return False
    return each.unused or (each.job_id == job.id and job.status is not Status.SUCCEEDED)


def joined(
    session: Session, media: tuple[MediaRef, ...], *, job_id: str | None = None, parent_id: str | None = None
) -> Session:
    """A job brings its files; by its id they are found again when its data is deleted.

    `parent_id`: the job that it replays. What a try before it has left there, and no message has used, is its own, and is
    brought no second time. What else a job that is over has not brought is left to a job that has nothing else to work on.
    """
    own, there = list(media), []
    for at, each in enumerate(session.media):
        same = next((one for one in own if parent_id and each.unused and _is_same_file(one, each)), None)
        if same:
            own.remove(same)
            there.append(msgspec.structs.replace(each, job_id=job_id, unused=False))
        elif not (media and each.unused and at >= session.uploaded):
            there.append(each)
    brought = (msgspec.structs.replace(one, job_id=job_id) for one in own)
    return msgspec.structs.replace(session, media=(*there, *brought))


def _is_same_file(one: MediaRef, other: MediaRef) -> bool:
    return (one.url, one.upload_id) == (other.url, other.upload_id)


def timeline_retold(session: Session, *, job_id: str, timeline: str) -> Session:
    """More of a job's edit has come since it was confirmed."""
    return msgspec.structs.replace(session, timeline=timeline, timeline_of=job_id)


def timeline_changed(session: Session, *, job_id: str, timeline: str) -> Session:
    """A job's edit is confirmed, and this is the timeline since."""
    told = timeline_retold(session, job_id=job_id, timeline=timeline)
    return msgspec.structs.replace(told, edits=session.edits + 1)
