"""HEAD: every path that can be read answers it as it answers GET, without the body. Probes of balancers ask so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api_fixture import Api, running_api
from tests.job_ends import succeed
from tests.openapi_check import document

READABLE = sorted(path for path, methods in document()["paths"].items() if "get" in methods)
#: of the moment, so they differ between two answers
_FRESH = {"date", "x-request-id", "link"}


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


async def things(api: Api) -> dict[str, str]:
    """Make one of everything that a path can name."""
    batch = (await api.http.post("/v1/batches", json={"jobs": [{"prompt": "how many credits are left"}]})).json()
    upload = await api.http.post("/v1/uploads", params={"filename": "a.png"}, content=b"\x89PNG\r\n\x1a\n" + b"\0" * 99)
    job = await api.submit()
    await succeed(api.context, job["id"])
    ids = {"job_id": job["id"], "session_id": job["session_id"]}
    return ids | {"batch_id": batch["id"], "upload_id": upload.json()["id"]}


async def test_every_readable_path_answers_head_as_get_without_the_body(api: Api) -> None:
    ids = await things(api)
    for template in READABLE:
        path = template.format(**ids)
        read, head = await api.http.get(path), await api.http.head(path)
        assert (head.status_code, head.content) == (read.status_code, b""), path
        assert read.status_code == 200, path
        known = read.headers.keys() - _FRESH - {"transfer-encoding"}
        if template != "/metrics":  # it counts the very calls that ask for it
            assert {n: head.headers[n] for n in known} == {n: read.headers[n] for n in known}, path


async def test_a_head_of_a_stream_does_not_wait_for_its_end(api: Api) -> None:
    job = await api.submit()
    head = await api.http.head(f"/v1/jobs/{job['id']}/events")
    assert (head.status_code, head.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert api.context.subscriptions.readers == 0


async def test_a_head_is_refused_with_the_status_of_a_get_and_no_body(api: Api) -> None:
    job = await api.submit()
    for path in ("/nowhere", "/v1/jobs/job_1", "/v1/jobs?limit=0", f"/v1/jobs/{job['id']}/output"):
        read, head = await api.http.get(path), await api.http.head(path)
        assert (head.status_code, head.content) == (read.status_code, b"")
        assert head.headers["content-type"] == "application/problem+json"
    known = (await api.http.get(f"/v1/jobs/{job['id']}")).headers["etag"]
    assert (await api.http.head(f"/v1/jobs/{job['id']}", headers={"If-None-Match": known})).status_code == 304
    assert (await api.http.head("/v1/jobs:validate")).status_code == 405
