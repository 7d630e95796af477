"""Name look-ups beside a name server that says nothing: whoever asks for a dead name holds up nobody else."""

import asyncio
import socket
from contextlib import asynccontextmanager
from ipaddress import ip_network

import httpx
import pytest

from tests.lateness import timed
from tests.until import PATIENCE_S
from worker.outbound.client import guarded_client
from worker.outbound.resolver import SystemResolver

LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


#: flags of an answer: there is no such name, or what is known of it follows
NO_SUCH_NAME, KNOWN = b"\x81\x83", b"\x81\x80"
#: of the name in the question, for an hour: 127.0.0.9
ADDRESS = b"\xc0\x0c\0\1\0\1" + (3600).to_bytes(4, "big") + b"\0\4" + bytes([127, 0, 0, 9])


class NameServer(asyncio.DatagramProtocol):
    """Answers that there is no such name for names that begin so; says nothing of others.

    Of those that begin with ``late`` it knows an IPv4 address once there is one.
    """

    def __init__(self):
        self.asked = 0
        self.has_address = False

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.asked += 1
        question = data[12:].partition(b"\0\0\x29")[0]
        if question[1:].startswith(b"unknown"):
            self.transport.sendto(data[:2] + NO_SUCH_NAME + data[4:6] + bytes(6) + question, addr)
        if question[1:].startswith(b"late"):
            found = ADDRESS if self.has_address and question.endswith(b"\0\1\0\1") else b""
            counts = data[4:6] + bytes([0, bool(found)]) + bytes(4)
            self.transport.sendto(data[:2] + KNOWN + counts + question + found, addr)


@asynccontextmanager
async def name_server():
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    try:
        resolver = SystemResolver([f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"])
        yield server, resolver
        await resolver.aclose()
    finally:
        transport.close()


async def test_a_hundred_dead_names_hold_up_no_other_name():
    async with name_server() as (_, resolver):
        dead = [asyncio.create_task(resolver(f"dead{number}.example.com", 443)) for number in range(100)]
        async with guarded_client(allow=LOCAL, http_allowed=True, resolver=resolver) as client:
            await asyncio.sleep(0)
            assert await asyncio.wait_for(resolver("localhost", 443), PATIENCE_S)
            with pytest.raises(httpx.ConnectError, match="cannot be resolved"):
                await asyncio.wait_for(client.get("https://unknown.example.com/"), PATIENCE_S)
        assert not any(task.done() for task in dead), "and they were all under way meanwhile"
        for task in dead:
            task.cancel()
        await asyncio.gather(*dead, return_exceptions=True)


async def test_a_look_up_that_is_given_up_is_over_at_once():
    async with name_server() as (server, resolver):
        async with timed() as time:
            for _ in range(3):
                given_up = await asyncio.gather(
                    *(asyncio.wait_for(resolver(f"dead{number}.example.com", 443), 0.1) for number in range(60)),
                    return_exceptions=True,
                )
                assert {type(end) for end in given_up} == {TimeoutError}
        assert server.asked >= 60
        assert time.own_s < 3, "a tenth of a second each, where the resolver itself would ask for twenty times as long"


async def test_a_name_that_is_nowhere_is_told_from_a_server_that_is_silent():
    async with name_server() as (_, resolver):
        with pytest.raises(socket.gaierror) as unknown:
            await resolver("unknown.example.com", 443)
        with pytest.raises(socket.gaierror):
            await resolver("a" * 70 + ".example.com", 443)
    assert unknown.value.errno == socket.EAI_NONAME


async def test_a_name_that_had_no_address_is_found_as_soon_as_it_has_one():
    async with name_server() as (server, resolver):
        with pytest.raises(socket.gaierror):
            await resolver("late.example.com", 443)
        server.has_address = True
        assert await resolver("late.example.com", 443) == ["127.0.0.9"]
        asked = server.asked
        assert await resolver("late.example.com", 443) == ["127.0.0.9"]
        assert server.asked == asked, "what has an address is known for as long as its owner says"


@pytest.mark.parametrize("host", ["0177.0.0.2", "127.2", "2130706433", "0x7f.1", "1.2.3.4.5"])
async def test_what_ends_in_a_number_is_no_name(host):
    with pytest.raises(ValueError, match="no name"):
        await SystemResolver()(host, 443)
