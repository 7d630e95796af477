"""A small gateway of its own: an API, two workers behind proxies, and a trap that stops one of them at a chosen moment.

The workers are real processes. The proxies recognize what a worker is about to do (`requests`), the trap says whether
this is the moment (`traps`), and its `Worker` does to it what the trap says.
"""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from core.clock import Clock
from core.store.redis.client import Store, connect
from core.store.redis.keys import key
from sandbox.chaos.counting import ENDS, Accepted
from sandbox.world.ports import free_port
from tests.crash.guarded import Worker
from tests.crash.harness import SECRET_KEY, Harness
from tests.crash.proxies import running_proxy
from tests.crash.requests import HttpRequests, RedisRequests
from tests.crash.traps import Moment, Trap
from tests.gateway_fixture import FAST
from tests.lateness import Lateness
from tests.loopback import NO_TLS
from tests.until import PATIENCE_S, until

LEASE_S = 1
#: a job with a crash in it is over within this
LIMIT_S = PATIENCE_S
UNAVAILABLE = 503
_AGAIN_S = 0.1
#: operations by which a worker shows that it has an item in hand: it writes it, or lets go of it
_WRITES = frozenset({"commit_job", "record_delivery", "hand_back"})
#: and those by which it took it up. Without one, a write is a late one of a worker that was frozen before, which Redis refuses
_CLAIMS = frozenset({"claim_job", "claim_delivery"})

_WAITS = {name: value for name, value in FAST.items() if name.startswith("REELGATE_")}
GATEWAY = _WAITS | {
    "REELGATE_SECRET_KEYS": SECRET_KEY,
    "REELGATE_LEASE_S": str(LEASE_S),
    "REELGATE_ALLOW_ADDRESSES": "127.0.0.0/8",
    "REELGATE_ALLOW_HTTP": "true",
    "REELGATE_DRAIN_S": "2",
    # each poll goes through a proxy in the test's own process
    "REELGATE_POLL_S": "0.1",
}


