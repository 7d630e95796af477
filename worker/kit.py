"""What every part of a worker is handed: one typed struct, built in `worker.main` and nowhere else."""

from dataclasses import dataclass

from core.clock import Clock
from core.settings import Settings
from core.storage import Storage
from core.store.deliveries import Deliveries
from core.store.errands import Errands
from core.store.jobs import Jobs
from core.store.listing import Listing
from core.store.renders import LeftRenders
from core.store.tenants import Tenants
from core.store.tokens import Tokens
from core.store.turns import Turns
from core.store.uploads import Uploads
from core.vault import Vault
from worker.callbacks.hosts import Hosts
from worker.leases import Leases
from worker.outbound import OutsideClient
from worker.pool import Pool
from worker.upstream.client import Backend


@dataclass(frozen=True)
class Kit:
    settings: Settings
    clock: Clock
    vault: Vault
    jobs: Jobs
    turns: Turns
    listing: Listing
    deliveries: Deliveries
    tenants: Tenants
    tokens: Tokens
    uploads: Uploads
    left_renders: LeftRenders
    errands: Errands
    storage: Storage
    backend: Backend
    pool: Pool
    leases: Leases
    hosts: Hosts
    #: dials public addresses only
    outside: OutsideClient
