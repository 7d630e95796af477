"""What other users of the machine can learn of a world: its command lines are everybody's, its folder and Redis are not."""

import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import arq
import arq.connections
import pytest
import redis

from core.store.redis.client import Store, connect
from tests.flows.test_world_up import ENV, descendants
from tests.until import PATIENCE_S

MARKED = {
    "NEMO_TOKEN": "nmv_usr_markedmarkedmarked",
    "SANDBOX_TOKENS": "nmv_usr_markedmarkedmarked:500",
    "REELGATE_SECRET_KEYS": "marked-secret-key-that-nobody-may-see-anywhere",
}


@contextmanager
def started(folder, *command, said=""):
    """Run a module of the sandbox's until it has printed a line that begins like that; yields the process and the line."""
    words = [sys.executable, "-m", *command]
    with subprocess.Popen(words, cwd=folder, env=ENV | MARKED, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, next(line for line in process.stdout if line.startswith(said))
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    with started(folder, "sandbox.world", "up", "--json", "--apis", "2", "--workers", "2") as (process, line):
        yield process, json.loads(line), folder


def secrets_of(line):
    """All that a world knows and others must not, in whatever form it goes about."""
    password = urlsplit(line["redis_url"]).password
    assert len(password) >= 16
    return [*MARKED.values(), line["api_key"], line["webhook_secret"].removeprefix("whsec_"), password]


def command_lines(pid):
    return {each: Path(f"/proc/{each}/cmdline").read_bytes().decode() for each in (pid, *descendants(pid))}


def test_no_command_line_of_a_world_holds_a_secret(world):
    process, line, _ = world
    lines = command_lines(process.pid)
    assert len(lines) >= 8
    for words in lines.values():
        assert not [secret for secret in secrets_of(line) if secret in words]


def test_the_environment_of_its_processes_is_its_users_alone(world):
    process, _, _ = world
    for pid in descendants(process.pid):
        about = Path(f"/proc/{pid}/environ").stat()
        assert about.st_uid == os.getuid()
        assert stat.S_IMODE(about.st_mode) == 0o400


def test_its_folder_is_its_users_alone_and_no_log_holds_a_secret(world):
    _, line, folder = world
    [own] = (folder / ".reelgate").iterdir()
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    logs = [log.read_text(errors="replace") for log in own.rglob("*.log")]
    assert logs
    assert not [secret for secret in secrets_of(line) for log in logs if secret in log]


def test_every_part_listens_on_loopback_alone(world):
    process, _, _ = world
    listening = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9]: row[1] for row in listening if row[3] == "0A"}
    mine = {
        inodes[inode]
        for pid in descendants(process.pid)
        for handle in Path(f"/proc/{pid}/fd").iterdir()
        if (inode := str(handle.readlink()).removeprefix("socket:[").removesuffix("]")) in inodes
    }
    assert len(mine) >= 7
    assert {address.partition(":")[0] for address in mine} == {"0100007F"}


async def test_its_redis_is_reached_by_its_address_and_by_nobody_without_it(world):
    _, line, _ = world
    where = urlsplit(line["redis_url"])
    with redis.Redis(where.hostname, where.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.dbsize()
    with redis.Redis.from_url(line["redis_url"]) as client:
        assert client.ping()
    store = Store(connect(line["redis_url"], answer_s=PATIENCE_S))
    assert await store.redis.ping()
    await store.close()
    pool = await arq.create_pool(arq.connections.RedisSettings.from_dsn(line["redis_url"]))
    assert await pool.ping()
    await pool.aclose()


def test_the_gateways_own_commands_reach_it_by_the_address(world):
    _, line, _ = world
    env = ENV | MARKED | {"REDIS_URL": line["redis_url"]}
    command = [str(Path(sys.executable).with_name("reelgate")), "keys", "list"]
    listed = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert "demo" in listed.stdout


@pytest.mark.parametrize(
    ("command", "ready", "parts"),
    [
        (("sandbox.world", "demo"), "free-video-fast", 5),
        (("sandbox.chaos", "--jobs", "1", "--seconds", "60", "--workers", "1", "--apis", "1"), "    0 s", 5),
    ],
    ids=["demo", "chaos"],
)
def test_no_command_line_of_a_demo_or_a_chaos_run_holds_what_looks_like_a_secret(tmp_path, command, ready, parts):
    with started(tmp_path, *command, said=ready) as (process, _):
        lines = command_lines(process.pid)
    assert len(lines) > parts
    for words in lines.values():
        assert not [
            mark for mark in ("whsec_", "nmv_usr_", "rg_", "requirepass", "redis://", "secret") if mark in words
        ]


def test_a_backend_with_a_password_is_refused_by_the_setting_that_it_is_and_without_saying_it(tmp_path):
    command = [sys.executable, "-m", "sandbox.world", "up", "--json", "--backend=http://user:opensesame@127.0.0.1:9"]
    how = {"capture_output": True, "text": True, "timeout": PATIENCE_S}
    said = subprocess.run(command, cwd=tmp_path, env=ENV, check=False, **how)
    assert said.returncode == 1
    assert "NEMO_API_URL" in said.stderr
    assert "opensesame" not in said.stderr


@pytest.mark.parametrize("named", [("--redis", "-"), ("--redis", "{url}"), ("--redis={url}",)])
def test_the_password_of_a_redis_that_is_named_stays_on_no_command_line(world, tmp_path, named):
    _, line, _ = world
    words = [word.format(url=line["redis_url"]) for word in named]
    command = [sys.executable, "-m", "sandbox.world", "up", "--json", "--workers", "0", *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=ENV | MARKED, **pipes) as process:
        process.stdin.write(f"{line['redis_url']}\n")
        process.stdin.flush()
        second = json.loads(process.stdout.readline())
        lines = command_lines(process.pid)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert second["redis_url"] == line["redis_url"]
    assert not [words for words in lines.values() for secret in secrets_of(line) if secret in words]
