"""Callbacks of a whole Reelgate, to receivers that behave in every bad way. Each test is a tenant of its own."""

import asyncio
import itertools
import os
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from standardwebhooks import Webhook

from core.clock import Clock
from core.security.encryption import Encryption
from core.store.redis.client import Store, connect
from core.store.tenants.api_keys import ApiKeys, IssuedKey
from tests.api_fixture import SECRET_KEY, running_api
from tests.gateway_fixture import Gateway, running_gateway
from tests.integration.test_callback_attempts import certificate
from tests.job_ends import succeed
from tests.until import PATIENCE_S, wait_until

TIMEOUT_S = 3.0
#: a prompt that no backend edit answers
QUICK = "how many credits do I have left?"
_names = itertools.count(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    chosen = {
        "REELGATE_SECRET_KEYS": SECRET_KEY,
        "REELGATE_CALLBACK_TIMEOUT_S": str(TIMEOUT_S),
        "REELGATE_CALLBACK_STEP_SCALE": "0.001",
        "REELGATE_RENDER_POLLS": "100",
    }
    with running_gateway(tmp_path_factory.mktemp("callbacks"), **chosen) as running:
        yield running


class Tenant(Gateway):
    """A tenant of the world: its own key and secret, and the receiver's view of its callbacks alone."""

    def __init__(self, world: Gateway, issued: IssuedKey) -> None:
        super().__init__(world.world | {"api_key": issued.secret}, world.folder)
        assert issued.webhook_secret is not None
        self.secret = issued.webhook_secret
        self.hook = world.world["receiver"] + "/hook"

    def quick(self, path: str = "", **fields: Any) -> str:
        """Submit a job that ends at once, with a callback to this path of the receiver; returns its id."""
        return str(self.submit(QUICK, webhook={"url": self.hook + path}, **fields)["id"])

    def deliveries(self, job_id: str) -> list[dict[str, Any]]:
        return list(self.http.get(f"/v1/jobs/{job_id}/deliveries").json()["data"])

    def until(self, job_id: str, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Look at a job's one delivery until it is as wanted."""

        def look() -> dict[str, Any]:
            found = self.deliveries(job_id)
            return found[0] if found and good(found[0]) else {}

        return wait_until(look, within_s=PATIENCE_S, told=lambda: self.deliveries(job_id))

    def over(self, job_id: str) -> dict[str, Any]:
        return self.until(job_id, lambda delivery: delivery["status"] != "pending")

    def attempted(self, job_id: str) -> dict[str, Any]:
        return self.until(job_id, lambda delivery: bool(delivery["attempts"]))

    def rotate(self) -> str:
        return str(self.http.post("/v1/webhook:rotate-secret").json()["secret"])

    def put_default(self, path: str) -> None:
        assert self.http.put("/v1/webhook", json={"url": self.hook + path}).status_code == 200

    def holds(self, callback: dict[str, Any], secret: str | None = None) -> bool:
        """Check a received callback as a receiver would."""
        return bool(Webhook(secret or self.secret).verify(callback["text"], callback["headers"]))


@pytest.fixture
def tenant(world):
    with new_tenant(world) as made:
        yield made


@contextmanager
def new_tenant(world: Gateway) -> Iterator[Tenant]:
    async def create() -> IssuedKey:
        store = Store(connect(world.world["redis_url"], answer_s=PATIENCE_S))
        try:
            return await ApiKeys(store, Encryption([SECRET_KEY]), Clock()).create(f"tenant-{next(_names)}")
        finally:
            await store.close()

    made = Tenant(world, asyncio.run(create()))
    try:
        yield made
    finally:
        made.close()


def test_a_receiver_that_fails_first_gets_the_same_event_again(tenant):
    job_id = tenant.quick("/fail/2")
    delivery = tenant.over(job_id)
    assert (delivery["status"], delivery["next_attempt_at"]) == ("delivered", None)
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 500, 200]
    assert [attempt["answer"] for attempt in delivery["attempts"]] == ["not yet", "not yet", '{"received":true}']
    received = tenant.callbacks(job_id, at_least=3)
    assert {each["id"] for each in received} == {delivery["event_id"]}
    assert all(tenant.holds(each) for each in received)


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/status/500", 500, None),
        ("/status/301", 301, None),
        ("/retry-after/seconds/1", 429, None),
        ("/retry-after/date/1", 429, None),
        ("/hang", None, "The receiver did not answer in time."),
        ("/drip", None, "The receiver did not answer in time."),
        ("/reset", None, "The connection broke before an answer came."),
        ("/close", None, "The connection broke before an answer came."),
        ("/not-http", None, "The receiver's answer was not HTTP."),
    ],
)
def test_what_is_no_2xx_is_tried_again(tenant, path, status, error):
    job_id = tenant.quick(path)
    delivery = tenant.until(job_id, lambda found: len(found["attempts"]) >= 2)
    for attempt in delivery["attempts"]:
        assert (attempt["status"], attempt["error"]) == (status, error)
        assert attempt["latency_ms"] < 15_000
    received = tenant.callbacks(job_id, at_least=2)
    assert {(each["id"], each["path"]) for each in received} == {(delivery["event_id"], f"/hook{path}")}


