"""Reads a batch's jobs: each is checked by itself, and what is wrong with one does not hold up the others.

In a shared session they stand in order upon each other, so there one that is wrong refuses them all.
"""

from typing import NamedTuple

import msgspec

from core.model.session import Session
from service.context import ApiContext
from service.http.body import decoded
from service.jobs.submission import checked, surroundings
from service.jobs.validation import JobInputs, NewJob
from service.problems import FieldError, Refused, invalid
from service.schemas.requests import BatchFrame, JobAsk


class Gathered(NamedTuple):
    """The jobs that may be accepted and those that may not, each with its place in the batch."""

    numbered: list[tuple[int, NewJob]]
    refused: list[tuple[int, Refused]]

    @property
    def drafts(self) -> list[NewJob]:
        """The jobs that may be accepted, in order."""
        return [d for _, d in self.numbered]


async def gather(parts: ApiContext, tenant: str, ask: BatchFrame, *, batch_id: str, trace: str | None) -> Gathered:
    """Check all jobs. Raises Refused where none may be accepted, or one of a shared session may not."""
    found = Gathered([], [])
    shared = ask.session == "shared"
    session: Session | None = None
    for number, raw in enumerate(ask.jobs):
        try:
            job = decoded(raw, JobAsk)
            around = await _around(parts, tenant, job, session, shared=shared)
            made = await checked(parts, job, around, tenant=tenant, trace=trace, batch_id=batch_id)
        except Refused as refused:
            found.refused.append((number, refused))
            continue
        if shared and session is None:
            session = made.session
        found.numbered.append((number, made))
    if found.refused and (shared or not found.numbered):
        raise _all_refused(found.refused)
    return found


async def _around(parts: ApiContext, tenant: str, job: JobAsk, session: Session | None, *, shared: bool) -> JobInputs:
    if shared and job.session_id is not None:
        words = "The jobs of a shared session name none of their own."
        raise invalid([FieldError(pointer="/session_id", code="invalid_value", detail=words)])
    around = await surroundings(parts, tenant, job)
    if session is None:
        return around
    return JobInputs(session=session, continues=True, uploads=around.uploads)


def _all_refused(refused: list[tuple[int, Refused]]) -> Refused:
    """Put what is wrong with each job into one problem, with pointers into the batch."""
    errors = [
        msgspec.structs.replace(e, pointer=f"/jobs/{number}{e.pointer}")
        for number, one in refused
        for e in one.errors or (FieldError(pointer="", code=one.code, detail=one.detail),)
    ]
    return invalid(errors)
