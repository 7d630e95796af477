"""The worker process's context: settings, clock, stores and clients in one typed struct, built in one place."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from core.clock import Clock
from core.security.encryption import Encryption
from core.settings import Settings
from core.storage.storage import Storage
from core.store.deliveries import Deliveries
from core.store.formats import Membership, new_process_id
from core.store.gauges import GaugeStore
from core.store.jobs.admission import Admission
from core.store.jobs.orphan_renders import OrphanRenders
from core.store.jobs.records import Jobs
from core.store.jobs.removal import JobRemoval
from core.store.jobs.timings import FirstLooks
from core.store.redis.client import Redis, Store
from core.store.rpc import RpcQueue
from core.store.sessions import Sessions
from core.store.tenants.webhooks import Webhooks
from core.store.tokens.anonymous_identity import AnonymousIdentities
from core.store.tokens.tokens import Tokens
from core.store.tokens.use import TokenUse
from core.store.uploads import Uploads
from worker.backend.client import Backend
from worker.backend.metrics import CallCounts
from worker.leases import Leases
from worker.outbound.client import OutboundClient, guarded_client
from worker.outbound.host_limits import HostLimits
from worker.tokens.balances import TokenBalances
from worker.tokens.pool import TokenPool


@dataclass(frozen=True)
class WorkerContext:
    settings: Settings
    clock: Clock
    encryption: Encryption
    store: Store
    #: this process among all that serve this Redis
    membership: Membership
    jobs: Jobs
    admission: Admission
    gauges: GaugeStore
    deliveries: Deliveries
    webhooks: Webhooks
    uploads: Uploads
    orphan_renders: OrphanRenders
    first_looks: FirstLooks
    job_removal: JobRemoval
    sessions: Sessions
    rpc_queue: RpcQueue
    storage: Storage
    backend: Backend
    token_pool: TokenPool
    balances: TokenBalances
    leases: Leases
    host_limits: HostLimits
    #: dials public addresses only
    outbound: OutboundClient


async def build_context(settings: Settings, client: Redis, stack: AsyncExitStack) -> WorkerContext:
    """Build a worker's parts over one Redis client; what they hold open is closed with `stack`."""
    clock, store = Clock(), Store(client)
    stack.push_async_callback(store.close)
    encryption = Encryption([key.get_secret_value() for key in settings.secret_keys])
    jobs = Jobs(store, settings, clock)
    backend = _open_backend(settings, stack)
    balances = TokenBalances(TokenUse(store, clock), backend)
    worker_id = new_process_id()
    first_looks = FirstLooks(store, clock, interval_s=settings.render_poll_s)
    stack.push_async_callback(first_looks.stop)
    return WorkerContext(
        settings=settings,
        clock=clock,
        encryption=encryption,
        store=store,
        membership=Membership(
            store,
            clock,
            kind="worker",
            process_id=worker_id,
            secret_key_names=encryption.key_names,
            lease_s=settings.lease_s,
            settle_s=settings.format_settle_s,
        ),
        jobs=jobs,
        admission=Admission(store, settings, clock),
        gauges=GaugeStore(store, settings, clock),
        deliveries=Deliveries(store, clock),
        webhooks=Webhooks(store, encryption, clock),
        uploads=Uploads(store, clock),
        orphan_renders=OrphanRenders(store, clock),
        first_looks=first_looks,
        job_removal=JobRemoval(store, public_url=settings.public_url),
        sessions=Sessions(store, clock),
        rpc_queue=RpcQueue(store),
        storage=Storage(settings.storage),
        backend=backend,
        token_pool=token_pool_over(
            Tokens(store, encryption, clock), balances, AnonymousIdentities(store), backend, clock, settings=settings
        ),
        balances=balances,
        leases=Leases(jobs, store, worker_id=worker_id, lease_s=settings.lease_s),
        host_limits=HostLimits(clock),
        outbound=_open_outbound(settings, stack),
    )


def token_pool_over(
    tokens: Tokens,
    balances: TokenBalances,
    identities: AnonymousIdentities,
    backend: Backend,
    clock: Clock,
    *,
    settings: Settings,
) -> TokenPool:
    """Build the pool with the limits of the settings."""
    return TokenPool(
        tokens,
        balances,
        identities,
        backend,
        clock,
        rate_limited_s=settings.rate_limited_s,
        web_url=settings.nemo_web_url,
        default_profile=settings.default_profile,
        month_limit=settings.tenant_month_credits,
        session_idle_s=settings.session_idle_s,
    )


def _open_backend(settings: Settings, stack: AsyncExitStack) -> Backend:
    backend = Backend(
        settings.nemo_api_url,
        platform=platform_of(settings),
        metrics=CallCounts(),
        first_pause_s=settings.backoff_s,
    )
    stack.push_async_callback(backend.aclose)
    return backend


def _open_outbound(settings: Settings, stack: AsyncExitStack) -> OutboundClient:
    client = guarded_client(allow=settings.allow_addresses, http_allowed=settings.allow_http)
    stack.push_async_callback(client.aclose)
    return client


def platform_of(settings: Settings, installed_at: str = __file__) -> str:
    """Name where this skill runs, as the attribution header wants it (BACKEND.md, "Headers")."""
    if settings.skill_source:
        return settings.skill_source
    marks = {"/.clawhub/": "clawhub", "/.cursor/skills/": "cursor"}
    return next((name for mark, name in marks.items() if mark in installed_at), "unknown")
