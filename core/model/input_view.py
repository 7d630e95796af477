"""What a job was asked for, as the callers who read the job get it back.

Pure. It is in answers alone: events and callbacks stay small, and repeat no prompt.
"""

from urllib.parse import urlsplit

from core.model.job import Job, MediaRef, Webhook
from core.model.plan import Output
from core.model.view import View


# Comments that begin with "#:" are shown to callers.
class MediaView(View, kw_only=True):
    """One file that a job was given."""

    #: Its URL as you gave it; null for an upload.
    url: str | None
    #: The upload of yours that it is; null for a URL. It may be gone by now.
    upload_id: str | None
    #: What the backend is told that it is called.
    name: str
    #: Its size in bytes; null for a URL, whose size is known to the backend alone.
    size_bytes: int | None


class JobWebhookView(View, kw_only=True):
    """Where the callbacks of a job of its own go."""

    #: The URL without its query, in which tokens often stand.
    url: str
    #: The types that it is told of; empty: the four ends.
    events: tuple[str, ...]


class InputView(View, kw_only=True):
    """What the job was asked for, with what was absent filled in."""

    #: The prompt as sent.
    prompt: str
    #: Its files, in order; without those that its session had before.
    media: tuple[MediaView, ...]
    #: What it shall deliver, as read from the request and the prompt.
    output: Output
    #: The webhook that it was given; null: its callbacks go to the tenant's default.
    webhook: JobWebhookView | None
    #: The language that was asked for, of it or of its session; null: none was.
    language: str | None
    #: The most credits that its message might cost; null: no limit of its own.
    max_credits: int | None
    #: Seconds that it might wait for its start.
    start_timeout_s: int
    #: Seconds that it might take from its start.
    timeout_s: int
    #: Seconds for which it is kept after its end.
    retention_s: int


def input_view(job: Job) -> InputView | None:
    """Show what a job was asked for. None where its data was removed."""
    if job.data_removed:
        return None
    return InputView(
        prompt=job.prompt,
        media=tuple(_media(file) for file in job.media),
        output=job.output_ask,
        webhook=_webhook(job.webhook) if job.webhook else None,
        language=job.language,
        max_credits=job.max_credits,
        start_timeout_s=job.start_timeout_s,
        timeout_s=job.timeout_s,
        retention_s=job.retention_s,
    )


def _media(file: MediaRef) -> MediaView:
    return MediaView(url=file.url, upload_id=file.upload_id, name=file.name, size_bytes=file.size_bytes)


def _webhook(webhook: Webhook) -> JobWebhookView:
    return JobWebhookView(url=without_query(webhook.url), events=webhook.events)


def without_query(url: str) -> str:
    """Show where callbacks go to whoever may read: what is secret about a URL stands in its query."""
    return urlsplit(url)._replace(query="", fragment="").geturl()
