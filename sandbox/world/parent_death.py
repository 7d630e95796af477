"""Ties a child process to its parent's life, so that even a parent that was killed leaves nothing behind.

Linux alone offers this; elsewhere the orderly stop in `child_process.py` is all there is.
"""

import ctypes
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def dying_with_parent() -> Callable[[], None] | None:
    """Make what a new child runs before its program: it asks for SIGTERM at its parent's death."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork, since a child between fork and exec should load nothing

    def ask_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_kernel
