"""A world that stays between its starts: its folder, who holds it, what is read from it and what is thrown away.

Two locks hold it. One is the running world's own, so that a second one is told at once who has it. The other is inherited by
the world's processes: after a `kill -9` they still end for a moment, and two Redis on one folder would ruin its data.
The system takes both back from whoever dies, so that there is nothing to clean up.
"""

import asyncio
import errno
import fcntl
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from sandbox.world.folders import PARTS, ROOT, WORLD_LOCK, Folders, folders_in
from sandbox.world.identity import Identity

LAST_ONES_S = 60
LOOK_EVERY_S = 0.1
#: of the running world's processes; the other one has the running world's process id in it
PARTS_LOCK = "parts.lock"
IDENTITY = "world.json"


class CannotStart(Exception):  # noqa: N818 - it says what happened, as the person at the terminal reads it
    """Why a world cannot be started as it was asked for, and what can be done."""


class KeptWorld:
    """A folder that this process holds."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self._file = folders.world / IDENTITY

    def identity(self) -> Identity | None:
        """Read what the last start left; None before the first. Raises CannotStart."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Identity)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CannotStart(
                f"{self._file} is of another version of Reelgate, or damaged ({error}). "
                "./run up --fresh throws this world away and begins anew."
            ) from None

    def save(self, identity: Identity) -> None:
        """Write it whole or not at all, for its user's eyes."""
        written = self._file.with_suffix(".new")
        written.unlink(missing_ok=True)
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(identity)))
            os.fsync(file.fileno())
        written.replace(self._file)

    def put_logs_aside(self) -> None:
        """Begin with empty logs; those of the last start stay beside them until the next."""
        logs = self.folders.logs
        before = logs.with_name("logs-before")
        shutil.rmtree(before, ignore_errors=True)
        logs.rename(before)
        logs.mkdir()

    def throw_away(self) -> list[str]:
        """Empty it, apart from the locks; give what was in it: ``["redis (2 files, 310 kB)", "world.json (1 kB)"]``.

        What it is known by goes last: cut off before, the next start can still read what is left.
        """
        world, gone = self.folders.world, []
        for part in (*PARTS, "logs-before", IDENTITY):
            path = world / part
            if description := _described(path):
                gone.append(description)
            _delete(path)
        folders_in(world)
        return gone


def _delete(path: Path) -> None:
    """Delete a file, or a folder with all that is in it. Raises OSError, which names it also for a link, as rmtree does not."""
    if path.is_symlink() and path.is_dir():
        raise OSError(errno.ELOOP, "it is a link, and what it leads to is not thrown away", str(path))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _described(path: Path) -> str:
    """Say what is at a path: ``redis (2 files, 310 kB)``; nothing where no file is."""
    files = [file for file in [path, *path.rglob("*")] if file.is_file()]
    if not files:
        return ""
    size = f"{max(1, sum(file.stat().st_size for file in files) // 1000):,} kB"
    return f"{path.name} ({size})" if path.is_file() else f"{path.name} ({len(files)} files, {size})"


def default_folder(redis: str | None, backend: str | None) -> Path:
    """Name a folder for each outside, since jobs of one have no meaning at another: ``.reelgate/kept-127.0.0.1-6379-0``."""
    places = (at.netloc.rpartition("@")[2] + at.path for at in map(urlsplit, (redis or "", backend or "")))
    return ROOT / "-".join(
        ["kept", *(re.sub(r"[^a-z0-9.]+", "-", place.lower()).strip("-.") for place in places if place)]
    )


@asynccontextmanager
async def hold(folder: Path) -> AsyncIterator[KeptWorld]:
    """Hold a folder as long as the world runs, making it if need be. Raises CannotStart, OSError."""
    _make(folder)
    own, inherited = _opened(folder / WORLD_LOCK), _opened(folder / PARTS_LOCK)
    try:
        if not _taken(own):
            raise CannotStart(_held_by_another(folder, os.pread(own, 20, 0).decode().strip()))
        os.truncate(own, 0)
        os.pwrite(own, str(os.getpid()).encode(), 0)
        await _until_the_last_ones_ended(folder, inherited)
        yield KeptWorld(folders_in(folder, held_by=(inherited,)))
    finally:
        os.close(own)
        os.close(inherited)


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / WORLD_LOCK).exists():
        raise CannotStart(f"{folder} is neither empty nor the folder of a world: name another with --data-dir.")
    folder.chmod(0o700)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held_by_another(folder: Path, pid: str) -> str:
    by = f"process {pid}" if pid else "a process that has just begun"
    return (
        f"A world already runs in {folder}, by {by}. Use it, end it with Ctrl-C there, "
        "or run another beside it with --data-dir FOLDER."
    )


async def _until_the_last_ones_ended(folder: Path, lock: int) -> None:
    if _taken(lock):
        return
    click.echo(f"The last world in {folder} was killed; waiting until its processes have ended ...", err=True)
    try:
        async with asyncio.timeout(LAST_ONES_S):
            while not _taken(lock):  # noqa: ASYNC110 - the system tells nobody that a lock is free
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise CannotStart(
            f"Processes of the world that was killed are still at work in {folder} after {LAST_ONES_S} s: end them first."
        ) from None
