"""Idempotency-Key on every call that makes or sends something: done once, answered alike, and free again where refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from core.clock import rfc3339
from core.events.delivery import DeliveryState
from core.store.redis.keys import key
from service.idempotency import parse_key
from tests.api_fixture import Api, running_api
from tests.integration.test_api_uploads import MP4, PNG, files_in, presigned, s3_api
from tests.integration.test_api_webhook import URL, dead_delivery
from tests.openapi_check import document
from tests.s3_fixture import s3
from tests.until import PATIENCE_S

__all__ = ["s3", "s3_api"]

KEY = {"Idempotency-Key": '"4f1c"'}
#: nothing more comes of these when they are called again, or they take nothing at all
SAFE_TO_REPEAT = {"cancelBatch", "cancelJob", "completeUpload", "enableWebhook", "rotateSecret", "validateJob"}


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path, callback_timeout_s=0.1) as running:
        yield running


def same(again: httpx.Response, first: httpx.Response) -> bool:
    """Whether an answer is the first one once more, byte for byte, and says so."""
    alike = (again.status_code, again.content) == (first.status_code, first.content)
    return alike and again.headers.get("idempotency-replayed") == "true" and "idempotency-replayed" not in first.headers


def test_every_post_takes_a_key_or_is_safe_to_repeat() -> None:
    posts = [methods["post"] for methods in document()["paths"].values() if "post" in methods]
    keyed = {p["operationId"] for p in posts if "Idempotency-Key" in [q["name"] for q in p.get("parameters", [])]}
    assert keyed.isdisjoint(SAFE_TO_REPEAT)
    assert keyed | SAFE_TO_REPEAT == {post["operationId"] for post in posts}
    for post in posts:
        if post["operationId"] in keyed:
            assert {"409", "422"} <= post["responses"].keys()
            made = [r for status, r in post["responses"].items() if status.startswith("2")]
            assert all("Idempotency-Replayed" in answer["headers"] for answer in made)


async def sent(api: Api, content: bytes, *, name: str = "a.mp4") -> httpx.Response:
    return await api.http.post("/v1/uploads", params={"filename": name}, content=content, headers=KEY)


async def test_the_same_file_under_one_key_is_kept_once(api: Api, tmp_path: Path) -> None:
    first = await sent(api, MP4)
    assert same(await sent(api, MP4), first)
    assert (await sent(api, MP4)).headers["location"] == first.headers["location"]
    assert len(files_in(tmp_path)) == 1
    assert await api.context.uploads.stored_bytes("acme") == len(MP4)


@pytest.mark.parametrize(
    ("content", "name"), [(MP4 + b"x", "a.mp4"), (MP4[:-1], "a.mp4"), (MP4, "b.mp4"), (PNG, "a.png")]
)
async def test_another_file_under_a_used_key_is_refused_and_not_kept(
    api: Api, tmp_path: Path, content: bytes, name: str
) -> None:
    await sent(api, MP4)
    other = await sent(api, content, name=name)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(files_in(tmp_path)) == 1


async def test_a_form_is_the_same_although_its_boundary_is_new_each_time(api: Api, tmp_path: Path) -> None:
    first, again = [await api.http.post("/v1/uploads", files={"file": ("a.mp4", MP4)}, headers=KEY) for _ in range(2)]
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert same(again, first)
    assert same(await sent(api, MP4), first), "and the same as without a form"
    assert len(files_in(tmp_path)) == 1


async def test_a_refused_upload_gives_its_key_back(api: Api) -> None:
    assert (await sent(api, PNG)).status_code == 415
    assert (await sent(api, MP4)).status_code == 201


async def test_an_upload_that_still_comes_holds_its_key_and_one_that_broke_off_gives_it_back(api: Api) -> None:
    half = asyncio.Event()
    over = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield MP4
        half.set()
        await over.wait()
        raise ConnectionAbortedError

    async with httpx.AsyncClient(
        base_url=api.url, headers=api.http.headers, trust_env=False, timeout=PATIENCE_S
    ) as other:
        query = {"filename": "a.mp4"}
        breaking = asyncio.create_task(other.post("/v1/uploads", params=query, content=chunks(), headers=KEY))
        await half.wait()
        taken = key("idempotency", "acme", parse_key("4f1c", path="/v1/uploads", body=b"").key_hash)
        async with asyncio.timeout(PATIENCE_S):
            while not await api.context.store.redis.exists(taken):
                await api.http.get("/livez")
        busy = await sent(api, MP4)
        assert (busy.status_code, busy.json()["code"], busy.headers["retry-after"]) == (409, "in_progress", "1")
        over.set()
        with pytest.raises(ConnectionAbortedError):
            await breaking
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await sent(api, MP4)).status_code == 409:
            pass
    assert answer.status_code == 201


async def test_of_many_uploads_at_once_over_two_processes_one_is_kept(api: Api, redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path) as second:
        second.http.headers["Authorization"] = f"Bearer {api.key}"
        answers = await asyncio.gather(*(sent((api, second)[n % 2], MP4) for n in range(20)))
    assert {a.status_code for a in answers} <= {201, 409}
    kept = [a for a in answers if a.status_code == 201]
    assert len({a.content for a in kept}) == 1
    assert len(files_in(tmp_path)) == 1


async def test_a_callback_is_sent_again_once_per_key(api: Api) -> None:
    path = f"/v1/deliveries/{await dead_delivery(api)}/redeliver"
    first = await api.http.post(path, headers=KEY)
    assert first.status_code == 202
    assert same(await api.http.post(path, headers=KEY), first)
    assert (await api.http.post(path)).status_code == 409, "without the key it is refused as what it is"


async def test_a_range_of_callbacks_is_sent_again_once_per_key(api: Api) -> None:
    await dead_delivery(api)
    ask = {"since": rfc3339(0)}
    first = await api.http.post("/v1/deliveries:redeliver", json=ask, headers=KEY)
    assert first.json()["count"] == 1
    await dead_delivery(api)
    assert same(await api.http.post("/v1/deliveries:redeliver", json=ask, headers=KEY), first)
    other = await api.http.post("/v1/deliveries:redeliver", json={"since": rfc3339(1)}, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len((await api.http.get("/v1/deliveries")).json()["data"]) == 1


async def test_a_range_leads_on_to_its_rest_although_what_was_sent_again_has_arrived(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that only ever asks for the newest is given them again and again, and calls its receiver for ever."""
    monkeypatch.setattr("service.jobs.redelivery.RANGE_AT_ONCE", 2)
    made = [await dead_delivery(api) for _ in range(3)]
    ask: dict[str, str] = {"since": rfc3339(0)}
    sent = []
    while True:
        answer = (await api.http.post("/v1/deliveries:redeliver", json=ask)).json()
        pending = (await api.http.get("/v1/deliveries", params={"status": "pending"})).json()["data"]
        sent += [delivery["id"] for delivery in pending]
        for delivery, _ in await api.context.deliveries.load_many([each["id"] for each in pending]):
            await api.context.deliveries.record(
                msgspec.structs.replace(delivery, state=DeliveryState.DEAD, why="Gave up."), owner=None
            )
        if not answer["has_more"]:
            break
        ask |= {"after": answer["next_cursor"]}
    assert sent == made[::-1]


