"""Writes the intent to send the message: how everything was before, by which its effect is told, however the stream ends."""

import msgspec

from core.errors import Temporary, WaitReason
from core.media.formats import MEDIUM_OF, format_of_name
from core.model import session as sessions
from core.model import transitions
from core.model.job import MediaRef, Sent
from core.model.message_cost import cost_to_reserve
from core.store.redis.codec import pack_json
from worker.backend import drafts
from worker.backend.responses import State
from worker.jobs.credit_reading import CreditReading
from worker.jobs.deadline import require_time_to_edit
from worker.jobs.execution import JobExecution
from worker.jobs.retry_policy import UNSEEN, repeat_s
from worker.jobs.settlement import is_settling, take_reading_to_send, work_of
from worker.jobs.step_result import StepResult

_SETTLING_S = 5.0
#: an upload that does not show is looked for so often again, within 3 s, before the message goes out all the same
_LOOKS_AGAIN = 2


async def announce_message(execution: JobExecution) -> StepResult:
    """Write down the draft and the balance as they are, and that the message goes out next. Raises Permanent where that is too late."""
    settling = execution.session.settling_until_ms > execution.now_ms
    reading = await take_reading_to_send(execution, closely=settling)
    if is_settling(execution, reading):
        raise Temporary(WaitReason.SESSION_BUSY, delay_s=_SETTLING_S)
    state = await execution.read_state()
    if _may_show_yet(execution, state):
        pause_s = repeat_s(execution.job, execution.context.settings, after=UNSEEN)
        return StepResult(transitions.trying_again(execution.job, after=UNSEEN), park_s=pause_s)
    require_time_to_edit(execution.job, now_ms=execution.now_ms)
    draft_before = pack_json(state.draft)
    return StepResult(
        transitions.sending(execution.job, sent=_intent(execution, state, reading)),
        sessions.settled(execution.session),
        fields={"before": draft_before},
        handover=msgspec.structs.replace(execution.handover, draft_before=draft_before),
        token_work=work_of(execution.job, reading),
    )


def _may_show_yet(execution: JobExecution, state: State) -> bool:
    """Whether a session does not show videos that were brought, as where an upload is applied a moment after its answer.

    An edit without them would be paid for. An edit may have cost the session some that were there before it, so that those
    of this job are looked for then.
    """
    job, session = execution.job, execution.session
    if "video_infos" not in state.content or job.tries.get(UNSEEN, 0) >= _LOOKS_AGAIN:
        return False
    brought = [media for media in session.media[: session.uploaded] if _is_video(media)]
    if session.edits:
        return not all(state.count_named({media.name}) for media in brought if media.job_id == job.id)
    return len(state.video_infos) < len({media.name for media in brought})


def _is_video(media: MediaRef) -> bool:
    return MEDIUM_OF.get(format_of_name(media.name) or "") == "video"


def _intent(execution: JobExecution, state: State, reading: CreditReading) -> Sent:
    """Say how everything was before the message."""
    uploads = execution.session.uploaded
    return Sent(
        at_ms=execution.now_ms,
        before=drafts.fingerprint(state.draft),
        state=drafts.state_fingerprint(state.content, uploads=uploads),
        uploads=uploads,
        cost=cost_to_reserve(execution.job),
        credits_total=reading.total,
        frozen=reading.frozen,
        others=reading.others.most,
        sends=reading.sends,
    )
