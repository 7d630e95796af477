"""The callback receiver as a process of its own, for any test that needs one."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.loopback import NO_TLS
from tests.until import PATIENCE_S


class Receiver:
    """A running receiver: `url` is its address, `hook` the URL that takes callbacks well."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.hook = f"{url}/hook"

    async def received(self, *, at_least: int = 0, wait_s: float = PATIENCE_S, **wanted: str) -> list[dict[str, Any]]:
        """List what came in, after waiting for `at_least` of it; `wanted` chooses by id, type, job_id or path."""
        query = {"at_least": str(at_least), "wait_s": str(wait_s), **wanted}
        async with httpx.AsyncClient(trust_env=False, timeout=wait_s + 10, verify=NO_TLS) as client:
            answer = await client.get(f"{self.url}/_received", params=query)
        return answer.raise_for_status().json()


@asynccontextmanager
async def running_receiver(*secrets: str) -> AsyncIterator[Receiver]:
    """Run a receiver that knows these secrets; it is gone when the block ends."""
    env = os.environ | {"RECEIVER_SECRETS": " ".join(secrets)}
    command = (sys.executable, "-m", "sandbox.receiver")
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
    try:
        line = (await process.stdout.readline()).decode()
        assert line.startswith("receiver ready "), f"the receiver did not start: {line!r}"
        yield Receiver(line.split()[-1])
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
