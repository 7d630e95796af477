"""Events of jobs: streamed, resumed on any process, listed, and the feed of a tenant."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.clock import HandClock
from core.model import transitions
from core.store.events import StoredEvent
from core.store.redis.functions import EVENTS_PER_JOB
from core.store.redis.keys import EVENTS_CHANNEL, key
from service.jobs import event_stream
from service.routes.events import _rows
from tests.api_fixture import Api, client_of, running_api
from tests.job_ends import OWNER, running, told
from tests.until import PATIENCE_S


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


class Follower:
    """Reads Server-Sent Events as they come: ``{"id", "event", "data"}``."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> dict[str, Any] | None:
        """Give the next event; None where the stream has ended."""
        fields: dict[str, Any] = {}
        async for line in self._lines:
            if not line and "event" in fields:
                return fields | {"data": json.loads(fields["data"])}
            name, _, value = line.partition(": ")
            fields[name] = value
        return None

    async def rest(self) -> list[dict[str, Any]]:
        found = []
        while event := await self.next():
            found.append(event)
        return found


@asynccontextmanager
async def following(client: httpx.AsyncClient, job_id: str, *, after: str | None = None) -> AsyncIterator[Follower]:
    headers = {"Last-Event-ID": after} if after else {}
    async with client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Follower(answer)


async def test_a_stream_begins_with_a_snapshot_and_ends_with_the_end(api: Api) -> None:
    job = await api.submit()
    async with following(api.http, job["id"]) as reader:
        snapshot = await reader.next()
        assert snapshot["event"] == "snapshot"
        assert snapshot["id"].startswith("evt_")
        assert snapshot["data"]["data"]["job"]["id"] == job["id"]
        await api.http.post(f"/v1/jobs/{job['id']}/cancel")
        end = await reader.next()
        assert (end["event"], end["data"]["type"]) == ("job.canceled", "job.canceled")
        assert end["id"] > snapshot["id"]
        assert await reader.next() is None


async def test_nobody_on_the_way_is_to_hold_a_stream_back(api: Api) -> None:
    job = await api.submit()
    async with following(api.http, job["id"]) as reader:
        assert reader.answer.headers["cache-control"] == "no-store, no-transform"  # what is compressed comes in blocks
        assert reader.answer.headers["x-accel-buffering"] == "no"


async def test_an_event_is_one_line_for_every_reader_of_lines_whatever_its_prompt_holds(api: Api) -> None:
    prompt = "trim \u2028 the \u2029 first \x85 second"
    job = await api.submit(prompt=prompt)
    async with following(api.http, job["id"]) as reader:
        snapshot = await reader.next()
        assert snapshot["data"]["data"]["job"]["input"]["prompt"] == prompt


async def test_a_stream_says_when_to_come_back(api: Api) -> None:
    job = await api.submit()
    async with api.http.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        assert (await anext(answer.aiter_bytes())).startswith(b"retry: 3000\n\n")


async def test_a_reader_goes_on_at_any_id_on_any_process_without_gap_or_repeat(
    api: Api, redis_url: str, tmp_path: Path
) -> None:
    job = await api.submit()
    listed = (await api.http.get(f"/v1/jobs/{job['id']}/events", headers={"Accept": "application/json"})).json()
    first = listed["data"][0]
    assert (first["type"], first["data"]["job"]["status"]) == ("job.queued", "queued")
    await api.http.post(f"/v1/jobs/{job['id']}/cancel")
    async with running_api(redis_url, tmp_path) as second:
        second.http.headers["Authorization"] = f"Bearer {api.key}"
        async with following(second.http, job["id"], after=first["id"]) as reader:
            events = await reader.rest()
            assert [e["event"] for e in events] == ["job.canceled"]
        again = await second.http.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": events[0]["id"]})
        assert (again.status_code, again.content) == (204, b"")


async def ended_job(api: Api) -> str:
    job = await api.submit()
    await api.http.post(f"/v1/jobs/{job['id']}/cancel")
    return job["id"]


