"""An operator beside a whole Reelgate: a pause that nobody who runs notices, and an end to it that starts jobs at once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api_fixture import SECRET_KEY
from tests.gateway_fixture import Gateway, running_gateway
from tests.until import PATIENCE_S, wait_until

REELGATE = Path(sys.executable).with_name("reelgate")
#: a prompt that no backend edit answers
QUICK = "how many credits do I have left?"
#: one whose stream lasts until somebody ends it
ENDLESS = '[[story:heartbeats-only]] add a title "Held"'


CHOSEN = {
    "REELGATE_SECRET_KEYS": SECRET_KEY,
    "REELGATE_STREAM_LIMIT_S": "900",
    "REELGATE_STREAM_QUIET_S": "900",
    "SANDBOX_SLOW_S": "10",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running_gateway(tmp_path_factory.mktemp("admin"), **CHOSEN) as running:
        yield running


def told(world: Gateway, *words: str) -> Any:
    env = os.environ | {
        "REDIS_URL": world.world["redis_url"],
        "REELGATE_SECRET_KEYS": SECRET_KEY,
        "REELGATE_PUBLIC_URL": world.world["api"],
    }
    command = [REELGATE, "admin", *words, "--json"]
    done = subprocess.run(
        command, check=False, env=env, cwd=world.folder, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def paused(world: Gateway, who: str) -> float | None:
    """What the worker's metrics say of pauses."""
    text = httpx.get(world.world["metrics"]["worker"][0], trust_env=False).text
    values = [line.split()[1] for line in text.splitlines() if line.startswith(f'reelgate_paused{{who="{who}"}}')]
    return float(values[0]) if values else None


def test_while_everybody_is_paused_what_runs_goes_on_and_what_waits_begins_afterwards(world: Gateway) -> None:
    at_work = world.submit('[[story:slow]] add a title "Pause"', upload=world.clip())["id"]
    wait_until(lambda: world.job(at_work)["status"] == "running", within_s=PATIENCE_S)
    assert told(world, "pause", "--all", "--yes")["changed"]
    waiting = [world.submit(QUICK)["id"] for _ in range(3)]
    assert world.ended(at_work)["status"] == "succeeded"
    assert {world.job(each)["wait"]["reason"] for each in waiting} == {"paused"}
    wait_until(lambda: paused(world, "everybody") == 1, within_s=PATIENCE_S)
    assert told(world, "resume", "--all")["changed"]
    assert [world.ended(each)["status"] for each in waiting] == ["succeeded"] * 3
    wait_until(lambda: paused(world, "everybody") == 0, within_s=PATIENCE_S)


def test_who_holds_a_job_is_seen_and_an_operators_cancel_ends_it_at_the_backend_and_calls_back(world: Gateway) -> None:
    job_id = world.submit(ENDLESS, upload=world.clip())["id"]
    wait_until(lambda: world.job(job_id)["stage"] == "editing", within_s=PATIENCE_S)
    wait_until(lambda: told(world, "workers")["data"][0]["jobs"] == 1, within_s=PATIENCE_S)
    [worker] = told(world, "workers")["data"]
    held = told(world, "job", job_id)
    assert held["worker"] == worker["id"]
    assert held["token_fingerprint"]
    assert worker["slots"] == 1000
    assert told(world, "cancel", job_id, "--yes")["data"][0]["status"] == "canceling"
    assert world.ended(job_id)["status"] == "canceled"
    [received] = world.callbacks(job_id)
    assert received["body"]["type"] == "job.canceled"
