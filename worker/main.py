"""The worker process: runs the queue, the heartbeat, the periodic tasks and its pages, and stops cleanly."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from functools import partial
from typing import Any

import click
import uvloop

from core.errors import StartRefused
from core.logs import bind, get_logger, say_ready
from core.process.background import Background
from core.process.command import ProcessCommand, load_process_settings
from core.process.garbage import collect_rarely
from core.process.listener import CannotListen
from core.process.loop_watch import watch_loop
from core.process.pages import serve_pages
from core.process.readiness import Readiness
from core.queue import LeasedWorker, Run, make_worker
from core.settings import Settings
from core.store.redis.client import STORE_DOWN, Redis, connect, why_away
from core.store.redis.watch import watch_redis
from core.store.start_check import check_start, join
from worker import redis_outage
from worker.callbacks.deliver import run_delivery
from worker.context import WorkerContext, build_context
from worker.jobs.orphan_renders import follow_orphan_renders
from worker.jobs.runner import run_job
from worker.listing import stay_listed
from worker.maintenance.periodic import run_periodically
from worker.maintenance.sweeper import run_removal, run_sweeper
from worker.metrics import show_worker_metrics
from worker.offer import DELIVERY_PLACES
from worker.probes import pages_of
from worker.rpc import run_rpc_server

log = get_logger(__name__)

#: Redis answers in time, or counts as away
_ANSWER_S = 5.0


@click.command(cls=ProcessCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where probes and metrics are served.")
@click.option("--metrics-port", default=9100, show_default=True, help="0 picks a free one.")
def worker(host: str, metrics_port: int) -> None:
    """Run jobs and send callbacks until SIGTERM."""
    settings = load_process_settings()
    collect_rarely()
    try:
        uvloop.run(serve(settings, host=host, metrics_port=metrics_port))
    except (StartRefused, CannotListen) as refused:
        raise click.ClickException(str(refused)) from None


async def serve(settings: Settings, *, host: str, metrics_port: int) -> None:
    """Run one worker process until it is told to stop. Raises StartRefused."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        client = connect(settings.redis_url.get_secret_value(), answer_s=_ANSWER_S, connections=256)
        context = await build_context(settings, client, stack)
        readiness = Readiness(context.store, context.encryption, cell=settings.cell)
        show_worker_metrics(context)
        watches = Background()
        watches.start(watch_loop(), watch_redis(context.store))
        stack.push_async_callback(watches.stop)
        url = await stack.enter_async_context(_serve_pages(readiness, host, metrics_port))
        if not await _wait_for_redis(context, readiness, stop):
            return
        await _run(context, client, readiness, stop, url)


def _serve_pages(readiness: Readiness, host: str, port: int) -> AbstractAsyncContextManager[str]:
    return serve_pages(pages_of(readiness), host=host, port=port)


async def _wait_for_redis(context: WorkerContext, readiness: Readiness, stop: asyncio.Event) -> bool:
    """Wait until Redis answers, and warn of what is wrong with it. False: told to stop before it did.

    Raises StartRefused. From then on this process is known to the others. Each reason to wait is told once.
    """
    told = ""
    while not stop.is_set():
        try:
            await _begin(context, readiness)
        except STORE_DOWN as away:
            if (why := why_away(away)) != told:
                log.warning("waiting for Redis", why=why)
            told = why
            await redis_outage.pause()
        else:
            return True
    return False


async def _begin(context: WorkerContext, readiness: Readiness) -> None:
    warnings = await readiness.look()
    await join(context.membership)
    await _add_operator_tokens(context)
    for warning in warnings:  # said once: a Redis that is full answers each try
        log.warning(warning)


async def _add_operator_tokens(context: WorkerContext) -> None:
    for secret in context.settings.nemo_tokens:
        await context.token_pool.add_operator_token(secret.get_secret_value())


