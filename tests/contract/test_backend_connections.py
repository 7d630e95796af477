"""The client's own connections to the backend: what is kept, what is read to which end, and what a bad peer can't do."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import islice

import pytest
import uvloop

from tests.contract.test_backend_network import CALLER, backend, fault_of_message
from tests.peer_fixture import answered, page, peer
from tests.slow_peer import bytes_taken_late, standing_still
from tests.until import PATIENCE_S, until
from worker.backend.client import Backend
from worker.backend.faults import BackendFault, Fault
from worker.causes import causes_of

BALANCE = b'{"code":0,"data":{"available":7}}'
LENGTH = b"Content-Length: %d\r\n" % len(BALANCE)
JSON = b"Content-Type: application/json\r\n"


async def balance(made: Backend) -> int | None:
    return (await made.read_credits(CALLER)).available


async def fault_of_balance(made: Backend) -> Fault:
    with pytest.raises(BackendFault) as caught:
        await made.read_credits(CALLER)
    return caught.value.fault


async def test_plain_calls_go_over_one_connection_as_long_as_it_is_fit() -> None:
    async with peer(answered({"code": 0, "data": {"available": 7}})) as remote, backend(remote.url) as made:
        assert [await balance(made) for _ in range(5)] == [7] * 5
    assert (remote.connections, len(remote.requests)) == (1, 5)


@asynccontextmanager
async def closing_unannounced(answer: object) -> AsyncIterator[tuple[Backend, list[bytes]]]:
    """A backend that says nothing of it, and closes each connection right behind its answer: which requests have come?"""
    heard: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        writer.write(answered(answer))
        await reader.read(1)  # the next request is on its way when this end hangs up

    async with serving(once) as url, backend(url) as made:
        yield made, heard


async def test_what_may_be_asked_twice_is_asked_again_at_once_where_a_kept_connection_has_died() -> None:
    told = {"code": 0, "data": {"available": 7, "session_id": "b1"}}
    async with closing_unannounced(told) as (made, heard):
        assert await balance(made) == 7
        assert await balance(made) == 7
        assert (await made.open_session(CALLER, language=None)).session_id == "b1"
        assert await made.start_render(CALLER, render_id="render_1", session_id="b1", draft={}, output={}) is None
    assert len(heard) == 4


async def test_a_call_at_which_fresh_connections_end_too_is_asked_twice_only_once() -> None:
    """Whoever tries it again and again would ask a backend twice each time that can't take it once."""
    heard: list[bytes] = []

    async def told_of_balances_alone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"credits" in (line := (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]):
            writer.write(answered({"code": 0, "data": {"available": 7}}))
        heard.append(line)

    async with serving(told_of_balances_alone) as url, backend(url) as made:
        for _ in range(3):
            assert await balance(made) == 7
            with pytest.raises(BackendFault):
                await made.open_session(CALLER, language=None)
    assert len(heard) == 2 + 1 + 1


async def test_what_may_be_asked_only_once_never_goes_over_a_connection_that_may_have_died() -> None:
    """Whether a file arrived that was sent over a dead one nobody knows: all files would be brought anew, again and again."""

    async def file() -> AsyncIterator[bytes]:
        yield b"a film"

    told = {"code": 0, "data": {"available": 7, "token": "nmv_usr_1", "files": [{"filename": "clip.mp4"}]}}
    async with closing_unannounced(told) as (made, heard):
        assert await balance(made) == 7
        assert (await made.upload_url(CALLER, session_id="b1", urls=["https://x/clip.mp4"])).brought
        sent = made.upload_file(CALLER, session_id="b1", filename="clip.mp4", size_bytes=6, chunks=file())
        assert (await sent).brought
        assert (await made.issue_anonymous_token("c0ffee", profile="maker-free")).token == "nmv_usr_1"
    assert len(heard) == 4


async def test_what_broke_an_answer_has_causes_that_end() -> None:
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Le") as remote, backend(remote.url) as made:
        with pytest.raises(BackendFault) as caught:
            await made.read_credits(CALLER)
    assert len(list(islice(causes_of(caught.value), 100))) < 100


