"""The demo's judgement: what counts as a fault, and what a person reads while it runs."""

import io
import re
import wave

import pytest
from rich.console import Console

from sandbox.world.demo.demo_job import job_of, reason_of
from sandbox.world.demo.film import Film, faults, index_comes_first
from sandbox.world.demo.page import Shown, page_of
from sandbox.world.demo.progress import display_on, state_of
from sandbox.world.demo.sheets import Still, moments
from sandbox.world.demo.skills import ASKS, TEXT
from sandbox.world.demo.table import Row, table_of

PRO = next(ask for ask in ASKS if ask.skill == "ai-video-pro-online")
GOOD = Film(18.5, 1920, 1080, "h264", "aac", streams_at_once=True)
JOB_ID = "job_01a215aa-438e-73c7-a834-aa4324e86607"
ROW = Row(
    "maker-free",
    JOB_ID,
    12.34,
    34.0,
    30.5,
    "1920x1080",
    ("2 cuts made", "Title added", "Music added " * 5),
    "job.succeeded, verified",
)


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


def test_the_bars_fit_80_columns():
    written = io.StringIO()
    checking = {
        "status": "running",
        "stage": "recovering",
        "progress": {"percent": 40, "message": "Checking what it did"},
    }
    with display_on(Console(file=written, width=80, force_terminal=True)) as display:
        for skill in ("maker-free", "free-video-generation-automatic"):
            display.show(skill, checking)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue()).splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["maker-free", "free-video-generation-automatic"]
    assert max(map(len, lines)) <= 80


def test_the_table_has_all_that_was_promised_in_80_columns():
    written = io.StringIO()
    Console(file=written, width=80).print(table_of([ROW, ROW._replace(before_s=0.0)]))
    for words in (
        "maker-free",
        JOB_ID,
        "12.3 s",
        "34.0 s -> 30.5 s",
        "1920x1080",
        "Title added",
        "job.succeeded, verified",
    ):
        assert words in written.getvalue()
    assert max(map(len, written.getvalue().splitlines())) == 80


def test_the_page_says_what_was_asked_for_and_what_came_of_it():
    page = page_of([Shown("cut it", ROW, ("a.mp4",), stills=6)], ["Somebody, CC BY"])
    for words in ("“cut it”", JOB_ID, "30.5 s, from 34.0 s", "<li>Title added</li>", "input/a.mp4", "Somebody, CC BY"):
        assert words in page


def test_what_comes_from_outside_is_text_on_the_page_and_no_markup():
    row = ROW._replace(changes=("<script>alert(1)</script>",))
    page = page_of([Shown('<b>"bold" & more', row, ('"><i>.mp4',), stills=6)], ["<u>me"])
    for markup in ("<script", "<b>", "<i>", "<u>"):
        assert markup not in page


def test_stills_are_spread_over_the_clips_as_if_they_were_one(tmp_path):
    long, short = tmp_path / "long.wav", tmp_path / "short.wav"
    for path, seconds in ((long, 5), (short, 1)):
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(2 * 8000 * seconds))
    assert moments([long, short]) == [*(Still(long, at + 0.5) for at in range(5)), Still(short, 0.5)]