async def test_a_test_call_is_sent_once_per_key_and_a_failed_one_gives_it_back(api: Api) -> None:
    await api.http.put("/v1/webhook", json={"url": URL})
    assert (await api.http.post("/v1/webhook:test", headers=KEY)).status_code == 503, "no worker is there"

    async def worker() -> None:
        rpc_request = await api.context.rpc.next(wait_s=PATIENCE_S)
        await api.context.rpc.answer(rpc_request, b'{"status":204,"latency_ms":7,"excerpt":"ok"}')

    first, _ = await asyncio.gather(api.http.post("/v1/webhook:test", headers=KEY), worker())
    assert first.json()["delivered"] is True
    assert same(await api.http.post("/v1/webhook:test", headers=KEY), first)
    assert await api.context.store.redis.llen(key("rpc_requests")) == 0


async def test_one_place_is_given_out_per_key(s3_api: Api) -> None:
    async def asked(name: str) -> httpx.Response:
        return await s3_api.http.post("/v1/uploads:presign", params={"filename": name}, headers=KEY)

    first = await asked("a.mp4")
    assert first.status_code == 201
    assert same(await asked("a.mp4"), first)
    assert (await asked("b.mp4")).status_code == 422
    assert (await presigned(s3_api))["id"] != first.json()["id"]
