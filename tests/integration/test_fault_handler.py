"""What each refusal of the backend's means for a job: the whole table, over a real store and a backend that is away."""

import itertools
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
import pytest

from core.errors import Code, Permanent, Temporary, WaitReason
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Recovery, Render, Sent, Stage, Status
from core.model.session import Session
from core.model.token import TokenState
from tests.store_fixture import Core, core
from tests.worker_fixture import context_over, in_hand
from worker.backend.faults import BackendFault, Fault
from worker.context import WorkerContext
from worker.jobs.fault_handler import handle_fault

__all__ = ["core"]


@pytest.fixture
async def context(core: Core, tmp_path) -> AsyncIterator[WorkerContext]:
    async with context_over(core, tmp_path) as context:
        yield context


def at(job: Job, stage: Stage, *, token_id: str = "tok_1") -> Job:
    """Bring a job to a stage."""
    job = transitions.token_taken(transitions.started(job, now_ms=job.created_at_ms), token_id=token_id)
    sent = Sent(at_ms=job.created_at_ms, before="d0")
    match stage:
        case Stage.PREPARING:
            return job
        case Stage.UPLOADING:
            return transitions.moved(job, stage)
        case Stage.EDITING:
            return transitions.sending(job, sent=sent)
        case Stage.RECOVERING:
            return msgspec.structs.replace(
                transitions.moved(job, stage), sent=sent, recovery=Recovery(since_ms=job.created_at_ms)
            )
    render = Render(id="render_1", attempt=1, started_at_ms=job.created_at_ms, asked=True)
    return transitions.rendering(transitions.sending(job, sent=sent), render=render)


def opened(job: Job, *, edits: int = 0, token_id: str = "tok_1") -> Session:
    session = Session(id=job.session_id, tenant=job.tenant, profile=job.profile, created_at_ms=job.created_at_ms)
    session = sessions.opened(session, backend_id="b1", task_id=None, user_id=None, token_id=token_id)
    return msgspec.structs.replace(session, edits=edits, uploaded=1)


async def judged(
    core: Core, context: WorkerContext, stage: Stage, fault: BackendFault, *, edits: int = 0, token_id: str = "tok_1"
):
    job = await core.submit()
    async with in_hand(
        core, context, at(job, stage, token_id=token_id), opened(job, edits=edits, token_id=token_id)
    ) as execution:
        return await handle_fault(execution, fault)


class Goes(NamedTuple):
    """A fault at a stage, and how the job goes on: its stage, whether its message counts as sent, why it waits."""

    stage: Stage
    call: str
    fault: Fault
    to: Stage
    sent: bool
    reason: WaitReason | None = None


ON = (
    # a message that may have arrived is never sent again; one that was refused is void
    Goes(Stage.EDITING, "message", Fault.BROKEN, Stage.RECOVERING, sent=True),
    Goes(Stage.EDITING, "message", Fault.UNREACHABLE, Stage.PREPARING, sent=False, reason=WaitReason.BACKEND_DOWN),
    Goes(Stage.EDITING, "message", Fault.RATE_LIMITED, Stage.PREPARING, False, WaitReason.BACKEND_RATE_LIMITED),
    Goes(Stage.EDITING, "message", Fault.BUSY, Stage.PREPARING, sent=False, reason=WaitReason.SESSION_BUSY),
    Goes(Stage.EDITING, "message", Fault.SESSION_LOST, Stage.PREPARING, sent=False),
    Goes(Stage.EDITING, "message", Fault.NO_CREDITS, Stage.PREPARING, sent=False),
    # everything else is asked again where it stands
    Goes(Stage.PREPARING, "open_session", Fault.BROKEN, Stage.PREPARING, sent=False, reason=WaitReason.BACKEND_DOWN),
    Goes(Stage.UPLOADING, "upload", Fault.BROKEN, Stage.UPLOADING, sent=False, reason=WaitReason.BACKEND_DOWN),
    Goes(Stage.RECOVERING, "state", Fault.BROKEN, Stage.RECOVERING, sent=True, reason=WaitReason.BACKEND_DOWN),
    Goes(Stage.RECOVERING, "state", Fault.RATE_LIMITED, Stage.RECOVERING, True, WaitReason.BACKEND_RATE_LIMITED),
    Goes(Stage.RENDERING, "render_status", Fault.BROKEN, Stage.RENDERING, sent=True, reason=WaitReason.BACKEND_DOWN),
    Goes(Stage.RENDERING, "render", Fault.BUSY, Stage.RENDERING, sent=True, reason=WaitReason.SESSION_BUSY),
    Goes(Stage.UPLOADING, "upload", Fault.SESSION_LOST, Stage.PREPARING, sent=False),
    # what one token may not do another one may
    Goes(Stage.PREPARING, "open_session", Fault.SCOPE_MISSING, Stage.PREPARING, sent=False),
    Goes(Stage.UPLOADING, "upload", Fault.SCOPE_MISSING, Stage.PREPARING, sent=False),
    Goes(Stage.EDITING, "message", Fault.SCOPE_MISSING, Stage.PREPARING, sent=False),
)


