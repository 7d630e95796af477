"""Incremental decoder of server-sent events: bytes in any chunks in, the data of events out; no I/O.

Called by `events`. Follows https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation:
lines end at LF, CR or CRLF and nowhere else (U+2028 is text), a BOM may stand first, an event that the end of the
stream cuts off is dropped. It must not know what the data means.
"""

_BOM = b"\xef\xbb\xbf"


class EventTooLarge(Exception):  # noqa: N818 - reads as what happened
    """One event is larger than the cap: the stream is not worth reading on."""


class FrameDecoder:
    """Feed it chunks as they come; it hands back the data of every event that they complete.

    A comment line comes out as ``""``, like an empty ``data:``: both say that the other side is alive.
    """

    def __init__(self, *, max_event_bytes: int = 4 * 1024 * 1024) -> None:
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """Read on. Raises EventTooLarge."""
        if not chunk:
            return []
        rest = chunk[1:] if self._after_cr and chunk.startswith(b"\n") else chunk
        self._after_cr = rest.endswith(b"\r")
        return [data for piece in rest.splitlines(keepends=True) for data in self._piece(piece)]

    def _piece(self, piece: bytes) -> list[str]:
        self._line += piece
        if len(self._line) + self._data_bytes > self._max_event_bytes:
            raise EventTooLarge(f"an event of more than {self._max_event_bytes} bytes")
        if not piece.endswith((b"\n", b"\r")):
            return []
        line = bytes(self._line).rstrip(b"\r\n")
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        return self._finished_line(line)

    def _finished_line(self, line: bytes) -> list[str]:
        if not line:
            return self._finished_event()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._data_bytes += len(value) + 1
        return [""] if not name else []

    def _finished_event(self) -> list[str]:
        if not self._data:
            return []
        data = b"\n".join(self._data).decode("utf-8", "replace")
        self._data.clear()
        self._data_bytes = 0
        return [data]
