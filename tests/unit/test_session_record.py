"""The session record: our lasting name for something that the backend may forget."""

import msgspec
import pytest

from core.model import session as sessions
from core.model.job import Job, MediaRef, Sent, Status
from core.model.session import Session
from core.store.redis.codec import pack, unpack
from tests.store_fixture import make_job

FRESH = Session(id="ses_1", tenant="acme", profile="free-video-fast", created_at_ms=0)
CLIP = MediaRef(url="https://media.example.com/a.mp4", name="a.mp4")


OTHER = MediaRef(url="https://a.example/b.mp4", name="b.mp4")


def a_job(job_id: str, status: Status, *, sent: Sent | None = None) -> Job:
    return msgspec.structs.replace(make_job(), id=job_id, status=status, sent=sent)


FAILED, FAILED_TOO = a_job("job_1", Status.FAILED), a_job("job_2", Status.FAILED)


def with_files_of_job_1(*, brought: int, edits: int) -> Session:
    session = opened(sessions.joined(FRESH, (CLIP, OTHER), job_id="job_1"))
    return msgspec.structs.replace(session, uploaded=brought, edits=edits)


def joined_by_job_2(session: Session) -> Session:
    return sessions.joined(session, (CLIP, OTHER), job_id="job_2", parent_id="job_1")


def opened(session: Session = FRESH) -> Session:
    return sessions.opened(session, backend_id="b1", task_id="t1", user_id="u1", token_id="tok_1")


def test_an_opened_session_has_the_backend_s_names_and_nothing_uploaded() -> None:
    session = opened(sessions.joined(FRESH, (CLIP,)))
    assert (session.backend_id, session.token_id, session.generation, session.uploaded) == ("b1", "tok_1", 1, 0)
    assert session.media == (CLIP,)


def test_a_user_that_is_known_is_not_forgotten_by_an_answer_without_one() -> None:
    again = sessions.opened(opened(), backend_id="b2", task_id=None, user_id=None, token_id="tok_2")
    assert (again.user_id, again.generation, again.task_id) == ("u1", 2, None)


def test_a_session_that_another_token_opens_anew_is_of_no_account_until_that_is_told() -> None:
    """By it messages are counted on all tokens of an account: one that is another's would leave out its own."""
    anew = sessions.opened(sessions.forgotten(opened()), backend_id="b2", task_id=None, user_id=None, token_id="tok_2")
    assert anew.user_id is None
    assert sessions.of_user(anew, "u2").user_id == "u2"
    assert sessions.of_user(sessions.moved_to(opened(), "tok_2"), "u2").user_id == "u2"
    assert sessions.of_user(opened(), None).user_id == "u1"


def test_a_session_lost_before_its_first_edit_can_be_opened_again_with_all_its_files() -> None:
    session = sessions.forgotten(sessions.uploaded(opened(sessions.joined(FRESH, (CLIP,))), 1))
    assert (session.lost, session.backend_id, session.token_id, session.uploaded) == (False, None, None, 0)
    assert session.media == (CLIP,)
    assert session.generation == 1


def test_a_session_that_is_given_up_keeps_its_names() -> None:
    lost = sessions.given_up(opened())
    assert (lost.lost, lost.backend_id) == (True, "b1")


def test_a_successor_of_its_token_goes_on_with_it() -> None:
    moved = sessions.moved_to(opened(), "tok_2")
    assert (moved.token_id, moved.backend_id, moved.generation) == ("tok_2", "b1", 1)


def test_files_are_kept_in_the_order_in_which_jobs_brought_them() -> None:
    other = MediaRef(upload_id="upl_1", name="b.mp4", size_bytes=5)
    assert sessions.joined(sessions.joined(FRESH, (CLIP,)), (other,)).media == (CLIP, other)


def test_a_session_is_read_as_it_was_written() -> None:
    session = sessions.joined(opened(), (CLIP,))
    assert unpack(pack(session), Session) == session


def test_what_a_job_has_not_brought_goes_with_it_where_there_is_a_timeline_and_stays_where_there_is_none() -> None:
    session = sessions.uploaded(opened(sessions.joined(FRESH, (CLIP, OTHER))), 1)
    assert sessions.left(session, FAILED) == session
    edited = sessions.timeline_changed(session, job_id="job_1", timeline="t")
    assert sessions.left(edited, FAILED).media == session.media[:1]
    assert sessions.left(sessions.uploaded(edited, 2), FAILED) == sessions.uploaded(edited, 2)


@pytest.mark.parametrize("edits", [0, 1])
@pytest.mark.parametrize("brought", [0, 1, 2])
def test_a_replay_brings_no_file_twice_of_a_job_whose_message_never_went(brought: int, edits: int) -> None:
    ended = sessions.left(with_files_of_job_1(brought=brought, edits=edits), FAILED)
    replayed = joined_by_job_2(ended)
    assert [(each.name, each.job_id) for each in replayed.media] == [("a.mp4", "job_2"), ("b.mp4", "job_2")]
    assert replayed.uploaded == brought
    succeeded = sessions.left(sessions.uploaded(replayed, 2), a_job("job_2", Status.SUCCEEDED))
    assert len(joined_by_job_2(succeeded).media) == 4, "its files were used since"


def test_a_second_replay_of_a_job_finds_the_files_that_its_first_one_left() -> None:
    first = sessions.left(joined_by_job_2(sessions.left(with_files_of_job_1(brought=2, edits=1), FAILED)), FAILED_TOO)
    second = sessions.joined(first, (CLIP, OTHER), job_id="job_3", parent_id="job_1")
    assert [(each.name, each.job_id) for each in second.media] == [("a.mp4", "job_3"), ("b.mp4", "job_3")]


@pytest.mark.parametrize(
    "job", [a_job("job_1", Status.FAILED, sent=Sent(at_ms=1, before="-")), a_job("job_1", Status.SUCCEEDED)]
)
def test_a_replay_brings_the_files_anew_of_a_job_that_may_have_used_its_own(job: Job) -> None:
    ended = sessions.left(with_files_of_job_1(brought=2, edits=1), job)
    assert [each.name for each in joined_by_job_2(ended).media] == ["a.mp4", "b.mp4", "a.mp4", "b.mp4"]


def test_a_file_that_another_job_s_message_has_used_is_brought_anew_by_a_replay() -> None:
    """Where there is no timeline yet the next job's message works on what the one before it has left."""
    waits = sessions.left(with_files_of_job_1(brought=2, edits=0), FAILED)
    answered = sessions.left(waits, a_job("job_2", Status.FAILED, sent=Sent(at_ms=1, before="-")))
    assert [each.name for each in joined_by_job_2(answered).media] == ["a.mp4", "b.mp4", "a.mp4", "b.mp4"]


def test_what_an_ended_job_has_not_brought_is_not_brought_by_one_that_brings_its_own() -> None:
    third = MediaRef(url="https://a.example/c.mp4", name="c.mp4")
    left = sessions.left(with_files_of_job_1(brought=1, edits=0), FAILED)
    assert [each.name for each in sessions.joined(left, (third,), job_id="job_2").media] == ["a.mp4", "c.mp4"]
    assert sessions.joined(left, (), job_id="job_2") == left, "it goes on from what others were to bring"


def test_a_replay_of_the_render_alone_leaves_the_files_to_a_replay_from_the_start() -> None:
    ended = sessions.left(with_files_of_job_1(brought=2, edits=1), FAILED)
    assert sessions.joined(ended, (), job_id="job_2", parent_id="job_1") == ended
