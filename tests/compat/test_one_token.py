"""A worker of the last release and one of this, each with a job on one token: what either says that its job has cost.

Each is frozen while the other has the token, so that they meet just where one of them does not look.
"""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.compat.fleet import ENDS, Caller, Fleet
from tests.compat.last_release import ROOT, last_release
from tests.compat.processes import Process, running
from tests.compat.test_side_by_side import BACKEND, GATEWAY, TOKENS, reelgate
from tests.gateway_fixture import Gateway, unique_title
from tests.redis_fixture import running_redis
from tests.until import PATIENCE_S, wait_until

COST = 50
#: nobody takes over what a frozen worker holds; and between two looks of our processes nobody is known to be of the last release
SETTINGS = GATEWAY | {
    "REELGATE_LEASE_S": "300",
    "REELGATE_STREAM_QUIET_S": str(PATIENCE_S),
    "REELGATE_STREAM_LIMIT_S": str(PATIENCE_S),
    "REELGATE_FORMAT_SETTLE_S": "0",
    "NEMO_TOKEN": TOKENS[0],
}


class Shop:
    """One API, a worker of each release as soon as it is started, and a caller."""

    def __init__(self, fleet: Fleet, caller: Caller, last: Path, client: redis.Redis, clip: bytes) -> None:
        self.last = last
        self.clip = clip
        self._fleet = fleet
        self._caller = caller
        self._redis = client

    def start(self, place: str, checkout: Path) -> Process:
        return self._fleet.start(place, checkout)

    def submit(self, words: str = "", *, url: str | None = None) -> str:
        """Submit an edit, with a file that the backend fetches from `url` or one of its own."""
        media = {"url": url} if url else {"upload_id": self._caller.upload()}
        asked = {"prompt": f'add the title "{unique_title()}" {words}', "output": {"export": False}, "media": [media]}
        answer = self._caller.repeat(unique_title(), asked)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def wait_for(self, job_id: str, *places: str) -> dict[str, Any]:
        """Wait until a job is at one of these stages or statuses, and return it."""
        job: dict[str, Any] = {}

        def is_there() -> bool:
            job.update(self._caller.job(job_id))
            return bool({job["status"], job["stage"]} & {*places})

        wait_until(is_there, within_s=PATIENCE_S, told=lambda: job)
        return job

    def wait_for_token(self, job_id: str) -> None:
        """Wait until a job has its token."""
        wait_until(lambda: self._redis.hexists(f"rg:job:{job_id}", "reserved_on"), within_s=PATIENCE_S)

    def cost(self, job_id: str) -> tuple[int, bool]:
        job = self.wait_for(job_id, *ENDS)
        assert job["status"] == "succeeded"
        return job["credits_used"], job["credits_exact"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with ExitStack() as stack:
        last = stack.enter_context(last_release(tmp_path / "last"))
        server = stack.enter_context(running_redis())
        client = stack.enter_context(redis.Redis.from_url(server.url))
        sandbox = stack.enter_context(running("sandbox", env=BACKEND, folder=tmp_path))
        storage = str(tmp_path / "storage")
        env = SETTINGS | {"REDIS_URL": server.url, "NEMO_API_URL": sandbox.url, "REELGATE_STORAGE": storage}
        made = json.loads(reelgate(env, "keys", "create", "--tenant", "acme", "--json"))
        where = {"api": sandbox.url, "backend": sandbox.url, "receiver": sandbox.url, "api_key": made["key"]}
        gateway = stack.enter_context(closing(Gateway(where, tmp_path)))
        clip = gateway.clip(duration_s=1.5).read_bytes()
        fleet = Fleet(stack, tmp_path, env)
        fleet.start("api-1", ROOT)
        caller = stack.enter_context(closing(Caller(fleet, made["key"], "", clip)))
        yield Shop(fleet, caller, last, client, clip)


@contextmanager
def frozen(process: Process) -> Iterator[None]:
    process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send(signal.SIGCONT)


@contextmanager
def slow_file(content: bytes) -> Iterator[tuple[str, threading.Event]]:
    """Serve a file that comes only when the event is set: until then its job has a token and has sent nothing."""
    comes = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            comes.wait(PATIENCE_S)
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/clip.mp4", comes
        finally:
            comes.set()
            server.shutdown()


def test_a_job_of_the_last_release_that_has_the_token_and_sends_later_is_no_part_of_ours(shop: Shop):
    old = shop.start("worker-1", shop.last)
    with slow_file(shop.clip) as (url, comes):
        theirs = shop.submit(url=url)
        shop.wait_for_token(theirs)
        with frozen(old):
            new = shop.start("worker-2", ROOT)
            ours = shop.submit("[[story:slow]]")
            shop.wait_for(ours, "editing")
        with frozen(new):
            comes.set()
            assert shop.cost(theirs)[0] == COST
        used, _ = shop.cost(ours)
    assert used == COST


def test_a_job_of_ours_that_has_come_and_gone_meanwhile_is_no_part_of_one_of_the_last_release(shop: Shop):
    old = shop.start("worker-1", shop.last)
    theirs = shop.submit("[[story:slow]]")
    shop.wait_for(theirs, "editing")
    with frozen(old):
        shop.start("worker-2", ROOT)
        assert shop.cost(shop.submit())[0] == COST
    used, _ = shop.cost(theirs)
    assert used == COST
