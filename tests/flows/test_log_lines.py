"""What a world's processes write: every line is JSON with fields; one line for each request, one for a failed callback."""

import json
import os
import re
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.compat.processes import PROGRAMS, clean_environment
from tests.gateway_fixture import Gateway, running_gateway
from tests.until import PATIENCE_S, wait_until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


@dataclass
class Said:
    """A world's log lines by process, and what it was led through."""

    lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""

    def of(self, process: str, event: str, **fields: Any) -> list[dict[str, Any]]:
        rows = [row for row in self.lines[process] if row["event"] == event]
        return [row for row in rows if fields.items() <= row.items()]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    folder, found = tmp_path_factory.mktemp("lines"), Said()
    at_once = {"REELGATE_FORMAT_SETTLE_S": "0"}
    with running_gateway(folder, **at_once) as gateway, gateway.http, gateway.sandbox, gateway.receiver:
        hook = {"url": f"{gateway.world['receiver']}/hook/status/500"}
        headers = {"X-Request-Id": "req-of-the-caller", "traceparent": TRACEPARENT}
        media = [{"upload_id": gateway.upload(gateway.clip())}]
        ask = {"prompt": "mute it", "media": media, "webhook": hook, "output": {"export": False}}
        job = gateway.http.post("/v1/jobs", json=ask, headers=headers).json()
        found.job = gateway.ended(job["id"])
        gateway.callbacks(job["id"], at_least=2)
        gateway.http.get("/v1/nowhere/at-all?secret=1")
        gateway.http.get("/v1/jobs/not-an-id")
        gateway.http.get("/v1/jobs", headers={"Authorization": "Bearer rg_wrong"})
        gateway.http.put("/v1/webhook", json=hook)
        [worker_log] = folder.glob(".reelgate/*/logs/worker-1.log")
        _test_webhook(gateway, worker_log)
        _send_what_is_no_http(gateway.world["api"])
    for log in folder.glob(".reelgate/*/logs/*.log"):
        if re.match("api|worker", log.name):
            found.lines[log.stem] = [_parsed(line) for line in log.read_text().splitlines()]
    return found


def _test_webhook(gateway: Gateway, log: Path) -> None:
    """Test it until the worker has been asked in the words of this release, which carry a request's id."""

    def tested() -> bool:
        gateway.http.post("/v1/webhook:test", headers={"X-Request-Id": "req-of-a-test"})
        return "req-of-a-test" in log.read_text()

    wait_until(tested, within_s=PATIENCE_S, every_s=0.5)


def _parsed(line: str) -> dict[str, Any]:
    row = json.loads(line)
    assert {"event", "level", "logger", "timestamp"} <= set(row), line
    return row


