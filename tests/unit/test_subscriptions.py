"""The subscription of an API process: what is told of a Redis that is away while it tries again."""

import asyncio
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from service.subscriptions import Subscriptions


class Away:
    """Events of a Redis that is away."""

    def __init__(self, *, tries: int) -> None:
        self._left = tries
        self.tried = asyncio.Event()

    async def subscribe(self) -> Any:
        self._left -= 1
        if not self._left:
            self.tried.set()
        raise RedisConnectionError


async def test_an_outage_of_redis_is_told_once_however_often_events_are_subscribed_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = Away(tries=4)
    subscriptions = Subscriptions(cast("Any", away), on_removal=lambda: None, tenant_streams=1)
    subscriptions.start()
    await away.tried.wait()
    await subscriptions.stop()
    assert len([record for record in caplog.records if "Redis is away" in str(record.msg)]) == 1
