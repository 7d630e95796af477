"""What the drivers take of an answer: not more than any answer of the API has, and not for ever."""

import asyncio
import logging
import warnings
from contextlib import closing, suppress

import httpx
import pytest

from reelgate.client import AsyncReelgate, NoAnswer, Reelgate, Refused
from reelgate.client.transport import ANSWER_S, MOST_ANSWER_BYTES, GatheredBody
from tests.client_script import Time
from tests.scripted_api import gives, scripted_api
from tests.until import PATIENCE_S, until


def test_an_answer_that_drips_ends_in_time():
    clock = Time()
    body = GatheredBody(clock)
    body.take(b"{")
    clock.now_s += ANSWER_S + 1
    with pytest.raises(httpx.ReadTimeout):
        body.take(b" ")


def test_an_answer_that_has_no_end_is_not_kept():
    body = GatheredBody(Time())
    for _ in range(MOST_ANSWER_BYTES >> 20):
        body.take(bytes(1 << 20))
    with pytest.raises(httpx.DecodingError):
        body.take(b" ")


@pytest.mark.parametrize("status", [200, 500])
def test_an_enormous_answer_is_no_answer_to_either_client(status):
    async def waiting(url: str) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            await AsyncReelgate(url, "rg_k", http=http, retry_s=0).credits()

    with scripted_api() as api:
        api.replies = {"/v1/credits": [gives(status, bytes(MOST_ANSWER_BYTES + 1))]}
        with httpx.Client(trust_env=False) as http, pytest.raises(NoAnswer, match="DecodingError"):
            Reelgate(api.url, "rg_k", http=http, retry_s=0).credits()
        with pytest.raises(NoAnswer, match="DecodingError"):
            asyncio.run(waiting(api.url))


def test_a_call_that_is_cancelled_leaves_nothing_behind():
    async def asked() -> bool:
        return bool(api.asked)

    async def cancelled(url: str) -> None:
        async with httpx.AsyncClient(trust_env=False) as http, AsyncReelgate(url, "rg_k", http=http) as reelgate:
            for make in (reelgate.credits, lambda: reelgate.wait("job_1"), lambda: reelgate.download("job_1", "/x")):
                call = asyncio.create_task(make())
                await until(asked, within_s=PATIENCE_S)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                api.asked.clear()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with scripted_api() as api, warnings.catch_warnings():
        warnings.simplefilter("error")
        busy = gives(503, {"code": "overloaded", "status": 503, "retryable": True}, retry_after="20")
        api.replies = {"/v1/credits": [busy], "/v1/jobs/job_1": [busy], "/v1/jobs/job_1/events": [busy]}
        asyncio.run(cancelled(api.url))


def test_a_redirect_is_not_followed_by_a_client_of_the_callers_own_either():
    with scripted_api() as elsewhere, scripted_api() as api:
        api.replies = {"/v1/credits": [gives(307, b"", location=f"{elsewhere.url}/v1/credits")]}
        with httpx.Client(trust_env=False, follow_redirects=True) as http, pytest.raises(NoAnswer):
            Reelgate(api.url, "rg_k", http=http, retry_s=0).credits()
        assert elsewhere.asked == []


async def test_more_waits_than_a_pool_has_connections_hold_no_other_call_up():
    """Whoever waits for a job holds a connection: behind a hundred of them the next call would find none."""
    so_many, streams = 101, 0

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal streams
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"/events " in head:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
                    streams += 1
                    await reader.read()  # until the caller goes
                    return
                body = b'{"available": 7}' if b"/v1/credits " in head else b'{"id": "job_1", "status": "running"}'
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async def all_wait() -> bool:
        return streams == so_many

    async with await asyncio.start_server(answered, "127.0.0.1", 0, backlog=so_many) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with AsyncReelgate(url, "rg_k", retry_s=0) as reelgate:
            waits = [asyncio.create_task(reelgate.wait("job_1")) for _ in range(so_many)]
            await until(all_wait, within_s=PATIENCE_S)
            assert (await reelgate.credits()).available == 7
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)


def test_a_film_is_asked_for_with_the_key_and_fetched_elsewhere_without_it_and_no_link_is_logged(tmp_path, caplog):
    """Whoever reads a signed link has the film; httpx logs the URLs that it asks for."""
    caplog.set_level(logging.INFO, logger="httpx")  # which our own programs turn down

    async def waiting(url: str) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            await AsyncReelgate(url, "rg_k", http=http).download("job_1", tmp_path / "b.mp4")

    with scripted_api() as storage, scripted_api() as api:
        storage.replies = {"/film": [gives(200, b"film", content_type="video/mp4")]}
        output = {"url": f"{api.url}/v1/jobs/job_1/output?expires=1&signature=s", "size_bytes": 4}
        api.replies = {
            "/v1/jobs/job_1": [gives(200, {"id": "job_1", "status": "succeeded", "output": output})],
            "/v1/jobs/job_1/output": [gives(302, b"", location=f"{storage.url}/film")],
        }
        with httpx.Client(trust_env=False) as http:
            Reelgate(api.url, "rg_k", http=http).download("job_1", tmp_path / "a.mp4")
        asyncio.run(waiting(api.url))
    assert [(tmp_path / name).read_bytes() for name in ("a.mp4", "b.mp4")] == [b"film"] * 2
    assert {headers["authorization"] for _, _, headers, _ in api.asked} == {"Bearer rg_k"}
    assert [headers.get("authorization") for _, _, headers, _ in storage.asked] == [None, None]
    assert "/output" in caplog.text
    assert "signature" not in caplog.text


@pytest.mark.parametrize("client", [Reelgate, AsyncReelgate])
def test_an_impossible_proxy_of_the_environment_is_told_in_words_without_its_password(client, monkeypatch):
    for proxy in ("socks5://me:pa55@x", "ftp://me:pa55@x", "http://me:pa/55@x"):
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(ValueError, match="ALL_PROXY") as told:
            client("https://api.example", "rg_k")
        assert "55" not in str(told.value)


def test_an_api_on_this_machine_is_asked_without_the_proxy_of_the_environment(monkeypatch):
    with scripted_api() as api, scripted_api() as proxy:
        api.replies = proxy.replies = {"/v1/credits": [gives(200, {"available": 7})]}
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with Reelgate(api.url, "rg_k", retry_s=0) as reelgate:
            assert reelgate.credits().available == 7
        assert (len(api.asked), len(proxy.asked)) == (1, 0)
        with Reelgate("http://api.example", "rg_k", retry_s=0) as reelgate, suppress(NoAnswer, Refused):
            reelgate.credits()
        assert len(proxy.asked) == 1


def test_what_a_proxy_refuses_to_pass_on_was_not_sent():
    with scripted_api() as proxy, httpx.Client(proxy=proxy.url, trust_env=False) as http:
        with pytest.raises(NoAnswer, match="nothing was sent") as told:
            Reelgate("https://api.example", "rg_k", http=http, retry_s=0).submit("trim it")
        assert not told.value.maybe_done
