"""What can be done with jobs: cancelled while they run; deleted, played again when they have ended."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.model import transitions
from service.prompt import read_cached
from tests.api_fixture import ASK, Api, running_api
from tests.balancers.callers import MP4
from tests.job_ends import OWNER, fail, running, succeed
from tests.until import PATIENCE_S


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running_one:
        yield running_one


def files_in(folder: Path) -> list[Path]:
    return [f for f in folder.rglob("*") if f.is_file()]


async def test_a_deleted_job_leaves_a_tombstone_and_nothing_else(api: Api, tmp_path: Path) -> None:
    job = await api.submit(prompt='add a title "Secret words"', metadata={"who": "Ada"})
    await succeed(api.context, job["id"], reply="Secret words added")
    assert files_in(tmp_path)
    answer = await api.http.delete(f"/v1/jobs/{job['id']}")
    tombstone = answer.json()
    assert answer.status_code == 200
    assert (tombstone["data_removed"], tombstone["status"], tombstone["output"]) == (True, "succeeded", None)
    for path in (f"/v1/jobs/{job['id']}", "/v1/jobs", "/v1/events"):
        text = (await api.http.get(path)).text
        assert "Secret" not in text
        assert "Ada" not in text
    assert (await api.http.get(f"/v1/jobs/{job['id']}/timeline")).status_code == 404
    assert (await api.http.get(f"/v1/jobs/{job['id']}/output")).status_code == 404
    assert not files_in(tmp_path)
    assert (await api.http.delete(f"/v1/jobs/{job['id']}")).json() == tombstone
    assert (await api.http.post(f"/v1/jobs/{job['id']}/replay")).status_code == 409


async def kept_of(api: Api, words: bytes) -> list[bytes]:
    """Name the keys in Redis under which these words can be read."""
    redis = api.context.store.redis
    reads = {b"stream": redis.xrange, b"hash": redis.hgetall, b"string": redis.get}
    found = []
    async for name in redis.scan_iter("*", count=1000):
        read = reads.get(await redis.type(name))
        if read and words in repr(await read(name)).encode():
            found.append(name)
    return found


async def test_a_deleted_job_s_words_are_in_no_kept_answer_either(api: Api) -> None:
    words, headers = "Zqxjkvbnmw", {"Idempotency-Key": "k"}
    ask = ASK | {"prompt": f'add a title "{words}"'}
    job = (await api.http.post("/v1/jobs", json=ask, headers=headers)).json()
    batch = await api.http.post("/v1/batches", json={"jobs": [ask, ASK]}, headers=headers)
    assert await kept_of(api, words.encode())
    for job_id in (job["id"], batch.json()["jobs"][0]["id"]):
        await succeed(api.context, job_id)
        await api.http.delete(f"/v1/jobs/{job_id}")
    assert await kept_of(api, words.encode()) == []
    again = await api.http.post("/v1/jobs", json=ask, headers=headers)
    assert (again.status_code, again.json()["id"], again.json()["data_removed"]) == (202, job["id"], True)
    assert again.headers["idempotency-replayed"] == "true"
    again = await api.http.post("/v1/batches", json={"jobs": [ask, ASK]}, headers=headers)
    assert again.json()["items"][1] == batch.json()["items"][1]
    assert again.json()["items"][0]["job"]["data_removed"] is True


async def test_no_process_remembers_how_a_prompt_was_read_after_its_job_was_deleted_or_forgotten(api: Api) -> None:
    for remove in (api.http.delete, lambda path: api.context.jobs.forget(path.rpartition("/")[2])):
        job = await api.submit()
        await succeed(api.context, job["id"])
        assert read_cached.cache_info().currsize > 0
        await remove(f"/v1/jobs/{job['id']}")
        async with asyncio.timeout(PATIENCE_S):
            while read_cached.cache_info().currsize:
                await api.http.get("/livez")


async def test_a_job_that_goes_on_is_not_deleted_nor_replayed(api: Api) -> None:
    job = await api.submit()
    assert (await api.http.delete(f"/v1/jobs/{job['id']}")).status_code == 409
    assert (await api.http.post(f"/v1/jobs/{job['id']}/replay")).status_code == 409


async def test_a_replay_is_the_same_job_anew_in_a_session_of_its_own(api: Api) -> None:
    parent = await api.submit(metadata={"order": "7"}, priority=3)
    await fail(api.context, parent["id"])
    answer = await api.http.post(f"/v1/jobs/{parent['id']}/replay", headers={"Idempotency-Key": "r"})
    child = answer.json()
    assert answer.status_code == 202
    assert (child["parent_id"], child["status"], child["plan"]) == (parent["id"], "queued", parent["plan"])
    assert (child["metadata"], child["priority"]) == ({"order": "7"}, 3)
    assert child["session_id"] != parent["session_id"]
    again = await api.http.post(f"/v1/jobs/{parent['id']}/replay", headers={"Idempotency-Key": "r"})
    assert again.content == answer.content


async def test_a_call_that_needs_no_body_takes_one_in_chunks_that_holds_nothing(api: Api) -> None:
    """As a proxy passes a call on that it got by HTTP/2: it cannot tell beforehand that nothing comes."""

    async def nothing() -> AsyncIterator[bytes]:
        for _ in ():
            yield b""

    async def wrong() -> AsyncIterator[bytes]:
        yield b"no JSON"

    parent = await api.submit()
    await fail(api.context, parent["id"])
    for path, status in ((f"/v1/jobs/{parent['id']}/replay", 202), ("/v1/sessions", 201)):
        answer = await api.http.post(path, content=nothing())
        assert answer.request.headers["transfer-encoding"] == "chunked"
        assert answer.status_code == status, answer.text
        assert (await api.http.post(path, content=wrong())).status_code == 415


async def test_a_replay_of_the_render_sends_no_message_and_stays_in_the_session(api: Api) -> None:
    parent = await api.submit()
    await fail(api.context, parent["id"])
    answer = await api.http.post(f"/v1/jobs/{parent['id']}/replay", json={"from": "render"})
    child = answer.json()
    assert answer.status_code == 202
    assert child["plan"] == {"message": None, "action": "export"}
    assert child["session_id"] == parent["session_id"]
    assert (await api.context.jobs.load(child["id"])).media == ()
    never_ran = await api.submit()
    await api.http.post(f"/v1/jobs/{never_ran['id']}/cancel")
    lost = await api.http.post(f"/v1/jobs/{never_ran['id']}/replay", json={"from": "render"})
    assert (lost.status_code, lost.json()["code"]) == (409, "session_lost")
    wrong = await api.http.post(f"/v1/jobs/{parent['id']}/replay", json={"from": "middle"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/from")


async def test_a_replay_of_a_job_that_went_on_from_another_goes_on_from_it_again_or_is_refused(api: Api) -> None:
    first = await api.submit()
    refined = await api.submit(session_id=first["session_id"], media=[])
    for job in (first, refined):
        await fail(api.context, job["id"])
    child = (await api.http.post(f"/v1/jobs/{refined['id']}/replay")).json()
    assert child["session_id"] == first["session_id"]
    await api.http.delete(f"/v1/sessions/{first['session_id']}")
    gone = await api.http.post(f"/v1/jobs/{refined['id']}/replay")
    assert (gone.status_code, gone.json()["code"]) == (409, "session_lost")
    anew = (await api.http.post(f"/v1/jobs/{first['id']}/replay")).json()
    assert anew["session_id"] != first["session_id"]
    assert [media.name for media in (await api.context.jobs.load(anew["id"])).media] == ["clip.mp4"]


async def test_a_replay_whose_file_is_gone_says_which_and_what_to_do(api: Api) -> None:
    upload = (await api.http.post("/v1/uploads?filename=harbour.mp4", content=MP4)).json()["id"]
    job = await api.submit(media=[{"upload_id": upload}])
    await fail(api.context, job["id"])
    stored = await api.context.uploads.load(upload)
    assert stored is not None
    refusals = []
    for remove in (api.context.uploads.withdraw, api.context.uploads.drop):  # a moment ago, and long since
        await remove(stored[0])
        refusals.append(await api.http.post(f"/v1/jobs/{job['id']}/replay"))
    assert [(r.status_code, r.json()["code"]) for r in refusals] == [(404, "not_found")] * 2
    assert all(upload in r.json()["detail"] and "harbour.mp4" in r.json()["detail"] for r in refusals)


async def test_a_cancel_reaches_a_running_job_over_what_its_worker_writes(api: Api) -> None:
    job = await api.submit()
    now = await running(api.context, job["id"])
    answer = await api.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "canceling")
    assert answer.headers["retry-after"] == "1"
    after = await api.context.jobs.commit(now, transitions.progress_noted(now, "on it"), owner=OWNER)
    assert after.status == "canceling"


async def test_a_spent_budget_is_refused_and_usage_says_why(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, tenant_month_credits=50) as api:
        await succeed(api.context, (await api.submit())["id"], credits_used=50, credits_exact=True)
        over = await api.http.post("/v1/jobs", json=ASK)
        assert (over.status_code, over.json()["code"]) == (429, "budget_exceeded")
        usage = (await api.http.get("/v1/usage")).json()
        assert (usage["jobs"]["succeeded"], usage["credits"], usage["minutes"]) == (1, 50.0, 0.167)
        assert (await api.http.get("/v1/usage", params={"month": "2026-13"})).status_code == 422


async def test_what_costs_no_credits_is_accepted_where_the_month_s_are_spent(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, tenant_month_credits=50) as api:
        paid = await api.submit()
        await succeed(api.context, paid["id"], credits_used=50, credits_exact=True)
        assert (await api.http.post(f"/v1/jobs/{paid['id']}/replay", json={})).status_code == 429
        rendered_again = await api.http.post(f"/v1/jobs/{paid['id']}/replay", json={"from": "render"})
        asked = await api.http.post("/v1/jobs", json={"prompt": "how many credits do I have?"})
        assert (rendered_again.status_code, asked.status_code) == (202, 202), rendered_again.text
        batch = {"jobs": [ASK, {"prompt": "how many credits do I have?"}]}
        assert (await api.http.post("/v1/batches", json=batch)).status_code == 429


async def test_a_check_of_a_job_tells_of_a_spent_budget_as_its_submit_would(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, tenant_month_credits=50) as api:
        assert (await api.http.post("/v1/jobs:validate", json=ASK)).status_code == 200
        await succeed(api.context, (await api.submit())["id"], credits_used=50, credits_exact=True)
        submitted, checked = [await api.http.post(path, json=ASK) for path in ("/v1/jobs", "/v1/jobs:validate")]
        assert (checked.status_code, checked.json()["code"]) == (429, "budget_exceeded")
        assert checked.headers["retry-after"] == submitted.headers["retry-after"]
        free = await api.http.post("/v1/jobs:validate", json={"prompt": "how many credits do I have?"})
        assert free.status_code == 200, free.text


async def test_what_sends_no_message_says_that_it_has_cost_nothing(api: Api) -> None:
    parent = await api.submit()
    await succeed(api.context, parent["id"])
    render = (await api.http.post(f"/v1/jobs/{parent['id']}/replay", json={"from": "render"})).json()
    await succeed(api.context, render["id"])
    stopped = await api.submit()
    await api.http.post(f"/v1/jobs/{stopped['id']}/cancel")
    for job_id in (render["id"], stopped["id"]):
        told = (await api.http.get(f"/v1/jobs/{job_id}")).json()
        assert (told["credits_used"], told["credits_exact"]) == (0, True), told["status"]
