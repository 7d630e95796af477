"""Downloading a film: to a file beside its place, from where that ends, and into its place when it is whole.

A film that was paid for is not lost to a broken connection: what has come is kept, also by the next attempt of another
process, which finds it by the job's id in its name.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from reelgate.client import calls
from reelgate.client.answers import refusal_of
from reelgate.client.effects import Answer, ByteProgress, Close, Failure, Open, Pause, Read, Request, Steps, Work
from reelgate.client.errors import DownloadFailed, NoFilm, NotAuthorized, NotFound, ReelgateError
from reelgate.client.exchange import Circumstances, Patience, exchange
from reelgate.client.types import Job, Output

_PARTIAL, _OUT_OF_RANGE = 206, 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def download(here: Circumstances, job_id: str, path: Path, progress: ByteProgress | None = None) -> Steps[Path]:
    """Fetch a job's film. Raises NotFound where there is none, DownloadFailed where it does not come, OSError."""
    part = part_of(path, job_id)
    patience = Patience(here)
    while True:
        film = film_of((yield from exchange(here, calls.read_job(job_id))))
        fetch = FilmFetch(film, part, etag=f'"{job_id}"', progress=progress)
        try:
            pause_s = yield from fetch.run(patience)
        except NotFound:
            raise
        except ReelgateError as why:
            raise DownloadFailed(job_id, path, str(why)) from why
        if pause_s is None:
            yield Work(lambda: part.replace(path))
            return path
        yield Pause(pause_s)


def part_of(path: Path, job_id: str) -> Path:
    """Name the file that a film is gathered in."""
    return path.with_name(f".{path.name}.{job_id}.part")


def film_of(job: Job) -> Output:
    """Give a job's film. Raises NoFilm."""
    if job.output is None or job.output.url is None:
        raise NoFilm(job)
    return job.output


class FilmFetch:
    """One attempt at the bytes that are missing."""

    def __init__(self, film: Output, part: Path, *, etag: str, progress: ByteProgress | None) -> None:
        self._url = str(film.url)
        self._size_bytes = film.size_bytes
        self._part = part
        self._etag = etag
        self._progress = progress

    def run(self, patience: Patience) -> Steps[float | None]:
        """Fetch. Gives None when the file is whole, else the pause before another attempt; raises ReelgateError."""
        have_bytes = yield Work(lambda: self._part.stat().st_size if self._part.exists() else 0)
        if self._size_bytes and have_bytes == self._size_bytes:
            return None
        if self._size_bytes and have_bytes > self._size_bytes:
            have_bytes = 0
        request = calls.film_bytes(self._url, have_bytes=have_bytes, etag=self._etag)
        answer = yield Open(request)
        if isinstance(answer, Answer) and not answer.is_error:
            broken = yield from self._gather(answer, have_bytes, patience)
            yield Close()
            return None if broken is None else patience.pause_after(request, broken)
        if isinstance(answer, Answer) and answer.status == _OUT_OF_RANGE:
            yield Work(self._part.unlink)
        return self._pause_after(request, answer, patience)

    def _pause_after(self, request: Request, refused: Answer | Failure, patience: Patience) -> float:
        """Say when to try again. A link that has expired since the job was read, or a part that fits no film, is like a break."""
        passing = isinstance(refused, Answer) and (
            refused.status == _OUT_OF_RANGE or isinstance(refusal_of(refused), NotAuthorized)
        )
        return patience.pause_after(request, Failure("RefusedLink") if passing else refused)

    def _gather(self, answer: Answer, have_bytes: int, patience: Patience) -> Steps[Failure | None]:
        """Write what comes behind what is there. Gives None when the file is whole."""
        begins_at, size_bytes = where_it_stands(answer)
        if begins_at not in (0, have_bytes):
            return Failure("WrongRange")
        wanted_bytes = self._size_bytes or size_bytes
        file: BinaryIO = yield Work(lambda: opened_at(self._part, begins_at))
        with file:
            while chunk := (yield Read()):
                if isinstance(chunk, Failure):
                    return chunk
                yield Work(written(file, chunk))
                begins_at += len(chunk)
                patience.restore()
                if self._progress:
                    self._progress(begins_at, wanted_bytes or 0)
        return None if wanted_bytes in (None, begins_at) else Failure("Truncated")


def where_it_stands(answer: Answer) -> tuple[int, int | None]:
    """Tell where an answer's bytes begin in the film, and how large that is; None where it is not told."""
    told = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if answer.status == _PARTIAL and told:
        return int(told[1]), None if told[2] == "*" else int(told[2])
    length = answer.headers.get("content-length", "")
    return 0, int(length) if length.isdigit() else None


def opened_at(part: Path, at_bytes: int) -> BinaryIO:
    """Open a file to go on at a place, and cut off what stands behind it.

    Not to append: two that download the same film write the same bytes to the same places.
    """
    file = part.open("r+b" if at_bytes else "wb")
    file.seek(at_bytes)
    return file


def written(file: BinaryIO, chunk: bytes) -> Callable[[], int]:
    """Make the task of writing a chunk."""
    return lambda: file.write(chunk)
