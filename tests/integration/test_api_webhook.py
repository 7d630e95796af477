"""Callbacks from the caller's side: the default target, its secret, what was sent, and sending it again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.clock import rfc3339
from core.events.delivery import Attempt, Delivery, DeliveryState
from core.ids import first_id, made_ms, new_id
from core.store.deliveries import Deliveries
from core.store.redis.keys import key
from core.store.rpc import PER_TENANT
from core.store.tokens.use import TokenUse
from service.jobs import redelivery
from tests.api_fixture import Api, running_api
from tests.job_ends import succeed
from tests.until import PATIENCE_S

URL = "https://hooks.example.com/in"


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path, callback_timeout_s=0.1) as running:
        yield running


async def dead_delivery(api: Api) -> str:
    """Let a callback die as a worker would, after one attempt."""
    job = await api.submit(webhook={"url": URL})
    await succeed(api.context, job["id"])
    ((delivery, _),) = await api.context.deliveries.of_job(job["id"])
    attempt = Attempt(at_ms=api.context.clock.now_ms(), status=500, latency_ms=12, excerpt="oops")
    gone = msgspec.structs.replace(delivery, state=DeliveryState.DEAD, attempts=(attempt,), round=1, why="Gave up.")
    await api.context.deliveries.record(gone, owner=None)
    return delivery.id


async def test_the_default_is_set_read_and_only_for_admins(api: Api) -> None:
    assert (await api.http.get("/v1/webhook")).json()["status"] == "unset"
    assert (await api.http.post("/v1/webhook:enable")).status_code == 404
    answer = await api.http.put("/v1/webhook", json={"url": URL, "events": ["job.failed", "job.failed"]})
    assert (answer.status_code, answer.json()["events"]) == (200, ["job.failed"])
    assert (await api.http.get("/v1/webhook")).json() == answer.json()
    refused = await api.http.put("/v1/webhook", json={"url": "https://localhost/x"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/url")
    async with await api.caller("acme", "read", "submit") as weak:
        assert (await weak.get("/v1/webhook")).status_code == 403


async def test_the_default_is_unset_and_the_next_job_has_nobody_to_tell(api: Api) -> None:
    secrets = await api.context.webhooks.signing_secrets("acme")
    await api.http.put("/v1/webhook", json={"url": URL, "events": ["job.queued"]})
    await api.submit()
    async with await api.caller("acme", "read", "submit") as weak:
        assert (await weak.delete("/v1/webhook")).status_code == 403
    for _ in range(2):
        assert (await api.http.delete("/v1/webhook")).status_code == 204
    assert (await api.http.get("/v1/webhook")).json()["status"] == "unset"
    job = await api.submit()
    assert (await api.http.get(f"/v1/jobs/{job['id']}/deliveries")).json()["data"] == []
    assert await api.context.webhooks.signing_secrets("acme") == secrets


async def sleeping_delivery(api: Api, **ask: Any) -> str:
    """Have a job's callback wait for its next attempt, in an hour."""
    job = await api.submit(**ask)
    await succeed(api.context, job["id"])
    ((delivery, _),) = await api.context.deliveries.of_job(job["id"])
    wake_ms = api.context.clock.now_ms() + 3_600_000
    asleep = msgspec.structs.replace(delivery, round=1, next_at_ms=wake_ms)
    await api.context.deliveries.record(asleep, owner=None, wake_ms=wake_ms)
    return delivery.id


async def test_who_may_only_read_sees_no_query_of_a_callbacks_url_in_which_tokens_stand(api: Api) -> None:
    asleep = await sleeping_delivery(api, webhook={"url": f"{URL}?token=secret"})
    async with await api.caller("acme", "read") as reader:
        listed = await reader.get("/v1/deliveries?status=pending")
        of_job = await reader.get(f"/v1/jobs/{listed.json()['data'][0]['job_id']}/deliveries")
    for answer in (listed, of_job):
        assert [(row["id"], row["url"]) for row in answer.json()["data"]] == [(asleep, URL)]
    delivery = await api.context.deliveries.load(asleep)
    assert delivery is not None
    assert delivery.url == f"{URL}?token=secret", "it goes there all the same"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PUT", "/v1/webhook", {"url": URL}), ("POST", "/v1/webhook:enable", None), ("DELETE", "/v1/webhook", None)],
)
async def test_what_waits_for_the_default_is_woken_when_that_changes(api, monkeypatch, method, path, body) -> None:
    monkeypatch.setattr("core.store.deliveries._WOKEN_AT_ONCE", 2)
    await api.http.put("/v1/webhook", json={"url": URL})
    asleep = [await sleeping_delivery(api) for _ in range(3)]
    assert (await api.http.request(method, path, json=body)).status_code < 300
    soon_ms = api.context.clock.now_ms() + 60_000
    scores = [await api.context.store.redis.zscore(key("arq_queue"), each) for each in asleep]
    assert all(score < soon_ms for score in scores)


