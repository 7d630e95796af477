"""What each refusal of the backend's means for a job: the whole table, over a real store and a backend that is away."""

import itertools
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec
import pytest

from core.errors import Code, Permanent, WaitReason
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Recovery, Render, Sent, Stage, Status
from core.model.session import Session
from core.model.token import TokenState
from core.store.redis.keys import key
from tests.peer_fixture import answered, peer
from tests.store_fixture import Core, core
from tests.worker_fixture import context_over, in_hand
from worker.backend.faults import BackendFault, Fault
from worker.context import WorkerContext
from worker.jobs.fault_handling import handle_fault
from worker.jobs.retry_policy import TRIES, name_of
from worker.jobs.step_result import Handover

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
    core: Core,
    context: WorkerContext,
    stage: Stage,
    fault: BackendFault,
    *,
    edits: int = 0,
    token_id: str = "tok_1",
    tried: int = 0,
    may_send: bool = False,
    **facts: Any,
):
    """How a job goes on that has met this fault, and the same one so often before."""
    job = await core.submit()
    there = msgspec.structs.replace(at(job, stage, token_id=token_id), **facts)
    there = msgspec.structs.replace(there, tries={name_of(fault): tried} if tried else {})
    async with in_hand(core, context, there, opened(job, edits=edits, token_id=token_id)) as execution:
        execution.handover = Handover(may_send=may_send)
        return await handle_fault(execution, fault)


def code_of(job: Job) -> Code | None:
    return job.error.code if job.error else None


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
    (Fault.REFUSED, "open_session", Code.BACKEND_UNAVAILABLE),
    (Fault.UNSUPPORTED, "credits", Code.BACKEND_UNAVAILABLE),
    (Fault.TOO_LARGE, "anonymous_token", Code.BACKEND_UNAVAILABLE),
)
#: what is refused again and again after the message was paid for
PAID_ENDS = (
    (Fault.SCOPE_MISSING, "render", Code.SCOPE_MISSING),
    (Fault.REFUSED, "render", Code.RENDER_FAILED),
    (Fault.NO_CREDITS, "render_status", Code.RENDER_FAILED),
    (Fault.NO_CREDITS, "download", Code.RENDER_FAILED),
    (Fault.RENDER_UNKNOWN, "output", Code.RENDER_FAILED),
)


async def test_a_lasting_refusal_ends_the_job_with_its_code(core, context):
    for fault, call, code in ENDS:
        following = await judged(core, context, Stage.UPLOADING, BackendFault(fault, call=call))
        assert (code_of(following.job), following.job.credits_used) == (code, 0), (fault, call)


async def test_what_is_refused_after_the_message_is_asked_again_and_then_told(core, context):
    for fault, call, code in PAID_ENDS:
        refused = BackendFault(fault, call=call)
        following = await judged(core, context, Stage.RENDERING, refused, edits=1, edited=True)
        assert (following.job.stage, following.park_s) == (Stage.RENDERING, 1.0), (fault, call)
        following = await judged(core, context, Stage.RENDERING, refused, edits=1, edited=True, tried=TRIES)
        assert code_of(following.job) is code, (fault, call)


async def test_a_plan_that_does_not_export_ends_the_job_at_once(core, context):
    following = await judged(core, context, Stage.RENDERING, BackendFault(Fault.EXPORT_BLOCKED, call="render"))
    assert code_of(following.job) is Code.EXPORT_BLOCKED


@pytest.mark.parametrize("refused", [Fault.EXPORT_BLOCKED, Fault.SCOPE_MISSING, Fault.REFUSED, Fault.NO_STATE])
async def test_an_edit_that_is_looked_for_is_neither_said_to_be_made_nor_given_up_at_the_first_refusal(
    core, context, refused
):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    for call in ("state", "credits"):
        fault = BackendFault(refused, call=call, status=402)
        following = await judged(core, context, Stage.RECOVERING, fault, edits=1, token_id=token_id)
        assert (following.job.stage, following.job.ended) == (Stage.RECOVERING, False)
        following = await judged(core, context, Stage.RECOVERING, fault, edits=1, token_id=token_id, tried=TRIES)
        assert code_of(following.job) is Code.EDIT_UNCONFIRMED


