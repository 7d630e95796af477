"""Packages of npm's as tests use them: installed once into `.tools/npm/`, by exact version, and none of their scripts run."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_FETCH_LIMIT_S = 240
_OLDEST_NODE = 20
_QUIET = ("--no-audit", "--no-fund", "--ignore-scripts")


def installed(*packages: str) -> Path:
    """Install packages like ``typescript@5.9.3`` beside each other, and give the folder of their commands.

    Skips the test where Node.js or npm's registry is not at hand.
    """
    _require_node()
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    folder = ROOT / ".tools" / "npm" / digest
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if not (folder / "done").exists():
            (folder / "package.json").write_text('{"private": true}')
            _npm(folder, "install", *_QUIET, *packages)
            (folder / "done").touch()
    return folder / "node_modules" / ".bin"


@contextmanager
def installed_in(folder: Path) -> Iterator[None]:
    """Install what the lock of a package of ours names; nobody else does so, or works there, meanwhile."""
    _require_node()
    with _alone(folder):
        _npm(folder, "ci", *_QUIET)
        yield


def _require_node() -> None:
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("this machine has no Node.js with npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=_FETCH_LIMIT_S, check=True)
    if int(version.stdout.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        pytest.skip(f"this machine's Node.js is older than {_OLDEST_NODE}")


def _npm(folder: Path, *words: str) -> None:
    try:
        done = subprocess.run(
            ["npm", *words], cwd=folder, capture_output=True, text=True, timeout=_FETCH_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer in time")
    if done.returncode:
        pytest.skip(f"npm cannot install here what this test needs: {done.stderr[-300:]}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one test process at a time in: they run side by side."""
    lock = ROOT / ".tools" / f"npm-{folder.name}.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