async def come_back(api: Api, job_id: str, after: str, *, how: str = "header", method: str = "GET") -> httpx.Response:
    """Ask for a job's stream as a browser does that has seen the event `after`."""
    named = {"headers": {"Last-Event-ID": after}} if how == "header" else {"params": {"after": after}}
    return await api.http.request(method, f"/v1/jobs/{job_id}/events", **named)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("how", ["header", "query"])
async def test_who_comes_back_after_the_end_with_the_last_id_is_told_to_stop(api: Api, how: str, method: str) -> None:
    job_id = await ended_job(api)
    events = (await api.context.events.of_job(job_id)).events
    assert (await come_back(api, job_id, events[-1].id, how=how, method=method)).status_code == 204
    assert (await come_back(api, job_id, events[0].id, how=how, method=method)).status_code == 200


async def test_who_has_the_last_event_of_a_job_that_goes_on_still_waits_for_the_end(api: Api) -> None:
    job = await api.submit()
    last_id = await api.context.events.last_id(job["id"])
    async with following(api.http, job["id"], after=last_id) as reader:
        await api.http.post(f"/v1/jobs/{job['id']}/cancel")
        assert [e["event"] for e in await reader.rest()] == ["job.canceled"]


#: well-formed, and later than any event: another job's, or one that a failover lost
LATER = "evt_ffffffff-ffff-7fff-bfff-ffffffffffff"


async def test_an_id_that_is_later_than_all_events_is_none_of_them(api: Api) -> None:
    job = await api.submit()
    async with following(api.http, job["id"], after=LATER) as reader:
        assert [(await reader.next())["event"], (await reader.next())["event"]] == ["reset", "snapshot"]
        await api.http.post(f"/v1/jobs/{job['id']}/cancel")
        assert [e["event"] for e in await reader.rest()] == ["job.canceled"]
    async with following(api.http, job["id"], after=LATER) as reader:
        again = await reader.rest()
    assert [e["event"] for e in again] == ["reset", "snapshot"]
    assert (await come_back(api, job["id"], again[-1]["id"])).status_code == 204


async def test_the_last_id_is_known_in_whatever_spelling(api: Api) -> None:
    job_id = await ended_job(api)
    last_id = await api.context.events.last_id(job_id)
    assert (await come_back(api, job_id, f"{last_id[:-12]}{'0' * 12}")).status_code == 204


@pytest.mark.parametrize("removal", ["kept", "deleted", "trimmed", "forgotten"])
async def test_a_browser_that_takes_each_id_it_is_sent_stops_in_the_end(api: Api, removal: str) -> None:
    job_id = await ended_job(api)
    last_id = (await api.context.events.of_job(job_id)).events[0].id
    if removal == "deleted":
        assert (await api.http.delete(f"/v1/jobs/{job_id}")).status_code == 200
    if removal == "trimmed":
        await api.context.store.redis.xtrim(key("events", job_id), maxlen=1, approximate=False)
    if removal == "forgotten":
        await api.context.store.redis.delete(key("events", job_id))
    for _ in range(3):
        answer = await come_back(api, job_id, last_id)
        if answer.status_code == 204:
            return
        last_id = [line[4:] for line in answer.text.splitlines() if line.startswith("id: ")][-1]
    pytest.fail("It asks for ever.")


async def test_a_snapshot_of_an_ended_job_is_all_there_is(api: Api) -> None:
    job = await api.submit()
    await api.http.post(f"/v1/jobs/{job['id']}/cancel")
    async with following(api.http, job["id"]) as reader:
        events = await reader.rest()
    assert [(e["event"], e["data"]["data"]["job"]["status"]) for e in events] == [("snapshot", "canceled")]