async def test_an_end_after_the_message_never_says_that_nothing_was_charged(core, context):
    refused = BackendFault(Fault.TOKEN_REFUSED, call="render")
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    following = await judged(
        core, context, Stage.RENDERING, refused, edits=1, edited=True, token_id=token_id, tried=TRIES
    )
    assert code_of(following.job) is Code.BACKEND_UNAVAILABLE
    assert following.job.error is not None
    assert following.job.error.hint == 'Replay with {"from": "render"}: it costs no credits.'


CALLS = (
    "anonymous_token",
    "token",
    "session",
    "open_session",
    "upload",
    "message",
    "state",
    "credits",
    "render",
    "render_status",
    "cancel_render",
    "output",
    "download",
)
BEFORE_MESSAGE = (Stage.PREPARING, Stage.UPLOADING, Stage.EDITING)


async def test_every_fault_of_every_call_at_every_stage_has_an_answer_and_none_leads_to_a_second_message(core, context):
    """The table whole: a message that is out is not sent again, whatever is refused, and however often it was."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    for fault, call, stage in itertools.product(Fault, CALLS, Stage):
        where = (fault, call, stage)
        own_refusal = call == "message" and fault is not Fault.BROKEN
        facts = {"edited": True, "edits": 1} if stage in (Stage.RENDERING, Stage.STORING) else {}
        following = await judged(core, context, stage, BackendFault(fault, call=call), token_id=token_id, **facts)
        job = following.job
        assert job.status in (Status.RUNNING, Status.FAILED), where
        if stage in (Stage.PREPARING, Stage.UPLOADING) or (stage is Stage.EDITING and own_refusal):
            assert job.sent is None, where
        else:
            assert job.sent is not None, where
            assert job.ended or job.stage not in BEFORE_MESSAGE or job.stage is stage is Stage.EDITING, where


@pytest.mark.parametrize("fault", Fault)
async def test_a_job_cancelled_amid_its_message_never_goes_back_before_it(core, context, fault):
    job = at(await core.submit(), Stage.EDITING)
    job = transitions.cancel_asked(job, now_ms=job.created_at_ms)
    async with in_hand(core, context, job, opened(job)) as execution:
        following = await handle_fault(execution, BackendFault(fault, call="credits"))
    assert following.job.sent is not None
    assert following.job.stage in (Stage.EDITING, None)


async def test_what_comes_before_the_bytes_of_an_announced_message_begins_again(core, context):
    removed = BackendFault(Fault.TOKEN_REFUSED, call="token")
    sent = await judged(core, context, Stage.EDITING, removed, token_id="tok_gone")
    unsent = await judged(core, context, Stage.EDITING, removed, token_id="tok_gone", may_send=True)
    assert (sent.job.sent is not None, unsent.job.sent) == (True, None)


#: refusals that a job answers by going on elsewhere, or with the same token: each with its call and its end
ENDLESS = (
    (Fault.SESSION_LOST, "upload", Code.BACKEND_UNAVAILABLE),
    (Fault.SESSION_LOST, "message", Code.BACKEND_UNAVAILABLE),
    (Fault.TOKEN_REFUSED, "message", Code.BACKEND_UNAVAILABLE),
    (Fault.NO_CREDITS, "message", Code.CREDITS_EXHAUSTED),
    (Fault.SCOPE_MISSING, "message", Code.SCOPE_MISSING),
)


@pytest.mark.parametrize(("fault", "call", "code"), ENDLESS)
async def test_a_refusal_that_is_repeated_has_growing_pauses_and_an_end(core, context, fault, call, code):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job, pauses, tries = await core.submit(), [], {}
    stage = Stage.EDITING if call == "message" else Stage.UPLOADING
    for _ in range(TRIES + 1):
        again = msgspec.structs.replace(at(job, stage, token_id=token_id), tries=tries)
        async with in_hand(core, context, again, opened(job, token_id=token_id)) as execution:
            following = await handle_fault(execution, BackendFault(fault, call=call))
        pauses.append(following.park_s or 0.0)
        tries = dict(following.job.tries)
        core.clock.turn(by_s=core.settings.lease_s + 1)
    assert (code_of(following.job), following.job.sent) == (code, None)
    assert pauses[:-1] == sorted(pauses[:-1])
    assert sum(pauses) >= 30


async def test_a_session_that_is_lost_before_its_first_edit_can_be_opened_again(core, context):
    following = await judged(core, context, Stage.UPLOADING, BackendFault(Fault.SESSION_LOST, call="upload"))
    assert following.session is not None
    assert (following.session.lost, following.session.backend_id, following.session.uploaded) == (False, None, 0)


async def test_a_session_with_an_edit_is_asked_for_half_a_minute_before_it_is_given_up(core, context):
    """What was paid for is in it: a backend that is being restarted may know no session for some seconds."""
    lost = BackendFault(Fault.SESSION_LOST, call="state")
    for stage, edits in ((Stage.UPLOADING, 1), (Stage.RECOVERING, 0), (Stage.RENDERING, 1)):
        pauses = []
        for tried in range(TRIES):
            again = await judged(core, context, stage, lost, edits=edits, tried=tried)
            assert (again.session, again.job.stage) == (None, stage)
            pauses.append(again.park_s)
        assert pauses == [1, 2, 4, 8, 16]
        following = await judged(core, context, stage, lost, edits=edits, tried=TRIES)
        assert following.session is not None
        assert (following.session.lost, following.job.stage) == (True, stage)


async def test_an_upload_that_broke_off_may_be_there_and_a_refused_one_is_not(core, context):
    broken = await judged(core, context, Stage.UPLOADING, BackendFault(Fault.BROKEN, call="upload"))
    refused = await judged(core, context, Stage.UPLOADING, BackendFault(Fault.UNREACHABLE, call="upload"))
    assert (broken.job.upload_in_doubt, refused.job.upload_in_doubt) == (True, False)


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


async def test_pauses_go_on_growing_for_a_message_that_note_refusal_and_again(core, context):
    job = await core.submit()
    pauses, tries = [], {}
    for _ in range(6):
        sending = msgspec.structs.replace(at(job, Stage.EDITING), tries=tries)
        async with in_hand(core, context, sending, opened(job)) as execution:
            following = await handle_fault(execution, BackendFault(Fault.RATE_LIMITED, call="message"))
        pauses.append(following.park_s)
        tries = dict(transitions.moved(following.job, Stage.UPLOADING).tries)
        core.clock.turn(by_s=core.settings.lease_s + 1)
    assert pauses == [30, 60, 120, 240, 300, 300]


async def test_a_session_with_an_edit_is_not_left_for_want_of_a_scope(core, context):
    refused = BackendFault(Fault.SCOPE_MISSING, call="upload")
    once = await judged(core, context, Stage.UPLOADING, refused, edits=1)
    assert (once.session, once.park_s) == (None, 1.0)
    ended = await judged(core, context, Stage.UPLOADING, refused, edits=1, tried=TRIES)
    assert code_of(ended.job) is Code.SCOPE_MISSING


async def with_credits_on(core: Core, token_id: str) -> Job:
    """Submit a job that holds credits on this token."""
    job = await core.submit()
    await core.tokens.take(
        tenant=job.tenant, job_id=job.id, cost=50, until_ms=0, needs=[], only=token_id, anonymous=False
    )
    return job


@pytest.mark.parametrize(("stage", "call"), [(Stage.UPLOADING, "upload"), (Stage.RECOVERING, "state")])
async def test_a_job_that_stays_with_a_token_that_refused_it_a_scope_keeps_what_it_holds_there(
    core, context, stage, call
):
    """Its message goes out without asking for a token again, or is out: others must know of it, and leave it its credits."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await with_credits_on(core, token_id)
    await core.redis.hset(key("token_sent", token_id), job.id, "50:1")
    there = at(job, stage, token_id=token_id)
    async with in_hand(core, context, there, opened(job, edits=1, token_id=token_id)) as execution:
        following = await handle_fault(execution, BackendFault(Fault.SCOPE_MISSING, call=call))
    assert (following.job.stage, following.job.token_id) == (stage, token_id)
    token = await core.tokens.get(token_id)
    assert token is not None
    assert token.reserved == 50
    assert list(await core.token_use.sent_on(token_id)) == [job.id]


