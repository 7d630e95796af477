"""`./run up`: all is ready when it says so, and nothing is left when it ends, however it ends."""

import asyncio
import json
import os
import select
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.world.embedded_redis import embedded_redis
from tests.until import PATIENCE_S

ENV = {name: value for name, value in os.environ.items() if not name.startswith(("NEMO_", "REELGATE_", "SANDBOX_"))}


@contextmanager
def up(folder, *arguments, **pipes):
    """Run a world as a program would; yields its process. At the end it must be gone."""
    command = [sys.executable, "-m", "sandbox.world", "up", *arguments]
    with subprocess.Popen(command, cwd=folder, env=ENV, stdout=subprocess.PIPE, text=True, **pipes) as world:
        try:
            yield world
        finally:
            world.terminate()
            world.wait(PATIENCE_S)


def first_line(world):
    line = world.stdout.readline()
    assert line, "the world ended before it was ready"
    return json.loads(line)


def descendants(pid):
    """List all processes that this one started, and theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            child, _, rest = stat.read_text().partition(" (")
        except OSError:
            continue
        parents[int(child)] = int(rest.rpartition(") ")[2].split()[1])
    found, seen = [pid], []
    while found:
        found = [child for child, parent in parents.items() if parent in found]
        seen += found
    return seen


def pid_of(world, command):
    """Find the first process of the world that runs this command of the gateway's."""
    for pid in descendants(world.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if command in words:
            return pid
    raise AssertionError(f"nobody runs {command}")


@contextmanager
def watched(pids):
    """Hold on to processes, so that a number that is used again is not mistaken for one of them."""
    handles = {pid: os.pidfd_open(pid) for pid in pids}
    try:
        yield handles
    finally:
        for handle in handles.values():
            os.close(handle)


def assert_gone(handles):
    for pid, handle in handles.items():
        assert select.select([handle], [], [], PATIENCE_S)[0], f"process {pid} is still there"


def test_all_parts_answer_when_the_line_is_printed(tmp_path):
    with up(tmp_path, "--json", "--apis", "2", "--workers", "2") as world, httpx.Client(trust_env=False) as client:
        line = first_line(world)
        assert len(line["apis"]) == len(line["metrics"]["api"]) == len(line["metrics"]["worker"]) == 2
        assert line["api"] == line["apis"][0]
        assert line["webhook_secret"].startswith("whsec_")
        for api in line["apis"]:
            assert client.get(f"{api}/readyz").status_code == 200
        for address in (*line["metrics"]["api"], *line["metrics"]["worker"]):
            assert "reelgate_" in client.get(address).text
        assert client.get(f"{line['backend']}/_sandbox/ledger").status_code == 200
        assert client.get(f"{line['receiver']}/_received").json() == []
        profiles = client.get(f"{line['api']}/v1/profiles", headers={"Authorization": f"Bearer {line['api_key']}"})
        assert profiles.status_code == 200


def test_a_receiver_on_localhost_is_called_whatever_address_that_name_has_first(tmp_path):
    with up(tmp_path, "--json", "--workers", "1") as process:
        world = first_line(process)
        at_localhost = world["receiver"].replace("127.0.0.1", "localhost")
        headers = {"Authorization": f"Bearer {world['api_key']}"}
        with httpx.Client(base_url=world["api"], headers=headers, timeout=PATIENCE_S, trust_env=False) as api:
            api.put("/v1/webhook", json={"url": f"{at_localhost}/hook"}).raise_for_status()
            told = api.post("/v1/webhook:test").json()
        assert (told["delivered"], told["error"]) == (True, None)


def test_ctrl_c_ends_every_process_in_order(tmp_path):
    with up(tmp_path, "--json") as world:
        first_line(world)
        with watched(descendants(world.pid)) as handles:
            assert len(handles) >= 5
            world.send_signal(signal.SIGINT)
            assert world.wait(PATIENCE_S) == 0
            assert_gone(handles)


def test_a_killed_world_leaves_no_process_behind(tmp_path):
    with up(tmp_path, "--json") as world:
        first_line(world)
        with watched(descendants(world.pid)) as handles:
            world.kill()
            assert_gone(handles)


def test_a_part_that_is_killed_is_named_and_the_others_go_on(tmp_path):
    with up(tmp_path, "--json", "--workers", "2", stderr=subprocess.PIPE) as world:
        line = first_line(world)
        os.kill(pid_of(world, "worker"), signal.SIGKILL)
        assert world.stderr.readline().startswith("worker-")
        assert httpx.get(f"{line['api']}/readyz", trust_env=False).status_code == 200
        assert world.poll() is None


def test_the_curl_line_works_as_it_is_printed(tmp_path):
    with up(tmp_path) as world:
        printed = iter(world.stdout.readline, "")
        curl = next(line for line in printed if line.startswith("curl "))
        job = json.loads(subprocess.run(shlex.split(curl), capture_output=True, check=True, timeout=PATIENCE_S).stdout)
        assert job["id"].startswith("job_")
        assert job["status"] == "succeeded"


async def test_a_redis_and_a_backend_that_are_given_are_used(tmp_path):
    given = embedded_redis(data_folder=tmp_path, log_path=tmp_path / "redis.log", env=ENV)
    await given.start()
    try:
        arguments = ("--json", "--redis", given.address, "--backend", "http://127.0.0.1:9", "--workers", "0")
        line = await asyncio.to_thread(line_of, tmp_path, *arguments)
    finally:
        await given.stop()
    assert (line["redis_url"], line["backend"]) == (given.address, "http://127.0.0.1:9")
    assert line["metrics"]["worker"] == []


def line_of(folder, *arguments):
    with up(folder, *arguments) as world:
        return first_line(world)


def test_a_part_that_does_not_start_is_named_with_its_reason(tmp_path):
    command = [sys.executable, "-m", "sandbox.world", "up", "--json"]
    env = ENV | {"REELGATE_LEASE_S": "nonsense"}
    failed = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "REELGATE_LEASE_S" in failed.stderr
    assert "nonsense" not in failed.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--apis", "0"],
        ["--workers", "-1"],
        ["--nonsense"],
        ["--redis", "redis://:secret@[bad"],
        ["--backend", "http://[bad"],
    ],
)
def test_what_can_not_be_is_refused_before_anything_starts(tmp_path, arguments):
    command = [sys.executable, "-m", "sandbox.world", "up", *arguments]
    refused = subprocess.run(
        command, cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert refused.returncode == 2
    assert "secret" not in refused.stderr
    assert not (tmp_path / ".reelgate").exists()