class Lane:
    """One gateway; `run` takes one job through one moment."""

    def __init__(self, harness: Harness, database: int, env: dict[str, str], http: httpx.AsyncClient) -> None:
        self.harness = harness
        self.database = database
        #: a caller before the lane's API
        self.http = http
        #: those that shall be alive; who is sent away is replaced here
        self.workers: list[Worker] = []
        self.trap: Trap | None = None
        #: set when another worker than the frozen one has written, or nothing is left to be written
        self.elsewhere = asyncio.Event()
        #: starts of workers that follow those that were sent away
        self.followers: list[asyncio.Task[Worker]] = []
        #: how long it took from the last stop until another worker wrote, without what this machine was late
        self.gone_on_after_s: float | None = None
        self._stopped: Worker | None = None
        #: those that have taken something up since
        self._claimants: set[Worker] = set()
        #: those that were stopped and have written nothing since
        self._thawed: set[Worker] = set()
        self._since_stop = Lateness()
        self._watch: asyncio.Task[None] | None = None
        self._env = env
        self._started = 0
        self._stack = AsyncExitStack()
        self._upload = ""

    def log(self, name: str) -> Path:
        return self.harness.folder / f"lane-{self.database}-{name}.log"

    async def hire(self) -> Worker:
        """Start one more worker, behind proxies of its own."""
        self._started += 1
        worker = Worker(self, self._started)
        backend_port = urlsplit(self.harness.sandbox.url).port
        to_redis = await self._stack.enter_async_context(running_proxy(self.harness.redis.port, RedisRequests, worker))
        to_backend = await self._stack.enter_async_context(running_proxy(backend_port, HttpRequests, worker))
        addresses = {
            "REDIS_URL": self.harness.redis.url_of(self.database, port=to_redis),
            "NEMO_API_URL": f"http://127.0.0.1:{to_backend}",
        }
        command = ("worker", "--metrics-port", "0")
        worker.pid = await self.harness.fork_server.start(*command, env=self._env | addresses, log=worker.log)
        self._stack.callback(worker.signal, signal.SIGKILL)
        self.workers.append(worker)
        return worker

    async def close(self) -> None:
        """End all workers."""
        self._end_watch()
        await asyncio.gather(*self.followers)
        await self._stack.aclose()

    def stopped(self, worker: Worker) -> None:
        """Begin to wait for somebody else to go on."""
        self._stopped = worker
        self._thawed.add(worker)
        self._claimants.clear()
        self.elsewhere.clear()
        self._since_stop = Lateness()
        self._end_watch()
        self._watch = asyncio.create_task(self._since_stop.watch())
        self.gone_on_after_s = None

    def follow(self, worker: Worker, how: signal.Signals) -> None:
        """Send a worker away, and put another in its place."""
        self.workers.remove(worker)
        worker.signal(how)
        self.followers.append(asyncio.create_task(self.hire()))

    def heard(self, worker: Worker, names: Sequence[str]) -> None:
        """Notice that somebody else goes on."""
        if self._stopped is worker:
            return
        if not _CLAIMS.isdisjoint(names):
            self._claimants.add(worker)
        if _WRITES.isdisjoint(names):
            return
        if worker in self._thawed:
            # perhaps of what it did before, which Redis refuses; it may have taken something up meanwhile
            self._thawed.remove(worker)
        elif worker in self._claimants:
            self.elsewhere.set()
            if self.gone_on_after_s is None:
                self.gone_on_after_s = self._since_stop.own_s
                self._end_watch()

    def _end_watch(self) -> None:
        if self._watch:
            self._watch.cancel()

    async def run(self, moment: Moment | None, prompt: str, *, times: int = 1, **fields: Any) -> dict[str, Any]:
        """Submit a job, stop whoever works on it at the moment, wait for its end and callback, and return the job.

        Raises AssertionError where the moment never came, and TimeoutError where the end did not.
        """
        async with asyncio.timeout(LIMIT_S):
            await self.all_ready()
            await self._nothing_in_hand()
            self.elsewhere.clear()
            self._stopped = None
            self.trap = Trap(moment, times=times) if moment else None
            job = await self.ended(await self.submit(prompt, **fields))
            await self.told(job["id"])
            if self.trap:
                await self.trap.sprung.wait()
            self.elsewhere.set()
            self.trap = None
        return job

    async def all_ready(self) -> None:
        await asyncio.gather(*self.followers)
        await asyncio.gather(*(worker.ready.wait() for worker in self.workers))

    async def _nothing_in_hand(self) -> None:
        """Wait until what was left in this database is done: who writes it must not be taken for one that goes on with a job."""
        store = Store(connect(self.harness.redis_url(self.database), answer_s=PATIENCE_S))

        async def done() -> bool:
            due = await store.redis.zcount(key("arq_queue"), "-inf", Clock().now_ms())
            return due == 0 == await store.redis.zcard(key("leases"))

        try:
            await until(done, within_s=LIMIT_S, every_s=_AGAIN_S)
        finally:
            await store.close()

    async def submit(self, prompt: str, *, media: bool = True, **fields: Any) -> str:
        """Post a job whose prompt holds a new title for ``{title}``; returns its id."""
        title = f"T{uuid.uuid4().hex[:12]}"
        body = {
            "prompt": prompt.format(title=title),
            "media": [{"upload_id": await self.upload()}] if media else [],
            "webhook": {"url": self.harness.receiver.hook},
        }
        answer = await self._taken(body | fields)
        job_id = str(answer.json()["id"])
        self.harness.accepted.append(Accepted(job_id, title))
        return job_id

    async def _taken(self, body: dict[str, Any]) -> httpx.Response:
        """Post a job as a good caller does: what is refused for now is tried again under the same key."""
        under = {"Idempotency-Key": uuid.uuid4().hex}

        async def post() -> httpx.Response | None:
            answer = await self.http.post("/v1/jobs", json=body, headers=under)
            return None if answer.status_code == UNAVAILABLE else answer

        answer = await until(post, within_s=LIMIT_S, every_s=_AGAIN_S)
        assert answer is not None
        assert answer.status_code == 202, answer.text
        return answer

    async def upload(self) -> str:
        """Send the clip, once."""
        if not self._upload:
            content = self.harness.clip.read_bytes()
            answer = await self.http.post("/v1/uploads", params={"filename": "clip.mp4"}, content=content)
            assert answer.status_code == 201, answer.text
            self._upload = str(answer.json()["id"])
        return self._upload

    async def ended(self, job_id: str, *, within_s: float = LIMIT_S) -> dict[str, Any]:
        """Follow a job's events to their end, and read it; from anew where Redis went away in between."""

        async def follow() -> dict[str, Any] | None:
            with suppress(httpx.TransportError):
                async for _ in self._told(job_id, within_s):
                    pass
            answer = await self.http.get(f"/v1/jobs/{job_id}")
            return answer.json() if answer.is_success and answer.json()["status"] in ENDS else None

        job = await until(follow, within_s=within_s, every_s=_AGAIN_S)
        assert job is not None
        self.harness.jobs[job_id] = job
        return job

    async def _told(self, job_id: str, within_s: float) -> AsyncIterator[dict[str, Any]]:
        """Give a job as each of its events tells of it, until its end or the connection's."""
        headers = {"Accept": "text/event-stream"}
        url = f"/v1/jobs/{job_id}/events"
        async with self.http.stream("GET", url, headers=headers, timeout=within_s) as events:
            async for line in events.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))["data"]["job"]

    async def waits(self, job_id: str, *, reason: str) -> None:
        """Wait until a job says that it waits for this."""
        async with asyncio.timeout(LIMIT_S):
            async for job in self._told(job_id, LIMIT_S):
                if (job["wait"] or {}).get("reason") == reason:
                    return
        raise AssertionError(f"{job_id} ended and never waited for {reason}")

    async def stages(self, job_id: str) -> list[str]:
        """List the stages that a job has told of, in order."""
        answer = await self.http.get(f"/v1/jobs/{job_id}/events", headers={"Accept": "application/json"})
        return [event["data"]["job"]["stage"] for event in answer.raise_for_status().json()["data"]]

    async def told(self, job_id: str) -> None:
        """Wait for the callback of its end."""
        assert await self.harness.receiver.received(job_id=job_id, at_least=1, wait_s=LIMIT_S / 2), "no callback came"


