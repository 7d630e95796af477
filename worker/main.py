"""The worker process: builds the kit, runs the queue, the heartbeat, the sweep and the metrics page, stops cleanly."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

import click
import uvloop
from prometheus_client import start_http_server

from core.clock import Clock
from core.ids import new_id
from core.logs import configure_logs
from core.metrics import REGISTRY
from core.queue import LeasedWorker, make_worker
from core.security.encryption import Encryption
from core.settings import Settings, load_settings
from core.storage import Storage
from core.store.deliveries import Deliveries
from core.store.jobs.admission import Admission
from core.store.jobs.orphan_renders import OrphanRenders
from core.store.jobs.queries import JobQueries
from core.store.jobs.records import Jobs
from core.store.redis.client import STORE_DOWN, Redis, Store, connect
from core.store.rpc import RpcQueue
from core.store.tenants.webhooks import Webhooks
from core.store.tokens.anonymous_identity import AnonymousIdentities
from core.store.tokens.tokens import Tokens
from core.store.uploads import Uploads
from worker.backend.client import Backend
from worker.backend.metrics import CallCounts
from worker.callbacks.deliver import run_delivery
from worker.context import WorkerContext
from worker.jobs.orphan_renders import follow_left_renders
from worker.jobs.runner import run_job
from worker.leases import Leases
from worker.maintenance.periodic import go_round
from worker.maintenance.sweeper import sweep_for_ever
from worker.outbound.client import guarded_client
from worker.outbound.host_limits import Hosts
from worker.rpc import run_errands
from worker.tokens.pool import Pool

log = logging.getLogger(__name__)

#: Redis answers in time, or counts as away
_ANSWER_S = 5.0
#: deliveries have places of their own beside the jobs
_DELIVERY_PLACES = 256
_AWAY_S = 0.5


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the metrics are served.")
@click.option("--metrics-port", default=9100, show_default=True, help="0 picks a free one.")
def worker(host: str, metrics_port: int) -> None:
    """Run jobs and send callbacks until SIGTERM."""
    settings = load_settings()
    configure_logs(settings.log_level)
    uvloop.run(serve(settings, host=host, metrics_port=metrics_port))


async def serve(settings: Settings, *, host: str, metrics_port: int) -> None:
    """Run one worker process until it is told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        client = connect(settings.redis_url.get_secret_value(), answer_s=_ANSWER_S, connections=256)
        kit = await _build_kit(settings, client, stack)
        if not await _redis_answers(client, stop):
            return
        for secret in settings.nemo_tokens:
            await kit.tokens.add(secret.get_secret_value(), kind="operator")
        server, _ = start_http_server(metrics_port, addr=host, registry=REGISTRY)
        stack.callback(server.shutdown)
        url = f"http://{host}:{server.server_port}"
        await _work(kit, client, stop, url)


async def _build_kit(settings: Settings, client: Redis, stack: AsyncExitStack) -> WorkerContext:
    clock, store = Clock(), Store(client)
    vault = Encryption([key.get_secret_value() for key in settings.secret_keys])
    jobs = Jobs(store, settings, clock)
    tokens = Tokens(store, vault, clock)
    backend = Backend(
        settings.nemo_api_url,
        platform=platform(settings),
        metrics=CallCounts(),
        first_pause_s=settings.backoff_s,
    )
    outside = guarded_client(allow=settings.allow_addresses, http_allowed=settings.allow_http)
    stack.push_async_callback(store.close)
    stack.push_async_callback(backend.aclose)
    stack.push_async_callback(outside.aclose)
    return WorkerContext(
        settings=settings,
        clock=clock,
        vault=vault,
        jobs=jobs,
        turns=Admission(store, settings, clock),
        listing=JobQueries(store, jobs, tenant_running_jobs=settings.tenant_running_jobs),
        deliveries=Deliveries(store, clock),
        webhooks=Webhooks(store, vault, clock),
        tokens=tokens,
        uploads=Uploads(store, clock),
        left_renders=OrphanRenders(store, clock),
        errands=RpcQueue(store),
        storage=Storage(settings.storage),
        backend=backend,
        pool=Pool(
            tokens,
            AnonymousIdentities(store),
            backend,
            clock,
            rate_limited_s=settings.rate_limited_s,
            web_url=settings.nemo_web_url,
            month_limit=settings.tenant_month_credits,
        ),
        leases=Leases(jobs, store, worker_id=_worker_id(), lease_s=settings.lease_s),
        hosts=Hosts(clock),
        outside=outside,
    )


