"""FastAPI in front of Celery, as their documentation shows it: a checked body, a task put into Redis, 202.

``/sync`` is the usual plain function, which FastAPI runs in a thread; ``/async`` calls Celery inside the loop, and
``/async-thread`` in a thread of its pool, so that the loop goes on.
"""

import os
from typing import Any

from celery import Celery  # type: ignore[import-untyped]
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from tests.bench.peers.ask import Ask, record_of

queue = Celery("peer", broker=os.environ["REDIS_URL"], broker_connection_retry_on_startup=True)
queue.conf.task_ignore_result = True
app = FastAPI()


@queue.task(name="edit")  # type: ignore[untyped-decorator]
def edit(job: dict[str, Any]) -> None:
    """Never runs here: accepting is what is measured."""


def _accepted(ask: Ask) -> dict[str, Any]:
    job = record_of(ask)
    edit.delay(job)
    return job


@app.post("/sync", status_code=202)
def accept_in_thread(ask: Ask) -> dict[str, Any]:
    return _accepted(ask)


@app.post("/async", status_code=202)
async def accept_in_loop(ask: Ask) -> dict[str, Any]:
    return _accepted(ask)


@app.post("/async-thread", status_code=202)
async def accept_beside_loop(ask: Ask) -> dict[str, Any]:
    job = record_of(ask)
    await run_in_threadpool(edit.delay, job)
    return job
