"""`reelgate redis`: what an operator does with Redis itself."""

import asyncio
import signal

import click

from core.cli.context import output_errors_in_words
from core.sentinel_url import is_sentinel_url, parse_sentinel_url
from core.settings import load_settings
from core.store.redis.client import STORE_DOWN, STORE_ERROR, why_refused
from core.store.redis.failover import FailoverFailed, Moved, PlannedFailover

_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@click.group()
def redis() -> None:
    """Move Redis's primary."""


@redis.command("failover")
def failover() -> None:
    """Move the primary to a replica without losing what was accepted: pause writes, wait, fail over, look."""
    url = load_settings().redis_url.get_secret_value()
    if not is_sentinel_url(url):
        raise click.ClickException("REDIS_URL names no Sentinels: it must be like redis+sentinel://host:26379/name/0")
    try:
        moved = asyncio.run(_fail_over(url))
    except FailoverFailed as failed:
        raise click.ClickException(str(failed)) from None
    except asyncio.CancelledError:
        raise click.ClickException("Stopped; writes go on. `SENTINEL GET-MASTER-ADDR-BY-NAME` says where.") from None
    except STORE_DOWN as away:
        raise click.ClickException(f"Redis or its Sentinels do not answer ({type(away).__name__}).") from None
    except STORE_ERROR as refusal:
        raise click.ClickException(f"Nothing was done, since Redis refuses: {why_refused(refusal)}") from None
    with output_errors_in_words():
        click.echo(_told(moved))


async def _fail_over(url: str) -> Moved:
    """Fail over, and end in order where a terminal or a pod goes in between: writes shall not stay paused.

    Told twice it ends no sooner: that would cut off the end in order, and let a primary accept that is one no more.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def end() -> None:
        for each in _ENDS:
            loop.add_signal_handler(each, lambda: None)
        task.cancel()

    for each in _ENDS:
        loop.add_signal_handler(each, end)
    return await PlannedFailover(parse_sentinel_url(url)).run()


def _told(moved: Moved) -> str:
    (old_host, old_port), (new_host, new_port) = moved.old, moved.new
    return (
        f"The primary moved from {old_host}:{old_port} to {new_host}:{new_port}, which has all {moved.offset} bytes of "
        f"history. Writes were paused for {moved.paused_s:.1f} s."
    )
