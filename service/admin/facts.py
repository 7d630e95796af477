"""What operators are shown of jobs and deliveries: ids, times and codes. Content stands in `content_of` alone. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from core.clock import rfc3339
from core.errors import WaitReason
from core.events.delivery import Delivery
from core.model.job import Job, Webhook

Facts = dict[str, Any]


def time_of(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)


def job_line(job: Job, wait: WaitReason | None) -> Facts:
    """Say of a job what a list of many has room for. `wait`: why it waits right now."""
    return {
        "id": job.id,
        "status": str(job.status),
        "stage": job.stage and str(job.stage),
        "wait": wait and str(wait),
        "tenant": job.tenant,
        "code": str(job.error.code) if job.error else None,
        "profile": job.profile,
        "created_at": rfc3339(job.created_at_ms),
        "finished_at": time_of(job.finished_at_ms),
        "credits_used": job.credits_used,
    }


def job_facts(job: Job) -> Facts:
    """Say all of a job that its record tells and that is no caller's content."""
    return {
        "attempts": job.attempts,
        "tries": job.tries,
        "session_id": job.session_id,
        "parent_id": job.parent_id,
        "batch_id": job.batch_id,
        "request_id": job.request_id,
        "priority": job.priority,
        "media": len(job.media),
        "action": job.plan.action,
        "webhook_host": host_in(job.webhook.url) if job.webhook else None,
        "started_at": time_of(job.started_at_ms),
        "stage_since": time_of(job.stage_since_ms) if not job.ended else None,
        "start_by": None if job.started_at_ms or job.ended else rfc3339(job.start_by_ms),
        "deadline": rfc3339(job.deadline_ms) if job.started_at_ms and not job.ended else None,
        "waits_until": time_of(job.wait.until_ms) if job.wait else None,
        "cancel_requested_at": time_of(job.cancel_requested_at_ms),
        "message_sent_at": time_of(job.sent.at_ms) if job.sent else None,
        "render": job.render.id if job.render else None,
        "credits_exact": job.credits_exact if job.credits_used is not None else None,
        "max_credits": job.max_credits,
        "output": _output(job),
        "data_removed": job.data_removed,
    }


def _output(job: Job) -> Facts | None:
    if job.output is None:
        return None
    return {
        "format": job.output.format,
        "size_bytes": job.output.size_bytes,
        "duration_s": job.output.duration_s,
        "expires_at": rfc3339(job.output.expires_at_ms),
    }


def content_of(job: Job) -> Facts:
    """Show a caller's content. URLs come without their query, which often holds what opens them."""
    return {
        "prompt": job.prompt,
        "media": [{"name": each.name, "url": bare(each.url), "upload_id": each.upload_id} for each in job.media],
        "webhook": _webhook(job.webhook) if job.webhook else None,
        "metadata": job.metadata,
        "reply": job.reply,
        "changes": job.changes,
        "timeline": job.timeline,
        "result": job.result,
        "error": job.error.detail if job.error else None,
    }


def _webhook(webhook: Webhook) -> Facts:
    return {"url": bare(webhook.url), "events": webhook.events}


def delivery_facts(delivery: Delivery, default_url: str | None) -> Facts:
    """Say what became of a callback. `default_url`: where its tenant's go that name none."""
    last = delivery.attempts[-1] if delivery.attempts else None
    url = delivery.url or default_url
    return {
        "id": delivery.id,
        "status": str(delivery.state),
        "type": delivery.type,
        "tenant": delivery.tenant,
        "job_id": delivery.job_id,
        "host": host_in(url) if url else None,
        "attempts": len(delivery.attempts),
        "last_status": last.status if last else None,
        "last_error": last.error if last else None,
        "last_at": time_of(last.at_ms) if last else None,
        "why": delivery.why,
        "next_at": time_of(delivery.next_at_ms),
        "created_at": rfc3339(delivery.created_at_ms),
    }


def host_in(url: str) -> str | None:
    """Name a URL's host. None for what is no URL."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def bare(url: str | None) -> str | None:
    """Take out of a URL what may open it: its query, its fragment, and who logs in."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def state_words(line: Mapping[str, Any]) -> str:
    """Write where a job stands in a table's cell: ``running rendering, waits: backend_down``."""
    words = " ".join(filter(None, (line["status"], line["stage"])))
    return f"{words}, waits: {line['wait']}" if line["wait"] else words
