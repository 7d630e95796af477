"""No balancer lets anybody outside read an API's metrics, however the path is spelled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.world.ports import free_port
from tests.balancers.apis import running_apis
from tests.balancers.balancers import HAPROXY, NGINX, Kind, cells_configuration, configuration, running_balancer
from tests.until import PATIENCE_S

pytestmark = pytest.mark.timeout(4 * PATIENCE_S)

#: what an API takes for the path of its metrics
SPELLINGS = (
    *("/metrics", "//metrics", "/metrics/", "/metrics//", "/metrics?a=b", "/metrics/?signature=a"),
    *("/%6Detrics", "/%6d%65trics", "/metrics%2F", "/%2fmetrics", "http://anybody/metrics"),
)


async def status_of(port: int, target: str) -> int:
    """Send a target as it is, which no client does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: anybody\r\nConnection: close\r\n\r\n".encode())
        line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
    finally:
        writer.close()
    return int(line.split()[1])


def plain(kind: Kind) -> Callable[[int, tuple[int, int], Path], str]:
    return lambda port, apis, folder: configuration(kind, port=port, apis=apis, folder=folder)


def of_cells(port: int, apis: tuple[int, int], folder: Path) -> str:
    return cells_configuration(port=port, cells=dict(zip(("eu1", "eu2"), apis, strict=True)), folder=folder)


BALANCERS = {"nginx": (NGINX, plain(NGINX)), "haproxy": (HAPROXY, plain(HAPROXY)), "cells": (HAPROXY, of_cells)}


@asynccontextmanager
async def running(name: str, redis_url: str, folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Run two APIs and a balancer before them; give its port and that of one of them."""
    kind, text_of = BALANCERS[name]
    apis, port = (free_port(), free_port()), free_port()
    async with running_apis(redis_url, folder / "storage", apis, REELGATE_DRAIN_DELAY_S="0"):
        text = text_of(port, apis, folder)
        async with running_balancer(kind, text, port=port, folder=folder):
            yield port, apis[0]


@pytest.mark.parametrize("name", BALANCERS)
async def test_metrics_are_not_there_from_outside_in_any_spelling(name: str, redis_url: str, tmp_path: Path) -> None:
    async with running(name, redis_url, tmp_path) as (balancer, api):
        assert {target: await status_of(api, target) for target in SPELLINGS} == dict.fromkeys(SPELLINGS, 200)
        assert {target: await status_of(balancer, target) for target in SPELLINGS} == dict.fromkeys(SPELLINGS, 404)
        assert await status_of(balancer, "/livez") == 200
