"""One installation of several: its name in keys, ids and links, and 421 for whatever is another one's."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.ids import is_id
from tests.api_fixture import ASK, Api, client_of, running_api
from tests.job_ends import VIDEO, succeed
from tests.redis_fixture import running_redis
from tests.until import PATIENCE_S

HOOK = {"url": "https://hooks.example.com/done"}
FOREIGN = "eu2_019a3c1e-7b2f-7c3d-9e4f-0123456789ab"
SECRET = "c2VjcmV0" * 5


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path, cell="eu1") as running:
        yield running


def misdirected(answer: httpx.Response) -> dict[str, Any]:
    """Check that it is told as another cell's."""
    assert answer.status_code == 421, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["code"], problem["retryable"]) == ("misdirected", False)
    assert "cell 'eu2'" in problem["detail"]
    return problem


async def test_keys_and_whatever_has_an_id_name_the_cell(api: Api) -> None:
    job = await api.submit(webhook=HOOK)
    session = (await api.http.post("/v1/sessions")).json()
    upload = (await api.http.post("/v1/uploads?filename=a.mp4", content=b"\0\0\0\x18ftypisom" + b"\0" * 99)).json()
    batch = (await api.http.post("/v1/batches", json={"jobs": [ASK], "webhook": HOOK})).json()
    await succeed(api.context, job["id"])
    await succeed(api.context, batch["jobs"][0]["id"])
    again = (await api.http.post(f"/v1/jobs/{job['id']}/replay")).json()
    events = (await api.http.get("/v1/events")).json()["data"]
    deliveries = (await api.http.get(f"/v1/jobs/{job['id']}/deliveries")).json()["data"]
    ids = [job["id"], job["session_id"], session["id"], upload["id"], batch["id"], again["id"], again["session_id"]]
    ids += [row["id"] for row in (*events, *deliveries)]
    assert {"job", "ses", "upl", "bat", "evt", "dlv"} == {each.partition("_")[0] for each in ids}
    for each in ids:
        assert each.split("_")[1] == "eu1"
        assert is_id(each, each[:3])
    assert {"job.succeeded", "batch.completed"} <= {row["type"] for row in events}
    assert api.key.startswith("rg_eu1.")


async def test_what_is_named_is_found_again_by_its_id(api: Api) -> None:
    job_id = (await api.submit())["id"]
    await succeed(api.context, job_id)
    job = (await api.http.get(f"/v1/jobs/{job_id}")).json()
    events = (await api.http.get(f"/v1/jobs/{job_id}/events", headers={"Accept": "application/json"})).json()["data"]
    rest = await api.http.get(f"/v1/events?after={events[0]['id']}")
    assert [row["id"] for row in rest.json()["data"]] == [
        row["id"] for row in events[1:] if row["type"] != "job.progress"
    ]
    async with httpx.AsyncClient(trust_env=False) as anyone:
        answer = await anyone.get(job["output"]["url"])
        assert (answer.status_code, answer.content) == (200, VIDEO)


async def test_keys_jobs_and_links_from_before_it_had_a_name_stay_good(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path) as before:
        job_id = (await before.submit())["id"]
        await succeed(before.context, job_id)
        link = (await before.http.get(f"/v1/jobs/{job_id}")).json()["output"]["url"].removeprefix(before.url)
    assert "." not in before.key
    async with running_api(redis_url, tmp_path, cell="eu1") as api, client_of(api.url, before.key) as client:
        assert (await client.get(f"/v1/jobs/{job_id}")).status_code == 200
        assert (await client.get("/v1/jobs")).json()["data"][0]["id"] == job_id
        async with httpx.AsyncClient(base_url=api.url, trust_env=False) as anyone:
            assert (await anyone.get(link)).content == VIDEO


@pytest.mark.parametrize("cell", ["eu1", ""])
async def test_a_foreign_key_is_told_so_before_redis_is_asked(tmp_path: Path, cell: str) -> None:
    with running_redis() as server:
        async with running_api(server.url, tmp_path, cell=cell) as api, client_of(api.url, f"rg_eu2.{SECRET}") as other:
            server.kill()
            for method, path in (("POST", "/v1/jobs"), ("GET", "/v1/jobs"), ("PUT", "/v1/webhook")):
                answer = await other.request(method, path, json=ASK)
                misdirected(answer)
                assert SECRET not in answer.text
            assert (await api.http.get("/v1/jobs")).status_code == 503


