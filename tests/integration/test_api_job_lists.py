"""Lists of jobs, filtered: by time, batch and metadata, on their own and together, page by page."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from core.clock import parse_rfc3339_ms, rfc3339
from core.store.jobs.queries import LOOKED_AT
from service.jobs.current_view import PAGE_BYTES
from tests.api_fixture import ASK, Api, running_api

HOUR_MS = int(timedelta(hours=1).total_seconds() * 1000)


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


async def listed(api: Api, **query: Any) -> list[str]:
    """Read a list page by page, to its end."""
    found: list[str] = []
    url = f"/v1/jobs?{urlencode(query)}"
    while url:
        answer = await api.http.get(url)
        assert answer.status_code == 200, answer.text
        found += [job["id"] for job in answer.json()["data"]]
        assert answer.json()["has_more"] == ("next" in answer.links)
        url = answer.links.get("next", {}).get("url", "")
    return found


async def submit_batch(api: Api, *jobs: dict[str, Any]) -> dict[str, Any]:
    answer = await api.http.post("/v1/batches", json={"jobs": [ASK | job for job in jobs]})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_jobs_are_found_by_what_their_metadata_says(api: Api) -> None:
    seven = (await api.submit(metadata={"order": "7", "shop [a]": "x&y"}))["id"]
    eight = (await api.submit(metadata={"order": "8"}))["id"]
    empty = (await api.submit(metadata={"order": ""}))["id"]
    assert await listed(api, **{"metadata[order]": "7"}) == [seven]
    assert await listed(api, **{"metadata[order]": "8", "limit": 1}) == [eight]
    assert await listed(api, **{"metadata[order]": ""}) == [empty]
    assert await listed(api, **{"metadata[shop [a]]": "x&y", "metadata[order]": "7"}) == [seven]
    assert await listed(api, **{"metadata[order]": "7", "metadata[other]": "7"}) == []
    assert await listed(api, **{"metadata[order]": "7", "status": "failed"}) == []


async def test_jobs_are_found_by_the_time_of_their_acceptance(api: Api) -> None:
    jobs = [await api.submit() for _ in range(3)]
    ids = [job["id"] for job in reversed(jobs)]
    first_ms, middle_ms = (parse_rfc3339_ms(job["created_at"]) for job in jobs[:2])
    assert await listed(api, created_after=jobs[0]["created_at"]) == ids, "from this time on"
    assert await listed(api, created_before=jobs[0]["created_at"]) == [], "before it, and not at it"
    window = {"created_after": rfc3339(first_ms - HOUR_MS), "created_before": rfc3339(first_ms + HOUR_MS), "limit": 1}
    assert await listed(api, **window) == ids
    assert await listed(api, created_after=rfc3339(first_ms + HOUR_MS)) == []
    assert await listed(api, created_before=rfc3339(first_ms - HOUR_MS)) == []
    before = await listed(api, created_before=rfc3339(middle_ms))
    after = await listed(api, created_after=rfc3339(middle_ms), profile=jobs[0]["profile"])
    assert after + before == ids, "windows that touch have each job once"


async def test_jobs_are_found_by_their_batch(api: Api) -> None:
    alone = await api.submit()
    batch = await submit_batch(api, {"metadata": {"order": "1"}}, {"metadata": {"order": "2"}}, {})
    other = await submit_batch(api, {})
    ids = [job["id"] for job in batch["jobs"]]
    assert await listed(api, batch_id=batch["id"]) == ids[::-1]
    assert await listed(api, batch_id=batch["id"], limit=1) == ids[::-1]
    assert await listed(api, **{"batch_id": batch["id"], "metadata[order]": "2"}) == [ids[1]]
    assert await listed(api, batch_id=other["id"], session_id=alone["session_id"]) == []
    assert await listed(api, batch_id="bat_none") == []


async def test_another_tenants_batch_and_metadata_find_nothing(api: Api) -> None:
    batch = await submit_batch(api, {"metadata": {"order": "7"}})
    other = await api.caller("other")
    async with other:
        for query in ({"batch_id": batch["id"]}, {"metadata[order]": "7"}):
            assert (await other.get("/v1/jobs", params=query)).json()["data"] == []


async def test_another_tenants_session_leads_to_no_cursor_however_many_jobs_it_has(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.jobs.queries.LOOKED_AT", 1)
    session_id = (await api.submit())["session_id"]
    await api.submit(session_id=session_id)
    async with await api.caller("other") as other:
        found = (await other.get("/v1/jobs", params={"session_id": session_id, "limit": 1})).json()
    assert found == {"data": [], "next_cursor": None, "has_more": False}


async def test_a_page_of_large_jobs_is_cut_where_it_would_keep_others_waiting(api: Api) -> None:
    media = [{"url": f"https://media.example.com/{n}.mp4?{'x' * 4000}"} for n in range(50)]
    ids = [(await api.submit(media=media))["id"] for _ in range(2 * PAGE_BYTES // 200_000)]
    first = await api.http.get("/v1/jobs?limit=100")
    assert len(first.content) <= PAGE_BYTES + 1000, "and what is around its rows"
    assert 10 < len(first.json()["data"]) < len(ids)
    assert first.json()["next_cursor"] == first.json()["data"][-1]["id"]
    assert await listed(api, limit=100) == ids[::-1]


async def test_a_rare_job_is_found_behind_pages_that_say_that_there_is_more(api: Api) -> None:
    rare = (await api.submit(metadata={"order": "rare"}))["id"]
    for _ in range(LOOKED_AT // 100 + 3):  # the last look may go a little further
        await submit_batch(api, *({} for _ in range(100)))
    query = {"metadata[order]": "rare"}
    first = (await api.http.get("/v1/jobs", params=query)).json()
    assert (first["data"], first["has_more"]) == ([], True)
    second = (await api.http.get("/v1/jobs", params=query | {"after": first["next_cursor"]})).json()
    assert [job["id"] for job in second["data"]] == [rare]
    assert (second["has_more"], second["next_cursor"]) == (False, None)


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ({"created_after": "yesterday"}, "/created_after", "invalid_value"),
        ({"created_before": "2026-11-20T00:00:00"}, "/created_before", "invalid_value"),
        ({"metadata": "7"}, "/metadata", "unknown_field"),
        ({"metadata[]": "7"}, "/metadata[]", "unknown_field"),
        ({"meta[order]": "7"}, "/meta[order]", "unknown_field"),
        ({"status[x]": "queued"}, "/status[x]", "unknown_field"),
        ({f"metadata[{n}]": "7" for n in range(11)}, "/metadata", "invalid_value"),
        ([("metadata[order]", "7"), ("metadata[order]", "8")], "/metadata[order]", "repeated_field"),
    ],
    ids=str,
)
async def test_what_is_no_filter_is_refused(api: Api, query: Any, pointer: str, code: str) -> None:
    answer = await api.http.get("/v1/jobs", params=query)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]
