"""Makes `last_version.dump`: runs another checkout of Reelgate until its Redis holds something of everything.

    python -m tests.compat.make_dump CHECKOUT

The dump beside this file was made so from commit b58052d, the last one before the files moved to where they are now.
CHECKOUT is a folder with that version and its `.venv` (`./run setup` there). Its own commands run as real processes over
a Redis of ours, and are led by HTTP alone, so this file knows nothing of its code. A first worker ends jobs in every way
and is killed while it stores one video and edits another; a second one, all of whose waits are long, is stopped when every
other stage and wait is there; then only the API goes on, and says what the dump is to be compared with.
"""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import redis

from sandbox.world.ports import free_port
from tests.compat import dump
from tests.compat.dump import Dump, Repeat, Told, paths_of
from tests.compat.processes import Process, clean_environment, running
from tests.gateway_fixture import FAST
from tests.redis_fixture import running_redis
from tests.until import PATIENCE_S, wait_until

SECRET_KEY = "opens nothing but the dump of the last version"
PUBLIC_URL = "https://reelgate.test"
#: all of `acme`'s running jobs at the end, so that its next ones wait for one of them
RUNNING_JOBS = 8
TOKENS = {"acme": 100_000, "busy": 100_000, "beta": 5_000, "poor": 500, "slow": 5_000, "blocked": 500, "scoped": 500}
#: tokens that are no tenant's own are worked with by nobody here: the guest is to be anonymous
TENANTS = (*TOKENS, "revoked", "guest")
SCOPES = {"scoped": "read+write"}

GATEWAY = {
    **{name: value for name, value in FAST.items() if name.startswith("REELGATE_")},
    "REELGATE_SECRET_KEYS": SECRET_KEY,
    "REELGATE_PUBLIC_URL": PUBLIC_URL,
    "REELGATE_ALLOW_ADDRESSES": "127.0.0.0/8",
    "REELGATE_ALLOW_HTTP": "true",
    "REELGATE_TENANT_RUNNING_JOBS": str(RUNNING_JOBS),
    "REELGATE_STREAM_LIMIT_S": "6",
    "REELGATE_RENDER_POLLS": "40",
    # a killed worker's jobs stay in its hands until the dump is taken
    "REELGATE_LEASE_S": "300",
    "REELGATE_DRAIN_S": "0",
}
LONG = {f"REELGATE_{name}_S": "280" for name in ("RENDER_POLL", "RECOVER_FIRST", "SETTLE", "RATE_LIMITED")} | {
    "REELGATE_BACKOFF_S": "50",
    "REELGATE_STREAM_LIMIT_S": "900",
    "REELGATE_STREAM_QUIET_S": "600",
}
BACKEND = {
    **{name: value for name, value in FAST.items() if name.startswith("SANDBOX_")},
    "SANDBOX_SLOW_S": "200",
    "SANDBOX_SILENT_RATE": "0",
    "SANDBOX_GUI_RATE": "0",
    "SANDBOX_CANCELS_PROCESSING": "false",
    "SANDBOX_TOKEN_LIFE_S": "12",
}
LIFE = {"start_timeout_s": 604_800, "timeout_s": 86_400}
SMALL = {"export": True, "resolution": "360p"}
NO_EXPORT = {"export": False}
EDIT = "trim the first half second"


