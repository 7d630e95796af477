"""A whole Reelgate that is led through every kind of trouble at debug level, and everything it said meanwhile.

Import `traces` into a test module. What must not be found carries marks that occur nowhere else; `SECRETS` may leave
no process of the gateway's, `CONTENT` may be in no log and no metric.
"""

import base64
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from tests.gateway_fixture import Gateway, running_gateway
from tests.until import PATIENCE_S, wait_until

PROMPT, MEDIA, QUERY = (f"{name}{secrets.token_hex(8)}" for name in ("PROMPTMARK", "MEDIAMARK", "QUERYMARK"))
CONTENT = (PROMPT, MEDIA, QUERY)
TOKENS = [f"nmv_usr_leak{secrets.token_hex(16)}" for _ in range(6)]
SECRET_KEY = secrets.token_urlsafe(32)
WRONG_KEY = f"rg_wrong{secrets.token_urlsafe(24)}"

SETTINGS = {
    "REELGATE_LOG_LEVEL": "DEBUG",
    "REELGATE_SECRET_KEYS": SECRET_KEY,
    "NEMO_TOKEN": ",".join(TOKENS),
    "SANDBOX_TOKENS": ",".join(f"{token}:25000" for token in TOKENS),
    "REELGATE_RENDER_POLLS": "75",
    "REELGATE_CALLBACK_TIMEOUT_S": "2",
}
EDITS = (
    *("silent", "gui", "slow", "two-stage", "adk", "adk-partial", "temporary-issue", "question", "unchanged"),
    *("drop-stream", "drop-stream-lost", "heartbeats-only", "error-frame"),
    *("token-expired", "session-lost", "no-credits", "rate-limited", "http-500"),
)
EXPORTS = ("render-failed", "render-stuck", "render-duplicate", "export-blocked")
BAD_RECEIVERS = (
    "status/500",
    "status/301",
    "status/410",
    "retry-after/seconds/1",
    "hang",
    "reset",
    "not-http",
    "abort",
)


@dataclass(repr=False)
class Traces:
    """What a world has left: texts by where they were found, and how its jobs ended."""

    api_key: str = ""
    redis_password: str = ""
    webhook_secrets: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    metrics: dict[str, str] = field(default_factory=dict)
    callbacks: str = ""
    kept: dict[str, bytes] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    refusals: set[int] = field(default_factory=set)

    def secrets(self) -> list[str]:
        """All that may leave no process, apart from the one answer that shows a new one."""
        known = [*TOKENS, SECRET_KEY, WRONG_KEY, self.api_key, self.redis_password]
        return [*known, *(s.removeprefix("whsec_") for s in self.webhook_secrets)]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Traces:
    folder = tmp_path_factory.mktemp("leaks")
    found = Traces()
    with running_gateway(folder, **SETTINGS) as gateway, _closed(gateway), media_server(folder) as media_url:
        found.redis_password = urlsplit(gateway.world["redis_url"]).password or ""
        found.api_key, found.webhook_secrets = gateway.world["api_key"], [gateway.world["webhook_secret"]]
        gateway.http.event_hooks["response"].append(partial(_overhear, found))
        _lead_through(gateway, media_url, found)
        _collect(gateway, found)
    for log in folder.glob(".reelgate/*/logs/*.log"):
        found.logs[log.name] = log.read_text(errors="replace")
    found.kept |= {file.name: file.read_bytes() for file in folder.glob(".reelgate/*/redis/**/*") if file.is_file()}
    return found


@contextmanager
def _closed(gateway: Gateway) -> Iterator[None]:
    with gateway.http, gateway.sandbox, gateway.receiver:
        yield


def _overhear(found: Traces, answer: httpx.Response) -> None:
    """Keep what the API says; a stream of events is kept by whoever reads it."""
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        return
    answer.read()
    found.answers.append(f"{answer.headers} {answer.text}")
    if answer.is_error:
        found.refusals.add(answer.status_code)


