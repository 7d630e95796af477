"""Lists of a tenant's jobs, newest first, and where a queued job stands. Ids sort by time."""

from typing import Any, NamedTuple

from core.model.job import Job, Status
from core.store.jobs.records import Jobs
from core.store.redis.client import Store
from core.store.redis.keys import key


class QueuePosition(NamedTuple):
    """Where a queued job stands: `behind` in its session, or `position` in its tenant's backlog, from 1."""

    behind: str | None
    position: int | None
    at_cap: bool


class JobQueries:
    """Pages that stay stable while jobs arrive: a cursor is the last id of the page before."""

    def __init__(self, store: Store, jobs: Jobs, *, tenant_running_jobs: int) -> None:
        self._store = store
        self._jobs = jobs
        self._cap = tenant_running_jobs

    async def jobs(
        self,
        tenant: str,
        *,
        status: Status | None = None,
        session_id: str | None = None,
        profile: str | None = None,
        after: str | None = None,
        limit: int = 20,
    ) -> list[Job]:
        """Read up to `limit` jobs older than `after`, matching every filter."""
        name = self._index(tenant, status, session_id, profile)
        found: list[Job] = []
        while len(found) < limit:
            ids = await self._ids(name, after, limit + 1)
            page = await self._jobs.load_many(ids)
            found += [j for j in page if _matches(j, tenant, status, session_id, profile)]
            if len(ids) <= limit:
                break
            after = ids[-1]
        return found[:limit]

    @staticmethod
    def _index(tenant: str, status: Status | None, session_id: str | None, profile: str | None) -> str:
        if session_id:
            return key("session_jobs", session_id)
        if status:
            return key("jobs_status", tenant, str(status))
        return key("jobs_profile", tenant, profile) if profile else key("jobs", tenant)

    async def _ids(self, name: str, after: str | None, most: int) -> list[str]:
        start = f"({after}" if after else "+"
        return [i.decode() for i in await self._store.redis.zrevrangebylex(name, start, "-", start=0, num=most)]

    async def place(self, job: Job) -> QueuePosition:
        """Say what a queued job waits for."""
        pipe: Any = self._store.redis.pipeline(transaction=False)
        pipe.zrank(key("backlog", job.tenant), job.id)
        pipe.lpos(key("session_queue", job.session_id), job.id)
        pipe.scard(key("running", job.tenant))
        rank, in_line, running = await pipe.execute()
        if in_line:
            before = await self._store.redis.lindex(key("session_queue", job.session_id), in_line - 1)  # type: ignore[misc]
            return QueuePosition(before.decode() if before else None, in_line + 1, at_cap=False)
        return QueuePosition(None, None if rank is None else rank + 1, at_cap=running >= self._cap)


def _matches(job: Job, tenant: str, status: Status | None, session_id: str | None, profile: str | None) -> bool:
    return (
        job.tenant == tenant
        and status in (None, job.status)
        and session_id in (None, job.session_id)
        and profile in (None, job.profile)
    )