def platform(settings: Settings, installed_at: str = __file__) -> str:
    """Name where this skill runs, as the attribution header wants it (BACKEND.md, "Headers")."""
    if settings.skill_source:
        return settings.skill_source
    marks = {"/.clawhub/": "clawhub", "/.cursor/skills/": "cursor"}
    return next((name for mark, name in marks.items() if mark in installed_at), "unknown")


def _worker_id() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{new_id('evt')[-6:]}"


async def _redis_answers(client: Redis, stop: asyncio.Event) -> bool:
    """Wait for Redis. False: told to stop before it answered."""
    while not stop.is_set():
        with suppress(*STORE_DOWN):
            await client.ping()
            return True
        log.warning("waiting for Redis")
        await asyncio.sleep(_AWAY_S)
    return False


async def _work(kit: WorkerContext, client: Redis, stop: asyncio.Event, url: str) -> None:
    settings = kit.settings
    queue = make_worker(
        client,
        run_job=partial(run_job, kit),
        run_delivery=partial(run_delivery, kit),
        places=settings.worker_jobs + _DELIVERY_PLACES,
        poll_s=settings.poll_s,
        lease_s=settings.lease_s,
    )
    side = [
        _for_ever("heartbeat", kit.leases.keep()),
        _for_ever("cancels", kit.leases.listen_for_cancels()),
        _for_ever("sweep", sweep_for_ever(kit)),
        _for_ever(
            "left renders", go_round("left renders", partial(follow_left_renders, kit), every_s=settings.sweep_s)
        ),
        _for_ever("errands", run_errands(kit)),
        _for_ever("admission", _stay_listed(kit)),
    ]
    running = asyncio.create_task(queue.async_run())
    print(f"worker ready {url}", flush=True)  # noqa: T201 - the line that whoever started us waits for
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await _stop(kit, queue, running)
    for task in side:
        task.cancel()
    await asyncio.gather(*side, return_exceptions=True)


def _for_ever(name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(coroutine, name=name)


async def _stay_listed(kit: WorkerContext) -> None:
    """Say again and again that this worker lives, and let jobs in up to what all workers can hold."""
    name, every_s = kit.leases.new_owner(), min(1.0, kit.settings.lease_s / 3)
    try:
        while True:
            with suppress(*STORE_DOWN):
                await kit.turns.admit(worker=name, slots=kit.settings.worker_jobs, alive_s=kit.settings.lease_s)
            await asyncio.sleep(every_s)
    finally:
        with suppress(*STORE_DOWN):
            await kit.turns.admit(worker=name, slots=0)


async def _stop(kit: WorkerContext, queue: LeasedWorker, running: asyncio.Task[None]) -> None:
    """Take no more; hand over what is between two steps at once; give open streams their grace.

    Whatever is handed over keeps its checkpoint, and costs no try.
    """
    queue.allow_pick_jobs = False
    log.info("stopping with %d jobs and callbacks in hand", len(kit.leases))
    with suppress(*STORE_DOWN):
        await kit.leases.hand_over(streams_too=False)
    with suppress(TimeoutError):
        async with asyncio.timeout(kit.settings.drain_s):
            await kit.leases.all_done()
    with suppress(*STORE_DOWN):
        await kit.leases.hand_over(streams_too=True)
    running.cancel()
    await asyncio.gather(running, *queue.tasks.values(), return_exceptions=True)