@contextmanager
def media_server(folder: Path) -> Iterator[str]:
    """Serve the folder's files under a URL whose path and query are marked."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{MEDIA}.mp4?sig={QUERY}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _lead_through(gateway: Gateway, media_url: str, found: Traces) -> None:
    upload_id = gateway.upload(gateway.clip(f"{MEDIA}.mp4"))
    with _dripping(gateway, found):
        followed = list(_jobs(gateway, upload_id, media_url))
        _ask_badly(gateway, upload_id)
    for job_id in followed:
        found.answers += [json.dumps(data) for _, data in gateway.events(job_id)]
        found.jobs.append(gateway.job(job_id))
        gateway.http.get(f"/v1/jobs/{job_id}/output", headers={"Range": "bytes=99999999999-", "X-Mark": PROMPT})
    _send_to_bad_receivers(gateway, upload_id, found)
    _administer(gateway, upload_id, found)
    _without_redis(gateway, found)
    _read_everything(gateway, found)


@contextmanager
def _dripping(gateway: Gateway, found: Traces) -> Iterator[None]:
    """Send a part of a body and no more, and read what is said of that in the end."""
    where = urlsplit(gateway.world["api"])
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=PATIENCE_S) as line:
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.world['api_key']}"
        line.sendall(f"{head}\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{PROMPT}".encode())
        yield
        said = b"".join(iter(lambda: line.recv(65_536), b"")).decode()
    assert said.startswith("HTTP/1.1 408 "), said
    found.answers.append(said)


def _jobs(gateway: Gateway, upload_id: str, media_url: str) -> Iterator[str]:
    hook = {"url": f"{gateway.world['receiver']}/hook?token={QUERY}", "events": ["job.started", "job.progress", *_ENDS]}
    small = {"resolution": "360p"}

    def submit(prompt: str, **fields: Any) -> str:
        job = gateway.submit(f'{prompt}, add a title "{PROMPT}"', webhook=hook, **fields)
        return str(job["id"])

    for story in EDITS:
        yield submit(f"mute it [[story:{story}]]", upload=upload_id, output={"export": False})
    for story in EXPORTS:
        yield submit(f"trim the first second [[story:{story}]]", upload=upload_id, output=small)
    yield submit("make it black and white", media=[{"url": media_url}], output=small)
    yield submit("make it warmer", media=[{"url": media_url.replace(MEDIA, f"no-{MEDIA}")}])
    yield submit("make it warmer", upload=upload_id, max_credits=1)
    canceled = submit("fade it in [[story:slow]]", upload=upload_id)
    gateway.http.post(f"/v1/jobs/{canceled}/cancel")
    yield canceled
    yield gateway.submit("how many credits do I have left?", webhook=hook)["id"]


_ENDS = ("job.succeeded", "job.failed", "job.canceled", "job.expired")


def _ask_badly(gateway: Gateway, upload_id: str) -> None:
    """Everything that the API refuses, with marks wherever a refusal could repeat them."""
    http, media = gateway.http, [{"upload_id": upload_id}]
    good = {"prompt": PROMPT, "media": media}
    bad: list[dict[str, Any]] = [
        {"prompt": "", "media": media},
        {"prompt": PROMPT * 2000, "media": media},
        {**good, PROMPT: 1},
        {**good, "profile": PROMPT},
        {**good, "webhook": {"url": f"https://10.0.0.1/?token={QUERY}"}},
        {**good, "media": [{"url": f"ftp://example.com/{MEDIA}?sig={QUERY}"}]},
        {**good, "media": [{"url": f"https://me:{QUERY}@example.com/{MEDIA}.mp4"}]},
        {**good, "session_id": PROMPT},
        {"prompt": PROMPT},
    ]
    for ask in bad:
        http.post("/v1/jobs", json=ask)
        http.post("/v1/jobs:validate", json=ask)
    http.post("/v1/jobs", content=f'{{"prompt": "{PROMPT}", ', headers={"Content-Type": "application/json"})
    http.post("/v1/jobs", content=PROMPT)
    http.post("/v1/uploads", params={"filename": f"{MEDIA}.exe"}, content=b"MZ")
    http.post("/v1/uploads", params={"filename": f"{MEDIA}.mp4"}, content=PROMPT.encode())
    for path in (
        f"/v1/jobs/{PROMPT}",
        f"/{MEDIA}?token={QUERY}",
        f"/v1/jobs/{PROMPT}/output?expires=1&signature={QUERY}",
    ):
        http.get(path)
        http.request("PATCH", path)
    _ask_by_every_status(http, good)
    for value in (f"Bearer {WRONG_KEY}", WRONG_KEY, f"Basic {base64.b64encode(WRONG_KEY.encode()).decode()}"):
        http.get("/v1/jobs", headers={"Authorization": value})


def _ask_by_every_status(http: httpx.Client, good: dict[str, Any]) -> None:
    """What is refused for its size, its state, its key or its range, with marks there too."""
    used = {"Idempotency-Key": PROMPT}
    job_id = http.post(
        "/v1/jobs", json=good | {"webhook": {"url": f"https://example.com/?{QUERY}"}}, headers=used
    ).json()["id"]
    http.post("/v1/jobs", json=good | {"priority": 1}, headers=used)
    http.post("/v1/jobs", json=good, headers={"Idempotency-Key": f"{PROMPT} {QUERY}"})
    http.delete(f"/v1/jobs/{job_id}")
    http.post(f"/v1/jobs/{job_id}/replay")
    http.post(f"/v1/jobs/{job_id}/cancel")
    http.post("/v1/jobs", json=good | {"metadata": {PROMPT: PROMPT * 5000}})
    http.post("/v1/jobs", content=PROMPT * 200_000, headers={"Content-Type": "application/json"})
    http.post(f"/v1/jobs?{QUERY}", json=good)
    http.get(f"/v1/jobs?{QUERY}={PROMPT * 2400}", headers={"X-Long": PROMPT * 200})
    http.get("/v1/jobs", headers={"X-Long": f"{PROMPT * 4000}"})
    http.get("/v1/events", params={"after": PROMPT})
    http.head(f"/v1/jobs/{PROMPT}")


def _send_to_bad_receivers(gateway: Gateway, upload_id: str, found: Traces) -> None:
    """Callbacks that fail in every way, each with a marked query; and the backend failing for everybody."""
    gateway.sandbox.post("/_sandbox/faults", json={"http_500_rate": 0.2, "drop_stream_rate": 0.5})
    receiver = gateway.world["receiver"]
    nobody = [
        f"http://127.0.0.1:1/?token={QUERY}",
        gateway.world["backend"].replace("http", "https") + f"?token={QUERY}",
    ]
    urls = [*nobody, *(f"{receiver}/hook/{mood}?token={QUERY}" for mood in BAD_RECEIVERS)]
    jobs = [
        gateway.submit(f'add a title "{PROMPT}"', upload=upload_id, output={"export": False}, webhook={"url": url})
        for url in urls
    ]
    found.jobs += [gateway.ended(job["id"]) for job in jobs]
    gateway.sandbox.delete("/_sandbox/faults")
    for job in jobs[len(nobody) :]:
        gateway.callbacks(job["id"])


def _administer(gateway: Gateway, upload_id: str, found: Traces) -> None:
    """A default webhook, its test, a new secret, and a batch that calls back to it."""
    http, hook = gateway.http, f"{gateway.world['receiver']}/hook?token={QUERY}"
    http.put("/v1/webhook", json={"url": hook})
    http.post("/v1/webhook:test").raise_for_status()
    found.webhook_secrets.append(http.post("/v1/webhook:rotate-secret").json()["secret"])
    found.answers.pop()  # the one that shows it
    item = {
        "prompt": f'mute it, add a title "{PROMPT}"',
        "media": [{"upload_id": upload_id}],
        "output": {"export": False},
    }
    batch = http.post("/v1/batches", json={"jobs": [item, item | {"profile": PROMPT}]}).raise_for_status().json()
    gateway.receiver.get("/_received", params={"type": "batch.completed", "at_least": 1, "wait_s": 30})
    http.get(f"/v1/batches/{batch['id']}")


def _without_redis(gateway: Gateway, found: Traces) -> None:
    """Let Redis be silent for longer than anybody waits for it, while calls come in, until one has met that."""
    hooks = {"response": [partial(_overhear, found)]}
    how = {"base_url": gateway.http.base_url, "headers": gateway.http.headers, "timeout": PATIENCE_S}
    with httpx.Client(**how, event_hooks=hooks, trust_env=False) as caller:  # the gateway's own asks again
        refused = False
        while not refused:
            with redis.Redis.from_url(gateway.world["redis_url"]) as client:
                client.execute_command("CLIENT", "PAUSE", 2_500, "ALL")
            for _ in range(2):
                with suppress(httpx.HTTPError):
                    answer = caller.post("/v1/jobs", json={"prompt": PROMPT})
                    refused = refused or answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        wait_until(lambda: caller.get("/readyz").json()["status"] == "ok", within_s=PATIENCE_S, every_s=0.1)


def _read_everything(gateway: Gateway, found: Traces) -> None:
    """Every reading call of the API, for one job of each end."""
    ended = {job["status"]: job["id"] for job in found.jobs}
    for job_id in ended.values():
        for part in ("", "/events?after=0", "/timeline", "/output", "/deliveries"):
            gateway.http.get(f"/v1/jobs/{job_id}{part}", headers={"Accept": "application/json"})
    for path in ("jobs", "sessions", "credits", "profiles", "usage", "webhook", "events", "deliveries"):
        gateway.http.get(f"/v1/{path}")


def _collect(gateway: Gateway, found: Traces) -> None:
    for url in [*gateway.world["metrics"]["api"], *gateway.world["metrics"]["worker"]]:
        found.metrics[url] = httpx.get(url, trust_env=False).text
    found.callbacks = gateway.receiver.get("/_received").text
    with redis.Redis.from_url(gateway.world["redis_url"]) as client:
        for name in client.scan_iter(count=1000):
            found.kept[name.decode()] = name + (client.dump(name) or b"")
