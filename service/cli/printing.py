"""What reaches the terminal: nothing that it would obey, and no trouble of a pipe that ends what is under way."""

import errno
import io
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TextIO, TypeVar

import click

P = ParamSpec("P")
T = TypeVar("T")

INTERRUPTED = 130


def printable(text: str, *, breaks: bool = False) -> str:
    """Take out what a terminal would obey: escape sequences come from prompts, too."""
    return "".join(char if char.isprintable() or (breaks and char == "\n") else " " for char in text)


def printable_json(text: str) -> str:
    """Write as escapes what a terminal would obey, or cannot write; JSON's own escapes leave out half of it."""
    is_all_written = sys.stdout.encoding.lower().startswith("utf")
    return "".join(char if _is_plain(char, is_all_written) else _escaped(char) for char in text)


def _is_plain(char: str, is_all_written: bool) -> bool:
    return char == "\n" or (char.isprintable() and (is_all_written or char.isascii()))


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def echo(text: str, *, err: bool = False) -> None:
    """Print a line, or several. Raises OSError where they cannot be."""
    click.echo(printable(text, breaks=True), err=err)


def system_words(error: OSError) -> str:
    """Say what the system says, and of which file."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


class Teller:
    """Says what happens on a job's way, whose film matters more than words: a reader that has gone ends nothing."""

    def __init__(self, *, err: bool) -> None:
        self._err = err
        self._failed: OSError | None = None

    def say(self, text: str, *, err: bool | None = None) -> None:
        to_stderr = self._err if err is None else err
        self.attempt(lambda: echo(text, err=to_stderr), on=sys.stderr if to_stderr else sys.stdout)

    def attempt(self, printing: Callable[[], None], *, on: TextIO) -> None:
        """Print, or from now on nothing there."""
        try:
            printing()
        except OSError as error:
            if on is sys.stdout:
                self._failed = self._failed or error
            _silence(on)

    def own_up(self) -> None:
        """Raise why results were lost, at the end; not where their reader had enough, and not over the way to them: whoever
        is told that it failed may pay for it again.
        """
        if self._failed and self._failed.errno != errno.EPIPE:
            raise self._failed


def _silence(stream: TextIO) -> None:
    """Let what is written there go nowhere, also what waits in its buffer."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _write_what_can_be(stream: TextIO) -> None:
    """Have a terminal of few characters show marks for the others: a film is not lost over a word."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")


def in_words(command: Callable[P, T]) -> Callable[P, T]:
    """Have a command end in words, whatever the system says, and obey nothing of what those quote."""

    @wraps(command)
    def run(*given: P.args, **options: P.kwargs) -> T:
        _write_what_can_be(sys.stdout)
        try:
            return command(*given, **options)
        except click.ClickException as error:
            vars(error)["message"] = printable(error.message, breaks=True)  # another one would lose its usage
            raise
        except BrokenPipeError:  # whoever read along has enough
            raise
        except OSError as error:
            _silence(sys.stdout)
            raise click.ClickException(printable(system_words(error))) from None

    return run
