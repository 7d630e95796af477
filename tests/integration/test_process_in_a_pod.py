"""Processes as a pod has them: each the first one of its container, at addresses of either kind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.world.ports import free_port
from tests.api_fixture import SECRET_KEY
from tests.ready_line import address_in
from tests.until import PATIENCE_S

REELGATE = Path(sys.executable).with_name("reelgate")
#: a process of its own that is the first of its namespace
_FIRST = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def environment(redis_url: str, folder: Path) -> dict[str, str]:
    return os.environ | {
        "REDIS_URL": redis_url,
        "REELGATE_SECRET_KEYS": SECRET_KEY,
        "REELGATE_STORAGE": str(folder),
        "REELGATE_DRAIN_DELAY_S": "0",
        "NEMO_API_URL": "http://127.0.0.1:9",
    }


@pytest.mark.parametrize("process", ["api", "worker"])
async def test_the_first_process_of_a_container_ends_when_told_so_while_it_is_being_loaded(
    process: str, tmp_path: Path
) -> None:
    """A pod that is deleted, or replaced, within its first seconds: it worked on until it was killed."""
    need_namespaces()
    words = [*_FIRST, sys.executable, "-X", "importtime", REELGATE, process]
    env = environment("redis://127.0.0.1:9/0", tmp_path)
    runner = await asyncio.create_subprocess_exec(*words, env=env, stderr=asyncio.subprocess.PIPE)
    try:
        await loads(runner, b"redis")
        os.kill(only_child(runner.pid), signal.SIGTERM)
        _, code = await asyncio.wait_for(asyncio.gather(runner.stderr.read(), runner.wait()), PATIENCE_S)
        assert code == 128 + signal.SIGTERM
    finally:
        if runner.returncode is None:
            runner.kill()


def need_namespaces() -> None:
    if subprocess.run([*_FIRST, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no namespaces")


def only_child(process_id: int) -> int:
    [child] = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return int(child)


async def loads(process: asyncio.subprocess.Process, module: bytes) -> None:
    """Wait until it has loaded a module, by what Python says with ``-X importtime``."""
    assert process.stderr is not None
    while module not in (await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)).rpartition(b"|")[2]:
        assert process.returncode is None


@asynccontextmanager
async def running(*words: str, env: dict[str, str]) -> AsyncIterator[str]:
    """Run a process of the service, and give the address that it says."""
    child = await asyncio.create_subprocess_exec(REELGATE, *words, env=env, stdout=asyncio.subprocess.PIPE)
    try:
        assert child.stdout is not None
        line = (await asyncio.wait_for(child.stdout.readline(), PATIENCE_S)).decode()
        address = address_in(line, words[0])
        assert address, line
        yield address
    finally:
        child.terminate()
        await asyncio.wait_for(child.wait(), PATIENCE_S)


def need_ipv6() -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")


async def test_the_sandbox_hears_both_kinds_as_well(tmp_path: Path) -> None:
    need_ipv6()
    words = (REELGATE, "sandbox", "--host", "::", "--port", "0", "--data", str(tmp_path))
    child = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:
        assert child.stdout is not None
        line = (await asyncio.wait_for(child.stdout.readline(), PATIENCE_S)).decode()
        assert line.startswith("sandbox ready http://[::]:")
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:
            for host in ("127.0.0.1", "[::1]"):
                answer = await http.get(f"http://{host}:{line.strip().rpartition(':')[2]}/")
                assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR
    finally:
        child.terminate()
        await asyncio.wait_for(child.wait(), PATIENCE_S)


@pytest.mark.parametrize("process", ["api", "worker"])
async def test_a_process_that_listens_at_every_address_hears_both_kinds(
    process: str, redis_url: str, tmp_path: Path
) -> None:
    """A cluster of IPv6 probes a pod there, one of both kinds may scrape it at either."""
    need_ipv6()
    metrics = free_port()
    words = (process, "--host", "::", "--metrics-port", str(metrics), *(("--port", "0") if process == "api" else ()))
    async with running(*words, env=environment(redis_url, tmp_path)) as address:
        assert address.startswith("http://[::]:")
        ports = {metrics: "/metrics", int(address.rpartition(":")[2]): "/livez"}
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:
            for host in ("127.0.0.1", "[::1]"):
                for port, path in ports.items():
                    assert (await http.get(f"http://{host}:{port}{path}")).status_code == httpx.codes.OK