async def test_calls_at_once_have_a_connection_each() -> None:
    async with peer(answered({"code": 0, "data": {"available": 7}})) as remote, backend(remote.url) as made:
        assert await asyncio.gather(*(balance(made) for _ in range(5))) == [7] * 5
    assert (remote.connections, len(remote.requests)) == (5, 5)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + JSON + LENGTH + b"\r\n" + BALANCE + b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n" + JSON + LENGTH + b"Connection: close\r\n\r\n" + BALANCE,
        b"HTTP/1.0 200 OK\r\n" + JSON + LENGTH + b"\r\n" + BALANCE,
    ],
    ids=["something left over", "to be closed", "HTTP/1.0"],
)
async def test_a_connection_that_is_not_fit_is_not_used_again(answer: bytes) -> None:
    async with peer(answer) as remote, backend(remote.url) as made:
        assert [await balance(made) for _ in range(2)] == [7, 7]
    assert remote.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\n" + BALANCE,
        b"HTTP/1.1 200 OK\n" + (JSON + LENGTH).replace(b"\r\n", b"\n") + b"\n" + BALANCE,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\n" + JSON + LENGTH + b"\r\n" + BALANCE,
        b"HTTP/1.1 200 OK\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + BALANCE[:5] + b"\r\n"
        b"%X ;x=1\r\n" % (len(BALANCE) - 5) + BALANCE[5:] + b"\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"%x\r\n" % len(BALANCE) + BALANCE + b"\r\n0\r\n\r\n",
    ],
    ids=["till it is closed", "bare line feeds", "interim answers", "chunks and a trailer", "chunks and a length"],
)
async def test_an_answer_in_any_form_of_http_is_read(answer: bytes) -> None:
    async with peer(answer) as remote, backend(remote.url) as made:
        remote.closes = True
        assert await balance(made) == 7


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: 0123456789\r\n" * 10_000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + BALANCE,
    ],
    ids=["an endless head", "one interim answer after another", "another protocol", "two lengths"],
)
async def test_an_answer_that_is_none_is_broken(answer: bytes) -> None:
    async with peer(answer, holds=True) as remote, backend(remote.url) as made:
        assert await fault_of_balance(made) is Fault.BROKEN


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    tasks = set()

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.wait(tasks)


