"""Downloading a film: to a file beside its place, from where that ends, and into its place when it is whole.

A film that was paid for is not lost to a broken connection: what has come is kept, also by the next attempt of another
process, which finds it by the job's id in its name.
"""

import re
from contextlib import closing
from functools import partial
from pathlib import Path

from reelgate.client import calls
from reelgate.client.effects import Answer, ByteProgress, Close, Failure, Open, Pause, Read, Steps, Work
from reelgate.client.errors import DownloadFailed, NoFilm, ReelgateError, is_gone
from reelgate.client.exchange import Circumstances, Patience, exchange
from reelgate.client.film_part import FilmPart, remove_part
from reelgate.client.types import Job, Output

_PARTIAL, _OUT_OF_RANGE = 206, 416
#: kinds that no film has
_PAGE = re.compile(r"text/|application/(.*\+)?(json|xml)\b", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


def download(here: Circumstances, job_id: str, path: Path, progress: ByteProgress | None = None) -> Steps[Path]:
    """Fetch a job's film. Raises NoFilm or NotFound where there is none, DownloadFailed where it does not come, OSError."""
    try:
        return (yield from _fetched(here, job_id, path, progress))
    except ReelgateError as why:
        if isinstance(why, NoFilm) or is_gone(why):
            yield Work(partial(remove_part, path, job_id))  # nobody would ever go on from it
        raise


def _fetched(here: Circumstances, job_id: str, path: Path, progress: ByteProgress | None) -> Steps[Path]:
    size_bytes = film_of((yield from exchange(here, calls.read_job(job_id)))).size_bytes
    part: FilmPart = yield Work(lambda: FilmPart.open(path, job_id))
    patience = Patience(here)
    with closing(part):
        while True:
            fetch = FilmFetch(job_id, size_bytes, part, progress)
            try:
                pause_s = yield from fetch.run(patience)
            except ReelgateError as why:
                if is_gone(why):
                    raise
                raise DownloadFailed(job_id, path, str(why)) from why
            if pause_s is None:
                yield Work(part.save)
                return path
            yield Pause(pause_s)


def film_of(job: Job) -> Output:
    """Give a job's film. Raises NoFilm."""
    if job.output is None or job.output.url is None:
        raise NoFilm(job)
    return job.output


class FilmFetch:
    """One attempt at the bytes that are missing."""

    def __init__(self, job_id: str, size_bytes: int | None, part: FilmPart, progress: ByteProgress | None) -> None:
        self._job_id = job_id
        self._size_bytes = size_bytes
        self._part = part
        self._progress = progress

    def run(self, patience: Patience) -> Steps[float | None]:
        """Fetch. Gives None when the file is whole, else the pause before another attempt; raises ReelgateError."""
        have_bytes: int = yield Work(self._part.size_bytes)
        if self._size_bytes and have_bytes == self._size_bytes:
            return None
        if self._size_bytes and have_bytes > self._size_bytes:
            have_bytes = 0
        request = calls.film_bytes(self._job_id, have_bytes=have_bytes)
        answer = yield Open(request)
        if isinstance(answer, Answer) and not answer.is_error:
            broken = yield from self._gather(answer, have_bytes, patience)
            yield Close()
            return None if broken is None else patience.pause_after(request, broken)
        if isinstance(answer, Answer) and answer.status == _OUT_OF_RANGE:
            yield Work(lambda: self._part.begin_at(0))
            answer = Failure("a part that fits no film")
        return patience.pause_after(request, answer)

    def _gather(self, answer: Answer, have_bytes: int, patience: Patience) -> Steps[Failure | None]:
        """Write what comes behind what is there. Gives None when the file is whole."""
        try:
            begins_at, size_bytes = place_in_film(answer, have_bytes=have_bytes, size_bytes=self._size_bytes)
        except NotTheFilm as wrong:
            return Failure(str(wrong))
        yield Work(lambda: self._part.begin_at(begins_at))
        at_bytes = begins_at
        while chunk := (yield Read()):
            if isinstance(chunk, Failure):
                return chunk
            at_bytes += len(chunk)
            if size_bytes is not None and at_bytes > size_bytes:
                return Failure("more bytes than the film has")
            if (yield from self._write(chunk)):
                patience.restore()
            if self._progress:
                self._progress(at_bytes, size_bytes or 0)
        return None if size_bytes in (None, at_bytes) else Failure("fewer bytes than the film has")

    def _write(self, chunk: bytes) -> Steps[bool]:
        """Write, and tell whether that is a step forward: what comes anew after each break is none."""
        is_new: bool = yield Work(lambda: self._part.write(chunk))
        return is_new


class NotTheFilm(Exception):  # noqa: N818 - it never leaves this module
    """What answers is not the film, or not the part of it that was asked for; nothing of it may be written."""


def place_in_film(answer: Answer, *, have_bytes: int, size_bytes: int | None) -> tuple[int, int | None]:
    """Tell where an answer's bytes begin in the film, and how large that is; None where nobody says. Raises NotTheFilm.

    `size_bytes`: what the job says. A page in the film's place, e.g. a proxy's, has another length, or says what it is: what
    comes without a length, and is shorter, would be gone on from as the film's beginning.
    """
    kind = answer.headers.get("content-type", "")
    if _PAGE.match(kind):
        raise NotTheFilm(f"{kind} instead of a film")
    begins_at, told_bytes = where_it_stands(answer)
    if begins_at != (have_bytes if answer.status == _PARTIAL else 0):
        raise NotTheFilm("another part of the film than was asked for")
    if None not in (size_bytes, told_bytes) and size_bytes != told_bytes:
        raise NotTheFilm("another film, or a page")
    return begins_at, size_bytes or told_bytes


def where_it_stands(answer: Answer) -> tuple[int, int | None]:
    """Read where an answer's bytes begin in the whole, and how large that is; -1 and None where it is not told."""
    if answer.status == _PARTIAL:
        told = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        if not told:
            return -1, None
        return int(told[1]), None if told[2] == "*" else int(told[2])
    length = answer.headers.get("content-length", "")
    is_told = length.isdigit() and "content-encoding" not in answer.headers
    return 0, int(length) if is_told else None
