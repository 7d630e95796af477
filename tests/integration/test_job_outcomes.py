"""What jobs took and cost is counted as they end, and told of the next ones: by submits, checks, batches and replays."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.model import transitions
from core.model.estimate import ENOUGH_JOBS
from core.store.redis.functions import OUTCOMES_PER_GROUP
from core.store.redis.keys import key
from tests.api_fixture import ASK, Api, running_api
from tests.job_ends import OWNER, fail, running, succeed
from tests.until import PATIENCE_S

AS_PUBLISHED = {
    "credits": [50, 100],
    "credits_typical": 50,
    "credits_basis": "contract",
    "credits_jobs": 0,
    "p50_s": 30.0,
    "p90_s": 60.0,
    "time_basis": "contract",
    "time_jobs": 0,
}


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running_one:
        yield running_one


async def group(api: Api) -> str:
    """Spell the key of the one group that there is."""
    (found,) = await api.context.store.redis.smembers(key("job_groups"))
    return key("job_outcomes", found.decode())


async def counted(api: Api) -> dict[str, int]:
    """Read the classes of the one group that there is, with how many jobs it has."""
    found = await api.context.store.redis.hgetall(await group(api))
    return {name.decode(): int(count) for name, count in found.items()}


async def until_measured(api: Api, *, jobs: int) -> dict[str, Any]:
    """Let this process read what was counted, and give the estimate of a job like those."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await api.context.job_outcomes._renew()
            told: dict[str, Any] = (await api.http.post("/v1/jobs:validate", json=ASK)).json()["estimate"]
            if told["time_jobs"] >= jobs:
                return told


async def test_a_job_is_told_what_is_published_until_enough_have_ended_and_keeps_what_it_was_told(api: Api) -> None:
    first = await api.submit()
    assert first["estimate"] == AS_PUBLISHED
    for _ in range(ENOUGH_JOBS):
        await succeed(api.context, (await api.submit())["id"], takes_s=40, credits_used=70, credits_exact=True)
    told = await until_measured(api, jobs=ENOUGH_JOBS)
    assert (told["credits"], told["credits_typical"], told["credits_basis"]) == ([70, 70], 70, "measured")
    assert (told["credits_jobs"], told["time_jobs"], told["time_basis"]) == (ENOUGH_JOBS, ENOUGH_JOBS, "measured")
    assert 40 <= told["p50_s"] <= told["p90_s"] < 60
    assert (await api.submit())["estimate"] == told
    assert (await api.http.get(f"/v1/jobs/{first['id']}")).json()["estimate"] == AS_PUBLISHED


async def test_who_allows_less_than_jobs_like_it_have_cost_is_told_that_it_will_end_for_that(api: Api) -> None:
    for _ in range(ENOUGH_JOBS):
        await succeed(api.context, (await api.submit())["id"], takes_s=40, credits_used=80, credits_exact=True)
    await until_measured(api, jobs=ENOUGH_JOBS)
    job = (await api.http.post("/v1/jobs", json=ASK | {"max_credits": 60})).json()
    assert any("costs about 80 credits, and max_credits is 60" in hint for hint in job["hints"]), job["hints"]
    assert not (await api.http.post("/v1/jobs", json=ASK | {"max_credits": 80})).json()["hints"]


async def test_batches_and_replays_are_told_too_and_a_render_alone_is_another_kind(api: Api) -> None:
    job = await api.submit()
    await fail(api.context, job["id"])
    again = await api.http.post(f"/v1/jobs/{job['id']}/replay", json={})
    assert again.json()["estimate"] == AS_PUBLISHED
    render = (await api.http.post(f"/v1/jobs/{job['id']}/replay", json={"from": "render"})).json()["estimate"]
    assert (render["credits"], render["p50_s"], render["p90_s"]) == ([0, 0], None, None)
    batch = (await api.http.post("/v1/batches", json={"jobs": [ASK]})).json()
    assert batch["items"][0]["job"]["estimate"] == AS_PUBLISHED


async def test_events_tell_what_the_answer_told(api: Api) -> None:
    job = await api.submit()
    await succeed(api.context, job["id"])
    listed = await api.http.get(f"/v1/jobs/{job['id']}/events", headers={"Accept": "application/json"})
    assert [each["data"]["job"]["estimate"] for each in listed.json()["data"]] == [AS_PUBLISHED] * 3


async def test_an_end_is_counted_once_and_a_bad_one_is_not(api: Api) -> None:
    await fail(api.context, (await api.submit())["id"])
    assert await api.context.store.redis.exists(key("job_groups")) == 0
    await succeed(api.context, (await api.submit())["id"], takes_s=40, credits_used=50, credits_exact=True)
    counts = await counted(api)
    assert (len(counts), counts["jobs"], counts["c50"]) == (3, 1, 1)
    await succeed(api.context, (await api.submit())["id"], takes_s=40)
    counts = await counted(api)
    assert (counts["jobs"], counts["c50"], sum(counts.values())) == (2, 1, 5)