@pytest.mark.parametrize("cell", ["eu1", ""])
async def test_a_foreign_link_is_told_so_without_a_key(redis_url: str, tmp_path: Path, cell: str) -> None:
    async with (
        running_api(redis_url, tmp_path, cell=cell) as api,
        httpx.AsyncClient(base_url=api.url, trust_env=False, timeout=PATIENCE_S) as anyone,
    ):
        answer = await anyone.get(f"/v1/jobs/job_{FOREIGN}/output?expires=1795213575&signature={SECRET}")
        assert "link" in misdirected(answer)["detail"]
        assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1/jobs/job_{FOREIGN}"),
        ("GET", f"/v1/jobs/job_{FOREIGN}/events"),
        ("GET", f"/v1/jobs/job_{FOREIGN}/output"),
        ("GET", f"/v1/sessions/ses_{FOREIGN}"),
        ("GET", f"/v1/uploads/upl_{FOREIGN}"),
        ("DELETE", f"/v1/uploads/upl_{FOREIGN}"),
        ("POST", f"/v1/uploads/upl_{FOREIGN}/complete"),
        ("GET", f"/v1/batches/bat_{FOREIGN}"),
        ("GET", f"/v1/jobs?batch_id=bat_{FOREIGN}"),
        ("GET", f"/v1/jobs?session_id=ses_{FOREIGN}"),
        ("GET", f"/v1/events?after=evt_{FOREIGN}"),
        ("POST", f"/v1/deliveries/dlv_{FOREIGN}/redeliver"),
    ],
)
async def test_a_foreign_id_is_told_so_to_a_key_of_this_cell(api: Api, method: str, path: str) -> None:
    misdirected(await api.http.request(method, path))


#: each parameter of a query that names something by its id
QUERIES = [
    f"jobs?session_id=ses_{FOREIGN}",
    f"jobs?batch_id=bat_{FOREIGN}&status=failed",
    f"jobs?after=job_{FOREIGN}",
    f"sessions?after=ses_{FOREIGN}",
    f"batches?after=bat_{FOREIGN}",
    f"uploads?after=upl_{FOREIGN}",
    f"deliveries?after=dlv_{FOREIGN}",
    f"events?after=evt_{FOREIGN}",
    f"jobs/OWN/events?after=evt_{FOREIGN}",
]


def test_every_query_that_names_an_id_is_among_them() -> None:
    document = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())
    known = {
        (path, row["name"])
        for path, calls in document["paths"].items()
        for row in calls.get("get", {}).get("parameters", [])
    }
    named = {(path.replace("{job_id}", "OWN"), name) for path, name in known if name == "after" or name.endswith("_id")}
    asked = {(f"/v1/{query.partition('?')[0]}", query.partition("?")[2].partition("=")[0]) for query in QUERIES}
    assert {each for each in named if "{" not in each[0] and each[1] != "job_id"} == asked


@pytest.mark.parametrize("query", QUERIES)
async def test_a_filter_or_a_cursor_of_another_cell_is_told_so_instead_of_finding_nothing(api: Api, query: str) -> None:
    own = await api.submit()
    answer = await api.http.get(f"/v1/{query.replace('OWN', own['id'])}", headers={"Accept": "application/json"})
    named = query.partition("?")[2].partition("=")[0]
    problem = misdirected(answer)
    assert [error["pointer"] for error in problem["errors"]] == [f"/{named}"]
    assert f"'{named}'" in problem["detail"]
    for mine in (f"after={own['id']}", f"session_id={own['session_id']}", "session_id=anything"):
        assert (await api.http.get(f"/v1/jobs?{mine}")).status_code == 200
    assert (await api.http.get("/v1/jobs?after=anything")).status_code == 422


async def test_a_body_that_names_what_is_in_another_cell_is_told_where(api: Api) -> None:
    for field, pointer in (
        ({"media": [{"upload_id": f"upl_{FOREIGN}"}]}, "/media/0/upload_id"),
        ({"session_id": f"ses_{FOREIGN}"}, "/session_id"),
    ):
        problem = misdirected(await api.http.post("/v1/jobs", json=ASK | field))
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
    jobs = [ASK | {"media": [{"upload_id": f"upl_{FOREIGN}"}]}]
    batch = await api.http.post("/v1/batches", json={"jobs": jobs, "session": "shared"})
    told = [(error["pointer"], error["code"]) for error in batch.json()["errors"]]
    assert (batch.status_code, told) == (422, [("/jobs/0/media/0/upload_id", "misdirected")])
