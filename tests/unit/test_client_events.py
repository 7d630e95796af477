"""The client's event reader: whatever breaks, each event comes once, and the end is seen."""

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelgate.client import JobAsk, NoAnswer, NotFound, StillRunning, verbs
from reelgate.client.effects import Failure
from reelgate.client.sse import SseDecoder
from tests.client_script import Played, Time, answer, circumstances, play, problem

OPEN = answer(200, b"", content_type="text/event-stream; charset=utf-8")


def frame(number: int, kind: str = "job.progress", status: str = "running") -> bytes:
    body = {"type": kind, "timestamp": "2026-11-26T12:00:00.000Z", "data": {"job": {"id": "job_1", "status": status}}}
    return f"id: evt_{number}\nevent: {kind}\ndata: {json.dumps(body)}\n\n".encode()


def job(status: str):
    return answer(200, {"id": "job_1", "status": status})


END = frame(9, "job.succeeded", "succeeded")


def ids(played: Played) -> list[str]:
    return [event.id for event in played.emitted]


def test_events_come_until_the_end():
    played = play(
        verbs.events(circumstances(), "job_1", after=""), [OPEN, b"retry: 3000\n\n", frame(1) + frame(2), END]
    )
    assert ids(played) == ["evt_1", "evt_2", "evt_9"]
    assert "last-event-id" not in played.requests[0].headers


def test_after_a_break_the_reader_comes_back_behind_the_last_whole_event():
    cut = frame(2)[:-9]
    played = play(
        verbs.events(circumstances(), "job_1", after=""),
        [OPEN, frame(1) + cut, Failure("ReadError"), Failure("ConnectError", sent=False), OPEN, frame(2), END],
    )
    assert ids(played) == ["evt_1", "evt_2", "evt_9"]
    assert [request.headers.get("last-event-id") for request in played.requests] == [None, "evt_1", "evt_1"]


def test_a_stream_that_closes_is_opened_again_when_it_asked_for_it():
    played = play(
        verbs.events(circumstances(), "job_1", after="evt_0"), [OPEN, frame(1) + b"retry: 700\n\n", b"", OPEN, END]
    )
    assert played.pauses_s == [0.7]
    assert [request.headers["last-event-id"] for request in played.requests] == ["evt_0", "evt_1"]


def test_streams_that_end_at_once_are_not_opened_for_ever():
    clock, played = Time(), Played()
    steps = verbs.events(circumstances(within_s=60, clock=clock), "job_1", after="")
    with pytest.raises(NoAnswer, match="end at once"):
        play(steps, [OPEN, b"retry: 3000\n\n", b""] * 99, clock=clock, played=played)
    assert sum(played.pauses_s) == pytest.approx(60, abs=15)


def test_streams_that_end_after_a_sign_of_life_are_opened_anew_as_long_as_the_job_takes():
    clock = Time()

    def outcomes():
        for _ in range(99):
            yield from (OPEN, b"retry: 3000\n\n")
            clock.now_s += 15
            yield from (b": still here\n\n", b"")
        yield from (OPEN, END)

    steps = verbs.events(circumstances(within_s=60, clock=clock), "job_1", after="")
    assert ids(play(steps, outcomes(), clock=clock)) == ["evt_9"]


@pytest.mark.parametrize("over", [b"", Failure("RemoteProtocolError")])
def test_streams_that_somebody_cuts_before_their_first_comment_are_opened_anew_as_long_as_the_job_takes(over):
    clock = Time()

    def outcomes():
        for _ in range(99):
            yield from (OPEN, b"retry: 3000\n\n")
            clock.now_s += 10
            yield over
        yield from (OPEN, END)

    steps = verbs.events(circumstances(within_s=60, clock=clock), "job_1", after="")
    assert ids(play(steps, outcomes(), clock=clock)) == ["evt_9"]


def test_who_comes_back_after_the_end_is_through():
    played = play(verbs.events(circumstances(), "job_1", after="evt_9"), [answer(204, b"")])
    assert played.emitted == []


