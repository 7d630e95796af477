"""What a film's header says, and the error of a file that is none."""

from collections.abc import Awaitable, Callable

import msgspec

#: reads a file's bytes from a start up to, not including, an end
Read = Callable[[int, int], Awaitable[bytes]]


class FilmFacts(msgspec.Struct, frozen=True):
    """Read from the header alone. `duration_s` None: it does not say, as in a film that was written while it was sent."""

    duration_s: float | None
    width: int | None
    height: int | None
    #: it has a picture track with something in it
    has_picture: bool


class NotAFilm(Exception):  # noqa: N818 - says what is wrong
    """The file can't be played. `reason` goes on from "The file that came", e.g. "is cut off". `is_page`: it is for people."""

    def __init__(self, reason: str, *, is_page: bool = False) -> None:
        self.reason, self.is_page = reason, is_page
        super().__init__(reason)
