"""Job queries: lists of a tenant's jobs, newest first, and where a queued job stands. Ids sort by time."""

from typing import NamedTuple

from core.model.job import Job, Status
from core.store.jobs.records import Jobs
from core.store.jobs.timings import Pace
from core.store.redis.client import Store
from core.store.redis.keys import key


class QueuePosition(NamedTuple):
    """Where a queued job stands: `behind` in its session, or `position` in its tenant's backlog, from 1.

    Without a position it is about to be taken. The estimates are seconds until it has ended, for one half and for nine
    tenths of such jobs; None where it is not known how long jobs take.
    """

    behind: str | None = None
    position: int | None = None
    at_cap: bool = False
    eta_p50_s: float | None = None
    eta_p90_s: float | None = None


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

    async def queue_position(self, job: Job, pace: Pace | None = None) -> QueuePosition:
        """Say where a queued job stands, and when it may be expected to end."""
        arguments = {
            "id": job.id,
            "tenant": job.tenant,
            "session": job.session_id,
            "tenant_running_jobs": self._cap,
            "pace": pace._asdict() if pace else None,
        }
        return await self._store.run("locate_job", arguments, QueuePosition)


def _matches(job: Job, tenant: str, status: Status | None, session_id: str | None, profile: str | None) -> bool:
    return (
        job.tenant == tenant
        and status in (None, job.status)
        and session_id in (None, job.session_id)
        and profile in (None, job.profile)
    )
