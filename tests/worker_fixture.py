"""A worker's insides over the store of a test: no process and no queue, a clock that is turned by hand, one job at a time.

Without a backend's address nobody answers there. Import `core` beside it; `context` asks the test's own `backend`.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from core.model.job import Job
from core.model.session import Session
from core.storage.storage import Storage
from core.store.formats import Membership
from core.store.gauges import GaugeStore
from core.store.jobs.orphan_renders import OrphanRenders
from core.store.jobs.removal import JobRemoval
from core.store.jobs.timings import FirstLooks
from tests.scripted_backend import ScriptedBackend
from tests.store_fixture import PUBLIC_URL, Core
from worker.backend.client import Backend
from worker.context import WorkerContext, token_pool_over
from worker.jobs.execution import JobExecution
from worker.jobs.runner import _next_result
from worker.leases import Leases
from worker.outbound.client import guarded_client
from worker.outbound.host_limits import HostLimits
from worker.tokens.balances import TokenBalances

NOBODY = "http://127.0.0.1:9"


class Calls(Counter[str]):
    """Counts what the backend is asked."""

    def request(self, call: str, code: str, seconds: float) -> None:
        self[call] += 1

    def stream_event(self, kind: str) -> None:
        self[f"event {kind}"] += 1

    def surprise(self, call: str, kind: str) -> None:
        self[f"surprise {call} {kind}"] += 1

    def tls_failure(self) -> None:
        self["tls failure"] += 1


@asynccontextmanager
async def context_over(
    core: Core, folder: Path | str, *, backend: str = NOBODY, calls: Calls | None = None, allow: str = "127.0.0.0/8"
) -> AsyncIterator[WorkerContext]:
    """Build one worker's context over the store's classes."""
    asked = Backend(backend, platform="test", metrics=Calls() if calls is None else calls)
    balances = TokenBalances(core.token_use, asked)
    settings, outbound = core.settings, guarded_client(allow=[ip_network(allow)], http_allowed=True)
    first_looks = FirstLooks(core.store, core.clock, interval_s=settings.render_poll_s)
    try:
        yield WorkerContext(
            settings=settings,
            clock=core.clock,
            encryption=core.vault,
            store=core.store,
            membership=Membership(
                core.store,
                core.clock,
                kind="worker",
                process_id="this worker",
                secret_key_names=core.vault.key_names,
                lease_s=settings.lease_s,
                settle_s=3600,
            ),
            jobs=core.jobs,
            admission=core.turns,
            gauges=GaugeStore(core.store, settings, core.clock),
            deliveries=core.deliveries,
            webhooks=core.webhooks,
            uploads=core.uploads,
            orphan_renders=OrphanRenders(core.store, core.clock),
            first_looks=first_looks,
            job_removal=JobRemoval(core.store, public_url=PUBLIC_URL),
            sessions=core.sessions,
            rpc_queue=core.rpc,
            storage=Storage(str(folder)),
            backend=asked,
            token_pool=token_pool_over(core.tokens, balances, core.identities, asked, core.clock, settings=settings),
            balances=balances,
            leases=Leases(core.jobs, core.store, worker_id="this worker", lease_s=settings.lease_s),
            host_limits=HostLimits(core.clock),
            outbound=outbound,
        )
    finally:
        await first_looks.stop()
        await asked.aclose()
        await outbound.aclose()


@pytest.fixture
async def context(core: Core, backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[WorkerContext]:
    """A worker over the test's backend, whose films it may fetch."""
    async with context_over(core, tmp_path, backend=backend.url) as over_backend:
        yield over_backend


@asynccontextmanager
async def in_hand(
    core: Core, context: WorkerContext, job: Job, session: Session | None = None
) -> AsyncIterator[JobExecution]:
    """Hold a job that was submitted, as a worker does, with the record and session that the test wants it to have."""
    claim = await core.claim(job)
    async with context.leases.hold(job.id, claim.owner) as lease:
        execution = JobExecution(context, claim, lease)
        execution.job, execution.session = job, session or execution.session
        yield execution


async def stepped(execution: JobExecution, steps: int = 1) -> Job:
    """Take steps, as the loop does, without the store; what sleeps wakes at once."""
    for _ in range(steps):
        result = await _next_result(execution)
        assert result is not None
        execution.job, execution.session = result.job, result.session or execution.session
        if execution.job.ended:
            break
    return execution.job
