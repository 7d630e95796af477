"""A worker's insides over the store of a test: no process and no queue, a clock that is turned by hand, one job at a time.

Without a backend's address nobody answers there. Import `core` beside it.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.model.job import Job
from core.model.session import Session
from core.security.url_policy import parse_networks
from core.storage import Storage
from core.store.jobs.orphan_renders import OrphanRenders
from tests.store_fixture import Core
from worker.backend.client import Backend
from worker.context import WorkerContext
from worker.jobs.execution import JobExecution
from worker.leases import Leases
from worker.outbound.client import guarded_client
from worker.outbound.host_limits import Hosts
from worker.tokens.pool import Pool

NOBODY = "http://127.0.0.1:9"


class Calls(Counter[str]):
    """Counts what the backend is asked."""

    def request(self, call: str, code: str, seconds: float) -> None:
        self[call] += 1

    def stream_event(self, kind: str) -> None:
        self[f"event {kind}"] += 1


@asynccontextmanager
async def kit_over(
    core: Core, folder: Path, *, backend: str = NOBODY, calls: Calls | None = None
) -> AsyncIterator[WorkerContext]:
    """Build one worker's kit over the store's classes."""
    asked = Backend(backend, platform="test", metrics=Calls() if calls is None else calls, stream_clients=1)
    settings, outside = core.settings, guarded_client(allow=parse_networks("127.0.0.1/32"), http_allowed=True)
    pool = Pool(
        core.tokens,
        core.identities,
        asked,
        core.clock,
        rate_limited_s=settings.rate_limited_s,
        web_url=settings.nemo_web_url,
        month_limit=settings.tenant_month_credits,
    )
    try:
        yield WorkerContext(
            settings=settings,
            clock=core.clock,
            vault=core.vault,
            jobs=core.jobs,
            turns=core.turns,
            listing=core.listing,
            deliveries=core.deliveries,
            webhooks=core.webhooks,
            tokens=core.tokens,
            uploads=core.uploads,
            left_renders=OrphanRenders(core.store, core.clock),
            errands=core.errands,
            storage=Storage(str(folder)),
            backend=asked,
            pool=pool,
            leases=Leases(core.jobs, core.store, worker_id="w", lease_s=settings.lease_s),
            hosts=Hosts(core.clock),
            outside=outside,
        )
    finally:
        await asked.aclose()
        await outside.aclose()


@asynccontextmanager
async def in_hand(
    core: Core, kit: WorkerContext, job: Job, session: Session | None = None
) -> AsyncIterator[JobExecution]:
    """Hold a job that was submitted, as a worker does, with the record and session that the test wants it to have."""
    claim = await core.claim(job)
    async with kit.leases.hold(job.id, claim.owner) as lease:
        work = JobExecution(kit, claim, lease)
        work.job, work.session = job, session or work.session
        yield work
