"""The first look after a message: what it costs Redis, and what it says that the message has cost, whoever else sends."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from core.clock import HandClock, stopwatch_s
from core.errors import Code
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Recovery, Render, Sent, Stage
from core.model.plan import Plan
from core.model.token import SentMessage
from core.store.jobs.records import Claim
from core.store.leases import LeaseLost
from core.store.redis.codec import pack_json
from core.store.redis.keys import key
from tests.scripted_backend import Answer, ScriptedBackend, said, scripted_backend
from tests.store_fixture import Core, core
from tests.worker_fixture import context_over, in_hand, stepped
from worker.backend import drafts
from worker.backend.faults import BackendFault, Fault
from worker.context import WorkerContext
from worker.jobs.credit_reading import NO_READING
from worker.jobs.execution import JobExecution
from worker.jobs.fault_handling import handle_fault
from worker.jobs.settlement import is_settling, take_credit_reading
from worker.jobs.step_result import Handover, StepResult
from worker.jobs.steps.edit import edit

__all__ = ["core"]

COST = 50
BEFORE = {"t": [{"tt": 0, "sg": [{"st": 0, "d": 4000}]}]}
AFTER = {"t": [{"tt": 0, "sg": [{"st": 0, "d": 2000}]}]}
KIND = b"free-video-fast:edit"


def balance(available: int, frozen: int) -> Answer:
    return said({"code": 0, "data": {"available": available, "frozen": frozen, "total": available + frozen}})


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as backend:
        backend.says("state", said({"code": 0, "data": {"state": {"draft": AFTER}}}))
        backend.says("credits", balance(450, 0))
        yield backend


@pytest.fixture
async def context(core: Core, backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[WorkerContext]:
    async with context_over(core, tmp_path, backend=backend.url) as context:
        yield context


async def sent(core: Core, job: Job, token_id: str, *, account: str = "usr_1", **before: int) -> Claim:
    """Claim a job and write the intent to send its message for an account, with what the balance said before."""
    claim = await core.begin(job)
    taken = transitions.token_taken(claim.job, token_id=token_id)
    intent = Sent(
        at_ms=core.clock.now_ms(),
        before=drafts.fingerprint(BEFORE),
        state=drafts.state_fingerprint({"draft": BEFORE}, uploads=0),
        cost=COST,
        **before,
    )
    return await core.write(
        claim, transitions.sending(taken, sent=intent), session=sessions.of_user(claim.session, account)
    )


@pytest.fixture
async def token_id(core: Core) -> str:
    return await core.tokens.add("nmv_usr_a", kind="operator", available=500)


@asynccontextmanager
async def listened(core: Core, context: WorkerContext) -> AsyncIterator[tuple[JobExecution, str]]:
    """A job whose stream has closed by itself; when its message was sent nobody else used the token."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    assert await context.token_pool.credentials(token_id, profile="") is not None, "its secret is at hand"
    job = await core.submit(plan=Plan(message="trim it", action="none"))
    claim = await sent(core, job, token_id, credits_total=500, frozen=0, sends=0)
    async with context.leases.hold(job.id, claim.owner) as lease:
        execution = JobExecution(context, claim, lease)
        closed = transitions.stream_closed(claim.job, now_ms=core.clock.now_ms(), spoke=True, tools_ran=True)
        execution.job = transitions.answered(closed, reply="Done.")
        execution.session = sessions.opened(
            claim.session, backend_id="b1", task_id=None, user_id="usr_1", token_id=token_id
        )
        execution.handover = Handover(draft_before=pack_json(BEFORE))
        yield execution, token_id


class ClockAhead(HandClock):
    """The clock of a host that is a minute ahead of Redis's."""

    def for_operations(self) -> dict[str, int]:
        return {"now_ms": self.now_ms() - 60_000}


async def test_a_message_that_was_announced_just_now_is_not_surely_frozen_whatever_this_host_s_clock_says(
    core: Core, backend: ScriptedBackend, tmp_path: Path
) -> None:
    """Else it would explain credits that are frozen for this job's, whose edit would be taken to be over."""
    backend.says("credits", balance(450, 50))
    ahead = Core(core.redis, core.settings, ClockAhead())
    async with (
        context_over(ahead, tmp_path, backend=backend.url) as context,
        listened(ahead, context) as (execution, token_id),
    ):
        await sent(ahead, await ahead.submit(), token_id)
        reading = await take_credit_reading(execution, closely=True)
    assert (reading.others.least, reading.others.most) == (0, COST)