@pytest.mark.parametrize("path", ["/drip-body", "/endless", "/gzip-bomb"])
def test_an_answer_that_does_not_end_is_left_where_it_is(tenant, path):
    delivery = tenant.over(tenant.quick(path))
    [attempt] = delivery["attempts"]
    assert (delivery["status"], attempt["status"]) == ("delivered", 200)
    assert attempt["latency_ms"] < 15_000
    assert len(attempt["answer"].encode()) <= 1_000


def test_a_receiver_with_a_wrong_certificate_is_told_nothing(tenant, tmp_path):
    file = tmp_path / "receiver.pem"
    file.write_bytes(certificate(names=[x509.IPAddress(ip_address("127.0.0.1"))]))
    heard: list[bytes] = []
    with serving_tls(file, heard) as port:
        job = tenant.submit(QUICK, webhook={"url": f"https://127.0.0.1:{port}/hook"})
        attempt = tenant.attempted(job["id"])["attempts"][0]
    assert attempt["status"] is None
    assert attempt["error"].startswith("The certificate is not valid")
    assert heard == []


@contextmanager
def serving_tls(file: Path, heard: list[bytes]) -> Iterator[int]:
    """Listen with a certificate that nobody has signed; what comes in behind a handshake is kept."""
    stop, ready, ports = threading.Event(), threading.Event(), []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)

    taking = set[asyncio.Task[None]]()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):  # who does not trust the certificate leaves in the middle of the handshake
                await writer.start_tls(tls)
                heard.append(await reader.read(1000))
        finally:  # also of one that comes at the very end, and is cancelled with the loop
            writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taking.add(asyncio.create_task(take(reader, writer)))

    async def serve() -> None:
        server = await asyncio.start_server(begin, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await asyncio.to_thread(stop.wait)
        server.close()
        await asyncio.gather(*taking)

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    ready.wait()
    try:
        yield ports[0]
    finally:
        stop.set()
        thread.join()


def test_a_message_that_is_declined_ends_and_the_next_one_is_sent(tenant):
    declined = tenant.over(tenant.quick("/abort"))
    assert (declined["status"], len(declined["attempts"])) == ("dead", 1)
    assert tenant.over(tenant.quick())["status"] == "delivered"


@pytest.mark.parametrize(
    ("path", "end", "why"),
    [
        ("/status/410", "dead", "The receiver answered 410 Gone."),
        ("/disable", "dead", "The receiver answered webhook-delivery: disable."),
        ("/disable-taken", "delivered", "The receiver answered webhook-delivery: disable."),
    ],
)
def test_a_default_url_that_wants_no_more_is_disabled_until_it_is_enabled(tenant, path, end, why):
    tenant.put_default(path)
    job_id = str(tenant.submit(QUICK, webhook=None)["id"])
    delivery = tenant.over(job_id)
    assert (delivery["status"], delivery["url"], len(delivery["attempts"])) == (end, None, 1)
    off = tenant.http.get("/v1/webhook").json()
    assert (off["status"], off["disabled_why"]) == ("disabled", why)
    assert off["disabled_at"]
    silent = str(tenant.submit(QUICK, webhook=None)["id"])
    assert tenant.ended(silent)["status"] == "succeeded"
    assert tenant.deliveries(silent) == []
    assert tenant.http.post("/v1/webhook:enable").json()["status"] == "active"
    assert tenant.over(str(tenant.submit(QUICK, webhook=None)["id"]))["attempts"]


def test_a_default_url_says_since_when_it_has_failed(tenant):
    tenant.put_default("/fail/3")
    job_id = str(tenant.submit(QUICK, webhook=None)["id"])
    tenant.attempted(job_id)
    assert tenant.http.get("/v1/webhook").json()["failing_since"]
    assert tenant.over(job_id)["status"] == "delivered"
    assert tenant.http.get("/v1/webhook").json()["failing_since"] is None


def test_after_a_rotation_a_receiver_that_knows_either_secret_is_content(tenant):
    new = tenant.rotate()
    job_id = tenant.quick()
    [received] = tenant.callbacks(job_id)
    assert len(received["headers"]["webhook-signature"].split(" ")) == 2
    assert tenant.holds(received)
    assert tenant.holds(received, new)


def test_a_dead_delivery_is_listed_and_sent_again_singly_and_by_time(tenant):
    first, second = tenant.quick("/abort"), tenant.quick("/abort")
    dead = [tenant.over(job_id) for job_id in (first, second)]
    listed = tenant.http.get("/v1/deliveries", params={"status": "dead"}).json()["data"]
    assert {each["id"] for each in listed} == {each["id"] for each in dead}
    again = tenant.http.post(f"/v1/deliveries/{dead[0]['id']}/redeliver")
    assert (again.status_code, again.json()["id"]) == (202, dead[0]["id"])
    twice = tenant.until(first, lambda found: len(found["attempts"]) == 2)
    assert twice["event_id"] == dead[0]["event_id"]
    since = min(each["created_at"] for each in dead)
    tenant.over(first)
    assert tenant.http.post("/v1/deliveries:redeliver", json={"since": since}).json()["count"] == 2
    for job_id, times in ((first, 3), (second, 2)):
        tenant.until(job_id, lambda found, times=times: len(found["attempts"]) == times)
        assert len({each["id"] for each in tenant.callbacks(job_id, at_least=times)}) == 1


def test_a_test_call_tells_what_the_receiver_answered_and_a_silent_one_holds_nobody_up(tenant):
    tenant.put_default("/hang")
    silent = threading.Thread(target=tenant.http.post, args=["/v1/webhook:test"])
    silent.start()
    asked = {"type": "webhook.test", "path": "/hook/hang", "at_least": 1, "wait_s": 30}
    assert len(tenant.receiver.get("/_received", params=asked).json()) == 1
    tenant.put_default("/status/204")
    answer = tenant.http.post("/v1/webhook:test").json()
    assert (answer["delivered"], answer["status"]) == (True, 204)
    silent.join()


def test_a_dead_host_holds_up_no_other_tenant(world, tenant):
    dead = [tenant.quick("/hang") for _ in range(60)]
    for job_id in dead:
        tenant.ended(job_id)
    with new_tenant(world) as other:
        alive = [other.quick() for _ in range(20)]
        assert {other.over(job_id)["status"] for job_id in alive} == {"delivered"}
    asked = {"path": "/hook/hang"}
    tried = {each["job_id"] for each in tenant.receiver.get("/_received", params=asked).json()} & set(dead)
    assert len(tried) < len(dead), "the others were not served after them"
    waiting = [tenant.deliveries(job_id)[0] for job_id in dead if job_id not in tried]
    assert {(each["status"], len(each["attempts"])) for each in waiting} == {("pending", 0)}


def test_every_attempt_brings_a_link_that_downloads_the_film(tenant):
    webhook = {"url": tenant.hook + "/fail/1"}
    job = tenant.run("export 360p MP4", upload=tenant.clip(), webhook=webhook)
    assert job["status"] == "succeeded", job["error"]
    bodies = [each["body"] for each in tenant.callbacks(job["id"], at_least=2)]
    films = [tenant.download(body["data"]["job"]).read_bytes() for body in bodies]
    assert len(films) == 2
    assert films[0] == films[1]
    assert len(films[0]) == job["output"]["size_bytes"]


def test_progress_is_called_back_once_for_each_word_and_never_again(tenant):
    webhook = {"url": tenant.hook + "/status/500", "events": ["job.progress"]}
    job = tenant.run("[[story:slow]] trim the first second", upload=tenant.clip(), webhook=webhook)
    assert job["status"] == "succeeded", job["error"]
    deliveries = tenant.deliveries(job["id"])
    assert deliveries
    for each in deliveries:
        assert each["type"] == "job.progress"
    received = tenant.callbacks(job["id"], at_least=len(deliveries))
    assert len({each["id"] for each in received}) == len(received) == len(deliveries)
    assert received[0]["body"]["data"]["job"]["progress"]["message"] == "⏳ Still working..."


@asynccontextmanager
async def a_worker(redis: str, storage: Path):
    """Run a worker process that may call back on loopback."""
    mine = {n: v for n, v in os.environ.items() if not n.startswith(("NEMO_", "REELGATE_", "SANDBOX_"))}
    env = mine | {
        "REDIS_URL": redis,
        "NEMO_API_URL": "http://127.0.0.1:9",
        "REELGATE_SECRET_KEYS": SECRET_KEY,
        "REELGATE_STORAGE": str(storage),
        "REELGATE_ALLOW_ADDRESSES": "127.0.0.0/8",
        "REELGATE_ALLOW_HTTP": "true",
        "REELGATE_LEASE_S": "1",
        "REELGATE_SWEEP_S": "0.2",
    }
    command = [str(Path(sys.executable).with_name("reelgate")), "worker", "--metrics-port", "0"]
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def test_a_worker_killed_between_send_and_record_is_followed_by_one_that_sends_the_same_id(redis_url, tmp_path):
    ids: list[str] = []
    came = asyncio.Condition()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a callback; the first worker is killed before it hears so."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        async with came:
            ids.append(head.partition("webhook-id: ")[2].partition("\r\n")[0])
            came.notify_all()
            await came.wait_for(lambda: len(ids) > 1 or dead.is_set())
        with suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    dead = asyncio.Event()
    receiver = await asyncio.start_server(take, "127.0.0.1", 0)
    hook = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/hook"
    allowed = {"allow_addresses": "127.0.0.0/8", "allow_http": True}
    async with running_api(redis_url, tmp_path / "files", **allowed) as api, came:
        job = await api.submit(webhook={"url": hook})
        await succeed(api.context, job["id"])
        async with a_worker(redis_url, tmp_path / "files") as first:
            await came.wait_for(lambda: len(ids) == 1)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        dead.set()
        came.notify_all()
        async with a_worker(redis_url, tmp_path / "files"):
            await came.wait_for(lambda: len(ids) == 2)
            came.release()
            while (found := await deliveries_of(api.http, job["id"]))["status"] == "pending":
                pass
            await came.acquire()
    receiver.close()
    assert ids == [found["event_id"]] * 2
    assert [attempt["status"] for attempt in found["attempts"]] == [200]


async def deliveries_of(http: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    return (await http.get(f"/v1/jobs/{job_id}/deliveries")).json()["data"][0]