async def test_a_passing_fault_leads_back_to_the_right_stage(core, context):
    found = []
    for goes in ON:
        following = await judged(core, context, goes.stage, BackendFault(goes.fault, call=goes.call))
        job = following.job
        reason = job.wait.reason if job.wait else None
        found.append(goes._replace(to=job.stage, sent=job.sent is not None, reason=reason))
        assert (following.park_s is not None) == (reason is not None), goes
    assert found == list(ON)


ENDS = (
    (Fault.UNSUPPORTED, "upload", Code.UNSUPPORTED_MEDIA),
    (Fault.TOO_LARGE, "upload", Code.MEDIA_TOO_LARGE),
    (Fault.SCOPE_MISSING, "render", Code.SCOPE_MISSING),
    (Fault.EXPORT_BLOCKED, "render", Code.EXPORT_BLOCKED),
    (Fault.REFUSED, "open_session", Code.BACKEND_UNAVAILABLE),
    (Fault.RENDER_UNKNOWN, "output", Code.RENDER_FAILED),
)


async def test_a_lasting_refusal_ends_the_job_with_its_code(core, context):
    found = {}
    for fault, call, _ in ENDS:
        with pytest.raises(Permanent) as ended:
            await judged(core, context, Stage.RENDERING, BackendFault(fault, call=call))
        found[fault] = ended.value
    assert {fault: end.code for fault, end in found.items()} == {fault: code for fault, _, code in ENDS}
    assert "500 MB" in found[Fault.TOO_LARGE].hint


async def test_every_fault_at_every_stage_has_an_answer(core, context):
    for fault, stage in itertools.product(Fault, Stage):
        try:
            following = await judged(core, context, stage, BackendFault(fault, call="state"))
        except (Permanent, Temporary):
            continue
        assert following.job.status is Status.RUNNING, (fault, stage)
        assert following.job.sent is None or following.job.stage is not Stage.EDITING, (fault, stage)


async def test_a_session_that_is_lost_before_its_first_edit_can_be_opened_again(core, context):
    following = await judged(core, context, Stage.UPLOADING, BackendFault(Fault.SESSION_LOST, call="upload"))
    assert following.session is not None
    assert (following.session.lost, following.session.backend_id, following.session.uploaded) == (False, None, 0)


async def test_a_session_is_given_up_once_an_edit_stands_in_it_or_may_stand_there(core, context):
    for stage, edits in ((Stage.EDITING, 1), (Stage.RECOVERING, 0), (Stage.RENDERING, 1)):
        following = await judged(core, context, stage, BackendFault(Fault.SESSION_LOST, call="state"), edits=edits)
        assert following.session is not None
        assert following.session.lost, stage
        assert following.job.stage is Stage.PREPARING


