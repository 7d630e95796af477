"""Everything that a request may need, in one struct, built in one place. Routes get it by `context_of(request)`."""

import asyncio
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.datastructures import State

from core.clock import Clock
from core.security.encryption import Encryption
from core.settings import Settings
from core.storage import Storage
from core.store.deliveries import Deliveries
from core.store.events import Events
from core.store.idempotency import StoredResponses
from core.store.jobs.batches import Batches
from core.store.jobs.queries import JobQueries
from core.store.jobs.records import Jobs
from core.store.jobs.removal import JobRemoval
from core.store.jobs.submissions import Submissions
from core.store.jobs.timings import Timings
from core.store.redis.client import Redis, Store, connect
from core.store.rpc import RpcQueue
from core.store.sessions import Sessions
from core.store.tenants.api_keys import ApiKeys, Caller
from core.store.tenants.usage import Usage
from core.store.tenants.webhooks import Webhooks
from core.store.tokens.tokens import Tokens
from core.store.uploads import Uploads
from service.cache import Cache
from service.jobs.validation import forget_readings
from service.subscriptions import Subscriptions

#: a Redis that does not answer within this is away: callers hear of it within a second
ANSWER_S = 0.7
#: connections to Redis, and how long a call may wait for a free one when thousands of callers come at once
CONNECTIONS = 32
QUEUE_S = 10.0
#: while Redis is away it is tried so often, and all other callers hear of it at once
REST_S = 0.2

Asked = Request[Caller, None, State]


@dataclass(frozen=True)
class ApiContext:
    """The API process: what it reads and writes. It holds no state of callers."""

    settings: Settings
    clock: Clock
    vault: Encryption
    store: Store
    storage: Storage
    intake: Submissions
    jobs: Jobs
    listing: JobQueries
    events: Events
    sessions: Sessions
    api_keys: ApiKeys
    webhooks: Webhooks
    usage: Usage
    uploads: Uploads
    deliveries: Deliveries
    tokens: Tokens
    errands: RpcQueue
    answers: StoredResponses
    batches: Batches
    removal: JobRemoval
    forecasts: Timings
    memory: Cache
    hub: Subscriptions

    async def start(self) -> None:
        """Listen for events, and open the connections now: a first thousand callers must not wait for that too."""
        self.hub.start()
        self.forecasts.lately()
        pings = (self.store.redis.ping() for _ in range(CONNECTIONS - 1))
        await asyncio.gather(*pings, return_exceptions=True)

    async def close(self) -> None:
        """Let go of readers and connections."""
        await self.hub.stop()
        await self.forecasts.stop()
        await self.store.close()


def open_context(settings: Settings, *, clock: Clock | None = None) -> ApiContext:
    """Build all parts. Nothing is called yet: a Redis that is away is no reason not to start."""
    clock = clock or Clock()
    store = Store(_connect(settings))
    vault = Encryption([key.get_secret_value() for key in settings.secret_keys])
    jobs = Jobs(store, settings, clock)
    events = Events(store)
    api_keys, webhooks = ApiKeys(store, vault, clock), Webhooks(store, vault, clock)
    return ApiContext(
        settings=settings,
        clock=clock,
        vault=vault,
        store=store,
        storage=Storage(settings.storage),
        intake=Submissions(store, settings, clock),
        jobs=jobs,
        listing=JobQueries(store, jobs, tenant_running_jobs=settings.tenant_running_jobs),
        events=events,
        sessions=Sessions(store),
        api_keys=api_keys,
        webhooks=webhooks,
        usage=Usage(store),
        uploads=Uploads(store, clock),
        deliveries=Deliveries(store, clock),
        tokens=Tokens(store, vault, clock),
        errands=RpcQueue(store),
        answers=StoredResponses(store),
        batches=Batches(store),
        removal=JobRemoval(store),
        forecasts=Timings(store, clock),
        memory=Cache(api_keys, webhooks, vault, clock),
        hub=Subscriptions(events, on_removal=forget_readings),
    )


def _connect(settings: Settings) -> Redis:
    url = settings.redis_url.get_secret_value()
    return connect(url, answer_s=ANSWER_S, connections=CONNECTIONS, queue_s=QUEUE_S, rest_s=REST_S)


def context_of(request: Request[Any, Any, Any]) -> ApiContext:
    """Find the parts of the app that this request came to."""
    parts: ApiContext = request.app.state["parts"]
    return parts
