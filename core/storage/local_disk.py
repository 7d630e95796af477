"""A storage's folder on a disk: brings there what is to last, and deletes what is left of writers that died.

What writes the files is the library of `core.storage.storage`: a file is called ``a.mp4#1`` until it is whole. These calls block.
"""

import errno
import os
import shutil
from pathlib import Path

#: so many at most write one file at once, or have died while they did
_WRITERS_AT_ONCE = 9
#: what a file system says that can bring no folder to the disk, or keeps all of them there anyway
_NOT_SYNCED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM)


def make_root(folder: Path) -> Path:
    """Make a storage's folder where there is none, and say where it really is. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def bring_to_disk(root: Path, file: Path) -> None:
    """Wait until a file's bytes are on the disk, and its name, and its folders' names. One that is not, goes. Raises OSError."""
    try:
        _sync(file)
        for folder in file.relative_to(root).parents:
            _sync(root / folder)
    except OSError:
        file.unlink(missing_ok=True)
        raise


def _sync(place: Path) -> None:
    try:
        opened = os.open(place, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as refused:
        if refused.errno not in _NOT_SYNCED:
            raise


def delete_tree(folder: Path) -> None:
    """Delete a folder in which others may write, or delete, at this moment. Raises OSError where they go on."""
    for _ in range(_WRITERS_AT_ONCE):
        try:
            shutil.rmtree(folder)
        except OSError as changed:  # no such folder; or a file in it is whole now, and is called otherwise
            if changed.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise
        if not folder.exists():
            return
    raise OSError


def written_in(root: Path, folder: str) -> list[str]:
    """Name what is written in a folder, or was begun: ``a.mp4`` also where there is nothing but ``a.mp4#1``."""
    return list(dict.fromkeys(f"{folder}/{file.name.partition('#')[0]}" for file in (root / folder).iterdir()))


def delete_parts(file: Path) -> None:
    """Delete what stands beside a file that was being written: ``a.mp4#1``, and of several at once ``a.mp4#2``."""
    for number in range(1, _WRITERS_AT_ONCE + 1):
        file.with_name(f"{file.name}#{number}").unlink(missing_ok=True)
