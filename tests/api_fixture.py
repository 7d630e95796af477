"""The API as tests use it: the real app over the real Redis, served by uvicorn inside the test's own loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr

from core.clock import Clock
from core.settings import Settings
from core.store.tenants.api_keys import SCOPES
from service.app import build_app
from service.context import ApiContext, open_context
from service.main import uvicorn_config
from tests.loopback import NO_TLS
from tests.openapi_check import check_answer
from tests.redis_fixture import patient
from tests.until import PATIENCE_S

CLIP = {"url": "https://media.example.com/clip.mp4"}
ASK = {"prompt": "trim the first 2 seconds", "media": [CLIP]}
SECRET_KEY = "k" * 40


@dataclass
class Api:
    """A running API: `http` calls it with the key of tenant `acme`; `context` are its insides, to arrange a test."""

    url: str
    http: httpx.AsyncClient
    key: str = field(repr=False)
    context: ApiContext
    server: uvicorn.Server

    async def caller(self, tenant: str, *scopes: str) -> httpx.AsyncClient:
        """Make a client with a key of its own; close it, or let the API's end do so."""
        issued = await self.context.api_keys.create(tenant, scopes=scopes or SCOPES)
        return client_of(self.url, issued.secret)

    async def submit(self, **fields: Any) -> dict[str, Any]:
        answer = await self.http.post("/v1/jobs", json=ASK | fields)
        assert answer.status_code == 202, answer.text
        return answer.json()


def client_of(url: str, key: str) -> httpx.AsyncClient:
    """Make a client; every answer that it gets is held against the OpenAPI document."""
    headers = {"Authorization": f"Bearer {key}"}
    hooks = {"response": [check_answer]}
    return httpx.AsyncClient(
        base_url=url, headers=headers, trust_env=False, timeout=PATIENCE_S, event_hooks=hooks, verify=NO_TLS
    )


def settings_for(redis_url: str, storage: Path | str, **chosen: Any) -> Settings:
    """Make settings as the environment would: names without the prefix, plus what a test chooses."""
    return Settings.model_validate(
        {
            "REDIS_URL": redis_url,
            "secret_keys": (SecretStr(SECRET_KEY),),
            "storage": str(storage),
            "submits_per_minute": 10_000,
            **chosen,
        }
    )


@asynccontextmanager
async def running_api(
    redis_url: str, storage: Path | str, *, clock: Clock | None = None, docs_script: Path | None = None, **chosen: Any
) -> AsyncIterator[Api]:
    """Serve the API on a free port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    # a machine with much else to do is not a Redis that is away; those tests have an API of their own
    settings = settings_for(redis_url, storage, **{"public_url": url} | chosen)
    context = open_context(settings, clock=clock, redis_timeout_s=PATIENCE_S)
    patient(context.store.redis)
    server = _Server(uvicorn_config(build_app(context, docs_script=docs_script), loop="none"))  # the test's own loop
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await server.is_up.wait()
    issued = await context.api_keys.create("acme")
    http = client_of(url, issued.secret)
    try:
        yield Api(url, http, issued.secret, context, server)
    finally:
        await http.aclose()
        context.subscriptions.end_streams()
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)
