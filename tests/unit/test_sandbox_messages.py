"""Runs of messages: whoever listens to one hears its end, whenever it comes."""

import asyncio

import pytest

from sandbox.backend.channel import Closed
from sandbox.backend.memory import Memory
from sandbox.backend.settings import Settings
from tests.until import PATIENCE_S


@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_a_run_that_is_ended_at_once_closes_its_stream(tmp_path, steps):
    memory = Memory(Settings(tokens="nmv_usr_a:100"), tmp_path)
    token = next(iter(memory.tokens))
    session = memory.sessions.open(token, task_name="project", language=None)
    run = memory.messages.start(token, session.id, "trim [[story:heartbeats-only]]", dropped=False)
    for _ in range(steps):
        await asyncio.sleep(0)
    await memory.stop()
    async with asyncio.timeout(PATIENCE_S):
        *_, last = [event async for event in run.channel.events()]
    assert last == Closed()
