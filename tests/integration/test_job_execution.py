"""One job in a worker's hands: what its commits allow, and what they hand over to the next step."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from itertools import pairwise

import msgspec
import pytest

from core.errors import Code
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Sent, Stage, Webhook
from core.model.webhook import TenantWebhook
from core.store.leases import LeaseLost
from tests.peer_fixture import answered, page, peer
from tests.store_fixture import Core, core
from tests.worker_fixture import context_over, in_hand
from worker.backend.drafts import state_fingerprint
from worker.backend.faults import BackendFault, Fault
from worker.backend.responses import State
from worker.context import WorkerContext
from worker.jobs.claim_link import with_claim_link
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import Handover, StepResult

__all__ = ["core"]


@pytest.fixture
async def context(core: Core, tmp_path) -> AsyncIterator[WorkerContext]:
    async with context_over(core, tmp_path) as context:
        yield context


def intent_of(job: Job) -> StepResult:
    return StepResult(transitions.sending(job, sent=Sent(at_ms=1, before="d0")))


async def started(execution: JobExecution) -> JobExecution:
    await execution.commit(StepResult(transitions.started(execution.job, now_ms=execution.now_ms)))
    return execution


@pytest.mark.quick
async def test_only_the_commit_of_an_intent_allows_to_send_and_only_until_the_next(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        assert not execution.handover.may_send
        await execution.commit(intent_of(execution.job))
        assert execution.handover.may_send
        await execution.commit(StepResult(transitions.confirmation_needed(execution.job, now_ms=1)))
        assert not execution.handover.may_send


async def test_no_step_can_allow_itself_to_send(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        uploading = transitions.moved(execution.job, Stage.UPLOADING)
        await execution.commit(StepResult(uploading, handover=Handover(may_send=True)))
        assert not execution.handover.may_send


@pytest.mark.parametrize("is_end", [False, True], ids=["a stage", "the end"])
async def test_what_is_told_of_a_step_that_a_cancel_overtook_is_what_was_written(core, context, is_end):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        await core.cancel(job)
        step = transitions.moved(execution.job, Stage.UPLOADING)
        ended = transitions.failed(execution.job, now_ms=3, code=Code.RENDER_FAILED)
        await execution.commit(StepResult(ended if is_end else step))
        await assert_told_as_written(core, execution.job)
        if not is_end:
            await execution.report_progress("Still working")
            await assert_told_as_written(core, execution.job)


async def test_progress_that_a_cancel_overtook_is_told_as_it_was_written(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        await core.cancel(job)
        await execution.report_progress("Still working")
        await assert_told_as_written(core, execution.job)


async def assert_told_as_written(core: Core, job: Job) -> None:
    bodies = [msgspec.json.decode(each.body)["data"]["job"] for each in (await core.events.of_job(job.id)).events]
    assert (bodies[-1]["status"], bodies[-1]["version"]) == (job.status, job.version)
    assert all(one["version"] < other["version"] for one, other in pairwise(bodies))


HOOK = TenantWebhook(url="https://hooks.example.com/in", events=("job.failed", "job.progress"))
WORN = msgspec.structs.replace(HOOK, state="disabled")


@pytest.mark.parametrize("before", [None, WORN], ids=["there was none", "it was disabled"])
async def test_a_job_that_runs_while_a_default_webhook_is_set_calls_it_back(core, context, before):
    if before:
        await core.webhooks.set_default("acme", before)
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        await core.webhooks.set_default("acme", HOOK)
        await execution.report_progress("Still working")
        await execution.commit(StepResult(transitions.failed(execution.job, now_ms=3, code=Code.RENDER_FAILED)))
    made = await context.deliveries.of_job(job.id)
    assert [delivery.type for delivery, _ in made] == ["job.progress", "job.failed"]


async def test_a_job_with_a_webhook_of_its_own_is_not_held_up_by_the_default(core, context):
    own = Webhook(url="https://hooks.example.com/own", events=("job.failed",))
    job = await core.submit(webhook=own)
    async with in_hand(core, context, job) as execution:
        await started(execution)
        await core.webhooks.set_default("acme", HOOK)
        await execution.commit(StepResult(transitions.failed(execution.job, now_ms=3, code=Code.RENDER_FAILED)))
    made = await context.deliveries.of_job(job.id)
    assert [(delivery.type, delivery.url) for delivery, _ in made] == [("job.failed", own.url)]


async def test_what_was_given_up_for_sending_stays_so(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        await execution.commit(intent_of(execution.job))
        execution.give_up_permission()
        assert not execution.handover.may_send


async def test_a_run_that_finds_an_intent_may_not_send(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        await execution.commit(intent_of(execution.job))
    core.clock.turn(by_s=core.settings.lease_s + 1)
    async with in_hand(core, context, await core.read(job)) as another:
        assert another.job.stage is Stage.EDITING
        assert (another.handover.may_send, another.handover.interrupted) == (False, True)


async def test_a_commit_that_was_refused_allows_nothing(core, context):
    job = await core.submit()
    async with in_hand(core, context, job) as execution:
        await started(execution)
        core.clock.turn(by_s=core.settings.lease_s + 1)
        await core.claim(job)
        with pytest.raises(LeaseLost):
            await execution.commit(intent_of(execution.job))
        assert not execution.handover.may_send


NOT_FOUND = answered({"detail": "Not Found"}, "404 Not Found")


async def at_state(
    core: Core,
    tmp_path,
    answer: bytes,
    *,
    edits: int = 0,
    sent: Sent | None = None,
    but: Mapping[str, bytes] | None = None,
    **facts: object,
) -> State:
    """Read the state of a session in which so much has happened, where the backend gives this answer.

    `but`: other ones, by how their addresses begin.
    """
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = transitions.token_taken(transitions.started(await core.submit(), now_ms=1), token_id=token_id)
    session = sessions.opened(
        core.submission(job).session, backend_id="b1", task_id=None, user_id=None, token_id=token_id
    )
    async with peer(answer) as remote, context_over(core, tmp_path, backend=remote.url) as context:
        remote.but = but or {}
        there = msgspec.structs.replace(job, sent=sent, **facts)
        async with in_hand(core, context, there, msgspec.structs.replace(session, edits=edits)) as execution:
            state = await execution.read_state()
            assert execution.session.user_id == state.user_id
            return state


async def test_no_job_waits_for_a_link_that_it_can_do_without(core, tmp_path):
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = transitions.token_taken(transitions.started(await core.submit(), now_ms=1), token_id=token_id)
    session = sessions.opened(
        core.submission(job).session, backend_id="b1", task_id="t1", user_id=None, token_id=token_id
    )
    async with (
        peer(b"", holds=True) as remote,
        context_over(core, tmp_path, backend=remote.url) as context,
        in_hand(core, context, job, session) as execution,
    ):
        asked = asyncio.ensure_future(with_claim_link(execution, execution.session, within_s=0.5))
        await remote.asked.wait()
        assert await asked == execution.session


async def test_a_fresh_session_without_a_state_has_no_draft(core, tmp_path):
    assert (await at_state(core, tmp_path, NOT_FOUND)).draft is None
    gone = answered({"detail": "Session not found"}, "404 Not Found")
    assert (await at_state(core, tmp_path, gone)).draft is None, "the message will hear whether it is gone"


@pytest.mark.parametrize(("edits", "sent"), [(1, None), (0, Sent(at_ms=1, before="d0"))])
async def test_where_something_was_edited_a_state_that_is_missing_is_no_empty_draft(core, tmp_path, edits, sent):
    with pytest.raises(BackendFault) as missing:
        await at_state(core, tmp_path, NOT_FOUND, edits=edits, sent=sent)
    assert missing.value.fault is Fault.NO_STATE


async def test_a_state_that_was_missing_before_the_message_may_be_missing_after_it(core, tmp_path):
    nothing_there = Sent(at_ms=1, before="d0", state=state_fingerprint({}, uploads=0))
    assert (await at_state(core, tmp_path, NOT_FOUND, sent=nothing_there)).draft is None
    with pytest.raises(BackendFault):
        await at_state(core, tmp_path, NOT_FOUND, sent=nothing_there, edits=1)


NOTHINGS = [answered({"code": 0, "data": None}), answered({"code": 0, "data": {}}), answered({"success": True})]
TOLD_TWICE = {"tries": {"state nothing_told": 2}}
NOTHING_BEFORE = Sent(at_ms=1, before="d0", state=state_fingerprint({}, uploads=0))


@pytest.mark.parametrize("answer", NOTHINGS)
@pytest.mark.parametrize("before", [0, 1])
async def test_an_answer_that_holds_nothing_may_be_a_slip_and_is_no_empty_draft(core, tmp_path, answer, before):
    with pytest.raises(BackendFault) as slip:
        await at_state(core, tmp_path, answer, tries={"state nothing_told": before})
    assert slip.value.fault is Fault.NOTHING_TOLD


@pytest.mark.parametrize("answer", NOTHINGS)
async def test_a_fresh_session_whose_state_holds_nothing_again_and_again_has_no_draft(core, tmp_path, answer):
    assert (await at_state(core, tmp_path, answer, **TOLD_TWICE)).draft is None


PAGES = [page("404 Not Found"), page("400 Bad Request", b""), page("404 Not Found", b"")]
BAD_REQUEST = answered({"code": 400, "message": "bad request"}, "400 Bad Request")


@pytest.mark.parametrize("answer", PAGES)
@pytest.mark.parametrize(("before", "edits"), [(3, 0), (4, 1)])
async def test_a_page_that_says_that_nothing_is_there_is_somebodys_before_the_backend(
    core, tmp_path, answer, before, edits
):
    with pytest.raises(BackendFault) as broken:
        await at_state(core, tmp_path, answer, tries={"state broken": before}, edits=edits)
    assert broken.value.fault is Fault.BROKEN


NOTHING_BUT_PAGES = {"tries": {"state broken": 4}}


@pytest.mark.parametrize("sent", [None, NOTHING_BEFORE])
@pytest.mark.parametrize("answer", PAGES)
async def test_a_fresh_session_of_which_a_page_says_for_long_that_it_has_no_state_has_none(
    core, tmp_path, answer, sent
):
    told = {"/api/credits/": answered({"code": 0, "data": {"available": 500}})}
    assert (await at_state(core, tmp_path, answer, but=told, sent=sent, **NOTHING_BUT_PAGES)).draft is None


@pytest.mark.parametrize("sent", [None, NOTHING_BEFORE])
async def test_a_page_in_the_place_of_every_answer_says_nothing_of_a_state(core, tmp_path, sent):
    """A message into such an outage may have been sent, and an edit that is there would be taken for none."""
    with pytest.raises(BackendFault) as away:
        await at_state(core, tmp_path, PAGES[0], sent=sent, **NOTHING_BUT_PAGES)
    assert away.value.fault is Fault.BROKEN


async def test_a_server_that_fails_for_long_says_nothing_of_a_state(core, tmp_path):
    with pytest.raises(BackendFault):
        await at_state(core, tmp_path, page("502 Bad Gateway"), tries={"state broken": 9})


async def test_a_fresh_session_may_have_a_bad_request_in_the_place_of_its_state(core, tmp_path):
    assert (await at_state(core, tmp_path, BAD_REQUEST)).draft is None
    assert (await at_state(core, tmp_path, answered({"code": 400, "message": "bad request"}))).draft is None
    for refused in (answered({"code": 7001, "message": "no"}), answered({"message": "no"}, "422 X")):
        with pytest.raises(BackendFault):
            await at_state(core, tmp_path, refused)
    with pytest.raises(BackendFault):
        await at_state(core, tmp_path, BAD_REQUEST, edits=1)


@pytest.mark.parametrize(("before", "edits", "sent"), [(1, 0, None), (2, 1, None), (2, 0, NOTHING_BEFORE)])
async def test_a_new_session_that_is_said_to_be_gone_is_believed_to_be_twice(core, tmp_path, before, edits, sent):
    gone, tries = answered({"code": 1002, "message": "session not found"}), {"state session_lost": before}
    with pytest.raises(BackendFault) as lost:
        await at_state(core, tmp_path, gone, tries=tries, edits=edits, sent=sent)
    assert lost.value.fault is Fault.SESSION_LOST


async def test_the_third_new_session_in_a_row_that_is_said_to_be_gone_has_no_state_yet(core, tmp_path):
    gone = answered({"code": 1002, "message": "session not found"})
    state = await at_state(core, tmp_path, gone, tries={"state session_lost": 2})
    assert state.draft is None, "the message will hear whether it is gone"


@pytest.mark.parametrize("answer", NOTHINGS)
async def test_where_nothing_was_before_the_message_an_answer_that_holds_nothing_shows_no_change(
    core, tmp_path, answer
):
    assert (await at_state(core, tmp_path, answer, sent=NOTHING_BEFORE)).draft is None


@pytest.mark.parametrize(("edits", "sent"), [(1, None), (1, NOTHING_BEFORE), (0, Sent(at_ms=1, before="d0"))])
async def test_where_something_was_edited_an_answer_that_holds_nothing_was_not_read(core, tmp_path, edits, sent):
    with pytest.raises(BackendFault) as slip:
        await at_state(core, tmp_path, NOTHINGS[0], edits=edits, sent=sent, **TOLD_TWICE)
    assert slip.value.fault is Fault.NOTHING_TOLD, "it is asked again for as long as the job has time"


@pytest.mark.parametrize("answer", [NOTHINGS[0], NOT_FOUND])
async def test_a_session_of_which_nobody_ever_saw_a_state_has_none_at_the_export_either(core, tmp_path, answer):
    unseen = {"edits": 1, "sent": NOTHING_BEFORE, "edited": True}
    assert (await at_state(core, tmp_path, answer, **unseen)).draft is None
    with pytest.raises(BackendFault):
        await at_state(core, tmp_path, answer, **unseen, changes=("Title added",))


async def test_the_account_that_a_state_names_is_the_session_s(core, tmp_path):
    told = answered({"code": 0, "data": {"user_id": "anon_7", "state": {"draft": None}}})
    assert (await at_state(core, tmp_path, told)).user_id == "anon_7"
