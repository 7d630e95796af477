"""A real Redis for tests: the embedded Valkey, AOF on as in production, one server per test process, emptied for each test.

`tests/conftest.py` gives `redis_server` and `redis_url` to every test. Who kills a Redis runs one of its own.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO

import pytest
import redis

from core.store.redis.client import Redis
from sandbox.world.embedded_redis import READY, address, command, configuration, new_password
from sandbox.world.ports import free_port
from tests.until import PATIENCE_S

_START_S = PATIENCE_S
_TRIES = 5


class DidNotStart(Exception):  # noqa: N818 - it says what happened
    """The embedded Redis ended before it was ready."""


class RedisServer:
    """A Valkey process on a free port. It can be frozen, killed and started again with its data.

    With `everysec` it may answer before it writes, while the disk is slow: a kill would cost it what it has said it had.
    `others` are lines of its configuration.
    """

    def __init__(self, folder: Path, *, appendfsync: str = "always", **others: str) -> None:
        self._folder = folder
        self._options = others | {"appendfsync": appendfsync}
        self.password = new_password()
        self.process = self._start_somewhere()
        self.url = self.url_of(0)

    def url_of(self, database: int, *, port: int | None = None) -> str:
        """Write the address of one of its databases, at its own port or that of a proxy before it."""
        return address(port or self.port, self.password, database=database)

    def _start_somewhere(self) -> subprocess.Popen[bytes]:
        """Start on a free port; one that another test takes at the same moment is left to it."""
        for _ in range(_TRIES):
            self.port = free_port()
            with suppress(DidNotStart):
                return self._start()
        raise DidNotStart

    def _start(self) -> subprocess.Popen[bytes]:
        told = configuration(port=self.port, password=self.password, data_folder=self._folder, **self._options)
        process = subprocess.Popen(command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        with process.stdin as asked:
            asked.write(told.encode())
        ready: Future[bool] = Future()
        self._listener = Thread(target=_listen, args=(process.stdout, self._folder / "log", ready), daemon=True)
        self._listener.start()
        if ready.result(_START_S):
            return process
        process.wait(_START_S)
        raise DidNotStart

    @property
    def aof_folder(self) -> Path:
        """Where its append-only file lies, in parts; a stopped one may be given another."""
        return self._folder / "appendonlydir"

    def kill(self) -> None:
        self.process.kill()
        self._over()

    def restart(self) -> None:
        """Start it again after `kill`, on the same port with the same data."""
        self.process = self._start()

    def _over(self) -> None:
        self.process.wait(_START_S)
        self._listener.join(_START_S)


def _listen(lines: IO[bytes], log: Path, ready: Future[bool]) -> None:
    """Take down all that it says, since a full pipe would stop it, and tell when it is ready, or never was."""
    with lines, log.open("ab") as file:
        for line in lines:
            file.write(line)
            if READY.encode() in line:
                ready.set_result(True)
    if not ready.done():
        ready.set_result(False)


@contextmanager
def running_redis(*, appendfsync: str = "always", **others: str) -> Iterator[RedisServer]:
    """Run a Redis of one's own, for tests that kill it, or have it configured otherwise."""
    with tempfile.TemporaryDirectory(prefix="redis-test-") as folder:
        server = RedisServer(Path(folder), appendfsync=appendfsync, **others)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.kill()  # nobody needs its data; one that writes its first AOF does not end when it is asked


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with running_redis(appendfsync="everysec") as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


def patient(client: Redis) -> Redis:
    """Let a client dial for as long as it waits for answers: a busy machine is not a Redis that is away."""
    client.connection_pool.connection_kwargs["socket_connect_timeout"] = PATIENCE_S
    return client
