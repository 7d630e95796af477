"""Job queries: lists of a tenant's jobs, newest first, and where a queued job stands. Ids sort by time."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from core.ids import first_id, made_ms
from core.model.job import Job, Status
from core.security.redacted_repr import redacted_repr
from core.store.jobs.records import Jobs
from core.store.jobs.timings import Pace
from core.store.redis.client import Store
from core.store.redis.keys import key
from core.store.redis.lists import newest_of

#: so many jobs are looked at for one page at most
LOOKED_AT = 2000
_AT_ONCE = 200
#: a job's id is made so long after the time that it was accepted at, at most: a batch's are checked in between
ID_SLACK_MS = 600_000
_NEVER_MS = 2**48 - 1 - ID_SLACK_MS


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
    #: it shall not start before an operator resumes its tenant, or everybody
    paused: bool = False


@redacted_repr("status")
class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a tenant's jobs are wanted: those that match all that is here. Times are ms since the epoch."""

    status: Status | None = None
    session_id: str | None = None
    profile: str | None = None
    batch_id: str | None = None
    #: inclusive
    created_from_ms: int | None = None
    #: exclusive
    created_until_ms: int | None = None
    metadata: Mapping[str, str] = {}

    def takes(self, job: Job) -> bool:
        """Tell whether a job is wanted."""
        return (
            self.status in (None, job.status)
            and self.session_id in (None, job.session_id)
            and self.profile in (None, job.profile)
            and self.batch_id in (None, job.batch_id)
            and (self.created_from_ms is None or self.created_from_ms <= job.created_at_ms)
            and (self.created_until_ms is None or job.created_at_ms < self.created_until_ms)
            and all(job.metadata.get(name) == value for name, value in self.metadata.items())
        )

    def made_within_ms(self) -> tuple[int, int]:
        """Say between which times the ids of the wanted jobs were made, both inclusive."""
        earliest, latest = self.created_from_ms or 0, self.created_until_ms or _NEVER_MS
        if self.batch_id is not None:
            earliest, latest = max(earliest, made_ms(self.batch_id)), min(latest, made_ms(self.batch_id))
        return earliest - ID_SLACK_MS, latest + ID_SLACK_MS


ALL_JOBS = JobFilter()


class JobsFound(NamedTuple):
    """A page of jobs. `next_after`: where to go on; None: there are no more."""

    jobs: list[Job]
    next_after: str | None


class JobQueries:
    """Pages that stay stable while jobs arrive: a cursor is the last id of the page before, or the last one looked at."""

    def __init__(self, store: Store, jobs: Jobs, *, tenant_running_jobs: int, cell: str = "") -> None:
        self._store = store
        self._jobs = jobs
        self._cap = tenant_running_jobs
        self._cell = cell

    async def page(
        self, tenant: str, wanted: JobFilter = ALL_JOBS, *, after: str | None = None, limit: int = 20
    ) -> JobsFound:
        """Read up to `limit` wanted jobs older than `after`, newest first.

        It looks at `LOOKED_AT` jobs at most, so that a rare one costs Redis no more than a common one: then the page is
        short, and goes on after the last one looked at.
        """
        return await self.page_of_all([tenant], wanted, after=after, limit=limit)

    async def page_of_all(
        self, tenants: Sequence[str], wanted: JobFilter = ALL_JOBS, *, after: str | None = None, limit: int = 20
    ) -> JobsFound:
        """Read the same of these tenants together. It costs one small read more for each tenant."""
        of, names = set(tenants), list({_index(tenant, wanted) for tenant in tenants})
        found: list[Job] = []
        looked = 0
        async for ids in self._ids(names, wanted, after, limit + 1):
            seen = await self._jobs.load_many(ids)
            own = [job for job in seen if job.tenant in of]
            # a session is one tenant's: a cursor would tell another that it is there
            if wanted.session_id and seen and not own:
                break
            found += [job for job in own if wanted.takes(job)]
            if len(found) > limit:
                return JobsFound(found[:limit], found[limit - 1].id)
            looked += len(ids)
            if looked >= LOOKED_AT:
                return JobsFound(found, ids[-1])
        return JobsFound(found, None)

    async def _ids(
        self, names: Sequence[str], wanted: JobFilter, after: str | None, first: int
    ) -> AsyncIterator[list[str]]:
        """Name the jobs that may be wanted, newest first: a page's worth, then many at once."""
        most = first
        for oldest, newest in self._ranges(wanted):
            last = min(after, newest) if after else newest
            while ids := await newest_of(self._store, names, oldest, last, most):
                yield ids
                if len(ids) < most:
                    break
                last, most = ids[-1], _AT_ONCE

    def _ranges(self, wanted: JobFilter) -> list[tuple[str, str]]:
        """Say where the ids stand, last range first: those without a cell's name may be older than that name."""
        earliest_ms, latest_ms = wanted.made_within_ms()
        return sorted(
            ((first_id("job", earliest_ms, c), first_id("job", latest_ms + 1, c)) for c in {"", self._cell}),
            reverse=True,
        )

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


def _index(tenant: str, wanted: JobFilter) -> str:
    """Choose the shortest list that has all wanted jobs."""
    if wanted.session_id:
        return key("session_jobs", wanted.session_id)
    if wanted.status:
        return key("jobs_status", tenant, str(wanted.status))
    return key("jobs_profile", tenant, wanted.profile) if wanted.profile else key("jobs", tenant)
