"""A time-out that this process caused itself is nobody else's fault."""

import asyncio
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

from core.clock import Clock, stopwatch_s
from tests.until import PATIENCE_S, until
from worker.callbacks.retry_policy import AttemptFault, is_silence, says_nothing
from worker.callbacks.send import send
from worker.outbound.client import guarded_client
from worker.outbound.loop_lag import LagWatch

LOCAL = (ip_network("127.0.0.1/32"),)


def hold_the_loop(for_s):
    until_s = stopwatch_s() + for_s
    while stopwatch_s() < until_s:
        pass


@asynccontextmanager
async def silent_receiver():
    asked, ended = asyncio.Event(), asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"event")
        asked.set()
        with suppress(ConnectionResetError):
            await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with guarded_client(allow=LOCAL, http_allowed=True) as client:
            attempt = send(client, url=url, body=b"event", headers={}, clock=Clock(), timeout_s=1.0)
            yield asked, asyncio.create_task(attempt)
        await ended.wait()


async def test_an_attempt_that_times_out_while_the_loop_is_held_says_nothing_of_its_host():
    async with silent_receiver() as (asked, attempt):
        await asked.wait()
        hold_the_loop(1.2)
        result = await attempt
    assert result.error is AttemptFault.OUR_LATENESS
    assert says_nothing(result)
    assert not is_silence(result)


async def test_an_attempt_that_times_out_while_the_loop_is_free_is_the_host_s_silence():
    async def at_a_silent_host():
        async with silent_receiver() as (_, attempt):
            result = await attempt
        assert result.error in {AttemptFault.TIMEOUT, AttemptFault.OUR_LATENESS}
        return result.error is AttemptFault.TIMEOUT and result

    assert is_silence(await until(at_a_silent_host, within_s=PATIENCE_S))  # a busy machine holds the loop, too


async def test_lateness_is_what_went_by_beyond_the_timer():
    with LagWatch() as held:
        await asyncio.sleep(0)
        hold_the_loop(0.6)
    assert held.late_s >= 0.3
    assert held.was_late
