"""A job's way from files to a film, as the command line goes it; at each point it knows how to go on from there."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click

from reelgate.client import (
    DownloadFailed,
    Job,
    NoAnswer,
    NoFilm,
    NotAuthorized,
    Reelgate,
    ReelgateError,
    Refused,
    StillRunning,
    require_success,
)
from reelgate.client.calls import JobOptions, new_key, upload_key
from reelgate.client.errors import is_gone
from reelgate.client.types import Profile, Upload
from service.cli.formatting import expectation_of, print_result
from service.cli.options import JobWish, command_again
from service.cli.preflight import Words, check_files
from service.cli.printing import Teller
from service.cli.progress import bytes_bar, job_bar
from service.cli.terminal import print_json

#: the API may be away for so long while a job runs there, or its film waits
JOB_PATIENCE_S = 120.0


class JobRun:
    """One job on its way; `log` is told where it is."""

    def __init__(self, reelgate: Reelgate, log: "Log") -> None:
        self._reelgate = reelgate
        self._log = log
        self.teller = log.teller

    def begin(self, words: Words, wish: JobWish, options: JobOptions) -> Job:
        """Check what only the API knows, upload, and submit."""
        self._check(words, wish)
        key = wish.idempotency_key or new_key()
        uploads = {file: self._upload(file, key) for file in dict.fromkeys(words.files)}
        media = [each if "://" in each else uploads[Path(each)] for each in words.media]
        job = self._made(lambda key: self._reelgate.submit(words.prompt, media, key=key, **options), key)
        self._log.accepted(job)
        return job

    def replay(self, job_id: str, start: Literal["start", "render"], key: str | None) -> Job:
        """Have an ended job played again."""
        job = self._made(lambda key: self._reelgate.replay(job_id, start=start, key=key), key or new_key())
        self._log.goes_on(job.id)
        return job

    def _made(self, make: Callable[[str], Job], key: str) -> Job:
        """Have a job made; whether it was is not known where the answer is lost, and it may cost credits."""
        self._log.submits(key)
        try:
            return make(key)
        except ReelgateError as error:
            self._log.at = "submitting" if error.maybe_done else "checking"
            raise

    def _check(self, words: Words, wish: JobWish) -> None:
        """See that the API answers, and takes this skill, these sizes and this session."""
        try:
            largest_bytes = largest_of(self._reelgate.profiles(), wish.profile)
            check_files(words.files, largest_bytes=largest_bytes)
            # under a key the job may be there already, and its session closed
            if wish.session_id and not wish.idempotency_key:
                self._reelgate.sessions.read(wish.session_id)
        except NotAuthorized as refused:
            if refused.code != "scope_missing":  # a key that may only submit looks at nothing, and submits all the same
                raise

    def _upload(self, file: Path, key: str) -> Upload:
        """Send a file; `key`: that of its job, under which the same file is the same upload again."""
        with bytes_bar(f"uploading {file.name}", self._log.teller) as bar:
            return self._reelgate.upload(file, key=upload_key(key, file), progress=bar.bytes_done)

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Follow a job to its end, however it ends."""
        self._log.goes_on(job_id)
        with job_bar(self._log.teller) as bar:
            try:
                job = self._reelgate.wait(job_id, within_s=timeout_s, progress=bar.job)
            except Refused as refused:
                if is_gone(refused):
                    self._log.at = "ended"
                raise
        self._log.ended(job)
        return job

    def follow(self, job: Job, *, timeout_s: float | None) -> Job:
        """Wait for a job that this command has made. Raises StillRunning also where the API is lost over it: whoever is told
        to run the command again has a second job, and pays for it.
        """
        try:
            return self.wait(job.id, timeout_s=timeout_s)
        except (NoAnswer, Refused) as away:
            if is_gone(away) or not away.retryable:
                raise
            raise StillRunning(job.id) from away

    def download(self, job: Job, output: Path | None) -> None:
        """Fetch a film to `output`, or to a file named after the job.

        Raises DownloadFailed whatever keeps it from coming, since it is there, and paid for; NotFound or NoFilm where it is not.
        """
        path = output or Path(film_name(job))
        self._log.at = "downloading"
        try:
            with bytes_bar(f"downloading {path.name}", self._log.teller) as bar:
                self._reelgate.download(job.id, path, progress=bar.bytes_done)
        except (NoAnswer, NoFilm, Refused) as why:
            if isinstance(why, NoFilm) or is_gone(why):
                self._log.at = "ended"
                raise
            raise DownloadFailed(job.id, path, str(why)) from why
        except OSError as why:
            raise DownloadFailed(job.id, path, f"{why.filename or path}: {why.strerror or why}") from why
        self._log.saved(path)


