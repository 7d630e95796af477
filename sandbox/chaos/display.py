"""Shows how a chaos run gets on: bars on a terminal, otherwise a line every few seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_LINE_EVERY_S = 5.0


class Standing(NamedTuple):
    """How far the run is: jobs of `jobs` accepted and ended, troubles caused."""

    jobs: int
    accepted: int
    ended: int
    troubles: int


class Display(Protocol):
    """Is told how the run stands, as often as anybody looks."""

    def show(self, standing: Standing, *, now_s: float) -> None: ...


class Bars:
    def __init__(self, progress: Progress, jobs: int) -> None:
        self._progress = progress
        self._accepted, self._ended = (progress.add_task(word, total=jobs) for word in ("accepted", "ended"))
        self._troubles = progress.add_task("troubles", total=None)

    def show(self, standing: Standing, *, now_s: float) -> None:  # noqa: ARG002 - a terminal has a clock of its own
        self._progress.update(self._accepted, completed=standing.accepted)
        self._progress.update(self._ended, completed=standing.ended)
        self._progress.update(self._troubles, completed=standing.troubles)


class Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._began_at_s: float | None = None
        self._next_at_s = 0.0

    def show(self, standing: Standing, *, now_s: float) -> None:
        if self._began_at_s is None:
            self._began_at_s = now_s
        if now_s < self._next_at_s:
            return
        self._next_at_s = now_s + _LINE_EVERY_S
        jobs, accepted, ended, troubles = standing
        line = f"{now_s - self._began_at_s:5.0f} s  {accepted} of {jobs} accepted, {ended} ended, {troubles} troubles"
        self._console.print(line, highlight=False)


@contextmanager
def display_on(console: Console, *, jobs: int) -> Iterator[Display]:
    """Choose what suits the console."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield Bars(progress, jobs)
