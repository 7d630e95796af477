"""Harness of the crash tests: the Redis, backend, callback receiver and fork server that all lanes share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.clock import Clock
from core.security.encryption import Encryption
from core.store.redis.client import Store, connect
from core.store.tenants.api_keys import SCOPES, ApiKeys, IssuedKey
from sandbox.chaos.counting import Accepted, Verdict, judged
from sandbox.clips import make_talk_clip
from tests.crash.fork_server import ForkServer, running_fork_server
from tests.receiver_fixture import Receiver, running_receiver
from tests.redis_fixture import RedisServer, running_redis
from tests.sandbox_fixture import Sandbox, running_sandbox
from tests.until import PATIENCE_S

SANDBOX = {
    "SANDBOX_EDIT_MIN_S": 0.05,
    "SANDBOX_EDIT_MAX_S": 0.2,
    "SANDBOX_GENERATE_S": 0.5,
    "SANDBOX_SLOW_S": 1,
    "SANDBOX_HEARTBEAT_S": 0.2,
    "SANDBOX_DROP_S": 0.8,
    "SANDBOX_SECOND_STAGE_S": 0.5,
    "SANDBOX_ANONYMOUS_CREDITS": 1_000_000,
    "SANDBOX_ANONYMOUS_PER_CLIENT": 1000,
    "SANDBOX_ANONYMOUS_PER_ADDRESS": 1000,
}
SECRET_KEY = "k" * 40
#: how long a render that nobody waits for any more may take to end
_RENDERS_END_S = PATIENCE_S


@dataclass
class Harness:
    """The shared parts. `keys` are API keys, one for each lane; `accepted` and `jobs` collect what `verdict` counts."""

    folder: Path
    redis: RedisServer
    sandbox: Sandbox
    receiver: Receiver
    fork_server: ForkServer
    clip: Path
    keys: list[str]
    accepted: list[Accepted] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def redis_url(self, database: int) -> str:
        return self.redis.url_of(database)

    async def verdict(self) -> Verdict:
        """Count over everything, when all renders have ended."""
        ledger = await self.sandbox.until(_renders_are_over, within_s=_RENDERS_END_S)
        received = await self.receiver.received()
        return judged(self.accepted, jobs=self.jobs, ledger=ledger, received=received)


def _renders_are_over(ledger: dict[str, Any]) -> bool:
    return all(row["status"] != "processing" for row in ledger["renders"])


@asynccontextmanager
async def running_harness(
    folder: Path, *, lanes: int, fork_server: str = "tests.crash.fork_server", **sandbox: Any
) -> AsyncIterator[Harness]:
    """Start what `lanes` lanes need. Each lane has a database of Redis, and in it a tenant, of its own."""
    clip = folder / "clip.mp4"
    await make_talk_clip(clip, scenes=1, duration_s=1.0, silences=(), size=(160, 90))
    with running_redis(appendfsync="everysec") as redis:  # many writes; who kills it sets it otherwise
        issued = [await _new_tenant(redis.url_of(database)) for database in range(lanes)]
        async with (
            running_sandbox(**(SANDBOX | sandbox)) as backend,
            running_receiver(*(each.webhook_secret for each in issued)) as receiver,
            running_fork_server(fork_server) as workers,
        ):
            yield Harness(folder, redis, backend, receiver, workers, clip, [each.secret for each in issued])


async def _new_tenant(redis_url: str) -> IssuedKey:
    """Make a tenant with an API key, and the secret that its callbacks are signed with."""
    store = Store(connect(redis_url, answer_s=PATIENCE_S))
    try:
        return await ApiKeys(store, Encryption([SECRET_KEY]), Clock()).create("acme", scopes=SCOPES)
    finally:
        await store.close()