def test_comments_and_the_word_of_trimmed_history_are_no_events():
    trimmed = b": still here\n\nevent: reset\ndata: {}\n\n"
    played = play(verbs.events(circumstances(), "job_1", after="evt_0"), [OPEN, trimmed + END])
    assert ids(played) == ["evt_9"]


def test_a_page_instead_of_a_stream_is_told():
    with pytest.raises(NoAnswer, match="no event stream"):
        play(verbs.events(circumstances(), "job_1", after=""), [answer(200, b"", content_type="text/html")])


def test_an_event_without_an_end_is_not_kept():
    endless = [OPEN, *[b"data: " + bytes(1 << 20) for _ in range(99)]]
    with pytest.raises(NoAnswer, match="without an end"):
        play(verbs.events(circumstances(), "job_1", after=""), endless)


def test_a_job_that_is_not_there_is_told():
    with pytest.raises(NotFound):
        play(verbs.events(circumstances(), "job_1", after=""), [problem(404, "not_found")])


def test_waiting_reads_the_job_first_whole_at_the_end_and_tells_what_changes():
    seen = []
    steps = verbs.wait(circumstances(), "job_1", within_s=None, progress=lambda job: seen.append(job.status))
    played = play(steps, [job("queued"), OPEN, frame(1), END, job("succeeded")])
    assert played.result.status == "succeeded"
    assert seen == ["running", "succeeded"]


def test_waiting_goes_on_by_reading_where_no_stream_lasts():
    """As behind a proxy that gathers answers: each stream falls silent, and together that is longer than our patience."""
    clock = Time()

    def outcomes():
        for _ in range(30):
            yield job("running")
            yield OPEN
            clock.now_s += 60
            yield Failure("ReadTimeout")
        yield job("succeeded")

    steps = verbs.wait(circumstances(within_s=60, clock=clock), "job_1", within_s=None, progress=None)
    assert play(steps, outcomes(), clock=clock).result.status == "succeeded"


@pytest.mark.parametrize("status", [200, 403, 501])
def test_waiting_goes_on_by_reading_where_a_page_stands_in_the_streams_place(status):
    page = answer(status, b"<h1>No streams here</h1>", content_type="text/html")
    steps = verbs.wait(circumstances(), "job_1", within_s=None, progress=None)
    played = play(steps, [*([job("running"), page] * 3), job("succeeded")])
    assert (played.result.status, played.pauses_s) == ("succeeded", [3.0, 3.0])


def test_a_time_that_is_no_number_is_refused_before_anything_is_sent():
    played, options = Played(), {"within_s": math.nan, "progress": None}
    for steps in (
        verbs.wait(circumstances(), "job_1", **options),
        verbs.run(circumstances(), JobAsk("trim it"), to=None, key=None, **options),
    ):
        with pytest.raises(ValueError, match="not a number"):
            play(steps, [], played=played)
    assert played.requests == []


def test_waiting_ends_when_it_was_told_to_and_names_the_job():
    clock = Time()

    def outcomes():
        yield job("running")
        yield OPEN
        clock.now_s += 5
        yield b": still here\n\n"

    steps = verbs.wait(circumstances(clock=clock), "job_1", within_s=5, progress=None)
    with pytest.raises(StillRunning) as told:
        play(steps, outcomes(), clock=clock)
    assert told.value.job_id == "job_1"


@pytest.mark.parametrize("retry_s", [60, 0])
def test_a_silent_stream_makes_nobody_wait_for_longer_than_they_would(retry_s):
    clock = Time()
    played: Played[object] = Played()

    def outcomes():
        yield from [job("running"), OPEN]
        clock.now_s += 95
        yield from [frame(1), OPEN]
        clock.now_s += played.requests[-1].silence_s
        yield from [Failure("ReadTimeout"), job("running")]

    steps = verbs.wait(circumstances(within_s=retry_s, clock=clock), "job_1", within_s=100, progress=None)
    with pytest.raises(StillRunning):
        play(steps, outcomes(), clock=clock, played=played)
    assert clock.now_s == Time().now_s + 100


