"""How an answer goes out: its head with its body, in one call of the system, and never later than the loop's turn."""

import asyncio
import gc
import socket
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from uvicorn.server import ServerState

from service.http.protocol import HEAD_LIMIT_BYTES, LimitedProtocol
from service.main import uvicorn_config

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class RecordingTransport(asyncio.Transport):
    """A connection that keeps what is written to it, write by write."""

    def __init__(self) -> None:
        self.extra: dict[str, Any] = {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}
        super().__init__(self.extra)
        self.writes: list[bytes] = []
        self.closed = self.ended = self.aborted = False
        #: what is not out yet, at each look; nothing after that
        self.unsent_bytes: list[int] = []
        #: what the caller does before each look
        self.between_looks: Callable[[], object] = lambda: None

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert not self.closed
        assert not self.ended
        self.writes.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def get_write_buffer_size(self) -> int:
        self.between_looks()
        return self.unsent_bytes.pop(0) if self.unsent_bytes else 0

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def connected(app: Callable[..., Any]) -> tuple[LimitedProtocol, RecordingTransport]:
    config = uvicorn_config(app)
    config.load()
    protocol, transport = LimitedProtocol(config, ServerState(), {}), RecordingTransport()
    protocol.connection_made(transport)
    return protocol, transport


async def turn_until(so: Callable[[], object]) -> None:
    while not so():  # noqa: ASYNC110 - the loop's own turns are what is waited for
        await asyncio.sleep(0)


async def test_an_answer_is_one_write_on_each_request_of_a_connection():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    protocol, transport = connected(app)
    for number in (1, 2):
        protocol.data_received(ASK)
        await turn_until(lambda: protocol.cycle.response_complete)
        assert len(transport.writes) == number
        assert transport.writes[-1].startswith(b"HTTP/1.1 200 OK\r\n")
        assert transport.writes[-1].endswith(b"\r\n\r\ndone")
    protocol.connection_lost(None)


async def test_a_head_whose_body_comes_later_does_not_wait_for_it():
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"do", "more_body": True})
        await send({"type": "http.response.body", "body": b"ne"})

    protocol, transport = connected(app)
    protocol.data_received(ASK)
    await turn_until(lambda: transport.writes)
    assert transport.writes[0].endswith(b"\r\n\r\n")
    go_on.set()
    await turn_until(lambda: protocol.cycle.response_complete)
    assert transport.writes[1:] == [b"do", b"ne"]
    protocol.connection_lost(None)


async def test_a_last_answer_is_written_before_its_connection_is_closed():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body"})

    protocol, transport = connected(app)
    protocol.data_received(ASK)
    await turn_until(lambda: transport.closed)
    assert b"".join(transport.writes).startswith(b"HTTP/1.1 204 No Content\r\n")
    protocol.connection_lost(None)


async def test_a_last_answer_of_a_head_alone_is_written_before_its_connection_is_closed():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**HEAD, "headers": [*HEAD["headers"], (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"done"})

    protocol, transport = connected(app)
    protocol.data_received(ASK.replace(b"GET", b"HEAD"))
    await turn_until(lambda: transport.closed)
    assert transport.writes[0].endswith(b"\r\n\r\n")
    protocol.connection_lost(None)


async def test_an_answer_of_a_head_alone_is_not_lost_where_its_connection_is_closed_at_once():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})
        protocol.shutdown()  # as where the process ends

    protocol, transport = connected(app)
    protocol.data_received(ASK.replace(b"GET", b"HEAD"))
    await turn_until(lambda: transport.closed)
    assert b"".join(transport.writes).endswith(b"\r\n\r\n")
    protocol.connection_lost(None)


async def test_an_idle_connection_has_an_end_also_after_an_empty_line():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    protocol, transport = connected(app)
    protocol.timeout_keep_alive = 0
    protocol.data_received(ASK)
    await turn_until(lambda: protocol.cycle.response_complete)
    protocol.data_received(b"\r\n")
    assert not transport.closed
    await asyncio.wait_for(turn_until(lambda: transport.closed), 60)
    protocol.connection_lost(None)