async def test_an_upload_that_broke_off_may_be_there_and_a_refused_one_is_not(core, context):
    broken = await judged(core, context, Stage.UPLOADING, BackendFault(Fault.BROKEN, call="upload"))
    refused = await judged(core, context, Stage.UPLOADING, BackendFault(Fault.UNREACHABLE, call="upload"))
    assert (broken.job.upload_doubt, refused.job.upload_doubt) == (True, False)


async def test_pauses_grow_while_the_backend_stays_away_and_have_a_bound(core, context):
    job = at(await core.submit(), Stage.UPLOADING)
    pauses = []
    for _ in range(9):
        async with in_hand(core, context, job, opened(job)) as execution:
            following = await handle_fault(execution, BackendFault(Fault.UNREACHABLE, call="upload"))
        pauses.append(following.park_s)
        job = following.job
        core.clock.turn(by_s=core.settings.lease_s + 1)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_pauses_go_on_growing_for_a_message_that_is_refused_again_and_again(core, context):
    job = await core.submit()
    pauses, faults = [], 0
    for _ in range(6):
        sending = msgspec.structs.replace(at(job, Stage.EDITING), faults=faults)
        async with in_hand(core, context, sending, opened(job)) as execution:
            following = await handle_fault(execution, BackendFault(Fault.RATE_LIMITED, call="message"))
        pauses.append(following.park_s)
        faults = transitions.moved(following.job, Stage.UPLOADING).faults
        core.clock.turn(by_s=core.settings.lease_s + 1)
    assert pauses == [30, 60, 120, 240, 300, 300]


async def test_a_session_with_an_edit_is_not_left_for_want_of_a_scope(core, context):
    with pytest.raises(Permanent) as ended:
        await judged(core, context, Stage.UPLOADING, BackendFault(Fault.SCOPE_MISSING, call="upload"), edits=1)
    assert ended.value.code is Code.SCOPE_MISSING


async def test_retry_after_is_honoured(core, context):
    limited = BackendFault(Fault.RATE_LIMITED, call="state", retry_after_s=7)
    away = BackendFault(Fault.BROKEN, call="state", retry_after_s=90)
    assert (await judged(core, context, Stage.RECOVERING, limited)).park_s == 7
    assert (await judged(core, context, Stage.RECOVERING, away)).park_s == 90


async def test_a_job_that_is_being_canceled_keeps_its_message_for_sent(core, context):
    job = at(await core.submit(), Stage.EDITING)
    job = transitions.cancel_asked(job, now_ms=job.created_at_ms)
    async with in_hand(core, context, job, opened(job)) as execution:
        following = await handle_fault(execution, BackendFault(Fault.UNREACHABLE, call="credits"))
    assert (following.job.status, following.job.sent is not None) == (Status.CANCELING, True)


async def test_a_refused_token_is_not_given_up_while_the_backend_does_not_say_whether_it_is_good(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    with pytest.raises(Temporary) as waits:
        await judged(core, context, Stage.EDITING, BackendFault(Fault.TOKEN_REFUSED, call="message"), token_id=token_id)
    assert waits.value.reason is WaitReason.BACKEND_DOWN
    token = await core.tokens.get(token_id)
    assert token is not None
    assert token.state is TokenState.ACTIVE


@pytest.mark.parametrize(("edits", "lost"), [(0, False), (1, True)])
async def test_the_session_of_a_removed_token_is_opened_anew_or_lost(core, context, edits, lost):
    refused = BackendFault(Fault.TOKEN_REFUSED, call="token")
    following = await judged(core, context, Stage.PREPARING, refused, edits=edits, token_id="tok_gone")
    assert following.session is not None
    assert (following.session.lost, following.session.backend_id) == (lost, "b1" if lost else None)
    assert following.job.stage is Stage.PREPARING


async def test_a_token_without_credits_rests_and_lets_go_of_what_was_reserved(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    await judged(core, context, Stage.EDITING, BackendFault(Fault.NO_CREDITS, call="message"), token_id=token_id)
    token = await core.tokens.get(token_id)
    assert token is not None
    assert (token.state, token.reserved) == (TokenState.EXHAUSTED, 0)
