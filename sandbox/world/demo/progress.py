"""Shows how the jobs get on: a bar each on a terminal, otherwise a line whenever something changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

NAME_WIDTH = 32
#: leaves room for a few words in 80 columns
BAR_WIDTH = 14


class Display(Protocol):
    """Is told what each job looks like, as often as anybody looks."""

    def show(self, skill: str, job: dict[str, Any]) -> None: ...


class Bars:
    """One bar for each job, on a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def show(self, skill: str, job: dict[str, Any]) -> None:
        if skill not in self._bars:
            self._bars[skill] = self._progress.add_task(skill, total=100, doing="")
        percent, doing = state_of(job)
        self._progress.update(self._bars[skill], completed=percent, doing=doing)


class Lines:
    """A line for each change, where the output is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, str] = {}

    def show(self, skill: str, job: dict[str, Any]) -> None:
        percent, doing = state_of(job)
        if self._last.get(skill) != doing:
            self._last[skill] = doing
            self._console.print(f"{skill:<{NAME_WIDTH}} {percent:3d} %  {doing}", highlight=False, markup=False)


@contextmanager
def display_on(console: Console) -> Iterator[Display]:
    """Choose the display that suits the console; a terminal is in order again at the end."""
    if not console.is_terminal:
        yield Lines(console)
        return
    words = TextColumn("{task.fields[doing]}", table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns = (TextColumn("{task.description}"), BarColumn(BAR_WIDTH), TimeElapsedColumn(), words)
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)


def state_of(job: dict[str, Any]) -> tuple[int, str]:
    """Read percent and words off a job: ``(60, "rendering: Rendering")``."""
    progress = job.get("progress") or {}
    where = job.get("stage") or job["status"]
    waits = (job.get("wait") or {}).get("reason")
    words = progress.get("message") or ""
    percent = 100 if job["status"] == "succeeded" else int(progress.get("percent") or 0)
    return percent, ": ".join(part for part in (where, waits or words) if part)
