"""The callers' commands before servers and pipes that do what no real one should: what is said, saved and charged."""

import json
import os
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
    api.replies["/film"] = [gives(200, FILM, content_type="video/mp4")]


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


def test_a_submit_that_did_nothing_is_said_to_have_done_nothing(api: ScriptedApi, folder: Path) -> None:
    api.replies["/v1/jobs"] = [gives(422, {"code": "invalid_value", "status": 422, "detail": "No."})]
    done = ran(api, folder, "submit", "clip.mp4", "trim it")
    assert (done.returncode, "nothing is charged" in done.stderr) == (1, True)