async def test_what_waits_for_the_url_of_its_job_sleeps_on_when_the_default_changes(api) -> None:
    await api.http.put("/v1/webhook", json={"url": URL})
    asleep = await sleeping_delivery(api, webhook={"url": "https://other.example.com/in"})
    before = await api.context.store.redis.zscore(key("arq_queue"), asleep)
    for method in ("PUT", "DELETE"):
        assert (await api.http.request(method, "/v1/webhook", json={"url": URL})).status_code < 300
    assert await api.context.store.redis.zscore(key("arq_queue"), asleep) == before


async def test_what_is_being_sent_as_the_default_changes_stays_with_who_sends_it(api) -> None:
    await api.http.put("/v1/webhook", json={"url": URL})
    job = await api.submit()
    await succeed(api.context, job["id"])
    ((sent, _),) = await api.context.deliveries.of_job(job["id"])
    assert await api.context.deliveries.claim(sent.id, owner="worker:1", lease_ms=600_000)
    before = await api.context.store.redis.zscore(key("arq_queue"), sent.id)
    await api.http.put("/v1/webhook", json={"url": URL})
    assert await api.context.store.redis.zscore(key("arq_queue"), sent.id) == before


async def test_a_full_redis_still_unsets_it_and_tells_the_credits_that_were_read_last(api: Api) -> None:
    token_id = await api.context.tokens.add("nmv_usr_a", kind="operator")
    await TokenUse(api.context.store, api.context.clock).note_balance(token_id, available=100, frozen=10)
    await api.http.put("/v1/webhook", json={"url": URL, "events": ["job.queued"]})
    await api.submit()
    await api.context.store.redis.config_set("maxmemory", 1)
    try:
        balance = await api.http.get("/v1/credits")
        assert (balance.status_code, balance.json().get("available")) == (200, 100)
        assert (await api.http.delete("/v1/webhook")).status_code == 204
    finally:
        await api.context.store.redis.config_set("maxmemory", 0)
    assert (await api.http.get("/v1/webhook")).json()["status"] == "unset"


async def test_a_new_default_holds_for_the_very_next_job_on_every_process(
    api: Api, redis_url: str, tmp_path: Path
) -> None:
    async with running_api(redis_url, tmp_path) as second:
        second.http.headers["Authorization"] = f"Bearer {api.key}"
        await second.submit()
        await api.http.put("/v1/webhook", json={"url": URL, "events": ["job.queued"]})
        job = await second.submit()
    (told,) = (await api.http.get(f"/v1/jobs/{job['id']}/deliveries")).json()["data"]
    assert (told["type"], told["url"]) == ("job.queued", None)


async def test_a_disabled_url_says_since_when_and_why_until_it_is_enabled(api: Api) -> None:
    await api.http.put("/v1/webhook", json={"url": URL})
    webhook = await api.context.webhooks.default("acme")
    off = msgspec.structs.replace(webhook, state="disabled", disabled_at_ms=1_795_000_000_000, disabled_why="410")
    await api.context.webhooks.set_default("acme", off)
    read = (await api.http.get("/v1/webhook")).json()
    assert (read["status"], read["disabled_why"], read["disabled_at"]) == (
        "disabled",
        "410",
        rfc3339(1_795_000_000_000),
    )
    assert (await api.http.post("/v1/webhook:enable")).json()["status"] == "active"


