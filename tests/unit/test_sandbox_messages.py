"""Runs of messages: whoever listens to one hears its end, whenever it comes."""

import asyncio

import pytest

from sandbox.backend.messages.channel import Closed
from sandbox.backend.settings import Settings
from sandbox.backend.state import BackendState
from tests.until import PATIENCE_S


@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_a_run_that_is_ended_at_once_closes_its_stream(tmp_path, steps):
    state = BackendState(Settings(tokens="nmv_usr_a:100"), tmp_path)
    token = next(iter(state.tokens))
    session = state.sessions.open(token, task_name="project", language=None)
    run = state.messages.start(token, session.id, "trim [[story:heartbeats-only]]", dropped=False)
    for _ in range(steps):
        await asyncio.sleep(0)
    await state.stop()
    async with asyncio.timeout(PATIENCE_S):
        *_, last = [event async for event in run.channel.events()]
    assert last == Closed()
