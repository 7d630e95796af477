"""Puts the world together: which processes there are, in which order they start, and what each is told of the others.

Redis and the backend come first. Then the gateway's own command makes a tenant with its API key and webhook secret, and
the receiver, which gets that secret, starts with the APIs and the workers. They stop the other way round.
"""

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.world.child_process import Child, start_all, stop_all
from sandbox.world.commands import run
from sandbox.world.embedded_redis import embedded_redis
from sandbox.world.folders import Folders
from sandbox.world.ports import free_port
from sandbox.world.processes import HOST, REELGATE, api_part, backend_part, receiver_part, worker_part
from sandbox.world.settings import SANDBOX_PACE, gateway_environment, sandbox_environment


class WorldSpec(NamedTuple):
    """What a world shall consist of. A `backend` or `redis_url` that is given is used, and none is started."""

    apis: int = 1
    workers: int = 1
    backend: str | None = None
    redis_url: str | None = None


@dataclass
class World:
    """A running world. The parts that were given, not started, are None."""

    folders: Folders
    #: what API, workers and the gateway's commands find in their environment
    environment: dict[str, str] = field(default_factory=dict)
    redis_url: str = ""
    backend: str = ""
    api_key: str = ""
    webhook_secret: str | None = None
    redis: Child | None = None
    sandbox: Child | None = None
    receiver: Child | None = None
    apis: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)

    def tiers(self) -> list[list[Child]]:
        """Those that stop side by side, in the order in which they stop: nobody outlives what it stands on."""
        outer = [child for child in (self.receiver, self.sandbox) if child]
        return [[*self.workers, *self.apis], outer, [self.redis] if self.redis else []]

    def children(self) -> list[Child]:
        return [child for tier in self.tiers() for child in tier]

    async def stop(self) -> None:
        for tier in self.tiers():
            await stop_all(tier)

    async def command(self, *arguments: str, stdin: str = "") -> str:
        """Run one of the gateway's own commands in this world and give what it printed. Raises ChildFailed."""
        name = f"reelgate-{arguments[0]}"
        return await run([REELGATE, *arguments], env=self.environment, stdin=stdin, log_path=self.folders.log(name))


@asynccontextmanager
async def open_world(
    spec: WorldSpec, *, folders: Folders, caller: Mapping[str, str], sandbox_token: str
) -> AsyncIterator[World]:
    """Start a world, and stop it at the end, however that comes. Raises ChildFailed for a part that does not start.

    `sandbox_token` is an account that its own backend shall have.
    """
    world = World(folders)
    try:
        await _start_outside(world, spec, sandbox_environment(caller, token=sandbox_token))
        await _start_gateway(world, spec, caller)
        yield world
    finally:
        await world.stop()


async def _start_outside(world: World, spec: WorldSpec, env: Mapping[str, str]) -> None:
    folders = world.folders
    if spec.redis_url is None:
        world.redis = embedded_redis(data_folder=folders.redis, log_path=folders.log("redis"), env=env)
    if spec.backend is None:
        world.sandbox = backend_part(folders, env)
    await start_all([child for child in (world.redis, world.sandbox) if child])
    world.redis_url = world.redis.address if world.redis else spec.redis_url or ""
    world.backend = world.sandbox.address if world.sandbox else spec.backend or ""


async def _start_gateway(world: World, spec: WorldSpec, caller: Mapping[str, str]) -> None:
    ports = [free_port() for _ in range(spec.apis)]
    world.environment = gateway_environment(
        caller,
        redis_url=world.redis_url,
        backend=world.backend,
        public_url=f"http://{HOST}:{ports[0]}",
        storage=str(world.folders.storage),
        pace=SANDBOX_PACE if world.sandbox else {},
    )
    await _make_tenant(world)
    folders, env = world.folders, world.environment
    world.receiver = receiver_part(folders, env, secret=world.webhook_secret)
    world.apis = [api_part(number, port, folders, env) for number, port in enumerate(ports, 1)]
    world.workers = [worker_part(number, folders, env) for number in range(1, spec.workers + 1)]
    await start_all([world.receiver, *world.apis, *world.workers])


async def _make_tenant(world: World) -> None:
    """Make a tenant with a key. In a given Redis its name is its own, since only a new tenant shows its secret."""
    tenant = "demo" if world.redis else f"demo-{secrets.token_hex(4)}"
    made = json.loads(await world.command("keys", "create", "--tenant", tenant, "--json"))
    world.api_key = made["key"]
    world.webhook_secret = made.get("webhook_secret")
