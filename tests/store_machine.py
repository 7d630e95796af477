"""What state machines over a real Redis have in common: an event loop for one play, and an empty store."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import redis
from hypothesis.stateful import RuleBasedStateMachine

from core.store.redis.client import connect
from tests.store_fixture import Core, settings_for
from tests.until import PATIENCE_S

T = TypeVar("T")


class StoreMachine(RuleBasedStateMachine):
    """Rules are plain functions, as Hypothesis wants them; `run` waits for what they ask of the store."""

    def __init__(self, url: str, **settings: Any) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        with redis.Redis.from_url(url) as plain:
            plain.flushall()
        self.core = self.run(self._build(url, settings))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _build(self, url: str, settings: dict[str, Any]) -> Core:
        return Core(connect(url, answer_s=PATIENCE_S), settings_for(url, **settings))

    def teardown(self) -> None:
        self.run(self.core.redis.aclose())
        self.runner.close()
