"""What `./run up` prints."""

import json
import os
import shlex
import shutil
import subprocess

from core.settings import _CLIENT_VARIABLES
from sandbox.world.announce import as_json, as_text, curl_line, exports
from sandbox.world.child_process import Child
from sandbox.world.folders import make_folders
from sandbox.world.identity import Identity
from sandbox.world.processes import REELGATE
from sandbox.world.world import World


def part(address, tmp_path):
    return Child("part", ["true"], env={}, ready="", address=address, log_path=tmp_path / "log")


def a_world(tmp_path):
    apis = [part(f"http://127.0.0.1:{port}", tmp_path) for port in (1, 2)]
    return World(
        make_folders("up", root=tmp_path),
        Identity(api_key="rg_key", webhook_secret="whsec_x"),
        redis_url="redis://127.0.0.1:5/0",
        backend="http://127.0.0.1:6",
        receiver=part("http://127.0.0.1:7", tmp_path),
        apis=apis,
        workers=[part("http://127.0.0.1:8", tmp_path)],
    )


def test_the_json_line_has_the_fields_that_programs_read(tmp_path):
    line = as_json(a_world(tmp_path))
    assert "\n" not in line
    assert json.loads(line) == {
        "api": "http://127.0.0.1:1",
        "apis": ["http://127.0.0.1:1", "http://127.0.0.1:2"],
        "api_key": "rg_key",
        "webhook_secret": "whsec_x",
        "backend": "http://127.0.0.1:6",
        "receiver": "http://127.0.0.1:7",
        "redis_url": "redis://127.0.0.1:5/0",
        "metrics": {
            "api": ["http://127.0.0.1:1/metrics", "http://127.0.0.1:2/metrics"],
            "worker": ["http://127.0.0.1:8/metrics"],
        },
    }


def test_the_curl_line_is_one_shell_command_with_a_whole_job_and_the_key_in_a_file(tmp_path):
    world = a_world(tmp_path)
    words = shlex.split(curl_line(world))
    assert words[0] == "curl"
    assert f"@{world.folders.authorization}" in words
    assert "rg_key" not in curl_line(world)
    body = json.loads(words[-1])
    assert body["webhook"] == {"url": "http://127.0.0.1:7/hook"}
    assert body["profile"] == "free-video-generation-automatic"


def test_people_read_every_address(tmp_path):
    text = as_text(a_world(tmp_path))
    for address in ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:5", "127.0.0.1:6", "127.0.0.1:7", "127.0.0.1:8"):
        assert address in text


def test_the_lines_to_copy_say_where_and_who_by_the_names_that_the_command_line_reads(tmp_path):
    lines = exports(a_world(tmp_path))
    assert lines[:2] == ["export REELGATE_API=http://127.0.0.1:1", "export REELGATE_API_KEY=rg_key"]
    assert {line.removeprefix("export ").partition("=")[0] for line in lines[:2]} == _CLIENT_VARIABLES
    assert all(line in as_text(a_world(tmp_path)).splitlines() for line in lines)


def test_the_lines_to_copy_let_a_shell_find_the_command_line_after_its_own_programs(tmp_path):
    said = subprocess.run(
        ["sh", "-c", "\n".join([*exports(a_world(tmp_path)), "command -v reelgate; command -v sh"])],
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert said == [shutil.which("reelgate") or REELGATE, shutil.which("sh")]


def test_people_read_whether_the_world_stays(tmp_path):
    assert "has all of it again" in as_text(a_world(tmp_path), kept=True)
    assert "has all of it again" not in as_text(a_world(tmp_path))
