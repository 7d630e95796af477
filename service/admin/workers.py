"""The workers that live, as each says of itself with every beat."""

from core.clock import rfc3339
from core.store.workers import LivingWorker
from service.admin.context import AdminContext
from service.admin.facts import Facts, time_of
from service.admin.formatting import show_page

_COLUMNS = {
    "WORKER": "id",
    "HOST": "host",
    "JOBS": "jobs",
    "SLOTS": "slots",
    "CALLBACKS": "deliveries",
    "LAG MS": "lag_ms",
    "VERSION": "version",
    "SINCE": "since",
}


async def list_workers(context: AdminContext, *, as_json: bool) -> None:
    """List them; what one of an older release does not say is null."""
    rows = [_row(worker) for worker in await context.workers.living()]
    show_page(rows, _COLUMNS, next_after=None, as_json=as_json)


def _row(worker: LivingWorker) -> Facts:
    told = worker.facts
    return {
        "id": worker.id,
        "host": told.host if told else None,
        "version": told.version if told else None,
        "slots": worker.slots,
        "jobs": told.jobs if told else None,
        "deliveries": told.deliveries if told else None,
        "lag_ms": told.lag_ms if told else None,
        "since": time_of(told.started_at_ms if told else None),
        "alive_until": rfc3339(worker.alive_until_ms),
    }
