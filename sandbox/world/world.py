"""Puts the world together: which processes there are, in which order they start, and what each is told of the others.

Redis and the backend come first. Then the gateway's own command makes a tenant with its API key and webhook secret, and
the receiver, which gets that secret, starts with the APIs and the workers. They stop the other way round.
"""

import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.world.child_process import Child, start_all, stop_all
from sandbox.world.commands import run
from sandbox.world.embedded_redis import embedded_redis
from sandbox.world.folders import Folders
from sandbox.world.identity import Identity
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
    identity: Identity
    #: what API, workers and the gateway's commands find in their environment
    environment: dict[str, str] = field(default_factory=dict)
    redis_url: str = ""
    backend: str = ""
    redis: Child | None = None
    sandbox: Child | None = None
    receiver: Child | None = None
    apis: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)

    def tiers(self) -> list[list[Child]]:
        """Those that stop side by side, in the order in which they stop: nobody outlives what it stands on."""
        outer = [child for child in (self.receiver, self.sandbox) if child]
        return [[*self.workers, *self.apis], outer, [self.redis] if self.redis else []]

    @property
    def api_key(self) -> str:
        return self.identity.api_key

    @property
    def webhook_secret(self) -> str:
        return self.identity.webhook_secret

    def children(self) -> list[Child]:
        return [child for tier in self.tiers() for child in tier]

    async def start(self, children: Sequence[Child]) -> None:
        """Start several side by side; each holds what the world's folder is held by. Raises ChildFailed."""
        for child in children:
            child.hold(self.folders.held_by)
        await start_all(children)

    async def stop(self) -> None:
        for tier in self.tiers():
            await stop_all(tier)

    async def command(self, *arguments: str, stdin: str = "") -> str:
        """Run one of the gateway's own commands in this world and give what it printed. Raises ChildFailed."""
        name = f"reelgate-{arguments[0]}"
        return await run([REELGATE, *arguments], env=self.environment, stdin=stdin, log_path=self.folders.log(name))


@asynccontextmanager
async def open_world(
    spec: WorldSpec, *, folders: Folders, caller: Mapping[str, str], identity: Identity
) -> AsyncIterator[World]:
    """Start a world, and stop it at the end, however that comes. Raises ChildFailed for a part that does not start.

    What `identity` lacks, ports and an API key, is added to it.
    """
    world = World(folders, identity)
    try:
        await _start_outside(world, spec, sandbox_environment(caller, token=identity.sandbox_token))
        await _start_gateway(world, spec, caller)
        yield world
    finally:
        await world.stop()


async def _start_outside(world: World, spec: WorldSpec, env: Mapping[str, str]) -> None:
    folders, identity = world.folders, world.identity
    if spec.redis_url is None:
        world.redis = embedded_redis(
            data_folder=folders.redis,
            log_path=folders.log("redis"),
            env=env,
            port=identity.port_of("redis"),
            password=identity.redis_password,
        )
    if spec.backend is None:
        world.sandbox = backend_part(identity.port_of("sandbox"), folders, env)
    await world.start([child for child in (world.redis, world.sandbox) if child])
    world.redis_url = world.redis.address if world.redis else spec.redis_url or ""
    world.backend = world.sandbox.address if world.sandbox else spec.backend or ""


async def _start_gateway(world: World, spec: WorldSpec, caller: Mapping[str, str]) -> None:
    folders, identity = world.folders, world.identity
    ports = [identity.port_of(f"api-{number}") for number in range(1, spec.apis + 1)]
    world.environment = gateway_environment(
        caller,
        redis_url=world.redis_url,
        backend=world.backend,
        public_url=f"http://{HOST}:{ports[0]}",
        storage=str(folders.storage),
        secret_key=identity.secret_key,
        pace=SANDBOX_PACE if world.sandbox else {},
    )
    await _have_key(world)
    env = world.environment
    world.receiver = receiver_part(identity.port_of("receiver"), folders, env, secret=world.webhook_secret)
    world.apis = [api_part(number, port, folders, env) for number, port in enumerate(ports, 1)]
    world.workers = [
        worker_part(number, identity.port_of(f"worker-{number}"), folders, env) for number in range(1, spec.workers + 1)
    ]
    await world.start([world.receiver, *world.apis, *world.workers])


async def _have_key(world: World) -> None:
    """Make a tenant with a key, unless its Redis still knows the key that was kept."""
    identity = world.identity
    if identity.api_key and identity.api_key_id in await world.command("keys", "list", "--tenant", identity.tenant):
        return
    # in a Redis that was given, the name is the world's own
    identity.tenant = identity.tenant or ("demo" if world.redis else _new_tenant())
    await _make_key(world)
    if not identity.webhook_secret:
        identity.tenant = _new_tenant()
        await _make_key(world)


def _new_tenant() -> str:
    """Invent a name that nobody has yet, since only a new tenant shows its webhook secret."""
    return f"demo-{secrets.token_hex(4)}"


async def _make_key(world: World) -> None:
    identity = world.identity
    made = json.loads(await world.command("keys", "create", "--tenant", identity.tenant, "--json"))
    identity.api_key, identity.api_key_id = made["key"], made["id"]
    # of a Redis that was emptied the tenant is new again, and so is its secret
    identity.webhook_secret = made.get("webhook_secret", identity.webhook_secret)
