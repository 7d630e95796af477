"""A connection below HTTP, on both loops: what it says of a peer that is late, gone or takes nothing."""

import asyncio
import random
import socket
import ssl
import struct
import time
from contextlib import suppress
from ipaddress import ip_address

import httpx
import pytest
import uvloop
from cryptography import x509

from tests.integration.test_callback_attempts import certificate
from tests.lateness import timed
from tests.slow_peer import bytes_taken_late, standing_still
from tests.until import PATIENCE_S, until
from worker.causes import is_tls_failure
from worker.connections.dial import connect_to_any, shake_hands
from worker.connections.wire import PIECE_BYTES, Wire


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


def test_a_peer_that_is_silent_for_minutes_is_asked_whether_it_is_there(run):
    """What translates addresses on the way forgets a connection after four minutes, and nobody would hear of a lost machine."""

    async def steps():
        wire, peer = await wire_and_peer()
        with peer:
            below = wire.transport.get_extra_info("socket")
            assert below.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle_s, every_s, times = (below.getsockopt(socket.IPPROTO_TCP, option) for option in ASKING)
            assert idle_s + every_s * times < 4 * 60
            wire.close()

    run(steps())


#: the first of them has another name on macOS
_IDLE = socket.TCP_KEEPIDLE if hasattr(socket, "TCP_KEEPIDLE") else socket.TCP_KEEPALIVE
ASKING = (_IDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
NAME = "peer.example.com"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Make both sides of a handshake: whoever listens as `NAME`, and whoever believes it."""
    file = tmp_path_factory.mktemp("tls") / "peer.pem"
    file.write_bytes(certificate(names=[x509.DNSName(NAME)]))
    listener_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listener_side.load_cert_chain(file)
    return listener_side, ssl.create_default_context(cafile=str(file))


async def wire_and_tls_peer(tls):
    """Open a connection over TLS whose other side is a socket of this test's, that waits for nobody in its thread."""
    listener_side, trusting = tls
    wire, peer = await wire_and_peer()
    shaking = asyncio.create_task(asyncio.to_thread(listener_side.wrap_socket, peer, server_side=True))
    await shake_hands(wire, trusting, NAME, timeout_s=None)
    return wire, await shaking


def test_nobody_on_the_way_can_put_words_in_front_of_those_that_come_over_tls(run, tls):
    """They come with the connection itself, before anybody could begin to shake hands."""

    async def steps():
        listener_side, trusting = tls
        wire, peer = await wire_and_peer()

        async def said_something():
            return not wire.is_quiet

        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await until(said_something, within_s=PATIENCE_S)
            shaking = asyncio.create_task(asyncio.to_thread(listener_side.wrap_socket, peer, server_side=True))
            with pytest.raises(httpx.ConnectError) as caught:
                await shake_hands(wire, trusting, NAME, timeout_s=PATIENCE_S)
            assert is_tls_failure(caught.value)
            with suppress(OSError):
                (await shaking).close()

    run(steps())


def test_a_connection_over_tls_can_be_given_up_at_every_turn_of_its_end(run, tls):
    """A call that is cut off while its connection breaks stays one that was cut off."""

    async def steps():
        wire, peer = await wire_and_tls_peer(tls)
        with peer:
            wire.abort()
            for _ in range(5):
                await asyncio.sleep(0)
                wire.give_up()

    run(steps())


async def read_to_the_end(wire, *, turns):
    """Read it all, and let the loop turn in between, so that more comes than anybody has asked for."""
    pieces = []
    while piece := await wire.read(within_s=None):
        pieces.append(piece)
        for _ in range(turns):
            await asyncio.sleep(0)
    return b"".join(pieces)


def send_and_hang_up(peer, records):
    """Send records and close without TLS's own goodbye, as many servers do."""
    with peer:
        for record in records:
            peer.sendall(record)


def test_records_that_come_together_are_read_one_behind_the_other(run, tls):
    async def steps():
        wire, peer = await wire_and_tls_peer(tls)
        records = [random.randbytes(size) for size in (30, 1, 5_000, 40, 20_000, 7)]
        with peer:
            for record in records:
                peer.sendall(record)
            came = b""
            while len(came) < sum(map(len, records)):
                came += await wire.read(within_s=None)
            assert came == b"".join(records)
            wire.close()

    run(steps())


@pytest.mark.parametrize("over_tls", [False, True])
def test_whoever_reads_gets_one_piece_at_a_time_however_much_has_come(run, tls, over_tls):
    """What an answer's head may have is counted by what is read with it."""

    async def steps():
        wire, peer = await (wire_and_tls_peer(tls) if over_tls else wire_and_peer())
        said = random.randbytes(1_000_000)
        sending = asyncio.create_task(asyncio.to_thread(send_and_hang_up, peer, [said]))
        came = b""
        while piece := await wire.read(within_s=None):
            assert len(piece) <= PIECE_BYTES
            came += piece
        assert came == said
        await sending
        wire.close()

    run(steps())


@pytest.mark.parametrize("turns", [0, 1, 5])
@pytest.mark.parametrize("size", [1_000, 16_384, 100_000, 3_000_000])
def test_a_peer_that_hangs_up_without_tls_s_goodbye_costs_nothing_of_what_it_said(run, tls, size, turns):
    async def steps():
        wire, peer = await wire_and_tls_peer(tls)
        said = random.randbytes(size)
        sending = asyncio.create_task(asyncio.to_thread(send_and_hang_up, peer, [said]))
        assert await read_to_the_end(wire, turns=turns) == said
        await sending
        wire.close()

    run(steps())


@pytest.mark.parametrize("last_bytes", [1, 5_000, 16_384, 20_000])
def test_what_comes_with_the_hanging_up_of_a_peer_is_kept_for_who_is_slow_to_read(run, tls, last_bytes):
    """As a film is that goes on to a storage: nothing is read meanwhile, until the peer is long gone."""

    async def steps():
        wire, peer = await wire_and_tls_peer(tls)
        said = random.randbytes(PIECE_BYTES + last_bytes)

        async def said_something():
            return not wire.is_quiet

        peer.sendall(said[:PIECE_BYTES])
        await until(said_something, within_s=PATIENCE_S)
        send_and_hang_up(peer, [said[PIECE_BYTES:]])
        for _ in range(20):
            await asyncio.sleep(0)
        assert await read_to_the_end(wire, turns=1) == said
        wire.close()

    run(steps())


def test_nobody_shakes_hands_with_a_peer_that_has_hung_up(run, tls):
    """uvloop would say that it is done; that nothing was sent over it nobody would know."""

    async def steps():
        wire, peer = await wire_and_peer()
        peer.close()

        async def is_heard():
            return not wire.is_quiet

        await until(is_heard, within_s=PATIENCE_S)
        with pytest.raises(httpx.ConnectError) as caught:
            await shake_hands(wire, tls[1], NAME, timeout_s=PATIENCE_S)
        assert not is_tls_failure(caught.value)

    run(steps())


def test_nobody_shakes_hands_with_a_peer_that_has_broken_off_of_whom_the_loop_is_about_to_tell(run, tls):
    """uvloop would begin all the same, and complain of it in the log."""
    complaints = []

    async def steps():
        asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
        wire, peer = await wire_and_peer()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        async with asyncio.timeout(PATIENCE_S):
            while not wire.transport.is_closing():  # noqa: ASYNC110 - each turn of the loop counts
                await asyncio.sleep(0)
        with pytest.raises(httpx.ConnectError) as caught:
            await shake_hands(wire, tls[1], NAME, timeout_s=PATIENCE_S)
        assert not is_tls_failure(caught.value)

    run(steps())
    assert not complaints


def test_whoever_hangs_up_at_once_was_sent_nothing_and_the_next_address_is_tried():
    """As a proxy does that has no room, or nobody behind it. uvloop hears it before who waits for the connection goes on."""

    async def steps():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with socket.create_server(("127.0.0.2", port)):
                connecting = asyncio.create_task(
                    connect_to_any([ip_address("127.0.0.1"), ip_address("127.0.0.2")], port, deadline_s=None)
                )
                await asyncio.sleep(0)
                listener.accept()[0].close()
                wire = await connecting
                assert wire.transport.get_extra_info("peername")[0] == "127.0.0.2"
                wire.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(steps())


def test_a_peer_that_does_not_answer_tls_s_goodbye_is_left_all_the_same(run, tls):
    """As one that only writes: to a stream that a caller has canceled it would write for half a minute."""

    async def steps():
        wire, peer = await wire_and_tls_peer(tls)

        def write_on():
            with suppress(OSError):
                while True:
                    peer.sendall(b": heartbeat\n\n")
                    time.sleep(0.05)

        writing = asyncio.create_task(asyncio.to_thread(write_on))
        with peer:
            assert await wire.read(within_s=PATIENCE_S)
            async with timed() as lateness:
                wire.close()
                await writing
                assert lateness.own_s < 15, "half of what the loops would give it"

    run(steps())
