"""Commits of those who hold no lease: the API's cancel, and the sweeper's expiry."""

from collections.abc import Awaitable, Callable

from core.events.event import event
from core.model.job import Job
from core.model.webhook import TenantWebhook
from core.store.audit import AuditEntry
from core.store.jobs.records import DefaultWebhookChanged, Jobs

#: reads a tenant's default webhook, and as it is stored (`core.store.tenants.webhooks`)
ReadDefault = Callable[[str], Awaitable[tuple[TenantWebhook | None, bytes]]]


async def commit_unheld(
    jobs: Jobs,
    old: Job,
    new: Job,
    *,
    read_default: ReadDefault,
    public_url: str,
    now_ms: int,
    audit: AuditEntry | None = None,
) -> Job:
    """Cancel or expire a job, and tell of it by the default webhook that stands there in that moment.

    Raises LeaseLost where somebody else has written it since, and Unreadable; then nothing was written.
    """
    while True:
        webhook, stored = (None, None) if old.webhook else await read_default(old.tenant)
        news = event(old, new, webhook=webhook, public_url=public_url, now_ms=now_ms)
        try:
            return await jobs.commit(old, new, owner=None, event=news, default_webhook=stored, audit=audit)
        except DefaultWebhookChanged:
            continue
