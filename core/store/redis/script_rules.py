"""What every script about jobs is told besides its own arguments: the time, the caps, and how arq's bells sound."""

from typing import Any

from core.clock import Clock
from core.settings import Settings
from core.store.redis.queue_entries import DELIVERY_ENTRY, JOB_ENTRY


def script_rules(settings: Settings, clock: Clock) -> dict[str, Any]:
    """Write them as the scripts read them."""
    return clock.for_scripts() | {
        "tenant_running_jobs": settings.tenant_running_jobs,
        "job_bell": JOB_ENTRY,
        "delivery_bell": DELIVERY_ENTRY,
    }
