"""`./run`: what it says to people whose machine lacks something, and the rules that `./run check` adds of its own."""

import runpy
import shutil
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from tests.until import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("demo", "up", "test", "check", "chaos", "bench", "openapi", "setup")
#: a uv that notes how it was called and makes a .venv that looks right
UV = 'echo "$@" >>asked; /bin/mkdir -p .venv/bin; echo >.venv/bin/python; /bin/chmod +x .venv/bin/python'
EVERYTHING = "sync --frozen --all-extras --group deploy --group footage"
WORLD = "sync --frozen --no-default-groups --all-extras --quiet"
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


def run(clone, *arguments, path, **environment):
    return subprocess.run(
        [clone / "run", *arguments],
        env={"PATH": str(path), **environment},
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


@pytest.mark.parametrize("command", ["setup", "demo", "up"])
def test_a_machine_without_python_hears_what_is_needed(clone, machine, command):
    refused = run(clone, command, path=machine)
    assert refused.returncode == 1
    assert "Python 3.11 or newer (or uv)" in refused.stderr


@pytest.mark.parametrize("command", ["setup", "demo", "up"])
def test_a_python_that_is_too_old_is_named_with_its_version(clone, machine, command):
    has(machine, "python3", 'case $1 in --version) echo "Python 3.9.2";; *) exit 1;; esac')
    refused = run(clone, command, path=machine)
    assert refused.returncode == 1
    assert "Python 3.9.2" in refused.stderr


@pytest.mark.parametrize("command", ["setup", "demo", "up"])
def test_a_python_without_venv_gives_the_one_line_that_installs_it(clone, machine, command):
    has(machine, "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    refused = run(clone, command, path=machine)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].strip() == "apt-get install python3-venv"


def test_uv_on_the_path_is_enough_and_a_second_time_it_is_not_even_asked(clone, machine):
    has(machine, "uv", UV)
    assert run(clone, "setup", path=machine).returncode == 0
    assert run(clone, "setup", path=machine).returncode == 0
    assert (clone / "asked").read_text() == f"{EVERYTHING} --quiet\n"


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
    assert (clone / "asked").read_text() == f"{EVERYTHING} --group bench --quiet\n"


@pytest.mark.parametrize("command", ["demo", "up", "chaos", "openapi"])
def test_a_world_is_set_up_without_developers_tools(clone, machine, command):
    has(machine, "uv", UV)
    for _ in range(2):
        run(clone, command, path=machine)
    assert (clone / "asked").read_text() == f"{WORLD} --group footage\n"


def test_what_is_set_up_for_a_world_and_what_keeps_it_from_that_is_said(clone, machine):
    has(machine, "uv", 'echo "no way to the index" >&2; exit 1')
    failed = run(clone, "demo", path=machine)
    assert (failed.returncode, failed.stderr.splitlines()) == (1, ["Setting up .venv/ ...", "no way to the index"])


def test_footage_that_cannot_be_had_stops_no_demo(clone, machine):
    has(machine, "uv", f'case "$*" in *footage*) echo "$@" >>asked; exit 1;; esac; {UV}')
    run(clone, "demo", path=machine)
    assert (clone / "asked").read_text() == f"{WORLD} --group footage\n{WORLD}\n"


def test_the_tools_come_with_the_check_and_serve_a_world_too(clone, machine):
    has(machine, "uv", UV)
    for command in ("up", "check", "up"):
        run(clone, command, path=machine)
    assert (clone / "asked").read_text() == f"{WORLD} --group footage\n{EVERYTHING} --quiet\n"


def test_packages_are_fetched_by_the_authorities_that_the_system_knows(clone, machine):
    has(machine, "uv", f'echo "$UV_SYSTEM_CERTS" >certs; {UV}')
    run(clone, "setup", path=machine)
    assert (clone / "certs").read_text() == "true\n"


def test_a_python_is_used_for_which_packages_come_ready_made(clone, machine):
    has(machine, "uv", f'echo "$UV_PYTHON" >python; {UV}')
    run(clone, "setup", path=machine)
    asked = SpecifierSet((clone / "python").read_text().strip())
    newest = max(minor for minor in range(100) if f"3.{minor}" in asked)
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    assert list(not_ready_made(packages, newest)) == []
    assert list(not_ready_made(packages, newest + 1))  # else it may be asked for, too


def not_ready_made(packages, minor):
    """Name what would be compiled for Python 3.`minor` on Linux: of several versions that are locked one is enough."""
    wheels = defaultdict(set)
    for package in packages:
        for wheel in package.get("wheels", []):
            wheels[package["name"]] |= parse_wheel_filename(wheel["url"].rsplit("/", 1)[1])[3]
    platforms = ["manylinux_2_28_x86_64", "manylinux_2_17_x86_64"]
    usable = {*cpython_tags((3, minor), platforms=platforms), *compatible_tags((3, minor), platforms=platforms)}
    return (name for name, tags in wheels.items() if not tags & usable and name != "pywin32")


def test_pip_that_fetches_uv_takes_the_systems_bundle(clone, machine, tmp_path):
    has(machine, "python3", 'case "$*" in *"-m venv"*) /bin/mkdir -p .tools/bin; /bin/cp "$0" .tools/bin/python;; '
        '*"-m pip"*) echo "$PIP_CERT" >cert; exit 1;; esac')  # fmt: skip
    bundle = tmp_path / "bundle.pem"
    bundle.touch()
    run(clone, "setup", path=machine, SSL_CERT_FILE=str(bundle))
    assert (clone / "cert").read_text() == f"{bundle}\n"


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
