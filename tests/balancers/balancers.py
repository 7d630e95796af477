"""A real HAProxy and a real nginx before two APIs, or before two cells, each with the configuration that `deploy/` gives to operators.

Debian's packages `haproxy` and `nginx-light` bring them. Where one is missing, its tests are skipped and say so.
"""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.until import PATIENCE_S, until

DEPLOY = Path(__file__).parents[2] / "deploy"
#: where Debian puts servers, which is not on everybody's path
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


class Kind(NamedTuple):
    """One kind of balancer."""

    name: str
    configuration: str
    #: the command, from the program, the file with its configuration and a folder of its own
    command: Callable[[str, Path, Path], list[str]]


def _nginx(program: str, file: Path, folder: Path) -> list[str]:
    return [program, "-p", str(folder), "-c", str(file), "-g", f"daemon off; pid {folder}/nginx.pid;"]


def _haproxy(program: str, file: Path, _folder: Path) -> list[str]:
    return [program, "-db", "-f", str(file)]


NGINX = Kind("nginx", "nginx.conf", _nginx)
HAPROXY = Kind("haproxy", "haproxy.cfg", _haproxy)


def configuration(kind: Kind, *, port: int, apis: tuple[int, int], folder: Path) -> str:
    """Take the operator's configuration, and put this test's addresses into it."""
    text = (DEPLOY / kind.configuration).read_text()
    places = {f"api-{number}:8080": f"127.0.0.1:{api}" for number, api in enumerate(apis, 1)}
    places |= {"listen 8080": f"listen 127.0.0.1:{port}", "bind :8080": f"bind 127.0.0.1:{port}"}
    bodies = f"http {{\n    client_body_temp_path {folder}/body;\n    proxy_temp_path {folder}/proxy;"
    for old, new in (places | {"http {": bodies}).items():
        text = text.replace(old, new)
    return text


def cells_configuration(*, port: int, cells: dict[str, int], folder: Path) -> str:
    """Take the operator's configuration for cells, each with one API here, and put the map beside it."""
    shutil.copy(DEPLOY / "cells" / "cells.map", folder)
    text = (DEPLOY / "cells" / HAPROXY.configuration).read_text().replace("bind :8080", f"bind 127.0.0.1:{port}")
    for cell, api in cells.items():
        for number in (1, 2):
            text = text.replace(f"{cell}-api-{number}:8080", f"127.0.0.1:{api}")
    return text


@asynccontextmanager
async def running_balancer(kind: Kind, text: str, *, port: int, folder: Path) -> AsyncIterator[str]:
    """Run it with this configuration, which listens at `port`, and give its address."""
    program = shutil.which(kind.name, path=PLACES)
    if program is None:
        pytest.skip(f"{kind.name} is not installed here (Debian: apt-get install {kind.name})")
    file = folder / kind.configuration
    file.write_text(text)
    log = folder / f"{kind.name}.log"
    with log.open("wb") as loud:
        child = await asyncio.create_subprocess_exec(*kind.command(program, file, folder), stdout=loud, stderr=loud)
    try:
        await until(lambda: _listens(port), within_s=PATIENCE_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        await asyncio.wait_for(child.wait(), PATIENCE_S)


async def _listens(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0
