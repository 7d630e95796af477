"""Sessions over HTTP: made, listed, refined in, closed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.store.idempotency import Hold
from service.idempotency import parse_key
from tests.api_fixture import ASK, Api, running_api
from tests.job_ends import succeed


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


async def test_a_session_is_made_read_and_listed_but_not_those_of_single_jobs(api: Api) -> None:
    answer = await api.http.post("/v1/sessions", json={"profile": "trimmer-exe", "language": "zh-CN"})
    session = answer.json()
    assert (answer.status_code, session["profile"], session["language"]) == (201, "trimmer-exe", "zh-CN")
    assert answer.headers["location"] == f"{api.url}/v1/sessions/{session['id']}"
    plain = (await api.http.post("/v1/sessions")).json()
    assert plain["profile"] == "free-video-fast"
    await api.submit()
    page = (await api.http.get("/v1/sessions", params={"limit": 1})).json()
    assert ([s["id"] for s in page["data"]], page["has_more"]) == ([plain["id"]], True)
    rest = (await api.http.get("/v1/sessions", params={"after": page["next_cursor"]})).json()
    assert [s["id"] for s in rest["data"]] == [session["id"]]


async def test_a_session_says_who_works_in_it_and_who_waits(api: Api) -> None:
    session = (await api.http.post("/v1/sessions")).json()
    first = await api.submit(session_id=session["id"])
    await api.submit(session_id=session["id"])
    read = (await api.http.get(f"/v1/sessions/{session['id']}")).json()
    assert (read["jobs_waiting"], read["running_job_id"]) == (2, first["id"])
    await succeed(api.context, first["id"])
    assert (await api.http.get(f"/v1/sessions/{session['id']}")).json()["jobs_waiting"] == 1
    assert (await api.http.get(f"/v1/sessions/{session['id']}/timeline")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs:validate"])
async def test_an_edit_behind_a_question_alone_lacks_its_media(api: Api, path: str) -> None:
    session_id = (await api.http.post("/v1/sessions")).json()["id"]
    edit = {"prompt": "trim the first 2 seconds", "session_id": session_id}
    question = await api.http.post("/v1/jobs", json={"prompt": "how many credits do I have?", "session_id": session_id})
    assert question.status_code == 202
    refused = await api.http.post(path, json=edit)
    assert (refused.status_code, refused.json()["code"]) == (422, "media_needed")
    await api.submit(session_id=session_id)
    assert (await api.http.post(path, json=edit)).status_code in {200, 202}


async def test_a_closed_session_takes_no_more_jobs(api: Api) -> None:
    session = (await api.http.post("/v1/sessions")).json()
    job = await api.submit(session_id=session["id"])
    assert (await api.http.delete(f"/v1/sessions/{session['id']}")).status_code == 204
    assert (await api.http.get(f"/v1/sessions/{session['id']}")).status_code == 404
    assert (await api.http.post("/v1/jobs", json=ASK | {"session_id": session["id"]})).status_code == 404
    assert (await api.http.get(f"/v1/jobs/{job['id']}")).json()["status"] == "queued"


async def test_a_session_is_made_once_per_key(api: Api) -> None:
    headers = {"Idempotency-Key": "s"}
    first = await api.http.post("/v1/sessions", json={}, headers=headers)
    again = await api.http.post("/v1/sessions", json={}, headers=headers)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    other = await api.http.post("/v1/sessions", json={"language": "en"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_call_that_is_under_way_in_an_older_release_holds_its_key_and_a_refused_one_gives_it_back(
    api: Api,
) -> None:
    call = parse_key("s", path="/v1/sessions", body=b"{}")
    hold = Hold("acme", call.key_hash, by="one")
    assert await api.context.stored_responses.open(hold, call.body_hash)
    headers = {"Idempotency-Key": "s", "Content-Type": "application/json"}
    busy = await api.http.post("/v1/sessions", content=b"{}", headers=headers)
    assert (busy.status_code, busy.json()["code"]) == (409, "in_progress")
    assert int(busy.headers["retry-after"]) >= 1
    await api.context.stored_responses.let_go(hold)
    assert (await api.http.post("/v1/sessions", content=b"{}", headers=headers)).status_code == 201
