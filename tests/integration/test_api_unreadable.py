"""The API over records that it cannot read: a clear problem for that one thing, and everything else as ever."""

from pathlib import Path

import pytest

from core.model.webhook import TenantWebhook
from core.store.idempotency import StoredResponse
from core.store.redis.keys import key
from service.jobs.prefer_wait import respond
from tests.api_fixture import Api, running_api

CALLS = ("", "/events", "/timeline", "/output", "/deliveries")


@pytest.fixture
async def api(redis_url: str, tmp_path: Path):
    async with running_api(redis_url, tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    "how", [{"rec": b"\x81"}, {"fmt": "3"}, {"fmt": "9" * 5000}], ids=["rec", "newer", "no number"]
)
async def test_a_job_that_cannot_be_read_says_so_and_the_others_are_shown(api: Api, how: dict[str, str]):
    bad, good = await api.submit(), await api.submit()
    await api.context.store.redis.hset(key("job", bad["id"]), mapping=how)
    for call in CALLS:
        answer = await api.http.get(f"/v1/jobs/{bad['id']}{call}", headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (503, "record_unreadable"), call
        assert answer.json()["retryable"] is True
        assert "newer release" in answer.json()["detail"]
        assert answer.headers["Retry-After"]
        async with await api.caller("other") as stranger:
            foreign = await stranger.get(f"/v1/jobs/{bad['id']}{call}", headers={"Accept": "application/json"})
            assert foreign.status_code == 404, call
    for path in ("cancel", "replay"):
        answer = await api.http.post(f"/v1/jobs/{bad['id']}/{path}", json={} if path == "replay" else None)
        assert answer.json()["code"] == "record_unreadable"
    assert (await api.http.delete(f"/v1/jobs/{bad['id']}")).json()["code"] == "record_unreadable"
    assert [job["id"] for job in (await api.http.get("/v1/jobs")).json()["data"]] == [good["id"]]
    assert (await api.http.get(f"/v1/jobs/{good['id']}")).status_code == 200


async def test_who_waits_for_a_job_that_a_newer_release_has_written_is_told_that_it_is_accepted(api: Api):
    accepted = StoredResponse((await api.submit())["id"], {}, b"{}")
    await api.context.store.redis.hset(key("job", accepted.id), "fmt", "9")
    answer = await respond(api.context, accepted, 60)
    assert (answer.status_code, answer.content) == (202, accepted.body)


async def test_sessions_uploads_batches_and_deliveries_say_so_too(api: Api):
    session = (await api.http.post("/v1/sessions", json={})).json()["id"]
    upload = (await api.http.post("/v1/uploads?filename=a.mp4", content=b"\0\0\0\x18ftypisom" + b"\0" * 50)).json()[
        "id"
    ]
    batch = (await api.http.post("/v1/batches", json={"jobs": [{"prompt": "how many credits do I have?"}]})).json()[
        "id"
    ]
    things = {"session": ("sessions", session), "upload": ("uploads", upload), "batch": ("batches", batch)}
    for shape, (path, item_id) in things.items():
        await api.context.store.redis.hset(key(shape, item_id), "rec", b"\x81")
        answer = await api.http.get(f"/v1/{path}/{item_id}")
        assert (answer.status_code, answer.json()["code"]) == (503, "record_unreadable"), path
        async with await api.caller("other") as stranger:
            assert (await stranger.get(f"/v1/{path}/{item_id}")).status_code == 404, path
    assert (await api.http.get("/v1/sessions")).json()["data"] == []


async def test_a_default_webhook_that_cannot_be_read_takes_no_job_whose_callback_it_would_lose(api: Api):
    await api.context.webhooks.set_default("acme", TenantWebhook(url="https://a.example/"))
    await api.context.store.redis.hset(key("tenant", "acme"), "webhook", b"\x81")
    answer = await api.http.post("/v1/jobs", json={"prompt": "how many credits do I have?"})
    assert (answer.status_code, answer.json()["code"]) == (503, "record_unreadable")
    assert (await api.http.get("/v1/jobs")).json()["data"] == []


async def test_readyz_says_that_redis_was_replaced_by_one_that_takes_a_newer_release(api: Api):
    assert (await api.http.get("/readyz")).json()["status"] == "ok"
    await api.context.store.redis.hset(key("formats"), mapping={"written": 9, "oldest_reader": 9})
    answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "too old for this Redis" in answer.json()["warnings"][0]
