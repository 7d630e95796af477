"""Where a world keeps its things: ``.reelgate/up-4711-x8k2/`` with logs, Redis's data and the storage folder.

A world's folder stays when it ends, so that its logs can be read; the next world clears away those of ended processes.
It is its user's alone (0700), and so is all that is in it.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(".reelgate")


class Folders(NamedTuple):
    """The parts of one world's folder; all exist."""

    world: Path
    logs: Path
    redis: Path
    storage: Path
    input: Path

    @property
    def authorization(self) -> Path:
        """The header with the API key, for curl's ``-H @file``; `up` keeps it while the world runs."""
        return self.world / "authorization"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


def make_folders(name: str, *, root: Path = ROOT) -> Folders:
    root.mkdir(parents=True, exist_ok=True)
    clear_ended(root)
    world = Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=root)).resolve()
    folders = Folders(world, *(world / part for part in ("logs", "redis", "storage", "input")))
    for folder in folders[1:]:
        folder.mkdir()
    return folders


def clear_ended(root: Path) -> None:
    for folder in root.iterdir():
        _, _, rest = folder.name.partition("-")
        pid, _, _ = rest.partition("-")
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
