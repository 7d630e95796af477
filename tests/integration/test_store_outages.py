"""A Redis that is full, starting, frozen or gone: a clear word to the caller, and nothing that was accepted is lost."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from redis.exceptions import AuthenticationError

from core.clock import Clock
from core.store.formats import Membership
from core.store.redis.client import STORE_DOWN, Redis, Store, connect
from core.store.redis.keys import key
from core.store.start_check import check_start
from tests.redis_fixture import running_redis
from tests.store_fixture import SECRET_KEY, Core, core, settings_for
from tests.until import PATIENCE_S, until

__all__ = ["core"]

REELGATE = Path(sys.executable).with_name("reelgate")


async def test_a_full_redis_refuses_a_job_whole(core: Core) -> None:
    await core.submit()
    before = await core.everything()
    await core.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(STORE_DOWN):
            await core.offer(core.new_job())
    finally:
        await core.redis.config_set("maxmemory", 0)
    assert await core.everything() == before
    await core.submit()


async def test_a_full_redis_still_reads(core: Core) -> None:
    job = await core.submit()
    await core.redis.config_set("maxmemory", 1)
    try:
        assert await core.read(job) == job
        assert (await core.listing.queue_position(job)).position == 1
    finally:
        await core.redis.config_set("maxmemory", 0)


async def test_a_full_redis_takes_what_a_stopping_worker_hands_back(core: Core) -> None:
    """It would wait for room as long as a lease, and each of its jobs would count a crash."""
    await core.slots(9)
    begun = await core.begin(await core.submit())
    await core.redis.config_set("maxmemory", 1)
    try:
        await core.jobs.hand_back({begun.job.id: begun.owner})
    finally:
        await core.redis.config_set("maxmemory", 0)
    claim = await core.claim(begun.job)
    assert (claim.taken_over, claim.left_behind, claim.crashes) == (True, False, 0)


async def test_a_redis_that_must_not_write_counts_as_away(core: Core) -> None:
    await core.submit()
    await core.redis.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(STORE_DOWN, match="NOREPLICAS"):
            await core.offer(core.new_job())
    finally:
        await core.redis.config_set("min-replicas-to-write", 0)


@asynccontextmanager
async def busy(url: str) -> AsyncIterator[None]:
    """Have somebody's script hold up this Redis, which says so after a moment."""
    holder, other = connect(url, answer_s=PATIENCE_S), connect(url, answer_s=PATIENCE_S)
    await holder.config_set("busy-reply-threshold", 1)
    holding = asyncio.create_task(holder.eval("while true do end", 0))
    try:
        await until(partial(is_held_up, other), within_s=PATIENCE_S)
        yield
    finally:
        await other.script_kill()
        await asyncio.gather(holding, return_exceptions=True)
        for client in (holder, other):
            await client.aclose()


async def is_held_up(client: Redis) -> bool:
    try:
        await client.exists("a")
    except STORE_DOWN:
        return True
    return False


async def test_a_redis_that_somebody_holds_up_counts_as_away_whatever_is_asked() -> None:
    with running_redis() as server:
        client = connect(server.url, answer_s=PATIENCE_S)
        core = Core(client, settings_for(server.url))
        job = await core.submit()
        async with busy(server.url):
            for asked in (
                core.offer(core.new_job()),
                core.store.ask("HGET", key("job", job.id), "rec"),
                core.store.ask_waiting("BLPOP", "nothing", "0.1"),
                core.redis.hget(key("job", job.id), "rec"),
                core.redis.pipeline(transaction=False).exists("a").exists("b").execute(),
                core.redis.pipeline(transaction=True).exists("a").execute(),
                check_start(core.store, core.vault, cell=""),
            ):
                with pytest.raises(STORE_DOWN, match="BUSY"):
                    await asked
        assert await core.read(job) == job
        await core.store.close()


async def test_a_redis_that_is_demoted_while_somebody_waits_for_a_list_counts_as_away() -> None:
    with running_redis() as server:
        core = Core(connect(server.url, answer_s=PATIENCE_S), settings_for(server.url))
        waits = [
            asyncio.create_task(core.store.ask_waiting("BLPOP", "nothing", "0")),
            asyncio.create_task(core.rpc.next(wait_s=PATIENCE_S)),
        ]

        async def are_waiting() -> bool:
            return bool((await core.redis.info("clients"))["blocked_clients"] == len(waits))

        await until(are_waiting, within_s=PATIENCE_S)
        await core.redis.replicaof("127.0.0.1", "1")
        for each in waits:
            with pytest.raises(STORE_DOWN):
                await each
        await core.store.close()


async def test_a_mistake_of_ours_is_not_taken_for_an_outage(core: Core) -> None:
    await core.redis.set(key("queued_all"), "no sorted set")
    with pytest.raises(Exception, match="WRONGTYPE") as broken:
        await core.offer(core.new_job())
    assert not isinstance(broken.value, STORE_DOWN)


