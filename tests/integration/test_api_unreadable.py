"""The API over records that it cannot read: a clear problem for that one thing, and everything else as ever."""

from pathlib import Path

import msgspec
import pytest

from core.model.webhook import TenantWebhook
from core.store.idempotency import StoredResponse
from core.store.redis.keys import key
from core.store.tenants.api_keys import Caller
from service.jobs.prefer_wait import respond
from tests.api_fixture import ASK, Api, running_api

MP4 = b"\0\0\0\x18ftypisom" + b"\0" * 50
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


async def test_a_canceled_batch_says_which_of_its_jobs_may_go_on_and_stops_all_others(api: Api):
    ask = {"jobs": [ASK] * 3}
    batch = (await api.http.post("/v1/batches", json=ask)).json()
    ended, bad, good = (job["id"] for job in batch["jobs"])
    await api.http.post(f"/v1/jobs/{ended}/cancel")
    for job_id in (ended, bad):
        await api.context.store.redis.hset(key("job", job_id), "fmt", "9")
    for _ in range(2):
        answer = await api.http.post(f"/v1/batches/{batch['id']}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (503, "record_unreadable")
        assert (bad in answer.json()["detail"], ended in answer.json()["detail"]) == (True, False)
    assert (await api.http.get(f"/v1/jobs/{good}")).json()["status"] == "canceled"
    await api.context.store.redis.hset(key("job", bad), "fmt", "1")
    assert (await api.http.post(f"/v1/batches/{batch['id']}/cancel")).json()["status"] == "completed"


async def test_who_waits_for_a_job_that_a_newer_release_has_written_is_told_that_it_is_accepted(api: Api):
    accepted = StoredResponse((await api.submit())["id"], {}, b"{}")
    await api.context.store.redis.hset(key("job", accepted.id), "fmt", "9")
    answer = await respond(api.context, accepted, 60, Caller("acme", "key_1", frozenset()))
    assert (answer.status_code, answer.content) == (202, accepted.body)


async def test_sessions_uploads_batches_and_deliveries_say_so_too(api: Api):
    session = (await api.http.post("/v1/sessions", json={})).json()["id"]
    upload = (await api.http.post("/v1/uploads?filename=a.mp4", content=MP4)).json()["id"]
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


async def test_a_count_that_somebody_has_written_over_counts_as_nothing(redis_url: str, tmp_path: Path):
    async with running_api(redis_url, tmp_path, tenant_month_credits=50) as api:
        month = (await api.http.get("/v1/usage")).json()["month"]
        row = {"jobs_succeeded": "x", "jobs_failed": 2, "credits": "inf", "credits_estimated": "", "minutes": b"\xff"}
        await api.context.store.redis.hset(key("usage", "acme", month), mapping=row)
        usage = (await api.http.get("/v1/usage")).json()
        assert usage["jobs"] == {"succeeded": 0, "failed": 2, "canceled": 0, "expired": 0}
        assert (usage["credits"], usage["credits_estimated"], usage["minutes"]) == (0, 0, 0)
        await api.submit()


async def test_uploads_go_on_where_somebody_has_written_over_how_many_bytes_there_are(api: Api):
    await api.context.store.redis.set(key("stored", "acme"), "x")
    upload = await api.http.post("/v1/uploads?filename=a.mp4", content=MP4)
    assert upload.status_code == 201
    assert await api.context.uploads.stored_bytes("acme") == len(MP4)
    await api.context.store.redis.set(key("stored", "acme"), "x")
    assert (await api.http.delete(f"/v1/uploads/{upload.json()['id']}")).status_code == 204
    assert await api.context.uploads.stored_bytes("acme") == 0


async def test_events_of_a_release_that_tells_more_are_listed_with_it(api: Api):
    job = await api.submit()
    stream, feed = key("events", job["id"]), key("feed", "acme")
    (entry_id, event), *_ = await api.context.store.redis.xrange(stream)
    told = event | {b"body": msgspec.json.encode(msgspec.json.decode(event[b"body"]) | {"origin": "acme/7"})}
    for name in (stream, feed):
        await api.context.store.redis.delete(name)
        await api.context.store.redis.xadd(name, told, id=entry_id)
    for path in ("/v1/events", f"/v1/jobs/{job['id']}/events"):
        answer = await api.http.get(path, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        assert [(e["type"], e["origin"]) for e in answer.json()["data"]] == [("job.queued", "acme/7")]


async def test_signing_secrets_that_are_empty_are_replaced_by_a_new_one(api: Api):
    await api.context.store.redis.hset(key("tenant", "acme"), "secrets", b"")
    answer = await api.http.post("/v1/webhook:rotate-secret")
    assert await api.context.webhooks.signing_secrets("acme") == [answer.json()["secret"]]


async def test_of_a_batch_the_job_alone_is_refused_whose_upload_cannot_be_read(api: Api):
    upload_id = (await api.http.post("/v1/uploads?filename=a.mp4", content=MP4)).json()["id"]
    await api.context.store.redis.hset(key("upload", upload_id), "fmt", "9")
    jobs = [ASK, ASK | {"media": [{"upload_id": upload_id}]}]
    batch = (await api.http.post("/v1/batches", json={"jobs": jobs})).json()
    assert [item["status"] for item in batch["items"]] == [202, 503]
    assert batch["items"][1]["problem"]["code"] == "record_unreadable"
    shared = await api.http.post("/v1/batches", json={"jobs": jobs, "session": "shared"})
    assert (shared.status_code, shared.json()["code"]) == (503, "record_unreadable")


async def test_readyz_says_that_redis_was_replaced_by_one_that_takes_a_newer_release(api: Api):
    assert (await api.http.get("/readyz")).json()["status"] == "ok"
    await api.context.store.redis.hset(key("formats"), mapping={"written": 9, "oldest_reader": 9})
    answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "too old for this Redis" in answer.json()["warnings"][0]
