"""State transitions of a job: one verb function per event, pure, so that no step can forget its facts.

`worker/` and `service/` call them and have `core/store/` write what comes out. Times are milliseconds since the epoch.
"""

from typing import Any

import msgspec

from core.errors import MEANINGS, Code, WaitReason
from core.model.job import ENDS, Job, Problem, Recovery, Render, Sent, Stage, Status, Wait
from core.model.progress import PERCENT, STAGE_WORDS, STATUS_WORDS
from core.model.reply import shortened_reply

TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {
        (Status.QUEUED, Status.RUNNING),
        (Status.QUEUED, Status.CANCELED),
        (Status.QUEUED, Status.EXPIRED),
        (Status.RUNNING, Status.CANCELING),
        (Status.RUNNING, Status.SUCCEEDED),
        (Status.RUNNING, Status.FAILED),
        (Status.CANCELING, Status.SUCCEEDED),
        (Status.CANCELING, Status.FAILED),
        (Status.CANCELING, Status.CANCELED),
    }
)

#: ends after which a caller asks first of all whether they were paid for
_TELLS_COST = frozenset(
    {
        Code.NOTHING_CHANGED,
        Code.NEEDS_INPUT,
        Code.NOTHING_TO_EXPORT,
        Code.EDIT_UNCONFIRMED,
        Code.SESSION_LOST,
        Code.DEADLINE_EXCEEDED,
        Code.BACKEND_UNAVAILABLE,
        Code.POISONED,
        Code.INTERNAL,
    }
)


#: the stages that lead to the message: a job whose message is out enters none of them
BEFORE_MESSAGE = frozenset({Stage.PREPARING, Stage.UPLOADING, Stage.EDITING})


class InvalidTransition(Exception):  # noqa: N818 - it names a programming error
    """A job was asked to go where no job may go."""


def _go(job: Job, status: Status) -> Status:
    if job.status == status and status not in ENDS:
        return status
    if (job.status, status) not in TRANSITIONS:
        raise InvalidTransition(f"{job.id}: {job.status} -> {status}")
    return status


def _next(job: Job, **facts: Any) -> Job:
    if job.ended:
        raise InvalidTransition(f"{job.id}: {job.status} never changes")
    return msgspec.structs.replace(job, version=job.version + 1, **facts)


def started(job: Job, *, now_ms: int) -> Job:
    """A worker takes the job for the first time, or again after a wait."""
    if job.started_at_ms is not None:
        return _next(job, wait=None)
    return _next(
        job,
        status=_go(job, Status.RUNNING),
        stage=Stage.PREPARING,
        started_at_ms=now_ms,
        attempts=1,
        percent=PERCENT[Stage.PREPARING],
        message=STAGE_WORDS[Stage.PREPARING],
    )


def moved(job: Job, stage: Stage, **facts: Any) -> Job:
    """The step before `stage` is done: the next checkpoint.

    A job whose message is out can only go on, whatever is refused later: its message would be paid for twice. What was
    tried is forgotten once the message is through: one that is refused begins again from the front, and its pauses must
    go on growing.
    """
    if job.ended or job.started_at_ms is None:
        raise InvalidTransition(f"{job.id}: {job.status} has no stage")
    if job.sent is not None and stage in BEFORE_MESSAGE:
        raise InvalidTransition(f"{job.id}: its message is out, and {stage} leads to another one")
    told = {"message": STAGE_WORDS[stage], "percent": max(job.percent, PERCENT[stage])}
    tries = job.tries if stage in BEFORE_MESSAGE else {}
    return _next(job, **({"stage": stage, "wait": None, "tries": tries} | told | facts))


def moved_on(old: Job, new: Job) -> Job:
    """A step's record with a version of its own, also where the step changed nothing."""
    return new if new.version > old.version else msgspec.structs.replace(new, version=old.version + 1)


def token_taken(job: Job, *, token_id: str) -> Job:
    """A token serves this job, with its estimated cost reserved."""
    return _next(job, token_id=token_id, wait=None)


def token_changed(job: Job, *, token_id: str) -> Job:
    """The token's successor serves this job from here on, wherever it stands.

    Messages are counted by token, so what this job's has cost cannot be told from those on another one.
    """
    sent = job.sent and msgspec.structs.replace(job.sent, sends=None)
    return _next(job, token_id=token_id, sent=sent)


def session_lost(job: Job) -> Job:
    """The session and its timeline are gone: the record stays where it is, and the loop ends the job."""
    return _next(job, wait=None)


def sending(job: Job, *, sent: Sent) -> Job:
    """The intent: the message's bytes may go out right after this is committed, and never again."""
    return moved(job, Stage.EDITING, sent=sent)


def restarted(job: Job, **facts: Any) -> Job:
    """Nothing was sent, or its refusal was noted: the job starts over, and its token is free."""
    return moved(job, Stage.PREPARING, recovery=None, token_id=None, render=None, **facts)


