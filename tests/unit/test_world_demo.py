"""The demo's judgement: what counts as a fault, and what a person reads while it runs."""

import io

import pytest
from rich.console import Console

from sandbox.world.demo.demo_job import job_of, reason_of
from sandbox.world.demo.film import Film, faults, index_comes_first
from sandbox.world.demo.progress import display_on, state_of
from sandbox.world.demo.skills import ASKS, TEXT
from sandbox.world.demo.table import Row, table_of

PRO = next(ask for ask in ASKS if ask.skill == "ai-video-pro-online")
GOOD = Film(18.5, 1920, 1080, "h264", "aac", streams_at_once=True)


def box(kind, content=b""):
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def test_there_is_one_ask_for_each_of_the_five_skills_with_its_words():
    assert [ask.skill for ask in ASKS] == [
        "free-video-fast",
        "ai-video-pro-online",
        "trimmer-exe",
        "maker-free",
        "free-video-generation-automatic",
    ]
    assert TEXT in ASKS[-1].prompt


def test_a_film_as_asked_for_has_no_fault():
    assert faults(GOOD, PRO) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"width": 1280, "height": 720}, "is 1280x720, not 1920x1080"),
        ({"audio_codec": "none"}, "holds h264 and none, not h264 and aac"),
        ({"duration_s": 32.0}, "lasts 32.0 s, not 17.0 to 20.0 s"),
        ({"streams_at_once": False}, "can't be played before all of it is there"),
    ],
)
def test_each_fault_of_a_film_is_named(change, fault):
    assert faults(GOOD._replace(**change), PRO) == [fault]


@pytest.mark.parametrize(
    ("boxes", "first"),
    [
        (box(b"ftyp", b"isom") + box(b"moov") + box(b"mdat"), True),
        (box(b"ftyp", b"isom") + box(b"free") + box(b"mdat", b"....") + box(b"moov"), False),
        ((1).to_bytes(4, "big") + b"free" + (20).to_bytes(8, "big") + b"...." + box(b"moov"), True),
        (box(b"ftyp", b"isom"), False),
    ],
)
def test_a_file_is_playable_at_once_when_its_index_comes_before_its_data(tmp_path, boxes, first):
    file = tmp_path / "film.mp4"
    file.write_bytes(boxes)
    assert index_comes_first(file) is first


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ({"status": "queued", "wait": {"reason": "queued_behind"}}, (0, "queued: queued_behind")),
        (
            {"status": "running", "stage": "rendering", "progress": {"percent": 60, "message": "Rendering"}},
            (60, "rendering: Rendering"),
        ),
        ({"status": "succeeded", "stage": None, "progress": {"percent": 90, "message": ""}}, (100, "succeeded")),
    ],
)
def test_a_jobs_state_is_a_number_and_a_few_words(job, state):
    assert state_of(job) == state


def test_without_a_terminal_each_change_is_one_plain_line():
    written = io.StringIO()
    editing = {"status": "running", "stage": "editing", "progress": {"percent": 20, "message": "Working"}}
    with display_on(Console(file=written, width=120)) as display:
        display.show("maker-free", editing)
        display.show("maker-free", editing)
        display.show("maker-free", {"status": "succeeded"})
    assert written.getvalue().splitlines() == [
        "maker-free                        20 %  editing: Working",
        "maker-free                       100 %  succeeded",
    ]


def test_on_a_terminal_each_job_has_a_bar():
    written = io.StringIO()
    with display_on(Console(file=written, width=120, force_terminal=True)) as display:
        display.show("maker-free", {"status": "succeeded"})
    assert "maker-free" in written.getvalue()
    assert "━" in written.getvalue()


def test_a_job_names_its_skill_its_uploads_and_where_to_call_back():
    job = job_of(PRO, ["upl_1"], "http://127.0.0.1:1/hook")
    assert job["profile"] == "ai-video-pro-online"
    assert job["media"] == [{"upload_id": "upl_1"}]
    assert job["webhook"] == {"url": "http://127.0.0.1:1/hook"}


def test_a_failed_jobs_reason_is_its_code_and_detail():
    assert reason_of({"error": {"code": "render_failed", "detail": "It broke."}}) == "render_failed: It broke."
    assert reason_of({"error": None}) == "no code: no reason given"


def test_the_table_has_all_that_was_promised():
    written = io.StringIO()
    row = Row("maker-free", "job_1", 12.34, 30.5, "1920x1080", "Title added", "job.succeeded, signature verified")
    Console(file=written, width=180).print(table_of([row]))
    for words in ("maker-free", "job_1", "12.3 s", "30.5 s", "1920x1080", "Title added", "signature verified"):
        assert words in written.getvalue()