async def operations(core: Core) -> int:
    """Count the operations on Redis so far."""
    return (await core.redis.info("commandstats"))["cmdstat_fcall"]["calls"]


async def learned(core: Core) -> dict[bytes, bytes]:
    return await core.redis.hgetall(key("message_costs"))


async def test_an_edit_with_nothing_frozen_is_settled_in_one_operation(core: Core, context: WorkerContext) -> None:
    async with listened(core, context) as (execution, token_id):
        before = await operations(core)
        job = await stepped(execution)
        assert await operations(core) - before == 1
    assert (job.edited, job.credits_used, job.credits_exact) == (True, COST, True)
    token = await core.tokens.get(token_id)
    assert token is not None
    assert (token.available, token.frozen, token.reserved, token.read_at_ms) == (450, 0, 0, core.clock.now_ms())
    assert await learned(core) == {KIND: b"50"}
    assert await core.token_use.sent_on(token_id) == {}


@pytest.mark.parametrize(
    ("state", "reply", "charged", "cost"),
    [(AFTER, "Trimmed.", 450, 50), (AFTER, "Trimmed.", 500, 0), (BEFORE, "Which part shall I cut?", 450, 50)],
)
async def test_an_end_for_which_nothing_is_missing_yet_is_looked_at_once_more_since_it_may_be_charged_late(
    core: Core,
    context: WorkerContext,
    backend: ScriptedBackend,
    *,
    state: object,
    reply: str,
    charged: int,
    cost: int,
) -> None:
    backend.says("state", said({"code": 0, "data": {"state": {"draft": state}}}))
    backend.says("credits", balance(500, 0), balance(charged, 0))
    async with listened(core, context) as (execution, _):
        recovery = msgspec.structs.replace(execution.job.recovery, tools_ran=state is AFTER)
        execution.job = msgspec.structs.replace(execution.job, reply=reply, recovery=recovery)
        first = await stepped(execution)
        job = await stepped(execution)
    assert (first.stage, first.ended, first.credits_used) == (Stage.RECOVERING, False, None)
    assert job.edited is (state is AFTER)
    assert job.edited or job.ended
    assert (job.credits_used, job.credits_exact) == (cost, True)


@pytest.mark.parametrize(
    "error", [{"error": {"message": "the state is locked"}}, {"error": "engine down"}, {"detail": "x"}]
)
async def test_an_error_in_the_place_of_a_state_is_no_edit(
    core: Core, context: WorkerContext, backend: ScriptedBackend, error: object
) -> None:
    backend.says("state", said(error))
    async with listened(core, context) as (execution, _):
        job = await stepped(execution)
    assert job.recovery is not None
    assert (job.stage, job.edited, job.recovery.seen) == (Stage.RECOVERING, False, None)


async def frozen_until_another_has_the_job(core: Core, execution: JobExecution) -> None:
    core.clock.turn(by_s=core.settings.lease_s)
    execution.lease.note_renewal(stopwatch_s() - core.settings.lease_s)
    await core.claim(execution.job)


async def test_who_was_frozen_until_another_had_the_job_settles_nothing(core: Core, context: WorkerContext) -> None:
    """The other one may wait for its second stage: who sends beside it would take its charge for a part of his own."""
    async with listened(core, context) as (execution, token_id):
        await frozen_until_another_has_the_job(core, execution)
        with pytest.raises(LeaseLost):
            await stepped(execution)
        assert list(await core.token_use.sent_on(token_id)) == [execution.job.id]


async def test_who_was_frozen_until_another_had_the_job_reserves_no_token_for_it(
    core: Core, context: WorkerContext, token_id: str
) -> None:
    """The job holds the other one's, on which its message may be out."""
    job = await core.submit()
    async with in_hand(core, context, transitions.started(job, now_ms=job.created_at_ms)) as execution:
        await frozen_until_another_has_the_job(core, execution)
        with pytest.raises(LeaseLost):
            await stepped(execution)
    token = await core.tokens.get(token_id)
    assert token is not None
    assert (token.in_flight, token.reserved) == (0, 0)


