"""What a message did: the draft before it against the draft after it. Words alone prove nothing."""

import msgspec

from core.errors import Code
from core.model import transitions
from core.model.job import Job, Stage
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import pack_json, unpack_json
from worker.backend import drafts, gui_talk
from worker.backend.faults import BackendFault
from worker.backend.responses import State
from worker.jobs.execution import JobExecution, StepResult
from worker.jobs.steps.settlement import CreditReading, settled, witness
from worker.tokens.estimate import is_generation


async def confirm(work: JobExecution, text: str) -> StepResult:
    """The stream has closed: say what changed, or go on reading where that is not certain yet."""
    # the witness first: where it says that nothing can come any more, the draft read after it is the last one
    now = await witness(work)
    state = await work.kit.backend.state(await work.caller(), work.backend_session())
    said = gui_talk.translate(text)
    job = with_reply(work.job, text)
    seen = drafts.fingerprint(state.draft)
    assert job.sent is not None
    changed = seen != job.sent.before
    if not certain(job, now, changed=changed, spoke=bool(said.text)):
        unsure = transitions.confirmation_needed(
            job, now_ms=work.now_ms, seen=seen if changed else None, spoke=bool(said.text) and not changed
        )
        settings = work.kit.settings
        return StepResult(unsure, park_s=settings.settle_s if changed or said.text else settings.recover_first_s)
    if not changed:
        return await nothing_done(work, job, now)
    return await done(work, job, state, now, asked_for_credits="credits" in said.actions)


def with_reply(job: Job, text: str) -> Job:
    """Keep what the backend said, without its GUI talk."""
    words = gui_talk.translate(text).text
    return transitions.answered(job, reply=words) if words else job


def certain(job: Job, now: CreditReading, *, changed: bool, spoke: bool) -> bool:
    """Decide whether one read is enough: not while credits are frozen, not for a generation, not after silence."""
    return spoke and now.at_rest and not (changed and is_generation(job))


async def done(
    work: JobExecution, job: Job, state: State, now: CreditReading, *, asked_for_credits: bool = False
) -> StepResult:
    """The edit is confirmed: settle its cost, and go on to the export if there is one."""
    before = unpack_json(work.before or await work.kit.jobs.field(job.id, "before"))
    changes = tuple(drafts.changes(before, state.draft))
    facts = await settled(work, job, now, confirmed=True)
    if asked_for_credits and now.balance:
        facts["result"] = {"credits": msgspec.structs.asdict(now.balance)}
    if job.reply is None:
        facts["reply"] = transitions.shortened(". ".join(changes))[0] or None
    timeline = drafts.summary(state.draft)
    job = transitions.edited(job, changes=changes, timeline=timeline, **facts)
    session = msgspec.structs.replace(work.session, edits=work.session.edits + 1, timeline=timeline)
    fields = {"tracks": pack_json(drafts.tracks(state.draft))}
    if job.plan.action == "export":
        return StepResult(transitions.moved(job, Stage.RENDERING), session, fields=fields)
    job = transitions.claim_link_found(job, claim_url=await claim_link(work))
    return StepResult(transitions.succeeded(job, now_ms=work.now_ms), session, fields=fields)


async def nothing_done(work: JobExecution, job: Job, now: CreditReading) -> StepResult:
    """It answered, and edited nothing: a question, or just words. The session stays open."""
    code = Code.NEEDS_INPUT if gui_talk.is_question(job.reply or "") else Code.NOTHING_CHANGED
    ended = transitions.failed(job, now_ms=work.now_ms, code=code)
    return StepResult(transitions.with_cost(ended, **await settled(work, job, now, confirmed=True)))


async def claim_link(work: JobExecution) -> str | None:
    """Make the link that opens the project in a browser. Without one the job is none the worse."""
    session = work.session
    if session.claim_url or session.task_id is None or session.backend_id is None:
        return session.claim_url
    try:
        claim = await work.kit.backend.claim_token(
            await work.caller(), task_id=session.task_id, session_id=session.backend_id
        )
    except (BackendFault, *STORE_DOWN):
        return None
    return f"{work.kit.settings.nemo_web_url}/workspace/claim?ct={claim}"
