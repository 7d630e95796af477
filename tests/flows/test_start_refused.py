"""Processes of a release that a Redis is not for: each ends at its start, and says why in a sentence."""

import json
import subprocess
from pathlib import Path

import pytest
import redis

from tests.compat.processes import PROGRAMS, clean_environment


@pytest.mark.parametrize("command", [("api", "--port", "0"), ("worker", "--metrics-port", "0"), ("keys", "list")])
def test_a_process_that_is_too_old_refuses_to_start_with_a_sentence(
    command: tuple[str, ...], redis_url: str, tmp_path: Path
):
    with redis.Redis.from_url(redis_url) as client:
        client.hset("rg:format", mapping={"written": 9, "oldest_reader": 9})
        before = sorted(client.keys())
        env = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": "k" * 40, "REELGATE_STORAGE": str(tmp_path)}
        ended = subprocess.run(
            [str(PROGRAMS / "reelgate"), *command],
            env=clean_environment() | env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 1
        assert ended.stdout == ""
        last = ended.stderr.splitlines()[-1]
        said = json.loads(last)["event"] if last.startswith("{") else last
        assert "This release is too old for this Redis: it reads records up to format 2" in said
        assert "Traceback" not in ended.stderr
        assert sorted(client.keys()) == before
