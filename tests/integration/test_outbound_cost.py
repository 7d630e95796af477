"""What receivers that send without end cost us: told by processor time, so that it holds on a busy machine."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress
from ipaddress import ip_network

import pytest
import uvloop

from core.clock import Clock
from tests.evil_receivers import EVIL
from worker.callbacks.send import send
from worker.outbound.client import guarded_client

LOCAL = (ip_network("127.0.0.1/32"),)
GOOD_TIMES = 20
EVIL_FOR_S = 2


@pytest.fixture(scope="module")
def receivers():
    """URLs by kind, served by a process of their own."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.evil_receivers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield json.loads(process.stdout.readline())
        process.stdin.close()
        process.kill()


async def attempt(client, url, timeout_s=15.0):
    return await send(client, url=url, body=b"event", headers={}, clock=Clock(), timeout_s=timeout_s)


def in_worker_loop(run):
    """Run `run(client)` on the loop that a worker runs on."""

    async def whole():
        async with guarded_client(allow=LOCAL, http_allowed=True) as client:
            return await run(client)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())


async def cost_s(client, url, times=1):
    await attempt(client, url, timeout_s=1.0)
    before_s = time.process_time()
    results = [await attempt(client, url, timeout_s=1.0) for _ in range(times)]
    return (time.process_time() - before_s) / times, results


@pytest.mark.parametrize("kind", EVIL)
def test_an_endless_answer_costs_a_small_part_of_its_time_and_ends_in_an_answer(receivers, kind):
    spent_s, [result] = in_worker_loop(lambda client: cost_s(client, receivers[kind]))
    assert spent_s < 0.2
    assert result.status == 200 or result.error in {"answer_too_large", "timeout"}


async def good_s(client, url):
    """How much processor time this process spends while sixty receivers are called so many times each."""
    before_s = time.process_time()

    async def callbacks():
        for _ in range(GOOD_TIMES):
            assert (await attempt(client, url)).status == 200

    await asyncio.gather(*(callbacks() for _ in range(60)))
    return time.process_time() - before_s


async def evil_s(client, urls):
    """How much it spends while it has an attempt under way at each of these, over and over for so long.

    On their own, since they cost something for as long as they are there: beside work that takes longer on a busy
    machine they would cost more the busier it is.
    """
    before_s = time.process_time()

    async def again(url):
        with suppress(TimeoutError):
            async with asyncio.timeout(EVIL_FOR_S):
                while True:
                    await attempt(client, url)
                    await asyncio.sleep(1)  # a worker, too, leaves a receiver alone for a while before it tries again

    await asyncio.gather(*(again(url) for url in urls))
    return time.process_time() - before_s


def test_sixty_evil_receivers_take_less_of_a_worker_than_sixty_good_ones(receivers):
    async def both(client):
        evil = [receivers[kind] for kind in EVIL] * 5
        return await evil_s(client, evil), await good_s(client, receivers["good"])

    sixty_evil_s, sixty_good_s = in_worker_loop(both)
    assert sixty_evil_s <= sixty_good_s
