"""The job record only goes forward: each verb, each allowed pair, and no way out of an end."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MEANINGS, Code, WaitReason
from core.model import transitions
from core.model.job import ENDS, Job, OutputFile, Recovery, Render, Sent, Stage, Status
from core.model.progress import PERCENT
from core.model.tombstone import tombstone_of
from core.model.transitions import TRANSITIONS, InvalidTransition
from core.store.redis.codec import pack, unpack
from tests.store_fixture import make_job

NOW_MS = 1_795_000_000_000
RENDER = Render(id="render_1", attempt=1, started_at_ms=NOW_MS)
Verb = Callable[[Job], Job]

#: verbs that may lead to another status, each with the statuses that it may come from
MOVING: dict[str, tuple[Verb, set[Status]]] = {
    "started": (lambda j: transitions.started(j, now_ms=NOW_MS), {Status.QUEUED}),
    "cancel_asked": (
        lambda j: transitions.cancel_asked(j, now_ms=NOW_MS),
        {Status.QUEUED, Status.RUNNING, Status.CANCELING},
    ),
    "succeeded": (lambda j: transitions.succeeded(j, now_ms=NOW_MS), {Status.RUNNING, Status.CANCELING}),
    "failed": (lambda j: transitions.failed(j, now_ms=NOW_MS, code=Code.INTERNAL), {Status.RUNNING, Status.CANCELING}),
    "canceled": (lambda j: transitions.canceled(j, now_ms=NOW_MS), {Status.QUEUED, Status.CANCELING}),
    "expired": (lambda j: transitions.expired(j, now_ms=NOW_MS), {Status.QUEUED}),
}

#: verbs that lead on within a started job
STEPPING: dict[str, Verb] = {
    "moved": lambda j: transitions.moved(j, Stage.UPLOADING),
    "sending": lambda j: transitions.sending(j, sent=Sent(at_ms=NOW_MS, before="f")),
    "restarted": transitions.restarted,
    "message_refused": transitions.message_refused,
    "stream_closed": lambda j: transitions.stream_closed(j, now_ms=NOW_MS, spoke=True),
    "confirmation_needed": lambda j: transitions.confirmation_needed(j, now_ms=NOW_MS),
    "rendering": lambda j: transitions.rendering(j, render=RENDER),
}


def running() -> Job:
    return transitions.started(make_job(), now_ms=NOW_MS)


def in_status(status: Status) -> Job:
    """A job that came to `status` by verbs alone."""
    canceling = transitions.cancel_asked(running(), now_ms=NOW_MS)
    ways = {
        Status.QUEUED: make_job(),
        Status.RUNNING: running(),
        Status.CANCELING: canceling,
        Status.SUCCEEDED: transitions.succeeded(running(), now_ms=NOW_MS),
        Status.FAILED: transitions.failed(running(), now_ms=NOW_MS, code=Code.INTERNAL),
        Status.CANCELED: transitions.canceled(canceling, now_ms=NOW_MS),
        Status.EXPIRED: transitions.expired(make_job(), now_ms=NOW_MS),
    }
    return ways[status]


@pytest.mark.parametrize(
    ("code", "used", "exact", "words"),
    [
        (Code.BACKEND_UNAVAILABLE, 0, True, "Nothing was charged."),
        (Code.NOTHING_CHANGED, 50, True, "The job cost 50 credits."),
        (Code.NOTHING_CHANGED, 50, False, "The job may have cost about 50 credits."),
        (Code.EDIT_UNCONFIRMED, 50, False, "The job may have cost about 50 credits."),
        (Code.BACKEND_UNAVAILABLE, None, False, MEANINGS[Code.BACKEND_UNAVAILABLE].hint),
        (Code.RENDER_FAILED, 50, True, MEANINGS[Code.RENDER_FAILED].hint),
    ],
)
def test_a_bad_end_says_what_it_has_cost_and_never_that_nothing_was_charged_where_something_was(
    code: Code, used: int | None, exact: bool, words: str
) -> None:
    ended = transitions.with_cost(
        transitions.failed(running(), now_ms=NOW_MS, code=code), credits_used=used, credits_exact=exact
    )
    assert ended.error is not None
    assert ended.error.hint.endswith(words)
    assert used == 0 or "othing was charged" not in ended.error.hint


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("name", list(MOVING))
def test_a_verb_goes_only_where_the_table_allows(name: str, status: Status) -> None:
    verb, allowed = MOVING[name]
    before = in_status(status)
    if status in allowed:
        after = verb(before)
        assert after.status == status or (status, after.status) in TRANSITIONS
    elif name == "started" and before.started_at_ms is not None and not before.ended:
        assert verb(before).status is status
    else:
        with pytest.raises(InvalidTransition):
            verb(before)


@pytest.mark.parametrize("status", sorted({Status.QUEUED, *ENDS}))
@pytest.mark.parametrize("name", list(STEPPING))
def test_only_a_started_job_that_has_not_ended_has_stages(name: str, status: Status) -> None:
    with pytest.raises(InvalidTransition):
        STEPPING[name](in_status(status))


@given(st.lists(st.sampled_from([*MOVING, *STEPPING]), max_size=12))
def test_no_sequence_of_verbs_leaves_an_end_or_the_table_and_versions_only_grow(names: list[str]) -> None:
    job = make_job()
    for name in names:
        verb = MOVING[name][0] if name in MOVING else STEPPING[name]
        try:
            after = verb(job)
        except InvalidTransition:
            continue
        assert not job.ended, f"{name} left {job.status}"
        assert after.status == job.status or (job.status, after.status) in TRANSITIONS
        assert after.version == job.version + (after is not job)
        assert after.percent >= job.percent
        assert after.ended == (after.finished_at_ms is not None)
        job = after


def test_every_pair_of_the_table_can_happen_and_no_end_is_left_in_it() -> None:
    reached = {(s, verb(in_status(s)).status) for verb, allowed in MOVING.values() for s in allowed}
    assert {pair for pair in reached if pair[0] != pair[1]} == TRANSITIONS
    assert not {before for before, _ in TRANSITIONS} & ENDS


def test_a_job_that_is_taken_again_keeps_its_place_and_its_attempt() -> None:
    asleep = transitions.waiting(
        transitions.moved(running(), Stage.RENDERING), reason=WaitReason.BACKEND_DOWN, until_ms=NOW_MS
    )
    again = transitions.started(asleep, now_ms=NOW_MS + 60_000)
    assert (again.stage, again.started_at_ms, again.attempts, again.wait) == (Stage.RENDERING, NOW_MS, 1, None)


def test_the_deadline_counts_from_the_start_and_the_start_from_acceptance() -> None:
    job = make_job(created_at_ms=1000, start_timeout_s=10, timeout_s=20)
    assert job.start_by_ms == 11_000
    assert transitions.started(job, now_ms=5000).deadline_ms == 25_000


def test_waiting_for_credits_uses_up_no_time_as_long_as_the_job_could_yet_start() -> None:
    job = transitions.started(make_job(created_at_ms=1000, start_timeout_s=10, timeout_s=20), now_ms=5000)
    for from_ms, until_ms, deadline_ms in ((5000, 7000, 27_000), (8000, 9500, 28_500), (10_500, 60_000, 29_000)):
        job = transitions.credits_awaited(job, from_ms=from_ms, until_ms=until_ms)
        assert job.deadline_ms == deadline_ms
    assert transitions.credits_awaited(job, from_ms=12_000, until_ms=60_000).deadline_ms == 29_000


def test_a_job_for_which_its_worker_has_no_place_uses_up_no_time_either() -> None:
    job = transitions.started(make_job(created_at_ms=1000, start_timeout_s=60, timeout_s=20), now_ms=5000)
    assert transitions.room_awaited(job, now_ms=7000, until_ms=22_000).deadline_ms == 40_000


def test_tries_are_forgotten_once_the_message_is_through_and_not_by_beginning_again() -> None:
    tired = transitions.trying_again(running(), after="upload broken")
    kept = {stage for stage in Stage if transitions.moved(tired, stage).tries == {"upload broken": 1}}
    forgotten = {stage for stage in Stage if transitions.moved(tired, stage).tries == {}}
    assert kept == {Stage.PREPARING, Stage.UPLOADING, Stage.EDITING}
    assert forgotten == {Stage.RECOVERING, Stage.RENDERING, Stage.STORING}


def test_a_checkpoint_forgets_waits_and_never_goes_back_in_percent() -> None:
    tired = transitions.waiting(
        transitions.moved(running(), Stage.RENDERING), reason=WaitReason.BACKEND_DOWN, until_ms=NOW_MS
    )
    back = transitions.moved(tired, Stage.PREPARING)
    assert (back.wait, back.percent) == (None, tired.percent)


def test_tries_are_counted_by_call_and_fault_and_a_wait_counts_none() -> None:
    once = transitions.trying_again(running(), after="upload broken")
    twice = transitions.trying_again(transitions.trying_again(once, after="state busy"), after="upload broken")
    waiting = transitions.waiting(twice, reason=WaitReason.NO_CREDITS, until_ms=NOW_MS)
    assert waiting.tries == {"upload broken": 2, "state busy": 1}


def announced() -> Job:
    """A job whose message may go out."""
    taken = transitions.token_taken(running(), token_id="tok_1")
    return transitions.sending(taken, sent=Sent(at_ms=NOW_MS, before="f"))


def test_a_refused_message_is_taken_back_with_its_token() -> None:
    back = transitions.message_refused(announced())
    assert (back.sent, back.token_id, back.stage) == (None, None, Stage.PREPARING)


@pytest.mark.parametrize("stage", [Stage.PREPARING, Stage.UPLOADING, Stage.EDITING])
def test_a_job_whose_message_is_out_enters_no_stage_before_it(stage: Stage) -> None:
    with pytest.raises(InvalidTransition):
        transitions.moved(announced(), stage)


def test_only_the_stage_that_sends_hears_that_a_message_was_refused() -> None:
    unsure = transitions.confirmation_needed(announced(), now_ms=NOW_MS)
    rendering = transitions.rendering(announced(), render=RENDER)
    canceling = transitions.cancel_asked(announced(), now_ms=NOW_MS)
    for job in (unsure, rendering, transitions.moved(rendering, Stage.STORING), canceling):
        for verb in (transitions.message_refused, transitions.restarted):
            with pytest.raises(InvalidTransition):
                verb(job)


def test_what_a_stream_has_shown_stays_with_a_job_that_has_to_look_again() -> None:
    shown = transitions.stream_closed(announced(), now_ms=NOW_MS, spoke=True, tools_ran=True)
    unsure = transitions.confirmation_needed(shown, now_ms=NOW_MS + 9_000, seen="f", frozen=50)
    assert (shown.stage, unsure.stage) == (Stage.EDITING, Stage.RECOVERING)
    assert unsure.recovery == Recovery(since_ms=NOW_MS, closed=True, spoke=True, tools_ran=True, seen="f", frozen=50)


def test_reads_that_find_nothing_are_counted_and_one_that_finds_a_change_is_not() -> None:
    unsure = transitions.confirmation_needed(running(), now_ms=NOW_MS)
    assert unsure.recovery == Recovery(since_ms=NOW_MS)
    once = transitions.still_unconfirmed(unsure, seen=None)
    seen = transitions.still_unconfirmed(once, seen="f")
    uncounted = transitions.still_unconfirmed(seen, seen=None, counts=False)
    assert [j.recovery and (j.recovery.reads, j.recovery.seen) for j in (once, seen, uncounted)] == [
        (1, None),
        (1, "f"),
        (1, None),
    ]


def test_a_read_that_came_through_forgets_what_was_tried_before_it() -> None:
    """Else five odd refusals over a quarter of an hour end a paid edit, and each 429 doubles the rest of its token."""
    unsure = transitions.confirmation_needed(running(), now_ms=NOW_MS)
    tried = transitions.trying_again(unsure, after="state token_refused")
    assert transitions.still_unconfirmed(tried, seen=None, counts=False).tries == {"state token_refused": 1}
    assert transitions.still_unconfirmed(tried, seen=None).tries == {}
    assert transitions.still_unconfirmed(tried, seen="f").tries == {}


@given(st.integers(-10, 500))
def test_a_render_s_percent_stays_between_its_stage_and_the_next(percent: int) -> None:
    job = transitions.rendering(running(), render=RENDER)
    after = transitions.polled(job, render=msgspec.structs.replace(RENDER, percent=percent))
    assert PERCENT[Stage.RENDERING] <= after.percent <= PERCENT[Stage.STORING]


@pytest.mark.parametrize("code", list(Code))
def test_a_failure_carries_its_words_or_those_that_it_is_given(code: Code) -> None:
    plain = transitions.failed(running(), now_ms=NOW_MS, code=code).error
    told = transitions.failed(running(), now_ms=NOW_MS, code=code, detail="what", hint="do this").error
    assert plain is not None
    assert told is not None
    meaning = MEANINGS[code]
    assert (plain.detail, plain.hint, plain.retryable) == (meaning.title, meaning.hint, meaning.retryable)
    assert (told.detail, told.hint) == ("what", "do this")


def test_a_queued_job_that_is_canceled_ends_at_once_and_a_running_one_is_told() -> None:
    assert transitions.cancel_asked(make_job(), now_ms=NOW_MS).status is Status.CANCELED
    told = transitions.cancel_asked(running(), now_ms=NOW_MS)
    assert (told.status, told.cancel_requested_at_ms) == (Status.CANCELING, NOW_MS)
    assert transitions.cancel_asked(told, now_ms=NOW_MS + 1) is told


def test_what_a_worker_writes_takes_a_crossing_cancel_along() -> None:
    job = running()
    stored = transitions.cancel_asked(job, now_ms=NOW_MS)
    new = transitions.moved(job, Stage.EDITING)
    rebased = transitions.rebased(new, stored)
    assert (rebased.status, rebased.stage, rebased.version) == (Status.CANCELING, Stage.EDITING, stored.version + 1)
    assert rebased.cancel_requested_at_ms == NOW_MS


def test_an_end_wins_over_a_crossing_cancel() -> None:
    job = running()
    stored = transitions.cancel_asked(job, now_ms=NOW_MS)
    for end in (transitions.succeeded(job, now_ms=NOW_MS), transitions.failed(job, now_ms=NOW_MS, code=Code.INTERNAL)):
        rebased = transitions.rebased(end, stored)
        assert (rebased.status, rebased.version) == (end.status, stored.version + 1)


def test_a_deleted_job_is_a_tombstone_that_keeps_how_it_ended() -> None:
    file = OutputFile(path="jobs/1.mp4", format="mp4", expires_at_ms=NOW_MS)
    job = msgspec.structs.replace(make_job(metadata={"order": "7"}), hints=("be brief",))
    ended = transitions.succeeded(
        transitions.started(job, now_ms=NOW_MS), now_ms=NOW_MS, output=file, reply="secret reply"
    )
    tombstone = tombstone_of(transitions.with_cost(ended, credits_used=50, credits_exact=True))
    assert (tombstone.status, tombstone.credits_used, tombstone.data_removed) == (Status.SUCCEEDED, 50, True)
    raw = pack(tombstone)
    for gone in (b"trim the first", b"secret reply", b"jobs/1.mp4", b"order", b"be brief"):
        assert gone not in raw


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.CANCELING])
def test_a_job_that_has_not_ended_cannot_be_deleted(status: Status) -> None:
    with pytest.raises(InvalidTransition):
        tombstone_of(in_status(status))


@pytest.mark.parametrize("status", list(Status))
def test_a_record_is_read_as_it_was_written(status: Status) -> None:
    job = in_status(status)
    assert unpack(pack(job), Job) == job


def test_an_unknown_cost_leaves_a_job_as_it_is() -> None:
    job = running()
    assert transitions.with_cost(job) is job
