"""Redis is killed, frozen or away, the backend is down: what was accepted is kept, and comes to its end by itself."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
import redis.asyncio

from tests.crash.harness import running_harness
from tests.crash.lane import LIMIT_S, open_lane
from tests.crash.left_over import left_over
from tests.lateness import timed

pytestmark = pytest.mark.asyncio(loop_scope="module")

TITLE = 'add a title "{title}"'
EXPORT = {"export": True, "resolution": "360p"}
#: between the intent and the message's arrival nobody can know that it was never sent
ENDS = {None, "edit_unconfirmed"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def harness(tmp_path_factory):
    async with running_harness(tmp_path_factory.mktemp("redis"), lanes=1) as running:
        yield running
        verdict = await running.verdict()
        assert verdict.bad == dict.fromkeys(verdict.bad, ())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lane(harness):
    token = await harness.sandbox.add_token(credits=1_000_000)
    async with open_lane(harness, 0, token=token) as opened:
        await opened.all_ready()
        yield opened
        assert await left_over(opened) == []


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def flushing(harness):
    """Every write is on the disk before it is answered to, also after a restart."""

    async def flush():
        async with redis.asyncio.Redis.from_url(harness.redis_url(0)) as client:
            await client.config_set("appendfsync", "always")

    await flush()
    return flush


async def ends_of(lane, ids):
    jobs = await asyncio.gather(*(lane.ended(job_id) for job_id in ids))
    await asyncio.gather(*(lane.told(job_id) for job_id in ids))
    return {job["error"]["code"] if job["error"] else None for job in jobs}


async def test_what_got_its_202_right_before_redis_was_killed_is_there_when_it_comes_back(harness, lane, flushing):
    ids = []
    for _ in range(4):
        ids.append(await lane.submit(TITLE, output=EXPORT))
        harness.redis.kill()
        harness.redis.restart()
        await flushing()
    assert await ends_of(lane, ids) <= ENDS


async def own_time(call):
    """Make a call, and say how long it took without what this machine was late."""
    async with timed() as time:
        return await call, time.own_s


async def test_while_redis_is_away_callers_get_a_503_that_says_when_to_come_back(harness, lane):
    job_id = await lane.submit(TITLE, output={"export": False})
    body = {"prompt": "mute it", "media": [{"upload_id": await lane.upload()}]}
    harness.redis.process.send_signal(signal.SIGSTOP)
    frozen = [
        await own_time(lane.http.get(f"/v1/jobs/{job_id}")),
        await own_time(lane.http.post("/v1/jobs", json=body)),
    ]
    harness.redis.kill()
    gone = [await own_time(lane.http.get(f"/v1/jobs/{job_id}")), await own_time(lane.http.post("/v1/jobs", json=body))]
    harness.redis.restart()
    for answer, own_s in frozen + gone:
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        assert own_s < 2, "within 1 s, and as much again for what the API's process waits for its turn"
    assert await ends_of(lane, [job_id]) <= ENDS


async def test_workers_outlive_a_redis_that_is_away_for_several_leases_and_finish_what_they_had(harness, lane):
    prompts = (TITLE, TITLE + " [[story:slow]]", TITLE + " [[story:drop-stream]]", TITLE + " [[story:adk-partial]]")
    ids = [await lane.submit(prompt, output=EXPORT) for prompt in prompts]
    await harness.sandbox.until(lambda ledger: any(row["status"] == "running" for row in ledger["messages"]))
    workers = [worker.pid for worker in lane.workers]
    harness.redis.kill()
    await harness.sandbox.until(lambda ledger: all(row["status"] != "running" for row in ledger["messages"]))
    harness.redis.restart()
    assert await ends_of(lane, ids) <= ENDS
    for pid in workers:
        os.kill(pid, 0)  # raises where it has ended


@asynccontextmanager
async def full(harness):
    async with redis.asyncio.Redis.from_url(harness.redis_url(0)) as client:
        await client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            await client.config_set("maxmemory", 0)


async def test_a_full_redis_refuses_submits_with_a_clear_word_and_workers_go_on_when_there_is_room(harness, lane):
    """Callers may read and delete meanwhile, and workers hold what they have for several leases."""
    over = await lane.submit(TITLE, output={"export": False})
    await ends_of(lane, [over])
    body = {"prompt": "mute it", "media": [{"upload_id": await lane.upload()}]}
    prompts = (TITLE, TITLE + " [[story:slow]]", TITLE + " [[story:drop-stream]]")
    ids = [await lane.submit(prompt, output=EXPORT) for prompt in prompts]
    await harness.sandbox.until(lambda ledger: any(row["status"] == "running" for row in ledger["messages"]))
    async with full(harness):
        refused = await lane.http.post("/v1/jobs", json=body)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert int(refused.headers["retry-after"]) >= 1
        assert "no room" in refused.json()["detail"]
        for job_id in ids:
            assert (await lane.http.get(f"/v1/jobs/{job_id}")).status_code == 200
        assert (await lane.http.get("/v1/jobs")).status_code == 200
        assert (await lane.http.delete(f"/v1/jobs/{over}")).is_success
        assert (await lane.http.get("/readyz")).status_code == 200
        await harness.sandbox.until(lambda ledger: all(row["status"] != "running" for row in ledger["messages"]))
    assert await ends_of(lane, ids) <= ENDS


async def test_jobs_wait_for_a_backend_that_is_down_say_so_and_come_back_by_themselves(harness, lane):
    await harness.sandbox.faults(down_s=LIMIT_S)
    ids = [await lane.submit(TITLE, output=EXPORT) for _ in range(3)]
    for job_id in ids:
        await lane.waits(job_id, reason="backend_down")
    await harness.sandbox.faults()
    assert await ends_of(lane, ids) == {None}
