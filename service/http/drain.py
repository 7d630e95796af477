"""Closing a listener without a caller who notices. `service/main.py` does so once it has been told to end.

A connection that is complete and not yet accepted is reset when its listener closes, and a balancer that has sent a
POST on it answers 502. So no handshake begins any more, those under way come to their end and are accepted, and then
the listener closes. Who knocks meanwhile is not refused but not heard; it knocks again, is refused, and goes to another
process with nothing sent.
"""

import asyncio
import ctypes
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress

#: so long a handshake that has begun may take
_HANDSHAKE_S = 0.25
#: Linux's, in <asm-generic/socket.h>; Python has no name for it
_SO_ATTACH_FILTER = 26
#: a program for the kernel's packet filter, which sees TCP headers here: let all pass but a SYN without ACK.
#: https://www.kernel.org/doc/Documentation/networking/filter.txt
_WITHOUT_SYN = (
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK of them
    (0x15, 0, 1, 0x02),  # a SYN alone?
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # else take it whole
)


async def stop_listening(servers: Iterable[asyncio.base_events.Server], listeners: Iterable[socket.socket]) -> None:
    """Take no connection any more; whoever is connected already has been accepted when this ends."""
    listeners = list(listeners)
    for listener in listeners:
        _begin_no_handshake(listener)
    await asyncio.sleep(_HANDSHAKE_S)
    for server in servers:
        server.close()
    for listener in listeners:
        listener.close()


def _begin_no_handshake(listener: socket.socket) -> None:
    """Let new handshakes go unheard, where the system can: elsewhere the moment of the closing stays."""
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _WITHOUT_SYN))
    told = struct.pack("HL", len(_WITHOUT_SYN), ctypes.addressof(program))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, told)
