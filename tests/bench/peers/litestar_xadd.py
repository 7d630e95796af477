"""Litestar with nothing but one XADD: the least that takes a checked job in and keeps it. The gateway's own framework."""

import os
from uuid import uuid4

import msgspec
import redis.asyncio
from litestar import Litestar, post

client = redis.asyncio.from_url(os.environ["REDIS_URL"])  # type: ignore[no-untyped-call]


class Media(msgspec.Struct):
    url: str


class Ask(msgspec.Struct):
    """The fields of the bench's job."""

    prompt: str
    profile: str
    media: list[Media]
    metadata: dict[str, str] = {}


class Taken(msgspec.Struct):
    """What the caller gets."""

    id: str
    status: str
    ask: Ask


@post("/xadd", status_code=202)
async def accept(data: Ask) -> Taken:
    taken = Taken(f"job_{uuid4()}", "queued", data)
    await client.xadd("peer:jobs", {"job": msgspec.json.encode(taken)})
    return taken


app = Litestar([accept], openapi_config=None, logging_config=None, on_shutdown=[client.aclose])