@asynccontextmanager
async def open_lane(
    harness: Harness, database: int, *, token: str | None = None, workers: int = 2, **environment: str
) -> AsyncIterator[Lane]:
    """Start an API and workers over a database of their own. Without a token they use an anonymous identity."""
    api_port = free_port()
    env = GATEWAY | ({"NEMO_TOKEN": token} if token else {}) | environment
    env |= {
        "REDIS_URL": harness.redis_url(database),
        "REELGATE_PUBLIC_URL": f"http://127.0.0.1:{api_port}",
        "REELGATE_STORAGE": str(harness.folder / f"storage-{database}"),
    }
    headers = {"Authorization": f"Bearer {harness.keys[database]}"}
    async with AsyncExitStack() as stack:
        client = httpx.AsyncClient(
            base_url=env["REELGATE_PUBLIC_URL"], headers=headers, timeout=PATIENCE_S, trust_env=False, verify=NO_TLS
        )
        lane = Lane(harness, database, env, await stack.enter_async_context(client))
        stack.push_async_callback(lane.close)
        for _ in range(workers):
            await lane.hire()
        command = ("api", "--port", str(api_port))
        api_pid = await harness.fork_server.start(*command, env=env, log=lane.log("api"))
        stack.callback(os.kill, api_pid, signal.SIGKILL)
        await _answering(client)
        yield lane


async def _answering(client: httpx.AsyncClient) -> None:
    """Wait until the API is ready."""

    async def ask() -> bool:
        with suppress(httpx.TransportError):
            return (await client.get("/readyz")).is_success
        return False

    await until(ask, within_s=LIMIT_S, every_s=_AGAIN_S)
