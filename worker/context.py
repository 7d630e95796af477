"""What every part of a worker is handed: one typed struct, built in `worker.main` and nowhere else."""

from dataclasses import dataclass

from core.clock import Clock
from core.security.encryption import Encryption
from core.settings import Settings
from core.storage import Storage
from core.store.deliveries import Deliveries
from core.store.jobs.admission import Admission
from core.store.jobs.orphan_renders import OrphanRenders
from core.store.jobs.queries import JobQueries
from core.store.jobs.records import Jobs
from core.store.rpc import RpcQueue
from core.store.tenants.webhooks import Webhooks
from core.store.tokens.tokens import Tokens
from core.store.uploads import Uploads
from worker.backend.client import Backend
from worker.leases import Leases
from worker.outbound.client import OutsideClient
from worker.outbound.host_limits import Hosts
from worker.tokens.pool import Pool


@dataclass(frozen=True)
class WorkerContext:
    settings: Settings
    clock: Clock
    vault: Encryption
    jobs: Jobs
    turns: Admission
    listing: JobQueries
    deliveries: Deliveries
    webhooks: Webhooks
    tokens: Tokens
    uploads: Uploads
    left_renders: OrphanRenders
    errands: RpcQueue
    storage: Storage
    backend: Backend
    pool: Pool
    leases: Leases
    hosts: Hosts
    #: dials public addresses only
    outside: OutsideClient