async def test_who_sends_on_the_token_meanwhile_makes_the_cost_uncertain_and_teaches_nothing(
    core: Core, context: WorkerContext
) -> None:
    async with listened(core, context) as (execution, token_id):
        other = await sent(core, await core.submit(), token_id)
        job = await stepped(execution)
        assert list(await core.token_use.sent_on(token_id)) == [other.job.id]
    assert (job.edited, job.credits_used, job.credits_exact) == (True, COST, False)
    assert await learned(core) == {}


async def test_who_has_sent_on_the_token_and_ended_meanwhile_makes_the_cost_uncertain_too(
    core: Core, context: WorkerContext
) -> None:
    async with listened(core, context) as (execution, token_id):
        await core.finish(await sent(core, await core.submit(), token_id))
        job = await stepped(execution)
    assert (job.edited, job.credits_exact) == (True, False)
    assert await learned(core) == {}


@pytest.mark.parametrize(("account", "exact"), [("usr_1", False), ("usr_2", True)])
async def test_who_has_sent_by_another_token_of_the_account_makes_the_cost_uncertain(
    core: Core, context: WorkerContext, account: str, exact: bool
) -> None:
    """As long as an operator lets a new token take the place of an old one, both serve."""
    async with listened(core, context) as (execution, _):
        another = await core.tokens.add("nmv_usr_b", kind="operator", available=500)
        await core.finish(await sent(core, await core.submit(), another, account=account))
        job = await stepped(execution)
    assert (job.edited, job.credits_exact) == (True, exact)


@pytest.mark.parametrize("known", [True, False])
async def test_who_is_at_work_by_another_token_of_the_account_has_a_part_in_the_cost(
    core: Core, context: WorkerContext, known: bool
) -> None:
    """It was sent before this one, and charged between the two balances. `known`: both tokens have been used before."""
    another = await core.tokens.add("nmv_usr_b", kind="operator", available=500)
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    if known:
        for token in (another, token_id):
            await core.finish(await sent(core, await core.submit(), token))
    other = await sent(core, await core.submit(), another)
    job = await core.submit()
    use = await core.token_use.use_of(token_id, job_id=job.id)
    assert use is not None
    assert use.others_at_work == int(known)
    before = {"credits_total": 500, "frozen": 0, "sends": use.sends}
    claim = await sent(core, job, token_id, **before)
    assert set(await core.token_use.sent_on(token_id)) == {job.id, other.job.id}
    await core.finish(other)
    settled = await core.token_use.settle(token_id, job_id=job.id, available=400, frozen=0)
    assert settled.sends != use.sends + 1, "not this one alone"
    await core.finish(claim)


@pytest.mark.parametrize("looked_for", [True, False])
async def test_a_message_that_goes_on_with_another_token_of_its_account_is_at_work_there(
    core: Core, context: WorkerContext, *, looked_for: bool
) -> None:
    """Its own was removed, and its cost is charged to the account as before: whoever sends beside it must know."""
    async with listened(core, context) as (execution, token_id):
        another = await core.tokens.add("nmv_usr_b", kind="operator", available=500)
        await core.finish(await sent(core, await core.submit(), another))
        if looked_for:
            following = transitions.confirmation_needed(execution.job, now_ms=core.clock.now_ms())
            await execution.commit(StepResult(following))
        await core.tokens.remove(token_id)
        await execution.commit(await handle_fault(execution, BackendFault(Fault.TOKEN_REFUSED, call="token")))
        use, messages = await core.token_use.use_of(another), await core.token_use.sent_on(another)
        ended = transitions.failed(execution.job, now_ms=core.clock.now_ms(), code=Code.EDIT_UNCONFIRMED)
        await execution.commit(StepResult(ended))
    assert use is not None
    assert (execution.session.token_id, use.others_at_work) == (another, 1)
    assert messages == {execution.job.id: SentMessage(COST, open_since_ms=0)}, "perhaps its credits are frozen no more"
    assert await core.token_use.sent_on(another) == {}


async def test_an_edit_that_was_settled_is_at_work_on_no_other_token_of_its_account(
    core: Core, context: WorkerContext
) -> None:
    async with listened(core, context) as (execution, token_id):
        another = await core.tokens.add("nmv_usr_b", kind="operator", available=500)
        await core.finish(await sent(core, await core.submit(), another))
        edited = transitions.edited(execution.job, changes=("Trimmed",), credits_used=COST, credits_exact=True)
        render = Render(id="render_1", attempt=1, started_at_ms=core.clock.now_ms(), asked=True)
        await execution.commit(StepResult(transitions.rendering(edited, render=render)))
        await core.tokens.remove(token_id)
        await execution.commit(await handle_fault(execution, BackendFault(Fault.TOKEN_REFUSED, call="token")))
    assert execution.session.token_id == another
    assert execution.job.id not in await core.token_use.sent_on(another)


