"""The callers' commands before servers and pipes that do what no real one should: what is said, saved and charged."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scripted_api import ScriptedApi, breaks, gives, scripted_api
from tests.until import PATIENCE_S

REELGATE = Path(sys.executable).with_name("reelgate")
MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 20_000
FILM = bytes(range(256)) * 64
PROFILES = gives(200, {"data": [{"name": "trimmer-exe", "max_bytes": 500_000_000}]})
UPLOADED = gives(201, {"id": "upl_1", "filename": "clip.mp4", "size_bytes": len(MP4)})
#: what a terminal would obey: clear the screen, in 7 and in 8 bits, and turn the writing round
EVIL = "ha\x1b[2Jha\x9b2Jha\x07\u202eha"


def job(status: str = "succeeded", **fields: Any) -> dict[str, Any]:
    return {"id": "job_1", "status": status, "progress": {"percent": 9, "message": "on its way"}} | fields


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as running:
        running.replies = {
            "/v1/profiles": [PROFILES],
            "/v1/uploads": [UPLOADED],
            "/v1/jobs": [gives(202, job("queued"))],
        }
        with_film(running)
        yield running


def with_film(api: ScriptedApi, **fields: Any) -> None:
    """Have the job end well, with a film."""
    output = {"url": f"{api.url}/film", "format": "mp4", "size_bytes": len(FILM)}
    ended = job(output=output) | fields
    frame = f"event: snapshot\nid: evt_1\ndata: {json.dumps({'type': 'snapshot', 'data': {'job': ended}})}\n\n".encode()
    api.replies["/v1/jobs/job_1"] = [gives(200, ended)]
    api.replies["/v1/jobs/job_1/events"] = [gives(200, frame, content_type="text/event-stream")]
    api.replies["/v1/jobs/job_1/output"] = [gives(200, FILM, content_type="video/mp4")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clip.mp4").write_bytes(MP4)
    return tmp_path


def ran(
    api: ScriptedApi, folder: Path, *words: str | bytes, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    env = os.environ | {"REELGATE_API": api.url, "REELGATE_API_KEY": "rg_secret"} | environment
    command = [REELGATE, *words]
    return subprocess.run(
        command, env=env, cwd=folder, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_a_submit_whose_answer_was_lost_is_never_said_to_have_done_nothing(api: ScriptedApi, folder: Path) -> None:
    busy = gives(
        429, {"code": "rate_limited", "status": 429, "detail": "Slow down.", "retryable": True}, retry_after="99"
    )
    api.replies["/v1/jobs"] = [breaks, busy]
    done = ran(api, folder, "submit", "clip.mp4", "trim it")
    assert (done.returncode, "is not known" in done.stderr) == (3, True), done.stderr
    assert "nothing is charged" not in done.stderr
    posts = [headers["idempotency-key"] for method, path, headers, _ in api.asked if path == "/v1/jobs"]
    assert (len(posts), len(set(posts))) == (2, 1)
    api.replies["/v1/jobs"] = [gives(202, job("queued"))]
    [key] = re.findall("--idempotency-key (\\S+)", done.stderr)
    assert ran(api, folder, "submit", "clip.mp4", "trim it", "--idempotency-key", key).returncode == 0
    made = [headers["idempotency-key"] for method, _, headers, _ in api.asked if method == "POST"]
    assert made == [made[0], posts[0], posts[0], made[0], posts[0]], "the file and the job are the same again"


@pytest.mark.parametrize("words", [("submit", "clip.mp4", "trim it"), ("replay", "job_0")])
def test_a_command_that_is_run_again_under_its_key_does_not_say_that_nothing_is_charged(
    api: ScriptedApi, folder: Path, words: tuple[str, ...]
) -> None:
    for path in ("/v1/profiles", "/v1/jobs/job_0/replay"):
        api.replies[path] = [gives(429, {"code": "budget_exceeded", "detail": "Used up."})]
    first, again = ran(api, folder, *words), ran(api, folder, *words, "--idempotency-key", "order-7")
    assert "Nothing was submitted, and nothing is charged." in first.stderr
    assert "nothing is charged" not in again.stderr
    assert "to see it: reelgate list" in again.stderr


def test_a_replay_whose_answer_was_lost_is_never_said_to_have_done_nothing(api: ScriptedApi, folder: Path) -> None:
    api.replies["/v1/jobs/job_1/replay"] = [
        breaks,
        gives(429, {"code": "rate_limited", "status": 429}, retry_after="99"),
    ]
    done = ran(api, folder, "replay", "job_1", "--idempotency-key", "order-7")
    assert (done.returncode, "is not known" in done.stderr) == (1, True), done.stderr
    assert [headers["idempotency-key"] for _, _, headers, _ in api.asked] == ['"order-7"'] * 2


def test_a_submit_that_did_nothing_is_said_to_have_done_nothing(api: ScriptedApi, folder: Path) -> None:
    api.replies["/v1/jobs"] = [gives(422, {"code": "invalid_value", "status": 422, "detail": "No."})]
    done = ran(api, folder, "submit", "clip.mp4", "trim it")
    assert (done.returncode, "nothing is charged" in done.stderr) == (1, True)


@pytest.mark.parametrize("reader", ["true", "head -1"])
@pytest.mark.parametrize(
    "words", ["run clip.mp4 'trim it' -o out.mp4", "wait job_1 -o out.mp4", "download job_1 -o out.mp4"]
)
def test_a_film_is_saved_although_nobody_reads_along(api: ScriptedApi, folder: Path, words: str, reader: str) -> None:
    with_film(api, reply="Done.\n" * 50_000)
    done = shell(api, folder, f"{REELGATE} {words} | {reader}")
    assert (folder / "out.mp4").read_bytes() == FILM, done.stderr
    assert "Traceback" not in done.stderr


def test_a_film_is_saved_although_its_words_cannot_be_and_that_is_told(api: ScriptedApi, folder: Path) -> None:
    for flags in ("", "--json"):
        done = shell(api, folder, f"{REELGATE} wait job_1 -o out.mp4 {flags} >/dev/full")
        assert (folder / "out.mp4").read_bytes() == FILM
        assert (done.returncode, "No space left" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
        (folder / "out.mp4").unlink()


@pytest.mark.parametrize("flags", ["", "--json"])
@pytest.mark.parametrize("progress", ["/dev/full", ">(exit)"])
def test_what_a_job_came_to_is_printed_although_its_way_cannot_be(
    api: ScriptedApi, folder: Path, flags: str, progress: str
) -> None:
    with_film(api, reply="Done.")
    done = shell(api, folder, f"bash -c '{REELGATE} run clip.mp4 trim -o out.mp4 {flags} 2> {progress}'")
    assert (done.returncode, "Done." in done.stdout) == (0, True), done.stderr
    assert (folder / "out.mp4").read_bytes() == FILM


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_film_is_saved_although_the_terminal_cannot_write_its_words(
    api: ScriptedApi, folder: Path, encoding: str
) -> None:
    with_film(api, reply="Fertig: 剪 \U0001f3ac.")
    words = ("wait", "job_1", "-o", "out.mp4")
    done = ran(api, folder, *words, PYTHONIOENCODING=encoding)
    assert (done.returncode, "Fertig" in done.stdout) == (0, True), done.stderr
    assert (folder / "out.mp4").read_bytes() == FILM
    told = json.loads(ran(api, folder, *words, "--json", PYTHONIOENCODING=encoding).stdout)
    assert told["reply"] == "Fertig: 剪 \U0001f3ac."


def test_events_that_are_not_kept_any_more_are_missing_aloud(api: ScriptedApi, folder: Path) -> None:
    left = {"id": "evt_9", "type": "job.progress", "data": {"job": job("running")}}
    api.replies["/v1/jobs/job_1/events"] = [gives(200, {"data": [left], "trimmed": True})]
    done = ran(api, folder, "events", "job_1", "--json")
    assert (done.returncode, done.stderr) == (0, "the first events are not kept any more\n")
    assert json.loads(done.stdout)["id"] == "evt_9"


def test_events_behind_another_one_are_followed_and_not_all_shown_anew(api: ScriptedApi, folder: Path) -> None:
    done = ran(api, folder, "events", "job_1", "--after", "evt_9")
    assert (done.returncode, "goes with --follow" in done.stderr, api.asked) == (2, True, []), done.stderr


def test_an_event_that_could_not_be_printed_is_not_gone_on_behind(api: ScriptedApi, folder: Path) -> None:
    done = shell(api, folder, f"{REELGATE} events job_1 --follow >/dev/full")
    assert (done.returncode, "No space left" in done.stderr, "evt_1" in done.stderr) == (1, True, False), done.stderr


def shell(api: ScriptedApi, folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"REELGATE_API": api.url, "REELGATE_API_KEY": "rg_secret"}
    return subprocess.run(
        line, shell=True, env=env, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.parametrize("words", ["show job_1", "list", "credits", "events job_1", "show job_1 --json"])
def test_a_full_disk_behind_stdout_is_told_in_words(api: ScriptedApi, folder: Path, words: str) -> None:
    api.replies["/v1/jobs"] = [gives(200, {"data": [job()], "has_more": False})]
    api.replies["/v1/credits"] = [gives(200, {"available": 1})]
    api.replies["/v1/jobs/job_1/events"] = [gives(200, {"data": [{"type": "job.queued"}], "has_more": False})]
    done = shell(api, folder, f"{REELGATE} {words} >/dev/full")
    assert (done.returncode, "No space left" in done.stderr, "Traceback" in done.stderr) == (1, True, False), (
        done.stderr
    )


def test_the_id_of_a_job_that_was_paid_for_is_told_although_stdout_is_full(api: ScriptedApi, folder: Path) -> None:
    api.replies["/v1/jobs/job_0/replay"] = [gives(202, job("queued"))]
    for words in ("submit clip.mp4 trim", "submit clip.mp4 trim --json", "replay job_0", "replay job_0 --json"):
        done = shell(api, folder, f"{REELGATE} {words} >/dev/full")
        assert (done.returncode, "No space left" in done.stderr) == (1, True), (words, done.stderr)
        assert "reelgate wait job_1" in done.stderr, words
    done = shell(api, folder, f"{REELGATE} submit clip.mp4 trim --json 2>/dev/full")
    assert (done.returncode, json.loads(done.stdout)["id"]) == (0, "job_1"), "whoever has the id need not try again"


def test_a_film_is_saved_although_the_command_has_no_stdout_at_all(api: ScriptedApi, folder: Path) -> None:
    with_film(api, result={"a": 1})
    for flags in ("", "--json", "2>&-"):
        done = shell(api, folder, f"{REELGATE} run clip.mp4 trim -o out.mp4 {flags} >&- <&-")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        assert (folder / "out.mp4").read_bytes() == FILM
        (folder / "out.mp4").unlink()
    done = shell(api, folder, f"{REELGATE} run clip.mp4 - <&-")
    assert (done.returncode, "prompt is empty" in done.stderr) == (2, True), done.stderr


def test_a_film_that_is_not_there_is_not_said_to_be_kept(api: ScriptedApi, folder: Path) -> None:
    for status in ("running", "succeeded"):
        api.replies["/v1/jobs/job_1"] = [gives(200, job(status))]
        done = ran(api, folder, "download", "job_1")
        assert (done.returncode, done.stderr) == (1, f"Error: job_1 has no film: it is {status}.\n")


def test_a_job_goes_on_although_its_key_may_not_look_at_it(api: ScriptedApi, folder: Path) -> None:
    problem = gives(403, {"code": "scope_missing", "status": 403, "detail": "This needs the scope read."})
    api.replies |= {"/v1/profiles": [problem], "/v1/jobs/job_1": [problem], "/v1/jobs/job_1/events": [problem]}
    done = ran(api, folder, "run", "clip.mp4", "trim it")
    assert (done.returncode, "reelgate cancel job_1" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "clip.mp4", "trim it"), 5),
        (("submit", "clip.mp4", "trim it", "--wait"), 5),
        (("wait", "job_1"), 3),
    ],
)
def test_a_command_that_has_made_a_job_is_not_said_to_be_worth_running_again_where_the_api_goes_away(
    api: ScriptedApi, folder: Path, words: tuple[str, ...], code: int
) -> None:
    """Scripts run again what ended with 3, and a second job is a second payment."""
    problem = {"code": "unavailable", "status": 503, "detail": "Gone for a while.", "retryable": True}
    for path in ("/v1/jobs/job_1", "/v1/jobs/job_1/events"):
        api.replies[path] = [gives(503, problem, retry_after="999")]
    done = ran(api, folder, *words)
    assert done.returncode == code, done.stderr
    assert "503: Gone for a while." in done.stderr
    assert "reelgate wait job_1" in done.stderr


def test_a_time_that_is_no_number_is_refused_and_not_waited_for(api: ScriptedApi, folder: Path) -> None:
    done = ran(api, folder, "run", "clip.mp4", "trim it", "--timeout", "nan")
    assert (done.returncode, "no number" in done.stderr, api.asked) == (2, True, []), done.stderr


def test_an_answer_that_is_no_utf_8_is_never_said_to_have_been_a_wrong_command_line(
    api: ScriptedApi, folder: Path
) -> None:
    api.replies["/v1/jobs"] = [gives(504, '{"code": "délai"}'.encode("latin-1"))]
    done = ran(api, folder, "submit", "clip.mp4", "trim it")
    assert (done.returncode, "is not known" in done.stderr) == (3, True), done.stderr


def test_a_file_that_is_still_under_way_by_an_attempt_whose_answer_was_lost_may_be_sent_later(
    api: ScriptedApi, folder: Path
) -> None:
    under_way = {"code": "in_progress", "status": 409, "detail": "Ask again for its answer.", "retryable": True}
    api.replies["/v1/uploads"] = [gives(409, under_way, retry_after="999")]
    done = ran(api, folder, "submit", "clip.mp4", "trim it")
    assert (done.returncode, "nothing is charged" in done.stderr) == (3, True), done.stderr


def evil_job(api: ScriptedApi) -> dict[str, Any]:
    """Make a job whose every word would be obeyed by a terminal."""
    problem = {"code": EVIL, "detail": EVIL, "hint": EVIL, "status": 500}
    output = {"url": f"{api.url}/film", "format": "mp4", "size_bytes": len(FILM)}
    return job(
        stage=EVIL,
        reply=EVIL,
        changes=[EVIL],
        timeline=EVIL,
        hints=[EVIL],
        profile=EVIL,
        session_id=EVIL,
        metadata={EVIL: EVIL},
        progress={"percent": 9, "message": EVIL},
        wait={"reason": EVIL},
        result={EVIL: EVIL},
        error=problem,
        output=output,
        input={"prompt": EVIL},
    )


@pytest.mark.parametrize("flags", [(), ("--json",)])
@pytest.mark.parametrize(
    "words",
    [
        ("run", "clip.mp4", "trim it"),
        ("submit", "clip.mp4", "trim it"),
        ("wait", "job_1"),
        ("show", "job_1"),
        ("list",),
        ("events", "job_1"),
        ("events", "job_1", "--follow"),
        ("cancel", "job_1"),
        ("replay", "job_1"),
        ("deliveries", "job_1"),
        ("download", "job_1"),
        ("credits",),
        ("run", "clip.mp4", "trim it", "--profile", "x"),
    ],
)
def test_nothing_that_a_server_says_is_obeyed_by_the_terminal(
    api: ScriptedApi, folder: Path, words: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    evil = evil_job(api)
    event = {"type": EVIL, "timestamp": "2026-11-26T12:00:00Z", "data": {"job": evil}}
    if "--follow" not in words:
        api.replies["/v1/jobs/job_1/events"] = [gives(200, {"data": [event], "has_more": False})]
    else:
        frame = f"event: x\nid: evt_1\ndata: {json.dumps(event)}\n\n".encode()
        api.replies["/v1/jobs/job_1/events"] = [gives(200, frame, content_type="text/event-stream")]
    if words[0] in ("run", "wait", "submit"):
        with_film(api, **{name: value for name, value in evil.items() if name not in ("id", "status")})
    else:
        api.replies["/v1/jobs/job_1"] = [gives(200, evil)]
    listed = gives(200, {"data": [evil], "has_more": False})
    api.replies["/v1/jobs"] = [listed] if words[0] == "list" else [gives(202, evil | {"status": f"queued{EVIL}"})]
    for action in ("cancel", "replay"):
        api.replies[f"/v1/jobs/job_1/{action}"] = [gives(200, evil | {"status": EVIL})]
    sent = {"id": EVIL, "status": EVIL, "type": EVIL, "why": EVIL, "attempts": [{"error": EVIL}]}
    api.replies["/v1/jobs/job_1/deliveries"] = [gives(200, {"data": [sent], "has_more": False})]
    api.replies["/v1/credits"] = [gives(403, {"code": EVIL, "status": 403, "detail": EVIL})]
    if "--profile" in words:
        api.replies["/v1/profiles"] = [gives(200, {"data": [{"name": EVIL}]})]
    done = ran(api, folder, *words, *flags)
    said = done.stdout + done.stderr
    assert "ha" in said or words[0] in ("download", "submit"), said
    assert [char for char in said if not char.isprintable() and char != "\n"] == []
    if flags and done.stdout and "--follow" not in words and words[0] != "events":
        json.loads(done.stdout)


def test_a_films_default_name_stays_in_the_folder(api: ScriptedApi, folder: Path) -> None:
    output = {"url": f"{api.url}/film", "format": "x/../../../evil", "size_bytes": len(FILM)}
    api.replies["/v1/jobs/job_1"] = [gives(200, job(output=output))]
    here = folder / "a" / "b"
    (here / "job_1.x").mkdir(parents=True)
    done = ran(api, here, "download", "job_1")
    assert done.returncode == 0, done.stderr
    assert [path for path in folder.rglob("*evil*") if path.parent != here] == []


@pytest.mark.parametrize("key", ["rg_secret\nx", "rg_secrät"])
def test_a_key_that_can_be_none_is_told_without_it(api: ScriptedApi, folder: Path, key: str) -> None:
    done = ran(api, folder, "show", "job_1", REELGATE_API_KEY=key)
    assert (done.returncode, "no API key" in done.stderr, "secr" in done.stderr) == (2, True, False), done.stderr
    assert api.asked == []


def test_a_key_from_a_file_may_end_with_its_line(api: ScriptedApi, folder: Path) -> None:
    assert ran(api, folder, "show", "job_1", REELGATE_API_KEY=" rg_secret\r\n").returncode == 0
    assert api.asked[0][2]["authorization"] == "Bearer rg_secret"


def test_a_key_on_the_input_that_is_no_text_is_told_without_it(api: ScriptedApi, folder: Path) -> None:
    line = f"printf 'rg_secret\\377' | PYTHONIOENCODING=utf-8:strict {REELGATE} show job_1 --key -"
    done = shell(api, folder, line)
    assert (done.returncode, "not UTF-8" in done.stderr, "secret" in done.stderr) == (2, True, False), done.stderr
    assert api.asked == []


@pytest.mark.parametrize("rest", ["/?a=b", "/#x", " x"])
def test_an_address_with_more_than_a_place_is_refused(api: ScriptedApi, folder: Path, rest: str) -> None:
    done = ran(api, folder, "show", "job_1", REELGATE_API=api.url + rest)
    assert (done.returncode, "no address" in done.stderr, api.asked) == (2, True, []), done.stderr


@pytest.mark.parametrize("user", ["//me:pa55@", "//me:x/pa55@", "//me:x pa55@", "me:pa55@"])
def test_an_address_with_a_password_is_refused_without_saying_it(api: ScriptedApi, folder: Path, user: str) -> None:
    done = ran(api, folder, "show", "job_1", REELGATE_API=api.url.replace("//", user))
    assert (done.returncode, "no address" in done.stderr, "pa55" in done.stderr) == (2, True, False), done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("run", "x" * 300, "trim it"),
        ("run", "clip.mp4", "trim it", "-o", "x" * 300 + ".mp4"),
        ("run", "clip.mp4", "trim it", "-o", "/dev/null"),
        ("run", "clip.mp4", "trim it", "-o", "-"),
        ("download", "job_1", "-o", "/dev/null"),
    ],
)
def test_what_cannot_be_read_or_written_is_told_before_anything_is_sent(
    api: ScriptedApi, folder: Path, words: tuple[str, ...]
) -> None:
    done = ran(api, folder, *words)
    assert (done.returncode, "Traceback" in done.stderr, api.asked) == (1, False, []), done.stderr


def test_a_prompt_can_come_on_the_input(api: ScriptedApi, folder: Path) -> None:
    assert ran(api, folder, "submit", "clip.mp4", "-", stdin="trim it\n").returncode == 0
    assert json.loads(api.asked[-1][3])["prompt"] == "trim it"
    done = ran(api, folder, "submit", "clip.mp4", "-", stdin="\n")
    assert (done.returncode, "prompt is empty" in done.stderr) == (2, True)


def test_names_that_are_no_utf_8_are_uploaded_and_prompts_refused(api: ScriptedApi, folder: Path) -> None:
    name = b"caf\xe9.mp4"
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(MP4)
    done = ran(api, folder, "submit", name, "trim it")
    assert done.returncode == 0, done.stderr
    assert len(api.asked) == 3
    done = ran(api, folder, "submit", "clip.mp4", b"tr\xffim")
    assert (done.returncode, "prompt is not UTF-8" in done.stderr) == (2, True), done.stderr
