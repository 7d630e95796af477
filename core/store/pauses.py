"""Pauses: an operator lets no more jobs of a tenant, or of anybody, begin. They are accepted all the same, and wait."""

from typing import Any, NamedTuple

from core.clock import Clock
from core.settings import Settings
from core.store.audit import AuditEntry, audit_argument
from core.store.redis.client import Store
from core.store.redis.functions import EVERYBODY
from core.store.redis.keys import key

#: jobs that a resumption lets in by itself; the others follow with workers' beats
_AT_ONCE = 256


class _Changed(NamedTuple):
    changed: bool = False


class Pauses:
    """Pauses and resumes, each with its entry in the audit trail in the same step. `who`: a tenant, or EVERYBODY."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    async def pause(self, who: str, *, audit: AuditEntry) -> bool:
        """Let no more jobs begin. False: it was so already."""
        return await self._run("pause", who, audit)

    async def resume(self, who: str, *, audit: AuditEntry) -> bool:
        """Let them begin again, at once where there is room. False: there was no such pause."""
        return await self._run("resume", who, audit)

    async def _run(self, operation: str, who: str, audit: AuditEntry) -> bool:
        arguments: dict[str, Any] = self._clock.for_operations() | {
            "who": who,
            "most": _AT_ONCE,
            "tenant_running_jobs": self._settings.tenant_running_jobs,
            "audit": audit_argument(audit),
        }
        return (await self._store.run(operation, arguments, _Changed)).changed

    async def since_ms(self, who: list[str]) -> list[int | None]:
        """Tell since when each of these is paused; None: it is not."""
        found = await self._store.ask("HMGET", key("paused"), *who)
        return [int(each) if each else None for each in found]

    async def everybody_since_ms(self) -> int | None:
        """Tell since when nobody's jobs begin; None: they do."""
        return (await self.since_ms([EVERYBODY]))[0]