async def test_a_message_that_goes_out_when_its_job_is_over_counts_on_all_tokens_of_the_account(
    core: Core, token_id: str
) -> None:
    another = await core.tokens.add("nmv_usr_b", kind="operator")
    for token in (another, token_id):
        await core.finish(await sent(core, await core.submit(), token))
    before = [await core.token_use.use_of(token) for token in (token_id, another)]
    await core.token_use.note_late_message(another, job_id="job_1")
    after = [await core.token_use.use_of(token) for token in (token_id, another)]
    assert [use and use.sends for use in after] == [use and use.sends + 1 for use in before]


async def test_a_token_that_was_removed_is_none_of_its_account_any_more(core: Core, token_id: str) -> None:
    another = await core.tokens.add("nmv_usr_b", kind="operator")
    for token in (another, token_id):
        await core.finish(await sent(core, await core.submit(), token))
    await core.tokens.remove(another)
    await core.finish(await sent(core, await core.submit(), token_id))
    [tokens] = [members for name, members in (await core.everything()).items() if name.startswith("rg:account:")]
    assert tokens == {token_id.encode()}
    assert await core.tokens.get(another) is None


async def test_messages_on_the_token_s_successor_are_not_compared_with_those_on_the_token(
    core: Core, context: WorkerContext
) -> None:
    """Just as many were sent on it by now, and that one was another job's."""
    async with listened(core, context) as (execution, _):
        successor = await core.tokens.add("nmv_usr_b", kind="operator")
        await core.finish(await sent(core, await core.submit(), successor))
        execution.job = transitions.token_changed(execution.job, token_id=successor)
        job = await stepped(execution)
    assert (job.edited, job.credits_exact) == (True, False)
    assert await learned(core) == {}


async def test_where_credits_are_frozen_it_is_asked_at_once_for_whom(
    core: Core, context: WorkerContext, backend: ScriptedBackend
) -> None:
    backend.says("credits", balance(450, 50))
    async with listened(core, context) as (execution, token_id):
        await sent(core, await core.submit(), token_id)
        job = await stepped(execution)
    assert (job.stage, job.edited) == (Stage.RECOVERING, False)
    token = await core.tokens.get(token_id)
    assert token is not None
    assert (token.available, token.frozen) == (450, 50)


@pytest.mark.parametrize(
    ("balances", "cost", "waits"),
    [
        ([(500, 0), (450, 50)], (COST, False), True),
        ([(500, 0), (470, 0)], (30, True), False),
        ([(500, 0), (500, 0)], (0, True), False),
        ([(470, 0)], (30, True), False),
    ],
)
async def test_an_end_right_after_the_message_does_not_say_at_once_that_nothing_was_charged(
    core: Core,
    backend: ScriptedBackend,
    tmp_path: Path,
    *,
    balances: list[tuple[int, int]],
    cost: tuple[int, bool],
    waits: bool,
) -> None:
    """The deadline comes when the bytes have just gone out: the backend may not have begun to work."""
    core.with_settings(settle_s=0.05)
    backend.says("credits", *(balance(*told) for told in balances))
    async with context_over(core, tmp_path, backend=backend.url) as context, listened(core, context) as (execution, _):
        execution.job = msgspec.structs.replace(execution.job, recovery=None, timeout_s=0)
        job = await stepped(execution)
        assert is_settling(execution, NO_READING) is waits
    assert job.error is not None
    assert job.error.code is Code.DEADLINE_EXCEEDED
    assert (job.credits_used, job.credits_exact) == cost
    assert len(backend.calls("credits")) == len(balances)


