"""What goes wrong, as exceptions: one class for each family of codes, with the code in `.code`.

```
ReelgateError           each with `.maybe_done`, and `.idempotency_key` where a call makes something
  NoAnswer              the API cannot be reached, or broke off; `.retryable`
  Refused               the API answered with a problem: `.status`, `.code`, `.retryable`, `.problem`, `.retry_after_s`
    NotAuthorized       the key is unknown, or lacks a scope; a link is not good any more
    NotFound            there is no such thing (any more)
    NotPossibleNow      the present state does not allow it
    MediaRefused        a file has the wrong format or size, or is needed and missing
    InvalidRequest      something in the request is wrong; `.problem.errors` says what
    LimitReached        too many submits, jobs, sessions or credits
    WrongCell           it belongs to another cell of the service
    Unavailable         the service's own trouble
  JobNotDone            a job ended otherwise than well: `.job`, `.code`, `.problem`, `.retryable`
    JobFailed, JobCanceled, JobExpired
  StillRunning          `wait` was told to end sooner, or `run` lost sight of its job: `.job_id`
  NoFilm                the job has none: `.job`
  DownloadFailed        the film is there and did not come: `.job_id`, `.path`
  BadSignature          a callback is not from whom it says
```
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from reelgate.client.types import Job, Problem


class ReelgateError(Exception):
    """Whatever the client raises by itself."""

    #: what happened, for programs
    code: str = ""
    #: the HTTP status; None: there was no answer, or it is not about one
    status: int | None = None
    #: whether the same call may succeed later, unchanged
    retryable: bool = False
    problem: Problem | None = None
    #: whether the call may have been carried out all the same, by this attempt or one before
    maybe_done: bool = False
    #: what the call was made under, where it makes something: the same call under it does nothing twice
    idempotency_key: str | None = None

    def __reduce__(self) -> tuple[Callable[..., "ReelgateError"], tuple[Any, ...]]:
        """Let it be pickled, as pools of processes and task queues do, though its arguments are not its words."""
        return _restored, (type(self), self.args, vars(self))


def _restored(kind: type[ReelgateError], args: tuple[Any, ...], facts: Mapping[str, Any]) -> ReelgateError:
    error = kind.__new__(kind, *args)
    vars(error).update(facts)
    return error


class NoAnswer(ReelgateError):
    """The API did not answer. Repeat the call with the same Idempotency-Key, `.idempotency_key`."""

    code = "no_answer"

    def __init__(self, words: str, *, retryable: bool = True) -> None:
        super().__init__(words)
        self.retryable = retryable


class Refused(ReelgateError):
    """The API refused the call."""

    problem: Problem
    status: int

    def __init__(self, problem: Problem, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(problem.detail or problem.title or f"status {status}")
        self.problem = problem
        self.status = status
        self.code = problem.code
        self.retryable = problem.retryable
        #: how long the API asks to be left alone
        self.retry_after_s = retry_after_s


class NotAuthorized(Refused):
    """The key may not do this."""


class NotFound(Refused):
    """There is no such thing, or it is another tenant's."""


def is_gone(error: Exception) -> bool:
    """Whether the API itself says that there is no such thing: the 404 of a proxy on the way says nothing of it."""
    return isinstance(error, NotFound) and error.code == "not_found"


class NotPossibleNow(Refused):
    """The present state does not allow it."""


class MediaRefused(Refused):
    """A file is not taken, or one is needed."""


class InvalidRequest(Refused):
    """Something in the request is wrong."""


class LimitReached(Refused):
    """A limit of the key or the tenant is reached."""


class WrongCell(Refused):
    """It belongs to another cell of the service."""


class Unavailable(Refused):
    """The service's own trouble; nothing is wrong with the request."""