async def test_the_list_of_a_job_says_whether_its_history_was_trimmed(api: Api) -> None:
    job = await api.submit()
    first = (await api.context.events.of_job(job["id"])).events[0]
    await api.http.post(f"/v1/jobs/{job['id']}/cancel")

    async def is_trimmed(**query: str) -> bool:
        headers = {"Accept": "application/json"}
        answer = await api.http.get(f"/v1/jobs/{job['id']}/events", params=query, headers=headers)
        return answer.json()["trimmed"]

    assert [await is_trimmed(), await is_trimmed(after=first.id)] == [False, False]
    await api.context.store.redis.xtrim(key("events", job["id"]), maxlen=1, approximate=False)
    assert [await is_trimmed(), await is_trimmed(after=first.id)] == [True, True]


async def test_the_feed_says_that_it_knows_nothing_of_an_id_and_has_its_reader_begin_anew(api: Api) -> None:
    await api.submit()
    page = (await api.http.get("/v1/events")).json()
    assert page["trimmed"] is False
    page = (await api.http.get("/v1/events", params={"after": page["next_cursor"]})).json()
    assert (page["data"], page["trimmed"], page["next_cursor"] is None) == ([], False, False)
    page = (await api.http.get("/v1/events", params={"after": LATER})).json()
    assert (page["data"], page["trimmed"], page["next_cursor"], page["has_more"]) == ([], True, None, False)


async def test_trimmed_history_gives_a_reset_and_a_snapshot(api: Api) -> None:
    job = await api.submit()
    first = (await api.context.events.of_job(job["id"])).events[0]
    await api.http.post(f"/v1/jobs/{job['id']}/cancel")
    await api.context.store.redis.xtrim(key("events", job["id"]), maxlen=1, approximate=False)
    async with following(api.http, job["id"], after=first.id) as reader:
        assert [e["event"] for e in await reader.rest()] == ["reset", "snapshot"]


async def test_the_list_of_a_job_s_events_has_its_end_however_many_were_before_it(api: Api) -> None:
    job_id = (await api.submit())["id"]
    now = await running(api.context, job_id)
    for n in range(EVENTS_PER_JOB + 10):
        noted = transitions.progress_noted(now, str(n))
        now = await api.context.jobs.commit(now, noted, owner=OWNER, event=await told(api.context, now, noted))
    await api.http.post(f"/v1/jobs/{job_id}/cancel")
    listed = (await api.http.get(f"/v1/jobs/{job_id}/events", headers={"Accept": "application/json"})).json()
    assert listed["data"][-1]["id"] == await api.context.events.last_id(job_id)
    assert listed["has_more"] is False


async def test_a_list_shows_events_as_they_are_written_without_reading_them(api: Api) -> None:
    """To read and write a job's hundreds anew would keep all other callers waiting."""
    written = b'{"type" : "job.progress",  "timestamp":"-", "data":{"job": {"a":1.50}}}'
    [row] = _rows(api.context, [StoredEvent("evt_1", "job.progress", written)])
    assert bytes(row) == b'{"id":"evt_1",' + written[1:]


async def test_many_readers_share_one_subscription_and_leave_nothing_behind(api: Api) -> None:
    jobs = [await api.submit() for _ in range(3)]
    limits = httpx.Limits(max_connections=200)
    headers = {"Authorization": f"Bearer {api.key}"}
    async with httpx.AsyncClient(
        base_url=api.url, headers=headers, trust_env=False, limits=limits, timeout=PATIENCE_S
    ) as many:
        opened = asyncio.Semaphore(0)

        async def read(job_id: str) -> list[str]:
            async with following(many, job_id) as reader:
                first = await reader.next()
                opened.release()
                return [first["event"], *[e["event"] for e in await reader.rest()]]

        readers = [asyncio.create_task(read(jobs[n % 3]["id"])) for n in range(150)]
        for _ in readers:
            await opened.acquire()
        subscribers = await api.context.store.redis.pubsub_numsub("rg:events")
        assert subscribers[0][1] == 1
        assert api.context.subscriptions.readers == 150
        for job in jobs:
            await api.http.post(f"/v1/jobs/{job['id']}/cancel")
        assert {tuple(await r) for r in readers} == {("snapshot", "job.canceled")}
    assert api.context.subscriptions.readers == 0


