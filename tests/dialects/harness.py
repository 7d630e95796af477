"""Harness of the dialects' tests: a sandbox, proxies before it, and worlds whose backend is a proxy.

Every case is a tenant with a backend token of its own. By the token the proxy knows the case, the sandbox's ledger tells
what it was charged, and what is learned of one token is no other case's.
"""

import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.dialects.proxy import Conversation, Proxy
from tests.dialects.proxy_server import running_proxy
from tests.gateway_fixture import FAST, Gateway, running_gateway
from tests.loopback import NO_TLS
from tests.until import PATIENCE_S

_ROOT = Path(__file__).parents[2]
_CREDITS = 25_000


class Tenant(Gateway):
    """A gateway as one tenant of it sees it; where all look at the same, it shares the clients of its world."""

    def __init__(self, world: Gateway, api_key: str, sandbox: httpx.Client) -> None:
        self.world = {**world.world, "api_key": api_key}
        self.folder = world.folder
        headers = {"Authorization": f"Bearer {api_key}"}
        address = world.world["api"]
        self.http = httpx.Client(base_url=address, headers=headers, timeout=PATIENCE_S, trust_env=False, verify=NO_TLS)
        self.sandbox, self.receiver = sandbox, world.receiver

    def close(self) -> None:
        """End its own client alone."""
        self.http.close()


@dataclass(frozen=True)
class Case:
    """One tenant, its conversation at the proxy, and its token's name in the ledger."""

    gateway: Tenant
    conversation: Conversation
    token_id: str

    def messages(self) -> list[dict[str, Any]]:
        """List what the sandbox charged this case for."""
        return [row for row in self._rows("messages") if row["charged"]]

    def renders(self) -> list[dict[str, Any]]:
        return self._rows("renders")

    def _rows(self, table: str) -> list[dict[str, Any]]:
        return [row for row in self.gateway.ledger()[table] if row["token_id"] == self.token_id]


@dataclass
class Harness:
    """A world behind a proxy, and the means to open cases in it."""

    world: Gateway
    proxy: Proxy
    #: steers and reads the sandbox, past the proxy
    sandbox: httpx.Client
    environment: Mapping[str, str]
    #: closes what the cases hold
    stack: ExitStack

    def calls(self) -> int:
        """Count what the gateway has asked so far."""
        return sum(
            conversation.calls.total()
            for conversation in (self.proxy.stranger, *list(self.proxy.conversations.values()))
        )

    def open_cases(
        self, conversations: Mapping[str, Conversation], *, without_token: frozenset[str] = frozenset()
    ) -> dict[str, Case]:
        """Make a tenant for each name. One without a token is served by the installation's anonymous identity."""
        tokens = {name: "" if name in without_token else f"nmv_usr_{secrets.token_hex(12)}" for name in conversations}
        for token in filter(None, tokens.values()):
            self.sandbox.post("/_sandbox/tokens", json={"token": token, "credits": _CREDITS}).raise_for_status()
        self.proxy.conversations |= {token: conversations[name] for name, token in tokens.items() if token}
        keys = self._enrol(tokens)
        opened = {name: Tenant(self.world, keys[name], self.sandbox) for name in conversations}
        for tenant in opened.values():
            self.stack.callback(tenant.close)
        return {name: Case(opened[name], conversations[name], _named(tokens[name])) for name in conversations}

    def _enrol(self, tokens: Mapping[str, str]) -> dict[str, str]:
        command = [sys.executable, "-m", "tests.dialects.enrol"]
        env = {**os.environ, **self.environment, "REDIS_URL": self.world.world["redis_url"]}
        done = subprocess.run(
            command, cwd=_ROOT, env=env, input=json.dumps(tokens), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


def _named(token: str) -> str:
    """Name a token as the ledger does."""
    return "tok_" + hashlib.sha256(token.encode()).hexdigest()[:12]


@contextmanager
def running_harness(folder: Path, sandbox_url: str, **environment: str) -> Iterator[Harness]:
    """Start a world whose backend is a proxy before a sandbox that runs already."""
    env = {"REELGATE_SECRET_KEYS": secrets.token_urlsafe(32), **environment}
    with (
        running_proxy(sandbox_url) as proxy,
        running_gateway(folder, "--backend", proxy.url, **env) as world,
        httpx.Client(base_url=sandbox_url, timeout=PATIENCE_S, trust_env=False) as sandbox,
        ExitStack() as stack,
    ):
        yield Harness(world, proxy, sandbox, env, stack)


@contextmanager
def running_stand_in(**environment: str) -> Iterator[str]:
    """Start a sandbox and give its URL; end it afterwards."""
    mine = {n: v for n, v in os.environ.items() if not n.startswith(("NEMO_", "REELGATE_", "SANDBOX_"))}
    env = {**mine, **{n: v for n, v in FAST.items() if n.startswith("SANDBOX_")}, **environment}
    with tempfile.TemporaryDirectory(prefix="dialects-") as data:
        command = [sys.executable, "-m", "sandbox.main", "--port", "0", "--data", data]
        with subprocess.Popen(command, cwd=_ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line.startswith("sandbox ready"), line
                yield line.split()[-1]
            finally:
                process.terminate()
                process.wait(PATIENCE_S)
