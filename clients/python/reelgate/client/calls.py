"""The API's calls as data: what is sent, and how its answer is read. Pure; nothing here is sent."""

import errno
import hashlib
import os
import re
import stat
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import msgspec

from reelgate.client.answers import read_as, read_json, read_nothing
from reelgate.client.effects import SILENCE_S, Answer, ByteProgress, FileBody, Request
from reelgate.client.types import (
    Batch,
    Credits,
    Delivery,
    Event,
    Job,
    NewSecret,
    Page,
    Profile,
    Profiles,
    Redelivered,
    Session,
    TestedWebhook,
    Upload,
    Usage,
    Validated,
    Webhook,
)

T = TypeVar("T")

#: rows on a page of a list, at most
MOST_ROWS = 100
_KEY = re.compile(r"[!-~]{1,255}")
_GONE = {"not_found": Answer(204)}

#: a file to edit: a path, a URL, an upload's id, or an upload
Media = str | os.PathLike[str] | Upload


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call: a request, and the reader of its answer."""

    request: Request
    read: Callable[[Answer], T]
    #: what an attempt was answered whose answer was lost, by the code with which the next one is refused since it is done
    once_done: Mapping[str, Answer] = field(default_factory=dict)


class JobOptions(TypedDict, total=False):
    """What a job can be asked for besides its prompt and media, as in the document; left out: the API's default."""

    profile: str
    session_id: str
    language: str
    output: Mapping[str, Any]
    webhook: Mapping[str, Any]
    metadata: Mapping[str, str]
    priority: int
    max_credits: int
    start_timeout_s: int
    timeout_s: int
    retention_s: int


class JobFilters(TypedDict, total=False):
    """Which jobs to list; several filters must all match."""

    status: str
    session_id: str
    profile: str
    batch_id: str
    #: inclusive
    created_after: datetime
    #: exclusive
    created_before: datetime
    metadata: Mapping[str, str]


class JobAsk:
    """A job as it is asked for."""

    def __init__(self, prompt: str, media: Media | Sequence[Media] = (), **options: Unpack[JobOptions]) -> None:
        self.prompt = prompt
        self.media = [media] if isinstance(media, str | os.PathLike | Upload) else list(media)
        self.options = options

    def body(self) -> dict[str, Any]:
        """Write the request's body. Raises ValueError for a file that was not uploaded."""
        return {"prompt": self.prompt, "media": [media_source(each) for each in self.media], **self.options}

    def with_media(self, media: Sequence[Media]) -> "JobAsk":
        return JobAsk(self.prompt, media, **self.options)


def new_key() -> str:
    """Make an Idempotency-Key."""
    return str(uuid.uuid4())


def checked_key(key: str) -> str:
    """Look that an Idempotency-Key is one; another in its place would make the same thing twice. Raises ValueError."""
    if not _KEY.fullmatch(key):
        raise ValueError("an Idempotency-Key has 1 to 255 visible ASCII characters")
    return key


def key_of(request: Request) -> str | None:
    """Give the Idempotency-Key that a request is made under."""
    quoted = request.headers.get("idempotency-key")
    return quoted[1:-1] if quoted else None


def upload_key(key: str, path: Path) -> str:
    """Make the key of a file's upload of that of its job: the same file for the same job is the same upload.

    So a job that is submitted again under its key, by a process that knows no more than that, has the same body again.
    Raises OSError.
    """
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(msgspec.json.encode([key, os.fsencode(path.name).hex(), content])).hexdigest()


def file_of(media: Media) -> Path | None:
    """Give the file that must be uploaded before a job can name it; None: it is a URL or an upload already."""
    if isinstance(media, Upload) or (isinstance(media, str) and ("://" in media or media.startswith("upl_"))):
        return None
    return Path(media)


def media_source(media: Media) -> dict[str, str]:
    """Write what is no file (any more) as a job names it. Raises ValueError for a file."""
    if isinstance(media, Upload):
        return {"upload_id": media.id}
    if file_of(media):
        raise ValueError(f"{media} is a file: upload it first, or give its URL")
    return {"url" if "://" in str(media) else "upload_id": str(media)}


def submit(ask: JobAsk, *, key: str) -> Call[Job]:
    return Call(_post("/v1/jobs", ask.body(), key=key), read_as(Job))


def validate(ask: JobAsk) -> Call[Validated]:
    return Call(_post("/v1/jobs:validate", ask.body()), read_as(Validated))


def read_job(job_id: str, *, silence_s: float = SILENCE_S) -> Call[Job]:
    return Call(Request("GET", _job(job_id), silence_s=silence_s), read_as(Job))


