"""`Reelgate`: the API for programs that wait in the calling thread. `AsyncReelgate` has the same, to be awaited."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

import httpx

from reelgate.client import calls, film_download, verbs
from reelgate.client.blocking import BlockingDriver
from reelgate.client.calls import Call, JobAsk, JobFilters, JobOptions, Media
from reelgate.client.effects import ByteProgress, Steps
from reelgate.client.exchange import Circumstances, exchange
from reelgate.client.retries import RetryPolicy
from reelgate.client.transport import Outgoing, connected
from reelgate.client.types import (
    Batch,
    Credits,
    Delivery,
    Event,
    Job,
    NewSecret,
    Page,
    Profile,
    Redelivered,
    Session,
    TestedWebhook,
    Upload,
    Usage,
    Validated,
    Webhook,
)
from reelgate.client.verbs import JobProgress

T = TypeVar("T")


class Caller:
    """What all of a client's groups call through."""

    def __init__(self, driver: BlockingDriver, here: Circumstances) -> None:
        self._driver = driver
        self._here = here

    def _call(self, call: Call[T]) -> T:
        return self._driver.run(exchange(self._here, call))

    def _call_once(self, make: Callable[..., Call[T]], key: str | None) -> T:
        """Make a call that makes something, under one Idempotency-Key."""
        return self._call(make(key=self._here.key(key)))

    def _run(self, verb: Callable[[Circumstances], Steps[T]]) -> T:
        return self._driver.run(verb(self._here))

    def _iterate(self, verb: Callable[[Circumstances], Steps[None]]) -> Iterator[Any]:
        return self._driver.iterate(verb(self._here))


