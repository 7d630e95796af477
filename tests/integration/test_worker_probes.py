"""A worker's pages: what they say of Redis and of an end, and that the loop itself answers them."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import redis

from core.process.pages import serve_pages
from core.process.readiness import Readiness
from core.security.encryption import Encryption
from core.store.redis.client import Store, connect
from sandbox.world.ports import free_port
from tests.api_fixture import SECRET_KEY
from tests.ready_line import address_in
from tests.redis_fixture import running_redis
from tests.until import PATIENCE_S, until
from worker.probes import pages_of

REELGATE = Path(sys.executable).with_name("reelgate")


@asynccontextmanager
async def running_worker(
    redis_url: str, folder: Path, port: int, *, said: bool = False, **more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    env = (
        os.environ
        | more
        | {
            "REDIS_URL": redis_url,
            "REELGATE_SECRET_KEYS": SECRET_KEY,
            "REELGATE_STORAGE": str(folder),
            "NEMO_API_URL": "http://127.0.0.1:9",
        }
    )
    words = (REELGATE, "worker", "--metrics-port", str(port))
    piped = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*words, env=env, stdout=piped, stderr=piped if said else None)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def is_ready(child: asyncio.subprocess.Process) -> bool:
    assert child.stdout is not None
    return address_in((await asyncio.wait_for(child.stdout.readline(), PATIENCE_S)).decode(), "worker") is not None


async def test_a_worker_with_the_operator_s_token_begins_while_redis_is_full(redis_url: str, tmp_path: Path) -> None:
    """Workers are who removes what is over: if none began, a Redis that is full would stay so."""
    with redis.Redis.from_url(redis_url) as client:
        for most in (0, 1):
            client.config_set("maxmemory", most)
            try:
                async with running_worker(redis_url, tmp_path, 0, NEMO_TOKEN="nmv_usr_a") as child:
                    assert await is_ready(child), "it waits for room"
            finally:
                client.config_set("maxmemory", 0)


async def test_a_worker_that_waits_for_redis_says_so_once(tmp_path: Path) -> None:
    """It tries three times a second, for as long as that takes."""
    tried = asyncio.Semaphore(0)

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tried.release()
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        async with running_worker(url, tmp_path, 0, said=True, REELGATE_LOG_FORMAT="json") as child:
            for _ in range(30):
                await asyncio.wait_for(tried.acquire(), PATIENCE_S)
            child.send_signal(signal.SIGTERM)
            _, lines = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert lines.count(b"waiting for Redis") == 1, lines


async def test_a_worker_that_waits_for_room_warns_of_nothing_again_and_again(tmp_path: Path) -> None:
    """Redis answers each of its tries, and there is something to warn of."""
    with running_redis() as server, redis.Redis.from_url(server.url) as client:
        async with running_worker(server.url, tmp_path, 0) as child:
            assert await is_ready(child)
        client.config_set("appendonly", "no")
        client.config_set("maxmemory", 1)
        client.config_resetstat()

        async def has_tried() -> bool:
            return int(client.info("commandstats").get("cmdstat_persist", {"calls": 0})["calls"]) > 5

        more = {"NEMO_TOKEN": "nmv_usr_new", "REELGATE_LOG_FORMAT": "json"}
        async with running_worker(server.url, tmp_path, 0, said=True, **more) as child:
            await until(has_tried, within_s=PATIENCE_S)
            child.send_signal(signal.SIGTERM)
            _, lines = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert lines.count(b"waiting for Redis") == 1, lines
    assert lines.count(b"Redis runs without AOF") <= 1, lines


def probing(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S)


async def test_a_worker_is_alive_without_redis_and_ready_from_the_first_time_it_reached_it(tmp_path: Path) -> None:
    port = free_port()
    with running_redis() as server:
        server.kill()
        async with running_worker(server.url, tmp_path, port) as child, probing(f"http://127.0.0.1:{port}") as http:

            async def said(path: str) -> tuple[int, str]:
                answer = await http.get(path)
                return answer.status_code, answer.json()["status"]

            async def answers() -> bool:
                try:
                    return (await http.get("/livez")).status_code == 200
                except httpx.ConnectError:
                    return False

            await until(answers, within_s=PATIENCE_S)
            assert await said("/readyz") == (503, "starting")
            server.restart()
            line = await asyncio.wait_for(child.stdout.readline(), PATIENCE_S)
            assert address_in(line.decode(), "worker") == f"http://127.0.0.1:{port}"
            assert await said("/readyz") == (200, "ok")
            server.kill()
            assert [await said(path) for path in ("/livez", "/readyz")] == [(200, "ok"), (200, "degraded")]
            server.restart()
            child.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0


async def test_a_port_that_is_taken_is_told_in_a_sentence(redis_url: str, tmp_path: Path) -> None:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    env = os.environ | {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY, "REELGATE_STORAGE": str(tmp_path)}
    words = (REELGATE, "worker", "--metrics-port", str(port))
    child = await asyncio.create_subprocess_exec(*words, env=env, stderr=asyncio.subprocess.PIPE)
    _, logs = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    listener.close()
    assert child.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in logs.decode()
    assert "Traceback" not in logs.decode()


class Loop:
    """An event loop of its own in a thread, which serves a worker's pages and can be held up."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._up, self._over = threading.Event(), asyncio.Event()
        self.release = threading.Event()
        self.thread = threading.Thread(target=asyncio.run, args=(self._serve(),))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        store = Store(connect(self._redis_url, answer_s=5))
        self.readiness = Readiness(store, Encryption([SECRET_KEY]))
        async with serve_pages(pages_of(self.readiness), host="127.0.0.1", port=0) as self.url:
            self._up.set()
            await self._over.wait()
        await store.close()

    def start(self) -> None:
        self.thread.start()
        assert self._up.wait(PATIENCE_S)

    def hold_up(self) -> None:
        """Let a callback take the loop until `release` is set."""
        held = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (held.set(), self.release.wait(PATIENCE_S)))
        assert held.wait(PATIENCE_S)

    def end(self) -> None:
        self.release.set()
        self._loop.call_soon_threadsafe(self._over.set)
        self.thread.join(PATIENCE_S)


