"""A bare httpx script: the calls of one recorded job, for many jobs, one client and eight jobs at a time.

`python -m tests.bench.peers.bare_httpx TAPE JOBS` prints the seconds of processor time that it took. It checks nothing,
keeps nothing and recovers from nothing: what is left is the price of the calls themselves.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any
from uuid import uuid4

import httpx

AT_ONCE = 8
#: what the client says by itself
_ITS_OWN = {"host", "content-length", "connection", "accept-encoding", "user-agent", "transfer-encoding"}


def _trace_of(calls: list[dict[str, Any]]) -> str:
    """Find the trace id of the recorded job, which is in its paths and bodies, too."""
    return next(str(call["headers"]["traceparent"]).split("-")[1] for call in calls if "traceparent" in call["headers"])


async def _run_jobs(client: httpx.AsyncClient, calls: list[dict[str, Any]], numbers: Iterator[int]) -> None:
    recorded, tape = _trace_of(calls), json.dumps(calls)
    for _ in numbers:
        trace = recorded[:2] + uuid4().hex[2:]
        for call in json.loads(tape.replace(recorded, trace)):
            await _make(client, call)


async def _make(client: httpx.AsyncClient, call: dict[str, Any]) -> None:
    headers = {name: value for name, value in call["headers"].items() if name not in _ITS_OWN}
    async with client.stream(call["method"], call["path"], headers=headers, content=call["body"] or None) as response:
        response.raise_for_status()
        async for _ in response.aiter_lines():
            pass


async def main(read: dict[str, Any], jobs: int) -> None:
    numbers = iter(range(jobs))
    async with httpx.AsyncClient(base_url=read["url"], trust_env=False, timeout=60) as client:
        began_s = process_time()
        await asyncio.gather(*(_run_jobs(client, read["calls"], numbers) for _ in range(AT_ONCE)))
        print(process_time() - began_s)  # noqa: T201 - its output


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])))
