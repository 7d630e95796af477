"""FastAPI in front of Celery, as their documentation shows it: a checked body, a task put into Redis, 202.

``/sync`` is the usual plain function, which FastAPI runs in a thread; ``/async`` calls Celery inside the loop.
"""

import os
from typing import Any
from uuid import uuid4

from celery import Celery
from fastapi import FastAPI
from pydantic import BaseModel, Field

queue = Celery("peer", broker=os.environ["REDIS_URL"], broker_connection_retry_on_startup=True)
queue.conf.task_ignore_result = True
app = FastAPI()


class Media(BaseModel):
    url: str


class Ask(BaseModel):
    """The fields of the bench's job."""

    prompt: str = Field(min_length=1, max_length=10_000)
    profile: str
    media: list[Media]
    metadata: dict[str, str] = {}


@queue.task(name="edit")
def edit(job: dict[str, Any]) -> None:
    """Never runs here: accepting is what is measured."""


def _accepted(ask: Ask) -> dict[str, Any]:
    job = {"id": f"job_{uuid4()}", "status": "queued", **ask.model_dump()}
    edit.delay(job)
    return job


@app.post("/sync", status_code=202)
def accept_in_thread(ask: Ask) -> dict[str, Any]:
    return _accepted(ask)


@app.post("/async", status_code=202)
async def accept_in_loop(ask: Ask) -> dict[str, Any]:
    return _accepted(ask)
