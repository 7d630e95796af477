"""Idempotency-Key and the limits of submits."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from core.store.idempotency import OPEN_MS
from tests.api_fixture import ASK, Api, running_api
from tests.integration.test_api_uploads import MP4
from tests.lossy_redis import breaking


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


async def test_the_same_call_again_gets_the_first_answer_byte_for_byte(api: Api) -> None:
    first = await api.http.post("/v1/jobs", json=ASK, headers={"Idempotency-Key": '"4f1c"'})
    await api.http.post(f"/v1/jobs/{first.json()['id']}/cancel")
    again = await api.http.post("/v1/jobs", json=ASK, headers={"Idempotency-Key": "4f1c"})
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers


async def test_an_answer_is_not_given_again_before_the_replicas_have_it_either(
    api: Api, redis_url: str, tmp_path: Path
) -> None:
    headers = {"Idempotency-Key": "k"}
    async with running_api(redis_url, tmp_path, wait_replicas=1) as careful:
        asked = [await careful.http.post("/v1/jobs", json=ASK, headers=headers) for _ in range(2)]
        assert [(each.status_code, "retry-after" in each.headers) for each in asked] == [(503, True)] * 2
    again = await api.http.post("/v1/jobs", json=ASK, headers=headers)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")


async def test_a_call_that_was_made_is_answered_although_redis_goes_away_before_its_answer_is_kept(
    api: Api, redis_url: str, tmp_path: Path
) -> None:
    """A 503 would have its caller make it again, and it would be done twice once its key is free."""

    def keeps_an_answer(asked: bytes) -> bool:
        return b"HSET\r\n" in asked and b"answer\r\n" in asked

    async with breaking(redis_url, keeps_an_answer, arrives=False) as way, running_api(way, tmp_path) as unlucky:
        query = {"filename": "a.mp4"}
        made = await unlucky.http.post("/v1/uploads", params=query, content=MP4, headers={"Idempotency-Key": "k"})
        assert made.status_code == 201, made.text
        assert (await uploaded(api)).json() == made.json()


async def test_a_session_is_made_once_per_key_although_the_answer_of_redis_is_lost(
    api: Api, redis_url: str, tmp_path: Path
) -> None:
    def makes_a_session(asked: bytes) -> bool:
        return b"open_session" in asked

    async def make(asked: Api) -> httpx.Response:
        return await asked.http.post("/v1/sessions", headers={"Idempotency-Key": "k"})

    await api.http.post("/v1/sessions", headers={"Idempotency-Key": "known-to-redis"})
    async with breaking(redis_url, makes_a_session, arrives=True) as way, running_api(way, tmp_path) as unlucky:
        lost = await make(unlucky)
        unlucky.http.headers["Authorization"] = f"Bearer {api.key}"
        again = [await make(each) for each in (unlucky, api)]
    assert [lost.status_code, *(answer.status_code for answer in again)] == [503, 201, 201]
    assert again[0].content == again[1].content
    assert len((await api.http.get("/v1/sessions")).json()["data"]) == 2


async def uploaded(asked: Api, content: bytes = MP4) -> httpx.Response:
    """Upload a file under a key, again and again while it is said to be under way: no call needs half as long as keys are held."""
    async with asyncio.timeout(OPEN_MS / 2000):
        while True:
            answer = await asked.http.post(
                "/v1/uploads", params={"filename": "a.mp4"}, content=content, headers={"Idempotency-Key": "k"}
            )
            if answer.status_code != 409:
                return answer


async def test_a_key_is_free_again_at_once_where_nobody_heard_whether_it_was_taken(
    api: Api, redis_url: str, tmp_path: Path
) -> None:
    def takes_a_key(asked: bytes) -> bool:
        return b"hold_key" in asked

    await api.http.post("/v1/uploads", params={"filename": "b.mp4"}, content=MP4, headers={"Idempotency-Key": "other"})
    async with breaking(redis_url, takes_a_key, arrives=True) as way, running_api(way, tmp_path) as unlucky:
        assert (await uploaded(unlucky)).status_code == 503
        assert (await uploaded(api)).status_code == 201


async def test_a_refused_call_gives_its_key_back_although_redis_goes_away_before_that(
    api: Api, redis_url: str, tmp_path: Path
) -> None:
    def gives_a_key_back(asked: bytes) -> bool:
        return b"let_go_of_key" in asked

    async with breaking(redis_url, gives_a_key_back, arrives=False) as way, running_api(way, tmp_path) as unlucky:
        assert (await uploaded(unlucky, b"no film")).status_code == 415
        assert (await uploaded(api)).status_code == 201


async def test_a_replayed_call_that_waits_gets_the_ended_job(api: Api) -> None:
    headers = {"Idempotency-Key": "k", "Prefer": "wait=5"}
    job = (await api.http.post("/v1/jobs", json=ASK, headers={"Idempotency-Key": "k"})).json()
    await api.http.post(f"/v1/jobs/{job['id']}/cancel")
    again = await api.http.post("/v1/jobs", json=ASK, headers=headers)
    assert (again.status_code, again.json()["status"]) == (200, "canceled")


async def test_a_key_is_refused_for_another_body_and_belongs_to_one_tenant(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await api.http.post("/v1/jobs", json=ASK, headers=headers)
    other = await api.http.post("/v1/jobs", json=ASK | {"priority": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    async with await api.caller("other") as stranger:
        own = await stranger.post("/v1/jobs", json=ASK, headers=headers)
    assert own.status_code == 202
    assert own.json()["id"] != first.json()["id"]


async def test_a_rejected_request_does_not_use_its_key_up(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await api.http.post("/v1/jobs", json={"prompt": ""}, headers=headers)).status_code == 422
    assert (await api.http.post("/v1/jobs", json=ASK, headers=headers)).status_code == 202


async def test_a_hundred_parallel_submits_over_two_processes_give_one_job(
    api: Api, redis_url: str, tmp_path: Path
) -> None:
    heard = Counter[int]()

    async def call_until_answered(asked: Api) -> httpx.Response:
        answer = await asked.http.post("/v1/jobs", json=ASK, headers={"Idempotency-Key": "one"})
        heard[answer.status_code] += 1
        return await call_until_answered(asked) if answer.status_code == 503 else answer

    async with running_api(redis_url, tmp_path) as second:
        second.http.headers["Authorization"] = f"Bearer {api.key}"
        answers = await asyncio.gather(*(call_until_answered((api, second)[n % 2]) for n in range(100)))
    assert (heard[202], heard.keys() - {202, 503}) == (100, set())
    assert len({a.content for a in answers}) == 1
    firsts = sum("idempotency-replayed" not in a.headers for a in answers)
    assert firsts == 1 or (firsts == 0 and heard[503]), "who heard 503 may have been the first"
    assert len((await api.http.get("/v1/jobs")).json()["data"]) == 1


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256])
async def test_a_key_that_is_none_is_malformed(api: Api, key: str) -> None:
    answer = await api.http.post("/v1/jobs", json=ASK, headers=[(b"Idempotency-Key", key.encode())])
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_submits_past_the_limit_of_a_key_are_told_when_to_come_again(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, submits_per_minute=2) as api:
        one, two, three = [await api.http.post("/v1/jobs", json=ASK) for _ in range(3)]
        assert [one.headers["ratelimit"][:13], two.headers["ratelimit"][:13]] == ['"submit";r=1;', '"submit";r=0;']
        assert (three.status_code, three.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(three.headers["retry-after"]) <= 60
        assert three.headers["ratelimit-policy"] == '"submit";q=2;w=60'
        assert three.json()["retryable"] is True


async def test_a_full_queue_is_refused_without_using_the_limit_up(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, tenant_queued_jobs=1) as api:
        await api.submit()
        full = await api.http.post("/v1/jobs", json=ASK)
        assert (full.status_code, full.json()["code"]) == (429, "queue_full")
    async with running_api(redis_url, tmp_path, queue_limit=1) as api:
        over = await api.http.post("/v1/jobs", json=ASK)
        assert (over.status_code, over.json()["code"]) == (503, "overloaded")
        assert int(over.headers["retry-after"]) > 0
