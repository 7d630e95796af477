"""While Redis is away: every call hears of it within a second, however many call at once, and all goes on afterwards.

What a busy machine takes is not Redis's doing: `/livez`, which asks nobody, is called among the others, and what it takes
comes on top of the second.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
import redis

from core.clock import stopwatch_s
from core.store.idempotency import StoredResponse
from core.store.tenants.api_keys import Caller
from service.jobs.event_stream import stream_events
from service.jobs.prefer_wait import respond
from tests.api_fixture import ASK, client_of, running_api
from tests.integration.test_api_process import process
from tests.redis_fixture import RedisServer, running_redis
from tests.until import PATIENCE_S, until

CALLS = [
    ("GET", "/v1/jobs"),
    ("POST", "/v1/jobs"),
    ("GET", "/v1/events"),
    ("POST", "/v1/sessions"),
    ("GET", "/v1/credits"),
    ("GET", "/v1/webhook"),
    ("POST", "/v1/uploads?filename=a.mp4"),
    ("GET", "/readyz"),
    ("GET", "/startupz"),
]
#: what probes hear of a Redis that was there and is away: no process is to leave for that
PROBED = {"/readyz": "degraded", "/startupz": "ok"}
#: more than there are connections to Redis, several times over
AT_ONCE = 150


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[RedisServer, httpx.AsyncClient]]:
    """One API process on a Redis of its own, and a client with a key."""
    with running_redis() as server:
        async with (
            running_api(server.url, tmp_path) as beside,
            process(server.url, tmp_path) as (url, _),
            client_of(url, beside.key) as client,
        ):
            yield server, client


async def asked(client: httpx.AsyncClient, number: int) -> list[httpx.Response]:
    """Make calls of every kind at once."""
    calls = (CALLS[n % len(CALLS)] for n in range(number))
    return list(await asyncio.gather(*(client.request(m, p, json=ASK if p == "/v1/jobs" else {}) for m, p in calls)))


def freeze(server: RedisServer) -> None:
    server.process.send_signal(signal.SIGSTOP)


def thaw(server: RedisServer) -> None:
    server.process.send_signal(signal.SIGCONT)


async def waited_s(client: httpx.AsyncClient, method: str, path: str) -> tuple[httpx.Response, float]:
    began_s = stopwatch_s()
    answer = await client.request(method, path, json=ASK if path == "/v1/jobs" else {})
    return answer, stopwatch_s() - began_s


async def asked_while_away(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Make many calls at once; none waits a second longer than those between them that need no Redis."""
    calls = [CALLS[n % len(CALLS)] for n in range(AT_ONCE)]
    in_turn = [call for each in calls for call in (each, ("GET", "/livez"))]
    heard = await asyncio.gather(*(waited_s(client, *call) for call in in_turn))
    answers, untouched = heard[::2], heard[1::2]
    assert {answer.status_code for answer, _ in untouched} == {200}
    machine_s = max(took_s for _, took_s in untouched)
    assert max(took_s for _, took_s in answers) < 1.0 + 2 * machine_s
    return [answer for answer, _ in answers]


@pytest.mark.parametrize(
    ("away", "back"),
    [(freeze, thaw), (RedisServer.kill, RedisServer.restart)],
    ids=["frozen", "killed"],
)
async def test_every_call_hears_within_a_second_that_redis_is_away(
    served: tuple[RedisServer, httpx.AsyncClient],
    away: Callable[[RedisServer], None],
    back: Callable[[RedisServer], None],
) -> None:
    server, client = served
    assert {a.is_success for a in await asked(client, len(CALLS) - 3)} == {True}
    away(server)
    try:
        answers = [answer for _ in range(3) for answer in await asked_while_away(client)]
        assert (await client.get("/livez")).status_code == 200
    finally:
        back(server)
    for answer in answers:
        if probed := PROBED.get(answer.request.url.path):
            assert (answer.status_code, answer.json()["status"]) == (200, probed)
        else:
            assert (answer.status_code, int(answer.headers["retry-after"]) >= 1) == (503, True)
            assert (answer.json()["code"], answer.json()["retryable"]) == ("unavailable", True)
    async with asyncio.timeout(PATIENCE_S):
        while (await client.post("/v1/jobs", json=ASK)).status_code != 202:
            pass
        while (await client.get("/readyz")).json()["status"] != "ok":
            pass
    assert {a.status_code for a in await asked(client, 3)} == {200, 202}


async def test_who_waits_for_the_end_of_an_accepted_job_is_told_that_it_is_accepted(tmp_path: Path) -> None:
    with running_redis() as server:
        async with running_api(server.url, tmp_path) as api:
            accepted = StoredResponse((await api.submit())["id"], {}, b"{}")
            server.kill()
            answer = await respond(api.context, accepted, 60, Caller("acme", "key_1", frozenset()))
            assert (answer.status_code, answer.content) == (202, accepted.body)


async def test_who_follows_a_job_hears_that_the_connection_lives_and_goes_on_when_redis_is_back(tmp_path: Path) -> None:
    with running_redis() as server:
        async with running_api(server.url, tmp_path) as api, asyncio.timeout(PATIENCE_S):
            job = await api.context.jobs.load((await api.submit())["id"])
            assert job is not None
            key_id = (await api.context.api_keys.create("acme")).id
            server.kill()
            async with aclosing(stream_events(api.context, job, after=None, key_id=key_id)) as stream:
                assert [await anext(stream) for _ in range(3)] == [b"retry: 3000\n\n", *2 * [b": still here\n\n"]]
                server.restart()
                assert b"\nevent: snapshot\n" in await anext(frame async for frame in stream if frame[:1] != b":")


async def test_a_process_with_a_wrong_password_for_redis_says_so_and_starts_once_it_is_taken(tmp_path: Path) -> None:
    refused = ["Redis refuses the user or the password in REDIS_URL."]
    with running_redis() as server:
        url_of_redis = server.url.replace(server.password, "the-new-one")
        async with (
            process(url_of_redis, tmp_path) as (url, child),
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as client,
        ):
            for _ in range(3):  # also while nobody may ask Redis, since it was away a moment ago
                answer = await client.get("/readyz")
                assert (answer.status_code, answer.json()) == (503, {"status": "starting", "warnings": refused})
            with redis.Redis.from_url(server.url) as operator:
                operator.execute_command("ACL", "SETUSER", "default", ">the-new-one")

            async def started() -> bool:
                return (await client.get("/startupz")).status_code == 200

            await until(started, within_s=PATIENCE_S)
            child.terminate()
            _, log = await child.communicate()
    assert refused[0] in log.decode()
    assert "the-new-one" not in log.decode()


async def test_before_redis_was_ever_reached_a_process_has_not_started(tmp_path: Path) -> None:
    with running_redis() as server:
        server.kill()
        async with (
            process(server.url, tmp_path) as (url, _),
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
        ):
            for path in ("/readyz", "/startupz"):
                answer = await client.get(path)
                assert (answer.status_code, answer.json()["status"]) == (503, "starting")
            assert (await client.get("/livez")).status_code == 200
            server.restart()

            async def started() -> bool:
                return (await client.get("/startupz")).status_code == 200

            await until(started, within_s=PATIENCE_S)
            assert (await client.get("/readyz")).json()["status"] == "ok"
            server.kill()
            assert [(await client.get(path)).status_code for path in ("/readyz", "/startupz")] == [200, 200]
            assert (await client.get("/readyz")).json() == {
                "status": "degraded",
                "warnings": ["Redis does not answer at REDIS_URL."],
            }