async def test_scripts_are_found_again_after_a_restart(core: Core) -> None:
    await core.submit()
    await core.redis.script_flush()
    await core.submit()


async def test_a_cancel_is_never_lost_whenever_it_comes(core: Core) -> None:
    async def ask_for_ever() -> None:
        while True:
            await core.redis.exists("a")

    for moment in range(150):
        asking = asyncio.create_task(ask_for_ever())
        for _ in range(moment):
            await asyncio.sleep(0)
        asking.cancel()
        done, _ = await asyncio.wait({asking}, timeout=PATIENCE_S)
        assert done, f"a cancel after {moment} turns of the loop was lost"


async def test_a_redis_that_takes_nothing_counts_as_away() -> None:
    with running_redis() as server:
        hasty, patient = connect(server.url, answer_s=0.2), connect(server.url, answer_s=PATIENCE_S)
        await patient.ping()
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(STORE_DOWN):
            await hasty.set("a", b"x" * 50_000_000)
        server.process.send_signal(signal.SIGCONT)
        await patient.ping()
        await hasty.aclose()
        await patient.aclose()


async def test_what_was_accepted_is_there_after_redis_was_killed() -> None:
    with running_redis() as server:
        client = connect(server.url, answer_s=PATIENCE_S)
        core = Core(client, settings_for(server.url))
        jobs = [await core.submit() for _ in range(20)]
        server.kill()
        with pytest.raises(STORE_DOWN):
            await core.offer(core.new_job())
        server.restart()
        assert [await core.read(job) for job in jobs] == jobs
        await core.slots(30)
        assert set(await core.admitted()) == {job.id for job in jobs}
        await client.aclose()


async def test_a_new_password_for_redis_takes_the_old_ones_place_without_a_break() -> None:
    """As deploy/RUNBOOK.md says: both are good for a while, and whoever is connected stays so."""
    with running_redis() as server:
        before = connect(server.url, answer_s=PATIENCE_S)
        await before.execute_command("ACL", "SETUSER", "default", ">the-new-one")
        after = connect(server.url.replace(server.password, "the-new-one"), answer_s=PATIENCE_S)
        await after.set("a", 1)
        await before.execute_command("ACL", "SETUSER", "default", f"<{server.password}")
        assert await before.get("a") == await after.get("a") == b"1"
        late = connect(server.url, answer_s=PATIENCE_S)
        with pytest.raises(AuthenticationError):
            await late.ping()
        for each in (before, after, late):
            await each.aclose()


async def test_a_redis_that_has_lost_all_gets_the_tokens_of_the_settings_again(core: Core, tmp_path: Path) -> None:
    given = {"REDIS_URL": core.settings.redis_url.get_secret_value(), "REELGATE_SECRET_KEYS": SECRET_KEY}
    given |= {
        "NEMO_TOKEN": "nmv_usr_a,nmv_usr_b",
        "NEMO_API_URL": "http://127.0.0.1:9",
        "REELGATE_STORAGE": str(tmp_path),
    }
    words = (REELGATE, "worker", "--metrics-port", "0")
    child = await asyncio.create_subprocess_exec(*words, env=os.environ | given, stdout=asyncio.subprocess.PIPE)

    async def are_there() -> bool:
        return len(await core.tokens.all()) == 2

    await until(are_there, within_s=PATIENCE_S)
    await core.redis.flushall()
    await until(are_there, within_s=PATIENCE_S)
    [removed, kept] = await core.tokens.all()
    await core.tokens.remove(removed.id)
    await _heard_twice(core)
    assert [token.id for token in await core.tokens.all()] == [kept.id], "what an operator takes out stays out"
    child.terminate()
    await child.communicate()


async def _heard_twice(core: Core) -> None:
    """Wait until the one process that there is has said two times that it lives."""
    for _ in range(2):
        before = await core.redis.hvals(key("processes"))

        async def has_spoken(before: list[bytes] = before) -> bool:
            return bool(await core.redis.hvals(key("processes")) != before)

        await until(has_spoken, within_s=PATIENCE_S)


async def test_a_process_that_redis_does_not_hear_tells_of_an_outage_once(caplog: pytest.LogCaptureFixture) -> None:
    knocks = asyncio.Semaphore(0)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.release()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = Store(connect(f"redis://127.0.0.1:{port}/0", answer_s=PATIENCE_S))
        member = Membership(store, Clock(), kind="api", process_id="p", secret_key_names=(), lease_s=1, settle_s=60)
        saying = asyncio.create_task(member.run())
        for _ in range(4):
            await knocks.acquire()
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
        await store.close()
    assert [record.levelname for record in caplog.records if "Redis is away" in str(record.msg)] == ["WARNING"]
