"""Server-Sent Events, decoded as the bytes come. No I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """One event of a stream: its data, which say what it is, and the id to come back with."""

    data: bytes
    last_id: str


class SseDecoder:
    """Takes bytes cut anywhere, gives whole frames. Keeps the last id and the pause that the stream asks for."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self.retry_s: float | None = None
        self._rest = b""
        self._data: list[bytes] = []
        self._id = last_id

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Decode what has come."""
        # Lines end at line feeds here, as the API writes them; a carriage return before one is not part of the line.
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            yield from self._line(line.removesuffix(b"\r"))

    @property
    def held_bytes(self) -> int:
        """How much has come of an event that is not over."""
        return len(self._rest) + sum(map(len, self._data))

    def cut(self) -> None:
        """Forget an event that was cut off: it comes again, since its id was not taken."""
        self._rest, self._data, self._id = b"", [], self.last_id

    def _line(self, line: bytes) -> Iterator[Frame]:
        if not line:
            yield from self._dispatch()
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
            case b"id" if b"\0" not in value:
                self._id = value.decode(errors="replace")
            case b"retry" if value.isdigit():
                self.retry_s = int(value[:9]) / 1000

    def _dispatch(self) -> Iterator[Frame]:
        self.last_id = self._id
        if self._data:
            yield Frame(b"\n".join(self._data), self.last_id)
        self._data = []