@pytest.mark.parametrize(
    "begun",
    [b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: "],
    ids=["its body", "its head"],
)
async def test_an_answer_that_drips_ends_in_time_although_each_silence_is_short(begun: bytes) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        while not writer.is_closing():
            writer.write(b" ")
            try:
                async with asyncio.timeout(0.02):
                    await reader.read(1)
                break
            except TimeoutError:
                pass

    async with serving(drip) as url, backend(url, answer_timeout_s=0.1) as made:
        assert await fault_of_balance(made) is Fault.BROKEN


async def test_an_upload_that_is_refused_half_way_is_refused_and_not_sent_to_its_end() -> None:
    taken = 0
    refusal = page("413 Payload Too Large", json.dumps({"code": 413, "message": "too large"}).encode())

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        while piece := await reader.read(65_536):
            taken += len(piece)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield bytes(100_000)

    async with serving(refuse) as url, backend(url) as made:
        with pytest.raises(BackendFault) as caught:
            await made.upload_file(CALLER, session_id="s", filename="a.mp4", size_bytes=100_000_000, chunks=endless())
    assert caught.value.status == 413
    assert taken < 50_000_000


async def test_an_upload_is_refused_also_where_nothing_more_of_it_is_taken() -> None:
    over, handed_out = asyncio.Event(), 0
    refusal = page("413 Payload Too Large", json.dumps({"code": 413, "message": "too large"}).encode())

    async def stands_still() -> bool:
        before = handed_out
        await asyncio.sleep(0.1)  # what is looked at is that nothing comes for so long
        return handed_out == before

    async def take_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(stands_still, within_s=PATIENCE_S)
        writer.write(refusal)
        await over.wait()
        writer.transport.abort()

    async def counted() -> AsyncIterator[bytes]:
        nonlocal handed_out
        for handed_out in range(1000):  # noqa: B007 - the server looks at it
            yield bytes(100_000)

    async with serving(take_nothing) as url, backend(url, answer_timeout_s=PATIENCE_S) as made:
        try:
            with pytest.raises(BackendFault) as caught:
                await made.upload_file(
                    CALLER, session_id="s", filename="a.mp4", size_bytes=100_000_000, chunks=counted()
                )
        finally:
            over.set()
    assert caught.value.status == 413


async def test_an_upload_goes_on_after_an_interim_answer() -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        (length,) = (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        await reader.readexactly(length)
        writer.write(answered({"code": 0, "data": {"files": [{"filename": "a.mp4"}]}}))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield bytes(100_000)

    async with serving(take) as url, backend(url) as made:
        answer = await made.upload_file(
            CALLER, session_id="s", filename="a.mp4", size_bytes=30_000_000, chunks=chunks()
        )
    assert answer.brought


async def _upload_to_whom_hangs_up_meanwhile() -> BackendFault:
    gone = asyncio.Event()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        gone.set()

    async def slow() -> AsyncGenerator[bytes, None]:
        for _ in range(10):
            yield bytes(100_000)
        await gone.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        yield bytes(100_000)

    async with serving(hang_up) as url, backend(url) as made, aclosing(slow()) as chunks:
        with pytest.raises(BackendFault) as caught:
            await made.upload_file(CALLER, session_id="s", filename="a.mp4", size_bytes=1_100_000, chunks=chunks)
    return caught.value


def test_an_upload_whose_connection_breaks_between_two_pieces_is_broken() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        fault = runner.run(_upload_to_whom_hangs_up_meanwhile())
    assert fault.fault is Fault.BROKEN


@pytest.mark.parametrize("length", [300_000, 20_000_000], ids=["the system holds it", "we hold it"])
async def test_what_nobody_has_taken_in_time_is_not_sent_later(length: int) -> None:
    with standing_still() as (listener, url):
        async with backend(url, answer_timeout_s=0.2) as made:
            with pytest.raises(BackendFault) as caught:
                async with made.send_message(CALLER, session_id="1", text="x" * length, silence_s=0.2):
                    pass
            assert await bytes_taken_late(listener) < length
    assert caught.value.maybe_done


async def test_a_connection_on_which_something_is_left_to_be_sent_is_not_used_again() -> None:
    over, requests = asyncio.Event(), 0

    async def answer_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(answered({"code": 0, "data": {"available": 7}}))
        await over.wait()
        writer.transport.abort()

    async with serving(answer_at_once) as url, backend(url) as made:
        try:
            draft = {"t": "x" * 20_000_000}
            await made.start_render(CALLER, render_id="render_1", session_id="s", draft=draft, output={})
            assert await balance(made) == 7
        finally:
            over.set()
    assert requests == 2


async def test_a_path_before_the_calls_stays_as_it_is_written() -> None:
    async with (
        peer(answered({"code": 0, "data": {"available": 7}})) as remote,
        backend(remote.url + "/a%20b/") as made,
    ):
        assert await balance(made) == 7
    ((line, _, _),) = remote.requests
    assert line == "GET /a%20b/api/credits/balance/simple HTTP/1.1"


async def test_a_connection_that_died_while_it_was_idle_is_replaced() -> None:
    hung_up = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answered({"code": 0, "data": {"available": 7}}))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    async with serving(once) as url, backend(url) as made:
        assert await balance(made) == 7
        await hung_up.wait()
        await asyncio.sleep(0)
        assert await balance(made) == 7


async def test_a_call_that_is_cut_off_closes_its_connection() -> None:
    async with peer(b"HTTP/1.1 200 OK\r\n", holds=True) as remote, backend(remote.url) as made:
        call = asyncio.create_task(made.read_credits(CALLER))
        async with asyncio.timeout(PATIENCE_S):
            await remote.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        remote.holds, remote.answer = False, answered({"code": 0, "data": {"available": 7}})
        assert await balance(made) == 7
    assert remote.connections == 2


async def test_a_name_that_has_no_address_means_that_nothing_was_sent() -> None:
    async with backend(f"http://{'a' * 64}.test") as made:
        seen = await fault_of_message(made)
    assert (seen.fault, seen.maybe_done) == (Fault.UNREACHABLE, False)


async def test_a_handshake_that_fails_means_that_nothing_was_sent() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as url, backend(url.replace("http:", "https:")) as made:
        seen = await fault_of_message(made)
    assert (seen.fault, seen.maybe_done) == (Fault.UNREACHABLE, False)
