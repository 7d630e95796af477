"""Batches: an answer per job, one callback when the last has ended."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from time import process_time, thread_time
from typing import Any

import msgspec
import pytest

from core.clock import Clock, HandClock, rfc3339
from core.model import transitions
from core.store.redis.keys import key
from tests.api_fixture import ASK, Api, running_api
from tests.job_ends import OWNER, fail, running, succeed, told

HOOK = {"url": "https://hooks.example.com/batch"}


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


async def submit(api: Api, *jobs: dict[str, Any], status: int = 202, **fields: Any) -> dict[str, Any]:
    answer = await api.http.post("/v1/batches", json={"jobs": list(jobs), **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_each_job_gets_its_answer_and_the_good_ones_are_accepted(api: Api) -> None:
    batch = await submit(api, ASK, {"prompt": ""}, ASK)
    assert [i["status"] for i in batch["items"]] == [202, 422, 202]
    assert batch["items"][1]["problem"]["errors"][0]["pointer"] == "/prompt"
    assert [j["id"] for j in batch["jobs"]] == [batch["items"][n]["job"]["id"] for n in (0, 2)]
    read = (await api.http.get(f"/v1/batches/{batch['id']}")).json()
    assert (read["status"], read["counts"]["queued"]) == ("running", 2)
    job = (await api.http.get(f"/v1/jobs/{batch['jobs'][0]['id']}")).json()
    assert job["batch_id"] == batch["id"]
    async with await api.caller("other") as stranger:
        assert (await stranger.get(f"/v1/batches/{batch['id']}")).status_code == 404


async def test_a_shared_session_takes_all_in_order_or_none(api: Api) -> None:
    more = {"prompt": 'add a title "Two"'}
    batch = await submit(api, ASK, more, session="shared")
    jobs = [(await api.http.get(f"/v1/jobs/{j['id']}")).json() for j in batch["jobs"]]
    assert {j["session_id"] for j in jobs} == {batch["session_id"]}
    assert jobs[1]["wait"]["behind"] == jobs[0]["id"]
    refused = await submit(api, ASK, {"prompt": " "}, session="shared", status=422)
    assert [e["pointer"] for e in refused["errors"]] == ["/jobs/1/prompt"]
    assert len((await api.http.get("/v1/jobs")).json()["data"]) == 2


async def test_a_session_that_closes_while_a_batch_is_read_refuses_the_jobs_that_name_it_alone(api: Api) -> None:
    closing, open_one = [(await api.http.post("/v1/sessions")).json()["id"] for _ in range(2)]
    await api.context.store.redis.hset(
        key("session", closing), "tenant", ""
    )  # as it is for who accepts, and was not for who reads
    jobs = [ASK | {"session_id": one} for one in (open_one, closing)]
    batch = await submit(api, *jobs, ASK)
    assert [item["status"] for item in batch["items"]] == [202, 404, 202]
    assert [error["pointer"] for error in batch["items"][1]["problem"]["errors"]] == ["/session_id"]
    assert [(await api.http.post("/v1/jobs", json=job)).status_code for job in jobs] == [202, 404]


async def test_an_edit_behind_a_question_alone_lacks_its_media(api: Api) -> None:
    question, edit = {"prompt": "how many credits do I have?"}, {"prompt": "trim the first 2 seconds"}
    refused = await submit(api, question, edit, session="shared", status=422)
    assert [(e["pointer"], e["code"]) for e in refused["errors"]] == [("/jobs/1/media", "media_needed")]
    await submit(api, question, ASK, edit, session="shared")


@pytest.mark.parametrize("events", [[], ["batch.completed"], ["job.failed"]])
async def test_the_last_end_sends_one_callback_with_all_ends_whatever_it_was_asked_to_tell(
    api: Api, events: list[str]
) -> None:
    batch = await submit(api, ASK, ASK, ASK, webhook=HOOK | {"events": events})
    one, two, three = [j["id"] for j in batch["jobs"]]
    await succeed(api.context, one)
    await fail(api.context, two)
    before = [e["type"] for e in (await api.http.get("/v1/events")).json()["data"]]
    assert "batch.completed" not in before
    await api.http.post(f"/v1/jobs/{three}/cancel")
    [event] = [e for e in (await api.http.get("/v1/events")).json()["data"] if e["type"] == "batch.completed"]
    batch_told = event["data"]["batch"]
    assert batch_told["jobs"] == [
        {"id": one, "status": "succeeded", "output": f"{api.url}/v1/jobs/{one}/output"},
        {"id": two, "status": "failed", "output": None},
        {"id": three, "status": "canceled", "output": None},
    ]
    assert batch_told["counts"] == {"succeeded": 1, "failed": 1, "canceled": 1, "expired": 0}
    pending = (await api.http.get("/v1/deliveries", params={"status": "pending"})).json()["data"]
    assert [(d["url"], d["event_id"], d["batch_id"]) for d in pending if d["type"] == "batch.completed"] == [
        (HOOK["url"], event["id"], batch["id"])
    ]
    read = (await api.http.get(f"/v1/batches/{batch['id']}")).json()
    assert (read["status"], read["finished_at"]) == ("completed", batch_told["finished_at"])
    assert read["jobs"] == batch_told["jobs"]


async def test_the_callback_of_a_batch_is_made_when_its_last_job_ends(redis_url: str, tmp_path: Path) -> None:
    clock = HandClock(Clock().now_ms())
    async with running_api(redis_url, tmp_path, clock=clock) as api:
        batch = await submit(api, ASK, webhook=HOOK)
        clock.turn(by_s=3600)
        between = await api.submit(webhook=HOOK | {"events": ["job.queued"]})
        await api.http.post(f"/v1/jobs/{batch['jobs'][0]['id']}/cancel")
        told = (await api.http.get("/v1/deliveries", params={"status": "pending"})).json()["data"]
        assert [(d["batch_id"], d["job_id"]) for d in told] == [(batch["id"], None), (None, between["id"])]
        assert {d["created_at"] for d in told} == {rfc3339(clock.now_ms())}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, {"url": HOOK["url"]}, True),
        ({"events": ["job.failed"]}, {"events": ["batch.completed"]}, True),
        ({"events": []}, {"events": ["job.failed"]}, False),
        ({"events": []}, None, False),
    ],
    ids=["set meanwhile", "asks for it meanwhile", "asks for others meanwhile", "unset meanwhile"],
)
async def test_a_batch_without_a_url_goes_by_the_default_at_its_end(api: Api, before, after, told) -> None:
    for default in (before, after):
        if default is None:
            await api.http.delete("/v1/webhook")
        else:
            await api.http.put("/v1/webhook", json=HOOK | default)
        if default is before:
            batch = await submit(api, ASK)
    await api.http.post(f"/v1/jobs/{batch['jobs'][0]['id']}/cancel")
    pending = (await api.http.get("/v1/deliveries", params={"status": "pending"})).json()["data"]
    assert ([d["batch_id"] for d in pending if d["type"] == "batch.completed"] == [batch["id"]]) is told


async def test_a_batch_that_ends_while_the_default_is_disabled_has_nobody_to_tell(api: Api) -> None:
    await api.http.put("/v1/webhook", json=HOOK)
    batch = await submit(api, ASK)
    webhook = await api.context.webhooks.default("acme")
    await api.context.webhooks.set_default("acme", msgspec.structs.replace(webhook, state="disabled"))
    await api.http.post(f"/v1/jobs/{batch['jobs'][0]['id']}/cancel")
    assert (await api.http.get("/v1/deliveries", params={"status": "pending"})).json()["data"] == []


async def test_a_callback_that_cannot_be_read_keeps_no_job_of_its_batch_from_its_end(api: Api) -> None:
    batch = await submit(api, ASK, webhook=HOOK)
    await api.context.store.redis.hset(key("batch", batch["id"]), "delivery", b"\x81")
    await api.http.post(f"/v1/jobs/{batch['jobs'][0]['id']}/cancel")
    assert (await api.http.get(f"/v1/batches/{batch['id']}")).json()["status"] == "completed"


async def test_batches_are_listed_newest_first_to_their_tenant_alone(api: Api) -> None:
    batches = [(await submit(api, ASK))["id"] for _ in range(3)]
    first = await api.http.get("/v1/batches", params={"limit": 2})
    assert [b["id"] for b in first.json()["data"]] == batches[:0:-1]
    last = await api.http.get(first.links["next"]["url"])
    assert ([b["id"] for b in last.json()["data"]], last.json()["has_more"]) == (batches[:1], False)
    assert last.json()["data"][0] == (await api.http.get(f"/v1/batches/{batches[0]}")).json()
    async with await api.caller("other") as stranger:
        assert (await stranger.get("/v1/batches")).json()["data"] == []


async def test_a_batch_tells_where_its_jobs_stand_without_reading_all_that_they_hold(api: Api) -> None:
    batch = (await api.http.post("/v1/batches", json={"jobs": [ASK, ASK]})).json()
    first = batch["jobs"][0]["id"]
    await running(api.context, first)
    await api.context.store.redis.hset(key("job", first), "rec", b"\x81")
    read = (await api.http.get(f"/v1/batches/{batch['id']}")).json()
    assert [job["status"] for job in read["jobs"]] == ["running", "queued"]
    assert (read["counts"]["running"], read["status"]) == (1, "running")


async def test_a_batch_leaves_the_list_in_time(redis_url: str, tmp_path: Path) -> None:
    clock = HandClock(Clock().now_ms())
    async with running_api(redis_url, tmp_path, clock=clock) as api:
        await submit(api, ASK)
        clock.turn(by_s=41 * 86_400)
        new = await submit(api, ASK)
        assert [b["id"] for b in (await api.http.get("/v1/batches")).json()["data"]] == [new["id"]]
        assert 0 < await api.context.store.redis.pttl(key("batches", "acme")) <= 40 * 86_400_000


async def test_a_canceled_batch_ends_with_all_that_had_not_ended(api: Api) -> None:
    batch = await submit(api, ASK, ASK, ASK)
    one, two, _ = [j["id"] for j in batch["jobs"]]
    await succeed(api.context, one)
    await running(api.context, two)
    answer = await api.http.post(f"/v1/batches/{batch['id']}/cancel")
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
    assert [j["status"] for j in answer.json()["jobs"]] == ["succeeded", "canceling", "canceled"]
    again = await api.http.post(f"/v1/batches/{batch['id']}/cancel")
    assert (again.status_code, again.json()) == (202, answer.json())
    now = await api.context.jobs.load(two)
    assert now is not None
    ended = transitions.canceled(now, now_ms=api.context.clock.now_ms())
    await api.context.jobs.commit(now, ended, owner=OWNER, event=await told(api.context, now, ended))
    over = await api.http.post(f"/v1/batches/{batch['id']}/cancel")
    assert (over.status_code, over.json()["status"]) == (200, "completed")
    async with await api.caller("other") as stranger:
        assert (await stranger.post(f"/v1/batches/{batch['id']}/cancel")).status_code == 404


async def test_a_batch_counts_as_its_jobs_and_is_accepted_once(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, submits_per_minute=5) as api:
        body, headers = {"jobs": [ASK, ASK, ASK]}, {"Idempotency-Key": "b"}
        first = await api.http.post("/v1/batches", json=body, headers=headers)
        assert first.headers["ratelimit"].startswith('"submit";r=2;')
        assert first.headers["location"].endswith(first.json()["id"])
        again = await api.http.post("/v1/batches", json=body, headers=headers)
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
        assert (await api.http.post("/v1/batches", json=body)).status_code == 429
        assert len((await api.http.get("/v1/jobs")).json()["data"]) == 3


@pytest.mark.parametrize("body", [{"jobs": []}, {"jobs": [ASK] * 101}, {"jobs": [{"prompt": ""}]}, {}])
async def test_a_batch_without_a_job_to_accept_is_refused(api: Api, body: dict[str, Any]) -> None:
    answer = await api.http.post("/v1/batches", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/jobs")


TITLE = 'cut the pauses, put the title "Part {}" at the top, and export in 1080p. '
BATCHES = {
    "a dozen of long prompts": ([(TITLE * 100).format(*[n] * 100)[:8000] for n in range(12)], 1 / 6),
    # of which this test takes a part itself: it holds a hundred jobs against the OpenAPI document in one turn
    "a hundred short ones": ([f"{n}" + "的, " * 250 for n in range(100)], 1 / 3),
}


@pytest.mark.parametrize(("words", "share"), BATCHES.values(), ids=BATCHES)
async def test_a_batch_does_not_hold_up_the_other_callers(api: Api, words: list[str], share: float) -> None:
    """The loop goes on with other things meanwhile: by processor time its longest turn is a small part of the batch."""
    sending = asyncio.create_task(submit(api, *(ASK | {"prompt": text} for text in words)))
    began_s, turns_s = process_time(), [thread_time()]
    while not sending.done():
        await asyncio.sleep(0)
        turns_s.append(thread_time())
    whole_s = process_time() - began_s
    assert len((await sending)["jobs"]) == len(words)
    longest_s = max(later - earlier for earlier, later in pairwise(turns_s))
    assert longest_s < share * whole_s
