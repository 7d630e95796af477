"""The connection that all short calls of a process share: answers to those who asked, and a break that ends well."""

import asyncio
import signal
from collections.abc import AsyncIterator
from itertools import cycle

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from core.store.redis.client import STORE_DOWN, Store, connect
from tests.redis_fixture import RedisServer, running_redis
from tests.until import PATIENCE_S


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    store = Store(connect(redis_url, answer_s=PATIENCE_S))
    yield store
    await store.close()


async def test_everybody_gets_the_answer_to_what_they_asked(store: Store) -> None:
    answers = await asyncio.gather(*(store.ask("ECHO", str(number)) for number in range(500)))
    assert answers == [str(number).encode() for number in range(500)]


async def test_a_refusal_reaches_only_the_one_who_asked_for_it(store: Store) -> None:
    before, wrong, after = await asyncio.gather(
        store.ask("ECHO", "1"), store.ask("HGET", "only-a-key"), store.ask("ECHO", "2"), return_exceptions=True
    )
    assert (before, after) == (b"1", b"2")
    assert isinstance(wrong, ResponseError)


async def test_a_caller_who_stops_waiting_shifts_no_answer(store: Store) -> None:
    await store.ask("PING")
    impatient = asyncio.ensure_future(store.ask("ECHO", "nobody's"))
    patient = asyncio.ensure_future(store.ask("ECHO", "mine"))
    await asyncio.wait({patient}, timeout=0)
    impatient.cancel()
    assert await patient == b"mine"


async def test_a_large_answer_in_many_pieces_comes_whole(store: Store) -> None:
    large = b"x" * 5_000_000
    await store.ask("SET", "large", large)
    assert await store.ask("GET", "large") == large


async def frozen_then_thawed(server: RedisServer, store: Store) -> None:
    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(STORE_DOWN):
            await store.ask("PING")
    finally:
        server.process.send_signal(signal.SIGCONT)


async def test_a_silent_redis_is_away_and_back_without_mixing_up_answers() -> None:
    with running_redis() as server:
        store = Store(connect(server.url, answer_s=0.3))
        assert await store.ask("ECHO", "before") == b"before"
        await frozen_then_thawed(server, store)
        assert await store.ask("ECHO", "after") == b"after"
        await store.close()


async def test_a_restarted_redis_is_found_again() -> None:
    with running_redis() as server:
        store = Store(connect(server.url, answer_s=PATIENCE_S))
        await store.ask("PING")
        server.kill()
        with pytest.raises(STORE_DOWN):
            await store.ask("PING")
        server.restart()
        assert await store.ask("ECHO", "again") == b"again"
        await store.close()


async def test_whoever_waits_when_redis_dies_hears_of_it() -> None:
    with running_redis() as server:
        store = Store(connect(server.url, answer_s=PATIENCE_S))
        await store.ask("PING")
        server.process.send_signal(signal.SIGSTOP)
        waiting = [asyncio.ensure_future(store.ask("PING")) for _ in range(10)]
        await asyncio.wait(waiting, timeout=0)
        server.kill()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, STORE_DOWN) for outcome in outcomes)
        await store.close()


async def test_a_redis_that_closes_each_connection_as_it_opens_is_away_at_once() -> None:
    """As a balancer does that has no Redis behind it: nobody may wait on a connection that has ended."""
    turns = cycle(range(12))

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"LIB-VER")
        writer.write(b"+OK\r\n" * 2)
        for _ in range(next(turns)):
            await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_server(welcome, "127.0.0.1", 0) as server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for _ in range(12):
            store = Store(connect(url, answer_s=PATIENCE_S))
            async with asyncio.timeout(PATIENCE_S):
                asked = await asyncio.gather(*(store.ask("PING") for _ in range(3)), return_exceptions=True)
            assert [type(answer) for answer in asked] == [RedisConnectionError] * 3
            await store.close()
