"""Jobs over HTTP: accepted, read, listed, cancelled, validated."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api_fixture import ASK, CLIP, Api, client_of, running_api
from tests.balancers.callers import MP4
from tests.job_ends import succeed


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


@pytest.mark.quick
async def test_a_submitted_job_is_accepted_kept_and_read_again(api: Api) -> None:
    answer = await api.http.post("/v1/jobs", json=ASK | {"metadata": {"order": "7"}})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{api.url}/v1/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["ratelimit-policy"] == '"submit";q=10000;w=60'
    assert answer.headers["ratelimit"].startswith('"submit";r=9999;t=')
    assert job["status"] == "queued"
    assert job["metadata"] == {"order": "7"}
    assert job["plan"] == {"message": "trim the first 2 seconds", "action": "export"}
    read = (await api.http.get(f"/v1/jobs/{job['id']}")).json()
    assert job["input"] is None
    assert read | {"wait": None, "input": None} == job | {"wait": None}
    assert read["wait"] == {
        "reason": "queued_behind",
        "behind": None,
        "position": 1,
        "eta_p50_s": None,
        "eta_p90_s": None,
    }


async def test_a_job_gives_back_what_it_was_asked_for_until_its_data_is_deleted(api: Api) -> None:
    upload = (await api.http.post("/v1/uploads?filename=a.mp4", content=MP4)).json()
    asked = {
        "media": [CLIP, {"upload_id": upload["id"]}],
        "output": {"resolution": "720p"},
        "webhook": {"url": "https://example.com/hook?token=of-theirs", "events": ["job.failed"]},
        "language": "en",
        "max_credits": 200,
    }
    job = await api.submit(**asked)
    url, name = CLIP["url"], "clip.mp4"
    given = {
        "prompt": ASK["prompt"],
        "media": [
            {"url": url, "upload_id": None, "name": name, "size_bytes": None},
            {"url": None, "upload_id": upload["id"], "name": "a.mp4", "size_bytes": len(MP4)},
        ],
        "webhook": {"url": "https://example.com/hook", "events": ["job.failed"]},
        "language": "en",
        "max_credits": 200,
        "start_timeout_s": 3600,
        "timeout_s": 1800,
        "retention_s": 2_592_000,
    }
    [listed] = (await api.http.get("/v1/jobs")).json()["data"]
    canceled = (await api.http.post(f"/v1/jobs/{job['id']}/cancel")).json()
    for shown in (listed, canceled, (await api.http.get(f"/v1/jobs/{job['id']}")).json()):
        output = shown["input"].pop("output")
        assert shown["input"] == given
        assert (output["resolution"], output["format"], output["export"]) == ("720p", "mp4", True)
    told = (await api.http.get("/v1/events")).json()["data"]
    assert told
    assert {event["data"]["job"]["input"] for event in told} == {None}
    await api.http.delete(f"/v1/jobs/{job['id']}")
    assert (await api.http.get(f"/v1/jobs/{job['id']}")).json()["input"] is None


async def test_an_unchanged_job_is_answered_with_304_until_it_changes(api: Api) -> None:
    job = await api.submit()
    first = await api.http.get(f"/v1/jobs/{job['id']}")
    known = {"If-None-Match": first.headers["etag"]}
    assert int(first.headers["retry-after"]) >= 1
    again = await api.http.get(f"/v1/jobs/{job['id']}", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    await api.http.post(f"/v1/jobs/{job['id']}/cancel")
    changed = await api.http.get(f"/v1/jobs/{job['id']}", headers=known)
    assert changed.status_code == 200
    assert "retry-after" not in changed.headers


async def test_pages_stay_stable_while_jobs_arrive(api: Api) -> None:
    jobs = [(await api.submit())["id"] for _ in range(5)]
    first = await api.http.get("/v1/jobs", params={"limit": 2})
    assert [j["id"] for j in first.json()["data"]] == [jobs[4], jobs[3]]
    assert first.json()["has_more"] is True
    await api.submit()
    second = await api.http.get(first.links["next"]["url"])
    assert [j["id"] for j in second.json()["data"]] == [jobs[2], jobs[1]]
    last = await api.http.get(second.links["next"]["url"])
    assert [j["id"] for j in last.json()["data"]] == [jobs[0]]
    assert last.json()["has_more"] is False
    assert last.json()["next_cursor"] is None
    assert "link" not in last.headers


async def test_a_list_is_filtered_by_status_profile_and_session(api: Api) -> None:
    one = await api.submit(profile="trimmer-exe")
    two = await api.submit(profile="maker-free")
    await api.http.post(f"/v1/jobs/{one['id']}/cancel")

    async def found(**query: str) -> list[str]:
        return [j["id"] for j in (await api.http.get("/v1/jobs", params=query)).json()["data"]]

    assert await found(status="canceled") == [one["id"]]
    assert await found(profile="maker-free") == [two["id"]]
    assert await found(session_id=one["session_id"]) == [one["id"]]
    assert await found(status="canceled", profile="maker-free") == []
    for nothing in ({"session_id": "x:y"}, {"session_id": two["id"]}, {"profile": "*"}):
        assert await found(**nothing) == []
    refused = await api.http.get("/v1/jobs", params={"after": "["})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/after")


async def test_a_queued_job_is_canceled_at_once_and_stays_so(api: Api) -> None:
    job = await api.submit()
    first = await api.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (first.status_code, first.json()["status"]) == (202, "canceled")
    again = await api.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "canceled")


async def test_a_caller_who_waits_gets_the_ended_job(api: Api) -> None:
    async def cancel_when_it_is_there() -> None:
        while not (jobs := (await api.http.get("/v1/jobs")).json()["data"]):
            pass
        await api.http.post(f"/v1/jobs/{jobs[0]['id']}/cancel")

    waiting = api.http.post("/v1/jobs", json=ASK, headers={"Prefer": "wait=10"})
    answer, _ = await asyncio.gather(waiting, cancel_when_it_is_there())
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert answer.headers["preference-applied"] == "wait=10"


async def test_a_caller_whose_key_is_revoked_while_it_waits_is_not_told_the_end(api: Api) -> None:
    issued = await api.context.api_keys.create("acme")
    async with client_of(api.url, issued.secret) as caller:
        asked = asyncio.create_task(caller.post("/v1/jobs", json=ASK, headers={"Prefer": "wait=60"}))
        while not (jobs := (await api.http.get("/v1/jobs")).json()["data"]):
            pass
        await api.context.api_keys.revoke(issued.id)
        await succeed(api.context, jobs[0]["id"])
        answer = await asked
    assert (answer.status_code, answer.json()["status"], answer.json()["output"]) == (202, "queued", None)


async def test_a_caller_who_waits_in_vain_gets_the_202(api: Api) -> None:
    answer = await api.http.post("/v1/jobs", json=ASK, headers={"Prefer": "respond-async, wait=0"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0")


async def test_validate_says_how_the_prompt_is_read_and_accepts_nothing(api: Api) -> None:
    ask = {"prompt": "cut the pauses, add background music, and export in 720p", "media": [CLIP]}
    answer = await api.http.post("/v1/jobs:validate", json=ask)
    assert answer.status_code == 200
    assert answer.json()["valid"] is True
    assert answer.json()["plan"]["action"] == "export"
    assert answer.json()["output"]["resolution"] == "720p"
    assert (await api.http.get("/v1/jobs")).json()["data"] == []


async def test_jobs_of_one_session_wait_for_each_other_and_say_so(api: Api) -> None:
    session = (await api.http.post("/v1/sessions", json={"profile": "maker-free"})).json()
    first = await api.submit(session_id=session["id"])
    second = await api.submit(session_id=session["id"], media=[], prompt='add a title "Hi"')
    assert (first["profile"], second["profile"]) == ("maker-free", "maker-free")
    read = (await api.http.get(f"/v1/jobs/{second['id']}")).json()
    assert (read["wait"]["reason"], read["wait"]["behind"]) == ("session_busy", first["id"])


@pytest.mark.quick
async def test_another_tenants_things_are_not_there(api: Api) -> None:
    job = await api.submit()
    session = (await api.http.post("/v1/sessions", json={})).json()
    stranger = await api.caller("other")
    async with stranger:
        for path in (f"jobs/{job['id']}", f"jobs/{job['id']}/events", f"sessions/{session['id']}"):
            assert (await stranger.get(f"/v1/{path}")).status_code == 404
        assert (await stranger.post(f"/v1/jobs/{job['id']}/cancel")).status_code == 404
        into = await stranger.post("/v1/jobs", json=ASK | {"session_id": session["id"]})
        assert (into.status_code, into.json()["errors"][0]["pointer"]) == (404, "/session_id")
        assert (await stranger.get("/v1/jobs")).json()["data"] == []
        query = {"session_id": job["session_id"]}
        assert (await stranger.get("/v1/jobs", params=query)).json()["data"] == []


async def test_a_tag_is_found_in_any_of_several_lines(api: Api) -> None:
    url = f"/v1/jobs/{(await api.submit())['id']}"
    tag = (await api.http.get(url)).headers["etag"]
    for method in ("GET", "HEAD"):
        for tags in ((tag, '"x"'), ('"x"', tag), ('"x", "y"', f'"z", {tag}')):
            answer = await api.http.request(method, url, headers=[("If-None-Match", t) for t in tags])
            assert answer.status_code == 304, tags


@pytest.mark.parametrize("lines", [["return=minimal", "wait=0"], ["wait=0", "return=minimal"]])
async def test_a_preference_is_found_in_any_of_several_lines(api: Api, lines: list[str]) -> None:
    answer = await api.http.post("/v1/jobs", json=ASK, headers=[("Prefer", line) for line in lines])
    assert answer.headers["preference-applied"] == "wait=0"


async def test_what_is_accepted_may_come_in_several_lines(api: Api) -> None:
    url = f"/v1/jobs/{(await api.submit())['id']}/events"
    answer = await api.http.get(url, headers=[("Accept", "application/json"), ("Accept", "text/plain")])
    assert answer.headers["content-type"] == "application/json"
