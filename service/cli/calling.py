"""Calling the API for a command: the client, and what its exceptions are in words and exit codes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from reelgate.client import (
    DownloadFailed,
    LimitReached,
    NoAnswer,
    NotPossibleNow,
    Reelgate,
    ReelgateError,
    Refused,
    StillRunning,
    Unavailable,
)
from service.cli.options import Access
from service.cli.printing import INTERRUPTED, echo, printable, system_words

#: somebody waits at a terminal
CALL_PATIENCE_S = 10.0


class MayWorkLater(click.ClickException):
    """The API cannot be reached, or is too busy."""

    exit_code = 3


class NotSaved(click.ClickException):
    """The film is there, and did not come."""

    exit_code = 4


class GoesOn(click.ClickException):
    """The job goes on: it was waited for as long as was asked, or is out of sight."""

    exit_code = 5


def nothing_goes_on() -> list[str]:
    """Give the advice of a command that leaves nothing behind."""
    return []


@contextmanager
def calling(
    access: Access, *, advice: Callable[[], list[str]] = nothing_goes_on, patience_s: float = CALL_PATIENCE_S
) -> Iterator[Reelgate]:
    """Give a client. Whatever goes wrong ends the command in words; `advice` says what goes on and what to do then."""
    try:
        with Reelgate(access.api, access.key, retry_s=patience_s) as reelgate:
            yield reelgate
    except ReelgateError as error:
        raise ending_of(error)(_with(error_words(error, access), advice())) from None
    except BrokenPipeError:  # whoever read along has enough
        raise
    except OSError as error:
        raise click.ClickException(_with(system_words(error), advice())) from None
    except ValueError as error:  # no address, no id
        raise click.UsageError(str(error)) from None
    except KeyboardInterrupt:
        for line in ["", "Interrupted.", *advice()]:
            echo(line, err=True)
        sys.exit(INTERRUPTED)


def error_words(error: ReelgateError, access: Access) -> str:
    """Say what went wrong, with the API's address where it is about that."""
    if isinstance(error, NoAnswer):
        return f"{access.api}: {error}"
    if isinstance(error, Refused):
        rest = [f"{each.pointer}: {each.detail}" for each in error.problem.errors[1:]]
        return "\n".join([f"{error.status}: {error}", *rest])
    if isinstance(error, StillRunning):  # the advice says that it goes on
        lost = error.__cause__
        return error_words(lost, access) if isinstance(lost, ReelgateError) else "its end did not come in time"
    return str(error)


def ending_of(error: ReelgateError) -> type[click.ClickException]:
    """Tell how a command ends, by its exit code."""
    match error:
        case DownloadFailed():
            return NotSaved
        case StillRunning():
            return GoesOn
        case NoAnswer() | Unavailable() | LimitReached() if error.retryable:
            return MayWorkLater
        case NotPossibleNow(code="in_progress"):
            return MayWorkLater
    return click.ClickException


def _with(words: str, advice: list[str]) -> str:
    return printable("\n".join([words, *advice]), breaks=True)
