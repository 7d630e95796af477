"""A folder on a volume that hangs, as one of a network does whose server is away: who looks into it waits."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def hung(folder: Path) -> Iterator[None]:
    """Mount a file system there that answers nobody; then it is as it was. Skips the test where one may not."""
    try:
        nobody = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("may not mount")
    try:
        options = f"fd={nobody},rootmode=40000,user_id=0,group_id=0".encode()
        if _libc.mount(b"hung", str(folder).encode(), b"fuse", 0, options):
            pytest.skip("may not mount")
        yield
    finally:
        os.close(nobody)  # who waits is told that it is over
        _libc.umount2(str(folder).encode(), _DETACH)
