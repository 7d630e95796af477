"""What a fault means for a job: the table, without a store and without a backend."""

import itertools
from types import SimpleNamespace

import msgspec
import pytest

from core.errors import Code, WaitReason
from core.model import transitions
from core.model.job import Job, Stage
from core.model.session import Session
from tests.store_fixture import make_job
from worker.backend.faults import BackendFault, Fault
from worker.jobs.fault_policy import (
    Change,
    EndJob,
    RetryLater,
    may_begin_again,
    may_leave_session,
    may_take_another_token,
    message_was_refused,
    raised_estimate,
    reaction_to,
)

SETTINGS = SimpleNamespace(backoff_s=1.0, rate_limited_s=30.0)
CALLS = ("open_session", "upload", "message", "state", "credits", "render", "render_status", "output", "token")


def at(stage: Stage, **facts) -> Job:
    job = transitions.started(make_job(), now_ms=0)
    return msgspec.structs.replace(job, stage=stage, **facts)


def reaction(fault: Fault, call: str = "state", *, job: Job | None = None, **facts):
    return reaction_to(BackendFault(fault, call=call, **facts), job or at(Stage.EDITING), SETTINGS)


@pytest.mark.parametrize(
    ("fault", "call", "expected"),
    [
        (Fault.BROKEN, "message", Change.READ_INSTEAD_OF_SENDING),
        (Fault.TOKEN_REFUSED, "message", Change.INVALIDATE_TOKEN),
        (Fault.SESSION_LOST, "message", Change.LEAVE_SESSION),
        (Fault.NO_CREDITS, "message", Change.EXHAUST_TOKEN),
        (Fault.EXPORT_BLOCKED, "render", Change.BLOCK_EXPORT),
        (Fault.SCOPE_MISSING, "upload", Change.DENY_SCOPE),
        (Fault.UNREACHABLE, "message", RetryLater(WaitReason.BACKEND_DOWN, 1.0)),
        (Fault.BUSY, "message", RetryLater(WaitReason.SESSION_BUSY, 3.0)),
        (Fault.RATE_LIMITED, "message", RetryLater(WaitReason.BACKEND_RATE_LIMITED, 30.0, token_rests=True)),
        (Fault.BROKEN, "state", RetryLater(WaitReason.BACKEND_DOWN, 1.0)),
        (Fault.BROKEN, "upload", RetryLater(WaitReason.BACKEND_DOWN, 1.0, upload_doubt=True)),
        (Fault.UNREACHABLE, "upload", RetryLater(WaitReason.BACKEND_DOWN, 1.0)),
        (Fault.UNSUPPORTED, "upload", EndJob(Code.UNSUPPORTED_MEDIA)),
        (Fault.REFUSED, "open_session", EndJob(Code.BACKEND_UNAVAILABLE)),
        (Fault.RENDER_UNKNOWN, "output", EndJob(Code.RENDER_FAILED)),
        (Fault.RENDER_DUPLICATE, "state", EndJob(Code.INTERNAL)),
    ],
)
def test_each_fault_means_one_thing(fault, call, expected):
    assert reaction(fault, call) == expected


def test_every_fault_of_every_call_at_every_stage_means_something():
    for fault, call, stage in itertools.product(Fault, CALLS, Stage):
        assert isinstance(reaction(fault, call, job=at(stage)), Change | RetryLater | EndJob)


def test_a_message_that_may_have_arrived_is_never_sent_again():
    for fault in Fault:
        meant = reaction(fault, "message")
        assert (meant is Change.READ_INSTEAD_OF_SENDING) == BackendFault(fault, call="message").maybe_done


def test_a_file_that_is_too_large_ends_with_the_profiles_limit():
    assert "500 MB" in (reaction(Fault.TOO_LARGE, "upload").hint or "")


def test_pauses_double_up_to_a_bound_and_the_backends_own_word_counts_more():
    pauses = [reaction(Fault.UNREACHABLE, job=at(Stage.RENDERING, faults=faults)).delay_s for faults in range(9)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert reaction(Fault.BROKEN, retry_after_s=90).delay_s == 90
    rests = [reaction(Fault.RATE_LIMITED, job=at(Stage.RENDERING, faults=faults)).delay_s for faults in range(6)]
    assert rests == [30, 60, 120, 240, 300, 300]
    assert reaction(Fault.RATE_LIMITED, retry_after_s=7).delay_s == 7


def test_a_job_begins_again_only_while_nothing_was_paid_for():
    assert [stage for stage in Stage if may_begin_again(at(stage))] == [
        Stage.PREPARING,
        Stage.UPLOADING,
        Stage.EDITING,
    ]


def test_only_a_refusal_at_the_stage_that_sends_voids_the_intent():
    assert [stage for stage in Stage if message_was_refused(at(stage))] == [Stage.EDITING]
    canceling = transitions.cancel_asked(at(Stage.EDITING), now_ms=1)
    assert not message_was_refused(canceling)
    assert not may_begin_again(canceling)


def session(**facts) -> Session:
    return Session(id="ses_1", tenant="acme", profile="maker-free", created_at_ms=0, **facts)


def test_a_session_with_an_edit_or_perhaps_one_is_not_left():
    assert may_leave_session(at(Stage.UPLOADING), session())
    assert not may_leave_session(at(Stage.UPLOADING), session(edits=1))
    assert not may_leave_session(at(Stage.RECOVERING), session())


def test_a_session_with_an_edit_stays_with_its_token():
    assert may_take_another_token(at(Stage.UPLOADING), session(backend_id="b1"))
    assert not may_take_another_token(at(Stage.UPLOADING), session(backend_id="b1", edits=1))
    assert not may_take_another_token(at(Stage.RENDERING), session())


@pytest.mark.parametrize(("available", "least"), [(None, 0), (49, 50), (40, 41), (50, 100), (500, 100)])
def test_a_refusal_teaches_how_many_credits_are_too_few_and_where_they_were_enough_doubles_the_estimate(
    available, least
):
    assert raised_estimate(at(Stage.EDITING), available=available, estimate=50) == least
