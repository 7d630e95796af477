"""A tenant's default webhook: where callbacks go for jobs that name none, and how that URL has done."""

from typing import Literal

from core.model.job import Record


class TenantWebhook(Record, frozen=True, kw_only=True):
    """A tenant's default callback target and its state."""

    url: str
    events: tuple[str, ...] = ()
    state: Literal["active", "disabled"] = "active"
    #: the first failure since it was set, enabled, or last took something
    failing_since_ms: int | None = None
    disabled_at_ms: int | None = None
    disabled_why: str | None = None
