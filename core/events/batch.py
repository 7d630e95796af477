"""The batch record: many jobs that were submitted at once, and the one callback when the last of them has ended. Pure."""

from core.events.delivery import Delivery
from core.ids import cell_of, new_id
from core.model.job import Record
from core.model.webhook import TenantWebhook


class Batch(Record, frozen=True, kw_only=True):
    """What a batch holds. How its jobs stand is read from them; that they all ended is told by the commit of the last one."""

    id: str
    tenant: str
    job_ids: tuple[str, ...]
    #: all jobs are in this session, in order
    session_id: str | None = None
    created_at_ms: int
    finished_at_ms: int | None = None


def is_wanted(webhook: TenantWebhook | None) -> bool:
    """Tell whether a tenant's default hears of batches."""
    if webhook is None or webhook.state != "active":
        return False
    return not webhook.events or "batch.completed" in webhook.events


def completion(
    batch: Batch, *, url: str | None, traceparent: str | None = None, request_id: str | None = None
) -> Delivery:
    """Prepare the one callback of a batch: to its own URL, else to the tenant's default, where that wants it by then.

    It gets the id and the time that it goes by when the batch is over (`core/store/lua/shared/batches.lua`).
    """
    return Delivery(
        id=new_id("dlv", cell_of(batch.id)),
        tenant=batch.tenant,
        job_id=batch.id,
        type="batch.completed",
        url=url,
        created_at_ms=batch.created_at_ms,
        traceparent=traceparent,
        request_id=request_id,
    )
