"""Finishes an edit, once it is certain what the message did: settles the cost, and goes on to the export or the end."""

from typing import Any

import msgspec

from core.errors import Code
from core.model import transitions
from core.model.job import Job, Stage
from core.store.redis.codec import pack_json, unpack_json
from worker.backend import drafts, gui_talk
from worker.backend.responses import State
from worker.jobs.credit_reading import CreditReading
from worker.jobs.execution import JobExecution
from worker.jobs.settlement import settle_cost
from worker.jobs.step_result import StepResult
from worker.jobs.steps.claim_link import make_claim_link


async def finish_edit(
    execution: JobExecution, job: Job, state: State, reading: CreditReading, *, asked_for_credits: bool = False
) -> StepResult:
    """The edit is confirmed: settle its cost, and go on to the export if there is one."""
    changes = tuple(drafts.changes(await _draft_before(execution), state.draft))
    facts = await settle_cost(execution, job, reading, confirmed=True)
    if asked_for_credits and reading.balance:
        facts["result"] = {"credits": msgspec.structs.asdict(reading.balance)}
    if job.reply is None:
        facts["reply"] = transitions.shortened(". ".join(changes))[0] or None
    timeline = drafts.summary(state.draft)
    job = transitions.edited(job, changes=changes, timeline=timeline, **facts)
    session = msgspec.structs.replace(execution.session, edits=execution.session.edits + 1, timeline=timeline)
    fields = {"tracks": pack_json(drafts.tracks(state.draft))}
    if job.plan.action == "export":
        return StepResult(transitions.moved(job, Stage.RENDERING), session, fields=fields)
    job = transitions.claim_link_found(job, claim_url=await make_claim_link(execution))
    return StepResult(transitions.succeeded(job, now_ms=execution.now_ms), session, fields=fields)


async def finish_without_edit(execution: JobExecution, job: Job, reading: CreditReading) -> StepResult:
    """It answered, and edited nothing: a question, or just words. The session stays open."""
    code = Code.NEEDS_INPUT if gui_talk.is_question(job.reply or "") else Code.NOTHING_CHANGED
    ended = transitions.failed(job, now_ms=execution.now_ms, code=code)
    cost = await settle_cost(execution, job, reading, confirmed=True)
    return StepResult(transitions.with_cost(ended, **cost))


async def _draft_before(execution: JobExecution) -> Any:
    """The draft before the message, from this run's own hand or as the run that sent it wrote it down."""
    kept = execution.handover.draft_before or await execution.context.jobs.field(execution.job.id, "before")
    return unpack_json(kept)