def _send_what_is_no_http(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as line:
        line.sendall(b"HELLO\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 400 ")


def test_every_line_of_every_process_is_json_with_its_level_time_and_place(said: Said):
    assert set(said.lines) == {"api-1", "worker-1"}
    assert all(len(rows) > 3 for rows in said.lines.values())
    assert {row["logger"] for row in said.lines["api-1"]} >= {"uvicorn.error", "service.http.middleware"}


def test_each_request_has_one_line_with_its_route_status_time_tenant_and_id(said: Said):
    [row] = said.of("api-1", "request", method="POST", route="/v1/jobs")
    assert row["status"] == 202
    assert 0 < row["ms"] < 60_000
    assert (row["tenant"], row["request_id"], row["trace_id"]) == ("demo", "req-of-the-caller", TRACE_ID)
    [read] = said.of("api-1", "request", method="GET", route="/v1/jobs/{job_id}", job_id=said.job["id"])
    assert (read["status"], read["tenant"]) == (200, "demo")
    ids = [each["request_id"] for each in said.of("api-1", "request")]
    assert len(ids) == len(set(ids))


def test_a_refused_request_has_its_line_too_and_no_word_of_it(said: Said):
    [lost] = said.of("api-1", "request", route="(none)", method="GET")
    assert (lost["status"], "tenant" in lost) == (404, False)
    [bad_id] = said.of("api-1", "request", status=404, route="/v1/jobs/{job_id}")
    assert "job_id" not in bad_id
    assert [row["status"] for row in said.of("api-1", "request", method="GET", route="/v1/jobs")] == [401]
    assert [row["status"] for row in said.of("api-1", "request", method="(none)")] == [400]
    text = json.dumps(said.lines)
    assert not any(word in text for word in ("at-all", "secret=1", "not-an-id", "rg_wrong", "HELLO", "mute it"))


@pytest.mark.parametrize("kind", ["api", "worker"])
def test_the_line_by_which_a_process_says_that_it_is_ready_is_one_of_them(said: Said, kind: str):
    [ready] = said.of(f"{kind}-1", f"{kind} ready")
    assert ready["address"].startswith("http://127.0.0.1:")


def test_a_job_s_lines_name_it_its_tenant_its_trace_and_the_request_that_submitted_it(said: Said):
    [ended] = said.of("worker-1", "job ended")
    assert ended["status"] == said.job["status"]
    lines = [row for row in said.lines["worker-1"] if row.get("job_id") == said.job["id"]]
    assert len(lines) > 2
    about = {(row["tenant"], row["trace_id"], row["request_id"]) for row in lines}
    assert about == {("demo", TRACE_ID, "req-of-the-caller")}


def test_a_failed_test_of_a_webhook_is_logged_with_its_tenant_and_its_request(said: Said):
    *_, row = said.of("worker-1", "callback attempt failed", type="webhook.test")
    assert (row["status"], row["tenant"], row["request_id"]) == (500, "demo", "req-of-a-test")


def test_a_failed_callback_attempt_is_logged_with_its_number_and_status(said: Said):
    rows = said.of("worker-1", "callback attempt failed", job_id=said.job["id"])
    assert [row["attempt"] for row in rows[:2]] == [1, 2]
    assert {(row["status"], row["tenant"], row["trace_id"], row["follows"]) for row in rows[:2]} == {
        (500, "demo", TRACE_ID, "retryin")
    }
    assert all(row["delivery_id"].startswith("dlv_") for row in rows)


REFUSALS = {
    "a bad setting": (("api",), {"REELGATE_LEASE_S": "no"}, "REELGATE_LEASE_S"),
    "an option that is not there": (("worker", "--nothing"), {}, "--nothing"),
    "a port that is taken": (("api", "--port", "{taken}"), {}, "cannot listen"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_a_process_refuses_at_its_start_is_a_line_too(name: str, tmp_path: Path):
    words, env, told = REFUSALS[name]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = [word.format(taken=taken.getsockname()[1]) for word in words]
        done = run(*words, cwd=tmp_path, **env)
    rows = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode not in (0, None)
    assert [told in row["event"] for row in rows] == [True]


def run(*words: str, cwd: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    env = clean_environment() | {"REELGATE_SECRET_KEYS": "k" * 40} | env
    return subprocess.run(
        [PROGRAMS / "reelgate", *words],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("chosen", ["auto", "json", "console"])
def test_a_reader_at_a_terminal_gets_readable_lines_unless_json_is_chosen(chosen: str, tmp_path: Path):
    master, terminal = os.openpty()
    env = clean_environment() | {"REELGATE_SECRET_KEYS": "k" * 40, "REELGATE_LOG_FORMAT": chosen}
    command = [PROGRAMS / "reelgate", "worker", "--metrics-port", "0"]
    env |= {"REDIS_URL": "redis://127.0.0.1:9/0"}
    with (
        subprocess.Popen(command, env=env, cwd=tmp_path, stderr=terminal) as child,
        os.fdopen(master, "rb", 0) as shown,
    ):
        os.close(terminal)
        text = b""
        while b"waiting for Redis" not in text:
            text += shown.read(1000)
        child.send_signal(signal.SIGTERM)
        child.wait(PATIENCE_S)
    assert (b'"event"' in text) == (chosen == "json")
