"""Progress: a bar on a terminal; elsewhere a line whenever the words change."""

from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from reelgate.client.types import Job
from service.cli.printing import Teller, printable


class Bar:
    """A bar from 0 to `total`. `teller` says the lines that stand for it where there is no terminal."""

    def __init__(self, title: str, total: int, *columns: Any, teller: Teller) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *columns,
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(printable(title), total=total)
        self._words = ""
        self._teller = teller

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
        words = printable(job.progress.message)
        if words != self._words and self._progress.disable:
            self._teller.say(f"{job.progress.percent:3d} %  {words}")
        self._words = words
        self._progress.update(self._task, completed=job.progress.percent, description=words)


def bytes_bar(title: str, teller: Teller) -> Bar:
    return Bar(title, 0, DownloadColumn(), teller=teller)


def job_bar(teller: Teller) -> Bar:
    return Bar("waiting", 100, teller=teller)
