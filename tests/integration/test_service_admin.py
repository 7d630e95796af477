"""`reelgate admin` over a real Redis beside a real API: what it shows, what it does, and what it writes down of that."""

import asyncio
import json
import os
import pwd
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from redis.exceptions import ConnectionError as RedisConnectionError

from core.clock import rfc3339
from core.events.delivery import Attempt, Delivery, DeliveryState
from core.ids import new_id
from core.model.estimate import ENOUGH_JOBS
from core.model.job import Job
from core.model.webhook import TenantWebhook
from core.security.encryption import token_fingerprint
from core.store.deliveries import Deliveries
from core.store.jobs.admission import Admission
from core.store.jobs.records import Jobs
from core.store.jobs.submissions import Submissions
from core.store.redis.client import Redis
from core.store.redis.keys import key
from core.store.workers import WorkerFacts
from service.admin.command import admin
from service.jobs.redelivery import RANGE_AT_ONCE
from tests.api_fixture import ASK, SECRET_KEY, Api, running_api
from tests.job_ends import OWNER, fail, running, succeed
from tests.until import PATIENCE_S, until

PROMPT = "trim the first 2 seconds of the secret film"
MEDIA = "https://media.example.com/private-name.mp4?signature=s3cret"
HOOK = "https://user-hooks.example.com/path?token=s3cret"
SECRET = "nmv_usr_0123456789abcdef"
CONTENT = (PROMPT, "private-name", "s3cret", "order-7", SECRET)

Run = Callable[..., Awaitable[Result]]


def hear_ctrl_c() -> None:
    """Make a child hear Ctrl-C as at a terminal: whoever runs the tests in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path / "storage") as running_one:
        yield running_one


@pytest.fixture
def run(api: Api, redis_url: str, tmp_path: Path) -> Run:
    """Run a command in a process's own loop, where nobody sits at the terminal."""
    storage = tmp_path / "of nobody"
    environment = {
        "REDIS_URL": redis_url,
        "REELGATE_SECRET_KEYS": SECRET_KEY,
        "REELGATE_PUBLIC_URL": api.url,
        "REELGATE_STORAGE": str(storage),
    }

    async def ran(*words: str) -> Result:
        done = await asyncio.to_thread(CliRunner().invoke, admin, words, env=environment)
        assert "Traceback" not in done.output
        assert isinstance(done.exception, SystemExit | None), done.exc_info
        assert not storage.exists(), "it needs no files"
        return done

    return ran


async def told(run: Run, *words: str) -> Any:
    done = await run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


async def trail(run: Run) -> list[tuple[str, str, str | None]]:
    """What was done, oldest first: action, outcome, tenant."""
    rows = (await told(run, "audit"))["data"]
    return [(row["action"], row["outcome"], row["tenant"]) for row in reversed(rows)]


