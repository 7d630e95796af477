"""FastAPI in front of SAQ: a checked body, a job put into Redis, 202."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from saq import Queue

from tests.bench.peers.ask import Ask, record_of

queue = Queue.from_url(os.environ["REDIS_URL"], name="peer")


@asynccontextmanager
async def _connected(_: FastAPI) -> AsyncIterator[None]:
    await queue.connect()
    yield
    await queue.disconnect()


app = FastAPI(lifespan=_connected)


@app.post("/saq", status_code=202)
async def accept(ask: Ask) -> dict[str, Any]:
    job = record_of(ask)
    await queue.enqueue("edit", job=job)
    return job
