"""Why a job waits, its place and its estimate: in the answer to its submit, in the job, and in what is told of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.clock import HandClock
from core.model import transitions
from core.model.job import Job, Stage
from core.store.jobs.admission import Admission
from core.store.redis.keys import key
from tests.api_fixture import ASK, Api, running_api
from tests.integration.test_api_events import following
from tests.job_ends import OWNER, running, succeed
from tests.until import PATIENCE_S

NOT_KNOWN = {"eta_p50_s": None, "eta_p90_s": None}
QUEUED = {"webhook": {"url": "https://hooks.example.com/in", "events": ["job.queued"]}}


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running_one:
        yield running_one


async def known_pace(api: Api) -> None:
    """Let jobs of 40 s end, and wait until submits go by them."""
    for _ in range(4):
        await succeed(api.context, (await api.submit())["id"], takes_s=40)
    await Admission(api.context.store, api.context.settings, api.context.clock).admit(worker="w", slots=0)
    async with asyncio.timeout(PATIENCE_S):
        while not api.context.timings.lately().known:
            await api.http.get("/livez")


async def told(api: Api, job_id: str) -> list[Any]:
    """Read why a job waits wherever it is told: in the job, its events, its stream, the feed, and its callback."""
    path = f"/v1/jobs/{job_id}"
    listed = (await api.http.get(f"{path}/events", headers={"Accept": "application/json"})).json()["data"][0]
    feed = (await api.http.get("/v1/events", params={"limit": 100})).json()["data"]
    fed = next(event for event in feed if event["data"]["job"]["id"] == job_id)
    async with following(api.http, job_id) as reader:
        snapshot = (await reader.next())["data"]
    events = (listed, fed, snapshot, await sent(api, job_id))
    return [(await api.http.get(path)).json()["wait"], *(event["data"]["job"]["wait"] for event in events)]


async def sent(api: Api, job_id: str) -> Any:
    """Read the bytes that a worker would send to the job's receiver."""
    found = await api.context.store.redis.zrange(key("job_deliveries", job_id), 0, -1)
    claim = await api.context.deliveries.claim(found[0].decode(), owner="w:1", lease_ms=1000)
    return msgspec.json.decode(claim.event.body)


async def test_place_and_estimate_are_the_same_wherever_they_are_told(api: Api) -> None:
    await known_pace(api)
    jobs = [await api.submit(**QUEUED) for _ in range(3)]
    for place, job in enumerate(jobs, start=1):
        wait = job["wait"]
        assert (wait["reason"], wait["position"], wait["behind"]) == ("queued_behind", place, None)
        assert 40 * place <= wait["eta_p50_s"] <= wait["eta_p90_s"] < 40 * place + 20
        assert await told(api, job["id"]) == [wait] * 5
    assert (await api.http.get(f"/v1/jobs/{jobs[2]['id']}")).headers["retry-after"] == "60", (
        "half-way, a minute at most"
    )


async def test_a_job_behind_another_of_its_session_says_behind_which(api: Api) -> None:
    session = (await api.http.post("/v1/sessions", json={})).json()
    jobs = [await api.submit(session_id=session["id"], **QUEUED) for _ in range(3)]
    behind = {"reason": "session_busy", "behind": jobs[1]["id"], "position": 3} | NOT_KNOWN
    assert jobs[2]["wait"] == behind
    assert await told(api, jobs[2]["id"]) == [behind] * 5


async def test_a_job_of_a_tenant_at_its_cap_says_so_from_the_beginning(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, tenant_running_jobs=1) as api:
        await running(api.context, (await api.submit())["id"])
        job = await api.submit(**QUEUED)
        capped = {"reason": "tenant_cap", "behind": None, "position": 1} | NOT_KNOWN
        assert job["wait"] == capped
        assert await told(api, job["id"]) == [capped] * 5


async def test_an_event_stays_what_it_was_when_the_job_has_moved_up(api: Api) -> None:
    first, second = await api.submit(), await api.submit()
    await api.http.post(f"/v1/jobs/{first['id']}/cancel")
    assert (await api.http.get(f"/v1/jobs/{second['id']}")).json()["wait"]["position"] == 1
    listed = await api.http.get(f"/v1/jobs/{second['id']}/events", headers={"Accept": "application/json"})
    assert listed.json()["data"][0]["data"]["job"]["wait"]["position"] == 2


async def test_each_job_of_a_batch_has_its_own_place_and_keeps_it_in_a_repeated_answer(api: Api) -> None:
    bad = {"prompt": ""}
    call = {"json": {"jobs": [ASK, bad, ASK, ASK]}, "headers": {"Idempotency-Key": "k"}}
    await api.submit()
    answer = await api.http.post("/v1/batches", **call)
    places = [item["job"] and item["job"]["wait"]["position"] for item in answer.json()["items"]]
    assert places == [2, None, 3, 4]
    assert (await api.http.post("/v1/batches", **call)).content == answer.content


async def test_no_words_of_a_caller_are_taken_for_a_place(api: Api) -> None:
    words = '"wait":{"reason":"queued_behind","behind":null,"position":null,"eta_p50_s":null,"eta_p90_s":null}'
    ask = ASK | {"prompt": f"add a title {words}", "metadata": {words: words, "wait": words}}
    answer = await api.http.post("/v1/jobs", json=ask)
    job = answer.json()
    assert job["metadata"] == ask["metadata"]
    assert (job["wait"]["position"], words in job["plan"]["message"]) == (1, True)
    listed = await api.http.get(f"/v1/jobs/{job['id']}/events", headers={"Accept": "application/json"})
    assert listed.json()["data"][0]["data"]["job"] == job


async def test_a_submit_is_one_round_trip_with_its_place_and_estimate(api: Api) -> None:
    await known_pace(api)
    await api.submit()
    await api.context.watches.stop()  # it pings Redis for itself, now and then
    async with api.context.store.redis.monitor() as heard:
        job = await api.submit()
        asked = []
        async for line in heard.listen():
            if line["client_type"] != "lua":
                asked.append(line["command"].split(" ")[0])
            if "FCALL" in asked:
                break
    assert job["wait"]["eta_p50_s"]
    # an estimate that has grown old is read beside it, in one pipeline that nobody waits for
    assert set(asked) <= {"FCALL", "LRANGE", "HVALS"}


async def staged(api: Api, *, been_s: float) -> Job:
    """Have a job that has been in its edit for so long."""
    now = await running(api.context, (await api.submit())["id"])
    since_ms = api.context.clock.now_ms() - int(been_s * 1000)
    new = msgspec.structs.replace(transitions.moved(now, Stage.EDITING), stage_since_ms=since_ms)
    return await api.context.jobs.commit(now, new, owner=OWNER)


async def test_retry_after_comes_from_the_times_that_stages_have_taken(redis_url: str, tmp_path: Path) -> None:
    clock = HandClock()
    async with running_api(redis_url, tmp_path, clock=clock) as api:
        for _ in range(3):
            edited = await staged(api, been_s=40)
            await api.context.jobs.commit(edited, transitions.moved(edited, Stage.RENDERING), owner=OWNER)
        clock.turn(by_s=10)  # so that what is known of times is read anew
        job = await staged(api, been_s=10)
        answer = await api.http.get(f"/v1/jobs/{job.id}")
        assert answer.headers["retry-after"] == "15", "half of the 30 s that are left"
