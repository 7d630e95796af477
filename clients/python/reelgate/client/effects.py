"""What a call asks its driver to do. A call is a generator of these: it decides, and touches neither network nor clock.

So each verb is written once, and `blocking.py` and `waiting.py` carry it out, with `httpx.Client` and `httpx.AsyncClient`.
"""

import errno
import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

T = TypeVar("T")

#: to connect, to send a chunk, and between two chunks of an answer
SILENCE_S = 30.0

#: `progress(done_bytes, all_bytes)`
ByteProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class FileBody:
    """A file as a request's body: read anew for each attempt, a chunk at a time."""

    path: Path
    size_bytes: int
    progress: ByteProgress | None = None
    #: when it was last written, as the system counts
    modified_ns: int | None = None

    def require_unchanged(self, file: BinaryIO, *, read_bytes: int, is_end: bool) -> None:
        """Look, before its last bytes go, that it is still what was looked at: half of one film and half of another
        would be edited, and charged. Raises OSError.
        """
        now = os.fstat(file.fileno())
        is_same = now.st_size == self.size_bytes and self.modified_ns in (None, now.st_mtime_ns)
        if not is_same or read_bytes > self.size_bytes or (is_end and read_bytes != self.size_bytes):
            raise OSError(errno.EBUSY, "has changed while it was sent", str(self.path))

    def tell(self, sent_bytes: int) -> None:
        """Tell whoever watches how far it is."""
        if self.progress:
            self.progress(sent_bytes, self.size_bytes)


@dataclass(frozen=True)
class Request:
    """One HTTP request to a path of the API."""

    method: str
    path: str = field(repr=False)
    #: whether it may be sent again although nobody knows what became of it
    repeatable: bool = True
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | FileBody | None = field(default=None, repr=False)
    #: silence that ends it; a stream may have longer ones, once it is there
    silence_s: float = SILENCE_S
    #: whether it may be answered from elsewhere: a film, by the storage. The key does not go there.
    follows: bool = False


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are lower case; the body is empty where it is read by `Read`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def is_error(self) -> bool:
        return self.status >= 400  # noqa: PLR2004 - RFC 9110, 15


@dataclass(frozen=True)
class Failure:
    """There was no answer, or not all of it."""

    #: e.g. ``ConnectTimeout``
    kind: str
    #: whether the request may have reached the API
    sent: bool = True
    #: whether another attempt would end the same way, e.g. an untrusted certificate
    permanent: bool = False


@dataclass(frozen=True)
class Send:
    """Exchange a request for an `Answer` with its body, or a `Failure`."""

    request: Request


@dataclass(frozen=True)
class Open:
    """Send a request and leave the body of a good answer to `Read`: gives an `Answer`, or a `Failure`."""

    request: Request


@dataclass(frozen=True)
class Read:
    """Give the next bytes of what is open, ``b""`` at its end, or a `Failure`."""


@dataclass(frozen=True)
class Close:
    """Let go of what is open."""


@dataclass(frozen=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Do something that may block, on the disk, and give its result."""

    task: Callable[[], Any]


@dataclass(frozen=True)
class Emit:
    """Hand something to whoever iterates."""

    value: Any


Effect = Send | Open | Read | Close | Pause | Work | Emit
#: a call: yields effects, is sent their outcomes, and returns a `T`
Steps = Generator[Effect, Any, T]


@dataclass(frozen=True)
class Raised:
    """An effect's outcome: it raised this."""

    error: Exception


@dataclass(frozen=True)
class Done(Generic[T]):
    """A call has come to its end."""

    value: T


def resume(steps: Steps[T], outcome: Any) -> Effect | Done[T]:
    """Hand an outcome to a call and give what it asks for next. Raises what the call raises."""
    try:
        return steps.throw(outcome.error) if isinstance(outcome, Raised) else steps.send(outcome)
    except StopIteration as end:
        return Done(end.value)