async def test_a_reader_that_vanishes_is_forgotten(api: Api) -> None:
    job = await api.submit()
    async with following(api.http, job["id"]) as reader:
        await reader.next()
        assert api.context.subscriptions.readers == 1
    async with asyncio.timeout(PATIENCE_S):
        while api.context.subscriptions.readers:
            await api.http.get("/livez")


async def test_readers_go_on_when_their_subscription_broke(api: Api) -> None:
    job = await api.submit()
    async with following(api.http, job["id"]) as reader:
        await reader.next()
        await api.context.store.redis.client_kill_filter(_type="pubsub")
        await api.http.post(f"/v1/jobs/{job['id']}/cancel")
        assert [e["event"] for e in await reader.rest()] == ["job.canceled"]


async def test_readers_go_on_after_a_message_that_nobody_can_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 10 * PATIENCE_S)
    job = await api.submit()
    async with following(api.http, job["id"]) as reader, asyncio.timeout(PATIENCE_S):
        await reader.next()
        await api.context.store.redis.publish(EVENTS_CHANNEL, b"\xff")
        await api.http.post(f"/v1/jobs/{job['id']}/cancel")
        assert [e["event"] for e in await reader.rest()] == ["job.canceled"]


async def test_a_stream_ends_ten_seconds_after_its_key_was_revoked(redis_url: str, tmp_path: Path) -> None:
    clock = HandClock()
    async with running_api(redis_url, tmp_path, clock=clock) as api:
        job = await api.submit()
        issued = await api.context.api_keys.create("acme", scopes=("read",))
        async with client_of(api.url, issued.secret) as reader, following(reader, job["id"]) as stream:
            assert (await stream.next())["event"] == "snapshot"
            await api.context.api_keys.revoke(issued.id)
            clock.turn(by_s=10)
            await api.http.post(f"/v1/jobs/{job['id']}/cancel")
            assert await stream.rest() == []
            assert (await reader.get(f"/v1/jobs/{job['id']}/events")).status_code == 401


async def test_all_streams_of_a_key_ask_together_once_in_ten_seconds_whether_it_holds(
    redis_url: str, tmp_path: Path
) -> None:
    clock = HandClock()
    async with running_api(redis_url, tmp_path, clock=clock) as api:
        [key_id] = [row.id for row in await api.context.api_keys.of_tenant("acme")]
        assert [await api.context.cache.holds(key_id) for _ in range(3)] == [True] * 3
        asked_before = await times_asked_for_a_key(api)
        assert [await api.context.cache.holds(key_id) for _ in range(3)] == [True] * 3
        assert await times_asked_for_a_key(api) == asked_before
        clock.turn(by_s=10)
        assert await api.context.cache.holds(key_id)
        assert await times_asked_for_a_key(api) == asked_before + 1


async def times_asked_for_a_key(api: Api) -> int:
    stats = await api.context.store.redis.info("commandstats")
    return int(stats["cmdstat_exists"]["calls"])


async def test_the_feed_holds_all_events_of_a_tenant_in_order(api: Api) -> None:
    jobs = [await api.submit() for _ in range(3)]
    await api.http.post(f"/v1/jobs/{jobs[1]['id']}/cancel")
    first = (await api.http.get("/v1/events", params={"limit": 2})).json()
    assert [e["data"]["job"]["id"] for e in first["data"]] == [jobs[0]["id"], jobs[1]["id"]]
    assert first["has_more"] is True
    rest = (await api.http.get("/v1/events", params={"after": first["next_cursor"]})).json()
    assert [(e["type"], e["data"]["job"]["id"]) for e in rest["data"]] == [
        ("job.queued", jobs[2]["id"]),
        ("job.canceled", jobs[1]["id"]),
    ]
    last = (await api.http.get("/v1/events", params={"after": rest["next_cursor"]})).json()
    assert (last["data"], last["has_more"]) == ([], False)
    async with await api.caller("other") as stranger:
        assert (await stranger.get("/v1/events")).json()["data"] == []
