"""Channel from a run to the one client that listens to it: the client may leave at any time, the run goes on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sandbox.backend.messages.stream import Event


@dataclass(frozen=True)
class Closed:
    """The stream's end: clean, or cut off in the middle."""

    cut: bool = False


class Channel:
    def __init__(self) -> None:
        self._events: asyncio.Queue[Event | Closed] = asyncio.Queue()
        #: set when nobody listens any more
        self.left = asyncio.Event()

    def say(self, event: Event | Closed) -> None:
        self._events.put_nowait(event)

    async def events(self) -> AsyncIterator[Event | Closed]:
        """All events up to and with the first `Closed`."""
        try:
            while not isinstance(event := await self._events.get(), Closed):
                yield event
            yield event
        finally:
            self.left.set()
