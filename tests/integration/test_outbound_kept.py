"""Connections that receivers keep open, and what they do on them: each event is asked for once wherever that can be."""

import asyncio
from contextlib import asynccontextmanager
from ipaddress import ip_network

import httpx
import pytest

from core.clock import stopwatch_s
from tests.slow_peer import bytes_taken_late, standing_still
from tests.until import PATIENCE_S
from worker.connections.idle import LONGEST_LIFE_S, IdleConnections, Origin
from worker.outbound.client import guarded_client

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
IDLE_TOO_LONG = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
LOCAL = (ip_network("127.0.0.1/32"),)


class Server:
    """Answers each request on a connection by the next of `answers`; None hangs up without a byte."""

    def __init__(self, *answers):
        self.answers = answers
        self.bodies = []
        self.connections = 0
        self.writers = []
        self.url = ""
        self.hung_up = asyncio.Event()

    async def serve(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        try:
            for answer in self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.hung_up.set()


@asynccontextmanager
async def serving(*answers):
    server = Server(*answers)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    try:
        yield server
    finally:
        listening.close()
        for writer in server.writers:  # later Pythons wait for them, too
            writer.close()
        await listening.wait_closed()


async def post(client, server, times=2):
    answers = [await client.post(server.url, content=b"event %d" % number) for number in range(times)]
    assert [answer.status_code // 100 for answer in answers] == [2] * times
    return answers


@pytest.fixture
async def client():
    async with guarded_client(allow=LOCAL, http_allowed=True) as guarded:
        yield guarded


async def test_a_polite_connection_serves_again(client):
    async with serving(OK, OK, OK) as server:
        await post(client, server, times=3)
    assert (server.connections, len(server.bodies)) == (1, 3)


class Idle:
    """A connection of some age that is fit to serve."""

    is_reusable = True
    is_closed = False

    def __init__(self, *, age_s):
        self.opened_s = stopwatch_s() - age_s

    def close(self):
        self.is_closed = True


def test_one_that_is_always_in_use_ends_all_the_same_so_that_its_name_is_asked_for_again():
    """A receiver that moves by DNS would be called where it was, for as long as somebody there answers."""
    origin, kept = Origin("https", "hooks.example.com", 443), IdleConnections(most=2, longest_s=15.0)
    young, old = Idle(age_s=LONGEST_LIFE_S / 2), Idle(age_s=LONGEST_LIFE_S + 1)
    for each in (young, old):
        kept.keep(origin, each)
    assert (young.is_closed, old.is_closed) == (False, True)
    assert kept.take(origin) is young
    kept.keep(origin, young)
    young.opened_s -= LONGEST_LIFE_S
    assert kept.take(origin) is None, "it has grown old where it lay"
    assert young.is_closed


async def test_one_that_dies_with_the_request_under_way_is_replaced_at_once(client):
    async with serving(OK, None) as server:
        await post(client, server)
    assert server.bodies == [b"event 0", b"event 1", b"event 1"], "the very bytes once more, on a fresh connection"
    assert server.connections == 2


async def test_one_that_was_idle_too_long_for_its_server_is_replaced_at_once(client):
    async with serving(OK, IDLE_TOO_LONG) as server:
        answers = await post(client, server)
    assert [answer.text for answer in answers] == ["ok", "ok"]
    assert (server.connections, server.bodies) == (2, [b"event 0", b"event 1", b"event 1"])


async def test_a_fresh_one_that_says_408_has_answered(client):
    async with serving(IDLE_TOO_LONG) as server:
        assert (await client.post(server.url, content=b"event")).status_code == 408
    assert server.bodies == [b"event"]


async def test_a_fresh_one_that_dies_is_no_reason_to_send_twice(client):
    async with serving(None) as server:
        with pytest.raises(httpx.ReadError):
            await client.post(server.url, content=b"event")
    assert server.bodies == [b"event"]


async def test_a_byte_of_the_answer_is_an_answer_and_nothing_is_sent_again(client):
    async with serving(OK, b"H") as server:
        await client.post(server.url, content=b"event 0")
        with pytest.raises(httpx.HTTPError):
            await client.post(server.url, content=b"event 1", timeout=0.3)
    assert server.bodies == [b"event 0", b"event 1"]


@pytest.mark.parametrize(
    "left_over",
    [
        OK + b"\r\njunk",
        OK + OK,
        OK + b"\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_one_with_bytes_left_over_is_not_used_again(client, left_over):
    async with serving(left_over, OK) as server:
        await post(client, server, times=3)
    assert server.bodies == [b"event 0", b"event 1", b"event 2"]
    assert server.connections == 3


@pytest.mark.parametrize("while_idle", [b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b""])
async def test_one_that_speaks_or_ends_while_it_is_idle_is_not_used_again(client, while_idle):
    said = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"event")
        writer.write(OK)
        await writer.drain()
        await asyncio.wait_for(answered.wait(), PATIENCE_S)
        writer.write(while_idle)
        if not while_idle:
            writer.close()
        await asyncio.sleep(0)
        said.set()
        await reader.read()
        writer.close()

    answered, listening = asyncio.Event(), await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        assert (await client.post(url, content=b"event")).status_code == 200
        answered.set()
        await said.wait()
        assert (await client.post(url, content=b"event")).status_code == 200


async def test_requests_that_are_under_way_together_share_no_connection(client):
    async with serving(*[OK] * 50) as server:
        await asyncio.gather(*(post(client, server, times=4) for _ in range(100)))
    assert sorted(server.bodies) == sorted([b"event 0", b"event 1", b"event 2", b"event 3"] * 100)
    assert server.connections >= 100


async def test_an_answer_counts_although_nothing_more_of_the_request_is_taken(client):
    over = asyncio.Event()

    async def answer_at_once(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        writer.write(OK)
        await over.wait()
        writer.transport.abort()

    listening = await asyncio.start_server(answer_at_once, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        try:
            answers = [await client.post(url, content=bytes(20_000_000), timeout=PATIENCE_S) for _ in range(2)]
        finally:
            over.set()
    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize("length", [300_000, 20_000_000], ids=["the system holds it", "we hold it"])
async def test_what_nobody_has_taken_in_time_is_not_sent_later(client, length):
    with standing_still() as (listener, url):
        with pytest.raises(httpx.TimeoutException):
            await client.post(url, content=bytes(length), timeout=0.2)
        assert await bytes_taken_late(listener) < length
