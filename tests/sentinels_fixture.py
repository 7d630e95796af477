"""Real Sentinels over a primary and its replicas, for tests in which Redis changes hands. All are the embedded Valkey."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from sandbox.world.embedded_redis import command, configuration
from sandbox.world.ports import free_port
from tests.until import PATIENCE_S, wait_until

PASSWORD, SENTINELS_PASSWORD = "p" * 24, "s" * 24
SERVICE = "mymaster"
REPLICAS, SENTINELS = 2, 3
_SENTINEL = """\
port {port}
bind 127.0.0.1
dir {folder}
requirepass {own}
sentinel monitor {service} 127.0.0.1 {primary} 2
sentinel auth-pass {service} {password}
sentinel sentinel-pass {own}
sentinel down-after-milliseconds {service} 1000
sentinel failover-timeout {service} 20000
"""


@dataclass
class Watched:
    """The servers' ports, the primary's first, and their processes."""

    servers: dict[int, "subprocess.Popen[bytes]"]
    sentinels: tuple[int, ...]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}/0?sentinel_password={SENTINELS_PASSWORD}"

    def server(self, port: int) -> redis.Redis:
        """Make a client of one server; close it."""
        return redis.Redis(port=port, password=PASSWORD)

    def primary(self) -> int:
        """Ask a Sentinel for the primary's port."""
        with redis.Redis(port=self.sentinels[0], password=SENTINELS_PASSWORD) as client:
            return int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def command_sentinels(self, *words: str, only_first: bool = False) -> None:
        """Tell all Sentinels something, or the first one."""
        for port in self.sentinels[:1] if only_first else self.sentinels:
            with redis.Redis(port=port, password=SENTINELS_PASSWORD) as client:
                client.execute_command("SENTINEL", *words)

    def settled(self) -> bool:
        """Whether every Sentinel knows the others and all replicas, and the replicas are in touch."""
        return all(self._knows_all(port) for port in self.sentinels)

    def promotes(self, port: int) -> bool:
        """Whether a Sentinel is in the middle of a failover."""
        return "failover_in_progress" in self._facts_of(port)["flags"]

    def replicas_known_to(self, port: int) -> int:
        """Count those that a Sentinel could promote, be they in touch or not; one that was reset knows none."""
        return int(self._facts_of(port)["num-slaves"])

    def _facts_of(self, port: int) -> dict[str, str]:
        with redis.Redis(port=port, password=SENTINELS_PASSWORD, decode_responses=True) as client:
            return _facts(client.execute_command("SENTINEL", "MASTER", SERVICE))

    def _knows_all(self, port: int) -> bool:
        with redis.Redis(port=port, password=SENTINELS_PASSWORD, decode_responses=True) as client:
            facts = _facts(client.execute_command("SENTINEL", "MASTER", SERVICE))
            replicas = list(map(_facts, client.execute_command("SENTINEL", "REPLICAS", SERVICE)))
        in_touch = [r for r in replicas if r["master-link-status"] == "ok" and r["flags"] == "slave"]
        return int(facts["num-other-sentinels"]) == SENTINELS - 1 and len(in_touch) == REPLICAS


def _facts(row: dict[str, str] | list[str]) -> dict[str, str]:
    """Read a row of a Sentinel's as all versions of the client give it."""
    return row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True))


@contextmanager
def running_sentinels() -> Iterator[Watched]:
    """Run all of them; who uses it waits until they are `settled`."""
    with tempfile.TemporaryDirectory(prefix="sentinels-") as place, ExitStack() as stack:
        folder = Path(place)
        primary = free_port()
        servers = {primary: stack.enter_context(_server(primary, folder))}
        for _ in range(REPLICAS):
            port = free_port()
            servers[port] = stack.enter_context(_server(port, folder, replicaof=primary))
        # a Sentinel that finds a replica which is not in touch yet asks it again after ten seconds
        wait_until(
            lambda: all(_is_in_touch(port) for port in servers if port != primary), within_s=PATIENCE_S, every_s=0.1
        )
        ports = tuple(free_port() for _ in range(SENTINELS))
        for port in ports:
            stack.enter_context(_sentinel(port, folder, primary))
        yield Watched(servers, ports)


def _is_in_touch(replica: int) -> bool:
    with suppress(redis.ConnectionError), redis.Redis(port=replica, password=PASSWORD) as client:
        return bool(client.info("replication")["master_link_status"] == "up")
    return False


@contextmanager
def _server(port: int, folder: Path, *, replicaof: int | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    own = folder / str(port)
    own.mkdir()
    told = configuration(port=port, password=PASSWORD, data_folder=own, masterauth=PASSWORD)
    told += "repl-diskless-sync-delay 0\n" + (f"replicaof 127.0.0.1 {replicaof}\n" if replicaof else "")
    with _running(command(), told, own / "log") as process:
        yield process


@contextmanager
def _sentinel(port: int, folder: Path, primary: int) -> Iterator["subprocess.Popen[bytes]"]:
    own = folder / str(port)
    own.mkdir()
    file = own / "sentinel.conf"
    facts = {"own": SENTINELS_PASSWORD, "password": PASSWORD, "service": SERVICE, "primary": primary}
    file.write_text(_SENTINEL.format(port=port, folder=own, **facts))
    with _running([command()[0], str(file), "--sentinel"], "", own / "log") as process:
        yield process


@contextmanager
def _running(words: list[str], told: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as loud:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=loud, stderr=loud)
    assert process.stdin is not None
    process.stdin.write(told.encode())
    process.stdin.close()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
