"""Free ports that stay free for a moment: below the range from which the system takes ports for outgoing calls.

A fixed port, rather than port 0, lets a process come back at its old address after it was killed.
"""

import random
import socket

LOWEST_PORT = 20_000
HIGHEST_PORT = 32_000
#: not the seeded one: two test processes with one seed would always meet at one port
_DICE = random.SystemRandom()


def free_port() -> int:
    """Find a port on loopback on which nobody listens."""
    while True:
        port = _DICE.randint(LOWEST_PORT, HIGHEST_PORT)
        if not is_taken(port):
            return port


def is_taken(port: int) -> bool:
    """Tell whether somebody listens there, as one who wants to would see it: calls that have just ended do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
