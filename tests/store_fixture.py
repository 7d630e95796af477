"""The store as tests of the core arrange it: all its classes over one real Redis, a clock that is turned by hand, and
short words for what an API and a worker do with a job.

Import `core` into a test module to use it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from itertools import count, islice
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from core.clock import Clock, HandClock
from core.errors import Code
from core.events.event import Event, event
from core.ids import new_id
from core.model import transitions
from core.model.job import Job, Render
from core.model.plan import Output, Plan
from core.model.session import Session
from core.model.webhook import TenantWebhook
from core.security.encryption import Encryption
from core.settings import Settings
from core.store.deliveries import Deliveries
from core.store.events import Events
from core.store.gauges import Gauges, GaugeStore
from core.store.idempotency import Idempotency, StoredResponses
from core.store.jobs.admission import Admission
from core.store.jobs.queries import JobQueries
from core.store.jobs.records import Claim, Jobs
from core.store.jobs.submissions import Accepted, Rejected, Replayed, Submission, Submissions
from core.store.redis.client import Redis, Store, connect
from core.store.redis.keys import key
from core.store.rpc import RpcQueue
from core.store.sessions import Sessions
from core.store.tenants.api_keys import ApiKeys
from core.store.tenants.usage import Usage
from core.store.tenants.webhooks import Webhooks
from core.store.tokens.anonymous_identity import AnonymousIdentities
from core.store.tokens.tokens import Tokens
from core.store.tokens.use import TokenUse
from core.store.uploads import Uploads
from tests.redis_fixture import patient
from tests.until import PATIENCE_S

T = TypeVar("T")

SECRET_KEY = "s" * 40
PUBLIC_URL = "https://reelgate.test"


def settings_for(redis_url: str, **chosen: Any) -> Settings:
    plenty = {"submits_per_minute": 1_000_000, "lease_s": 12.0}
    given = {"REDIS_URL": redis_url, "secret_keys": (SecretStr(SECRET_KEY),)}
    return Settings.model_validate(given | plenty | chosen)


def make_job(tenant: str = "acme", *, created_at_ms: int = 0, **chosen: Any) -> Job:
    asked: dict[str, Any] = {
        "prompt": "trim the first 2 seconds",
        "profile": "free-video-fast",
        "session_id": new_id("ses"),
        "output_ask": Output(),
        "plan": Plan(message="trim the first 2 seconds", action="export"),
    }
    return Job(id=new_id("job"), tenant=tenant, created_at_ms=created_at_ms, **(asked | chosen))


class Core:
    """Everything of `core.store`, over one client."""

    def __init__(
        self, client: Redis, settings: Settings, clock: Clock | None = None, store: Store | None = None
    ) -> None:
        self.redis = client
        self.settings = settings
        self.clock: Any = clock or HandClock()
        self.store = store or Store(client)
        self.vault = Encryption([SECRET_KEY])
        self._take_rules()
        self.listing = JobQueries(self.store, self.jobs, tenant_running_jobs=settings.tenant_running_jobs)
        self.deliveries = Deliveries(self.store, self.clock)
        self.sessions = Sessions(self.store, self.clock)
        self.api_keys = ApiKeys(self.store, self.vault, self.clock)
        self.webhooks = Webhooks(self.store, self.vault, self.clock)
        self.usage = Usage(self.store)
        self.tokens = Tokens(self.store, self.vault, self.clock)
        self.token_use = TokenUse(self.store, self.clock)
        self.identities = AnonymousIdentities(self.store)
        self.uploads = Uploads(self.store, self.clock)
        self.events = Events(self.store, self.clock)
        self.rpc = RpcQueue(self.store)
        self.answers = StoredResponses(self.store)
        self._owners = count(1)

    def with_settings(self, **chosen: Any) -> None:
        """Go on with other limits, e.g. ``tenant_running_jobs=1``."""
        self.settings = settings_for(self.settings.redis_url.get_secret_value(), **chosen)
        self._take_rules()

    def _take_rules(self) -> None:
        self.intake = Submissions(self.store, self.settings, self.clock)
        self.jobs = Jobs(self.store, self.settings, self.clock)
        self.turns = Admission(self.store, self.settings, self.clock)
        self.gauge_store = GaugeStore(self.store, self.settings, self.clock)

    def new_job(self, tenant: str = "acme", **chosen: Any) -> Job:
        return make_job(tenant, created_at_ms=self.clock.now_ms(), **chosen)

    def submission(self, job: Job, *, session: bool = True, webhook: TenantWebhook | None = None) -> Submission:
        made = Session(
            id=job.session_id, tenant=job.tenant, profile=job.profile, created_at_ms=job.created_at_ms, implicit=True
        )
        return Submission(job, made if session else None, self.news(None, job, webhook))

    def news(self, old: Job | None, new: Job, webhook: TenantWebhook | None = None) -> Event:
        return event(old, new, webhook=webhook, public_url=PUBLIC_URL, now_ms=self.clock.now_ms())

    async def offer(
        self, *jobs: Job, new_session: bool = True, key_id: str = "key_1", call: Idempotency | None = None
    ) -> Accepted | Replayed | Rejected:
        """Submit, whatever comes of it."""
        submissions = [self.submission(job, session=new_session) for job in jobs]
        return await self.intake.accept(submissions, key_id=key_id, idempotency=call)

    async def submit(self, tenant: str = "acme", *, new_session: bool = True, **chosen: Any) -> Job:
        """Submit a job that is accepted. The clock moves by 1 ms, so that arrivals have an order."""
        self.clock.turn(by_s=0.001)
        job = self.new_job(tenant, **chosen)
        assert isinstance(await self.offer(job, new_session=new_session), Accepted)
        return job

    async def slots(self, number: int) -> None:
        """One worker lives with so many places, until the clock is turned by a day."""
        await self.turns.admit(worker="w", slots=number, alive_s=86400)

    async def gauges(self, worker: str = "w") -> Gauges:
        """What is shown over all of Redis, counted now if this worker may."""
        found = await self.gauge_store.read(worker=worker)
        assert found is not None
        return found

    async def admitted(self) -> list[str]:
        """Name what is in arq, in the order in which it was let in."""
        found = await self.redis.zrange(key("admitted"), 0, -1)
        return [i.decode() for i in found]

    async def claim(self, job: Job) -> Claim:
        """Claim a job that nobody holds, each time in a process of its own."""
        claim = await self.jobs.claim(job.id, owner=f"w{next(self._owners)}:1")
        assert claim is not None
        return claim

    async def begin(self, job: Job) -> Claim:
        """Claim a job and write that it has started; the claim carries the record as written."""
        claim = await self.claim(job)
        new = transitions.started(claim.job, now_ms=self.clock.now_ms())
        return await self.write(claim, new)

    async def write(self, claim: Claim, new: Job, **how: Any) -> Claim:
        """Commit the next record of a claim."""
        stored = await self.jobs.commit(
            claim.job, new, owner=claim.owner, event=self.news(claim.job, new, claim.webhook), **how
        )
        return Claim(claim.owner, stored, claim.session, claim.webhook, claim.crashes, claim.taken_over)

    async def finish(self, claim: Claim, code: Code | None = None) -> Job:
        """End a started job, well or badly."""
        now_ms = self.clock.now_ms()
        over = (
            transitions.failed(claim.job, now_ms=now_ms, code=code)
            if code
            else transitions.succeeded(claim.job, now_ms=now_ms)
        )
        return (await self.write(claim, over)).job

    async def let_run(self, job_id: str) -> None:
        """A job of this id runs, of which nobody knows more; one that is there stays as it is."""
        await self.redis.hsetnx(key("job", job_id), "status", "running")  # type: ignore[misc]

    async def run(self, job: Job, code: Code | None = None) -> Job:
        """Take a job from its claim to its end."""
        return await self.finish(await self.begin(job), code)

    async def export_on(self, token_id: str) -> Claim:
        """What the commit of a render does that the backend has just taken by this token."""
        claim = await self.begin(await self.submit())
        render = Render(id="render_1", attempt=1, started_at_ms=0, asked=True)
        return await self.write(
            claim, transitions.rendering(transitions.token_changed(claim.job, token_id=token_id), render=render)
        )

    async def cancel(self, job: Job) -> Job:
        """What the API does for a caller's cancel."""
        now = await self.read(job)
        after = transitions.cancel_asked(now, now_ms=self.clock.now_ms())
        return await self.jobs.commit(now, after, owner=None, event=self.news(now, after))

    async def read(self, job: Job) -> Job:
        found = await self.jobs.load(job.id)
        assert found is not None
        return found

    async def everything(self) -> dict[str, Any]:
        """Dump Redis, key by key: what a test compares to see that nothing has changed.

        Which libraries it knows is left out: the first test after one that has unloaded them loads them again.
        """
        found: dict[str, Any] = {}
        async for name in self.redis.scan_iter("*", count=1000):
            if name.decode() != key("function_libraries"):
                found[name.decode()] = await self._value(name)
        return found

    async def _value(self, name: bytes) -> Any:
        match await self.redis.type(name):
            case b"hash":
                return await self.redis.hgetall(name)
            case b"zset":
                return await self.redis.zrange(name, 0, -1, withscores=True)
            case b"set":
                return await self.redis.smembers(name)
            case b"list":
                return await self.redis.lrange(name, 0, -1)
            case b"stream":
                return await self.redis.xrange(name)
        return await self.redis.get(name)


async def in_hundreds(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Make many calls, a hundred at a time, which go to Redis together."""
    left, answers = iter(calls), list[T]()
    while some := list(islice(left, 100)):
        answers += await asyncio.gather(*some)
    return answers


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    client = patient(connect(redis_url, answer_s=PATIENCE_S))
    yield Core(client, settings_for(redis_url))
    await client.aclose()