def list_jobs(*, limit: int | None = None, after: str | None = None, **filters: Unpack[JobFilters]) -> Call[Page[Job]]:
    """What is no filter goes along, too, and is refused: left out, it would list all jobs."""
    metadata = filters.pop("metadata", {})
    asked = {name: _time(value) if isinstance(value, datetime) else str(value) for name, value in filters.items()}
    named = {f"metadata[{name}]": value for name, value in metadata.items()}
    return Call(_get("/v1/jobs", asked | named | _page(limit, after)), read_as(Page[Job]))


def cancel_job(job_id: str) -> Call[Job]:
    return Call(_post(f"{_job(job_id)}/cancel"), read_as(Job))


def replay_job(job_id: str, start: Literal["start", "render"], *, key: str) -> Call[Job]:
    return Call(_post(f"{_job(job_id)}/replay", {"from": start}, key=key), read_as(Job))


def delete_job(job_id: str) -> Call[Job]:
    return Call(Request("DELETE", _job(job_id)), read_as(Job))


def job_timeline(job_id: str) -> Call[Any]:
    return Call(_get(f"{_job(job_id)}/timeline"), read_json)


def job_deliveries(job_id: str) -> Call[Page[Delivery]]:
    return Call(_get(f"{_job(job_id)}/deliveries"), read_as(Page[Delivery]))


def job_history(job_id: str) -> Call[Page[Event]]:
    request = Request("GET", f"{_job(job_id)}/events", headers={"accept": "application/json"})
    return Call(request, read_as(Page[Event]))


def event_stream(job_id: str, *, last_id: str, silence_s: float) -> Request:
    headers = {"accept": "text/event-stream"} | ({"last-event-id": last_id} if last_id else {})
    return Request("GET", f"{_job(job_id)}/events", headers=headers, silence_s=silence_s)


def film_bytes(job_id: str, *, have_bytes: int) -> Request:
    """Ask for a film from where a part of it ends.

    Without `If-Range`: a job's film is made once, and another server, to which the API may lead, knows it by another name.
    With the key, and not by the signed link, which works for whoever reads it: httpx logs the URLs that it asks for.
    """
    part = {"range": f"bytes={have_bytes}-"} if have_bytes else {}
    headers = {"accept-encoding": "identity"} | part
    return Request("GET", f"{_job(job_id)}/output", headers=headers, follows=True)


def upload(body: FileBody, filename: str, *, key: str) -> Call[Upload]:
    headers = {"content-type": "application/octet-stream", "content-length": str(body.size_bytes)} | _named(key)
    request = Request("POST", "/v1/uploads", params=(("filename", filename),), headers=headers, body=body)
    return Call(request, read_as(Upload))


def list_uploads(*, limit: int | None = None, after: str | None = None) -> Call[Page[Upload]]:
    return Call(_get("/v1/uploads", _page(limit, after)), read_as(Page[Upload]))


def read_upload(upload_id: str) -> Call[Upload]:
    return Call(_get(f"/v1/uploads/{_segment(upload_id)}"), read_as(Upload))


def delete_upload(upload_id: str) -> Call[None]:
    return Call(Request("DELETE", f"/v1/uploads/{_segment(upload_id)}"), read_nothing, once_done=_GONE)


def create_session(profile: str | None, language: str | None, *, key: str) -> Call[Session]:
    asked = {name: value for name, value in (("profile", profile), ("language", language)) if value is not None}
    return Call(_post("/v1/sessions", asked, key=key), read_as(Session))


def list_sessions(*, limit: int | None = None, after: str | None = None) -> Call[Page[Session]]:
    return Call(_get("/v1/sessions", _page(limit, after)), read_as(Page[Session]))


def read_session(session_id: str) -> Call[Session]:
    return Call(_get(f"/v1/sessions/{_segment(session_id)}"), read_as(Session))


def session_timeline(session_id: str) -> Call[Any]:
    return Call(_get(f"/v1/sessions/{_segment(session_id)}/timeline"), read_json)


def close_session(session_id: str) -> Call[None]:
    return Call(Request("DELETE", f"/v1/sessions/{_segment(session_id)}"), read_nothing, once_done=_GONE)


def submit_batch(
    asks: Sequence[JobAsk], session: Literal["separate", "shared"], webhook: Mapping[str, Any] | None, *, key: str
) -> Call[Batch]:
    body = {"jobs": [ask.body() for ask in asks], "session": session} | ({"webhook": webhook} if webhook else {})
    return Call(_post("/v1/batches", body, key=key), read_as(Batch))


def list_batches(*, limit: int | None = None, after: str | None = None) -> Call[Page[Batch]]:
    return Call(_get("/v1/batches", _page(limit, after)), read_as(Page[Batch]))


def cancel_batch(batch_id: str) -> Call[Batch]:
    return Call(_post(f"/v1/batches/{_segment(batch_id)}/cancel"), read_as(Batch))


