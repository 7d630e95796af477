"""A server that takes nothing until it is looked at: what was given up by then must not come."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def standing_still() -> Iterator[tuple[socket.socket, str]]:
    """Listen without taking a connection; the system takes it, and little of what comes on it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


async def bytes_taken_late(listener: socket.socket) -> int:
    """Take the first connection now, and count what still comes on it."""
    loop, taken = asyncio.get_running_loop(), 0
    for _ in range(3):
        await asyncio.sleep(0)  # what was aborted in this loop is closed at its next turn
    connection, _ = await loop.sock_accept(listener)
    with connection, suppress(ConnectionError):
        while piece := await loop.sock_recv(connection, 65_536):
            taken += len(piece)
    return taken
