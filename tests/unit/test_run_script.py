"""`./run`: what it says to people whose machine lacks something, and the rules that `./run check` adds of its own."""

import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.until import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("demo", "up", "test", "check", "chaos", "bench", "openapi", "setup")
#: a uv that notes how it was called and makes a .venv that looks right
UV = 'echo "$@" >>asked; /bin/mkdir -p .venv/bin; echo >.venv/bin/python; /bin/chmod +x .venv/bin/python'
house = runpy.run_path(str(ROOT / "tests" / "house.py"))


@pytest.fixture
def clone(tmp_path):
    """Make a folder with nothing but the script, so that it has to set up."""
    shutil.copy(ROOT / "run", tmp_path / "run")
    (tmp_path / "clients" / "python").mkdir(parents=True)
    for name in ("uv.lock", "pyproject.toml", "clients/python/pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def machine(tmp_path):
    """Make a PATH that holds the shell's tools and nothing of Python or uv; a test adds what the machine has."""
    tools = tmp_path / "machine"
    tools.mkdir()
    for name in ("sh", "cat", "cksum", "dirname", "rm"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    return tools


def has(machine, name, script):
    (machine / name).write_text(f"#!/bin/sh\n{script}\n")
    (machine / name).chmod(0o755)


def run(clone, *arguments, path):
    return subprocess.run(
        [clone / "run", *arguments],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_alone_it_lists_every_command(clone, machine):
    listed = run(clone, path=machine)
    assert listed.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command} " in listed.stdout


def test_an_unknown_command_is_named_and_nothing_is_set_up(clone, machine):
    refused = run(clone, "dmeo", path=machine)
    assert refused.returncode == 2
    assert "'dmeo'" in refused.stderr
    assert not (clone / ".venv").exists()


def test_a_machine_without_python_hears_what_is_needed(clone, machine):
    refused = run(clone, "setup", path=machine)
    assert refused.returncode == 1
    assert "Python 3.11 or newer (or uv)" in refused.stderr


def test_a_python_that_is_too_old_is_named_with_its_version(clone, machine):
    has(machine, "python3", 'case $1 in --version) echo "Python 3.9.2";; *) exit 1;; esac')
    refused = run(clone, "setup", path=machine)
    assert refused.returncode == 1
    assert "Python 3.9.2" in refused.stderr


def test_a_python_without_venv_gives_the_one_line_that_installs_it(clone, machine):
    has(machine, "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    refused = run(clone, "setup", path=machine)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].strip() == "apt-get install python3-venv"


def test_uv_on_the_path_is_enough_and_a_second_time_it_is_not_even_asked(clone, machine):
    has(machine, "uv", UV)
    assert run(clone, "setup", path=machine).returncode == 0
    assert run(clone, "setup", path=machine).returncode == 0
    assert (clone / "asked").read_text() == "sync --frozen --all-extras --group deploy --quiet\n"


def test_a_changed_lock_file_sets_up_again(clone, machine):
    has(machine, "uv", UV)
    run(clone, "setup", path=machine)
    (clone / "uv.lock").write_text("changed")
    run(clone, "setup", path=machine)
    assert len((clone / "asked").read_text().splitlines()) == 2


def test_the_benchs_peers_come_only_with_the_bench_and_do_not_undo_the_rest(clone, machine):
    has(machine, "uv", UV)
    for command in ("bench", "bench", "setup"):
        run(clone, command, path=machine)
    assert (clone / "asked").read_text() == "sync --frozen --all-extras --group deploy --group bench --quiet\n"


def test_the_script_is_accepted_by_a_plain_posix_shell():
    assert subprocess.run(["sh", "-n", ROOT / "run"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("import time", "core/model/job.py"),
        ("from time import monotonic", "worker/steps.py"),
        ("import datetime\nx = datetime.datetime.now()", "service/app.py"),
        ("from datetime import date\nx = date.today()", "service/app.py"),
        ("key = 'rg:job:1'", "core/store/jobs/records.py"),
        ("key = f'rg:job:{job_id}'", "service/app.py"),
        ("import os\nx = os.environ['HOME']", "worker/main.py"),
        ("from os import getenv", "core/model/job.py"),
        ("import os\nx = os.environ['HOME']", "sandbox/world/up.py"),
    ],
)
def test_a_breach_of_a_house_rule_is_found(source, path):
    assert len(list(house["breaches_in"](source, path))) == 1


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("import time", "core/clock.py"),
        ("import time", "sandbox/backend/clock.py"),
        ("from datetime import datetime\nx = datetime.fromtimestamp(0)", "core/model/job.py"),
        ("key = 'rg:job:1'", "core/store/redis/keys.py"),
        ("key = 'rg_secret'", "core/store/jobs/records.py"),
        ("import os\nx = os.environ['HOME']", "core/settings.py"),
        ("import os\nx = os.environ['HOME']", "sandbox/world/settings.py"),
    ],
)
def test_what_the_house_rules_allow_passes(source, path):
    assert list(house["breaches_in"](source, path)) == []


def test_a_public_name_that_stands_in_two_modules_is_found():
    two = {"core/a.py": "def load(): ...\ndef _own(): ...\nlog = 1", "worker/b.py": "load = 1\n_own = 2\nlog = 2"}
    [breach] = house["names_that_stand_twice"](two)
    assert str(breach).startswith("worker/b.py:1: defines load, as core/a.py does")
    assert list(house["names_that_stand_twice"]({"core/a.py": "from b import load\ndef load(): ..."})) == []


def test_a_lua_script_that_spells_a_key_is_found():
    assert len(list(house["breaches_in_script"]("local k = 'rg:job:' .. id", "core/store/accept.lua"))) == 1
    assert list(house["breaches_in_script"]("local k = KEYS[1] -- an rg: key", "core/store/accept.lua")) == []
