"""The client's retries: what is tried again, when, for how long, and always as the same call."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from reelgate.client import JobAsk, LimitReached, NoAnswer, NotFound, Unavailable, calls, verbs
from reelgate.client.effects import Failure
from reelgate.client.exchange import exchange
from tests.client_script import NOW, Played, Time, answer, circumstances, play, problem

JOB = {"id": "job_1", "status": "queued"}
SUBMIT = calls.submit(JobAsk("trim it", "https://x.example/a.mp4"), key="mine")


def keys(played: Played) -> set[str]:
    return {request.headers.get("idempotency-key") for request in played.requests}


@pytest.mark.parametrize(
    "outcome",
    [
        Failure("ReadTimeout"),
        Failure("ConnectError", sent=False),
        problem(503, "unavailable", retryable=True),
        problem(429, "rate_limited", retryable=True),
        problem(409, "in_progress", retryable=True),
        problem(408, "request_timeout", retryable=True),
        problem(500, "internal", retryable=True),
        answer(502, b"<html>Bad Gateway</html>"),
    ],
)
def test_what_passes_is_tried_again_with_the_same_key_and_bytes(outcome):
    played = play(exchange(circumstances(), SUBMIT), [outcome, outcome, answer(202, JOB)])
    assert played.result.id == "job_1"
    assert keys(played) == {'"mine"'}
    assert len({request.body for request in played.requests}) == 1
    assert len(played.pauses_s) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "not_found"),
        (422, "invalid_value"),
        (409, "not_ended"),
        (429, "too_many_sessions"),
        (429, "budget_exceeded"),
        (401, "unauthorized"),
    ],
)
def test_what_no_pause_helps_is_told_at_once(status, code):
    played = Played()
    with pytest.raises(Exception, match="Words") as told:
        play(exchange(circumstances(), SUBMIT), [problem(status, code, retryable=True)], played=played)
    assert (told.value.code, told.value.status, told.value.problem.code) == (code, status, code)
    assert played.pauses_s == []


def test_retry_after_is_heeded_in_seconds_and_as_a_date():
    later = format_datetime(NOW + timedelta(seconds=9), usegmt=True)
    busy = [problem(429, "queue_full", retryable=True, retry_after="7"), problem(503, "overloaded", retry_after=later)]
    played = play(exchange(circumstances(), SUBMIT), [*busy, answer(202, JOB)])
    assert played.pauses_s == [7.0, 9.0]


@pytest.mark.parametrize("asked", ["0", "soon", "", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_without_a_time_to_wait_for_there_is_a_pause_all_the_same(asked):
    busy = problem(503, "unavailable", retryable=True, retry_after=asked)
    assert play(exchange(circumstances(), SUBMIT), [busy, busy, answer(202, JOB)]).pauses_s == [0.25, 0.5]


def test_pauses_grow_and_stay_bounded():
    clock = Time()
    failures = [Failure("ConnectError", sent=False)] * 200
    played = Played()
    with pytest.raises(NoAnswer, match="nothing was sent"):
        play(exchange(circumstances(within_s=300, clock=clock), SUBMIT), failures, clock=clock, played=played)
    assert played.pauses_s[:4] == [0.25, 0.5, 1.0, 2.0]
    assert max(played.pauses_s) == 7.5
    assert sum(played.pauses_s) <= 300


def test_a_pause_that_would_outlast_the_patience_is_not_begun():
    played = Played()
    busy = problem(429, "rate_limited", retryable=True, retry_after="61")
    with pytest.raises(LimitReached) as told:
        play(exchange(circumstances(within_s=60), SUBMIT), [busy], played=played)
    assert told.value.retry_after_s == 61
    assert played.pauses_s == []


def test_without_patience_nothing_is_tried_again():
    with pytest.raises(Unavailable):
        play(exchange(circumstances(within_s=0), SUBMIT), [problem(503, "unavailable", retryable=True)])


def test_a_new_secret_is_asked_for_again_only_where_nothing_was_sent():
    unsent, sent = Failure("ConnectError", sent=False), Failure("ReadTimeout")
    again = play(exchange(circumstances(), calls.rotate_secret()), [unsent, answer(200, {"secret": "whsec_x"})])
    assert len(again.requests) == 2
    for outcome in (sent, problem(503, "unavailable", retryable=True)):
        with pytest.raises((NoAnswer, Unavailable)):
            play(exchange(circumstances(), calls.rotate_secret()), [outcome])


def test_an_untrusted_certificate_is_not_tried_again():
    with pytest.raises(NoAnswer, match="untrusted certificate") as told:
        play(exchange(circumstances(), SUBMIT), [Failure("untrusted certificate", sent=False, permanent=True)])
    assert not told.value.retryable


def test_an_answer_that_is_not_the_apis_says_so():
    with pytest.raises(NoAnswer, match="not the Reelgate API"):
        play(exchange(circumstances(), calls.read_credits()), [answer(200, b"<html>Welcome</html>")])


def test_each_file_and_the_job_have_a_key_each_that_stays_the_same(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"x" * 9)
    ask = JobAsk("trim it", [tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "a.mp4", "https://x.example/c.mp4"])
    sent = [answer(201, {"id": "upl_a"}), Failure("WriteError"), answer(201, {"id": "upl_b"}), Failure("ReadTimeout")]
    played = play(verbs.submit(circumstances(), ask, key=None, progress=None), [*sent, answer(202, JOB)])
    assert [request.url for request in played.requests] == ["/v1/uploads"] * 3 + ["/v1/jobs"] * 2
    assert [request.headers["idempotency-key"] for request in played.requests] == [
        *('"key-0"', '"key-1"', '"key-1"', '"key-2"', '"key-2"')
    ]
    assert (
        b'"media":[{"upload_id":"upl_a"},{"upload_id":"upl_b"},{"upload_id":"upl_a"},{"url":'
        in played.requests[-1].body
    )


def test_nothing_is_sent_while_a_file_is_missing(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    played = Played()
    ask = JobAsk("trim it", [tmp_path / "a.mp4", tmp_path / "missing.mp4"])
    with pytest.raises(FileNotFoundError):
        play(verbs.submit(circumstances(), ask, key=None, progress=None), [], played=played)
    assert played.requests == []


def test_pages_are_followed_to_the_end_of_the_list():
    first = answer(200, {"data": [JOB], "has_more": True, "next_cursor": "job_1"})
    empty = answer(200, {"data": [], "has_more": True, "next_cursor": "job_0"})
    last = answer(200, {"data": [JOB | {"id": "job_00"}], "has_more": False, "next_cursor": None})
    played = play(verbs.pages(circumstances(), calls.list_jobs), [first, empty, last])
    assert [job.id for job in played.emitted] == ["job_1", "job_00"]
    assert [dict(request.params) for request in played.requests] == [{}, {"after": "job_1"}, {"after": "job_0"}]


def test_a_code_that_is_not_known_yet_is_told_by_its_status():
    with pytest.raises(NotFound) as told:
        play(exchange(circumstances(), SUBMIT), [problem(404, "gone_fishing")])
    assert told.value.code == "gone_fishing"