class Reelgate(Caller):
    """The API of one address, with one key. Close it, or use it in a `with`. Threads may share it.

    `retry_s`: for how long a call is tried again, from its first failure. `http`: a client of your own, with its proxies
    and limits; it stays open.
    """

    def __init__(self, address: str, key: str, *, retry_s: float = 60.0, http: httpx.Client | None = None) -> None:
        outgoing = Outgoing(address, key)
        self._http = http or connected(httpx.Client)
        self._is_own = http is None
        super().__init__(BlockingDriver(self._http, outgoing), Circumstances(policy=RetryPolicy(within_s=retry_s)))
        self.sessions = Sessions(self._driver, self._here)
        self.batches = Batches(self._driver, self._here)
        self.uploads = Uploads(self._driver, self._here)
        self.deliveries = Deliveries(self._driver, self._here)
        self.webhook = WebhookSettings(self._driver, self._here)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        if self._is_own:
            self._http.close()

    def run(
        self,
        prompt: str,
        media: Media | Sequence[Media] = (),
        *,
        to: str | os.PathLike[str] | None = None,
        key: str | None = None,
        within_s: float | None = None,
        progress: JobProgress | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Upload, submit, wait, and download the film to a path.

        Raises JobNotDone, StillRunning, DownloadFailed, NoFilm where the prompt asked for none, and OSError before anything
        is sent: a file cannot be read, or nothing written at `to`.
        """
        ask, path = JobAsk(prompt, media, **options), None if to is None else Path(to)
        return self._run(partial(verbs.run, ask=ask, to=path, key=key, within_s=within_s, progress=progress))

    def submit(
        self,
        prompt: str,
        media: Media | Sequence[Media] = (),
        *,
        key: str | None = None,
        progress: ByteProgress | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Upload what is a file, and submit. `key`: an Idempotency-Key of yours, e.g. your order's id."""
        return self._run(partial(verbs.submit, ask=JobAsk(prompt, media, **options), key=key, progress=progress))

    def validate(self, prompt: str, media: Media | Sequence[Media] = (), **options: Unpack[JobOptions]) -> Validated:
        """Make a submit's checks and tell how the prompt is read; costs nothing. Media must be URLs or uploads."""
        return self._call(calls.validate(JobAsk(prompt, media, **options)))

    def wait(self, job_id: str, *, within_s: float | None = None, progress: JobProgress | None = None) -> Job:
        """Wait for a job's end, however it ends. Raises StillRunning after `within_s`, some seconds more or less."""
        return self._run(partial(verbs.wait, job_id=job_id, within_s=within_s, progress=progress))

    def events(self, job_id: str, *, after: str = "") -> Iterator[Event]:
        """Follow a job's events until its end, over as many connections as it takes; `after`: an event's id."""
        return self._iterate(partial(verbs.events, job_id=job_id, after=after))

    def history(self, job_id: str) -> Page[Event]:
        """List the events that a job has had."""
        return self._call(calls.job_history(job_id))

    def download(self, job_id: str, to: str | os.PathLike[str], *, progress: ByteProgress | None = None) -> Path:
        """Fetch a job's film, going on where an earlier attempt broke off. What is at `to` is replaced when it is whole.

        Raises NoFilm, NotFound, DownloadFailed, OSError.
        """
        return self._run(partial(film_download.download, job_id=job_id, path=Path(to), progress=progress))

    def upload(
        self,
        path: str | os.PathLike[str],
        *,
        filename: str | None = None,
        key: str | None = None,
        progress: ByteProgress | None = None,
    ) -> Upload:
        """Send a file, which jobs can name for a day after its last use."""
        return self._run(partial(verbs.upload, path=Path(path), filename=filename, key=key, progress=progress))

    def job(self, job_id: str) -> Job:
        return self._call(calls.read_job(job_id))

    def jobs(self, **filters: Unpack[JobFilters]) -> Iterator[Job]:
        """List jobs, newest first, page after page as they are taken."""
        page = partial(calls.list_jobs, limit=calls.MOST_ROWS, **filters)
        return self._iterate(partial(verbs.pages, page=page))

    def cancel(self, job_id: str) -> Job:
        """Ask for a job's end; what was charged stays charged."""
        return self._call(calls.cancel_job(job_id))

    def replay(self, job_id: str, *, start: Literal["start", "render"] = "start", key: str | None = None) -> Job:
        """Play an ended job again, as a new job; from `render` costs no credits."""
        return self._call_once(partial(calls.replay_job, job_id, start), key)

    def delete(self, job_id: str) -> Job:
        """Delete an ended job's prompt, media, film and reply. There is no way back."""
        return self._call(calls.delete_job(job_id))

    def timeline(self, job_id: str) -> Any:
        """Give the tracks after a job's edit."""
        return self._call(calls.job_timeline(job_id))

    def feed(self, *, after: str | None = None, trimmed: Callable[[], None] | None = None) -> Iterator[Event]:
        """List all events of the last 14 days, in order: what a receiver that was down reads to catch up.

        `trimmed` is called where some behind `after` may be gone: `jobs` then shows what was missed.
        """
        page = partial(calls.list_events, limit=calls.MOST_ROWS)
        return self._iterate(partial(verbs.pages, page=page, cursor=after, trimmed=trimmed))

    def credits(self) -> Credits:
        return self._call(calls.read_credits())

    def usage(self, month: str | None = None) -> Usage:
        """Give what a month (``2026-11``, UTC) came to."""
        return self._call(calls.read_usage(month))

    def profiles(self) -> tuple[Profile, ...]:
        return self._call(calls.list_profiles())


class Sessions(Caller):
    """Sessions: timelines that several jobs refine one after another."""

    def create(self, *, profile: str | None = None, language: str | None = None, key: str | None = None) -> Session:
        return self._call_once(partial(calls.create_session, profile, language), key)

    def list(self) -> Iterator[Session]:
        return self._iterate(partial(verbs.pages, page=partial(calls.list_sessions, limit=calls.MOST_ROWS)))

    def read(self, session_id: str) -> Session:
        return self._call(calls.read_session(session_id))

    def timeline(self, session_id: str) -> Any:
        return self._call(calls.session_timeline(session_id))

    def close(self, session_id: str) -> None:
        return self._call(calls.close_session(session_id))


class Batches(Caller):
    """Batches: many jobs at once, and one callback when all have ended."""

    def submit(
        self,
        asks: Sequence[JobAsk],
        *,
        session: Literal["separate", "shared"] = "separate",
        webhook: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Batch:
        """Upload what is a file, and submit all. Look at each of `items`: some may have been refused."""
        return self._run(partial(verbs.submit_batch, asks=asks, session=session, webhook=webhook, key=key))

    def list(self) -> Iterator[Batch]:
        return self._iterate(partial(verbs.pages, page=partial(calls.list_batches, limit=calls.MOST_ROWS)))

    def read(self, batch_id: str) -> Batch:
        return self._call(calls.read_batch(batch_id))

    def cancel(self, batch_id: str) -> Batch:
        """Cancel those of its jobs that have not ended."""
        return self._call(calls.cancel_batch(batch_id))


class Uploads(Caller):
    """Files that are kept for jobs; `Reelgate.upload` sends one."""

    def list(self) -> Iterator[Upload]:
        return self._iterate(partial(verbs.pages, page=partial(calls.list_uploads, limit=calls.MOST_ROWS)))

    def read(self, upload_id: str) -> Upload:
        return self._call(calls.read_upload(upload_id))

    def delete(self, upload_id: str) -> None:
        return self._call(calls.delete_upload(upload_id))


class Deliveries(Caller):
    """Callbacks that were sent."""

    def list(self, *, status: str = "dead") -> Iterator[Delivery]:
        page = partial(calls.list_deliveries, status=status, limit=calls.MOST_ROWS)
        return self._iterate(partial(verbs.pages, page=page))

    def of_job(self, job_id: str) -> Page[Delivery]:
        return self._call(calls.job_deliveries(job_id))

    def redeliver(self, delivery_id: str, *, key: str | None = None) -> Delivery:
        return self._call_once(partial(calls.redeliver, delivery_id), key)

    def redeliver_range(
        self,
        since: datetime,
        until: datetime | None = None,
        *,
        status: Literal["dead", "delivered"] = "dead",
        after: str | None = None,
        key: str | None = None,
    ) -> Redelivered:
        return self._call_once(partial(calls.redeliver_range, since, until, status, after), key)


class WebhookSettings(Caller):
    """The tenant's default callback target."""

    def read(self) -> Webhook:
        return self._call(calls.read_webhook())

    def set(self, url: str, events: Sequence[str] = ()) -> Webhook:
        return self._call(calls.set_webhook(url, events))

    def unset(self) -> None:
        """Have no default target any more; the signing secret stays."""
        self._call(calls.unset_webhook())

    def enable(self) -> Webhook:
        return self._call(calls.enable_webhook())

    def rotate_secret(self) -> NewSecret:
        """Make a new signing secret; both are valid for a day. Never repeated by itself."""
        return self._call(calls.rotate_secret())

    def test(self, *, key: str | None = None) -> TestedWebhook:
        return self._call_once(calls.test_webhook, key)
