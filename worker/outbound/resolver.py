"""Name look-ups without threads: one that is given up costs nobody a place, however many names are dead.

c-ares reads ``/etc/hosts`` and ``/etc/resolv.conf`` (search domains, ndots) as the system's own resolver does. Other
sources of `nsswitch.conf` are not asked.
"""

import re
import socket
from collections.abc import Awaitable, Callable, Sequence

import aiodns

#: Turns a host name and a port into addresses, e.g. ``["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]``.
#: Raises OSError, or ValueError for a name that no look-up takes.
Resolver = Callable[[str, int], Awaitable[list[str]]]

#: c-ares asks a name server so long, and so many times, growing; whoever asked gives up earlier
_TIMEOUT_S = 2.0
_TRIES = 3
#: c-ares takes ``0177.0.0.2`` for a number, and another one than everybody else does; no name ends like this
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
#: what c-ares says of names that are not there, in the system's words
_NO_SUCH_NAME = {
    aiodns.error.ARES_ENOTFOUND,
    aiodns.error.ARES_ENODATA,
    aiodns.error.ARES_EBADNAME,
}


class SystemResolver:
    """Asks the name servers that the system asks, or others, e.g. ``["10.0.0.53:5353"]``. Call it, and close it."""

    def __init__(self, name_servers: Sequence[str] = ()) -> None:
        self._name_servers = name_servers
        self._channel: aiodns.DNSResolver | None = None  # opened at the first question, by the loop that asks

    async def __call__(self, host: str, port: int) -> list[str]:
        if _ENDS_IN_A_NUMBER.fullmatch(host):
            raise ValueError("an address in a spelling that nobody agrees about is no name")
        channel = self._channel = self._channel or aiodns.DNSResolver(
            self._name_servers or None, timeout=_TIMEOUT_S, tries=_TRIES
        )
        try:
            found = await channel.getaddrinfo(host, port=port, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as unknown:
            socket.socket().close()  # raises where this process may open none: then nobody was asked for the name
            code, words = unknown.args
            if code == aiodns.error.ARES_ENODATA:
                self._forget(channel)
            raise socket.gaierror(socket.EAI_NONAME if code in _NO_SUCH_NAME else socket.EAI_AGAIN, words) from unknown
        return [_text(node.addr[0]) for node in found.nodes]

    def _forget(self, channel: aiodns.DNSResolver) -> None:
        """Ask anew from now on: that a name has no address c-ares keeps for an hour, whatever its owner says (c-ares 1293).

        Whoever still asks by this channel holds it.
        """
        if self._channel is channel:
            self._channel = None

    async def aclose(self) -> None:
        """Give up what is still asked."""
        if self._channel:
            await self._channel.close()


def _text(address: bytes | str) -> str:
    return address if isinstance(address, str) else address.decode("ascii")