#: each code's family; one that is not here yet is told by its status
FAMILIES: Mapping[type[Refused], frozenset[str]] = MappingProxyType(
    {
        NotAuthorized: frozenset({"unauthorized", "scope_missing", "link_expired"}),
        NotFound: frozenset({"not_found"}),
        NotPossibleNow: frozenset(
            {"conflict", "not_ended", "being_sent", "in_progress", "session_lost", "not_available", "not_uploaded"}
        ),
        MediaRefused: frozenset({"media_too_large", "unsupported_media", "media_needed", "storage_full"}),
        InvalidRequest: frozenset(
            {"malformed_request", "malformed_json", "method_not_allowed", "too_large", "uri_too_long", "too_long"}
            | {"unsupported_media_type", "precondition_failed", "range_not_satisfiable", "invalid", "invalid_value"}
            | {
                "missing_field",
                "unknown_field",
                "repeated_field",
                "too_many",
                "unknown_profile",
                "url_too_long",
                "url_malformed",
            }
            | {"user_info_not_allowed", "address_not_allowed", "host_not_allowed", "scheme_not_allowed"}
            | {"port_not_allowed", "idempotency_key_reused", "headers_too_large"}
        ),
        LimitReached: frozenset({"rate_limited", "queue_full", "too_many_sessions", "budget_exceeded"}),
        WrongCell: frozenset({"misdirected"}),
        Unavailable: frozenset({"internal", "unavailable", "overloaded", "record_unreadable", "request_timeout"}),
    }
)
_BY_STATUS: Mapping[int, type[Refused]] = MappingProxyType(
    {401: NotAuthorized, 403: NotAuthorized, 404: NotFound, 408: Unavailable, 409: NotPossibleNow, 421: WrongCell}
    | {429: LimitReached}
)
_SERVER_ERRORS = 500


def refusal(problem: Problem, *, status: int, retry_after_s: float | None = None) -> Refused:
    """Make the exception of a problem."""
    family = next((family for family, codes in FAMILIES.items() if problem.code in codes), None)
    by_status = Unavailable if status >= _SERVER_ERRORS else _BY_STATUS.get(status, InvalidRequest)
    return (family or by_status)(problem, status=status, retry_after_s=retry_after_s)


class JobNotDone(ReelgateError):
    """A job ended otherwise than well."""

    words: ClassVar[str] = "The job ended otherwise than well."

    def __init__(self, job: Job) -> None:
        self.job = job
        self.problem = job.error
        self.code = job.error.code if job.error else job.status
        self.retryable = job.error.retryable if job.error else False
        told = f"{job.error.detail} {job.error.hint}".strip() if job.error else self.words
        super().__init__(f"{job.id}: {told}")


class JobFailed(JobNotDone):
    """It failed: `.code` says why, `.problem.hint` what to do, `.job.credits_used` what it has cost."""

    words = "The job failed."
    problem: Problem

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.problem = job.error or Problem(code=self.code)


class JobCanceled(JobNotDone):
    """Somebody cancelled it. What was charged by then stays charged."""

    words = "The job was cancelled."


class JobExpired(JobNotDone):
    """It never started within its `start_timeout_s`. Nothing was charged."""

    words = "The job did not start in time; nothing was charged."


_BY_END: Mapping[str, type[JobNotDone]] = MappingProxyType(
    {"failed": JobFailed, "canceled": JobCanceled, "expired": JobExpired}
)


def require_success(job: Job) -> Job:
    """Give the job back if it succeeded. Raises JobNotDone."""
    if job.status == "succeeded":
        return job
    raise _BY_END.get(job.status, JobNotDone)(job)


class StillRunning(ReelgateError):
    """The job goes on: it was waited for as long as was asked, or the API is away. Wait for it again by its id."""

    code = "still_running"
    retryable = True

    def __init__(self, job_id: str) -> None:
        super().__init__(f"{job_id} goes on.")
        self.job_id = job_id


class NoFilm(ReelgateError):
    """The job has no film: it has not ended, asked for none, or its film is deleted."""

    code = "no_film"

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job.id} has no film: it is {job.status}.")
        self.job = job


class DownloadFailed(ReelgateError):
    """The job succeeded, and its film did not come. Download it again: what came is kept, and gone on from."""

    code = "download_failed"
    retryable = True

    def __init__(self, job_id: str, path: Path, why: str) -> None:
        super().__init__(f"The film of {job_id} is there, and could not be downloaded: {why}")
        self.job_id = job_id
        self.path = path


class BadSignature(ReelgateError):
    """What came was not signed with this secret, or long ago. Answer 401 and do nothing."""

    code = "bad_signature"
