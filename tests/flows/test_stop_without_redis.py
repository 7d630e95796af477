"""A worker that is told to stop while Redis is gone, with jobs in its hands, stops."""

import asyncio
import signal

import httpx

from sandbox.world.folders import make_folders
from sandbox.world.identity import Identity
from sandbox.world.settings import callers_environment, with_sandbox_account
from sandbox.world.world import WorldSpec, open_world
from tests.until import PATIENCE_S


async def test_a_worker_stops_although_what_it_holds_cannot_be_handed_over(tmp_path):
    identity = Identity()
    pace = {"SANDBOX_SLOW_S": "60", "SANDBOX_HEARTBEAT_S": "0.2", "REELGATE_DRAIN_S": "1"}
    caller = with_sandbox_account(callers_environment() | pace, token=identity.sandbox_token)
    async with open_world(
        WorldSpec(), folders=make_folders("stop", root=tmp_path), caller=caller, identity=identity
    ) as world:
        await until_three_edit(world.apis[0].address, world.api_key)
        world.redis.signal(signal.SIGKILL)
        await world.redis.end()
        world.workers[0].signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            assert "by itself with status 0" in str(await world.workers[0].end())


async def until_three_edit(api: str, key: str) -> None:
    """Submit three slow jobs, and follow each until its message is on its way."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=api, headers=headers, trust_env=False, timeout=PATIENCE_S) as http:
        for number in range(3):
            prompt = f"[[story:slow]] generate a 5-second promotional video from my text: number {number}"
            body = {"prompt": prompt, "profile": "free-video-generation-automatic"}
            job = (await http.post("/v1/jobs", json=body)).json()
            async with http.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
                async for line in events.aiter_lines():
                    if '"stage":"editing"' in line:
                        break