def test_the_last_look_at_a_job_is_not_given_half_a_minute_to_be_answered():
    clock = Time()
    played: Played[object] = Played()
    steps = verbs.wait(circumstances(clock=clock), "job_1", within_s=2, progress=None)
    with pytest.raises(StillRunning):
        play(steps, [Failure("ReadTimeout")] * 9, clock=clock, played=played)
    assert {request.silence_s for request in played.requests} == {5.0}


def test_waiting_gives_up_when_the_api_has_been_away_for_too_long():
    clock = Time()
    steps = verbs.wait(circumstances(within_s=30, clock=clock), "job_1", within_s=None, progress=None)
    with pytest.raises(NoAnswer):
        play(steps, [job("running"), OPEN, *[Failure("ConnectError", sent=False)] * 100], clock=clock)


def test_run_names_its_job_where_the_api_goes_away_behind_it():
    clock = Time()
    steps = verbs.run(
        circumstances(within_s=30, clock=clock),
        JobAsk("trim it"),
        to=None,
        key=None,
        within_s=None,
        progress=None,
    )
    with pytest.raises(StillRunning) as told:
        play(steps, [job("queued"), *[Failure("ConnectError", sent=False)] * 100], clock=clock)
    assert told.value.job_id == "job_1"


@given(st.lists(st.integers(min_value=0, max_value=200), max_size=6))
def test_a_stream_cut_anywhere_reads_the_same(cuts):
    stream = b"retry: 3000\n\n" + frame(1) + b": still here\n\n" + frame(2).replace(b"\n", b"\r\n") + END
    places = sorted({0, *(cut * len(stream) // 200 for cut in cuts), len(stream)})
    decoder = SseDecoder()
    frames = [each for begin, end in pairwise(places) for each in decoder.feed(stream[begin:end])]
    assert [each.last_id for each in frames] == ["evt_1", "evt_2", "evt_9"]
    assert frames == list(SseDecoder().feed(stream))
    assert decoder.retry_s == 3.0


def test_a_line_separator_inside_json_ends_no_line():
    [only] = SseDecoder().feed('data: {"a":"x\u2028y"}\n\n'.encode())
    assert json.loads(only.data) == {"a": "x\u2028y"}


@pytest.mark.parametrize(("asked", "pause_s"), [(b"0", 0.5), (b"1", 0.5), (b"999999999999", 60.0), (b"700", 0.7)])
def test_a_stream_is_come_back_to_neither_without_a_pause_nor_in_days(asked, pause_s):
    outcomes = [OPEN, b"retry: " + asked + b"\n\n", b"", OPEN, END]
    assert play(verbs.events(circumstances(), "job_1", after=""), outcomes).pauses_s == [pause_s]


def test_a_job_that_has_no_more_events_and_has_not_ended_is_asked_for_without_haste():
    outcomes = [job("running"), answer(204), job("running"), answer(204), job("running"), answer(204), job("failed")]
    steps = verbs.wait(circumstances(), "job_1", within_s=None, progress=None)
    played = play(steps, outcomes)
    assert (played.result.status, played.pauses_s) == ("failed", [3.0, 3.0])


def test_a_wait_ends_when_it_shall_although_the_api_is_away():
    clock, played = Time(), Played()
    away = [Failure("ConnectError", sent=False)] * 99
    steps = verbs.wait(circumstances(within_s=120, clock=clock), "job_1", within_s=5, progress=None)
    with pytest.raises(StillRunning):
        play(steps, [job("running"), *away], clock=clock, played=played)
    assert sum(played.pauses_s) <= 6


@pytest.mark.parametrize(
    "asked",
    [
        [problem(503, "overloaded", retryable=True, retry_after="100")],
        [OPEN, b"retry: 60000\n\n", b""],
    ],
)
def test_a_wait_ends_when_it_shall_although_it_is_asked_to_come_back_later(asked):
    clock, played = Time(), Played()
    steps = verbs.wait(circumstances(within_s=120, clock=clock), "job_1", within_s=5, progress=None)
    with pytest.raises(StillRunning):
        play(steps, [job("running"), *asked, job("running"), job("running")], clock=clock, played=played)
    assert played.pauses_s == [5.0]
