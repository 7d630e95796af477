"""The operations are Redis Functions: loaded when they are missing, side by side with another version's, and not for ever."""

import asyncio

import msgspec
import pytest

from core.queue import _Due
from core.store.redis.client import STORE_DOWN, Store, connect
from core.store.redis.durability import durability_warnings, is_durable
from core.store.redis.functions import Functions, Library, library, make_library
from core.store.redis.keys import key
from core.store.start_check import check_start
from tests.redis_fixture import RedisServer, running_redis
from tests.store_fixture import Core, core, settings_for
from tests.until import PATIENCE_S

__all__ = ["core"]


def version(number: int) -> Library:
    """Another version, whose one operation tells its number."""
    return make_library(f"""redis.register_function('tell_' .. DIGEST, function(_, arguments) return {number} end)""")


def of_version(core: Core, number: int) -> Functions:
    return Functions(core.store.ask, core.store.ask_apart, version(number))


async def loaded(core: Core) -> set[str]:
    found = await core.redis.execute_command("FUNCTION", "LIST")
    return {dict(zip(row[::2], row[1::2], strict=True))[b"library_name"].decode() for row in found}


@pytest.fixture(autouse=True)
async def without_functions(core: Core) -> None:
    """What other tests have loaded stays through FLUSHALL."""
    await core.redis.execute_command("FUNCTION", "FLUSH")


async def test_a_redis_that_does_not_know_the_library_is_given_it(core: Core) -> None:
    await core.submit()
    assert await loaded(core) == {library().name}
    await core.redis.execute_command("FUNCTION", "FLUSH")
    await core.submit()
    assert await loaded(core) == {library().name}


async def test_many_who_find_it_missing_at_once_all_come_through(core: Core) -> None:
    jobs = [core.new_job() for _ in range(20)]
    await asyncio.gather(*(core.offer(job) for job in jobs))
    assert await core.jobs.load_many([job.id for job in jobs]) == jobs


async def test_the_library_outlives_an_emptied_redis(core: Core) -> None:
    await core.submit()
    await core.redis.flushall()
    job = await core.submit()
    assert await core.read(job) == job


async def test_the_library_has_room_for_more_names(core: Core) -> None:
    """Lua knows 200 local ones at a time, and the file that has one too many of all of them is another one each time."""
    more = "".join(f"local room_{n} = {n}\n" for n in range(4))
    larger = make_library(more + library().source.split("\n", 2)[2])
    await core.redis.execute_command("FUNCTION", "LOAD", larger.source)


async def test_another_version_of_the_source_has_another_name_and_both_work(core: Core) -> None:
    newer = make_library(library().source.split("\n", 2)[2] + "\n-- newer")
    assert newer.digest != library().digest
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(2):
            await core.submit()
            await Core(core.redis, core.settings, core.clock, Store(core.redis, functions=newer)).submit()
    assert await loaded(core) == {library().name, newer.name}


async def test_of_many_versions_the_last_ones_are_kept(core: Core) -> None:
    for number in range(12):
        assert await of_version(core, number).call("tell", b"") == number
        await core.redis.zadd(key("function_libraries"), {version(number).name: number})
    assert await loaded(core) == {version(number).name for number in range(4, 12)}
    assert await core.redis.zcard(key("function_libraries")) == 8


async def test_a_version_that_is_loaded_by_a_clock_behind_that_of_before_is_not_deleted_at_once(core: Core) -> None:
    """As after a failover to a host whose time is behind."""
    await core.redis.zadd(key("function_libraries"), {f"reelgate_{n}": 4e12 for n in range(8)})
    await core.submit()
    assert await loaded(core) == {library().name}


async def test_installations_in_two_databases_of_one_redis_leave_each_other_their_versions(
    core: Core, redis_server: RedisServer
) -> None:
    """Staging runs the next release beside production: each would load its library again at every call."""
    store = Store(connect(redis_server.url_of(1), answer_s=PATIENCE_S))
    here, there = of_version(core, 0), Functions(store.ask, store.ask_apart, version(1))
    assert (await here.call("tell", b""), await there.call("tell", b"")) == (0, 1)
    assert await loaded(core) == {version(0).name, version(1).name}
    await store.close()