def read_batch(batch_id: str) -> Call[Batch]:
    return Call(_get(f"/v1/batches/{_segment(batch_id)}"), read_as(Batch))


def list_deliveries(
    *, status: str = "dead", limit: int | None = None, after: str | None = None
) -> Call[Page[Delivery]]:
    return Call(_get("/v1/deliveries", {"status": status} | _page(limit, after)), read_as(Page[Delivery]))


def redeliver(delivery_id: str, *, key: str) -> Call[Delivery]:
    """Where its first attempt got through and nobody was told, no more than its id and its status are known."""
    request = _post(f"/v1/deliveries/{_segment(delivery_id)}/redeliver", key=key)
    sent = Answer(202, body=msgspec.json.encode({"id": delivery_id, "status": "pending"}))
    return Call(request, read_as(Delivery), once_done={"being_sent": sent})


def redeliver_range(
    since: datetime, until: datetime | None, status: str, after: str | None, *, key: str
) -> Call[Redelivered]:
    body = {"since": _time(since), "status": status} | ({"until": _time(until)} if until else {})
    body |= {"after": after} if after else {}
    return Call(_post("/v1/deliveries:redeliver", body, key=key), read_as(Redelivered))


def list_events(*, limit: int | None = None, after: str | None = None) -> Call[Page[Event]]:
    return Call(_get("/v1/events", _page(limit, after)), read_as(Page[Event]))


def read_credits() -> Call[Credits]:
    return Call(_get("/v1/credits"), read_as(Credits))


def read_usage(month: str | None) -> Call[Usage]:
    return Call(_get("/v1/usage", {"month": month}), read_as(Usage))


def list_profiles() -> Call[tuple[Profile, ...]]:
    return Call(_get("/v1/profiles"), lambda answer: read_as(Profiles)(answer).data)


def read_webhook() -> Call[Webhook]:
    return Call(_get("/v1/webhook"), read_as(Webhook))


def set_webhook(url: str, events: Sequence[str]) -> Call[Webhook]:
    return Call(_with_json("PUT", "/v1/webhook", {"url": url, "events": list(events)}), read_as(Webhook))


def unset_webhook() -> Call[None]:
    return Call(Request("DELETE", "/v1/webhook"), read_nothing)


def enable_webhook() -> Call[Webhook]:
    return Call(_post("/v1/webhook:enable"), read_as(Webhook))


def rotate_secret() -> Call[NewSecret]:
    """Not repeated: each call makes another secret, and the one that was not seen would be the valid one."""
    return Call(Request("POST", "/v1/webhook:rotate-secret", repeatable=False), read_as(NewSecret))


def test_webhook(*, key: str) -> Call[TestedWebhook]:
    return Call(_post("/v1/webhook:test", key=key), read_as(TestedWebhook))


def file_name(path: Path) -> str:
    """Give a file's name as the API takes it; what is no UTF-8 in it is replaced."""
    return os.fsencode(path.name).decode(errors="replace")


def file_body(path: Path, progress: ByteProgress | None) -> FileBody:
    """Look how large a file is. Raises OSError, also for what is no file: a pipe would be waited for without an end."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is no file", str(path))
    return FileBody(path, found.st_size, progress, found.st_mtime_ns)


def _get(path: str, params: Mapping[str, str | None] | None = None) -> Request:
    given = tuple((name, value) for name, value in (params or {}).items() if value is not None)
    return Request("GET", path, params=given)


def _post(path: str, body: Any = None, *, key: str | None = None) -> Request:
    """Make a POST that is safe to repeat: by its key, or because doing it twice is doing it once."""
    if body is None:
        return Request("POST", path, headers=_named(key))
    return _with_json("POST", path, body, key=key)


def _with_json(method: str, path: str, body: Any, *, key: str | None = None) -> Request:
    headers = {"content-type": "application/json"} | _named(key)
    return Request(method, path, headers=headers, body=msgspec.json.encode(body))


def _named(key: str | None) -> dict[str, str]:
    return {} if key is None else {"idempotency-key": f'"{checked_key(key)}"'}


def _job(job_id: str) -> str:
    return f"/v1/jobs/{_segment(job_id)}"


def _segment(value: str) -> str:
    """Make an id a path's segment; a caller may have got it from anywhere."""
    if not value.strip("."):
        raise ValueError(f"{value!r} is no id")
    return quote(value, safe="")


def _page(limit: int | None, after: str | None) -> dict[str, str | None]:
    return {"limit": None if limit is None else str(limit), "after": after}


def _time(at: datetime | None) -> str | None:
    """Write a time with its offset; one without is this machine's."""
    return at.astimezone().isoformat() if at else None
