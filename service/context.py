"""The API process's context: settings, clock, stores and clients, built in one place. Routes get it by `context_of(request)`."""

import asyncio
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.datastructures import State

from core.clock import Clock
from core.process.background import Background
from core.process.loop_watch import watch_loop
from core.process.readiness import Readiness
from core.security.encryption import Encryption
from core.settings import Settings
from core.storage.storage import Storage
from core.store.deliveries import Deliveries
from core.store.events import Events
from core.store.formats import Membership, new_process_id
from core.store.idempotency import StoredResponses
from core.store.jobs.batches import Batches
from core.store.jobs.outcomes import JobOutcomes
from core.store.jobs.queries import JobQueries
from core.store.jobs.records import Jobs
from core.store.jobs.removal import JobRemoval
from core.store.jobs.submissions import Submissions
from core.store.jobs.timings import Timings
from core.store.redis.client import Redis, Store, connect
from core.store.redis.watch import watch_redis
from core.store.rpc import RpcQueue
from core.store.sessions import Sessions
from core.store.tenants.api_keys import ApiKeys, Caller
from core.store.tenants.usage import Usage
from core.store.tenants.webhooks import Webhooks
from core.store.tokens.tokens import Tokens
from core.store.uploads import Uploads
from service.body_room import BodyRoom
from service.cache import Cache
from service.prompt import clear_cache
from service.subscriptions import Subscriptions

#: a Redis that does not answer within this is away: callers hear of it within a second
REDIS_TIMEOUT_S = 0.7
#: connections to Redis, and how long a call may wait for a free one when thousands of callers come at once
REDIS_CONNECTIONS = 32
REDIS_QUEUE_S = 10.0
#: while Redis is away it is tried so often, and all other callers hear of it at once
REDIS_REST_S = 0.2

#: a request behind a guard, and one that anybody may make
ApiRequest = Request[Caller, None, State]
AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True)
class ApiContext:
    """What the API process reads and writes by. It holds no state of callers."""

    settings: Settings
    clock: Clock
    encryption: Encryption
    store: Store
    #: this process among all that serve this Redis
    membership: Membership
    storage: Storage
    submissions: Submissions
    jobs: Jobs
    job_queries: JobQueries
    events: Events
    sessions: Sessions
    api_keys: ApiKeys
    webhooks: Webhooks
    usage: Usage
    uploads: Uploads
    body_room: BodyRoom
    deliveries: Deliveries
    tokens: Tokens
    rpc: RpcQueue
    stored_responses: StoredResponses
    batches: Batches
    job_removal: JobRemoval
    timings: Timings
    job_outcomes: JobOutcomes
    cache: Cache
    subscriptions: Subscriptions
    #: what looks at this process itself
    watches: Background
    readiness: Readiness

    async def start(self) -> None:
        """Listen for events, and open the connections now: a first thousand callers must not wait for that too."""
        self.subscriptions.start()
        self.timings.lately()
        self.job_outcomes.lately()
        self.watches.start(watch_loop(), watch_redis(self.store))
        pings = (self.store.redis.ping() for _ in range(REDIS_CONNECTIONS - 1))
        await asyncio.gather(*pings, return_exceptions=True)

    async def close(self) -> None:
        """Let go of readers and connections."""
        await self.subscriptions.stop()
        await self.timings.stop()
        await self.job_outcomes.stop()
        await self.watches.stop()
        await self.membership.leave()
        await self.store.close()


def open_context(
    settings: Settings,
    *,
    clock: Clock | None = None,
    redis_timeout_s: float = REDIS_TIMEOUT_S,
    storage_opened: bool = True,
) -> ApiContext:
    """Build it. Nothing is called yet: a Redis that is away is no reason not to start.

    `storage_opened`: a process that serves nobody, and reads no files, needs no folder for them.
    """
    clock = clock or Clock()
    store = Store(_connect(settings, redis_timeout_s))
    encryption = Encryption([key.get_secret_value() for key in settings.secret_keys])
    jobs = Jobs(store, settings, clock)
    events = Events(store, clock)
    api_keys, webhooks = ApiKeys(store, encryption, clock, cell=settings.cell), Webhooks(store, encryption, clock)
    return ApiContext(
        settings=settings,
        clock=clock,
        encryption=encryption,
        store=store,
        membership=Membership(
            store,
            clock,
            kind="api",
            process_id=new_process_id(),
            secret_key_names=encryption.key_names,
            lease_s=settings.lease_s,
            settle_s=settings.format_settle_s,
        ),
        storage=Storage(settings.storage, opened=storage_opened),
        submissions=Submissions(store, settings, clock),
        jobs=jobs,
        job_queries=JobQueries(store, jobs, tenant_running_jobs=settings.tenant_running_jobs, cell=settings.cell),
        events=events,
        sessions=Sessions(store, clock),
        api_keys=api_keys,
        webhooks=webhooks,
        usage=Usage(store),
        uploads=Uploads(store, clock),
        body_room=BodyRoom(settings.upload_memory_bytes, clock),
        deliveries=Deliveries(store, clock),
        tokens=Tokens(store, encryption, clock),
        rpc=RpcQueue(store),
        stored_responses=StoredResponses(store),
        batches=Batches(store),
        job_removal=JobRemoval(store, public_url=settings.public_url),
        timings=Timings(store, clock),
        job_outcomes=JobOutcomes(store, clock),
        cache=Cache(api_keys, webhooks, clock),
        subscriptions=Subscriptions(events, on_removal=clear_cache, tenant_streams=settings.tenant_streams),
        watches=Background(),
        readiness=Readiness(store, encryption, cell=settings.cell),
    )


def _connect(settings: Settings, timeout_s: float) -> Redis:
    url = settings.redis_url.get_secret_value()
    return connect(url, answer_s=timeout_s, connections=REDIS_CONNECTIONS, queue_s=REDIS_QUEUE_S, rest_s=REDIS_REST_S)


def context_of(request: AnyRequest) -> ApiContext:
    """Find the context of the app that this request came to."""
    context: ApiContext = request.app.state["context"]
    return context
