"""Free ports that stay free for a moment: below the range from which the system takes ports for outgoing calls.

A fixed port, rather than port 0, lets a process come back at its old address after it was killed.
"""

import errno
import os
import random
import socket
from collections import deque

LOWEST_PORT = 20_000
HIGHEST_PORT = 32_000
#: not the seeded one: two test processes with one seed would always meet at one port
_DICE = random.SystemRandom()
#: who has found none in so many tries would find none of ten times as many either
_TRIES = 1000
#: so many of the ports that were found last are kept from others who look for one
_MOST_HELD = 64
_HELD: deque[int] = deque()  # as the system names them: they are held to the end of the process


def free_port() -> int:
    """Find a port on loopback on which nobody listens, and which no other process has just found. Raises OSError: there is none."""
    for _ in range(_TRIES):
        port = _DICE.randint(LOWEST_PORT, HIGHEST_PORT)
        if not is_taken(port) and _hold(port):
            return port
    raise OSError(errno.EADDRINUSE, f"No port between {LOWEST_PORT} and {HIGHEST_PORT} is free.")


def _hold(port: int) -> bool:
    """Bind a port without listening there: who looks for a port finds it taken, and who wants to listen may. False: it is held."""
    held = socket.socket()
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        return False
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _HELD.append(held.detach())
    if len(_HELD) > _MOST_HELD:
        os.close(_HELD.popleft())
    return True


def is_taken(port: int) -> bool:
    """Tell whether somebody listens there, as one who wants to would see it: calls that have just ended do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