async def test_one_that_takes_another_token_lets_go_of_the_one_that_refused_it_a_scope(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await with_credits_on(core, token_id)
    there = at(job, Stage.UPLOADING, token_id=token_id)
    async with in_hand(core, context, there, opened(job, token_id=token_id)) as execution:
        await handle_fault(execution, BackendFault(Fault.SCOPE_MISSING, call="upload"))
    token = await core.tokens.get(token_id)
    assert token is not None
    assert token.reserved == 0


async def test_a_job_whose_token_the_backend_tells_to_rest_goes_on_with_another_one_at_once(core, context):
    """An hour of one token's rest is longer than a job's whole time."""
    tokens = [await core.tokens.add(f"nmv_usr_{n}", kind="operator", available=500) for n in "ab"]
    job = await core.submit()
    [first] = [await context.token_pool.reservations.reserve(job, core.submission(job).session)]
    limited = BackendFault(Fault.RATE_LIMITED, call="message", retry_after_s=3600, by_backend=True)
    async with in_hand(core, context, at(job, Stage.EDITING, token_id=first), opened(job, token_id=first)) as execution:
        following = await handle_fault(execution, limited)
        assert (following.job.stage, following.job.wait, following.park_s) == (Stage.PREPARING, None, None)
        second = await context.token_pool.reservations.reserve(following.job, following.session or execution.session)
    assert {first, second} == set(tokens)


FORBIDDEN = {"message": "Forbidden"}  # all that a cloud's firewall says, as JSON


async def refused_by_turns(
    core: Core, context: WorkerContext, jobs: list[Job], *, token_id: str, stage: Stage, call: str, edits: int = 0
) -> None:
    """Let jobs be refused a call with a 403 that speaks of a scope, one after the other and a while apart."""
    for job in jobs:
        there = msgspec.structs.replace(at(job, stage, token_id=token_id), edited=stage is Stage.RENDERING)
        async with in_hand(core, context, there, opened(job, edits=edits, token_id=token_id)) as execution:
            await handle_fault(execution, BackendFault(Fault.SCOPE_MISSING, call=call, status=403, by_backend=True))
        core.clock.turn(by_s=core.settings.lease_s + 1)


async def serves(core: Core, context: WorkerContext) -> bool:
    """Whether a job that edits and exports gets a token."""
    job = await core.submit()
    try:
        return bool(await context.token_pool.reservations.reserve(job, core.submission(job).session))
    except Permanent:
        return False


@pytest.mark.parametrize(("stage", "call", "edits"), [(Stage.EDITING, "message", 0), (Stage.RENDERING, "render", 1)])
async def test_what_one_job_is_refused_again_and_again_takes_a_token_from_nobody_else(
    core, tmp_path, stage, call, edits
):
    """A firewall reads what a message says: whoever asks for that again must not close the token to all tenants."""
    async with (
        peer(answered({"data": {"available": 500}})) as remote,
        context_over(core, tmp_path, backend=remote.url) as context,
    ):
        token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
        refused, other = await core.submit(), await core.submit()
        await refused_by_turns(core, context, [refused] * 4, token_id=token_id, stage=stage, call=call, edits=edits)
        assert await serves(core, context)
        await refused_by_turns(core, context, [other], token_id=token_id, stage=stage, call=call, edits=edits)
        assert not await serves(core, context), "two jobs are no mishap"


async def test_a_firewall_that_refuses_every_call_for_a_while_closes_no_token(core, tmp_path):
    async with (
        peer(answered(FORBIDDEN, "403 Forbidden")) as remote,
        context_over(core, tmp_path, backend=remote.url) as context,
    ):
        token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
        jobs = [await core.submit() for _ in range(3)]
        await refused_by_turns(core, context, jobs, token_id=token_id, stage=Stage.PREPARING, call="open_session")
        assert await serves(core, context)


@pytest.mark.parametrize("call", ["state", "upload", "message"])
async def test_sessions_with_an_edit_that_refuse_a_token_s_successor_close_it_to_nobody_else(core, tmp_path, call):
    """Once a week the anonymous token is another one, and no page says whether it sees the old one's sessions."""
    async with (
        peer(answered({"data": {"available": 500}})) as remote,
        context_over(core, tmp_path, backend=remote.url) as context,
    ):
        token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
        jobs = [await core.submit() for _ in range(3)]
        await refused_by_turns(core, context, jobs, token_id=token_id, stage=Stage.UPLOADING, call=call, edits=1)
        assert await serves(core, context)


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
    refused = BackendFault(Fault.TOKEN_REFUSED, call="message")
    following = await judged(core, context, Stage.EDITING, refused, token_id=token_id)
    assert following.job.wait is not None
    assert following.job.wait.reason is WaitReason.BACKEND_DOWN
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


async def used(core: Core, token_id: str, *, account: str) -> None:
    """A job has sent a message by a token, for an account."""
    claim, sent = await core.begin(await core.submit()), Sent(at_ms=core.clock.now_ms(), before="d", cost=50)
    intent = transitions.sending(transitions.token_taken(claim.job, token_id=token_id), sent=sent)
    await core.write(claim, intent, session=sessions.of_user(claim.session, account))


@pytest.mark.parametrize(
    ("account", "tenant", "goes_on"), [("usr_1", "", True), ("usr_1", "other", False), ("usr_2", "", False)]
)
@pytest.mark.parametrize(("stage", "edits"), [(Stage.PREPARING, 1), (Stage.RECOVERING, 0), (Stage.RENDERING, 1)])
async def test_a_session_with_an_edit_goes_on_with_another_token_of_its_account(
    core, context, *, account, tenant, goes_on, stage, edits
):
    """The operator has rotated the token: the new one was used by then, and the old one was removed."""
    new = await core.tokens.add("nmv_usr_new", kind="operator", available=500, tenant=tenant)
    await used(core, new, account=account)
    job = await core.submit()
    session = sessions.of_user(opened(job, edits=edits, token_id="tok_gone"), "usr_1")
    async with in_hand(core, context, at(job, stage, token_id="tok_gone"), session) as execution:
        following = await handle_fault(execution, BackendFault(Fault.TOKEN_REFUSED, call="token"))
    assert following.session is not None
    assert (following.session.token_id, following.session.lost) == ((new, False) if goes_on else ("tok_gone", True))
    assert following.job.stage is stage
    if goes_on:
        assert following.job.token_id == (None if stage is Stage.PREPARING else new), (
            "what is to be paid is reserved first"
        )


@pytest.mark.parametrize("stage", [Stage.PREPARING, Stage.RECOVERING, Stage.RENDERING])
async def test_a_session_that_another_token_of_its_account_does_not_find_is_looked_for_once_more_by_its_own(
    core, context, stage
):
    """Its own was refused for a mishap and is good again; whether sessions are the account's, or the token's, no page says."""
    own = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    another = await core.tokens.add("nmv_usr_b", kind="operator", available=500)
    for token_id in (own, another):
        await used(core, token_id, account="usr_1")
    unknown, asked_next = BackendFault(Fault.SESSION_LOST, call="state"), []
    for tried in range(TRIES + 1):
        job = await core.submit()
        there = msgspec.structs.replace(at(job, stage, token_id=another), tries={name_of(unknown): tried})
        session = sessions.of_user(opened(job, edits=1, token_id=another), "usr_1")
        async with in_hand(core, context, there, session) as execution:
            following = await handle_fault(execution, unknown)
        asked_next.append((following.session or session).token_id)
    assert following.session is not None
    assert following.session.lost
    assert asked_next == [another] * (TRIES - 1) + [own, another]


async def test_a_session_with_an_edit_waits_half_a_minute_for_its_revoked_token_and_is_lost_then(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    await core.tokens.mark(token_id, TokenState.REVOKED)
    refused, pauses = BackendFault(Fault.TOKEN_REFUSED, call="token"), []
    for tried in range(TRIES + 1):
        following = await judged(core, context, Stage.PREPARING, refused, edits=1, token_id=token_id, tried=tried)
        assert following.session is None or following.session.lost is (tried == TRIES)
        pauses.append(following.park_s or 0.0)
    assert following.session is not None
    assert pauses == [1, 2, 4, 8, 16, 0]


async def test_a_session_with_an_edit_goes_on_with_a_token_that_was_revoked_for_a_mishap_of_hours(core, tmp_path):
    told = answered({"code": 0, "data": {"available": 500}})
    async with peer(told) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
        await core.tokens.mark(token_id, TokenState.REVOKED)
        refused = BackendFault(Fault.TOKEN_REFUSED, call="token")
        following = await judged(core, context, Stage.PREPARING, refused, edits=1, token_id=token_id)
    assert (following.session, following.park_s) == (None, 1)
    token = await core.tokens.get(token_id)
    assert token is not None
    assert token.state is TokenState.ACTIVE


async def test_a_token_without_credits_rests_and_lets_go_of_what_was_reserved(core, context):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    await judged(core, context, Stage.EDITING, BackendFault(Fault.NO_CREDITS, call="message"), token_id=token_id)
    token = await core.tokens.get(token_id)
    assert token is not None
    assert (token.state, token.reserved) == (TokenState.EXHAUSTED, 0)
