"""The last release as a checkout of its own, so that its processes can run beside ours.

It runs under this checkout's interpreter and libraries: what it needs is among them.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: what landed last; its records are of format 1 (`core.model.formats`)
COMMIT = "b58052d596d8dec6dafdb502472aebefcc9839b8"
ROOT = Path(__file__).parents[2]


@contextmanager
def last_release(folder: Path) -> Iterator[Path]:
    """Check the last release out into `folder`; skips the test where git's history does not reach so far."""
    _require_history()
    subprocess.run(
        [*_GIT, "worktree", "add", "--force", "--detach", str(folder), COMMIT], check=True, capture_output=True
    )
    try:
        yield folder
    finally:
        subprocess.run([*_GIT, "worktree", "remove", "--force", str(folder)], check=True, capture_output=True)


_GIT = ("git", "-C", str(ROOT))


def _require_history() -> None:
    try:
        known = subprocess.run([*_GIT, "cat-file", "-e", f"{COMMIT}^{{commit}}"], check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no git here, so the last release cannot be had")
    if known.returncode:
        pytest.skip(f"the history of this checkout does not reach the last release, {COMMIT[:12]}: fetch it")


def command(checkout: Path) -> tuple[str, ...]:
    """Give the words that start a checkout's `reelgate` under this interpreter."""
    told = tomllib.loads((checkout / "pyproject.toml").read_text())
    module, _, function = told["project"]["scripts"]["reelgate"].partition(":")
    return sys.executable, "-P", "-c", f"from {module} import {function}; {function}()"
