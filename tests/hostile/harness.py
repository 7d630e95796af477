"""Harness of the hostile tests: two API processes as they run in production, on one Redis and one storage folder.

No worker is there. Nothing goes out, every job stays queued, and the two RPC requests that the API makes of workers are
answered by a server that knows nothing.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import msgspec
import redis

from core.store.redis.keys import key
from core.store.rpc import RpcRequest
from tests.loopback import NO_TLS
from tests.ready_line import address_in
from tests.redis_fixture import RedisServer, running_redis
from tests.until import PATIENCE_S

REELGATE = Path(sys.executable).with_name("reelgate")
SECRET_KEY = "k" * 40
_LOUD = re.compile(rb'"level": ?"(error|critical)"|Traceback')
_HEARD = b'{"status":204,"error":null,"detail":"","excerpt":"","latency_ms":1}'


@dataclass(frozen=True)
class Harness:
    """`urls` of the API processes, an API key with all scopes, and what is behind them, to see what was left there."""

    urls: tuple[str, ...]
    key: str = field(repr=False)
    redis: RedisServer
    storage: Path
    logs: tuple[Path, ...]

    def client(self, n: int = 0) -> httpx.Client:
        """Make a client of one of the processes; close it."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.urls[n], headers=headers, trust_env=False, timeout=PATIENCE_S, verify=NO_TLS)

    def kept_files(self) -> list[Path]:
        """List what lies in storage, half-written files included."""
        return [path for path in self.storage.rglob("*") if path.is_file()]

    def kept_keys(self, like: str) -> list[bytes]:
        """List Redis keys by a pattern."""
        with redis.Redis.from_url(self.redis.url) as client:
            return sorted(client.scan_iter(like, count=1000))

    def wait_until(self, so: Callable[[], bool]) -> None:
        """Look until it is so; a process is asked between two looks, so that it has its turn."""
        with self.client() as client:
            for _ in range(2000):
                if so():
                    return
                client.get("/livez")
        raise AssertionError("it never came to be so")

    def error_lines(self) -> list[bytes]:
        """List the log lines of errors: there shall be none, whatever was asked."""
        lines = (line for log in self.logs for line in log.read_bytes().splitlines())
        return [line for line in lines if _LOUD.search(line)]


@contextmanager
def running_harness(folder: Path) -> Iterator[Harness]:
    """Start Redis, two API processes and an RPC server; end them afterwards."""
    storage = folder / "storage"
    logs = (folder / "api-0.log", folder / "api-1.log")
    with ExitStack() as stack:
        server = stack.enter_context(running_redis())
        env = _environment(server.url, storage)
        urls = tuple(stack.enter_context(_process(env, log)) for log in logs)
        stack.enter_context(_rpc_server(server.url))
        words = [REELGATE, "keys", "create", "--tenant", "acme", "--json"]
        issued = json.loads(subprocess.run(words, env=env, check=True, capture_output=True, timeout=PATIENCE_S).stdout)
        yield Harness(urls, issued["key"], server, storage, logs)


def _environment(redis_url: str, storage: Path) -> dict[str, str]:
    mine = {n: v for n, v in os.environ.items() if not n.startswith(("NEMO_", "REELGATE_"))}
    return mine | {
        "REDIS_URL": redis_url,
        "REELGATE_SECRET_KEYS": SECRET_KEY,
        "REELGATE_STORAGE": str(storage),
        "REELGATE_DRAIN_DELAY_S": "0",
        "REELGATE_SUBMITS_PER_MINUTE": "1000000",
        "REELGATE_TENANT_QUEUED_JOBS": "1000000",
    }


@contextmanager
def _process(env: dict[str, str], log: Path) -> Iterator[str]:
    words = [REELGATE, "api", "--port", "0"]
    with (
        log.open("wb") as loud,
        subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=loud, text=True) as api,
    ):
        try:
            assert api.stdout is not None
            address = address_in(api.stdout.readline(), "api")
            assert address, log.read_text()
            yield address
        finally:
            api.terminate()
            api.wait(PATIENCE_S)


@contextmanager
def _rpc_server(redis_url: str) -> Iterator[None]:
    """Answer RPC requests as a worker would whose receivers are all well."""
    over = threading.Event()
    thread = threading.Thread(target=_answer_rpc, args=(redis_url, over), name="rpc server")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _answer_rpc(redis_url: str, over: threading.Event) -> None:
    with closing(redis.Redis.from_url(redis_url)) as client:
        while not over.is_set():
            if found := client.blpop([key("rpc_requests")], timeout=1):
                request = msgspec.msgpack.decode(found[1], type=RpcRequest)
                client.rpush(key("rpc_reply", request.id), _HEARD)
                client.expire(key("rpc_reply", request.id), 30)


def main() -> None:
    """Start the harness and leave it running until Enter, to try something by hand."""
    with TemporaryDirectory() as folder, running_harness(Path(folder)) as harness:
        print(json.dumps({"urls": harness.urls, "key": harness.key, "folder": folder, "redis": harness.redis.url}))  # noqa: T201 - a command
        sys.stdin.readline()
        print(b"\n".join(harness.error_lines()).decode())  # noqa: T201 - a command


if __name__ == "__main__":
    main()
