"""The API as a process, and the command that submits to it: started, asked, used, ended."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.world.ports import free_port
from tests.api_fixture import ASK, SECRET_KEY, Api, running_api
from tests.job_ends import VIDEO, fail, succeed
from tests.ready_line import address_in
from tests.redis_fixture import running_redis
from tests.until import PATIENCE_S

REELGATE = Path(sys.executable).with_name("reelgate")
MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 20_000


#: what a process may log before somebody reads it: with less it would stand still in the middle of a test
LOG_BYTES = 1 << 24


@asynccontextmanager
async def process(redis_url: str, storage: Path, *words: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run `reelgate api` on a free port."""
    env = os.environ | {
        "REDIS_URL": redis_url,
        "REELGATE_SECRET_KEYS": SECRET_KEY,
        "REELGATE_STORAGE": str(storage),
        "REELGATE_LOG_LEVEL": "DEBUG",
        "REELGATE_DRAIN_DELAY_S": "0",
    }
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    child = await asyncio.create_subprocess_exec(
        REELGATE, "api", "--port", "0", *words, env=env, limit=LOG_BYTES, **pipes
    )
    try:
        line = (await child.stdout.readline()).decode()
        address = address_in(line, "api")
        assert address, line
        yield address, child
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


async def test_the_process_says_when_it_is_ready_and_ends_cleanly_with_open_streams(
    redis_url: str, tmp_path: Path
) -> None:
    async with running_api(redis_url, tmp_path) as beside, process(redis_url, tmp_path) as (url, child):
        job = await beside.submit()
        headers = {"Authorization": f"Bearer {beside.key}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=PATIENCE_S) as client:
            assert (await client.get("/readyz")).json() == {"status": "ok", "warnings": []}
            async with client.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
                lines = answer.aiter_lines()
                assert await anext(lines) == "retry: 3000"
                child.send_signal(signal.SIGTERM)
                assert [line async for line in lines][-1] == ""
        out, logs = await asyncio.wait_for(child.communicate(), PATIENCE_S)
        assert (child.returncode, out) == (0, b"")
        for secret in (beside.key, SECRET_KEY, ASK["prompt"], "clip.mp4"):
            assert secret.encode() not in logs


async def test_metrics_can_have_a_port_of_their_own(redis_url: str, tmp_path: Path) -> None:
    port = free_port()
    started = process(redis_url, tmp_path, "--metrics-port", str(port))
    async with started as (url, _), httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        await client.get(f"{url}/livez")
        assert (await client.get(f"{url}/metrics")).status_code == 404
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        assert {
            (await client.get(f"http://127.0.0.1:{port}{path}")).status_code for path in ("/", "/readyz", "/x")
        } == {404}
        assert (await client.post(f"http://127.0.0.1:{port}/metrics")).status_code == 405
    assert 'reelgate_http_requests_total{method="GET",route="/livez",status="200"} 1.0' in text


async def test_a_port_for_metrics_that_is_taken_is_told_in_a_sentence(redis_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = os.environ | {
            "REDIS_URL": redis_url,
            "REELGATE_SECRET_KEYS": SECRET_KEY,
            "REELGATE_STORAGE": str(tmp_path),
        }
        words = (REELGATE, "api", "--port", "0", "--metrics-port", str(port))
        child = await asyncio.create_subprocess_exec(*words, env=env, stderr=asyncio.subprocess.PIPE)
        _, logs = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert child.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in logs.decode()
    assert "Traceback" not in logs.decode()


async def test_a_bad_setting_stops_the_process_with_its_name_and_without_its_value(tmp_path: Path) -> None:
    env = os.environ | {"REELGATE_SECRET_KEYS": "too-short", "REELGATE_STORAGE": str(tmp_path)}
    child = await asyncio.create_subprocess_exec(
        REELGATE, "api", "--port", "0", env=env, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, logs = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert child.returncode != 0
    assert b"REELGATE_SECRET_KEYS" in logs
    assert b"too-short" not in out + logs


async def test_metrics_count_by_route_and_never_by_id(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path) as api:
        job = await api.submit(profile="trimmer-exe")
        await api.http.get(f"/v1/jobs/{job['id']}")
        await api.http.get("/nowhere/at/all")
        text = (await api.http.get("/metrics")).text
    assert 'route="/v1/jobs/{job_id}",status="200"' in text
    assert 'reelgate_jobs_accepted_total{profile="trimmer-exe"}' in text
    assert job["id"] not in text
    assert "nowhere" not in text


async def test_readiness_warns_of_a_redis_that_may_forget(tmp_path: Path) -> None:
    with running_redis() as server:
        async with running_api(server.url, tmp_path) as api:
            await api.context.store.redis.config_set("appendonly", "no")
            await api.context.store.redis.config_set("maxmemory-policy", "allkeys-lru")
            warnings = (await api.http.get("/readyz")).json()["warnings"]
    assert len(warnings) == 2
    assert "AOF" in warnings[0]
    assert "evict" in warnings[1]


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path / "storage") as running:
        yield running


async def submitted(api: Api, *words: str, cwd: Path) -> asyncio.subprocess.Process:
    env = os.environ | {"REELGATE_API": api.url, "REELGATE_API_KEY": api.key}
    return await asyncio.create_subprocess_exec(
        REELGATE, "submit", *words, env=env, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def job_there(api: Api) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while not (jobs := (await api.http.get("/v1/jobs")).json()["data"]):
            pass
    return jobs[0]["id"]


async def test_submit_uploads_follows_and_downloads(api: Api, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(MP4)
    words = ["clip.mp4", "trim the first 2 seconds", "--output", "done.mp4"]
    child = await submitted(api, *words, cwd=tmp_path)
    await succeed(api.context, await job_there(api), reply="Trimmed.")
    out, _ = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert child.returncode == 0
    assert b"Trimmed." in out
    assert b"saved done.mp4" in out
    assert (tmp_path / "done.mp4").read_bytes() == VIDEO


async def test_submit_says_in_plain_words_what_went_wrong(api: Api, tmp_path: Path) -> None:
    child = await submitted(api, "https://x.example/a.mp4", "trim it by 2 seconds", "--wait", cwd=tmp_path)
    await fail(api.context, await job_there(api))
    _, logs = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert child.returncode == 1
    assert b"could not render" in logs
    missing = await submitted(api, "missing.mp4", "trim it", cwd=tmp_path)
    _, logs = await asyncio.wait_for(missing.communicate(), PATIENCE_S)
    assert (missing.returncode, b"there is no file missing.mp4" in logs) == (1, True)


async def submitted_with_key(api: Api, key: str, cwd: Path) -> tuple[int | None, str, str]:
    """Run a submit with ``--key`` and the key on its input; give its status and what it said."""
    env = {name: value for name, value in os.environ.items() if name != "REELGATE_API_KEY"}
    words = ["submit", "--key", key, "--api", api.url, "how many credits do I have?"]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    child = await asyncio.create_subprocess_exec(REELGATE, *words, env=env, cwd=cwd, **pipes)
    out, errors = await child.communicate(f"{api.key}\n".encode())
    return child.returncode, out.decode(), errors.decode()


async def test_a_key_is_read_from_the_input(api: Api, tmp_path: Path) -> None:
    status, out, errors = await submitted_with_key(api, "-", tmp_path)
    assert (status, " is queued" in out) == (0, True), errors


async def test_a_key_on_the_command_line_is_refused_and_not_repeated(api: Api, tmp_path: Path) -> None:
    status, out, errors = await submitted_with_key(api, api.key, tmp_path)
    assert (status, "set REELGATE_API_KEY" in errors) == (2, True)
    assert api.key not in out + errors
