"""Where numbers come from: leases that change hands, the way to Redis, a job's start and end."""

import asyncio
import math
import ssl
from contextlib import nullcontext
from pathlib import Path

import httpx
import pytest

from core.errors import Code
from core.metrics import REDIS_MEMORY_USED_BYTES, REGISTRY
from core.model import transitions
from core.store.leases import LeaseLost
from core.store.redis.client import Store, connect
from core.store.redis.watch import look_at_durability, look_at_memory, look_at_round_trip
from tests.store_fixture import Core, core
from tests.worker_fixture import Calls, context_over
from worker.backend.bodies import network_faults
from worker.backend.breaker import CONNECTIONS
from worker.backend.faults import BackendFault
from worker.jobs.runner import run_job
from worker.metrics import preset_metrics

__all__ = ["core"]


@pytest.fixture(autouse=True)
def _shown() -> None:
    preset_metrics()


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"reelgate_{name}", labels) or 0.0


async def test_a_lease_that_ran_out_is_counted_by_who_takes_it_over_and_one_handed_back_is_not(core: Core) -> None:
    await core.slots(10)
    job = await core.submit()
    before = value("leases_taken_over_total", kind="job")
    claim = await core.begin(job)
    await core.jobs.hand_back({job.id: claim.owner})
    await core.claim(job)
    assert value("leases_taken_over_total", kind="job") == before
    core.clock.turn(by_s=13)
    await core.claim(job)
    assert value("leases_taken_over_total", kind="job") == before + 1


async def test_who_loses_a_lease_counts_it_where_the_heartbeat_tells_and_where_a_write_does(
    core: Core, tmp_path: Path
) -> None:
    await core.slots(10)
    before = value("leases_lost_total", kind="job")
    async with context_over(core, tmp_path) as context:
        for at_the_heartbeat in (True, False):
            job = await core.submit()
            claim = await core.claim(job)
            with nullcontext() if at_the_heartbeat else pytest.raises(LeaseLost):
                async with context.leases.hold(job.id, claim.owner):
                    core.clock.turn(by_s=13)
                    await core.claim(job)
                    if at_the_heartbeat:
                        await context.leases._renew_all()
                        await asyncio.sleep(60)
                    await core.write(claim, transitions.started(claim.job, now_ms=core.clock.now_ms()))
    assert value("leases_lost_total", kind="job") == before + 2


async def test_a_job_s_start_and_end_are_counted_by_whoever_writes_them(core: Core) -> None:
    await core.slots(10)
    names = ("job_wait_seconds_sum", "job_wait_seconds_count")
    before = [value(name) for name in names]
    ended = value("job_seconds_sum", status="failed", code="needs_input")
    job = await core.submit()
    core.clock.turn(by_s=7)
    claim = await core.begin(job)
    core.clock.turn(by_s=20)
    await core.finish(claim, Code.NEEDS_INPUT)
    assert [value(name) - was for name, was in zip(names, before, strict=True)] == pytest.approx([7, 1])
    assert value("job_seconds_sum", status="failed", code="needs_input") - ended == pytest.approx(27)


async def test_a_cancel_before_the_start_is_an_end_too(core: Core) -> None:
    before = value("job_seconds_count", status="canceled", code="")
    await core.cancel(await core.submit())
    assert value("job_seconds_count", status="canceled", code="") == before + 1


async def test_redis_is_away_while_it_does_not_answer(core: Core) -> None:
    before = value("redis_round_trip_seconds_count")
    await look_at_round_trip(core.store)
    assert (value("redis_away"), value("redis_round_trip_seconds_count")) == (0, before + 1)
    nobody = Store(connect("redis://127.0.0.1:9/0", answer_s=0.2))
    await look_at_round_trip(nobody)
    assert (value("redis_away"), value("redis_round_trip_seconds_count")) == (1, before + 1)
    await look_at_round_trip(core.store)
    assert value("redis_away") == 0
    await nobody.close()


async def test_redis_is_durable_with_a_log_and_without_evictions(core: Core) -> None:
    await look_at_durability(core.store)
    assert value("redis_durable") == 1
    for name, bad, good in (("appendonly", "no", "yes"), ("maxmemory-policy", "allkeys-lru", "noeviction")):
        await core.redis.config_set(name, bad)
        await look_at_durability(core.store)
        assert value("redis_durable") == 0
        await core.redis.config_set(name, good)
    await look_at_durability(core.store)
    assert value("redis_durable") == 1


async def test_the_memory_of_redis_is_shown_beside_its_limit(core: Core) -> None:
    await look_at_memory(core.store)
    assert 0 < value("redis_memory_used_bytes") < 2**40
    assert math.isnan(value("redis_memory_limit_bytes")), "without a limit nothing can be near it"
    await core.redis.config_set("maxmemory", 2**40)
    try:
        await look_at_memory(core.store)
        assert value("redis_memory_limit_bytes") == 2**40
    finally:
        await core.redis.config_set("maxmemory", 0)


async def test_what_a_redis_says_in_the_place_of_a_number_ends_no_watch() -> None:
    """As what a host puts before its own: whoever watches would have died, and the metrics stood still for good."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = b"used_memory:unknown\r\nmem_not_counted_for_evict:\r\nmaxmemory:none\r\n"
        while asked := await reader.read(65_536):
            commands = asked.count(b"*")
            writer.write(b"$%d\r\n%b\r\n" % (len(told), told) if b"memory" in asked else b"+OK\r\n" * commands)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        odd = Store(connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", answer_s=2))
        REDIS_MEMORY_USED_BYTES.set(1)
        await look_at_memory(odd)
        await odd.close()
    assert math.isnan(value("redis_memory_used_bytes"))
    assert math.isnan(value("redis_memory_limit_bytes"))


async def test_a_redis_that_does_not_tell_is_neither(core: Core) -> None:
    await core.redis.acl_setuser("mute", enabled=True, nopass=True, keys="*", commands=["+@all", "-config"])
    where = core.settings.redis_url.get_secret_value().partition("@")[2]
    mute = Store(connect(f"redis://mute:any@{where}", answer_s=2))
    await look_at_durability(mute)
    assert math.isnan(value("redis_durable"))
    await look_at_durability(core.store)
    await mute.close()
    await core.redis.acl_deluser("mute")


def test_a_failed_handshake_is_told_from_a_refused_connection() -> None:
    def refused_by(cause: Exception) -> BackendFault:
        with pytest.raises(BackendFault) as told, network_faults("state"):
            raise httpx.ConnectError("…") from cause
        return told.value

    assert refused_by(ssl.SSLCertVerificationError("expired")).tls
    assert not refused_by(ConnectionRefusedError()).tls


async def test_a_backend_that_nobody_reaches_opens_the_breaker_of_all_calls(core: Core, tmp_path: Path) -> None:
    await core.slots(10)
    await core.tokens.add("secret", kind="operator", available=1000)
    async with context_over(core, tmp_path, calls=Calls()) as context:
        assert not context.backend.leaves_alone(CONNECTIONS)
        for _ in range(5):
            await run_job(context, (await core.submit()).id)
        assert context.backend.leaves_alone(CONNECTIONS)
        assert not context.backend.leaves_alone("message")
    assert (await core.gauges()).jobs["backend_down"] == 5
