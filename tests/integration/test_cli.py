"""The callers' commands as processes against the real API: what they say, where, and with which exit code."""

import asyncio
import fcntl
import json
import os
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.world.ports import free_port
from tests.api_fixture import CLIP, Api, running_api
from tests.job_ends import VIDEO, fail, succeed
from tests.scripted_api import gives, scripted_api
from tests.until import PATIENCE_S, until

REELGATE = Path(sys.executable).with_name("reelgate")
MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 20_000
TRIM = "trim the first 2 seconds"
EXPECTED = "expected: 50 credits, up to 100 (as published); 30 s, up to 60 s (as published)"


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path / "storage") as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "here"
    here.mkdir()
    (here / "clip.mp4").write_bytes(MP4)
    return here


async def started(
    api: Api, folder: Path, *words: str, url: str | None = None, **environment: str
) -> asyncio.subprocess.Process:
    env = os.environ | {"REELGATE_API": url or api.url, "REELGATE_API_KEY": api.key} | environment
    return await asyncio.create_subprocess_exec(
        REELGATE,
        *words,
        env=env,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=hear_ctrl_c,
    )


def hear_ctrl_c() -> None:
    """Make a child hear Ctrl-C as at a terminal: whoever runs the tests in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def ended(child: asyncio.subprocess.Process) -> tuple[int, str, str]:
    out, err = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()


async def ran(api: Api, folder: Path, *words: str, url: str | None = None) -> tuple[int, str, str]:
    return await ended(await started(api, folder, *words, url=url))


async def told(api: Api, folder: Path, *words: str) -> Any:
    """Run a command with ``--json`` and read what it says."""
    code, out, err = await ran(api, folder, *words, "--json")
    assert code == 0, err
    return json.loads(out)


async def the_job(api: Api) -> str:
    async def look() -> list[dict[str, Any]]:
        return (await api.http.get("/v1/jobs")).json()["data"]

    return (await until(look, within_s=PATIENCE_S))[0]["id"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def uploads(api: Api) -> list[Path]:
    return list((Path(api.context.settings.storage) / "uploads").rglob("upl_*"))


@pytest.mark.quick
async def test_run_goes_from_a_file_to_a_film(api: Api, folder: Path) -> None:
    child = await started(api, folder, "run", "clip.mp4", TRIM, "-o", "out.mp4", "--metadata", "order=7")
    job_id = await the_job(api)
    await succeed(api.context, job_id, reply="Trimmed.")
    code, out, err = await ended(child)
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [f"{job_id} is queued", EXPECTED]
    assert "Trimmed." in out
    assert out.endswith("saved out.mp4\n")
    assert (folder / "out.mp4").read_bytes() == VIDEO
    assert names_in(folder) == ["clip.mp4", "out.mp4"]
    assert len(uploads(api)) == 1
    job = (await api.http.get(f"/v1/jobs/{job_id}")).json()
    assert job["metadata"] == {"order": "7"}


async def test_a_command_that_is_run_again_under_its_key_is_the_same_job_of_the_same_upload(
    api: Api, folder: Path
) -> None:
    words = ("submit", "clip.mp4", TRIM, "--idempotency-key", "order-7")
    first, again = await told(api, folder, *words), await told(api, folder, *words)
    other = await told(api, folder, *words[:-1], "order-8")
    assert first["id"] == again["id"] != other["id"]
    assert len(uploads(api)) == 2


async def test_json_has_stdout_to_itself(api: Api, folder: Path) -> None:
    child = await started(api, folder, "run", "clip.mp4", TRIM, "-o", "out.mp4", "--json")
    await succeed(api.context, await the_job(api))
    code, out, err = await ended(child)
    job = json.loads(out)
    assert (code, job["status"], job["estimate"]["credits"]) == (0, "succeeded", [50, 100])
    assert EXPECTED in err
    assert "saved out.mp4" in err


async def test_what_is_wrong_is_said_before_anything_is_sent(api: Api, folder: Path) -> None:
    (folder / "notes.txt").write_text("words")
    for code, words, said in (
        (2, ("run", "clip.mp4"), "name of a file"),
        (2, ("run", TRIM, "clip.mp4"), "name of a file"),
        (2, ("run", "clip.mp4", TRIM, "--idempotency-key", "two words"), "1 to 255 visible ASCII characters"),
        (2, ("run", "clip.mp4", TRIM, "--idempotency-key", ""), "1 to 255 visible ASCII characters"),
        (1, ("run", "missing.mp4", TRIM), "there is no file missing.mp4"),
        (1, ("run", "notes.txt", TRIM), "notes.txt is none of"),
        (1, ("run", "clip.mp4", TRIM, "-o", "nowhere/out.mp4"), "there is no folder"),
        (1, ("run", "clip.mp4", TRIM, "-o", "out.gif"), "films come as"),
        (1, ("submit", "clip.mp4", TRIM, "--output", "nowhere/out.mp4"), "there is no folder"),
        (1, ("run", "clip.mp4", TRIM, "--profile", "no-such"), "there is no profile no-such"),
        (1, ("run", "clip.mp4", TRIM, "--session", "ses_019aa2c7-5d1f-7003-9b1e-4c5d6e7f8091"), "404"),
    ):
        ended_with, _, err = await ran(api, folder, *words)
        assert (ended_with, said in err) == (code, True), (words, err)
    assert (uploads(api), (await api.http.get("/v1/jobs")).json()["data"]) == ([], [])


async def test_a_key_that_may_only_submit_does_so(api: Api, folder: Path) -> None:
    narrow = (await api.context.api_keys.create("acme", scopes=("submit",))).secret
    code, out, err = await ran(replace(api, key=narrow), folder, "submit", "clip.mp4", TRIM)
    assert (code, out) == (0, f"{await the_job(api)} is queued\n{EXPECTED}\n"), err


async def test_a_job_that_is_not_there_does_not_go_on(api: Api, folder: Path) -> None:
    code, _, err = await ran(api, folder, "wait", "job_019aa2c7-5d1f-7003-9b1e-4c5d6e7f8091")
    assert (code, err.startswith("Error: 404"), "goes on" in err) == (1, True, False)


async def test_a_proxys_page_does_not_end_a_job(api: Api, folder: Path) -> None:
    with scripted_api() as proxy:
        proxy.replies = {"/v1/jobs/job_1": [gives(404, b"<h1>No such page</h1>")]}
        code, _, err = await ran(api, folder, "wait", "job_1", url=proxy.url)
    assert (code, "reelgate wait job_1" in err) == (1, True), err


async def test_a_place_for_a_film_stays_empty_where_there_is_none_and_the_command_says_that_it_failed(
    api: Api, folder: Path
) -> None:
    child = await started(api, folder, "run", "how many credits do I have?", "-o", "out.mp4")
    await succeed(api.context, await the_job(api), output=None, result={"credits": 7})
    code, out, err = await ended(child)
    assert (code, '"credits": 7' in out, "is not written" in err) == (1, True, True)
    assert names_in(folder) == ["clip.mp4"]


async def test_ctrl_c_says_how_to_go_on_and_how_to_cancel(api: Api, folder: Path) -> None:
    child = await started(api, folder, "run", CLIP["url"], TRIM, "-o", "out.mp4")
    assert child.stdout is not None
    job_id = (await child.stdout.readline()).decode().split()[0]
    child.send_signal(signal.SIGINT)
    code, _, err = await ended(child)
    assert code == 130
    assert f"reelgate wait {job_id} -o out.mp4" in err
    assert f"reelgate cancel {job_id}" in err
    assert (await api.http.get(f"/v1/jobs/{job_id}")).json()["status"] == "queued"
    waiting = await started(api, folder, "wait", job_id, "-o", "out.mp4")
    await succeed(api.context, job_id)
    assert (await ended(waiting))[0] == 0
    assert (folder / "out.mp4").read_bytes() == VIDEO


async def test_a_command_that_is_run_again_under_its_key_finds_its_job_in_a_session_that_is_closed_now(
    api: Api, folder: Path
) -> None:
    session_id = (await api.http.post("/v1/sessions")).json()["id"]
    words = ("submit", "clip.mp4", TRIM, "--session", session_id, "--idempotency-key", "order-7")
    first = await told(api, folder, *words)
    assert (await api.http.delete(f"/v1/sessions/{session_id}")).status_code == 204
    assert (await told(api, folder, *words))["id"] == first["id"]
    code, _, err = await ran(api, folder, *words[:-2])
    assert (code, err) == (1, "Error: 404: There is no such session.\nNothing was submitted, and nothing is charged.\n")


@pytest.mark.parametrize(
    ("loading", "words", "says"),
    [
        ("click", ("list",), ""),
        ("httpx", ("list",), "\nInterrupted.\n"),
        ("httpx", ("submit", "clip.mp4", TRIM, "--idempotency-key", "order-7"), "\nInterrupted.\n"),
    ],
)
async def test_ctrl_c_while_a_command_is_still_being_loaded_ends_it_as_ever(
    api: Api, folder: Path, loading: str, words: tuple[str, ...], says: str
) -> None:
    (folder / f"{loading}.py").write_text("import signal\nprint('loading', flush=True)\nsignal.pause()\n")
    child = await started(api, folder, *words, PYTHONPATH=str(folder))
    assert child.stdout is not None
    assert await child.stdout.readline() == b"loading\n"
    child.send_signal(signal.SIGINT)
    assert await ended(child) == (130, "", says)


async def test_advice_goes_to_the_address_that_was_given(api: Api, folder: Path) -> None:
    child = await started(api, folder, "run", CLIP["url"], TRIM, "--api", api.url, url="http://127.0.0.1:9")
    assert child.stdout is not None
    job_id = (await child.stdout.readline()).decode().split()[0]
    child.send_signal(signal.SIGINT)
    _, _, err = await ended(child)
    assert f"reelgate wait {job_id} --api {api.url}\n" in err
    assert f"reelgate cancel {job_id} --api {api.url}\n" in err


async def test_a_submit_that_saves_a_film_has_it_in_the_format_that_its_name_says(api: Api, folder: Path) -> None:
    child = await started(api, folder, "submit", CLIP["url"], TRIM, "-o", "out.webm")
    job_id = await the_job(api)
    assert (await api.http.get(f"/v1/jobs/{job_id}")).json()["input"]["output"]["format"] == "webm"
    await succeed(api.context, job_id)
    assert (await ended(child))[0] == 0
    assert await ran(api, folder, "submit", CLIP["url"], TRIM, "-o", "out.avi") == (
        1,
        "",
        "Error: out.avi: films come as mp4, mov, webm\n",
    )


async def test_a_film_that_cannot_be_saved_is_not_lost(api: Api, folder: Path) -> None:
    (folder / "there").mkdir()
    child = await started(api, folder, "run", CLIP["url"], TRIM, "-o", "there/out.mp4")
    job_id = await the_job(api)
    (folder / "there").rmdir()
    await succeed(api.context, job_id)
    code, _, err = await ended(child)
    assert code == 4
    assert f"reelgate download {job_id} -o there/out.mp4" in err
    code, out, _ = await ran(api, folder, "download", job_id)
    assert (code, out) == (0, f"saved {job_id}.mp4\n")
    assert (folder / f"{job_id}.mp4").read_bytes() == VIDEO


async def test_a_job_that_failed_says_why_and_ends_with_1(api: Api, folder: Path) -> None:
    child = await started(api, folder, "run", CLIP["url"], TRIM, "--json")
    await fail(api.context, await the_job(api))
    code, out, err = await ended(child)
    assert (code, json.loads(out)["error"]["code"]) == (1, "render_failed")
    assert "could not render" in err


async def test_an_api_that_is_away_is_another_exit_code(api: Api, folder: Path) -> None:
    code, _, err = await ran(api, folder, "credits", url=f"http://127.0.0.1:{free_port()}")
    assert (code, "cannot be reached" in err) == (3, True)


async def test_waiting_can_have_an_end(api: Api, folder: Path) -> None:
    job = await api.submit()
    code, _, err = await ran(api, folder, "wait", job["id"], "--timeout", "1")
    assert (code, f"reelgate wait {job['id']}" in err) == (5, True)


async def test_jobs_are_listed_shown_cancelled_and_replayed(api: Api, folder: Path) -> None:
    job = await api.submit(profile="trimmer-exe")
    other = await api.submit()
    assert [each["id"] for each in await told(api, folder, "list", "--profile", "trimmer-exe")] == [job["id"]]
    _, out, _ = await ran(api, folder, "list")
    assert [line.split()[0] for line in out.splitlines()] == ["ID", other["id"], job["id"]]
    assert (await told(api, folder, "cancel", job["id"]))["status"] == "canceled"
    again = await told(api, folder, "replay", job["id"])
    assert again["parent_id"] == job["id"]
    shown = await told(api, folder, "show", again["id"])
    said = (await api.http.get(f"/v1/jobs/{again['id']}")).json()
    assert (shown["status"], shown["created_at"]) == ("queued", said["created_at"])
    _, out, _ = await ran(api, folder, "show", again["id"])
    assert f"replays   {job['id']}" in out


async def test_a_list_fits_the_terminal(api: Api, folder: Path) -> None:
    job = await api.submit(prompt="cut the pauses, " * 20)
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    env |= {"REELGATE_API": api.url, "REELGATE_API_KEY": api.key}
    child = await asyncio.create_subprocess_exec(REELGATE, "list", env=env, cwd=folder, stdout=its, stderr=its)
    assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0
    os.close(its)
    lines = os.read(ours, 65_536).decode().splitlines()
    os.close(ours)
    assert [line.split()[0] for line in lines] == ["ID", job["id"]]
    assert max(map(len, lines)) <= 72


async def test_a_command_without_a_key_says_where_it_looks_for_one(folder: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "REELGATE_API_KEY"}
    child = await asyncio.create_subprocess_exec(REELGATE, "list", env=env, cwd=folder, stderr=asyncio.subprocess.PIPE)
    _, words = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert (child.returncode, b"REELGATE_API_KEY" in words) == (2, True)


async def test_events_are_shown_and_followed(api: Api, folder: Path) -> None:
    job = await api.submit()
    child = await started(api, folder, "events", job["id"], "--follow", "--json")
    await succeed(api.context, job["id"])
    code, out, _ = await ended(child)
    assert code == 0
    last = json.loads(out.splitlines()[-1])
    assert last["data"]["job"]["status"] == "succeeded"
    assert re.fullmatch(r"[^.]+\.[0-9]{3}Z", last["timestamp"])
    code, out, _ = await ran(api, folder, "events", job["id"])
    assert [line.split()[2] for line in out.splitlines()] == ["job.queued", "job.started", "job.succeeded"]


async def test_deliveries_and_credits_are_shown(api: Api, folder: Path) -> None:
    job = await api.submit(webhook={"url": "https://x.example/hook", "events": ["job.queued"]})
    [delivery] = await told(api, folder, "deliveries", job["id"])
    assert (delivery["type"], delivery["status"]) == ("job.queued", "pending")
    assert await told(api, folder, "deliveries") == []
    assert (await told(api, folder, "credits")).keys() >= {"available", "frozen", "total"}
    code, out, _ = await ran(api, folder, "credits")
    assert (code, out.splitlines()[0]) == (0, "AVAILABLE  FROZEN  TOTAL  AS OF")
