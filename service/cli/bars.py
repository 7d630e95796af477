"""Progress: a bar on a terminal; elsewhere a line whenever the words change."""

from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from reelgate.client.types import Job


class Bar:
    """A bar from 0 to `total`. `quiet`: stdout is for JSON, so lines go to stderr."""

    def __init__(self, title: str, total: int, *columns: Any, quiet: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *columns,
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(title, total=total)
        self._words = ""
        self._quiet = quiet

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def bytes_done(self, done_bytes: int, all_bytes: int) -> None:
        """Stand at so many bytes."""
        self._progress.update(self._task, completed=done_bytes, total=all_bytes)

    def job(self, job: Job) -> None:
        """Stand where a job is."""
        words = job.progress.message
        if words != self._words and self._progress.disable:
            click.echo(f"{job.progress.percent:3d} %  {words}", err=self._quiet)
        self._words = words
        self._progress.update(self._task, completed=job.progress.percent, description=words)


def bytes_bar(title: str, *, quiet: bool) -> Bar:
    return Bar(title, 0, DownloadColumn(), quiet=quiet)


def job_bar(*, quiet: bool) -> Bar:
    return Bar("waiting", 100, quiet=quiet)
