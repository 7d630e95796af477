"""Incremental decoder of server-sent events: bytes in any chunks in, events out; no I/O.

Called by `events`. Follows https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation:
lines end at LF, CR or CRLF and nowhere else (U+2028 is text), a BOM may stand first, an event that the end of the
stream cuts off is told apart. Where it hands out more than the standard does, it is a sign of life or of a fault. It
must not know what the data means.
"""

from typing import NamedTuple

from core.security.redacted_repr import redacted_repr

_BOM = b"\xef\xbb\xbf"


@redacted_repr("name")
class Frame(NamedTuple):
    """One event. `data`: its lines, joined by LF; None where it was larger than the cap. `name`: its ``event:``."""

    data: str | None
    name: str = ""


class FrameDecoder:
    """Feed it chunks as they come; it hands out every event that they complete.

    A comment line comes out as an event of no data, and so does an event that has a name and nothing else: both say
    that the other side is alive. A line ``error: …`` outside of any event comes out at once, named ``error``. What is
    larger than the cap is told as such, once, and then read over: it costs its own event and no other.
    """

    def __init__(self, *, max_event_bytes: int = 4 * 1024 * 1024) -> None:
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = ""
        self._over_line = self._over_event = False
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Frame]:
        """Read on, with any bytes in any portions."""
        if not chunk:
            return []
        rest = chunk[1:] if self._after_cr and chunk.startswith(b"\n") else chunk
        self._after_cr = rest.endswith(b"\r")
        return [frame for piece in rest.splitlines(keepends=True) for frame in self._piece(piece)]

    def end(self) -> list[Frame]:
        """Hand out the event that the end of the stream cuts off, as far as it came; the standard drops it."""
        return self.feed(b"\n\n")

    def _piece(self, piece: bytes) -> list[Frame]:
        told = self._take(piece)
        if not piece.endswith((b"\n", b"\r")):
            return told
        line, over = bytes(self._line).rstrip(b"\r\n"), self._over_line
        self._line.clear()
        self._over_line = False
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        return told if over and not line.startswith(b":") else [*told, *self._finished_line(line)]

    def _take(self, piece: bytes) -> list[Frame]:
        """Add to the line; of one above the cap its first byte is held, which tells a comment."""
        room = self._max_event_bytes - self._data_bytes - len(self._line)
        if not self._over_line and len(piece.rstrip(b"\r\n")) <= room:
            self._line += piece
            return []
        self._over_line = True
        self._line[:] = (bytes(self._line[:1]) or piece)[:1]
        return [] if self._over_event or self._line == b":" else self._given_up()

    def _given_up(self) -> list[Frame]:
        self._over_event = True
        self._data.clear()
        self._data_bytes = 0
        return [Frame(None)]

    def _finished_line(self, line: bytes) -> list[Frame]:
        if not line:
            return self._finished_event()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match field:
            case b"":
                return [Frame("")]
            case b"data" if not self._over_event:
                self._data.append(value)
                self._data_bytes += len(value) + 1
            case b"event":
                self._name = value.decode("utf-8", "replace")
            case b"error" if not (self._data or self._name or self._over_event):
                return [Frame(value.decode("utf-8", "replace"), "error")]
        return []

    def _finished_event(self) -> list[Frame]:
        frame = Frame(b"\n".join(self._data).decode("utf-8", "replace"), self._name)
        told = bool(self._data or self._name) and not self._over_event
        self._data.clear()
        self._data_bytes = 0
        self._name, self._over_event = "", False
        return [frame] if told else []
