"""What the last version left in Redis is read, shown and taken to its end by this one.

`last_version.dump` holds every key that it wrote, and what its API said of them; `make_dump` says how it was made. First
this version's API reads the very bytes at the very time at which they were written. Then its processes find them an hour
later, as after an upgrade, with a backend that knows no session and no render any more.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import run
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis
from pydantic import SecretStr

from core.clock import HandClock
from core.model.token import TokenState
from tests.api_fixture import Api, client_of, running_api
from tests.compat import dump
from tests.compat.dump import Dump
from tests.compat.processes import PROGRAMS, clean_environment, running
from tests.compat.shown import differences
from tests.gateway_fixture import FAST, Gateway
from tests.redis_fixture import running_redis
from tests.until import PATIENCE_S, wait_until

LAST = dump.read()
ENDED = {"succeeded", "failed", "canceled", "expired"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def told_of(name: str) -> dict[str, Any]:
    """Give a job as the last version showed it."""
    [told] = [told for told in LAST.told if told.path == f"/v1/jobs/{LAST.ids[name]}" and told.status == 200]
    return json.loads(told.body)


def tenant_of(name: str) -> str:
    return next(told.tenant for told in LAST.told if told.path == f"/v1/jobs/{LAST.ids[name]}" and told.status == 200)


JOBS = [name for name, item_id in LAST.ids.items() if item_id.startswith("job_")]
OVER = [name for name in JOBS if told_of(name)["status"] in ENDED]


# --- read as it is


@pytest.fixture
async def api(redis_url: str, tmp_path: Path):
    with redis.Redis.from_url(redis_url) as client:
        dump.restore(LAST.keys, client)
    chosen = {
        "clock": HandClock(LAST.now_ms),
        "secret_keys": (SecretStr(LAST.secret_key),),
        "tenant_running_jobs": LAST.tenant_running_jobs,
        "allow_http": True,
        "allow_addresses": "127.0.0.0/8",
    }
    async with running_api(redis_url, tmp_path, **chosen) as running:
        yield running


#: the last version counted the credits of tokens that can't be used any more; here they are nobody's
_CREDITS_OF_A_TOKEN_WHOSE_TIME_HAS_PASSED = {
    f"guest /v1/credits /{field}" for field in ("available", "frozen", "total", "as_of")
}


async def test_the_only_token_that_served_the_guest_has_expired_by_the_time_that_is_shown(api: Api):
    assert all(
        token.state is TokenState.EXPIRED or (token.expires_ms or 0) < LAST.now_ms
        for token in await api.context.tokens.all()
        if token.kind == "anonymous"
    )


@pytest.mark.quick
async def test_everything_is_shown_as_the_last_version_showed_it(api: Api, caplog: pytest.LogCaptureFixture):
    found = await asyncio.gather(*(_shown_otherwise(api, tenant) for tenant in LAST.api_keys))
    otherwise = {each for of_tenant in found for each in of_tenant}
    assert {each.partition(":")[0] for each in otherwise} == _CREDITS_OF_A_TOKEN_WHOSE_TIME_HAS_PASSED
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


async def _shown_otherwise(api: Api, tenant: str) -> list[str]:
    found = []
    async with client_of(api.url, LAST.api_keys[tenant]) as http:
        for told in (told for told in LAST.told if told.tenant == tenant):
            answer = await http.get(told.path, headers={"Accept": "application/json"})
            assert answer.status_code == told.status, (told, answer.text)
            now = json.loads(answer.text.replace(api.url, LAST.public_url))
            found += [f"{tenant} {told.path} {each}" for each in differences(json.loads(told.body), now)]
    return found


def test_the_dump_shows_every_status_stage_wait_and_end():
    jobs = [told_of(name) for name in JOBS]
    assert {job["status"] for job in jobs} == ENDED | {"queued", "running", "canceling"}
    assert {job["stage"] for job in jobs if job["stage"]} == {
        *("preparing", "uploading", "editing", "recovering", "rendering", "storing")
    }
    assert {job["wait"]["reason"] for job in jobs if job["wait"]} == {
        *("queued_behind", "session_busy", "tenant_cap", "no_credits", "backend_rate_limited", "backend_down")
    }
    assert len({job["error"]["code"] for job in jobs if job["error"]}) >= 10
    assert any(job["data_removed"] for job in jobs)


async def test_its_api_keys_let_in_and_keep_out_as_before(api: Api):
    async with client_of(api.url, LAST.reading_key) as http:
        assert (await http.get("/v1/jobs")).status_code == 200
        assert (await http.post("/v1/jobs", json={"prompt": "mute it"})).status_code == 403
    async with client_of(api.url, LAST.revoked_key) as http:
        assert (await http.get("/v1/jobs")).status_code == 401


async def test_a_call_that_it_answered_gets_that_answer_again_byte_for_byte(api: Api):
    assert len(LAST.repeats) >= 8
    for call in LAST.repeats:
        async with client_of(api.url, LAST.api_keys[call.tenant]) as http:
            headers = {"Idempotency-Key": call.key}
            if not call.path.startswith("/v1/uploads"):
                headers["Content-Type"] = "application/json"
            again = await http.post(call.path, content=call.content, headers=headers)
            assert (again.status_code, again.content) == (call.status, call.body), call
            assert again.headers["Idempotency-Replayed"] == "true"
            if call.content:
                other = await http.post(call.path, content=call.content + b" ", headers=headers)
                assert other.status_code == 422, call


async def test_a_key_whose_call_was_under_way_is_taken(api: Api):
    async with client_of(api.url, LAST.api_keys["acme"]) as http:
        answer = await http.post("/v1/uploads?filename=half.mp4", content=b"x", headers={"Idempotency-Key": "open"})
        assert answer.status_code == 409


async def test_events_go_on_from_an_id_of_the_last_version(api: Api):
    [told] = [told for told in LAST.told if (told.tenant, told.path) == ("acme", "/v1/events")]
    events = json.loads(told.body)["data"]
    async with client_of(api.url, LAST.api_keys["acme"]) as http:
        for n in (0, len(events) // 2):
            after = (await http.get("/v1/events", params={"after": events[n]["id"]})).json()["data"]
            assert after[0]["id"] == events[n + 1]["id"]


# --- gone on with

#: how this version ends what the last one had begun: its sessions and renders are gone
ENDS = {
    "at the cap": "succeeded",
    "queued": "succeeded",
    "guest's queued": "succeeded",
    "preparing": "succeeded",
    "uploading": "succeeded",
    "backend down": "succeeded",
    "no credits": "succeeded",
    "rate limited": "succeeded",
    "canceling": "canceled",
    "editing": "session_lost",
    "left editing": "session_lost",
    "recovering": "session_lost",
    "behind in its session": "session_lost",
    "parked render": "session_lost",
    "left storing": "session_lost",
}


@dataclass
class World:
    """This version's processes over the last one's Redis, which waits are shortened and where an hour has passed."""

    by_ms: int
    redis: redis.Redis
    receiver: httpx.Client
    env: dict[str, str]
    logs: list[Path]
    callers: dict[str, Gateway] = field(default_factory=dict)

    def caller(self, name: str) -> tuple[Gateway, str]:
        return self.callers[tenant_of(name)], LAST.ids[name]

    def ended(self, name: str) -> dict[str, Any]:
        gateway, job_id = self.caller(name)
        return gateway.ended(job_id)

    def job(self, name: str) -> dict[str, Any]:
        gateway, job_id = self.caller(name)
        return gateway.job(job_id)

    def received(self, *, at_least: int = 1, **wanted: str) -> list[dict[str, Any]]:
        """Wait for callbacks and list them."""
        params = {"at_least": at_least, "wait_s": 30} | wanted
        return self.receiver.get("/_received", params=params).json()

    def command(self, *arguments: str, stdin: str = "") -> str:
        command, env = [str(PROGRAMS / "reelgate"), *arguments], clean_environment() | self.env
        return run(command, env=env, input=stdin, check=True, capture_output=True, text=True).stdout


@contextmanager
def upgraded(folder: Path, last: Dump) -> Iterator[World]:
    """Start this version over the dump as it stands an hour later."""
    by_ms = time.time_ns() // 1_000_000 - 3_600_000 - last.now_ms
    for name, content in last.files.items():
        file = folder / "storage" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    with ExitStack() as stack:
        start = lambda *command, **env: stack.enter_context(running(*command, env=env, folder=folder))  # noqa: E731
        secrets = [secret for each in last.webhook_secrets.values() for secret in each]
        receiver = start("receiver", RECEIVER_SECRETS=" ".join(secrets))
        tokens = ",".join(f"{token}:{credits_}" for token, credits_ in last.backend_tokens.items())
        sandbox = start("sandbox", **FAST_SANDBOX, SANDBOX_TOKENS=tokens)
        server = stack.enter_context(running_redis())
        client = stack.enter_context(redis.Redis.from_url(server.url))
        dump.restore(dump.moved(last, by_ms=by_ms, receiver=urlsplit(receiver.url).netloc), client)
        env = FAST_GATEWAY | {
            "REDIS_URL": server.url,
            "NEMO_API_URL": sandbox.url,
            "REELGATE_STORAGE": str(folder / "storage"),
            "REELGATE_SECRET_KEYS": last.secret_key,
            "REELGATE_PUBLIC_URL": last.public_url,
        }
        api, worker = start("api", **env), start("worker", **env)
        http = stack.enter_context(httpx.Client(base_url=receiver.url, timeout=PATIENCE_S, trust_env=False))
        world = World(by_ms, client, http, env, [api.log, worker.log])
        where = {"api": api.url, "backend": sandbox.url, "receiver": receiver.url}
        for tenant, key in last.api_keys.items():
            world.callers[tenant] = Gateway(where | {"api_key": key}, folder)
            stack.callback(world.callers[tenant].close)
        yield world


FAST_GATEWAY = {n: v for n, v in FAST.items() if n.startswith("REELGATE_")} | {
    "REELGATE_ALLOW_ADDRESSES": "127.0.0.0/8",
    "REELGATE_ALLOW_HTTP": "true",
    # an hour has passed, so nobody waits for a lease; and none shall be lost on a busy machine
    "REELGATE_LEASE_S": "12",
}
FAST_SANDBOX = {n: v for n, v in FAST.items() if n.startswith("SANDBOX_")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which everything has ended that can end by itself."""
    with upgraded(tmp_path_factory.mktemp("upgraded"), LAST) as world:
        for name in ENDS:
            world.ended(name)
        yield world