@contextmanager
def looping(redis_url: str) -> Iterator[Loop]:
    loop = Loop(redis_url)
    loop.start()
    try:
        yield loop
    finally:
        loop.end()


@pytest.fixture
def served(redis_url: str) -> Iterator[Loop]:
    with looping(redis_url) as loop:
        yield loop


def test_a_loop_that_is_stuck_answers_no_probe(served: Loop) -> None:
    with httpx.Client(base_url=served.url, trust_env=False, timeout=PATIENCE_S) as http:
        assert [http.get(path).status_code for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]
        served.hold_up()
        for path in ("/livez", "/readyz"):
            with pytest.raises(httpx.ReadTimeout):
                http.get(path, timeout=1)
        served.release.set()
        assert http.get("/livez").status_code == 200


def test_a_worker_that_was_told_to_end_is_alive_and_not_ready(served: Loop) -> None:
    served.readiness.draining = True
    with httpx.Client(base_url=served.url, trust_env=False, timeout=PATIENCE_S) as http:
        assert http.get("/livez").status_code == 200
        answer = http.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "draining")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/livez/x", "/readyz2", "/startupz", "/v1/jobs", "/favicon.ico"])
def test_any_other_path_is_404(served: Loop, path: str) -> None:
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as http:
        assert http.get(served.url + path).status_code == 404


def test_pages_are_read_with_queries_and_by_head_and_not_posted_to(served: Loop) -> None:
    with httpx.Client(base_url=served.url, trust_env=False, timeout=PATIENCE_S) as http:
        assert http.get("/livez?verbose=1").json() == {"status": "ok"}
        head = http.head("/metrics")
        assert (head.status_code, head.content, head.headers["content-type"].partition(";")[0]) == (
            200,
            b"",
            "text/plain",
        )
        assert http.post("/livez").status_code == 405


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", b"GET\r\n\r\n", b"\xff" * 100_000, b"GET /livez HTTP/1.1\r\nX: "])
def test_what_is_no_request_holds_up_nobody(served: Loop, said: bytes) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as line, suppress(ConnectionError):
        line.sendall(said)
        with httpx.Client(base_url=served.url, trust_env=False, timeout=PATIENCE_S) as http:
            assert http.get("/livez").status_code == 200