async def submit(api: Api, tenant: str = "acme", **fields: Any) -> str:
    async with await api.caller(tenant) as http:
        answer = await http.post("/v1/jobs", json=ASK | fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def secret_job(api: Api) -> str:
    asked = {"media": [{"url": MEDIA}], "metadata": {"order": "order-7"}, "webhook": {"url": HOOK}}
    return await submit(api, prompt=PROMPT, **asked)


async def test_jobs_of_all_tenants_are_listed_newest_first_page_by_page(api: Api, run: Run) -> None:
    made = [await submit(api, tenant) for tenant in ("acme", "beta", "acme", "gamma", "beta")]
    seen, after = [], None
    while True:
        page = await told(run, "jobs", "--limit", "2", *(("--after", after) if after else ()))
        seen += [row["id"] for row in page["data"]]
        after = page["next_after"]
        if after is None:
            break
    assert seen == made[::-1]


async def test_jobs_are_found_by_tenant_state_skill_and_time(api: Api, run: Run) -> None:
    first, second = await submit(api), await submit(api, "beta", profile="ai-video-pro-online")
    await fail(api.context, first)
    created = (await told(run, "job", second))["created_at"]

    async def ids(*words: str) -> list[str]:
        return [row["id"] for row in (await told(run, "jobs", *words))["data"]]

    assert await ids("--tenant", "beta") == await ids("--state", "queued") == [second]
    assert await ids("--profile", "ai-video-pro-online") == await ids("--since", created) == [second]
    assert await ids("--until", created) == await ids("--state", "failed") == [first]
    assert await ids("--since", "1h") == [second, first]
    assert await ids("--until", "1h") == []


async def test_a_list_of_a_million_jobs_costs_as_much_as_one_of_a_few(api: Api, run: Run) -> None:
    async def cost(*words: str) -> int:
        redis = api.context.store.redis
        await redis.config_resetstat()
        page = await told(run, "jobs", "--limit", "3", *words)
        assert len(page["data"]) <= 3
        stats: dict[str, dict[str, int]] = await redis.info("commandstats")
        return sum(row["calls"] for row in stats.values())

    for tenant in ("acme", "beta"):
        await submit(api, tenant)
        await submit(api, tenant)
    few = await cost()
    for _ in range(30):
        await submit(api)
    assert await cost() <= few + 3, "one that is shown is looked up; those that are not cost nothing"


async def test_rare_jobs_among_many_are_looked_for_so_far_and_no_further(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.jobs.queries.LOOKED_AT", 3)
    monkeypatch.setattr("core.store.jobs.queries._AT_ONCE", 2)
    rare = await submit(api, profile="ai-video-pro-online")
    await fail(api.context, rare)
    for _ in range(9):
        await fail(api.context, await submit(api, "beta"))
    words = ("jobs", "--state", "failed", "--profile", "ai-video-pro-online", "--limit", "1")
    page = await told(run, *words)
    assert page["data"] == []
    assert page["next_after"]
    for _ in range(9):
        if page["data"]:
            break
        page = await told(run, *words, "--after", page["next_after"])
    assert [row["id"] for row in page["data"]] == [rare]


async def test_no_command_shows_content_or_a_secret_unless_it_is_asked_for_which_is_written_down(
    api: Api, run: Run
) -> None:
    job_id = await secret_job(api)
    token_id = await api.context.tokens.add(SECRET, kind="operator")
    await api.context.webhooks.set_default("acme", TenantWebhook(url=HOOK))
    await fail(api.context, job_id)
    for words in (
        ("jobs",),
        ("job", job_id),
        ("deliveries", "--state", "pending"),
        ("tenants",),
        ("workers",),
        ("audit",),
    ):
        for form in ((), ("--json",)):
            shown = await run(*words, *form)
            assert shown.exit_code == 0
            assert [word for word in CONTENT if word in shown.output] == [], (words, form)
    assert await trail(run) == []
    facts = await told(run, "job", job_id, "--content")
    assert facts["content"]["prompt"] == PROMPT
    assert facts["content"]["media"][0]["url"] == "https://media.example.com/private-name.mp4"
    assert facts["content"]["metadata"] == {"order": "order-7"}
    assert "s3cret" not in json.dumps(facts)
    assert await trail(run) == [("read content", "done", "acme")]
    assert token_id not in json.dumps(facts), "the job never had it"


async def test_a_job_is_shown_with_its_holder_its_lease_and_its_tokens_fingerprint(api: Api, run: Run) -> None:
    job_id = await secret_job(api)
    token_id = await api.context.tokens.add(SECRET, kind="operator")
    job = await running(api.context, job_id)
    taken = msgspec.structs.replace(job, token_id=token_id, version=job.version + 1)
    await api.context.jobs.commit(job, taken, owner=OWNER)
    facts = await told(run, "job", job_id)
    assert (facts["status"], facts["stage"], facts["tenant"]) == ("running", "preparing", "acme")
    assert facts["worker"] is None, "of `worker-1` without a count"
    assert facts["lease_until"] > facts["started_at"]
    assert (facts["token_id"], facts["token_fingerprint"]) == (token_id, token_fingerprint(SECRET))
    assert facts["media"] == 1
    assert facts["webhook_host"] == "user-hooks.example.com"
    words = (await run("job", job_id)).output
    assert f"token_fingerprint    {token_fingerprint(SECRET)}" in words


async def test_jobs_are_cancelled_as_their_callers_would_and_their_callbacks_are_sent(api: Api, run: Run) -> None:
    queued, at_work, over = await secret_job(api), await submit(api, "beta"), await submit(api, "beta")
    await fail(api.context, over)
    await running(api.context, at_work)
    unknown = new_id("job")
    done = await run("cancel", queued, at_work, over, unknown, "job_x", "--yes")
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [f"{queued} is canceled", f"{at_work} is canceling", f"{over} is failed"]
    assert f"there is no job {unknown}" in done.stderr
    assert "'job_x' is no id" in done.stderr
    assert (await api.http.get(f"/v1/jobs/{queued}")).json()["status"] == "canceled"
    [(callback, _)] = await api.context.deliveries.of_job(queued)
    assert callback.type == "job.canceled"
    assert await trail(run) == [
        ("cancel", "done", "acme"),
        ("cancel", "done", "beta"),
        ("cancel", "unchanged: failed", "beta"),
    ]


async def test_an_act_asks_first_and_where_nobody_can_be_asked_it_is_not_done(api: Api, run: Run) -> None:
    job_id = await submit(api)
    for words in (("cancel", job_id), ("replay", job_id), ("pause", "acme"), ("redeliver", new_id("dlv"))):
        refused = await run(*words)
        assert (refused.exit_code, "say --yes" in refused.output) == (2, True), words
    assert await trail(run) == []


async def test_a_job_is_replayed_for_its_tenant_whatever_its_keys_are_and_that_is_one_step(api: Api, run: Run) -> None:
    job_id = await submit(api, "beta")
    refused = await run("replay", job_id, "--yes")
    assert (refused.exit_code, refused.stderr) == (1, "Error: Replay it when it has.\n")
    await fail(api.context, job_id)
    for key_ in await api.context.api_keys.of_tenant("beta"):
        await api.context.api_keys.revoke(key_.id)
    made = await told(run, "replay", job_id, "--yes")
    assert made["parent_id"] == job_id
    found = await api.context.jobs.load(made["id"])
    assert found is not None
    assert (found.tenant, found.parent_id, found.prompt) == ("beta", job_id, ASK["prompt"])
    assert await trail(run) == [("replay", "refused: not_ended", "beta"), ("replay", "done", "beta")]
    assert (await told(run, "audit"))["data"][0]["ids"] == [job_id, made["id"]]
    [counted] = await api.context.store.redis.keys(key("rate", "*"))
    assert await api.context.store.redis.get(counted) == b"1", "the submit of the caller's key alone was counted"


async def dead(api: Api, job_id: str) -> str:
    """Give a job's callback up."""
    (delivery, _), *_ = await api.context.deliveries.of_job(job_id)
    assert await api.context.deliveries.claim(delivery.id, owner="w:1", lease_ms=1000)
    tried = Attempt(
        at_ms=api.context.clock.now_ms(), status=500, error="The host refused the connection.", excerpt="s3cret"
    )
    over = msgspec.structs.replace(delivery, state=DeliveryState.DEAD, attempts=(tried,), why="given up")
    await api.context.deliveries.record(over, owner="w:1")
    return delivery.id


async def dead_callbacks(api: Api, *tenants: str) -> list[str]:
    made = []
    for tenant in tenants:
        job_id = await submit(api, tenant, webhook={"url": HOOK})
        await fail(api.context, job_id)
        made.append(await dead(api, job_id))
    return made


async def test_callbacks_that_were_given_up_are_listed_over_all_tenants_and_sent_again(api: Api, run: Run) -> None:
    first, second, third = await dead_callbacks(api, "acme", "beta", "acme")
    page = await told(run, "deliveries", "--limit", "2")
    assert [row["id"] for row in page["data"]] == [third, second]
    rest = await told(run, "deliveries", "--after", page["next_after"])
    [row] = rest["data"]
    assert (row["id"], row["host"], row["last_status"]) == (first, "user-hooks.example.com", 500)
    assert (row["last_error"], row["why"]) == ("The host refused the connection.", "given up")
    assert "given up" in (await run("deliveries")).output
    assert [row["id"] for row in (await told(run, "deliveries", "--tenant", "beta"))["data"]] == [second]
    assert (await run("redeliver", first, "--yes")).stdout == f"{first} is pending\n"
    again = await run("redeliver", first, "--yes")
    assert (again.exit_code, "about to be made" in again.stderr) == (1, True)
    done = await run("redeliver", "--tenant", "acme", "--dead", "--since", "1h", "--yes")
    assert done.stdout == "1 are on their way again\n"
    assert [row["id"] for row in (await told(run, "deliveries", "--state", "pending"))["data"]] == [third, first]
    assert await trail(run) == [
        ("redeliver", "done", "acme"),
        ("redeliver", "refused: being_sent", "acme"),
        ("redeliver dead", "attempted", "acme"),
        ("redeliver dead", "done: 1 sent", "acme"),
    ]
    announced, came_to = reversed((await told(run, "audit"))["data"][:2])
    assert came_to["attempt"] == announced["id"]


async def test_callbacks_whose_url_is_disabled_are_sent_again_with_a_warning(api: Api, run: Run) -> None:
    await api.context.webhooks.set_default("acme", TenantWebhook(url=HOOK))
    job_id = await submit(api)
    await fail(api.context, job_id)
    given_up = await dead(api, job_id)
    words = ("redeliver", "--tenant", "acme", "--dead", "--since", "1h", "--yes")
    assert (await run(*words)).stderr == ""
    await dead(api, job_id)
    await api.context.webhooks.set_default("acme", TenantWebhook(url=HOOK, state="disabled"))
    for again in (words, ("redeliver", given_up, "--yes")):
        assert "webhook:enable" in (await run(*again)).stderr
        await dead(api, job_id)
    [own] = await dead_callbacks(api, "acme")
    assert (await run("redeliver", own, "--yes")).stderr == "", "its job named the URL"


async def test_a_range_in_which_nothing_was_given_up_is_said_to_go_by_when_callbacks_were_made(
    api: Api, run: Run
) -> None:
    await dead_callbacks(api, "acme")
    words = ("redeliver", "--tenant", "acme", "--dead", "--yes", "--since")
    done = await run(*words, rfc3339(api.context.clock.now_ms() + 60_000))
    assert (done.exit_code, done.stdout) == (0, "0 are on their way again\n")
    assert "made" in done.stderr
    assert (await run(*words, "1h")).stderr == ""


async def test_until_is_before_then_whatever_it_is_said_of(api: Api, run: Run) -> None:
    [given_up] = await dead_callbacks(api, "acme")
    delivery = await api.context.deliveries.load(given_up)
    assert delivery is not None
    words = ("redeliver", "--tenant", "acme", "--dead", "--since", "1h", "--yes", "--until")
    assert (await told(run, *words, rfc3339(delivery.created_at_ms)))["sent"] == 0
    assert (await told(run, *words, rfc3339(delivery.created_at_ms + 1)))["sent"] == 1


async def test_a_range_is_sent_again_in_bounded_parts(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert RANGE_AT_ONCE == 1000
    monkeypatch.setattr("service.jobs.redelivery.RANGE_AT_ONCE", 2)
    await dead_callbacks(api, "acme", "acme", "acme")
    words = ("redeliver", "--tenant", "acme", "--dead", "--since", "1h", "--yes")
    assert await told(run, *words) == {"sent": 2, "has_more": True}
    assert await told(run, *words) == {"sent": 1, "has_more": False}


async def test_tenants_are_listed_with_what_they_have_and_may_have(api: Api, run: Run) -> None:
    await submit(api, "beta")
    await running(api.context, await submit(api, "beta"))
    page = await told(run, "tenants", "--limit", "1")
    assert (page["data"][0]["tenant"], page["next_after"]) == ("acme", "acme")
    [row] = (await told(run, "tenants", "--after", "acme"))["data"]
    assert (row["tenant"], row["queued"], row["running"], row["running_limit"]) == ("beta", 1, 1, 100)
    assert (await told(run, "tenants", "--after", "beta"))["data"] == []


async def test_a_pause_is_told_to_callers_and_to_operators_and_ends(api: Api, run: Run) -> None:
    await Admission(api.context.store, api.context.settings, api.context.clock).admit(worker="w", slots=9, alive_s=600)
    assert (await run("pause", "acme", "--yes")).stdout == "acme is paused\n"
    assert (await run("pause", "acme", "--yes")).stdout == "acme was paused already\n"
    job = await api.submit()
    assert job["wait"]["reason"] == "paused"
    assert job["wait"]["eta_p50_s"] is None
    assert (await api.http.get(f"/v1/jobs/{job['id']}")).json()["wait"]["reason"] == "paused"
    assert (await told(run, "jobs"))["data"][0]["wait"] == "paused"
    assert (await told(run, "tenants"))["data"][0]["paused_since"]
    assert (await run("pause", "--all", "--yes")).stdout == "everybody is paused\n"
    resumed = await run("resume", "acme")
    assert (resumed.stdout, "resume --all" in resumed.stderr) == ("acme is resumed\n", True)
    assert (await told(run, "tenants"))["data"][0]["paused_since"]
    await run("resume", "--all")
    assert await api.context.store.redis.zscore(key("admitted"), job["id"]), "it is let in at once"
    assert (await run("resume", "--all")).stdout == "everybody was not paused\n"
    assert Counter(row[:2] for row in await trail(run)) == {
        ("pause", "done"): 2,
        ("pause", "unchanged"): 1,
        ("resume", "done"): 2,
        ("resume", "unchanged"): 1,
    }


async def test_workers_that_live_are_listed_with_what_they_say_also_those_of_an_older_release(
    api: Api, run: Run
) -> None:
    admission = Admission(api.context.store, api.context.settings, api.context.clock)
    facts = WorkerFacts(host="a", version="9.9", started_at_ms=1_795_000_000_000, jobs=3, deliveries=1, lag_ms=7)
    await admission.admit(worker="a:1:x", slots=5, alive_s=600, facts=facts)
    await admission.admit(worker="b:2:old", slots=4, alive_s=600)
    await admission.admit(worker="c:3:newer", slots=4, alive_s=600)
    await api.context.store.redis.set(key("worker", "c:3:newer"), b'{"host":7}')
    await api.context.store.redis.hset(key("workers"), "d:4:dead", "1:9")
    await admission.admit(worker="e:5:gone", slots=4, alive_s=600, facts=facts)
    await admission.admit(worker="e:5:gone", slots=0)
    first, older, newer = (await told(run, "workers"))["data"]
    assert (first["id"], first["jobs"], first["slots"], first["lag_ms"], first["version"]) == ("a:1:x", 3, 5, 7, "9.9")
    assert first["since"] == rfc3339(1_795_000_000_000)
    assert (older["id"], older["slots"], older["host"]) == ("b:2:old", 4, None)
    assert (newer["id"], newer["jobs"]) == ("c:3:newer", None)
    assert await api.context.store.redis.exists(key("worker", "e:5:gone")) == 0


async def test_the_trail_names_the_systems_user_and_goes_on_page_by_page(api: Api, run: Run) -> None:
    for _ in range(3):
        await run("pause", "--all", "--yes")
    page = await told(run, "audit", "--limit", "2")
    assert {row["user"] for row in page["data"]} == {pwd.getpwuid(os.getuid()).pw_name}
    rest = await told(run, "audit", "--after", page["next_after"])
    assert len(rest["data"]) == 1
    table = (await run("audit")).output
    assert re.search(r"^TIME +WHO +ACTION +TENANT +OUTCOME +IDS$", table, re.MULTILINE)


@pytest.mark.parametrize(
    "words",
    [
        ("job", "job_x"),
        ("job", "job_\x1b[2J"),
        ("job", "../../etc/passwd"),
        ("job", "job_eu1_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"),
        ("job", ""),
        ("jobs", "--after", "job_*"),
        ("jobs", "--tenant", "a:b"),
        ("jobs", "--tenant", "nobody"),
        ("jobs", "--since", "tomorrow"),
        ("jobs", "--since", "2026-11-20T00:00:00"),
        ("jobs", "--limit", "0"),
        ("jobs", "--profile", "ai-video-pro-onlin"),
        ("jobs", "--profile", "\x1b[31m"),
        ("deliveries", "--after", "x"),
        ("deliveries", "--tenant", "nobody"),
        ("redeliver", "--yes"),
        ("redeliver", "--tenant", "acme", "--yes"),
        ("redeliver", "--dead", "--since", "1h", "--yes"),
        ("redeliver", "dlv_x", "--yes"),
        ("redeliver", "dlv_x", "--dead", "--yes"),
        ("replay", "job_x", "--yes"),
        ("pause", "--yes"),
        ("pause", "nobody", "--yes"),
        ("pause", "*", "--yes"),
        ("pause", "acme", "--all", "--yes"),
        ("resume", "nobody"),
        ("audit", "--after", "(1"),
        ("audit", "--after", "١-١"),
        ("audit", "--after", "1795213575346-99999999999999999999"),
        ("redeliver", "--tenant", "acme", "--dead", "--since", "999999d", "--yes"),
        ("redeliver", "--tenant", "acme", "--dead", "--since", "0001-01-01T00:00:00+14:00", "--yes"),
        ("deliveries", "--tenant", "\x1b[31m"),
        ("tenants", "--limit", "0"),
        ("pause", "\x1b[31m", "--yes"),
        ("pause", "\x1b]0;title\x07", "--yes"),
        ("resume", "\x1b]0;title\x07"),
        ("cancel", "job_\x1b[31m", "--yes"),
    ],
)
async def test_what_cannot_be_is_refused_in_a_sentence_and_nothing_is_done(api: Api, run: Run, words) -> None:
    refused = await run(*words)
    assert refused.exit_code in (1, 2)
    assert "Error" in refused.stderr
    assert "\x1b" not in refused.output
    assert await trail(run) == []


async def test_a_replay_is_told_what_is_measured_here_as_its_callers_would_be(api: Api, run: Run) -> None:
    for _ in range(ENOUGH_JOBS):
        job_id = await submit(api)
        await succeed(api.context, job_id, kept=False, takes_s=40)
    made = await told(run, "replay", job_id, "--yes")
    found = await api.context.jobs.load(made["id"])
    assert found is not None
    assert found.estimate is not None
    assert (found.estimate.time_basis, found.estimate.time_jobs) == ("measured", ENOUGH_JOBS)


def before_each_commit(monkeypatch: pytest.MonkeyPatch, happens: Callable[[Jobs, Job, Job], Awaitable[None]]) -> None:
    """Have something happen between the reading of a job and each commit of it."""
    commit = Jobs.commit

    async def later(jobs: Jobs, old: Job, new: Job, **how: Any) -> Job:
        await happens(jobs, old, new)
        return await commit(jobs, old, new, **how)

    monkeypatch.setattr(Jobs, "commit", later)


async def test_a_job_that_is_deleted_meanwhile_keeps_none_of_the_others_from_their_cancel(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, other = await submit(api), await submit(api)

    async def deleted(jobs: Jobs, old: Job, _: Job) -> None:
        if old.id == gone:
            await jobs._store.ask("DEL", key("job", gone))

    before_each_commit(monkeypatch, deleted)
    done = await run("cancel", gone, other, "--yes", "--json")
    assert done.exit_code == 1
    rows = json.loads(done.stdout)["data"]
    assert [(row["id"], row["status"], bool(row["error"])) for row in rows] == [
        (gone, None, True),
        (other, "canceled", False),
    ]


async def test_an_act_that_somebody_else_was_faster_with_is_written_down_too(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await submit(api)
    [given_up] = await dead_callbacks(api, "acme")
    commit, again = Jobs.commit, Deliveries.send_again

    async def ended(jobs: Jobs, old: Job, new: Job) -> None:
        await commit(jobs, old, new, owner=None)

    async def sent_before(deliveries: Deliveries, delivery: Delivery, **how: Any) -> Delivery:
        await again(deliveries, delivery)
        return await again(deliveries, delivery, **how)

    before_each_commit(monkeypatch, ended)
    monkeypatch.setattr(Deliveries, "send_again", sent_before)
    assert (await run("cancel", job_id, "--yes")).stdout == f"{job_id} is canceled\n"
    assert (await run("redeliver", given_up, "--yes")).stdout == f"{given_up} is pending\n"
    assert await trail(run) == [("cancel", "unchanged: canceled", "acme"), ("redeliver", "unchanged", "acme")]


async def test_what_was_cancelled_before_redis_went_away_is_said(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await submit(api), await submit(api)

    async def away_at_the_second(_: Jobs, old: Job, __: Job) -> None:
        if old.id == second:
            raise RedisConnectionError

    before_each_commit(monkeypatch, away_at_the_second)
    done = await run("cancel", first, second, "--yes", "--json")
    assert (done.exit_code, "Redis does not answer" in done.stderr) == (1, True)
    assert [(row["id"], row["status"]) for row in json.loads(done.stdout)["data"]] == [(first, "canceled")]


async def test_an_act_whose_answer_is_lost_is_told_as_one_that_may_be_done(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = await submit(api)
    await fail(api.context, over)
    accept = Submissions.accept

    async def unanswered(submissions: Submissions, *what: Any, **how: Any) -> None:
        await accept(submissions, *what, **how)
        raise RedisConnectionError

    monkeypatch.setattr(Submissions, "accept", unanswered)
    lost = await run("replay", over, "--yes")
    assert (lost.exit_code, "may have been done" in lost.stderr, "admin audit" in lost.stderr) == (1, True, True)
    assert await trail(run) == [("replay", "done", "acme")]


async def test_an_act_that_is_broken_off_before_its_answer_is_told_as_one_that_may_be_done(
    api: Api, redis_url: str
) -> None:
    """Redis takes writes in and answers none of them; whoever waits has enough of it."""
    over = await submit(api)
    await fail(api.context, over)
    environment = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY, "REELGATE_PUBLIC_URL": api.url}
    words = (Path(sys.executable).with_name("reelgate"), "admin", "replay", over, "--yes")
    redis = api.context.store.redis
    await asyncio.to_thread(CliRunner().invoke, admin, ("workers",), env=environment)  # its keys are known from now on
    await redis.client_pause(PATIENCE_S * 1000, all=False)
    try:
        child = await asyncio.create_subprocess_exec(
            *words, env=os.environ | environment, stderr=asyncio.subprocess.PIPE, preexec_fn=hear_ctrl_c
        )

        async def waits() -> bool:
            return any(row["cmd"] == "fcall" and "b" in row["flags"] for row in await redis.client_list())

        await until(waits, within_s=PATIENCE_S)
        child.send_signal(signal.SIGINT)
        _, said = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    finally:
        await redis.client_unpause()
    assert (child.returncode, b"may have been done" in said, b"Interrupted" in said) == (130, True, True), said


async def test_what_is_no_workers_word_is_no_worker(api: Api, run: Run) -> None:
    beats = {"w1": "words", "w2": "1", "w3": "a:b", "w4": "9999999999999:7:more", "w5": "9999999999999:7"}
    await api.context.store.redis.hset(key("workers"), mapping=beats)
    assert [row["id"] for row in (await told(run, "workers"))["data"]] == ["w4", "w5"]
    assert (await api.context.timings._measure()).places == 14, "they are no places either"


async def test_a_job_that_this_release_cannot_read_is_told_in_a_sentence(api: Api, run: Run) -> None:
    job_id = await submit(api)
    await api.context.store.redis.hset(key("job", job_id), "rec", b"x")
    refused = await run("job", job_id)
    assert (refused.exit_code, "cannot be read" in refused.stderr) == (1, True)
    assert (await run("cancel", job_id, "--yes")).exit_code == 1


@pytest.mark.parametrize(
    "words", [("jobs",), ("workers",), ("pause", "--all", "--yes"), ("cancel", new_id("job"), "--yes")]
)
def test_a_redis_that_is_away_is_one_clear_sentence(words: tuple[str, ...]) -> None:
    environment = {"REDIS_URL": "redis://127.0.0.1:9/0", "REELGATE_SECRET_KEYS": SECRET_KEY}
    away = CliRunner().invoke(admin, words, env=environment)
    assert (away.exit_code, away.output.strip()) == (1, "Error: Redis does not answer at REDIS_URL.")


async def test_an_act_that_cannot_be_written_down_is_not_done(api: Api, redis_url: str) -> None:
    queued, over = await submit(api), await submit(api)
    await fail(api.context, over)
    [given_up] = await dead_callbacks(api, "acme")
    redis = api.context.store.redis
    environment = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY, "REELGATE_PUBLIC_URL": api.url}
    await asyncio.to_thread(CliRunner().invoke, admin, ("workers",), env=environment)  # its keys are known from now on
    before = await everything(redis)
    await redis.set(key("audit"), "no stream")
    for words in (
        ("cancel", queued),
        ("replay", over),
        ("redeliver", given_up),
        ("redeliver", "--tenant", "acme", "--dead", "--since", "1h"),
        ("pause", "acme"),
        ("pause", "--all"),
    ):
        done = await asyncio.to_thread(CliRunner().invoke, admin, (*words, "--yes"), env=environment)
        assert (done.exit_code, done.stdout, "WRONGTYPE" in done.stderr) == (1, "", True), words
    read = await asyncio.to_thread(CliRunner().invoke, admin, ("job", over, "--content"), env=environment)
    assert (read.exit_code, read.stdout, "WRONGTYPE" in read.stderr) == (1, "", True)
    await redis.delete(key("audit"))
    assert await everything(redis) == before


async def test_a_full_disk_behind_stdout_is_told_in_words(api: Api, redis_url: str) -> None:
    job_id = await submit(api)
    environment = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY, "REELGATE_PUBLIC_URL": api.url}
    line = f"exec {Path(sys.executable).with_name('reelgate')} admin cancel {job_id} --yes >/dev/full"
    child = await asyncio.create_subprocess_shell(line, env=os.environ | environment, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert (child.returncode, b"No space left" in said, b"Traceback" in said) == (1, True, False), said
    assert (await api.http.get(f"/v1/jobs/{job_id}")).json()["status"] == "canceled"


@pytest.mark.parametrize("flags", ["", "--json"])
async def test_a_replay_that_cannot_be_shown_on_stdout_is_named_all_the_same(
    api: Api, redis_url: str, flags: str
) -> None:
    over = await submit(api)
    await fail(api.context, over)
    environment = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY, "REELGATE_PUBLIC_URL": api.url}
    line = f"exec {Path(sys.executable).with_name('reelgate')} admin replay {over} --yes {flags} >/dev/full"
    child = await asyncio.create_subprocess_shell(line, env=os.environ | environment, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    [made] = [job for job in (await api.http.get("/v1/jobs")).json()["data"] if job["parent_id"] == over]
    assert (child.returncode, made["id"].encode() in said, b"No space left" in said) == (1, True, True), said


async def everything(redis: Redis) -> dict[bytes, bytes]:
    return {name: await redis.dump(name) async for name in redis.scan_iter("*", count=1000)}


async def test_an_ended_film_is_told_without_its_link(api: Api, run: Run) -> None:
    job_id = await submit(api)
    await succeed(api.context, job_id)
    facts = await told(run, "job", job_id)
    assert facts["output"]["format"] == "mp4"
    assert "sig" not in json.dumps(facts["output"])