@pytest.mark.parametrize("name", ENDS)
def test_what_it_had_begun_or_queued_comes_to_its_right_end(world: World, name: str):
    job = world.job(name)
    assert ENDS[name] in (job["status"], (job["error"] or {}).get("code")), job


@pytest.mark.parametrize("name", OVER)
def test_what_it_had_ended_stays_as_it_was(world: World, name: str):
    before = _TIME.sub(lambda found: moved(found[0], world.by_ms), json.dumps(told_of(name)))
    assert not list(differences(json.loads(before), world.job(name)))


def moved(text: str, by_ms: int) -> str:
    """Move a time as callers read it."""
    at = datetime.fromisoformat(text) + timedelta(milliseconds=by_ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_job_of_a_token_that_was_given_up_goes_on_once_it_is_added_again(world: World):
    assert world.job("revoked token")["wait"]["reason"] == "no_credits"
    token = "nmv_usr_revoked_of_the_dump"
    gateway, _ = world.caller("revoked token")
    gateway.sandbox.post("/_sandbox/tokens", json={"token": token}).raise_for_status()
    world.command("tokens", "add", "--tenant", "revoked", stdin=token)
    assert world.ended("revoked token")["status"] == "succeeded"


@pytest.mark.parametrize("name", ["half a batch", "queued batch"])
def test_its_batches_complete_and_say_so(world: World, name: str):
    path = f"/v1/batches/{LAST.ids[name]}"
    gateway = world.callers["slow" if name == "half a batch" else "acme"]
    for job in gateway.http.get(path).json()["jobs"]:
        gateway.ended(job["id"])
    assert gateway.http.get(path).json()["status"] == "completed"
    world.received(type="batch.completed", at_least=2)
    told = [
        row for row in world.received(type="batch.completed") if row["body"]["data"]["batch"]["id"] == LAST.ids[name]
    ]
    assert [row["verified"] for row in told] == [True]


def test_callbacks_that_it_owed_arrive_signed_under_their_ids(world: World):
    for name in ("budget_exceeded", "beta's", "calling back"):
        gateway, job_id = world.caller(name)
        [delivery] = gateway.http.get(f"/v1/jobs/{job_id}/deliveries").json()["data"]
        rows = world.received(job_id=job_id)
        assert {(row["id"], row["verified"]) for row in rows} == {(delivery["event_id"], True)}
        assert rows[0]["body"]["data"]["job"]["status"] == told_of(name)["status"]


def test_callbacks_of_what_ends_now_are_signed_with_its_secrets(world: World):
    secrets = {"at the cap": 2, "canceling": 2, "parked render": 2, "left storing": 2, "queued": 1}
    for name, signatures in secrets.items():
        rows = world.received(job_id=LAST.ids[name])
        assert all(row["verified"] for row in rows)
        assert all(len(row["headers"]["webhook-signature"].split()) == signatures for row in rows)


def test_the_anonymous_identity_keeps_its_client_id_and_has_a_new_token(world: World):
    [before] = [kept.value for kept in LAST.keys if kept.name == b"rg:identity"]
    now = world.redis.hgetall("rg:identity")
    assert now[b"client_id"] == before[b"client_id"]
    assert now[b"token_id"] != before[b"token_id"], "the last one had expired"


def test_no_credits_stay_reserved(world: World):
    rows = [row.split() for row in world.command("tokens", "list").splitlines()[1:] if row]
    assert len(rows) == len(LAST.backend_tokens) + 4
    assert {(row[6], row[7]) for row in rows} == {("0", "0")}


def test_no_lease_and_no_render_stays_behind(world: World):
    assert wait_until(lambda: not world.redis.exists("rg:leases", "rg:renders"), within_s=PATIENCE_S)


def test_nobody_complains_of_what_he_reads(world: World):
    for log in world.logs:
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        assert not [line for line in lines if line["level"] in {"error", "critical"} or "exception" in line]
