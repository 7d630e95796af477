"""Where a world has its things: ``.reelgate/up-4711-x8k2/`` with logs, Redis's data and the storage folder.

A world's folder stays when it ends, so that its logs can be read; the next world clears away those of ended processes.
A kept world's folder has a lock in it, and is never cleared away by another, whatever its name.
It is its user's alone (0700), and so is all that is in it.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(".reelgate")
PARTS = ("logs", "redis", "storage", "input")
#: in a kept world's folder, and in no other: held while it runs (`sandbox/world/kept.py`)
WORLD_LOCK = "world.lock"


class Folders(NamedTuple):
    """The parts of one world's folder; all exist."""

    world: Path
    logs: Path
    redis: Path
    storage: Path
    input: Path
    #: open files of a kept world that its processes hold on to (`sandbox/world/kept.py`)
    held_by: tuple[int, ...] = ()

    @property
    def authorization(self) -> Path:
        """The header with the API key, for curl's ``-H @file``; `up` keeps it while the world runs."""
        return self.world / "authorization"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


def make_folders(name: str, *, root: Path = ROOT) -> Folders:
    root.mkdir(parents=True, exist_ok=True)
    clear_ended(root)
    return folders_in(Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=root)))


def folders_in(world: Path, *, held_by: tuple[int, ...] = ()) -> Folders:
    """Make the parts that a world's folder lacks. Its processes hold on to the files in `held_by`."""
    logs, redis, storage, given = parts = [world.resolve() / part for part in PARTS]
    for part in parts:
        part.mkdir(exist_ok=True)
    return Folders(world.resolve(), logs, redis, storage, given, held_by=held_by)


def clear_ended(root: Path) -> None:
    for folder in root.iterdir():
        _, _, rest = folder.name.partition("-")
        pid, _, _ = rest.partition("-")
        if pid.isdigit() and not is_alive(int(pid)) and not (folder / WORLD_LOCK).exists():
            shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
