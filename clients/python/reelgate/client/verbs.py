"""What one does with the API, step by step: each verb stands here once, for the blocking and the waiting client.

A verb decides (what to send, whether to try again, when it is over) and leaves the doing to its driver: see `effects.py`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from reelgate.client import calls
from reelgate.client.calls import Call, JobAsk, Media
from reelgate.client.effects import SILENCE_S, ByteProgress, Emit, Pause, Steps, Work
from reelgate.client.errors import (
    DownloadFailed,
    NoAnswer,
    ReelgateError,
    Refused,
    StillRunning,
    is_gone,
    require_success,
)
from reelgate.client.event_reader import COME_BACK_S, EventReader
from reelgate.client.exchange import Circumstances, exchange
from reelgate.client.film_download import download, film_of
from reelgate.client.film_part import place_of
from reelgate.client.types import Batch, Job, Page, Upload

Row = TypeVar("Row")

#: silence that the last look at a job is given, however little time is left
_LOOK_S = 5.0

JobProgress = Callable[[Job], None]
Webhook = Mapping[str, Any] | None


class PageCall(Protocol[Row]):
    """Makes the call for the page that comes after a cursor."""

    def __call__(self, *, after: str | None) -> Call[Page[Row]]: ...


def pages(
    here: Circumstances, page: PageCall[Row], cursor: str | None = None, trimmed: Callable[[], None] | None = None
) -> Steps[None]:
    """Emit every row of a list, page after page. `trimmed` is called before the rows of a page that lacks some."""
    while True:
        found = yield from exchange(here, page(after=cursor))
        if found.trimmed and trimmed:
            trimmed()
        for row in found.data:
            yield Emit(row)
        if not found.has_more or found.next_cursor is None:
            return
        cursor = found.next_cursor


def upload(
    here: Circumstances, path: Path, filename: str | None, *, key: str | None, progress: ByteProgress | None
) -> Steps[Upload]:
    """Send a file."""
    body = yield Work(lambda: calls.file_body(path, progress))
    name = filename or calls.file_name(path)
    return (yield from exchange(here, calls.upload(body, name, key=here.key(key))))


def submit(here: Circumstances, ask: JobAsk, *, key: str | None, progress: ByteProgress | None) -> Steps[Job]:
    """Upload what is a file, then submit."""
    key = here.key(key)
    [ready] = yield from uploaded(here, [ask], progress, key=key)
    return (yield from exchange(here, calls.submit(ready, key=key)))


def submit_batch(
    here: Circumstances,
    asks: Sequence[JobAsk],
    session: Literal["separate", "shared"],
    webhook: Webhook,
    *,
    key: str | None,
) -> Steps[Batch]:
    """Upload what is a file, then submit all together."""
    key = here.key(key)
    ready = yield from uploaded(here, asks, None, key=key)
    return (yield from exchange(here, calls.submit_batch(ready, session, webhook, key=key)))


def uploaded(
    here: Circumstances, asks: Sequence[JobAsk], progress: ByteProgress | None, *, key: str
) -> Steps[list[JobAsk]]:
    """Upload what is a file, each once; all of them must be there before the first one is sent. Raises OSError.

    `key`: that of what is made of them, also where nobody has given one: whoever repeats a call whose answer was lost, under
    the key that the error names, has the same uploads, and so the same body. Where an upload fails, nothing was made of it.
    """
    files = {path for ask in asks for each in ask.media if (path := calls.file_of(each))}
    for path in files:
        yield Work(partial(calls.file_body, path, None))
    uploads: dict[Path, Upload] = {}
    for path in sorted(files):
        named = yield Work(partial(calls.upload_key, key, path))
        try:
            uploads[path] = yield from upload(here, path, None, key=named, progress=progress)
        except ReelgateError as error:
            error.maybe_done, error.idempotency_key = False, key
            raise
    return [ask.with_media([_as_upload(each, uploads) for each in ask.media]) for ask in asks]


def _as_upload(media: Media, uploads: Mapping[Path, Upload]) -> Media:
    path = calls.file_of(media)
    return uploads[path] if path else media


def events(here: Circumstances, job_id: str, *, after: str) -> Steps[None]:
    """Emit a job's events until its end."""
    reader = EventReader(here, job_id, last_id=after)
    while not reader.over:
        for event in (yield from reader.read()):
            yield Emit(event)


def wait(here: Circumstances, job_id: str, *, within_s: float | None, progress: JobProgress | None) -> Steps[Job]:
    """Wait for a job's end and read it whole. Raises StillRunning."""
    require_time(within_s)
    ends_s = None if within_s is None else here.clock() + within_s
    reader = EventReader(here, job_id, ends_s=ends_s, looks=True)
    while True:
        if reader.over or not reader.is_open:
            job = yield from look(here, job_id, ends_s)
            if job.ended:
                return job
            reader.reassure()
        if reader.over and not reader.is_open:  # its events are over, and its record is behind them
            yield Pause(COME_BACK_S)
        if ends_s is not None and here.clock() >= ends_s:
            raise StillRunning(job_id)
        for event in (yield from reader.read()):
            if progress and event.job:
                progress(event.job)


def require_time(within_s: float | None) -> None:
    """Look that a time is one: nothing is before it or after it where it is NaN. Raises ValueError."""
    if within_s is not None and math.isnan(within_s):
        raise ValueError("within_s is not a number")


def look(here: Circumstances, job_id: str, ends_s: float | None) -> Steps[Job]:
    """Read a job, with no more patience than there is time. Raises StillRunning where that ends the reading."""
    if ends_s is None:
        return (yield from exchange(here, calls.read_job(job_id)))
    left_s = max(0.0, ends_s - here.clock())
    try:
        silence_s = min(SILENCE_S, max(left_s, _LOOK_S))
        return (yield from exchange(here.within(left_s), calls.read_job(job_id, silence_s=silence_s)))
    except (NoAnswer, Refused) as away:
        if left_s < here.policy.within_s and away.retryable:
            raise StillRunning(job_id) from away
        raise


def run(
    here: Circumstances,
    ask: JobAsk,
    *,
    to: Path | None,
    key: str | None,
    within_s: float | None,
    progress: JobProgress | None,
) -> Steps[Job]:
    """Upload, submit, wait, and download. Raises JobNotDone, StillRunning, NoFilm, DownloadFailed; OSError before all that."""
    require_time(within_s)
    if to is not None:
        yield Work(partial(place_of, to))
    submitted = yield from submit(here, ask, key=key, progress=None)
    try:
        job = yield from wait(here, submitted.id, within_s=within_s, progress=progress)
    except (NoAnswer, Refused) as away:
        if is_gone(away):  # somebody deleted it
            raise
        raise StillRunning(submitted.id) from away
    require_success(job)
    if to is not None:
        film_of(job)
        yield from saved(here, job.id, to)
    return job


def saved(here: Circumstances, job_id: str, to: Path) -> Steps[Path]:
    """Download a film that is there, and paid for. Raises DownloadFailed whatever keeps it from coming, a full disk too."""
    try:
        return (yield from download(here, job_id, to))
    except (NoAnswer, Refused, OSError) as why:
        if is_gone(why):
            raise
        raise DownloadFailed(job_id, to, str(why)) from why