def message_refused(job: Job) -> Job:
    """The backend refused the message itself, before any work: the intent to send is void, and the job starts over.

    Only the stage that sends can hear that, and not while the job is canceled: its stream is closed then.
    """
    if job.stage is not Stage.EDITING or job.status is not Status.RUNNING:
        raise InvalidTransition(f"{job.id}: nothing refuses a message at {job.stage}")
    return message_withheld(job)


def message_withheld(job: Job) -> Job:
    """The message was announced, and did not go out: nobody is to look for it. One that is canceled stays where it is."""
    unsent = msgspec.structs.replace(job, sent=None)
    return restarted(unsent) if job.status is Status.RUNNING else unsent


def stream_closed(job: Job, *, now_ms: int, **shown: Any) -> Job:
    """The message's stream has closed by itself: what it has shown is written down before anybody looks what it did.

    `shown`: fields of `Recovery`. Who finds them looks, as the one who heard them would have done.
    """
    if job.stage is not Stage.EDITING:
        raise InvalidTransition(f"{job.id}: no stream is open at {job.stage}")
    return _next(job, recovery=Recovery(since_ms=now_ms, closed=True, **shown))


def confirmation_needed(job: Job, *, now_ms: int, **found: Any) -> Job:
    """What the message did is not known yet: from now on the state is read and nothing is sent.

    `found`: fields of `Recovery`, beside those that are written down already.
    """
    recovery = msgspec.structs.replace(job.recovery or Recovery(since_ms=now_ms), **found)
    return moved(job, Stage.RECOVERING, recovery=recovery)


def still_unconfirmed(job: Job, *, seen: str | None, counts: bool = True, **facts: Any) -> Job:
    """One more read of the state, with nothing confirmed yet; `seen` is the fingerprint of a changed state.

    What was tried is forgotten: that read came through. `counts` False: there was none.
    """
    recovery = job.recovery
    assert recovery is not None
    reads = recovery.reads + (1 if seen is None and counts else 0)
    read_on = msgspec.structs.replace(recovery, reads=reads, seen=seen, **facts)
    return _next(job, recovery=read_on, wait=None, tries={} if counts else job.tries)


def answered(job: Job, *, reply: str) -> Job:
    """What the backend said, without its GUI talk."""
    text, truncated = shortened_reply(reply)
    return _next(job, reply=text or None, reply_truncated=truncated)


def edited(job: Job, *, changes: tuple[str, ...], **facts: Any) -> Job:
    """The message's effect is confirmed; `facts` are its cost, and what else came of it."""
    return _next(job, edited=True, changes=changes, recovery=None, **facts)


def timeline_seen(job: Job, *, timeline: str, changes: tuple[str, ...]) -> Job:
    """More of the edit has come since it was confirmed: a draft that was late, or a generation's second stage."""
    return _next(job, timeline=timeline, changes=changes)


def rendering(job: Job, *, render: Render, tries: dict[str, int] | None = None) -> Job:
    """A render has this id from now on; asking for it twice is harmless. `tries`: what goes on from before."""
    return moved(job, Stage.RENDERING, render=render, tries=tries or {})


def polled(job: Job, *, render: Render) -> Job:
    """One more look at the render."""
    span = PERCENT[Stage.STORING] - PERCENT[Stage.RENDERING]
    percent = PERCENT[Stage.RENDERING] + span * min(render.percent, 100) // 100
    return _next(job, render=render, percent=max(job.percent, percent), wait=None, tries={})


def rendered(
    job: Job, *, url: str | None, duration_s: float | None, size_bytes: int | None, took_s: float | None = None
) -> Job:
    """The backend has the film, and says so much of it: it is fetched next. Without a link by the download call."""
    render = job.render
    assert render is not None
    told = msgspec.structs.replace(
        render, url=url, duration_s=duration_s, size_bytes=size_bytes, took_s=took_s, percent=100
    )
    return moved(polled(job, render=told), Stage.STORING)


def unusable(job: Job, *, token_tried: bool = False) -> Job:
    """The film could not be fetched, or is none: the render is looked at again, for a link that is good."""
    render = job.render
    assert render is not None
    told = msgspec.structs.replace(
        render,
        url=None,
        linkless=0,
        fetches=render.fetches + 1,
        token_tried=render.token_tried or token_tried,
        token_tried_again=render.token_tried_again or (render.token_tried and token_tried),
    )
    return moved(job, Stage.RENDERING, render=told)


def waiting(job: Job, *, reason: WaitReason, until_ms: int, **facts: Any) -> Job:
    """The job goes to sleep and says why; `facts`: other fields of `Wait`."""
    return _next(job, wait=Wait(reason=reason, until_ms=until_ms, **facts))


def credits_awaited(job: Job, *, from_ms: int, until_ms: int) -> Job:
    """It waits for credits: as long as it may yet start, that is none of the time that it has."""
    return msgspec.structs.replace(job, waited_ms=job.waited_ms + max(0, min(until_ms, job.start_by_ms) - from_ms))


