"""Finishes an edit, once it is certain what the message did: settles the cost, and goes on to the export or the end."""

import msgspec

from core.errors import Code
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job
from core.model.reply import shortened_reply
from core.store.redis.codec import pack_json
from core.store.token_work import TokenWork
from worker.backend import drafts, gui_talk
from worker.backend.responses import State
from worker.jobs.claim_link import with_claim_link
from worker.jobs.credit_reading import CreditReading
from worker.jobs.execution import JobExecution
from worker.jobs.settlement import session_after_edit, settle_cost
from worker.jobs.step_result import StepResult
from worker.jobs.steps.new_render import first_render

#: what is said of a change in the state that the timeline does not show
_SOMETHING = ("Timeline changed",)
_UNSEEN = (
    "The backend worked on this, but no difference could be seen in the timeline: look at the result before you use it."
)


async def finish_edit(execution: JobExecution, job: Job, state: State, reading: CreditReading) -> StepResult:
    """The edit is confirmed: settle its cost, and go on to the export if there is one."""
    changes = tuple(drafts.changes(await execution.draft_before(), state.draft)) or _SOMETHING
    cost = await settle_cost(execution, job, reading)
    facts = dict(cost.facts)
    if job.recovery and job.recovery.asked_for_credits and reading.balance:
        facts["result"] = {"credits": reading.balance.as_told()}
    if job.reply is None:
        facts["reply"] = shortened_reply(". ".join(changes))[0] or None
    return await _go_on(execution, transitions.edited(job, changes=changes, **facts), state, reading, cost.work)


async def finish_unseen(execution: JobExecution, job: Job, state: State, reading: CreditReading) -> StepResult:
    """Something was done or paid for, and nobody can read what: go on with what is there, and say so."""
    cost = await settle_cost(execution, job, reading)
    edited = transitions.edited(job, changes=(), hints=(*job.hints, _UNSEEN), **cost.facts)
    return await _go_on(execution, edited, state, reading, cost.work)


async def _go_on(
    execution: JobExecution, job: Job, state: State, reading: CreditReading, work: TokenWork
) -> StepResult:
    """Keep the timeline, and go on to the export, or end. What may still come after all, the session's next job waits for."""
    seen = drafts.timeline(state.draft)
    timeline = drafts.summary(seen)
    job = msgspec.structs.replace(job, timeline=timeline)
    session = sessions.timeline_changed(session_after_edit(execution, reading), job_id=job.id, timeline=timeline)
    fields = {"tracks": pack_json(drafts.tracks(seen))}
    if job.plan.action == "export":
        named = first_render(now_ms=execution.now_ms)
        return StepResult(transitions.rendering(job, render=named), session, fields=fields, token_work=work)
    session, now_ms = await with_claim_link(execution, session), execution.now_ms
    job = transitions.claim_link_found(job, claim_url=sessions.claim_url_at(session, now_ms=now_ms))
    return StepResult(transitions.succeeded(job, now_ms=execution.now_ms), session, fields=fields, token_work=work)


async def finish_without_edit(execution: JobExecution, job: Job, reading: CreditReading) -> StepResult:
    """It answered, and edited nothing: a question, or just words. The session stays open."""
    code = Code.NEEDS_INPUT if gui_talk.is_question(job.reply or "") else Code.NOTHING_CHANGED
    ended = transitions.failed(job, now_ms=execution.now_ms, code=code)
    cost = await settle_cost(execution, job, reading)
    return StepResult(transitions.with_cost(ended, **cost.facts), token_work=cost.work)