@contextmanager
def full_line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect two ends, between which there is room for nothing more: ours, and the caller's."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as caller,
        server.accept()[0] as ours,
    ):
        ours.setblocking(False)
        with suppress(BlockingIOError):
            while ours.send(bytes(1_000_000)):
                pass
        yield ours, caller


async def closed_with_unsent(head: bytes, *, unsent_bytes: list[int], reads_bytes: int = 0) -> RecordingTransport:
    """Answer, and see what becomes of the connection while its caller takes so much between two looks."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    protocol, transport = connected(app)
    protocol.timeout_keep_alive = 0
    transport.unsent_bytes = list(unsent_bytes)
    with full_line() as (transport.extra["socket"], caller):
        transport.between_looks = lambda: reads_bytes and caller.recv(reads_bytes, socket.MSG_WAITALL)
        protocol.data_received(ASK[:-2] + head + b"\r\n")
        await asyncio.wait_for(
            turn_until(lambda: transport.aborted or (transport.closed and not transport.unsent_bytes)), 60
        )
    protocol.connection_lost(None)
    return transport


@pytest.mark.parametrize("head", [b"", b"Connection: close\r\n"], ids=["kept", "last"])
@pytest.mark.parametrize(("unsent_bytes", "ends"), [([9, 8, 5, 5], True), ([9, 8, 5], False), ([], False)])
async def test_who_takes_nothing_more_of_an_answer_is_hung_up_on(head: bytes, unsent_bytes: list[int], *, ends: bool):
    transport = await closed_with_unsent(head, unsent_bytes=unsent_bytes)
    assert transport.aborted == ends


async def test_who_takes_of_what_the_system_holds_is_not_hung_up_on_although_it_wants_no_more_of_us_yet():
    transport = await closed_with_unsent(b"", unsent_bytes=[9, 9, 9], reads_bytes=300_000)
    assert not transport.aborted


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_body_that_breaks_does_not_cost_the_requests_before_it_their_answers():
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    for before in (1, 2):
        go_on.clear()
        protocol, transport = connected(app)
        protocol.data_received(ASK * before + CHUNKED + b"no chunk\r\n")
        assert transport.writes == []
        go_on.set()
        await turn_until(lambda transport=transport: transport.closed)
        assert b"".join(transport.writes).count(b"HTTP/1.1 ") == before
        assert b"".join(transport.writes).count(b"HTTP/1.1 200 OK\r\n") == before
        protocol.connection_lost(None)


async def test_a_request_behind_the_last_one_gets_no_answer_either_where_its_body_breaks():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**HEAD, "headers": [*HEAD["headers"], (b"connection", b"close")]})  # as where the process ends
        await send({"type": "http.response.body", "body": b"done"})

    protocol, transport = connected(app)
    protocol.data_received(ASK + CHUNKED)
    await turn_until(lambda: transport.ended)
    protocol.data_received(b"no chunk\r\n")
    assert transport.closed
    assert b"".join(transport.writes).count(b"HTTP/1.1 ") == 1
    protocol.connection_lost(None)


async def test_what_comes_behind_a_body_is_no_header():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        given = str([name for name, _ in scope["headers"]]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": given})

    protocol, transport = connected(app)
    protocol.data_received(CHUNKED + b"1\r\nx\r\n0\r\nAuthorization: Bearer x\r\nIdempotency-Key: x\r\n\r\n")
    await turn_until(lambda: protocol.cycle.response_complete)
    assert b"transfer-encoding" in b"".join(transport.writes)
    assert b"authorization" not in b"".join(transport.writes)
    protocol.connection_lost(None)


async def test_what_comes_behind_a_body_has_an_end_also_where_it_is_answered():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    for endless in (b"x" * 1000, b"x\r\nA: " * 200):
        protocol, transport = connected(app)
        protocol.data_received(CHUNKED + b"0\r\nA: ")
        await turn_until(lambda protocol=protocol: protocol.cycle.response_complete)
        sent_bytes = 0
        while not transport.closed:
            protocol.data_received(endless)
            sent_bytes += len(endless)
            assert sent_bytes < 2 * HEAD_LIMIT_BYTES
        assert b"".join(transport.writes).endswith(b"done")
        protocol.connection_lost(None)


async def test_a_body_may_come_in_any_number_of_chunks_however_they_are_cut():
    body = bytearray()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while len(body) < HEAD_LIMIT_BYTES:
            body.extend((await receive())["body"])
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    protocol, transport = connected(app)
    protocol.data_received(CHUNKED)
    for _ in range(HEAD_LIMIT_BYTES):
        protocol.data_received(b"1\r\n")
        protocol.data_received(b"x\r\n")
    protocol.data_received(b"0\r\n\r\n")
    await turn_until(lambda: protocol.cycle.response_complete)
    assert transport.writes[-1].endswith(b"done")
    protocol.connection_lost(None)


async def test_a_request_that_another_one_follows_hears_that_its_caller_has_gone():
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["type"])
        heard.append((await receive())["type"])

    protocol, _ = connected(app)
    protocol.data_received(ASK * 2)
    await turn_until(lambda: heard)
    protocol.connection_lost(None)
    await turn_until(lambda: heard[1:])
    assert heard == ["http.request", "http.disconnect"]


OFFER = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n"


async def test_of_many_requests_that_offer_another_protocol_each_has_its_own_body():
    bodies: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        bodies.append((await receive())["body"])
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    protocol, _ = connected(app)
    sent = [b"%03d" % number for number in range(1000)]
    protocol.data_received(b"".join(OFFER + body for body in sent))
    await turn_until(lambda: len(bodies) == len(sent))
    assert bodies == sent
    protocol.connection_lost(None)


@pytest.mark.parametrize("target", [b"/", b"//x", b"http://x/", b"x:443", b"x"])
async def test_a_connect_is_refused_as_what_only_a_proxy_takes(target: bytes):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it is no request of ours")

    protocol, transport = connected(app)
    protocol.data_received(b"CONNECT " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert transport.writes[0].startswith(b"HTTP/1.1 400 ")
    assert transport.closed
    protocol.connection_lost(None)


async def test_requests_are_the_same_wherever_their_stream_is_cut():
    found: list[tuple[str, bytes]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        found.append((scope["method"], body))
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    chunked = CHUNKED + b"2\r\nab\r\n1\r\nc\r\n0\r\nA: trailer\r\n\r\n"
    stream = OFFER + b"one" + chunked + ASK.replace(b"GET", b"HEAD") + OFFER + b"two" + OFFER + b"345" + ASK
    whole = [("POST", b"one"), ("POST", b"abc"), ("HEAD", b""), ("POST", b"two"), ("POST", b"345"), ("GET", b"")]
    for cut in range(1, len(stream)):
        found.clear()
        protocol, transport = connected(app)
        protocol.data_received(stream[:cut])
        await asyncio.sleep(0)
        protocol.data_received(stream[cut:])
        await turn_until(lambda: len(found) == len(whole))
        assert found == whole, cut
        assert not transport.closed
        protocol.connection_lost(None)


async def test_an_idle_connection_holds_on_to_nothing_that_it_was_sent():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    protocol, _ = connected(app)
    sent = OFFER + b"one" + CHUNKED + b"3\r\ntwo\r\n0\r\n\r\n"
    before = sys.getrefcount(sent)
    protocol.data_received(sent)
    await turn_until(lambda: protocol.cycle.response_complete)
    assert sys.getrefcount(sent) == before
    protocol.connection_lost(None)


@pytest.mark.parametrize("end", [None, ConnectionResetError()], ids=["closed", "reset"])
async def test_a_connection_that_is_over_is_forgotten_however_it_ended(end: Exception | None):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"done"})

    known = await served_and_over(app, end)
    gc.collect()
    assert known() is None


async def served_and_over(app: Callable[..., Any], end: Exception | None) -> weakref.ref[LimitedProtocol]:
    protocol, _ = connected(app)
    protocol.data_received(ASK)
    await turn_until(lambda: protocol.cycle.response_complete)
    protocol.connection_lost(end)
    await asyncio.sleep(0)
    return weakref.ref(protocol)
