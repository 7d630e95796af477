"""What a message did: the draft before it against the draft after it. Words alone prove nothing."""

import msgspec

from core import verbs
from core.errors import Code
from core.job import Job, Stage
from core.store.connection import STORE_DOWN
from core.wire import pack_json, unpack_json
from worker import drafts, gui_talk
from worker.cost import is_generation
from worker.steps.credits import Witness, settled, witness
from worker.upstream.faults import BackendFault
from worker.upstream.wire import State
from worker.work import Next, Work


async def confirm(work: Work, text: str) -> Next:
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
        unsure = verbs.unsure(
            job, now_ms=work.now_ms, seen=seen if changed else None, spoke=bool(said.text) and not changed
        )
        settings = work.kit.settings
        return Next(unsure, park_s=settings.settle_s if changed or said.text else settings.recover_first_s)
    if not changed:
        return await nothing_done(work, job, now)
    return await done(work, job, state, now, asked_for_credits="credits" in said.actions)


def with_reply(job: Job, text: str) -> Job:
    """Keep what the backend said, without its GUI talk."""
    words = gui_talk.translate(text).text
    return verbs.answered(job, reply=words) if words else job


def certain(job: Job, now: Witness, *, changed: bool, spoke: bool) -> bool:
    """Decide whether one read is enough: not while credits are frozen, not for a generation, not after silence."""
    return spoke and now.at_rest and not (changed and is_generation(job))


async def done(work: Work, job: Job, state: State, now: Witness, *, asked_for_credits: bool = False) -> Next:
    """The edit is confirmed: settle its cost, and go on to the export if there is one."""
    before = unpack_json(work.before or await work.kit.jobs.field(job.id, "before"))
    changes = tuple(drafts.changes(before, state.draft))
    facts = await settled(work, job, now, confirmed=True)
    if asked_for_credits and now.balance:
        facts["result"] = {"credits": msgspec.structs.asdict(now.balance)}
    if job.reply is None:
        facts["reply"] = verbs.shortened(". ".join(changes))[0] or None
    timeline = drafts.summary(state.draft)
    job = verbs.edited(job, changes=changes, timeline=timeline, **facts)
    session = msgspec.structs.replace(work.session, edits=work.session.edits + 1, timeline=timeline)
    fields = {"tracks": pack_json(drafts.tracks(state.draft))}
    if job.plan.action == "export":
        return Next(verbs.moved(job, Stage.RENDERING), session, fields=fields)
    job = verbs.linked(job, claim_url=await claim_link(work))
    return Next(verbs.succeeded(job, now_ms=work.now_ms), session, fields=fields)


async def nothing_done(work: Work, job: Job, now: Witness) -> Next:
    """It answered, and edited nothing: a question, or just words. The session stays open."""
    code = Code.NEEDS_INPUT if gui_talk.is_question(job.reply or "") else Code.NOTHING_CHANGED
    ended = verbs.failed(job, now_ms=work.now_ms, code=code)
    return Next(verbs.with_cost(ended, **await settled(work, job, now, confirmed=True)))


async def claim_link(work: Work) -> str | None:
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