async def test_enabling_takes_no_url_back_that_is_set_at_the_same_time(api: Api) -> None:
    for number in range(20):
        url = f"https://hooks.example.com/{number}"
        async with asyncio.TaskGroup() as both:
            both.create_task(api.http.put("/v1/webhook", json={"url": url}))
            both.create_task(api.http.post("/v1/webhook:enable"))
        assert (await api.http.get("/v1/webhook")).json()["url"] == url


async def test_a_new_secret_is_shown_once_and_both_sign(api: Api) -> None:
    (before,) = await api.context.webhooks.signing_secrets("acme")
    answer = (await api.http.post("/v1/webhook:rotate-secret")).json()
    assert answer["secret"].startswith("whsec_")
    assert await api.context.webhooks.signing_secrets("acme") == [answer["secret"], before]


async def test_a_test_is_done_by_a_worker_and_told_or_nobody_is_there(api: Api) -> None:
    await api.http.put("/v1/webhook", json={"url": URL})

    async def worker() -> None:
        rpc_request = await api.context.rpc.next(wait_s=PATIENCE_S)
        assert (rpc_request.kind, rpc_request.tenant) == ("webhook_test", "acme")
        await api.context.rpc.answer(rpc_request, b'{"status":204,"latency_ms":7,"excerpt":"ok","retry_after_s":null}')

    answer, _ = await asyncio.gather(api.http.post("/v1/webhook:test"), worker())
    assert answer.json() == {"delivered": True, "status": 204, "error": None, "answer": "ok", "latency_ms": 7}
    alone = await api.http.post("/v1/webhook:test")
    assert (alone.status_code, alone.json()["code"]) == (503, "unavailable")


async def test_a_tenant_with_many_tests_under_way_is_told_to_wait_for_one(api: Api) -> None:
    await api.http.put("/v1/webhook", json={"url": URL})
    under_way = [asyncio.create_task(api.http.post("/v1/webhook:test")) for _ in range(PER_TENANT)]
    taken = [await api.context.rpc.next(wait_s=PATIENCE_S) for _ in under_way]
    refused = await api.http.post("/v1/webhook:test")
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "rate_limited", "5")
    for rpc_request in taken:
        await api.context.rpc.answer(rpc_request, b'{"status":204,"latency_ms":7,"excerpt":"ok"}')
    assert {(await each).status_code for each in under_way} == {200}


async def test_what_was_sent_is_listed_with_each_attempt(api: Api) -> None:
    delivery_id = await dead_delivery(api)
    (dead,) = (await api.http.get("/v1/deliveries")).json()["data"]
    assert (dead["id"], dead["status"], dead["why"], dead["type"]) == (delivery_id, "dead", "Gave up.", "job.succeeded")
    assert [(a["status"], a["latency_ms"], a["answer"]) for a in dead["attempts"]] == [(500, 12, "oops")]
    assert (await api.http.get(f"/v1/jobs/{dead['job_id']}/deliveries")).json()["data"] == [dead]
    async with await api.caller("other") as stranger:
        assert (await stranger.get("/v1/deliveries")).json()["data"] == []
        assert (await stranger.post(f"/v1/deliveries/{delivery_id}/redeliver")).status_code == 404


async def test_one_is_sent_again_and_not_twice_at_once(api: Api) -> None:
    delivery_id = await dead_delivery(api)
    again = await api.http.post(f"/v1/deliveries/{delivery_id}/redeliver")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert (await api.http.get("/v1/deliveries")).json()["data"] == []
    assert (await api.http.post(f"/v1/deliveries/{delivery_id}/redeliver")).status_code == 409


async def test_one_that_waits_for_its_next_attempt_is_sent_at_once_where_that_is_asked_for(api: Api) -> None:
    delivery_id = await sleeping_delivery(api, webhook={"url": URL})
    again = await api.http.post(f"/v1/deliveries/{delivery_id}/redeliver")
    assert (again.status_code, again.json()["status"], again.json()["next_attempt_at"]) == (202, "pending", None)
    queued_at = await api.context.store.redis.zscore(key("arq_queue"), delivery_id)
    assert queued_at < api.context.clock.now_ms()
    twice = await api.http.post(f"/v1/deliveries/{delivery_id}/redeliver")
    assert (twice.status_code, twice.json()["code"]) == (409, "being_sent")


