"""Processes that a Redis or a storage is not for: each ends at its start, and says why in a sentence."""

import json
import subprocess
from pathlib import Path

import pytest
import redis

from tests.compat.processes import PROGRAMS, clean_environment
from tests.redis_fixture import running_redis


@pytest.mark.parametrize("command", [("api", "--port", "0"), ("worker", "--metrics-port", "0"), ("keys", "list")])
def test_a_process_that_is_too_old_refuses_to_start_with_a_sentence(
    command: tuple[str, ...], redis_url: str, tmp_path: Path
):
    with redis.Redis.from_url(redis_url) as client:
        client.hset("rg:format", mapping={"written": 9, "oldest_reader": 9})
        before = sorted(client.keys())
        assert "This release is too old for this Redis: it reads records up to format 2" in said_at_its_end(
            command, REDIS_URL=redis_url, REELGATE_STORAGE=str(tmp_path)
        )
        assert sorted(client.keys()) == before


def said_at_its_end(command: tuple[str, ...], **environment: str) -> str:
    """Run a command that is refused, and give its last sentence."""
    ended = subprocess.run(
        [str(PROGRAMS / "reelgate"), *command],
        env=clean_environment() | {"REELGATE_SECRET_KEYS": "k" * 40} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert "caught by nobody" not in last
    return str(json.loads(last)["event"]) if last.startswith("{") else last


PROCESSES = (("api", "--port", "0"), ("worker", "--metrics-port", "0"))


@pytest.mark.parametrize("command", PROCESSES)
def test_a_storage_that_is_no_folder_is_told_in_a_sentence(command: tuple[str, ...], redis_url: str, tmp_path: Path):
    (tmp_path / "film").touch()
    for where, why in ((tmp_path / "film", "File exists"), (tmp_path / "film/below", "Not a directory")):
        said = said_at_its_end(command, REDIS_URL=redis_url, REELGATE_STORAGE=str(where))
        assert said == f"REELGATE_STORAGE: {where}: {why}."


@pytest.mark.parametrize("command", PROCESSES)
def test_what_is_no_redis_of_ours_is_told_in_a_sentence(command: tuple[str, ...], redis_url: str, tmp_path: Path):
    url = f"{redis_url.rpartition('/')[0]}/99999"
    said = said_at_its_end(command, REDIS_URL=url, REELGATE_STORAGE=str(tmp_path))
    assert said == "REDIS_URL names no Redis that can be used: DB index is out of range."


@pytest.mark.parametrize("forbidden", ["lpush", "fcall", "function"])
@pytest.mark.parametrize("command", PROCESSES)
def test_a_redis_that_lets_its_user_do_too_little_is_told_with_what_is_missing(
    command: tuple[str, ...], forbidden: str, redis_url: str, tmp_path: Path
):
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("FUNCTION", "FLUSH")
        client.execute_command("ACL", "SETUSER", "few", "reset", "on", "nopass", "~*", "&*", "+@all", f"-{forbidden}")
    url = redis_url.replace("redis://:", "redis://few:")
    said = said_at_its_end(command, REDIS_URL=url, REELGATE_STORAGE=str(tmp_path))
    assert said.startswith("REDIS_URL names no Redis that can be used: ")
    assert forbidden in said


def test_a_redis_before_functions_is_told_as_too_old_and_nothing_that_it_was_sent_is_said_again(tmp_path: Path):
    """It quotes what it does not know: what follows the command is packed, and no words."""
    unknown = {"rename-command FCALL": "", "rename-command FUNCTION": ""}
    with running_redis(**unknown) as server:
        said = {
            said_at_its_end(command, REDIS_URL=server.url, REELGATE_STORAGE=str(tmp_path))
            for command in (*PROCESSES, ("keys", "create", "--tenant", "acme"))
        }
    words = "unknown command 'FCALL'. It must be Redis 7.0 or newer, or Valkey."
    assert said == {f"REDIS_URL names no Redis that can be used: {words}", f"Error: Redis refuses: {words}"}
