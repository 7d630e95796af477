"""What a fault means for a job: the table, without a store and without a backend."""

import itertools

import msgspec
import pytest

from core.errors import MEANINGS, Code
from core.model import transitions
from core.model.job import Job, Sent, Stage
from core.model.session import Session
from tests.store_fixture import make_job
from worker.backend.faults import BackendFault, Fault
from worker.jobs.fault_reactions import (
    Reaction,
    end_after,
    may_begin_again,
    may_leave_session,
    may_take_another_token,
    message_was_refused,
    raised_estimate,
    reaction_to,
)

CALLS = (
    "anonymous_token",
    "open_session",
    "upload",
    "message",
    "state",
    "credits",
    "render",
    "render_status",
    "output",
    "download",
    "token",
)
SENT = Sent(at_ms=0, before="d0")


def at(stage: Stage, **facts) -> Job:
    job = transitions.started(make_job(), now_ms=0)
    return msgspec.structs.replace(job, stage=stage, **facts)


def reaction(fault: Fault, call: str = "state") -> Reaction:
    return reaction_to(BackendFault(fault, call=call))


def end(fault: Fault, call: str, job: Job) -> Code:
    return end_after(BackendFault(fault, call=call), job).code


@pytest.mark.parametrize(
    ("fault", "call", "expected"),
    [
        (Fault.BROKEN, "message", Reaction.READ_INSTEAD_OF_SENDING),
        (Fault.TOKEN_REFUSED, "message", Reaction.INVALIDATE_TOKEN),
        (Fault.SESSION_LOST, "message", Reaction.LEAVE_SESSION),
        (Fault.NO_CREDITS, "message", Reaction.EXHAUST_TOKEN),
        (Fault.EXPORT_BLOCKED, "render", Reaction.BLOCK_EXPORT),
        (Fault.SCOPE_MISSING, "upload", Reaction.DENY_SCOPE),
        (Fault.UNREACHABLE, "message", Reaction.TRY_AGAIN),
        (Fault.BUSY, "message", Reaction.TRY_AGAIN),
        (Fault.BROKEN, "upload", Reaction.TRY_AGAIN),
        (Fault.UNSUPPORTED, "upload", Reaction.TRY_AGAIN),
        (Fault.REFUSED, "open_session", Reaction.TRY_AGAIN),
        (Fault.TOKEN_REFUSED, "anonymous_token", Reaction.TRY_AGAIN),
        (Fault.EXPORT_BLOCKED, "anonymous_token", Reaction.TRY_AGAIN),
    ],
)
def test_each_fault_means_one_thing(fault, call, expected):
    assert reaction(fault, call) is expected


def test_every_fault_of_every_call_means_something():
    for fault, call in itertools.product(Fault, CALLS):
        assert isinstance(reaction(fault, call), Reaction)


def test_a_message_that_may_have_arrived_is_never_sent_again():
    for fault in Fault:
        meant = reaction(fault, "message")
        assert (meant is Reaction.READ_INSTEAD_OF_SENDING) == BackendFault(fault, call="message").maybe_done


def test_every_end_has_a_code_that_fits_what_was_paid_for():
    """Before the message nothing says that something was charged; after it nobody is told to pay again for an export."""
    before = {Code.BACKEND_UNAVAILABLE, Code.CREDITS_EXHAUSTED, Code.SCOPE_MISSING, Code.RENDER_FAILED}
    media = {Code.UNSUPPORTED_MEDIA, Code.MEDIA_TOO_LARGE}
    for fault, call in itertools.product(Fault, CALLS):
        allowed = before | (media if call in ("upload", "message") else set())
        assert end(fault, call, at(Stage.UPLOADING)) in allowed, (fault, call)
        unseen = end(fault, call, at(Stage.RECOVERING, sent=SENT))
        assert unseen in {Code.EDIT_UNCONFIRMED, Code.SCOPE_MISSING, Code.RENDER_FAILED}, (fault, call)
        edited = end(fault, call, at(Stage.RENDERING, sent=SENT, edited=True))
        assert edited in {Code.RENDER_FAILED, Code.SCOPE_MISSING, Code.BACKEND_UNAVAILABLE}, (fault, call)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.RENDER_UNKNOWN])
def test_a_job_that_gets_no_token_never_hears_of_its_media_or_of_scopes(fault):
    code = end(fault, "anonymous_token", at(Stage.PREPARING))
    assert code in {Code.BACKEND_UNAVAILABLE, Code.CREDITS_EXHAUSTED}
    assert MEANINGS[code].retryable


def test_a_file_that_is_too_large_ends_with_the_profiles_limit():
    assert "500 MB" in end_after(BackendFault(Fault.TOO_LARGE, call="upload"), at(Stage.UPLOADING)).hint


def test_a_job_begins_again_only_while_nothing_was_paid_for():
    assert [stage for stage in Stage if may_begin_again(at(stage))] == [
        Stage.PREPARING,
        Stage.UPLOADING,
        Stage.EDITING,
    ]
    assert not any(may_begin_again(at(stage, sent=SENT)) for stage in Stage)


def test_a_refusal_voids_the_intent_only_where_it_is_the_message_s_own_or_nothing_was_sent():
    voiding = {
        (fault, call, may_send)
        for fault, call, may_send in itertools.product(Fault, CALLS, (False, True))
        if message_was_refused(BackendFault(fault, call=call), at(Stage.EDITING, sent=SENT), may_send=may_send)
    }
    own = {(fault, "message", False) for fault in Fault if fault is not Fault.BROKEN}
    assert voiding == own | set(itertools.product(Fault, CALLS, (True,)))


def test_only_the_stage_that_sends_can_hear_that_its_message_was_refused():
    refused = BackendFault(Fault.NO_CREDITS, call="message")
    hears = [stage for stage in Stage if message_was_refused(refused, at(stage, sent=SENT), may_send=False)]
    assert hears == [Stage.EDITING]
    canceling = transitions.cancel_asked(at(Stage.EDITING, sent=SENT), now_ms=1)
    assert not message_was_refused(refused, canceling, may_send=True)
    assert not may_begin_again(canceling)


def session(**facts) -> Session:
    return Session(id="ses_1", tenant="acme", profile="maker-free", created_at_ms=0, **facts)


def test_a_session_with_an_edit_or_perhaps_one_is_not_left():
    assert may_leave_session(at(Stage.UPLOADING), session())
    assert not may_leave_session(at(Stage.UPLOADING), session(edits=1))
    assert not may_leave_session(at(Stage.RECOVERING), session())
    assert not may_leave_session(at(Stage.RENDERING, sent=SENT), session())


def test_a_session_with_an_edit_stays_with_its_token():
    assert may_take_another_token(at(Stage.UPLOADING), session(backend_id="b1"))
    assert not may_take_another_token(at(Stage.UPLOADING), session(backend_id="b1", edits=1))
    assert not may_take_another_token(at(Stage.RENDERING), session())


@pytest.mark.parametrize(("available", "least"), [(None, 0), (49, 50), (40, 41), (50, 100), (500, 100)])
def test_a_refusal_teaches_how_many_credits_are_too_few_and_where_they_were_enough_doubles_the_estimate(
    available, least
):
    assert raised_estimate(at(Stage.EDITING), available=available, estimate=50) == least