def waited_until_now(job: Job, *, now_ms: int) -> Job:
    """It wakes, however late: where it was credits that it lacked, it has waited for them until now."""
    wait = job.wait
    if wait is None or wait.reason is not WaitReason.NO_CREDITS or job.sent is not None or now_ms <= wait.until_ms:
        return job
    late = credits_awaited(job, from_ms=wait.until_ms, until_ms=now_ms)
    return msgspec.structs.replace(late, wait=msgspec.structs.replace(wait, until_ms=now_ms))


def room_awaited(job: Job, *, now_ms: int, until_ms: int) -> Job:
    """The worker that took the job has no place for it now. Its own place it has, and lends to nobody; nor is that its time."""
    return _next(credits_awaited(job, from_ms=now_ms, until_ms=until_ms), wait=None)


def trying_again(job: Job, *, after: str) -> Job:
    """A call is made again, or another one in its place; `after`: which call failed, and how (``"upload broken"``).

    Nothing is waited for yet: what was waited for before this is over.
    """
    return _next(job, wait=None, tries=job.tries | {after: job.tries.get(after, 0) + 1})


def upload_interrupted(job: Job) -> Job:
    """An upload broke off: before the next one the backend is asked what it has."""
    return msgspec.structs.replace(job, upload_in_doubt=True)


def claim_link_found(job: Job, *, claim_url: str | None) -> Job:
    """The project can be opened in a browser."""
    return _next(job, claim_url=claim_url)


def still_canceling(job: Job) -> Job:
    """Late effects of a cancelled message may still come."""
    return _next(job)


def progress_noted(job: Job, message: str) -> Job:
    """Tell the caller something while the stage goes on."""
    return _next(job, message=message)


def cancel_asked(job: Job, *, now_ms: int) -> Job:
    """The caller wants it stopped: a queued job ends at once, a running one when its worker has cleaned up."""
    if job.status is Status.QUEUED:
        return _ended(job, Status.CANCELED, now_ms=now_ms, cancel_requested_at_ms=now_ms)
    if job.status is Status.CANCELING:
        return job
    words = STATUS_WORDS[Status.CANCELING]
    return _next(job, status=_go(job, Status.CANCELING), cancel_requested_at_ms=now_ms, message=words)


def rebased(new: Job, stored: Job) -> Job:
    """Carry a caller's cancel, which came between a worker's read and its write, over to what the worker writes.

    A finish that the backend reached wins over the cancel; every other record takes the cancel along.
    """
    if new.ended or stored.status is not Status.CANCELING:
        return msgspec.structs.replace(new, version=stored.version + 1)
    return msgspec.structs.replace(
        new,
        version=stored.version + 1,
        status=Status.CANCELING,
        cancel_requested_at_ms=stored.cancel_requested_at_ms,
        message=stored.message,
    )


def succeeded(job: Job, *, now_ms: int, **facts: Any) -> Job:
    """The job ends well."""
    return _ended(job, Status.SUCCEEDED, now_ms=now_ms, percent=100, **facts)


def failed(job: Job, *, now_ms: int, code: Code, detail: str | None = None, hint: str | None = None) -> Job:
    """The job ends badly."""
    meaning = MEANINGS[code]
    problem = Problem(code=code, detail=detail or meaning.title, hint=hint or meaning.hint, retryable=meaning.retryable)
    return _ended(job, Status.FAILED, now_ms=now_ms, error=problem)


def with_cost(job: Job, *, credits_used: int | None = None, credits_exact: bool = False) -> Job:
    """Say what the job has cost, where that is known; part of the change that ends it."""
    if credits_used is not None:
        job = msgspec.structs.replace(job, credits_used=credits_used, credits_exact=credits_exact)
    if job.error is None or job.error.code not in _TELLS_COST or job.credits_used is None:
        return job
    hint = f"{job.error.hint} {_cost_in_words(job)}"
    return msgspec.structs.replace(job, error=msgspec.structs.replace(job.error, hint=hint))


def _cost_in_words(job: Job) -> str:
    if job.credits_exact:
        return f"The job cost {job.credits_used} credits." if job.credits_used else "Nothing was charged."
    return f"The job may have cost about {job.credits_used} credits."


def canceled(job: Job, *, now_ms: int) -> Job:
    """A running job has been stopped for its caller."""
    return _ended(job, Status.CANCELED, now_ms=now_ms)


def expired(job: Job, *, now_ms: int) -> Job:
    """The job was never started in time."""
    return _ended(job, Status.EXPIRED, now_ms=now_ms)


def _ended(job: Job, status: Status, *, now_ms: int, **facts: Any) -> Job:
    """End a job; one that sends no message, or ended before it was to, has cost nothing."""
    stopped = job.sent is None and status in (Status.CANCELED, Status.EXPIRED)
    if job.plan.message is None or stopped:
        facts = {"credits_used": 0, "credits_exact": True} | facts
    return _next(
        job,
        status=_go(job, status),
        message=STATUS_WORDS[status],
        finished_at_ms=now_ms,
        stage=None,
        wait=None,
        **facts,
    )