class Log:
    """Says what happens, and what to do where it ends: Ctrl-C, an API that is away, a disk that is full."""

    def __init__(self, output: Path | None, *, quiet: bool, key: str | None = None) -> None:
        self.at = "checking"
        self.teller = Teller(err=quiet)
        self._output = output
        self._job_id = ""
        self._key = self._given_key = key or ""

    def submits(self, key: str) -> None:
        self._key, self.at = key, "submitting"

    def accepted(self, job: Job) -> None:
        self.goes_on(job.id)
        self.teller.say(f"{job.id} is {job.status}")
        if job.estimate:
            self.teller.say(f"expected: {expectation_of(job.estimate)}")
        for hint in job.hints:
            self.teller.say(f"hint: {hint}")

    def goes_on(self, job_id: str) -> None:
        self._job_id, self.at = job_id, "waiting"

    def ended(self, job: Job) -> None:
        self._job_id, self.at = job.id, "ended"

    def saved(self, path: Path) -> None:
        self.at = "ended"
        self.teller.say(f"saved {path}")

    def advice(self) -> list[str]:
        """Say what goes on without this command, and how to go on with it."""
        at = "checking again" if self.at == "checking" and self._given_key else self.at
        return advice(at, self._job_id, self._output, key=self._key)


def advice(at: str, job_id: str, output: Path | None, *, key: str = "") -> list[str]:
    """Say what to do where a command ended `at` a point of its way. `key`: the Idempotency-Key of what it was to make."""
    to = f" -o {shlex.quote(str(output))}" if output else ""
    match at:
        case "checking":
            return ["Nothing was submitted, and nothing is charged."]
        case "checking again":  # whoever gives a key may have run it before, and not know what came of that
            return [
                "Nothing was submitted by this command. What one before it may have made under its key goes on, and is charged;",
                f"  to see it: {command_again('list')}",
            ]
        case "submitting":
            return [
                f"Whether it was submitted is not known; to see it: {command_again('list')}",
                f"  The same command with --idempotency-key {shlex.quote(key)} goes on with it, and makes no second job.",
            ]
        case "waiting":
            return [
                f"{job_id} goes on without you.",
                f"  to go on:   {command_again(f'wait {job_id}{to}')}",
                f"  to cancel:  {command_again(f'cancel {job_id}')}",
            ]
        case "downloading":
            return [f"The film is kept by the service; to fetch it: {command_again(f'download {job_id}{to}')}"]
    return []


def largest_of(profiles: tuple[Profile, ...], wanted: str | None) -> int | None:
    """Tell how large a file may be, in bytes. Raises ClickException where there is no such profile."""
    if wanted and wanted not in {profile.name for profile in profiles}:
        raise click.ClickException(f"there is no profile {wanted}; there are {', '.join(p.name for p in profiles)}")
    sizes = [profile.max_bytes for profile in profiles if wanted in (None, profile.name)]
    return max((size for size in sizes if size is not None), default=None)


def finish(run: JobRun, job: Job, output: Path | None, *, as_json: bool) -> None:
    """Say how a job ended, and fetch its film.

    Raises JobNotDone, DownloadFailed, OSError where words were lost, and ClickException where a place was named for a film that
    there is not: whatever comes next in a script would look for it.
    """
    teller = run.teller
    teller.attempt(lambda: print_json(job) if as_json else print_result(job), on=sys.stdout)
    require_success(job)
    if job.output:
        run.download(job, output)
    elif output:
        raise click.ClickException(f"{job.id} {job.status} and has no film, so {output} is not written")
    teller.own_up()


def film_name(job: Job) -> str:
    """Name a film after its job; it stays in this folder, whatever a server says."""
    ending = job.output.format if job.output else "mp4"
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{job.id}.{ending}").lstrip(".")
