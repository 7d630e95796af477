"""The last release and this one on one Redis, under load: rolled forward process by process, back, and forward again.

Nothing accepted is lost, nothing is done twice, and nothing that a caller was told changes. The sandbox's ledger is the
witness for what was charged and rendered, the receiver for what was called back.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from core.model.formats import FIRST_FORMAT, THIS_RELEASE
from core.model.job import Job
from tests.compat.fleet import Accepted, Caller, Fleet, running_load
from tests.compat.last_release import ROOT, last_release
from tests.compat.processes import PROGRAMS, clean_environment, running
from tests.compat.shown import differences
from tests.gateway_fixture import FAST, Gateway
from tests.redis_fixture import running_redis
from tests.until import PATIENCE_S, wait_until

CALLERS = 5
#: jobs that end between two steps of a roll
BETWEEN = 4
PLACES = ("worker-1", "api-1", "worker-2", "api-2")
TOKENS = ("nmv_usr_first", "nmv_usr_second")

GATEWAY = {n: v for n, v in FAST.items() if n.startswith("REELGATE_")} | {
    "REELGATE_SECRET_KEYS": "opens nothing but the Redis of two releases",
    "REELGATE_PUBLIC_URL": "https://reelgate.test",
    "REELGATE_ALLOW_ADDRESSES": "127.0.0.0/8",
    "REELGATE_ALLOW_HTTP": "true",
    "REELGATE_FORMAT_SETTLE_S": "1",
    "REELGATE_DRAIN_S": "1",
    "REELGATE_DRAIN_DELAY_S": "0.3",
    "NEMO_TOKEN": ",".join(TOKENS),
}
BACKEND = {n: v for n, v in FAST.items() if n.startswith("SANDBOX_")} | {
    "SANDBOX_TOKENS": ",".join(f"{token}:1000000" for token in TOKENS)
}


@dataclass
class Rolled:
    """What is left when all was rolled forward, back and forward again, and every job has ended."""

    jobs: list[Accepted]
    ledger: dict[str, Any]
    received: list[dict[str, Any]]
    redis: redis.Redis
    logs: dict[str, Path]
    caller: Caller
    #: the format that was written once all was rolled: forward, back, forward
    written: list[int]


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rolled]:
    folder = tmp_path_factory.mktemp("rolled")
    with ExitStack() as stack:
        last = stack.enter_context(last_release(folder / "last"))
        server = stack.enter_context(running_redis())
        client = stack.enter_context(redis.Redis.from_url(server.url))
        sandbox = stack.enter_context(running("sandbox", env=BACKEND, folder=folder))
        env = GATEWAY | {
            "REDIS_URL": server.url,
            "NEMO_API_URL": sandbox.url,
            "REELGATE_STORAGE": str(folder / "storage"),
        }
        made = json.loads(reelgate(env, "keys", "create", "--tenant", "acme", "--json"))
        secrets = {"RECEIVER_SECRETS": made["webhook_secret"]}
        receiver = stack.enter_context(running("receiver", env=secrets, folder=folder))
        where = {"api": sandbox.url, "backend": sandbox.url, "receiver": receiver.url, "api_key": made["key"]}
        gateway = stack.enter_context(closing(Gateway(where, folder)))
        clip = gateway.clip(duration_s=1.5).read_bytes()
        fleet = Fleet(stack, folder, env)
        for place in PLACES:
            fleet.start(place, last)
        callers = [Caller(fleet, made["key"], receiver.url + "/hook", clip) for _ in range(CALLERS)]
        for caller in callers:
            stack.callback(caller.close)
        written = []
        with running_load(callers) as load:
            for checkout in (ROOT, last, ROOT):
                for place in PLACES:
                    load.wait_for(BETWEEN)
                    fleet.start(place, checkout)
                written.append(_written(client, FORMAT_OF[checkout == ROOT]))
            load.wait_for(BETWEEN)
        due = {"at_least": _callbacks_due(load.accepted), "wait_s": PATIENCE_S / 2}
        received = gateway.receiver.get("/_received", params=due)
        yield Rolled(load.accepted, gateway.ledger(), received.json(), client, fleet.logs, callers[0], written)


#: what is written when all are of the last release, and of this one
FORMAT_OF = {False: FIRST_FORMAT, True: THIS_RELEASE.format}


def _written(client: redis.Redis, expected: int) -> int:
    """Read the mark once it says what is expected, or when patience is over as it is; nobody moves it while all are old."""

    def seen() -> int:
        found = int(client.hget("rg:format", "written") or FIRST_FORMAT)
        return found if found == expected else 0

    with suppress(TimeoutError):
        return wait_until(seen, within_s=PATIENCE_S)
    return int(client.hget("rg:format", "written"))


def _callbacks_due(jobs: list[Accepted]) -> int:
    return 3 * len(jobs)  # queued, started, ended


def reelgate(env: dict[str, str], *arguments: str) -> str:
    told = [str(PROGRAMS / "reelgate"), *arguments]
    return subprocess.run(told, env=clean_environment() | env, check=True, capture_output=True, text=True).stdout


def test_every_accepted_job_succeeds(rolled: Rolled):
    assert len(rolled.jobs) >= 13 * BETWEEN
    ends = {job.id: (job.shown["status"], job.shown["error"]) for job in rolled.jobs}
    assert {job_id: end for job_id, end in ends.items() if end != ("succeeded", None)} == {}


def test_every_edit_was_charged_once(rolled: Rolled):
    charged = Counter(
        job.title
        for job in rolled.jobs
        for row in rolled.ledger["messages"]
        if row["charged"] and job.title in row["text"]
    )
    due = Counter(job.title for job in rolled.jobs if job.edits)
    assert _differing(charged, due) == {}


def _differing(found: Counter[Any], due: Counter[Any]) -> dict[Any, tuple[int, int]]:
    """What is there more or less often than is due: how often it is, and how often it should be."""
    return {one: (found[one], due[one]) for one in found | due if found[one] != due[one]}


def test_what_a_job_says_to_have_cost_is_what_it_cost(rolled: Rolled):
    said = {job.id: (job.shown["credits_used"], 50 if job.edits else 0) for job in rolled.jobs}
    assert {job_id: costs for job_id, costs in said.items() if costs[0] != costs[1]} == {}


def test_every_render_was_fetched_and_none_was_made_twice(rolled: Rolled):
    renders = rolled.ledger["renders"]
    assert {(row["status"], row["fetched"]) for row in renders} == {("completed", True)}
    assert len(renders) == sum(job.exports for job in rolled.jobs)


def test_every_callback_came_once_and_signed(rolled: Rolled):
    assert all(row["verified"] for row in rolled.received)
    came = Counter((row["job_id"], row["type"]) for row in rolled.received)
    due = Counter((job.id, f"job.{what}") for job in rolled.jobs for what in ("queued", "started", "succeeded"))
    assert _differing(came, due) == {}


def test_every_job_is_shown_as_it_was_at_its_end(rolled: Rolled):
    for job in rolled.jobs:
        assert list(differences(job.shown, rolled.caller.job(job.id))) == []


def test_every_submit_gets_its_first_answer_again_byte_for_byte(rolled: Rolled):
    for job in rolled.jobs:
        again = rolled.caller.repeat(job.key, job.asked)
        assert (again.content, again.headers["Idempotency-Replayed"]) == (job.answer, "true")


def test_every_promise_stands_in_its_record(rolled: Rolled):
    for job in rolled.jobs:
        stored = msgspec.msgpack.decode(rolled.redis.hget(f"rg:job:{job.id}", "rec"), type=Job)
        kept = {name: getattr(stored, name) for name in PROMISED}
        assert kept == {name: job.asked.get(name, default) for name, default in PROMISED.items()}


#: what was not asked for, and its default on the day of this release
PROMISED = {
    "timeout_s": 1800,
    "start_timeout_s": 3600,
    "retention_s": 2_592_000,
    "priority": 0,
    "max_credits": None,
}


def test_the_new_format_is_written_when_all_are_new_and_the_old_one_while_one_is_not(rolled: Rolled):
    assert rolled.written == [THIS_RELEASE.format, FIRST_FORMAT, THIS_RELEASE.format]


def test_no_credits_and_no_message_stay_on_a_token(rolled: Rolled):
    held = list(rolled.redis.scan_iter("rg:tok:*:held"))
    sent = [rolled.redis.hgetall(name) for name in rolled.redis.scan_iter("rg:tok:*:sent")]
    assert held == []
    assert sum(map(len, sent)) <= 1, (
        "the last one to end under the last release is forgotten when the token is used next"
    )


def test_nobody_complains_of_what_he_reads(rolled: Rolled):
    lines = [(name, json.loads(line)) for name, log in rolled.logs.items() for line in log.read_text().splitlines()]
    assert [(name, line) for name, line in lines if line["level"] in {"error", "critical"} or "exception" in line] == []
