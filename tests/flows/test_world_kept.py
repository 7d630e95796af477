"""`./run up` without more words: the next start is the same world again, whatever became of the last one."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from core.store.redis.keys import key
from sandbox.world.ports import free_port
from tests.flows.test_world_up import ENV, descendants
from tests.until import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
UP = (sys.executable, "-m", "sandbox.world", "up")
KEPT = Path(".reelgate/kept")
DONE = "Ctrl-C ends it"
JOB = {
    "profile": "free-video-generation-automatic",
    "prompt": "generate a 5-second promotional video from my text: Fresh bread",
}


def readme_curl():
    """Take the block with the curl out of the README, as somebody copies it."""
    [block] = [
        block
        for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
        if "curl" in block
    ]
    return block


class Up:
    """A world as its user sees it: what it printed, the lines to copy, a shell in which they were."""

    def __init__(self, process, text):
        self.process = process
        self.text = text
        self.exports = [line for line in text.splitlines() if line.startswith("export ")]
        self.api, self.key = (self.shell(f"printf %s ${name}") for name in ("REELGATE_API", "REELGATE_API_KEY"))
        self.http = httpx.Client(
            base_url=self.api, headers={"Authorization": f"Bearer {self.key}"}, timeout=PATIENCE_S, trust_env=False
        )

    def shell(self, command, **more):
        script = "\n".join([*self.exports, command])
        told = subprocess.run(
            ["sh", "-ec", script],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
            **{"env": ENV, **more},
        )
        return told.stdout

    def submit(self, **fields):
        return self.http.post("/v1/jobs", json=JOB | fields).raise_for_status().json()["id"]

    def stage(self, job_id, stage):
        """Follow a job until it is at this stage."""
        with self.http.stream("GET", f"/v1/jobs/{job_id}/events") as events:
            assert any(f'"stage":"{stage}"' in line for line in events.iter_lines())

    def ended(self, job_id):
        with self.http.stream("GET", f"/v1/jobs/{job_id}/events") as events:
            for _ in events.iter_lines():
                pass
        return self.http.get(f"/v1/jobs/{job_id}").json()


@contextmanager
def up(folder, *arguments, command=UP, ends=signal.SIGINT, stderr=None, **environment):
    env = ENV | environment
    pipes = {"stdout": subprocess.PIPE, "stderr": stderr, "text": True}
    with subprocess.Popen([*command, *arguments], cwd=folder, env=env, **pipes) as process:
        printed = []
        try:
            for line in process.stdout:
                printed.append(line)
                if DONE in line:
                    break
            else:
                raise AssertionError("the world ended before it was ready")
            world = Up(process, "".join(printed))
            with world.http:
                yield world
        finally:
            process.send_signal(ends)
            process.wait(PATIENCE_S)


def redis_of(world):
    return re.search(r"redis://\S+", world.text)[0]


def refused(folder, *arguments, **environment):
    """Run an `up` that does not start; give what it says."""
    ended = subprocess.run(
        [*UP, *arguments],
        cwd=folder,
        env=ENV | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr


@pytest.mark.quick
def test_what_is_copied_works_as_it_is_printed_and_the_next_start_has_all_of_it_again(tmp_path):
    command = ("sh", str(ROOT / "run"), "up", "--data-dir", "kept")
    with up(tmp_path, command=command) as world:
        assert (tmp_path / "kept" / "world.json").exists(), "a folder is meant from where the command is typed"
        job = world.ended(json.loads(world.shell(readme_curl()))["id"])
        assert job["status"] == "succeeded"
        assert world.shell(f"reelgate show {job['id']} --json", cwd=tmp_path)
        before = (world.exports, redis_of(world))
    assert world.process.returncode == 0
    with up(tmp_path, command=command) as again:
        assert (again.exports, redis_of(again)) == before
        still = json.loads(again.shell(f"reelgate show {job['id']} --json"))
        assert still["status"] == "succeeded"
        film = httpx.get(job["output"]["url"], timeout=PATIENCE_S, trust_env=False)
        assert film.status_code == 200
        assert len(film.content) == still["output"]["size_bytes"]
        assert json.loads(again.shell(readme_curl()))["status"] in {"queued", "running", "succeeded"}


@pytest.mark.parametrize(
    ("stage", "slow", "ends"),
    [("editing", "SANDBOX_GENERATE_S", signal.SIGINT), ("rendering", "SANDBOX_RENDER_S", signal.SIGKILL)],
    ids=["ended amid an edit", "killed amid a render"],
)
def test_jobs_that_were_on_their_way_still_end_and_say_what_became_of_them(tmp_path, stage, slow, ends):
    with up(tmp_path, ends=ends, **{slow: "600"}) as world:
        job_id = world.submit()
        world.stage(job_id, stage)
    with up(tmp_path, REELGATE_SWEEP_S="0.5") as again:
        job = again.ended(job_id)
        # its session is forgotten, and what was asked for in it may have been paid for
        assert (job["status"], job["error"]["code"]) == ("failed", "session_lost")
        assert again.ended(again.submit())["status"] == "succeeded"


def test_a_second_one_in_the_same_folder_is_told_who_holds_it_and_touches_nothing(tmp_path):
    with up(tmp_path, "--workers", "0") as world:
        says = refused(tmp_path)
        assert str(world.process.pid) in says
        assert "--data-dir" in says
        assert str(world.process.pid) in refused(tmp_path, "--fresh")
        assert world.http.get("/v1/jobs").status_code == 200


def test_a_redis_of_a_killed_world_that_has_not_ended_yet_is_waited_for(tmp_path):
    with up(tmp_path, ends=signal.SIGKILL) as world:
        job = world.submit()
        [lingers] = [
            pid for pid in descendants(world.process.pid) if b"valkey" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(lingers, signal.SIGSTOP)
    later = subprocess.Popen([*UP], cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with later:
        assert "waiting until its processes have ended" in later.stderr.readline()
        os.kill(lingers, signal.SIGCONT)
        assert any(DONE in line for line in later.stdout)
        api, key = world.api, {"Authorization": f"Bearer {world.key}"}
        assert httpx.get(f"{api}/v1/jobs/{job}", headers=key, trust_env=False, timeout=PATIENCE_S).status_code == 200
        later.send_signal(signal.SIGINT)
        later.wait(PATIENCE_S)


def test_a_fresh_one_throws_all_away_and_says_what_that_was(tmp_path):
    with up(tmp_path) as world:
        job = world.submit()
        assert world.ended(job)["status"] == "succeeded"
    with up(tmp_path, "--fresh", stderr=subprocess.PIPE) as fresh:
        assert re.search(r"Thrown away.*redis \(.*storage \(.*world\.json", fresh.process.stderr.readline())
        assert fresh.key != world.key
        assert fresh.http.get(f"/v1/jobs/{job}").status_code == 404
        assert fresh.http.get("/v1/jobs").json()["data"] == []
        stranger = httpx.get(f"{fresh.api}/v1/jobs", headers={"Authorization": f"Bearer {world.key}"}, trust_env=False)
        assert stranger.status_code == 401


def test_a_fresh_one_that_is_cut_off_leaves_a_world_that_still_starts(tmp_path):
    with up(tmp_path, "--workers", "0") as world:
        pass
    redis_folder = tmp_path / KEPT / "redis"
    redis_folder.symlink_to(redis_folder.rename(tmp_path / "elsewhere"))  # a link is not thrown away
    assert "can't hold a world" in refused(tmp_path, "--fresh")
    with up(tmp_path, "--workers", "0") as again:
        assert again.key == world.key


def test_a_port_that_another_program_took_is_left_to_it_and_the_new_one_stays(tmp_path):
    with up(tmp_path) as world:
        job = world.submit()
    taken = urlsplit(world.api).port
    with create_server(("127.0.0.1", taken)), up(tmp_path, stderr=subprocess.PIPE) as moved:
        assert re.fullmatch(rf"Port {taken}, .*api-1.* taken .*now \d+\.\n", moved.process.stderr.readline())
        assert moved.api != world.api
        assert moved.key == world.key
        assert moved.ended(job)["output"]["url"].startswith(moved.api)
    with up(tmp_path, "--workers", "0") as again:
        assert again.api == moved.api


def test_a_port_can_be_chosen_and_one_that_is_taken_is_refused(tmp_path):
    port = free_port()
    with up(tmp_path, "--workers", "0", "--port", str(port)) as world:
        assert world.api == f"http://127.0.0.1:{port}"
        assert f"Port {port} is taken" in refused(tmp_path, "--port", str(port), "--data-dir", "other")
    with up(tmp_path, "--workers", "0") as again:
        assert again.api == world.api


def test_its_secrets_are_its_users_alone_and_its_redis_writes_all_down(tmp_path):
    with up(tmp_path, "--workers", "0") as world:
        with redis.Redis.from_url(redis_of(world)) as client:
            assert client.config_get("append*") | {"appendonly": "yes", "appendfsync": "everysec"} == client.config_get(
                "append*"
            )
        assert stat.S_IMODE((tmp_path / KEPT).stat().st_mode) == 0o700
    files = [path for path in (tmp_path / KEPT).iterdir() if path.is_file()]
    assert {path.name for path in files} == {"world.json", "world.lock", "parts.lock"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_world_for_programs_is_its_own_each_time_unless_it_is_told_where_to_stay(tmp_path):
    def line(*arguments):
        with subprocess.Popen(
            [*UP, "--json", "--workers", "0", *arguments], cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, text=True
        ) as world:
            told = json.loads(world.stdout.readline())
            world.send_signal(signal.SIGINT)
            world.wait(PATIENCE_S)
        return told

    one = line()
    assert not (tmp_path / KEPT).exists()
    kept = line("--data-dir", "mine")
    assert kept["api_key"] != one["api_key"]
    assert line("--data-dir", "mine") == kept


def test_what_another_version_left_is_named_with_the_way_out(tmp_path):
    with up(tmp_path, "--workers", "0"):
        pass
    file = tmp_path / KEPT / "world.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 99'))
    says = refused(tmp_path)
    assert "another version" in says
    assert "--fresh" in says


@pytest.mark.parametrize(
    "left",
    [b"", b"\xff\xfe", b'{"tenant": "\xff"}', b'{"ports": {"redis": 999999}}', b'{"ports": {"redis": -1}}'],
)
def test_what_is_damaged_is_named_with_the_way_out(tmp_path, left):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "world.lock").touch()
    (tmp_path / "kept" / "world.json").write_bytes(left)
    says = refused(tmp_path, "--data-dir", "kept")
    assert says.count("\n") == 1
    assert "--fresh" in says


@pytest.mark.parametrize("part", ["world.json", "world.lock", "parts.lock"])
def test_what_the_file_system_refuses_is_said_in_one_line_with_the_place(tmp_path, part):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "world.lock").touch()
    (tmp_path / "kept" / part).unlink(missing_ok=True)
    (tmp_path / "kept" / part).mkdir()
    says = refused(tmp_path, "--data-dir", "kept")
    assert says.count("\n") == 1
    assert part in says


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path):
    says = refused(tmp_path, "--data-dir", os.fsdecode(b"sp ace\xff"))
    assert says.count("\n") == 1
    assert "UTF-8" in says


def test_records_that_this_release_can_not_read_stop_the_start_with_the_reason_and_the_way_out(tmp_path):
    with up(tmp_path, "--workers", "0") as world, redis.Redis.from_url(redis_of(world)) as client:
        client.hset(key("formats"), mapping={"written": 99, "oldest_reader": 99})
    says = refused(tmp_path)
    assert "too old for this Redis" in says
    assert "--fresh" in says


def test_another_secret_key_than_the_one_of_before_stops_the_start_with_the_reason_and_the_way_out(tmp_path):
    with up(tmp_path, "--workers", "0"):
        pass
    says = refused(tmp_path, REELGATE_SECRET_KEYS="another-key-than-the-one-that-all-was-written-with")
    assert "REELGATE_SECRET_KEYS" in says
    assert "--fresh" in says


def test_a_key_that_its_redis_does_not_know_any_more_is_made_anew(tmp_path):
    with up(tmp_path, "--workers", "0") as world:
        own = json.loads((tmp_path / KEPT / "world.json").read_text())
        variables = {"REDIS_URL": redis_of(world), "REELGATE_SECRET_KEYS": own["secret_key"]}
        world.shell(f"reelgate keys revoke {own['api_key_id']}", env=ENV | variables)
    with up(tmp_path, "--workers", "0", stderr=subprocess.PIPE) as again:
        assert "there is a new one" in again.process.stderr.readline()
        assert again.key != world.key
        assert again.http.get("/v1/jobs").status_code == 200


def test_a_folder_with_other_things_in_it_is_not_taken_for_a_world(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert "neither empty nor" in refused(tmp_path, "--fresh", "--data-dir", "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
