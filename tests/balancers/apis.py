"""API processes that are started, told to end and started again at the same port, as a deploy does it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.api_fixture import SECRET_KEY
from tests.ready_line import address_in
from tests.until import PATIENCE_S, until

REELGATE = Path(sys.executable).with_name("reelgate")


class ApiProcess:
    """`reelgate api` at a port that stays."""

    def __init__(self, port: int, env: dict[str, str]) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._env = env
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        words = (REELGATE, "api", "--port", str(self.port))
        self._child = await asyncio.create_subprocess_exec(
            *words, env=self._env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert self._child.stdout is not None
        line = await asyncio.wait_for(self._child.stdout.readline(), PATIENCE_S)
        assert address_in(line.decode(), "api") == self.url, line

    def tell_to_end(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self._child is not None
        self._child.send_signal(number)

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.returncode is None

    async def ended(self) -> int:
        assert self._child is not None
        return await asyncio.wait_for(self._child.wait(), PATIENCE_S)

    async def kill(self) -> None:
        if self._child is not None and self.runs:
            self._child.kill()
            await self._child.wait()

    async def probe(self, path: str = "/readyz") -> int:
        """Ask on a connection of its own, as a balancer's check does; 0 where nobody listens."""
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
            try:
                return (await client.get(self.url + path)).status_code
            except httpx.ConnectError:
                return 0

    async def becomes(self, status: int) -> None:
        """Wait until `/readyz` answers so."""

        async def look() -> bool:
            return await self.probe() == status

        await until(look, within_s=PATIENCE_S)


@asynccontextmanager
async def running_apis(
    redis_url: str, storage: Path, ports: tuple[int, ...], **settings: str
) -> AsyncIterator[tuple[ApiProcess, ...]]:
    """Run one API at each port; `settings` are environment variables."""
    mine = {n: v for n, v in os.environ.items() if not n.startswith(("NEMO_", "REELGATE_"))}
    env = mine | {
        "REDIS_URL": redis_url,
        "REELGATE_SECRET_KEYS": SECRET_KEY,
        "REELGATE_STORAGE": str(storage),
        "REELGATE_SUBMITS_PER_MINUTE": "1000000",
        "REELGATE_TENANT_QUEUED_JOBS": "1000000",
        **settings,
    }
    apis = tuple(ApiProcess(port, env) for port in ports)
    try:
        await asyncio.gather(*(api.start() for api in apis))
        yield apis
    finally:
        for api in apis:
            await api.kill()
