"""The client's retries: what is tried again, when, for how long, and always as the same call."""

import time
from datetime import timedelta
from email.utils import format_datetime

import pytest

from core.store.idempotency import OPEN_MS
from reelgate.client import (
    JobAsk,
    LimitReached,
    NoAnswer,
    NotFound,
    NotPossibleNow,
    ReelgateError,
    StillRunning,
    Unavailable,
    calls,
    verbs,
)
from reelgate.client.effects import Answer, Failure
from reelgate.client.exchange import exchange
from tests.client_script import NOW, Played, Time, answer, circumstances, play, problem

JOB = {"id": "job_1", "status": "queued"}
SUBMIT = calls.submit(JobAsk("trim it", "https://x.example/a.mp4"), key="mine")
SENT, UNSENT = Failure("ReadTimeout"), Failure("ConnectError", sent=False)


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


@pytest.mark.parametrize(
    "asked", ["Thu, 26 Nov 2026 12:00:09 GMT", "Thu Nov 26 12:00:09 2026", "Thursday, 26-Nov-26 12:00:09 GMT"]
)
def test_a_date_to_wait_for_is_utc_on_a_machine_anywhere(monkeypatch, asked):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        busy = problem(503, "overloaded", retry_after=asked)
        assert play(exchange(circumstances(), SUBMIT), [busy, answer(202, JOB)]).pauses_s == [9.0]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("off", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_date_to_wait_for_is_measured_from_the_answers_own_so_that_clocks_need_not_agree(off):
    told = {"retry-after": format_datetime(NOW + off + timedelta(seconds=9), usegmt=True)}
    busy = Answer(503, told | {"date": format_datetime(NOW + off, usegmt=True)})
    assert play(exchange(circumstances(), SUBMIT), [busy, answer(202, JOB)]).pauses_s == [9.0]


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


@pytest.mark.parametrize("within_s", [10, 60])
def test_a_first_attempt_whose_process_died_is_waited_for_until_its_key_is_free(within_s):
    clock = Time()
    busy = [problem(409, "in_progress", retryable=True, retry_after="1")] * (OPEN_MS // 1000)
    steps = exchange(circumstances(within_s=within_s, clock=clock), SUBMIT)
    assert play(steps, [SENT, *busy, answer(202, JOB)], clock=clock).result.id == "job_1"
    with pytest.raises(NotPossibleNow):
        play(exchange(circumstances(within_s=within_s, clock=clock), SUBMIT), busy * 2, clock=clock)


@pytest.mark.parametrize("refused", [problem(503, "unavailable", retryable=True), problem(409, "in_progress")])
def test_without_patience_nothing_is_tried_again(refused):
    with pytest.raises((Unavailable, NotPossibleNow)):
        play(exchange(circumstances(within_s=0), SUBMIT), [refused])


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
    assert [request.path for request in played.requests] == ["/v1/uploads"] * 3 + ["/v1/jobs"] * 2
    a, b, again, *job = [request.headers["idempotency-key"] for request in played.requests]
    assert (b, job) == (again, ['"key-0"'] * 2)
    assert len({a, b, *job}) == 3
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


def test_events_of_the_feed_that_are_gone_are_told_before_those_that_are_left():
    event = {"id": "evt_9", "type": "job.queued"}
    page = answer(200, {"data": [event], "has_more": False, "next_cursor": "evt_9", "trimmed": True})
    told: list[str] = []
    steps = verbs.pages(circumstances(), calls.list_events, "evt_1", lambda: told.append("some are gone"))
    played = play(steps, [page])
    assert (told, [each.id for each in played.emitted]) == (["some are gone"], ["evt_9"])


def test_a_code_that_is_not_known_yet_is_told_by_its_status():
    with pytest.raises(NotFound) as told:
        play(exchange(circumstances(), SUBMIT), [problem(404, "gone_fishing")])
    assert told.value.code == "gone_fishing"


@pytest.mark.parametrize("first", [SENT, answer(502, b"<html>"), problem(409, "in_progress"), problem(408, "x")])
@pytest.mark.parametrize("last", [UNSENT, problem(429, "rate_limited", retryable=True)])
def test_what_an_earlier_attempt_may_have_done_is_not_forgotten_over_the_last_one(first, last):
    with pytest.raises((NoAnswer, LimitReached)) as told:
        play(exchange(circumstances(within_s=1), SUBMIT), [first, *[last] * 9], clock=Time())
    assert told.value.maybe_done
    assert told.value.idempotency_key == "mine"
    assert "nothing was sent" not in str(told.value)


@pytest.mark.parametrize("outcome", [UNSENT, problem(429, "rate_limited", retryable=True), problem(422, "invalid")])
def test_what_surely_did_nothing_is_told_as_such(outcome):
    with pytest.raises(ReelgateError) as told:
        play(exchange(circumstances(within_s=0), SUBMIT), [outcome])
    assert not told.value.maybe_done


def test_an_answer_to_a_submit_that_cannot_be_read_may_have_made_a_job():
    with pytest.raises(NoAnswer) as told:
        play(exchange(circumstances(), SUBMIT), [answer(200, b'{"id": "job_1", "sta')])
    assert (told.value.maybe_done, told.value.idempotency_key) == (True, "mine")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_proxys_page_says_what_passes_as_well(status):
    with pytest.raises((LimitReached, Unavailable)) as told:
        play(exchange(circumstances(within_s=0), SUBMIT), [answer(status, b"<html>Slow down</html>")])
    assert told.value.retryable


@pytest.mark.parametrize("body", ['{"code": "délai"}'.encode("latin-1"), b'{"x": ' + b"[" * 9999 + b"]" * 9999 + b"}"])
def test_a_body_that_nobody_can_read_is_a_proxys_page_as_well(body):
    played = play(exchange(circumstances(), SUBMIT), [answer(502, body), answer(202, JOB)])
    assert (len(played.requests), played.result.id) == (2, JOB["id"])
    unread = b'{"id": "\xff", "status": "queued"}' if b"code" in body else body
    with pytest.raises(NoAnswer) as told:
        play(exchange(circumstances(), SUBMIT), [answer(202, unread)])
    assert (told.value.maybe_done, told.value.idempotency_key) == (True, "mine")


def test_reading_makes_nothing():
    with pytest.raises(NoAnswer) as told:
        play(exchange(circumstances(within_s=0), calls.read_credits()), [SENT])
    assert (told.value.maybe_done, told.value.idempotency_key) == (False, None)


@pytest.mark.parametrize("key", ["", " ", "order\n7", "order ä", "x" * 256])
def test_a_key_that_cannot_be_sent_is_refused_and_never_replaced_by_another(key):
    with pytest.raises(ValueError, match="Idempotency-Key"):
        play(verbs.submit(circumstances(), JobAsk("x"), key=key, progress=None), [answer(202, JOB)])


def test_the_same_files_under_a_key_of_the_callers_are_the_same_uploads(tmp_path):
    files = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for file in files:
        file.write_bytes(file.name.encode())
    sent = [answer(201, {"id": "upl_a"}), answer(201, {"id": "upl_b"}), answer(202, JOB)]

    def upload_keys():
        steps = verbs.submit(circumstances(), JobAsk("trim it", files), key="order-7", progress=None)
        return [request.headers["idempotency-key"] for request in play(steps, sent).requests[:2]]

    first = upload_keys()
    assert len(set(first)) == 2
    assert upload_keys() == first
    files[1].write_bytes(b"other")
    assert upload_keys()[0] == first[0]
    assert upload_keys()[1] != first[1]


def test_an_upload_that_fails_on_the_way_to_a_job_has_made_no_job(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    ask = JobAsk("trim it", tmp_path / "a.mp4")
    for key in ("order-7", None):
        with pytest.raises(NoAnswer) as told:
            play(verbs.submit(circumstances(within_s=0), ask, key=key, progress=None), [SENT])
        assert (told.value.maybe_done, told.value.idempotency_key) == (False, key or "key-0")


@pytest.mark.parametrize("many", [False, True])
def test_a_submit_whose_answer_was_lost_has_the_same_body_again_under_the_key_that_its_error_names(tmp_path, many):
    (tmp_path / "a.mp4").write_bytes(b"x")
    ask = JobAsk("trim it", tmp_path / "a.mp4")

    def requests(key, *outcomes):
        here, played = circumstances(within_s=0), Played()
        steps = verbs.submit(here, ask, key=key, progress=None)
        if many:
            steps = verbs.submit_batch(here, [ask], "separate", None, key=key)
        try:
            play(steps, [answer(201, {"id": "upl_a"}), *outcomes], played=played)
        except NoAnswer as lost:
            return lost.idempotency_key, [request.headers["idempotency-key"] for request in played.requests]
        return None, [request.headers["idempotency-key"] for request in played.requests]

    key, first = requests(None, SENT)
    assert requests(key, answer(202, JOB)) == (None, first)


@pytest.mark.parametrize("lost", [SENT, answer(502, b"")])
def test_a_delete_whose_answer_was_lost_is_done_when_the_thing_is_gone(lost):
    play(exchange(circumstances(), calls.delete_upload("upl_1")), [lost, problem(404, "not_found")])
    with pytest.raises(NotFound):
        play(exchange(circumstances(), calls.delete_upload("upl_1")), [UNSENT, problem(404, "not_found")])


@pytest.mark.parametrize("lost", [SENT, answer(503, b""), problem(409, "in_progress")])
def test_a_callback_that_is_being_sent_again_since_an_attempt_whose_answer_was_lost_is_no_refusal(lost):
    again = calls.redeliver("dlv_1", key="mine")
    delivery = play(exchange(circumstances(), again), [lost, problem(409, "being_sent", retryable=True)]).result
    assert (delivery.id, delivery.status) == ("dlv_1", "pending")
    with pytest.raises(NotPossibleNow):
        play(exchange(circumstances(), again), [UNSENT, problem(409, "being_sent", retryable=True)])


def test_a_proxys_page_never_says_that_a_thing_is_gone():
    with pytest.raises(NotFound):
        play(exchange(circumstances(), calls.delete_upload("upl_1")), [SENT, answer(404, b"<html>Not here</html>")])


@pytest.mark.parametrize("page", [answer(200, b"<html>Sign in</html>"), answer(302, b"", location="/login")])
@pytest.mark.parametrize("call", [calls.delete_upload("upl_1"), SUBMIT, calls.read_credits()])
def test_a_page_or_a_redirect_is_never_taken_for_an_answer(call, page):
    with pytest.raises(NoAnswer, match="not the Reelgate API"):
        play(exchange(circumstances(), call), [page])


@pytest.mark.parametrize(
    "asked", ["-5", "1e9", "9" * 400, "Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359", "٣", "\0"]
)
def test_an_absurd_time_to_wait_for_never_breaks_the_client(asked):
    with pytest.raises((Unavailable, LimitReached)):
        play(exchange(circumstances(within_s=0), SUBMIT), [problem(503, "unavailable", retry_after=asked)])


@pytest.mark.parametrize(
    "lost",
    [UNSENT, problem(429, "rate_limited"), problem(403, "unauthorized"), answer(502, b""), answer(404, b"<h1>?</h1>")],
)
def test_run_never_loses_the_id_of_a_job_that_was_accepted(lost):
    steps = verbs.run(circumstances(within_s=0), JobAsk("trim it"), to=None, key=None, within_s=None, progress=None)
    with pytest.raises(StillRunning) as told:
        play(steps, [answer(202, JOB), lost])
    assert told.value.job_id == "job_1"