async def test_a_user_who_may_not_delete_libraries_can_load_one(core: Core) -> None:
    for number in range(8):
        await of_version(core, number).call("tell", b"")
    rules = ("~*", "&*", "+@all", "-function|delete")
    await core.redis.execute_command("ACL", "SETUSER", "some", "reset", "on", "nopass", *rules)
    client = connect(
        core.settings.redis_url.get_secret_value().replace("redis://:", "redis://some:"), answer_s=PATIENCE_S
    )
    store = Store(client)
    assert await Functions(store.ask, store.ask_apart, version(9)).call("tell", b"") == 9
    await store.close()


async def test_a_user_of_our_keys_and_channels_alone_and_without_what_is_dangerous_can_do_all(core: Core) -> None:
    """As docs/CONFIGURATION.md says."""
    rules = ["~rg:*", "~arq:*", "&rg:*", "+@all", "-@admin", "-@dangerous"]
    await core.redis.execute_command("ACL", "SETUSER", "some", "reset", "on", "nopass", *rules)
    client = connect(
        core.settings.redis_url.get_secret_value().replace("redis://:", "redis://some:"), answer_s=PATIENCE_S
    )
    some = Core(client, core.settings)
    assert await check_start(some.store, some.vault, cell="") == await durability_warnings(some.store) == []
    assert await is_durable(some.store) is None
    subscription = await some.events.subscribe()
    job = await some.run(await some.submit())
    asked = {"most": 1, "most_ahead": 1, "most_looks": 1, "kept_looks": 1, "left_ms": 1, "lease_ms": 1}
    await some.store.run("poll_queue", asked, _Due)
    await some.tokens.add("nmv_usr_1", kind="operator")
    await some.jobs.forget(job.id)
    await subscription.aclose()
    await some.store.close()


async def test_a_version_that_still_runs_when_it_was_deleted_is_loaded_again(core: Core) -> None:
    old = of_version(core, 0)
    assert await old.call("tell", b"") == 0
    await core.redis.execute_command("FUNCTION", "DELETE", version(0).name)
    assert await old.call("tell", b"") == 0


async def test_a_broken_library_is_told_and_not_loaded_for_ever(core: Core) -> None:
    broken = Functions(core.store.ask, core.store.ask_apart, make_library("this is no Lua"))
    with pytest.raises(Exception, match="compiling"):
        await broken.call("tell", b"")


async def test_a_full_redis_can_still_be_emptied(core: Core) -> None:
    job = await core.run(await core.submit())
    session = (await core.submit()).session_id
    found = await core.sessions.load(session)
    assert found is not None
    await core.redis.config_set("maxmemory", 1)
    try:
        await core.jobs.forget(job.id)
        await core.sessions.close(found)
        with pytest.raises(STORE_DOWN):
            await core.offer(core.new_job())
    finally:
        await core.redis.config_set("maxmemory", 0)
    assert await core.jobs.load(job.id) is None


async def test_bytes_of_every_length_arrive_whole(core: Core) -> None:
    for size in (0, 31, 32, 255, 256, 65_535, 65_536, 200_000):
        claim = await core.begin(await core.submit())
        await core.write(
            claim, msgspec.structs.replace(claim.job, version=claim.job.version + 1), fields={"tracks": b"\xff" * size}
        )
        assert await core.jobs.field(claim.job.id, "tracks") == b"\xff" * size


async def test_a_redis_that_lost_everything_in_a_restart_goes_on() -> None:
    with running_redis() as server:
        client = connect(server.url, answer_s=PATIENCE_S)
        core = Core(client, settings_for(server.url))
        await client.config_set("appendonly", "no")
        await core.submit()
        server.kill()
        with pytest.raises(STORE_DOWN):
            await core.submit()
        server.restart()
        await core.submit()
        await client.aclose()