async def test_one_whose_job_is_deleted_as_it_is_sent_again_is_there_no_more(api: Api, monkeypatch) -> None:
    delivery_id, send_again = await dead_delivery(api), Deliveries.send_again

    async def and_delete(self: Deliveries, delivery: Delivery, **how: Any) -> Delivery:
        again = await send_again(self, delivery, **how)
        await api.http.delete(f"/v1/jobs/{delivery.job_id}")
        return again

    monkeypatch.setattr(Deliveries, "send_again", and_delete)
    answer = await api.http.post(f"/v1/deliveries/{delivery_id}/redeliver")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_time_range_is_sent_again(api: Api) -> None:
    ids = [await dead_delivery(api) for _ in range(3)]
    middle, _ = (await api.context.deliveries.load_many([ids[1]]))[0]
    none = await api.http.post(
        "/v1/deliveries:redeliver", json={"since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"}
    )
    assert (none.status_code, none.json()) == (202, {"count": 0, "has_more": False, "next_cursor": None})
    some = await api.http.post("/v1/deliveries:redeliver", json={"since": rfc3339(middle.created_at_ms)})
    assert some.json() == {"count": 2, "has_more": False, "next_cursor": None}
    assert [d["id"] for d in (await api.http.get("/v1/deliveries")).json()["data"]] == [ids[0]]
    older, newer = [await api.context.store.redis.zscore(key("arq_queue"), each) for each in ids[1:]]
    assert 0 < newer < older, "they stand behind all that others wait for"
    wrong = await api.http.post("/v1/deliveries:redeliver", json={"since": "yesterday"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/since")


async def test_a_range_is_found_without_reading_what_was_made_since(api: Api) -> None:
    delivery_id, later = await dead_delivery(api), made_ms(new_id("dlv")) + 3_600_000
    since = {f"{first_id('dlv', later + number)}-7000-8000-000000000000": 0 for number in range(2000)}
    await api.context.store.redis.zadd(key("deliveries", "acme", "dead"), since)
    before = await commands(api)
    told = await api.http.post("/v1/deliveries:redeliver", json={"since": rfc3339(0)})
    assert (told.json()["count"], (await commands(api)) - before < len(since)) == (1, True)
    assert (await api.context.deliveries.load(delivery_id)).state is DeliveryState.PENDING


async def commands(api: Api) -> int:
    stats = await api.context.store.redis.info("commandstats")
    return sum(row["calls"] for row in stats.values())


async def test_a_range_of_more_than_one_call_is_sent_again_once_each(api: Api, monkeypatch) -> None:
    monkeypatch.setattr(redelivery, "RANGE_AT_ONCE", 2)
    ids = [await dead_delivery(api) for _ in range(5)]
    body, counts = {"since": "2020-01-01T00:00:00Z", "after": None}, []
    while not counts or body["after"]:
        told = (await api.http.post("/v1/deliveries:redeliver", json=body)).json()
        assert told["has_more"] == (told["next_cursor"] is not None)
        counts.append(told["count"])
        body["after"] = told["next_cursor"]
        for delivery_id in ids:  # whatever is sent dies at once, as where its receiver answers 410
            delivery = await api.context.deliveries.load(delivery_id)
            gone = msgspec.structs.replace(delivery, state=DeliveryState.DEAD)
            await api.context.deliveries.record(gone, owner=None)
    assert counts == [2, 2, 1]
    wrong = await api.http.post("/v1/deliveries:redeliver", json=body | {"after": "dlv_x"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/after")


async def test_credits_are_read_by_a_worker_and_summed_from_the_pool(api: Api) -> None:
    unknown = (await api.http.get("/v1/credits")).json()
    assert unknown == {"available": None, "frozen": None, "total": None, "as_of": None}
    for secret, available in (("nmv_usr_a", 100), ("nmv_usr_b", 50)):
        token_id = await api.context.tokens.add(secret, kind="operator")
        await TokenUse(api.context.store, api.context.clock).note_balance(token_id, available=available, frozen=10)
    known = (await api.http.get("/v1/credits")).json()
    assert (known["available"], known["frozen"], known["total"]) == (150, 20, 170)
    assert known["as_of"].endswith("Z")