class World:
    """The other checkout's processes, its callers, and names for what they have made."""

    def __init__(self, checkout: Path, folder: Path, redis_url: str, stack: ExitStack) -> None:
        self.programs = checkout / ".venv" / "bin"
        self.folder = folder
        self.redis_url = redis_url
        self.ids: dict[str, str] = {}
        self.repeats: list[Repeat] = []
        self.secrets: dict[str, list[str]] = {}
        self.keys: dict[str, str] = {}
        self._stack = stack
        self._started = 0
        #: whose a job is, by its name
        self.tenants: dict[str, str] = {}
        tokens = ",".join(f"{token_of(t)}:{given}:pro:{SCOPES.get(t, '*')}" for t, given in TOKENS.items())
        self.backend = self._run("sandbox", env=BACKEND | {"SANDBOX_TOKENS": tokens})
        self.receiver = urlsplit(self._run("receiver", "--port", str(five_digit_port())).url).netloc
        self.nobody = f"127.0.0.1:{five_digit_port()}"
        #: takes connections and says nothing
        self.silent = stack.enter_context(socket.create_server(("127.0.0.1", five_digit_port())))
        self.env = GATEWAY | {
            "REDIS_URL": redis_url,
            "NEMO_API_URL": self.backend.url,
            "REELGATE_STORAGE": str(folder / "storage"),
        }
        for tenant in TENANTS:
            self._found(tenant)
        self.api = self._run("api", env=self.env)
        self.http = {
            t: httpx.Client(base_url=self.api.url, headers=bearer(k), timeout=PATIENCE_S) for t, k in self.keys.items()
        }
        self.sandbox = httpx.Client(base_url=self.backend.url, timeout=PATIENCE_S)

    def _found(self, tenant: str) -> None:
        made = json.loads(self.command("keys", "create", "--tenant", tenant, "--json"))
        self.keys[tenant], self.secrets[tenant] = made["key"], [made["webhook_secret"]]
        if tenant != "guest":
            self.command("tokens", "add", "--tenant", tenant, stdin=token_of(tenant))

    def command(self, *arguments: str, stdin: str = "") -> str:
        command = [str(self.programs / "reelgate"), *arguments]
        env = clean_environment() | self.env
        return subprocess.run(command, env=env, input=stdin, check=True, capture_output=True, text=True).stdout.strip()

    def worker(self, **env: str) -> Process:
        return self._run("worker", env=self.env | env)

    def _run(self, kind: str, *options: str, env: dict[str, str] | None = None) -> Process:
        self._started += 1
        process = running(
            kind,
            *options,
            programs=self.programs,
            env=env or {},
            folder=self.folder,
            name=f"{kind}-{self._started}",
        )
        return self._stack.enter_context(process)

    def hook(self, mood: str = "") -> dict[str, Any]:
        return {"url": f"http://{self.receiver}/hook{mood}"}

    def silent_address(self) -> str:
        return "{}:{}".format(*self.silent.getsockname())

    def call(self, tenant: str, path: str, body: Any = None, *, key: str | None = None, method: str = "POST") -> Any:
        """Make a call that must succeed; one with a key is kept to be repeated."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        answer = self.http[tenant].request(method, path, content=content, headers=headers)
        assert answer.is_success, (path, answer.status_code, answer.text)
        if key:
            self.repeats.append(Repeat(tenant, path, key, content, answer.status_code, answer.content))
        return answer.json() if answer.content else None

    def submit(self, name: str, prompt: str, *, tenant: str = "acme", key: str | None = None, **fields: Any) -> str:
        """Submit a job under a name of ours, with the clip unless it names its media."""
        ask = {"prompt": prompt, "media": [{"upload_id": self.ids["upload"]}]} | LIFE | fields
        if tenant != "acme" and "media" not in fields:
            ask["media"] = [{"upload_id": self.clip_of(tenant)}]
        self.ids[name] = self.call(tenant, "/v1/jobs", ask, key=key)["id"]
        self.tenants[name] = tenant
        return self.ids[name]

    def clip_of(self, tenant: str) -> str:
        if f"upload of {tenant}" not in self.ids:
            self.ids[f"upload of {tenant}"] = self.upload(tenant)
        return self.ids[f"upload of {tenant}"]

    def upload(self, tenant: str, *, key: str | None = None) -> str:
        path, content = "/v1/uploads?filename=clip.mp4", (self.folder / "clip.mp4").read_bytes()
        answer = self.http[tenant].post(path, content=content, headers={"Idempotency-Key": key} if key else {})
        assert answer.status_code == 201, answer.text
        if key:
            self.repeats.append(Repeat(tenant, path, key, content, answer.status_code, answer.content))
        return answer.json()["id"]

    def job(self, name: str) -> dict[str, Any]:
        return self.http[self.tenants[name]].get(f"/v1/jobs/{self.ids[name]}").json()

    def until(self, name: str, **facts: Any) -> None:
        """Wait until a job is as said: its `status`, `stage`, `code`, or the `reason` for which it waits."""
        until(lambda: self._is(name, facts), f"{name} {facts}", lambda: str(self.job(name)))

    def _is(self, name: str, facts: dict[str, Any]) -> bool:
        job = self.job(name)
        seen = {"status": job["status"], "stage": job["stage"], "percent": job["progress"]["percent"]}
        seen |= {"code": (job["error"] or {}).get("code"), "reason": (job["wait"] or {}).get("reason")}
        return facts.items() <= seen.items()

    def faults(self, **faults: float) -> None:
        self.sandbox.post("/_sandbox/faults", json=faults).raise_for_status()


def until(done: Callable[[], bool], what: str, told: Callable[[], str] = str) -> None:
    wait_until(done, within_s=PATIENCE_S, every_s=0.05, told=lambda: f"{what}: {told()}")


def token_of(tenant: str) -> str:
    return f"nmv_usr_{tenant}_of_the_dump"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def five_digit_port() -> int:
    return next(port for port in iter(free_port, None) if port > 9_999)


def settings(world: World) -> None:
    """Keys, secrets, default webhooks, sessions and uploads."""
    world.call("acme", "/v1/webhook", world.hook() | {"events": ["job.failed", "batch.completed"]}, method="PUT")
    world.secrets["acme"].append(world.call("acme", "/v1/webhook:rotate-secret")["secret"])
    world.call("beta", "/v1/webhook", {"url": f"http://{world.nobody}/hook"}, method="PUT")
    world.call("guest", "/v1/webhook", world.hook("/disable"), method="PUT")
    world.ids["upload"] = world.upload("acme", key="an-upload")
    world.ids["deleted upload"] = world.upload("acme")
    world.call("acme", f"/v1/uploads/{world.ids['deleted upload']}", method="DELETE")
    for name in ("open session", "closed session", "lost session", "busy session"):
        tenant = "busy" if name == "busy session" else "acme"
        key = "a-session" if name == "open session" else None
        world.ids[name] = world.call(tenant, "/v1/sessions", {"language": "en"}, key=key)["id"]


def ended_jobs(world: World) -> None:
    """Jobs that ended well, badly, by a cancel and too late, with callbacks of every fate."""
    _done(world)
    _failed(world)
    _in_sessions(world)
    _failed_late(world)
    world.submit("guest's second", EDIT, tenant="guest", output=NO_EXPORT)
    world.until("guest's second", status="succeeded")


def _done(world: World) -> None:
    hook, submit = world.hook, world.submit
    told = hook() | {"events": [f"job.{name}" for name in ("queued", "started", "progress", "succeeded")]}
    facts = {"webhook": told, "metadata": {"order": "7"}, "priority": 5}
    submit("succeeded", f"{EDIT}, and add a title", output=SMALL, key="a-job", **facts)
    submit("silent", f"{EDIT} [[story:silent]]", output=NO_EXPORT, webhook=hook("/abort"), priority=-3)
    submit("asked for credits", "how many credits do I have left?", media=[], webhook=hook("/fail/1"))
    submit("asked for the state", "show tracks", media=[])
    text = "generate a 2-second promotional video from my text: Bread"
    submit("generated", text, media=[], profile="free-video-generation-automatic", output=NO_EXPORT)
    submit("refined", f"{EDIT} once more", output=NO_EXPORT, session_id=world.ids["open session"])
    for tenant, name in (("beta", "beta's"), ("guest", "guest's first"), ("poor", "credits spent")):
        submit(name, EDIT, tenant=tenant, output=NO_EXPORT)
    for name in list(world.tenants):
        world.until(name, status="succeeded")


def _failed(world: World) -> None:
    submit, nobody = world.submit, {"url": f"http://{world.nobody}/hook"}
    submit("needs_input", f"{EDIT} [[story:question]]", output=NO_EXPORT, webhook=world.hook("/status/410"))
    submit("nothing_changed", f"{EDIT} [[story:unchanged]]", output=NO_EXPORT)
    submit("media_unreachable", EDIT, media=[{"url": "http://127.0.0.1:9/clip.mp4"}], output=NO_EXPORT)
    submit("budget_exceeded", EDIT, max_credits=1, webhook=nobody)
    submit("export_blocked", f"{EDIT} [[story:export-blocked]]", tenant="blocked", output=SMALL)
    submit("scope_missing", EDIT, tenant="scoped", output=NO_EXPORT)
    codes = ("needs_input", "nothing_changed", "media_unreachable", "budget_exceeded", "export_blocked")
    for code in (*codes, "scope_missing"):
        world.until(code, status="failed", code=code)


def _failed_late(world: World) -> None:
    busy = {"tenant": "busy"}
    world.submit("edit_unconfirmed", f"{EDIT} [[story:drop-stream-lost]]", output=NO_EXPORT, **busy)
    world.submit("render_timeout", f"{EDIT} [[story:render-stuck]]", output=SMALL, **busy)
    world.submit("deadline_exceeded", f"{EDIT} [[story:slow]]", output=NO_EXPORT, timeout_s=1, **busy)
    for code in ("edit_unconfirmed", "render_timeout", "deadline_exceeded"):
        world.until(code, status="failed", code=code)


def _in_sessions(world: World) -> None:
    """A session that got lost, and one in which a job was canceled, one expired and one never began."""
    lost = {"output": NO_EXPORT, "session_id": world.ids["lost session"]}
    world.submit("edited before the loss", f"{EDIT} at first", **lost)
    world.submit("session_lost", f"{EDIT} [[story:session-lost]]", **lost, media=[])
    world.until("session_lost", status="failed", code="session_lost")
    closed = {"output": NO_EXPORT, "session_id": world.ids["closed session"]}
    world.submit("in a closed session", f"{EDIT} in here", **closed)
    world.until("in a closed session", status="succeeded")
    world.call("acme", f"/v1/sessions/{world.ids['closed session']}", method="DELETE")
    busy = {"tenant": "busy", "output": NO_EXPORT, "session_id": world.ids["busy session"], "webhook": world.hook()}
    world.submit("canceled while running", f"{EDIT} [[story:slow]] slowly", **busy)
    world.submit("expired", EDIT, **busy | {"start_timeout_s": 1})
    world.submit("canceled while queued", EDIT, **busy)
    world.until("canceled while running", status="running", stage="editing")
    world.until("expired", status="expired")
    for name in ("canceled while queued", "canceled while running"):
        world.call("busy", f"/v1/jobs/{world.ids[name]}/cancel")
        world.until(name, status="canceled")


def after_the_end(world: World) -> None:
    """What callers do with ended jobs: delete, replay, send again; and two batches."""
    world.submit("deleted", f"{EDIT} away", output=NO_EXPORT)
    world.until("deleted", status="succeeded")
    world.call("acme", f"/v1/jobs/{world.ids['deleted']}", method="DELETE")
    again = world.call("acme", f"/v1/jobs/{world.ids['succeeded']}/replay", {"from": "start"}, key="a-replay")
    world.ids["replayed"] = again["id"]
    world.tenants["replayed"] = "acme"
    world.until("replayed", status="succeeded")
    rows = world.http["acme"].get(f"/v1/jobs/{world.ids['silent']}/deliveries").json()["data"]
    world.call("acme", f"/v1/deliveries/{rows[0]['id']}/redeliver", key="a-redelivery")
    items = [{"prompt": "how many credits do I have left?"} | LIFE, {"prompt": EDIT, "profile": "no-such"} | LIFE]
    batch = world.call("acme", "/v1/batches", {"jobs": [items[0], *items], "webhook": world.hook()}, key="a-batch")
    world.ids["completed batch"] = batch["id"]
    until(lambda: _batch(world, "acme", "completed batch") == "completed", "the batch")
    until(lambda: _deliveries_of(world, "needs_input") == {"dead"}, "a callback that nobody wants")


def _half_a_batch(world: World) -> None:
    asking = {"prompt": "how many credits do I have left?"} | LIFE
    media = {"media": [{"upload_id": world.clip_of("slow")}], "output": NO_EXPORT}
    limited = {"prompt": f"{EDIT} [[story:rate-limited]]"} | LIFE | media
    ask = {"jobs": [asking, limited], "session": "shared", "webhook": {"url": f"http://{world.nobody}/hook"}}
    batch = world.call("slow", "/v1/batches", ask)
    world.ids["half a batch"] = batch["id"]
    world.ids["ended of a batch"], world.ids["rate limited"] = (row["id"] for row in batch["jobs"])
    world.tenants |= {"ended of a batch": "slow", "rate limited": "slow"}


def _batch(world: World, tenant: str, name: str) -> str:
    return world.http[tenant].get(f"/v1/batches/{world.ids[name]}").json()["status"]


def _deliveries_of(world: World, name: str) -> set[str]:
    rows = world.http[world.tenants[name]].get(f"/v1/jobs/{world.ids[name]}/deliveries").json()["data"]
    return {row["status"] for row in rows}


def killed_in_the_middle(world: World, worker: Process) -> None:
    """The first worker dies while it stores one video, edits another, and waits for a receiver."""
    world.submit("left editing", f"{EDIT} [[story:slow]] to be left", tenant="busy", output=SMALL)
    world.until("left editing", stage="editing")
    hook = {"url": f"http://{world.silent_address()}/hook"}
    world.submit("calling back", "how many credits do I have left?", media=[], webhook=hook)
    called = world.silent.accept()[0]
    world.submit("left storing", f"{EDIT} and store it", output=SMALL, webhook=world.hook())
    world.until("left storing", stage="rendering")
    world.faults(latency_s=2)
    world.until("left storing", stage="storing")
    worker.end(signal.SIGKILL)
    called.close()
    world.faults()


def waiting_jobs(world: World) -> None:
    """Every stage and every wait that a running job can be found in, under a worker whose waits are long."""
    _half_a_batch(world)
    world.until("ended of a batch", status="succeeded")
    world.until("rate limited", reason="backend_rate_limited")
    hook = {"webhook": {"url": f"http://{world.nobody}/hook"}}
    world.submit("parked render", f"{EDIT} and render", output=SMALL, **hook)
    until(lambda: _is_asked_for(world, "parked render"), "the parked render")
    session_id = world.call("acme", "/v1/sessions", {})["id"]
    world.ids["session in recovery"] = session_id
    stored = {"session_id": session_id, "output": NO_EXPORT}
    world.submit("recovering", f"{EDIT} [[story:drop-stream]] and look", **stored, **hook)
    world.until("recovering", stage="recovering")
    token = {"token": token_of("poor"), "credits": 0}
    world.sandbox.post("/_sandbox/tokens", json=token).raise_for_status()
    world.submit("no credits", EDIT, tenant="poor", output=NO_EXPORT, **hook)
    world.until("no credits", reason="no_credits")
    world.submit("credits_exhausted", EDIT, tenant="poor", output=NO_EXPORT, start_timeout_s=1, webhook=world.hook())
    world.submit("revoked token", EDIT, tenant="revoked", output=NO_EXPORT)
    world.until("revoked token", reason="no_credits")
    world.until("credits_exhausted", code="credits_exhausted")
    for name in ("canceling", "editing"):
        world.submit(name, f"{EDIT} [[story:slow]] {name}", output=NO_EXPORT, **hook)
        world.until(name, stage="editing")
    world.call("acme", f"/v1/jobs/{world.ids['canceling']}/cancel")
    late = {"output": SMALL, "timeout_s": 12}
    world.submit("left a render", f"{EDIT} [[story:render-stuck]]", tenant="beta", **late)
    until(lambda: _is_asked_for(world, "left a render"), "the render to be left")
    _stuck_calls(world)
    world.until("left a render", code="deadline_exceeded")


def _is_asked_for(world: World, name: str) -> bool:
    """Whether the backend has the render and the worker has written so; the claim link comes with that write."""
    return world.job(name)["claim_url"] is not None


def _stuck_calls(world: World) -> None:
    """Calls that hang at the backend, and then one that cannot reach it."""
    world.faults(latency_s=2)
    two = [{"upload_id": world.ids["upload"]}] * 2
    world.submit("uploading", f"{EDIT} of both", media=two, output=NO_EXPORT)
    world.until("uploading", stage="uploading")
    world.faults(latency_s=250)
    world.submit("preparing", f"{EDIT} soon", output=NO_EXPORT, webhook=world.hook())
    world.until("preparing", stage="preparing")
    world.faults(down_s=250)
    world.submit("backend down", f"{EDIT} when it is back", output=NO_EXPORT)
    world.until("backend down", reason="backend_down")


def queued_jobs(world: World) -> None:
    """Jobs that nobody has begun, for every reason, and the answers kept for them."""
    hook = {"webhook": {"url": f"http://{world.nobody}/hook"}}
    world.submit("at the cap", f"{EDIT} later", output=SMALL, priority=3, key="a-queued-job", **hook)
    world.submit("behind in its session", EDIT, output=NO_EXPORT, session_id=world.ids["session in recovery"], **hook)
    world.submit("queued", EDIT, tenant="beta", output=NO_EXPORT, key="a-queued-job", **hook)
    world.submit("guest's queued", EDIT, tenant="guest", output=NO_EXPORT)
    item = {"prompt": EDIT, "media": [{"upload_id": world.ids["upload"]}], "output": NO_EXPORT} | LIFE
    ask = {"jobs": [item, item], "session": "shared", **hook}
    world.ids["queued batch"] = world.call("acme", "/v1/batches", ask, key="a-queued-batch")["id"]


def read_all(world: World) -> list[Told]:
    """Have the API say everything that it says of what is there."""
    month = time.strftime("%Y-%m", time.gmtime())
    statuses = ("queued", "running", "canceling", "succeeded", "failed", "canceled", "expired")
    lists = ["/v1/jobs?limit=100", *(f"/v1/jobs?limit=100&status={status}" for status in statuses)]
    lists += ["/v1/jobs?limit=100&profile=free-video-fast", "/v1/sessions?limit=100", "/v1/events"]
    lists += [f"/v1/deliveries?limit=100&status={state}" for state in ("pending", "delivered", "dead")]
    lists += [f"/v1/usage?month={month}", "/v1/webhook"]
    told = []
    for tenant, http in world.http.items():
        # without a worker each waits for one in vain
        credits_ = ["/v1/credits"] if tenant in ("acme", "poor", "guest") else []
        for path in [*lists, *credits_, *paths_of(world.ids)]:
            answer = http.get(path, headers={"Accept": "application/json"})
            if answer.status_code != 404 or tenant == "acme":
                told.append(Told(tenant, path, answer.status_code, answer.content))
    return told


@contextmanager
def half_an_upload(world: World, client: redis.Redis) -> Iterator[None]:
    """Keep a call under way, whose key is open and whose upload is expected: its Redis holds the name then."""
    name = "half.mp4"
    where = urlsplit(world.api.url)
    with socket.create_connection((where.hostname or "", where.port or 0)) as line:
        head = f"POST /v1/uploads?filename={name} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
        line.sendall(f"{head}Authorization: Bearer {world.keys['acme']}\r\nIdempotency-Key: open\r\n\r\n".encode())
        line.sendall((world.folder / "clip.mp4").read_bytes()[:1000])
        wait_until(lambda: name in repr(dump.take_all(client)), within_s=PATIENCE_S, every_s=0.1)
        yield


def repeated(world: World) -> list[Repeat]:
    """Make each call with a key again: what it is answered now is what it must be answered later."""
    made = []
    for call in world.repeats:
        headers = {"Idempotency-Key": call.key}
        if not call.path.startswith("/v1/uploads"):
            headers["Content-Type"] = "application/json"
        answer = world.http[call.tenant].post(call.path, content=call.content, headers=headers)
        assert answer.headers["Idempotency-Replayed"] == "true", call
        made.append(Repeat(call.tenant, call.path, call.key, call.content, answer.status_code, answer.content))
    return made


def lead(world: World) -> None:
    first = world.worker()
    settings(world)
    ended_jobs(world)
    after_the_end(world)
    killed_in_the_middle(world, first)
    second = world.worker(**LONG)
    waiting_jobs(world)
    second.end()
    queued_jobs(world)


def make(checkout: Path, folder: Path, redis_url: str) -> Dump:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True)
    with ExitStack() as stack:
        clip = "-f lavfi -i testsrc=s=96x64:r=10:d=2 -f lavfi -i sine=d=2 -c:v libx264 -qp 40 -c:a aac -b:a 16k"
        ffmpeg = (
            str(checkout / ".venv" / "bin" / "python"),
            "-c",
            "import imageio_ffmpeg as f; print(f.get_ffmpeg_exe())",
        )
        program = subprocess.run(ffmpeg, check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run([program, "-v", "error", *clip.split(), str(folder / "clip.mp4")], check=True)
        world = World(checkout, folder, redis_url, stack)
        revoked = json.loads(world.command("keys", "create", "--tenant", "acme", "--json"))
        world.command("keys", "revoke", revoked["id"])
        reading = json.loads(world.command("keys", "create", "--tenant", "acme", "--scope", "read", "--json"))
        lead(world)
        repeats = repeated(world)
        told = read_all(world)
        with redis.Redis.from_url(redis_url) as client, half_an_upload(world, client):
            kept = dump.take_all(client)
            now_ms = time.time_ns() // 1_000_000
        return Dump(
            commit=commit.stdout.strip(),
            now_ms=now_ms,
            secret_key=SECRET_KEY,
            public_url=PUBLIC_URL,
            tenant_running_jobs=RUNNING_JOBS,
            addresses=[world.receiver, world.nobody, world.silent_address()],
            api_keys=world.keys,
            webhook_secrets=world.secrets,
            backend_tokens={token_of(tenant): given for tenant, given in TOKENS.items()},
            revoked_key=revoked["key"],
            reading_key=reading["key"],
            ids=world.ids,
            told=told,
            repeats=repeats,
            files=files_of(folder / "storage"),
            keys=kept,
        )


def files_of(storage: Path) -> dict[str, bytes]:
    """Read what jobs yet need: uploads, not the videos that were made."""
    found = (path for path in sorted(storage.rglob("*")) if path.is_file())
    return {name: p.read_bytes() for p in found if not (name := str(p.relative_to(storage))).startswith("outputs/")}


def main(checkout: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="compat-") as folder, running_redis() as server:
        made = make(checkout.resolve(), Path(folder), server.url)
    dump.write(made, dump.FILE)
    sys.stdout.write(f"{len(made.keys)} keys, {len(made.told)} answers, {dump.FILE.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