@pytest.mark.parametrize("end", [Code.DEADLINE_EXCEEDED, None])
async def test_a_message_that_was_announced_and_not_sent_has_cost_nothing_whoever_else_uses_the_token(
    core: Core, context: WorkerContext, backend: ScriptedBackend, end: Code | None
) -> None:
    """The deadline, or a cancel, comes between the intent and the bytes."""
    async with listened(core, context) as (execution, token_id):
        await sent(core, await core.submit(), token_id)
        execution.handover = Handover(may_send=True)
        execution.job = msgspec.structs.replace(execution.job, recovery=None, reply=None, timeout_s=0 if end else 60)
        if end is None:
            execution.job = transitions.cancel_asked(execution.job, now_ms=core.clock.now_ms())
        job = await stepped(execution)
    assert (job.ended, job.error and job.error.code) == (True, end)
    assert (job.credits_used, job.credits_exact) == (0, True)
    assert backend.calls("credits") == []


@pytest.mark.parametrize("name", [b"half an emoji \\ud83d", b"caf\xe9", b"two\nlines"])
async def test_a_state_with_an_odd_name_in_it_confirms_the_edit_as_any_other(
    core: Core, context: WorkerContext, backend: ScriptedBackend, name: bytes
) -> None:
    plain = said({"code": 0, "data": {"state": {"draft": AFTER | {"title": "NAME"}}}}).body
    backend.says("state", Answer(plain.replace(b"NAME", name)))
    async with listened(core, context) as (execution, _):
        job = await stepped(execution)
    assert job.edited


@pytest.mark.parametrize(
    "event",
    [
        b": alive",
        b'data: {"type":"heartbeat"}',
        b'data: {"state":"busy","step":3}',
        b'data: {"type":"tool_call","name":"add_music","args":{}}',
        b'data: {"type":"text","content":"I add the music now."}',
    ],
)
async def test_a_caller_hears_of_any_sign_of_life_in_a_long_stream(
    core: Core, context: WorkerContext, backend: ScriptedBackend, event: bytes
) -> None:
    backend.says("/run_sse", Answer(event + b"\n\n", content_type="text/event-stream"))
    at_once = core.settings.model_copy(update={"still_working_s": 0})
    async with listened(core, dataclasses.replace(context, settings=at_once)) as (execution, _):
        execution.job = await core.read(execution.job)
        execution.handover = Handover(may_send=True)
        await edit(execution)
        assert execution.job.message == "⏳ Still working..."


async def test_a_stream_that_held_gui_talk_alone_has_answered(
    core: Core, context: WorkerContext, backend: ScriptedBackend
) -> None:
    """Else it would be looked after as one that broke off, and end so in its caller's eyes."""
    event = b'data: {"type":"text","content":"Click the Export button to download your video."}'
    backend.says("/run_sse", Answer(event + b"\n\n", content_type="text/event-stream"))
    async with listened(core, context) as (execution, _):
        execution.job = msgspec.structs.replace(execution.job, recovery=None, reply=None)
        execution.handover = Handover(may_send=True)
        job = (await edit(execution)).job
    assert job.recovery is not None
    assert (job.recovery.spoke, job.recovery.tools_ran, job.reply) == (True, False, None)


@pytest.mark.parametrize(
    ("reply", "tools_ran", "code"),
    [
        ("I'm sorry, I can't do that.", False, Code.NOTHING_CHANGED),
        ("Done.", True, Code.NOTHING_TO_EXPORT),
    ],
)
async def test_talk_that_was_paid_for_and_leaves_nothing_to_export_is_told_as_such(
    core: Core, context: WorkerContext, backend: ScriptedBackend, *, reply: str, tools_ran: bool, code: Code
) -> None:
    """Whoever has brought a clip and asked for an edit is not told to do so."""
    backend.says("state", said({"code": 0, "data": {"state": {"draft": None}}}))
    async with listened(core, context) as (execution, _):
        intent = execution.job.sent
        assert intent is not None
        empty = msgspec.structs.replace(
            intent, before=drafts.fingerprint(None), state=drafts.state_fingerprint({}, uploads=0)
        )
        recovery = Recovery(since_ms=core.clock.now_ms(), spoke=True, tools_ran=tools_ran)
        execution.job = msgspec.structs.replace(
            execution.job, sent=empty, recovery=recovery, reply=reply, plan=Plan(message="trim it", action="export")
        )
        await stepped(execution, 3)
        core.clock.turn(by_s=core.settings.unseen_edit_s + 1)
        job = await stepped(execution, 3)
    assert job.error is not None
    assert (job.error.code, job.hints == ()) == (code, code is Code.NOTHING_CHANGED)
    assert job.error.hint.endswith("The job cost 50 credits.")
