"""Starts the sandbox as a real process on a free port, for tests of every kind, and ends it afterwards."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.loopback import NO_TLS
from tests.until import PATIENCE_S, until

ROOT = Path(__file__).parents[1]
_STOP_S = PATIENCE_S


class Sandbox:
    """A running sandbox and the calls that steer it."""

    def __init__(self, url: str, process: asyncio.subprocess.Process, data: Path) -> None:
        self.url = url
        #: the folder of its uploads and films
        self.data = data
        self.process = process
        self._http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S, verify=NO_TLS)

    async def ledger(self) -> dict[str, Any]:
        return await self._steer("GET", "ledger")

    async def add_token(
        self,
        token: str | None = None,
        *,
        credits: int = 25_000,  # noqa: A002 - the word of the interface
        plan: str = "pro",
        scopes: tuple[str, ...] = ("*",),
        expires_in_s: float | None = None,
        account_of: str | None = None,
    ) -> str:
        """Add a registered token; without a name it gets a random one. Returns it."""
        body = {"token": token, "credits": credits, "plan": plan, "scopes": scopes}
        body |= {"expires_in_s": expires_in_s, "account_of": account_of}
        return str((await self._steer("POST", "tokens", body))["token"])

    async def faults(self, **faults: float) -> None:
        """Set faults for everybody, e.g. ``http_500_rate=0.1``; none at all end them."""
        await (self._steer("POST", "faults", faults) if faults else self._steer("DELETE", "faults"))

    async def reset(self) -> None:
        await self._steer("POST", "reset")

    async def until(self, done: Callable[[dict[str, Any]], bool], *, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """Read the ledger until it shows what a test waits for, and return it. Raises TimeoutError."""

        async def look() -> dict[str, Any] | None:
            ledger = await self.ledger()
            return ledger if done(ledger) else None

        ledger = await until(look, within_s=within_s)
        assert ledger is not None
        return ledger

    async def close(self) -> None:
        await self._http.aclose()

    async def _steer(self, method: str, call: str, body: Any = None) -> dict[str, Any]:
        answer = await self._http.request(method, f"/_sandbox/{call}", json=body)
        answer.raise_for_status()
        return dict(answer.json())


@asynccontextmanager
async def running_sandbox(**env: str | float | bool) -> AsyncIterator[Sandbox]:
    """Run a sandbox with settings, e.g. ``running_sandbox(SANDBOX_SILENT_RATE=0, SANDBOX_TIME_SCALE=10)``."""
    with tempfile.TemporaryDirectory(prefix="sandbox-test-") as data:
        process = await _start(data, {name: str(value) for name, value in env.items()})
        sandbox = Sandbox(await _ready(process), process, Path(data))
        try:
            yield sandbox
        finally:
            await sandbox.close()
            await _stop(process)


async def _start(data: str, env: dict[str, str]) -> asyncio.subprocess.Process:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox.main", "--port", "0", "--data", data),
        cwd=ROOT,
        env={**inherited, **env},
        stdout=asyncio.subprocess.PIPE,
    )


async def _ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("sandbox ready http://"), f"the sandbox did not start: {line!r}"
    return line.split()[-1]


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