async def test_the_last_jobs_weigh_most_and_no_group_grows_for_ever(api: Api) -> None:
    await succeed(api.context, (await api.submit())["id"], takes_s=40, credits_used=50, credits_exact=True)
    full = {"t99": OUTCOMES_PER_GROUP - 1, "t98": 1, "c50": OUTCOMES_PER_GROUP, "jobs": OUTCOMES_PER_GROUP}
    await api.context.store.redis.delete(await group(api))
    await api.context.store.redis.hset(await group(api), mapping=full)
    await succeed(api.context, (await api.submit())["id"], takes_s=40, credits_used=50, credits_exact=True)
    half = OUTCOMES_PER_GROUP // 2
    assert await counted(api) == {"t99": (OUTCOMES_PER_GROUP - 1) // 2, "c50": half, "jobs": half}


@pytest.mark.parametrize("broken", [b"", b"words", b"99999999999999999999", b"1.5", b"inf", b"nan"])
async def test_counts_that_nobody_can_read_cost_no_job_its_end_and_are_begun_anew(api: Api, broken: bytes) -> None:
    await succeed(api.context, (await api.submit())["id"], takes_s=40)
    broken_counts = dict.fromkeys(await counted(api), broken)
    await api.context.store.redis.hset(await group(api), mapping=broken_counts)
    await api.context.job_outcomes._read()
    for _ in range(2):
        job = await api.submit()
        await succeed(api.context, job["id"], takes_s=40)
        assert (await api.http.get(f"/v1/jobs/{job['id']}")).json()["status"] == "succeeded"
    assert set((await counted(api)).values()) == {1}


#: what may stand where counts should: of another type, without an end, in no text
OF_ANOTHER_TYPE = b"words"
BROKEN_CLASSES = {b"t\xff": 30, b"t9999999": 30, b"c" + b"9" * 5000: 30, b"c50": b"9" * 400, b"t72": b"9" * 5000}


@pytest.mark.parametrize("which", ["job_groups", "job_outcomes"])
async def test_counts_of_another_type_cost_no_job_its_end_and_no_other_group_its_estimate(api: Api, which: str) -> None:
    for _ in range(ENOUGH_JOBS):
        await succeed(api.context, (await api.submit())["id"], takes_s=40)
    other = await group(api)
    broken = key("job_groups") if which == "job_groups" else other
    await api.context.store.redis.set(broken, OF_ANOTHER_TYPE)
    job = await api.submit()
    await succeed(api.context, job["id"], takes_s=40)
    assert (await api.http.get(f"/v1/jobs/{job['id']}")).json()["status"] == "succeeded"
    assert await api.context.store.redis.zscore(key("retire"), job["id"]), "its end was written whole"
    await api.context.job_outcomes._renew()


async def test_what_is_no_count_keeps_no_other_from_being_told(api: Api) -> None:
    for _ in range(ENOUGH_JOBS):
        await succeed(api.context, (await api.submit())["id"], takes_s=40)
    own, redis = await group(api), api.context.store.redis
    await redis.sadd(key("job_groups"), b"\xff", "maker-free/edit/export/unreal", "of another type")
    await redis.hset(key("job_outcomes", "maker-free/edit/export/unreal"), mapping=BROKEN_CLASSES)
    await redis.hset(own, mapping=BROKEN_CLASSES)
    await redis.set(key("job_outcomes", "of another type"), OF_ANOTHER_TYPE)
    told = await until_measured(api, jobs=ENOUGH_JOBS)
    assert (told["time_jobs"], told["credits_basis"]) == (ENOUGH_JOBS, "contract")


async def test_a_write_that_is_repeated_counts_once(api: Api) -> None:
    now = await running(api.context, (await api.submit())["id"], takes_s=40)
    done = transitions.succeeded(now, now_ms=api.context.clock.now_ms())
    for _ in range(2):
        await api.context.jobs.commit(now, done, owner=OWNER, write_id="the same")
    counts = await counted(api)
    assert (counts["jobs"], sum(counts.values())) == (1, 2)


async def test_a_submit_asks_redis_nothing_for_its_estimate(api: Api) -> None:
    await api.submit()
    async with api.context.store.redis.monitor() as heard:
        await api.submit()
        asked = []
        async for line in heard.listen():
            if line["client_type"] != "lua":
                asked.append(line["command"])
            if any("FCALL" in each for each in asked):
                break
    assert not [each for each in asked if "outcomes" in each]
