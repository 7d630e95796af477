"""A connection below HTTP, on both loops: what it says of a peer that is late, gone or takes nothing."""

import asyncio
import socket
import time

import pytest
import uvloop

from tests.slow_peer import bytes_taken_late, standing_still
from worker.connections.wire import Wire


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    def run_in_loop(steps):
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(steps)

    return run_in_loop


async def wire_and_peer():
    """Open a connection whose other side is a plain socket of this test's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _, wire = await asyncio.get_running_loop().create_connection(Wire, *listener.getsockname())
        peer, _ = listener.accept()
    return wire, peer


class Bell(asyncio.Protocol):
    """Calls a function in the midst of the loop's reading."""

    def __init__(self, ring):
        self.ring = ring

    def data_received(self, data):
        self.ring()


def test_what_came_while_this_process_stood_still_is_not_late(run):
    """The standstill is in another reader's turn, after which uvloop looks at its timers first."""

    async def steps():
        wire, peer = await wire_and_peer()
        ringer, rung = socket.socketpair()

        def stand_still():
            peer.send(b"answer")
            time.sleep(0.1)

        with peer, ringer:
            bell, _ = await asyncio.get_running_loop().create_connection(lambda: Bell(stand_still), sock=rung)
            reading = asyncio.create_task(wire.read(within_s=0.05))
            await asyncio.sleep(0)
            ringer.send(b"x")
            assert await reading == b"answer"
            bell.abort()
            wire.close()

    run(steps())


def test_what_is_written_to_a_peer_that_is_gone_is_found_out_by_reading(run):
    async def steps():
        wire, peer = await wire_and_peer()
        peer.close()
        assert await wire.read(within_s=None) == b""
        for _ in range(3):
            wire.write(b"x")
            assert not await wire.taken(within_s=None)
            await asyncio.sleep(0)
        assert await wire.read(within_s=None) == b""
        wire.give_up()
        wire.close()

    run(steps())


def test_an_answer_is_heard_while_nothing_is_taken(run):
    async def steps():
        wire, peer = await wire_and_peer()
        with peer:
            wire.write(bytes(50_000_000))
            sending = asyncio.create_task(wire.taken(within_s=None))
            await asyncio.sleep(0)
            peer.send(b"no")
            assert not await sending
            assert await wire.read(within_s=None) == b"no"
            assert not wire.is_quiet
            wire.close()

    run(steps())


def test_what_is_given_up_is_taken_back_from_the_system(run):
    async def steps():
        with standing_still() as (listener, _):
            _, wire = await asyncio.get_running_loop().create_connection(Wire, *listener.getsockname())
            wire.write(bytes(300_000))
            wire.give_up()
            assert await bytes_taken_late(listener) < 300_000

    run(steps())
