"""Makes a new job from one that has ended. Pure: whether its session still lives is handed in."""

from typing import Literal

import msgspec

from core.ids import new_id
from core.model.job import Job
from core.model.plan import Plan
from core.model.session import Session
from service.jobs.submission import Made
from service.problems import Refused


def replay_of(
    parent: Job, session: Session | None, *, start: Literal["start", "render"], now_ms: int, trace: str | None
) -> Made:
    """NewJob the replay, and the session that has to be made for it. Raises Refused (409) where it cannot be.

    A replay from the start of a job that had a session to itself begins anew in another one, since the old one's
    timeline may hold the edit already. `session` None: the parent's is closed or forgotten.
    """
    _check(parent, session, start)
    alone = session is None or session.implicit or session.lost
    fresh = _fresh(parent, now_ms) if start == "start" and alone else None
    job = Job(
        id=new_id("job"),
        tenant=parent.tenant,
        prompt=parent.prompt,
        profile=parent.profile,
        media=parent.media if start == "start" else (),
        session_id=fresh.id if fresh else parent.session_id,
        language=parent.language,
        output_ask=msgspec.structs.replace(parent.output_ask, export=True) if start == "render" else parent.output_ask,
        plan=parent.plan if start == "start" else Plan(message=None, action="export"),
        webhook=parent.webhook,
        metadata=parent.metadata,
        priority=parent.priority,
        max_credits=parent.max_credits,
        start_timeout_s=parent.start_timeout_s,
        timeout_s=parent.timeout_s,
        retention_s=parent.retention_s,
        created_at_ms=now_ms,
        parent_id=parent.id,
        traceparent=trace,
    )
    return Made(job, fresh)


def _check(parent: Job, session: Session | None, start: str) -> None:
    if parent.data_removed:
        raise Refused(409, "conflict", "The job's data was deleted, so there is nothing to replay.")
    if not parent.ended:
        raise Refused(409, "not_ended", "Replay it when it has.", headers={"Retry-After": "5"})
    if start == "render" and (session is None or session.lost or not session.backend_id):
        raise Refused(409, "session_lost", "The session and its timeline are gone; replay from the start.")


def _fresh(parent: Job, now_ms: int) -> Session:
    return Session(
        id=new_id("ses"),
        tenant=parent.tenant,
        profile=parent.profile,
        language=parent.language,
        created_at_ms=now_ms,
        implicit=True,
    )
