"""The file beside a film's place in which it is gathered, until it is whole and takes that place.

One writer has it, by a lock that dies with its process; another that saves the same film to the same place at the same
time gathers it in a file of its own. What has come outlasts the writer, for the next one to go on from.
"""

import errno
import os
import uuid
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows, where there are no such locks
    fcntl = None

_LONGEST_NAME_BYTES = 255
#: ask with the rights that a write will have, where the system can tell
_EFFECTIVE = os.access in os.supports_effective_ids


def part_of(path: Path, job_id: str) -> Path:
    """Name the file that a film is gathered in. The end of a long name is left out, so that the disk takes this one, too."""
    rest = f".{job_id}.part"
    room_bytes = _LONGEST_NAME_BYTES - len(rest) - 1
    name = os.fsencode(path.name)[:room_bytes].decode("utf-8", "ignore")
    return path.with_name(f".{name}{rest}")


def place_of(path: Path) -> Path:
    """Tell where a film goes that shall go to `path`: a link is followed. Raises OSError where none can."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "is there already, and no file", str(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(target.parent))
    if not os.access(target.parent, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        raise PermissionError(errno.EACCES, "nothing can be written in this folder", str(target.parent))
    return target


def remove_part(path: Path, job_id: str) -> None:
    """Throw away what has come of a film that there is not any more, if it can be."""
    with suppress(OSError, ValueError):
        part_of(place_of(path), job_id).unlink(missing_ok=True)


class FilmPart:
    """An open part. Its calls may block."""

    def __init__(self, target: Path, file: BinaryIO, name: Path, *, is_shared: bool) -> None:
        self._target = target
        self._file = file
        self._name = name
        #: whether another attempt goes on from it
        self._is_shared = is_shared
        self._is_saved = False
        #: how far it ever was
        self.furthest_bytes = self.size_bytes()

    @classmethod
    def open(cls, path: Path, job_id: str) -> "FilmPart":
        """Open the part of a film that shall go to `path`. Raises OSError."""
        target = place_of(path)
        name = part_of(target, job_id)
        file = _opened_alone(name)
        if file:
            return cls(target, file, name, is_shared=True)
        own = part_of(target, f"{job_id}.{uuid.uuid4().hex[:8]}")
        return cls(target, own.open("x+b"), own, is_shared=False)

    def size_bytes(self) -> int:
        return self._file.seek(0, os.SEEK_END)

    def begin_at(self, at_bytes: int) -> None:
        """Go on at a place; what stands behind it goes."""
        self._file.truncate(at_bytes)
        self._file.seek(at_bytes)

    def write(self, chunk: bytes) -> bool:
        """Write what comes next, and tell whether the part was never as long before."""
        self._file.write(chunk)
        at_bytes = self._file.tell()
        is_new = at_bytes > self.furthest_bytes
        self.furthest_bytes = max(self.furthest_bytes, at_bytes)
        return is_new

    def save(self) -> None:
        """Take the film's place."""
        self._file.flush()
        if fcntl is None:  # Windows moves no open file
            self._file.close()
        self._name.replace(self._target)
        self._is_saved = True

    def close(self) -> None:
        """Let go of it. What came stays, unless nobody would look for it."""
        try:
            useless = not self._is_saved and not (self._is_shared and self.size_bytes())
            if useless:
                self._name.unlink(missing_ok=True)
        finally:
            self._file.close()


def _opened_alone(name: Path) -> BinaryIO | None:
    """Open a part for this writer alone; None: another one has it."""
    while True:
        file = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")
        try:
            if not _locked(file):
                file.close()
                return None
            if fcntl is None or _is_still(file, name):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # meanwhile it became a film


def _locked(file: BinaryIO) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return True
    return True


def _is_still(file: BinaryIO, name: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), name.stat())
    except FileNotFoundError:
        return False