async def _run(context: WorkerContext, client: Redis, readiness: Readiness, stop: asyncio.Event, url: str) -> None:
    queue = _make_queue(context, client)
    coroutines = _tasks_beside(context, queue, stop)
    beside = {name: asyncio.create_task(coroutine, name=name) for name, coroutine in coroutines.items()}
    running = asyncio.create_task(queue.async_run())
    say_ready("worker", url, context.settings.log_format)
    waiting = asyncio.create_task(stop.wait())
    refusal = asyncio.create_task(_watch_redis(context))
    await asyncio.wait({running, waiting, refusal}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    readiness.draining = True
    stop.set()
    # who asked by RPC waits for an answer, and would be told that no worker is there
    answering = asyncio.wait({beside["rpc"]}, timeout=context.settings.drain_s)
    await asyncio.gather(_stop(context, queue, running), answering)
    for task in beside.values():
        task.cancel()
    await asyncio.gather(*beside.values(), return_exceptions=True)
    await context.membership.leave()
    if refusal.done():
        refusal.result()  # raises StartRefused, the one end that it has
    refusal.cancel()


async def _watch_redis(context: WorkerContext) -> None:
    """Look again and again whether Redis is still one that is ours to serve: it may have been replaced.

    Raises StartRefused; whoever goes on then would take every stored secret, or every record, for broken.
    """
    told: list[str] = []
    while True:
        await asyncio.sleep(context.settings.sweep_s)
        with suppress(*STORE_DOWN):
            warnings = await check_start(context.store, context.encryption, cell=context.settings.cell)
            for warning in set(warnings).difference(told):
                log.warning(warning)
            told = warnings


def _make_queue(context: WorkerContext, client: Redis) -> LeasedWorker:
    settings = context.settings
    return make_worker(
        client,
        run_job=_naming("job_id", partial(run_job, context, only_if_due=True)),
        run_delivery=_naming("delivery_id", partial(run_delivery, context, only_if_due=True)),
        places=settings.worker_jobs + DELIVERY_PLACES,
        poll_s=settings.poll_s,
        lease_s=settings.lease_s,
    )


def _naming(field: str, run: Run) -> Run:
    """Let every log line of a run say what it runs; each runs in a task, and so in a context, of its own."""

    async def run_named(item_id: str) -> None:
        bind(**{field: item_id})
        await run(item_id)

    return run_named


def _tasks_beside(
    context: WorkerContext, queue: LeasedWorker, stop: asyncio.Event
) -> dict[str, Coroutine[Any, Any, None]]:
    """Name what runs beside the queue for as long as this process does."""
    follow, ask_for_revoked = partial(follow_orphan_renders, context), context.token_pool.revoked.ask_for_due
    return {
        "heartbeat": context.leases.run_heartbeat(),
        "cancels": context.leases.listen_for_cancels(),
        "sweep": run_sweeper(context),
        "removal": run_removal(context),
        "orphan renders": run_periodically("orphan renders", follow, every_s=context.settings.sweep_s),
        "revoked tokens": run_periodically("revoked tokens", ask_for_revoked, every_s=context.settings.sweep_s),
        "rpc": run_rpc_server(context, stop),
        "admission": stay_listed(context, lambda jobs: queue.offer(jobs + DELIVERY_PLACES)),
        "membership": context.membership.run(when_unknown=partial(_add_operator_tokens, context)),
    }


async def _stop(context: WorkerContext, queue: LeasedWorker, running: asyncio.Task[None]) -> None:
    """Take no more; hand back what is between two steps at once; give open streams their grace.

    Whatever is handed back keeps its checkpoint, and costs no try. A Redis that is away is waited for as long as it is worth it: who
    finds a lease that has run out, instead, has waited for that, and counts a crash.
    """
    settings, leases = context.settings, context.leases
    log.info("stopping", in_hand=len(leases))
    await queue.stop_taking()
    with suppress(TimeoutError):
        async with asyncio.timeout(settings.drain_s):
            await leases.hand_back_all(streams_too=False, patience_s=settings.lease_s)
            await leases.wait_until_idle()
            await context.token_pool.finish_renewal()
    await leases.hand_back_all(streams_too=True, patience_s=_ANSWER_S)
    running.cancel()
    await asyncio.gather(running, *queue.tasks.values(), return_exceptions=True)
