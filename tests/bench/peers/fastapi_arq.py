"""FastAPI in front of arq as it comes: a checked body, a job put into Redis, 202."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, Request

from tests.bench.peers.ask import Ask, record_of


@asynccontextmanager
async def _connected(api: FastAPI) -> AsyncIterator[None]:
    api.state.queue = await create_pool(RedisSettings.from_dsn(os.environ["REDIS_URL"]))
    yield
    await api.state.queue.aclose()


app = FastAPI(lifespan=_connected)


@app.post("/arq", status_code=202)
async def accept(ask: Ask, request: Request) -> dict[str, Any]:
    job = record_of(ask)
    await request.app.state.queue.enqueue_job("edit", job)
    return job
